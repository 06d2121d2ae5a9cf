#!/bin/sh
# variants.sh GOARCH FOLDER NAME...: builds FOLDER/NAME as others build wandns:
#   plain    go build
#   pie      the same as a position-independent executable
#   relro    linked by the system's linker, which makes what it relocated read-only
#   feed     by the feed's Makefile, which is relro with our flags
#   feed-pie the same with OpenWrt's ASLR
set -eu

arch=$1 out=$2
shift 2
top=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$top"
make -s dist/goroot
mkdir -p "$out"
out=$(cd "$out" && pwd -P)

case $arch in
amd64) cc=gcc ;;
arm64) cc=aarch64-linux-gnu-gcc ;;
mipsle) cc=mipsel-linux-gnu-gcc ;; # Debian's has no C library without floating point
*)
	echo "variants.sh has no C compiler for $arch" >&2
	exit 1
	;;
esac
export GOOS=linux GOARCH="$arch" GOMIPS=hardfloat CC="$cc" CGO_ENABLED=0 GOFLAGS='' GOFIPS140='' GOEXPERIMENT=''
export GOROOT="$top/dist/goroot" GOTOOLCHAIN=local
go=$GOROOT/bin

# feed BUILDMODE FILE: OpenWrt's folders, with stand-ins for what is not in ours.
feed() {
	tree=$(mktemp -d)
	mkdir -p "$tree/lang/golang" "$tree/net" "$tree/build"
	cp -R packaging/testdata/openwrt/. "$tree"
	mv "$tree/golang-package.mk" "$tree/lang/golang"
	cp -R openwrt/wandns "$tree/net"
	for part in cmd updater wan persist openwrt go.mod go.sum; do ln -s "$top/$part" "$tree/build"; done
	make -s -C "$tree/net/wandns" TOPDIR="$tree" PKG_BUILD_DIR="$tree/build" GO_PKG_BUILDMODE="$1" GO_PKG_BIN="$tree/bin" GO_PKG_GO="$go" compile
	mv "$tree/bin/wandns" "$2"
	rm -r "$tree"
}

for name; do
	case $name in
	plain) "$go/go" build -o "$out/$name" ./cmd/wandns ;;
	pie) "$go/go" build -buildmode=pie -o "$out/$name" ./cmd/wandns ;;
	relro) CGO_ENABLED=1 "$go/go" build -ldflags "-linkmode external -extldflags '-no-pie -Wl,-z,now -Wl,-z,relro'" -o "$out/$name" ./cmd/wandns ;;
	feed) feed exe "$out/$name" ;;
	feed-pie) feed pie "$out/$name" ;;
	esac
done
