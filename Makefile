# The whole developer interface; `make help` prints what follows a target.

include openwrt/wandns/build.mk

# The packager's address, which No-IP wants in the User-Agent.
CONTACT ?= $(NOBODY)
NOBODY  := packager@wandns.invalid
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# go.mod names the oldest Go that is safe; Go fetches it where it is not there.
unexport GOROOT # the tests run make with that of the program
export GOTOOLCHAIN := $(patsubst local,auto,$(or $(GOTOOLCHAIN),auto))
BUILD_GOVERSION = $(shell GOTOOLCHAIN=$(GOTOOLCHAIN) go env GOVERSION)
BUILD_OVERLAY   = $(CURDIR)/dist/overlay.json
# By way of a link: Go lays nothing over its module cache, where a Go lies that
# Go itself downloaded.
GO = GOROOT=$(CURDIR)/dist/goroot GOTOOLCHAIN=local dist/goroot/bin/go
# No build identifier, no path, no time: the same sources give the same bytes.
BUILD = $(BUILD_ENV) $(GO) build $(BUILD_FLAGS) -ldflags '$(BUILD_LDFLAGS) -buildid= $(BUILD_LDFLAGS_X:%=-X %) -X main.commit=$(COMMIT)'

export CGO_ENABLED := 0

ARCHES := mips mipsle mips64 mips64le arm5 arm6 arm7 arm64 386 amd64 riscv64 loong64
arm5 arm6 arm7: export GOARM = $(@:arm%=%)
mips mipsle: export GOMIPS = softfloat
mips64 mips64le: export GOMIPS64 = softfloat
386: export GO386 = softfloat

.PHONY: help run test unit race test-builds test-busy qemu test-qemu soak fuzz luci e2e-luci bench bench-peers bench-herd build cross packages contact lint vuln size clean deps $(ARCHES)
.DEFAULT_GOAL := help

help: ## print this
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## watch names follow an address, on simulated services; Ctrl-C ends it
	@bin/wandns-sim -demo bin/wandns

test: deps ## install what the tests need and run every test
	$(MAKE) -j2 --output-sync=target unit test-qemu qemu size luci CUTS=3

# The unit tests are built as the program is.
unit: $(BUILD_OVERLAY)
	go vet -tags qemu ./...
	WANDNS_CI=1 $(BUILD_ENV) $(GO) test -timeout 1h $(BUILD_FLAGS) $(TESTS) ./...

race: deps ## the race detector over everything that runs at once
	GORACE=atexit_sleep_ms=0 WANDNS_CI=1 CGO_ENABLED=1 go test -race -timeout 30m -skip 'E2E' ./wan/... ./persist ./updater/... ./cmd/... ./openwrt/uci ./packaging/pack

test-builds: deps dist/guest-mipsel dist/guest-arm64 ## programs as packagers build them, on this machine, a MIPS and an ARM
	WANDNS_CI=1 WANDNS_BUILDS=all go test -count=1 -timeout 30m -run 'TestE2EHoweverItIsBuilt' ./cmd/wandns
	WANDNS_BUILDS=all go test -count=1 -timeout 1h -tags qemu -run 'TestRouter$$' ./packaging

# Everything three times, so that nothing depends on a quiet machine.
test-busy: deps ## the suite three times beside four busy loops; takes hours
	@for loop in 1 2 3 4; do timeout 5h sh -c 'while :; do :; done' & loops="$$loops $$!"; done; trap 'kill $$loops' EXIT; \
		for run in 1 2 3; do $(MAKE) test TESTS=-count=1 || exit 1; done

LUCI := openwrt/luci-app-wandns

# The lint of what runs in browsers, and the tests of what is decided there.
luci: $(LUCI)/node_modules
	npm --prefix $(LUCI) run -s lint
	npm --prefix $(LUCI) run -s test

$(LUCI)/node_modules: $(LUCI)/package-lock.json | deps
	npm --prefix $(LUCI) ci --ignore-scripts --no-audit --no-fund
	@touch $@

e2e-luci: build $(LUCI)/node_modules ## drive the LuCI of LUCI_URL in a browser, with LUCI_PASSWORD; see the README
	@$(call install,chromium=chromium)
	@LUCI_URL='$(LUCI_URL)' LUCI_PASSWORD='$(LUCI_PASSWORD)' SIM='$(SIM)' npm --prefix $(LUCI) run -s e2e

# The tests without a kernel of their own, as the routers' processors run them.
qemu:
	GOARCH=mipsle GOMIPS=softfloat go test -exec qemu-mipsel-static $(QEMU_TESTS)
	GOARCH=mips GOMIPS=softfloat go test -exec qemu-mips-static $(QEMU_TESTS)
	GOARCH=arm GOARM=5 go test -exec qemu-arm-static $(QEMU_TESTS)
	GOARCH=arm64 go test -exec qemu-aarch64-static $(QEMU_TESTS)
	$(MAKE) mips64 mips64le
	qemu-mips64-static dist/bin/mips64/wandns check --config $(EXAMPLE) >/dev/null
	qemu-mips64el-static dist/bin/mips64le/wandns check --config $(EXAMPLE) >/dev/null

EXAMPLE := cmd/wandns/reference.toml

