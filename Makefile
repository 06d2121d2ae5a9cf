# The whole developer interface; `make help` prints what follows a target.

VERSION := 0.1.0
# The packager's address, which No-IP wants in the User-Agent.
CONTACT ?= packager@wandns.invalid
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# No build identifier, no path, no time: the same sources give the same bytes.
TAGS    := nethttpomithttp2
LDFLAGS := -s -w -buildid= -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.contact=$(CONTACT)
# Without inlining the binary is a seventh smaller. What follows all=-l keeps
# it: ciphers, which would be up to 25 times slower, but for the parts that
# only put them together. The last match counts.
GCFLAGS := all=-l $(patsubst %,%=,crypto/internal/fips140/... crypto/internal/fips140deps/... \
	crypto/internal/constanttime math/bits internal/byteorder) \
	$(patsubst %,crypto/internal/fips140/.../%=-l,check drbg ecdh ecdsa edwards25519 hkdf rsa tls12 tls13)
# In place of a package of Go's that would only take room, and of a source of
# its runtime that is made for heaps of gigabytes.
OVERLAY := dist/overlay.json
# By way of a link: Go lays nothing over its module cache, where a Go lies that
# Go itself downloaded.
GO = GOROOT=$(CURDIR)/dist/goroot GOTOOLCHAIN=local dist/goroot/bin/go
# Go 1.26's own crypto reserves 32 MiB for a source of randomness that is not
# used, which boards with as little memory refuse to start. The certified copy
# of the same code does not; go.mod keeps its FIPS mode off.
# Go 1.26's new collector keeps 50 to 140 KB more for itself than the one before
# it, which a later Go may not have any more.
COLLECTOR = $(if $(findstring go1.26,$(shell go env GOVERSION)),GOEXPERIMENT=nogreenteagc)
BUILD    = GOFIPS140=v1.0.0 $(COLLECTOR) $(GO) build -overlay $(OVERLAY) -trimpath -buildvcs=false -tags '$(TAGS)' -ldflags '$(LDFLAGS)' $(GCFLAGS:%=-gcflags=%)

export CGO_ENABLED := 0

ARCHES := mips mipsle mips64 mips64le arm5 arm6 arm7 arm64 386 amd64 riscv64 loong64
arm5 arm6 arm7: export GOARM = $(@:arm%=%)
mips mipsle: export GOMIPS = softfloat
mips64 mips64le: export GOMIPS64 = softfloat
386: export GO386 = softfloat
# Without inlining the runtime writes to an address that a mips64 cannot, and on
# a 386 it is preempted where it must not be and damages its memory: there even
# the smallest function looks at the stack.
386 mips64 mips64le: GCFLAGS :=

.PHONY: help run test unit qemu test-qemu soak fuzz luci e2e-luci bench bench-peers bench-herd build cross packages lint size clean deps $(ARCHES)
.DEFAULT_GOAL := help

help: ## print this
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## watch names follow an address, on simulated services; Ctrl-C ends it
	@bin/wandns-sim -demo bin/wandns

test: deps unit luci qemu size ## install what the tests need and run every test
	$(MAKE) test-qemu CUTS=3

unit:
	go vet -tags '$(TAGS),qemu' ./...
	WANDNS_CI=1 go test -timeout 30m -tags '$(TAGS)' ./...

LUCI := openwrt/luci-app-wandns

# The lint of what runs in browsers, and the tests of what is decided there.
luci: $(LUCI)/node_modules
	npm --prefix $(LUCI) run -s lint
	npm --prefix $(LUCI) run -s test

$(LUCI)/node_modules: $(LUCI)/package-lock.json | deps
	npm --prefix $(LUCI) ci --ignore-scripts --no-audit --no-fund
	@touch $@

# It adds services and deletes them again, at wandns-sim -forgive 1s, which the
# router has to reach at SIM.
e2e-luci: $(LUCI)/node_modules ## drive the LuCI of LUCI_URL in a browser, with LUCI_PASSWORD
	@$(call install,chromium=chromium)
	LUCI_URL='$(LUCI_URL)' LUCI_PASSWORD='$(LUCI_PASSWORD)' npm --prefix $(LUCI) run -s e2e

