// Package packaging holds what the packages are made of and the promises
// about the binary in them.
package packaging

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = ".."

func command(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.Bytes())
	}
	return out
}

// The same sources give the same bytes, wherever they lie.
func TestBuildsAreReproducible(t *testing.T) {
	var sums [2][sha256.Size]byte
	for i, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "another", "place")} {
		for _, part := range []string{"cmd", "updater", "wan", "persist", "openwrt", "packaging", "go.mod", "go.sum", "Makefile"} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			command(t, root, "cp", "-R", part, dir)
		}
		command(t, dir, "make", "-s", "mipsle", "COMMIT=test")
		b, err := os.ReadFile(filepath.Join(dir, "dist/bin/mipsle/wandns"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(dir)) {
			t.Errorf("the binary names the folder %s", dir)
		}
		sums[i] = sha256.Sum256(b)
	}
	if sums[0] != sums[1] {
		t.Error("two builds of the same sources differ")
	}
}

// A call of reflect.Value.Method by a name that is not constant makes the
// linker keep every exported method: about 300 KiB of flash.
func TestLinkerRemovesDeadCode(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-dumpdep", "-o", filepath.Join(t.TempDir(), "wandns"), "./cmd/wandns")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, []byte("main.main")) {
		t.Fatal("the linker printed no dependencies")
	}
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte("<ReflectMethod>")) {
			t.Errorf("keeps every method: %s", line)
		}
	}
}

// The kernel refuses to start what reserves more memory than a board has, used
// or not.
func TestRouterBinaryReservesLittleMemory(t *testing.T) {
	command(t, root, "make", "-s", "mipsle")
	if blank := reserved(t, filepath.Join(root, "dist/bin/mipsle/wandns")); blank > 1<<20 {
		t.Errorf("it reserves %d KiB beyond what is in the file", blank>>10)
	}
}

// reserved is the memory that a program asks for beyond what is in its file.
func reserved(t *testing.T, program string) (bytes uint64) {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			bytes += p.Memsz - p.Filesz
		}
	}
	return bytes
}

// Go's runtime is not made to run without inlining, nor is what it imports.
func TestRuntimeIsInlined(t *testing.T) {
	flags := strings.Fields(string(command(t, root, "make", "-n", "mipsle")))
	if !slices.Contains(flags, "-gcflags=all=-l") {
		t.Fatal("everything is inlined")
	}
	for _, pkg := range append(deps(t, "runtime"), deps(t, "sync")...) {
		inlined := false
		for _, flag := range flags { // the last match counts
			rest, ok := strings.CutPrefix(flag, "-gcflags=")
			if pattern, value, _ := strings.Cut(rest, "="); ok && matches(pattern, pkg) {
				inlined = value == ""
			}
		}
		if !inlined && pkg != "unsafe" {
			t.Errorf("%s is built without inlining", pkg)
		}
	}
}

// matches is how go build reads a pattern of packages, as far as ours go.
func matches(pattern, pkg string) bool {
	dir, all := strings.CutSuffix(pattern, "/...")
	return pattern == "all" || pattern == pkg || all && (pkg == dir || strings.HasPrefix(pkg, dir+"/"))
}

// GOFIPS140 in build.mk goes when this fails: Go's own crypto reserves no more
// memory than the certified copy.
func TestGoStillReservesMemory(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module reserve\n",
		"main.go": "package main\n\nimport \"crypto/sha256\"\n\nfunc main() { println(sha256.Sum256(nil)[0]) }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", "program", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFIPS140=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if blank := reserved(t, filepath.Join(dir, "program")); blank < 32<<20 {
		t.Errorf("a program with a hash reserves %d KiB: GOFIPS140 in build.mk and fips140=off in go.mod are needed no more", blank>>10)
	}
}

func deps(t *testing.T, pkg string) []string {
	t.Helper()
	return strings.Fields(string(command(t, root, "go", "list", "-deps", pkg)))
}

