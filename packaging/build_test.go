// Package packaging holds what the packages are made of and the promises
// about the binary in them.
package packaging

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
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
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "nethttpomithttp2", "-ldflags", "-dumpdep", "-o", filepath.Join(t.TempDir(), "wandns"), "./cmd/wandns")
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
	f, err := elf.Open(filepath.Join(root, "dist/bin/mipsle/wandns"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const most = 1 << 20
	for _, p := range f.Progs {
		if blank := p.Memsz - p.Filesz; p.Type == elf.PT_LOAD && blank > most {
			t.Errorf("a segment reserves %d KiB beyond what is in the file", blank>>10)
		}
	}
}

// Go's runtime must not be preempted amid a write barrier, which calls functions
// that are too small to be: without inlining, they damage memory if the compiler
// lets them look at the stack.
func TestNoInliningNeedsLeavesThatAreNotPreempted(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module leaf\n",
		"leaf.go": "package leaf\n\ntype span struct{ start uintptr }\n\nfunc (s *span) base() uintptr { return s.start }\n\nvar Base = (*span).base\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for arch, target := range map[string]string{"386": "386", "amd64": "amd64", "arm": "arm7", "arm64": "arm64", "mips": "mips", "mipsle": "mipsle", "mips64": "mips64", "mips64le": "mips64le", "riscv64": "riscv64", "loong64": "loong64"} {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-l -S", ".")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch)
		asm, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(asm, []byte("leaf.(*span).base")) {
			t.Fatalf("%s: %v\n%s", arch, err, asm)
		}
		looks := bytes.Contains(asm, []byte("runtime.morestack"))
		if inlines := !bytes.Contains(command(t, root, "make", "-n", target), []byte("all=-l")); looks && !inlines {
			t.Errorf("%s is built without inlining, though its smallest functions look at the stack", target)
		}
	}
}

func deps(t *testing.T, pkg string) []string {
	t.Helper()
	return strings.Fields(string(command(t, root, "go", "list", "-deps", "-tags", "nethttpomithttp2", pkg)))
}

// Go builds nothing with an overlay of its module cache, where a Go lies that
// Go itself downloaded. Another Go may have other sources to overlay.
func TestOverlay(t *testing.T) {
	const name = "dist/overlay.json"
	command(t, root, "make", "-s", name)
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(b, &overlay); err != nil || len(overlay.Replace) == 0 {
		t.Fatalf("%v: %s", err, b)
	}
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for path := range overlay.Replace {
		if !strings.HasPrefix(path, filepath.Join(here, "dist")+"/") {
			t.Errorf("it replaces %s", path)
		}
	}
	lists, err := os.ReadFile(filepath.Join(root, "dist/mspanset"))
	if err != nil {
		t.Fatal(err)
	}
	for _, small := range []string{"spanSetBlockEntries = 32 ", "spanSetInitSpineCap = 8 "} {
		if !bytes.Contains(lists, []byte(small)) {
			t.Errorf("Go's runtime has nothing to replace by %s", small)
		}
	}
}

func TestRouterBinaryLinksNothingUnwanted(t *testing.T) {
	for _, dep := range deps(t, "./cmd/wandns") {
		switch dep {
		case "text/template", "html/template", "net/http/pprof", "expvar", "os/exec", "testing", "regexp", "log/slog",
			"github.com/miekg/dns", "github.com/vishvananda/netlink", "wandns/updater/updatertest", "wandns/wan/wantest":
			t.Errorf("cmd/wandns links %s", dep)
		}
	}
}

// An import goes down, never up or sideways.
func TestFloors(t *testing.T) {
	allowed := map[string][]string{
		"wandns/wan":               {},
		"wandns/persist":           {},
		"wandns/openwrt/uci":       {},
		"wandns/updater":           {"wandns/wan", "wandns/persist"},
		"wandns/updater/providers": {"wandns/updater", "wandns/wan", "wandns/persist"},
	}
	owners := map[string]string{
		"github.com/vishvananda/netlink/nl": "wandns/wan",
		"go.etcd.io/bbolt":                  "wandns/persist",
		"github.com/BurntSushi/toml":        "",
		"net/http":                          "wandns/updater",
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
		".ci/run", "packaging/size.sh", "packaging/guest-init.sh", "packaging/guest.sh", "packaging/flash-init.sh", "packaging/router-init.sh", "packaging/small-init.sh",
		"openwrt/wandns/files/wandns.defaults", "openwrt/wandns/files/wandns.hotplug-ntp", "openwrt/wandns/test.sh",
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
	known := []string{"cmd", "updater", "wan", "persist", "packaging", "openwrt", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE", "bin", "dist"}
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