# The tests without a kernel of their own, as the routers' processors run them.
qemu:
	GOARCH=mipsle GOMIPS=softfloat go test -exec qemu-mipsel-static $(QEMU_TESTS)
	GOARCH=mips GOMIPS=softfloat go test -exec qemu-mips-static $(QEMU_TESTS)
	GOARCH=arm GOARM=5 go test -exec qemu-arm-static $(QEMU_TESTS)
	GOARCH=arm64 go test -exec qemu-aarch64-static $(QEMU_TESTS)
	$(MAKE) mips64 mips64le
	qemu-mips64-static dist/bin/mips64/wandns check --config $(EXAMPLE) >/dev/null
	qemu-mips64el-static dist/bin/mips64le/wandns check --config $(EXAMPLE) >/dev/null

EXAMPLE := openwrt/wandns/files/wandns.config

QEMU_TESTS := -tags '$(TAGS)' -skip 'Kernel|E2E|HostileDays|EveryProvider' ./wan ./persist ./updater/... ./cmd/wandns

test-qemu: dist/guest dist/guest-mipsel dist/guest-arm64 ## the package on a MIPS and an ARM, PPPoE, WireGuard, VLANs, 32 MB of memory and CUTS=20 power cuts of flash, on Debian's kernels under QEMU
	CUTS=$(CUTS) go test -count=1 -tags '$(TAGS),qemu' -run 'TestInAGuest|TestPowerCuts|TestSmallBoard|TestRouter$$' ./packaging

CUTS ?= 20

soak: deps ## SOAK=10m of bad weather, a thousand kills and all power cuts
	WANDNS_CI=1 WANDNS_SOAK=$(SOAK) go test -count=1 -timeout 2h -v -tags '$(TAGS)' -run 'TestE2ESoak|TestE2EKilledAnywhere' ./cmd/wandns
	$(MAKE) test-qemu

SOAK ?= 10m

