# How wandns is built and what its package says: for the Makefile at the top, for
# the feed's beside this file, and for the packer, which reads the lines of
# NAME:=VALUE. Whoever includes it says in BUILD_GOVERSION which Go builds,
# in BUILD_OVERLAY where overlay.sh wrote, and in CONTACT whom No-IP can reach.

PKG_VERSION:=0.1.0
PKG_RELEASE:=1
PKG_LICENSE:=Apache-2.0
PACKAGE_DEPENDS:=ca-bundle
PACKAGE_USER:=wandns:wandns

# Go's resolver and user database also where cgo is on, as in the feed.
BUILD_TAGS:=netgo,osusergo

# Nothing is inlined but this, which makes the program 0.65 MB smaller, 0.23 MB
# as xz, and its garbage a little larger. Go is not tested that way, hence the
# first list: the runtime, what it imports and what it calls while a timer fires
# or the world is stopped. Without inlining, small functions amid a write barrier
# can be preempted on some processors, which damages memory. The second list is
# ciphers, which would be up to 25 times slower. It goes when the smallest boards
# have 16 MB of flash.
BUILD_INLINED:=runtime runtime/... internal/runtime/... internal/abi internal/asan internal/bytealg internal/byteorder \
	internal/chacha8rand internal/coverage/rtcov internal/cpu internal/goarch internal/godebugs internal/goexperiment internal/goos \
	internal/msan internal/profilerecord internal/race internal/strconv internal/stringslite internal/trace/tracev2 math/bits \
	sync sync/atomic internal/sync internal/synctest unique time
BUILD_INLINED+=crypto/internal/fips140/... crypto/internal/fips140deps/... crypto/internal/constanttime
# The parts of those that only put ciphers together. The last match counts.
BUILD_NOT_INLINED:=$(patsubst %,crypto/internal/fips140/.../%,check drbg ecdh ecdsa edwards25519 hkdf rsa tls12 tls13)

BUILD_FLAGS=$(strip -trimpath -buildvcs=false -tags=$(BUILD_TAGS) -overlay=$(BUILD_OVERLAY) \
	-gcflags=all=-l $(BUILD_INLINED:%=-gcflags=%=) $(BUILD_NOT_INLINED:%=-gcflags=%=-l))

# Go 1.26's own crypto reserves 32 MiB for a source of randomness that is not
# used, and boards with as little memory refuse to start such a program. The
# certified copy of the same code does not; go.mod keeps its FIPS mode off. The
# price is fixes that only come with another certified copy. A test says when
# Go needs this no more.
#
# Go 1.26's new collector keeps 50 to 140 KB more for itself than the one before
# it, which a later Go does not have any more.
BUILD_ENV=GOFIPS140=v1.0.0 GOEXPERIMENT=$(if $(findstring go1.26,$(BUILD_GOVERSION)),nogreenteagc)

BUILD_LDFLAGS:=-s -w
BUILD_LDFLAGS_X=main.version=$(PKG_VERSION) main.contact=$(CONTACT)
