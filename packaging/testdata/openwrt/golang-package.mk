# OpenWrt's hands the flags on by these variables, with cgo, and links with the
# target's linker and RELRO. Its Go is found by GO_PKG_VARS only.
# GO_PKG_BUILDMODE, GO_PKG_BIN and GO_PKG_GO are the test's.
GO_PKG_VARS= \
	PATH=$(GO_PKG_GO):$(PATH) \
	CGO_ENABLED=1 GOENV=off GOTOOLCHAIN=local
GO_PKG_DEFAULT_LDFLAGS=-buildid '0' -linkmode external \
	-extldflags '$(if $(filter exe,$(GO_PKG_BUILDMODE)),-no-pie) $(patsubst -z%,-Wl$(comma)-z$(comma)%,$(TARGET_LDFLAGS))'
GO_PKG_CUSTOM_LDFLAGS=$(GO_PKG_LDFLAGS) $(patsubst %,-X %,$(GO_PKG_LDFLAGS_X))
GO_PKG_INSTALL_ARGS=-buildvcs=false -trimpath -ldflags "all=$(GO_PKG_DEFAULT_LDFLAGS)" \
	$(if $(filter pie,$(GO_PKG_BUILDMODE)),-buildmode pie) \
	$(if $(strip $(GO_PKG_GCFLAGS)),-gcflags "$(GO_PKG_GCFLAGS)") \
	-ldflags "$(GO_PKG_CUSTOM_LDFLAGS) $(GO_PKG_DEFAULT_LDFLAGS)" \
	-tags "$(GO_PKG_TAGS)"
Build/Compile=cd $(PKG_BUILD_DIR) && $(GO_PKG_VARS) go build -o $(GO_PKG_BIN)/ $(GO_PKG_INSTALL_ARGS) $(GO_PKG_BUILD_PKG)