fuzz: ## every fuzz target for FUZZTIME=30s
	@set -e; for package in $$(go list -tags '$(TAGS)' ./...); do \
		targets=$$(go test -tags '$(TAGS)' -list '^Fuzz' $$package); \
		for target in $$(echo "$$targets" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -tags '$(TAGS)' -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

FUZZTIME ?= 30s

bench: bench-peers bench-herd ## wandns beside inadyn, ddclient and, if DDNS_GO names it, ddns-go, and a million routers that come back: dist/bench.md; takes 20 minutes
	@cat dist/bench-peers.md dist/bench-herd.md >dist/bench.md && cat dist/bench.md

# BENCH_CHANGES, BENCH_LIMIT and BENCH_IDLE make it shorter: see bench_test.go.
# What the programs store lies in memory, or it would be the disk's time.
bench-peers: TOOLS += inadyn=inadyn ddclient=ddclient
bench-peers: build deps
	@mkdir -p dist
	dpkg -s libio-socket-ssl-perl >/dev/null 2>&1 || apt-get install -qy --no-install-recommends libio-socket-ssl-perl # for ddclient
	TMPDIR=/dev/shm WANDNS_CI=1 WANDNS_BENCH=$(CURDIR)/dist/bench-peers.md go test -count=1 -timeout 1h -tags '$(TAGS)' -run '^$$' -bench '^BenchmarkPeers$$' -benchtime 1x ./cmd/wandns

# What a provider sees.
bench-herd:
	@mkdir -p dist
	WANDNS_BENCH=$(CURDIR)/dist/bench-herd.md go test -count=1 -timeout 30m -tags '$(TAGS)' -run '^TestHerd$$' ./updater

# Debian's kernel and what it needs for networks, unpacked rather than installed.
dist/guest: | deps
	rm -rf $@.tmp && mkdir -p $@.tmp
	apt-get update -q
	cd $@.tmp && apt-get download -q $$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ {print $$2}')
	dpkg-deb --fsys-tarfile $@.tmp/*.deb | tar -x -C $@.tmp --exclude='*/drivers/[!nv]*' ./boot ./lib/modules
	depmod -b $@.tmp $$(ls $@.tmp/lib/modules)
	rm $@.tmp/*.deb && mv $@.tmp $@

# Routers' processors.
dist/guest-mipsel: KERNEL := linux-image-4kc-malta
dist/guest-arm64: KERNEL := linux-image-cloud-arm64
dist/guest-mipsel dist/guest-arm64: dist/guest-%: | deps
	rm -rf $@.tmp && mkdir -p $@.tmp
	dpkg --add-architecture $*
	apt-get update -q
	cd $@.tmp && apt-get download -q busybox-static:$* $$(apt-cache depends $(KERNEL):$* | awk '/Depends: linux-image-/ {print $$2}')
	for deb in $@.tmp/*.deb; do dpkg-deb -x $$deb $@.tmp || exit 1; done
	depmod -b $@.tmp $$(ls $@.tmp/lib/modules)
	rm $@.tmp/*.deb && mv $@.tmp $@

deps:
	@$(call install,$(TOOLS))

# install PROGRAM=PACKAGE...: Debian's packages of programs that are missing.
install = missing=; for tool in $(1); do command -v $${tool%%=*} >/dev/null || missing="$$missing $${tool\#*=}"; done; \
	if [ -n "$$missing" ]; then \
		echo "installing$$missing"; \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; \
	fi

# A program that the tests need, and Debian's package that has it.
TOOLS := qemu-mipsel-static=qemu-user-static xz=xz-utils shellcheck=shellcheck shfmt=shfmt \
	ip=iproute2 radvd=radvd dnsmasq=dnsmasq-base busybox=busybox-static kea-dhcp6=kea-dhcp6-server dhclient=isc-dhcp-client \
	qemu-system-x86_64=qemu-system-x86 qemu-system-mipsel=qemu-system-mips qemu-system-aarch64=qemu-system-arm \
	mkfs.ext4=e2fsprogs mkfs.f2fs=f2fs-tools libdeflate-gzip=libdeflate-tools modprobe=kmod ubinize=mtd-utils strace=strace \
	pppd=ppp pppoe-server=pppoe wg=wireguard-tools node=nodejs npm=npm \
	update-ca-certificates=ca-certificates

build: $(OVERLAY) ## bin/wandns and bin/wandns-sim for this machine
	@mkdir -p bin
	$(BUILD) -o bin/ ./cmd/wandns ./cmd/wandns-sim

cross: $(ARCHES) ## dist/bin/ARCH/wandns for every processor

$(ARCHES): $(OVERLAY)
	GOOS=linux GOARCH=$(if $(filter arm5 arm6 arm7,$@),arm,$@) $(BUILD) -o dist/bin/$@/wandns ./cmd/wandns

.PHONY: $(OVERLAY) dist/goroot dist/mspanset # Go may have moved
$(OVERLAY): dist/goroot dist/mspanset
	@$(GO) list -f '{"Replace": { "$(CURDIR)/dist/goroot/src/runtime/mspanset.go": "$(CURDIR)/dist/mspanset", {{$$d := .Dir}}"{{$$d}}/wandns.go": "$(CURDIR)/packaging/idna/idna.go"{{range .GoFiles}}, "{{$$d}}/{{.}}": ""{{end}} } }' \
		vendor/golang.org/x/net/idna >$@.$$$$ && mv $@.$$$$ $@

dist/goroot:
	@mkdir -p $(@D)
	@ln -s "$$(go env GOROOT)" $@.$$$$ && mv -T $@.$$$$ $@

# Go's collector keeps over a hundred sets of spans. At first each has room for
# 512 spans and 256 more such blocks, which is half a daemon's memory.
dist/mspanset: dist/goroot
	@sed 's/spanSetBlockEntries = 512 /spanSetBlockEntries = 32 /; s/spanSetInitSpineCap = 256 /spanSetInitSpineCap = 8 /' dist/goroot/src/runtime/mspanset.go >$@.$$$$ && mv $@.$$$$ $@

# The feeds are signed with USIGN_KEY and APK_KEY, or with keys that are made
# once and stay in dist/keys.
packages: cross ## dist/ipk and dist/apk: packages and feeds for OpenWrt, signed with USIGN_KEY=FILE and APK_KEY=FILE
	@$(call install,libdeflate-gzip=libdeflate-tools)
	go run ./packaging/pack -version $(VERSION)-r$(RELEASE) -maintainer '$(CONTACT)' -epoch $(EPOCH) \
		-usign-key '$(USIGN_KEY)' -apk-key '$(APK_KEY)'

RELEASE ?= 1
EPOCH   := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

lint: ## static checks
	go run $(GOLANGCI_LINT) run
	go mod tidy -diff

size: mipsle ## the size of the router's binary; fails over the budget
	@packaging/size.sh dist/bin/mipsle/wandns

clean: ## remove what was built
	rm -rf bin dist