// Go builds nothing with an overlay of its module cache, where a Go lies that
// Go itself downloaded, so it is reached by a link. Nothing but one file of the
// runtime is replaced.
func TestOverlay(t *testing.T) {
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(here, "dist/overlay.json")
	command(t, root, "make", "-s", name)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"Replace": {"%[1]s/dist/goroot/src/runtime/mspanset.go": "%[1]s/dist/mspanset"}}`, here)
	if got := strings.TrimSpace(string(b)); got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
}

func TestRouterBinaryLinksNothingUnwanted(t *testing.T) {
	for _, dep := range deps(t, "./cmd/wandns") {
		switch dep {
		case "text/template", "html/template", "net/http", "expvar", "os/exec", "testing", "regexp", "log/slog",
			"github.com/miekg/dns", "github.com/vishvananda/netlink", "wandns/updater/updatertest", "wandns/wan/wantest":
			t.Errorf("cmd/wandns links %s", dep)
		}
	}
}

// An import goes down, never up or sideways.
func TestFloors(t *testing.T) {
	allowed := map[string][]string{
		"wandns/wan":               {},
		"wandns/persist":           {"wandns/updater/safefile"},
		"wandns/openwrt/uci":       {},
		"wandns/updater/http1":     {},
		"wandns/updater/safefile":  {},
		"wandns/updater":           {"wandns/updater/http1", "wandns/updater/safefile", "wandns/wan", "wandns/persist"},
		"wandns/updater/providers": {"wandns/updater", "wandns/updater/http1", "wandns/updater/safefile", "wandns/wan", "wandns/persist"},
	}
	owners := map[string]string{
		"github.com/vishvananda/netlink/nl": "wandns/wan",
		"go.etcd.io/bbolt":                  "wandns/persist",
		"github.com/BurntSushi/toml":        "",
	}
	for pkg, below := range allowed {
		list := deps(t, "./"+strings.TrimPrefix(pkg, "wandns/"))
		for _, dep := range list {
			if strings.HasPrefix(dep, "wandns/") && dep != pkg && !slices.Contains(below, dep) {
				t.Errorf("%s imports %s", pkg, dep)
			}
			if owner, ok := owners[dep]; ok && dep != "" && owner != pkg && !slices.Contains(below, owner) {
				t.Errorf("%s reaches %s, which belongs to %q", pkg, dep, owner)
			}
		}
	}
}

func TestShellScripts(t *testing.T) {
	scripts := []string{
		".ci/run", "packaging/size.sh", "packaging/variants.sh", "openwrt/wandns/overlay.sh", "packaging/guest-init.sh", "packaging/guest.sh", "packaging/flash-init.sh", "packaging/router-init.sh", "packaging/small-init.sh",
		"openwrt/wandns/files/wandns.defaults", "openwrt/wandns/files/wandns.hotplug-ntp", "openwrt/wandns/test.sh",
		"openwrt/luci-app-wandns/root/usr/libexec/wandns/takeover",
		"cmd/wandns/testdata/udhcpc.sh", "cmd/wandns/testdata/dhclient.sh",
	}
	command(t, root, "shellcheck", scripts...)
	// The shell of its first line is OpenWrt's rc.common, on busybox.
	ours := []string{"openwrt/wandns/files/wandns.init", "packaging/testdata/procd.sh"}
	command(t, root, "shellcheck", append([]string{"-s", "dash"}, ours...)...)
	command(t, root, "busybox", "ash", "-n", ours[0])
	command(t, root, "shfmt", append([]string{"-d", "-s"}, append(scripts, ours...)...)...)
}

func TestTopLevel(t *testing.T) {
	known := []string{"cmd", "updater", "wan", "persist", "packaging", "openwrt", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "bin", "dist"}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(known, e.Name()) {
			t.Errorf("%s does not belong at the top", e.Name())
		}
	}
}
