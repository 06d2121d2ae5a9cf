# OpenWrt's hands the flags on by these variables, with cgo, and links with the
# target's linker and RELRO. GO_PKG_BUILDMODE and GO_PKG_BIN are the test's.
GO_PKG_VARS=CGO_ENABLED=1 GOENV=off GOTOOLCHAIN=local
GO_PKG_DEFAULT_LDFLAGS=-buildid '0' -linkmode external \
	-extldflags '$(if $(filter exe,$(GO_PKG_BUILDMODE)),-no-pie) $(patsubst -z%,-Wl$(comma)-z$(comma)%,$(TARGET_LDFLAGS))'
GO_PKG_CUSTOM_LDFLAGS=$(GO_PKG_LDFLAGS) $(patsubst %,-X %,$(GO_PKG_LDFLAGS_X))
GO_PKG_INSTALL_ARGS=-buildvcs=false -trimpath -ldflags "all=$(GO_PKG_DEFAULT_LDFLAGS)" \
	$(if $(filter pie,$(GO_PKG_BUILDMODE)),-buildmode pie) \
	$(if $(strip $(GO_PKG_GCFLAGS)),-gcflags "$(GO_PKG_GCFLAGS)") \
	-ldflags "$(GO_PKG_CUSTOM_LDFLAGS) $(GO_PKG_DEFAULT_LDFLAGS)" \
	-tags "$(GO_PKG_TAGS)"
Build/Compile=cd $(PKG_BUILD_DIR) && $(GO_PKG_VARS) go build -o $(GO_PKG_BIN)/ $(GO_PKG_INSTALL_ARGS) $(GO_PKG_BUILD_PKG)