QEMU_TESTS = $(TESTS) -skip 'Kernel|E2E|HostileDays|EveryProvider|ASecret' ./wan ./persist ./updater/... ./cmd/wandns

test-qemu: dist/guest dist/guest-mipsel dist/guest-arm64 ## the package on a MIPS and an ARM, PPPoE, WireGuard, VLANs, 32 MB of memory and CUTS=20 power cuts of flash, on Debian's kernels under QEMU
	CUTS=$(CUTS) go test -count=1 -timeout 1h -tags qemu -run 'TestInAGuest|TestPowerCuts|TestSmallBoard|TestRouter$$' ./packaging

CUTS ?= 20

soak: deps ## SOAK=10m of bad weather, a thousand kills and all power cuts
	WANDNS_CI=1 WANDNS_SOAK=$(SOAK) go test -count=1 -timeout 2h -v -run 'TestE2ESoak|TestE2EKilledAnywhere' ./cmd/wandns
	$(MAKE) test-qemu

SOAK ?= 10m

fuzz: ## every fuzz target for FUZZTIME=30s
	@set -e; for package in $$(go list ./...); do \
		targets=$$(go test -list '^Fuzz' $$package); \
		for target in $$(echo "$$targets" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
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
	TMPDIR=/dev/shm WANDNS_CI=1 WANDNS_BENCH=$(CURDIR)/dist/bench-peers.md go test -count=1 -timeout 1h -run '^$$' -bench '^BenchmarkPeers$$' -benchtime 1x ./cmd/wandns

# What a provider sees.
bench-herd:
	@mkdir -p dist
	WANDNS_BENCH=$(CURDIR)/dist/bench-herd.md go test -count=1 -timeout 30m -run '^TestHerd$$' ./updater

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
dist/guest-mipsel: | dist/guest # one apt-get at a time
dist/guest-arm64: | dist/guest-mipsel
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
	gcc=gcc mipsel-linux-gnu-gcc=gcc-mipsel-linux-gnu aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu \
	pppd=ppp pppoe-server=pppoe wg=wireguard-tools node=nodejs npm=npm \
	update-ca-certificates=ca-certificates

build: $(BUILD_OVERLAY) ## bin/wandns and bin/wandns-sim for this machine
	@mkdir -p bin
	$(BUILD) -o bin/ ./cmd/wandns ./cmd/wandns-sim

cross: $(ARCHES) ## dist/bin/ARCH/wandns for every processor

$(ARCHES): $(BUILD_OVERLAY)
	GOOS=linux GOARCH=$(if $(filter arm5 arm6 arm7,$@),arm,$@) $(BUILD) -o dist/bin/$@/wandns.$$$$ ./cmd/wandns && mv dist/bin/$@/wandns.$$$$ dist/bin/$@/wandns # others read it

.PHONY: $(BUILD_OVERLAY) dist/goroot # Go may have moved
$(BUILD_OVERLAY): dist/goroot
	@openwrt/wandns/overlay.sh $(CURDIR)/dist/goroot $(@D)

dist/goroot:
	@mkdir -p $(@D)
	@go list -m >/dev/null && root=$$(go env GOROOT) || { echo 'wandns is built with Go $(shell sed -n 's/^go //p' go.mod) or a later patch of it, which has its security fixes: install it' >&2; exit 1; }; \
		ln -s "$$root" $@.$$$$ && mv -T $@.$$$$ $@

# The feeds are signed with USIGN_KEY and APK_KEY, or with keys that are made
# once and stay in dist/keys.
packages: contact cross ## dist/ipk, dist/apk and dist/feed: packages, feeds and sources for OpenWrt, their sums and what they are made of, signed with USIGN_KEY=FILE and APK_KEY=FILE
	@$(call install,libdeflate-gzip=libdeflate-tools)
	$(if $(SOURCE),git archive --prefix=wandns-$(PKG_VERSION)/ -o $(SOURCE) HEAD)
	go run ./packaging/pack -contact '$(CONTACT)' -epoch $(EPOCH) -source '$(SOURCE)' \
		-sbom dist/bin/mipsle/wandns -usign-key '$(USIGN_KEY)' -apk-key '$(APK_KEY)'

# Who has keys publishes.
contact:
	@[ -z '$(USIGN_KEY)$(APK_KEY)' ] || [ '$(CONTACT)' != $(NOBODY) ] || { echo \
		'there are no packages: No-IP wants the address of who publishes them in each request; add CONTACT=you@example.com' >&2; exit 1; }

# What the published feed downloads; it takes git to make.
SOURCE := $(if $(wildcard .git),dist/wandns-$(PKG_VERSION).tar.gz)
EPOCH  := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

lint: deps ## static checks
	go run $(GOLANGCI_LINT) run
	go mod tidy -diff
	go test -count=1 -run '^TestShellScripts$$' ./packaging

vuln: ## known vulnerabilities in what the program links, where vuln.go.dev can be reached
	go run $(GOVULNCHECK) -tags '$(BUILD_TAGS)' ./cmd/wandns

size: mipsle ## the size of the router's binary; fails over the budget
	@packaging/size.sh dist/bin/mipsle/wandns

clean: ## remove what was built
	rm -rf bin dist
