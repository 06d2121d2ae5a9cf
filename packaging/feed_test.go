package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// asked is a go command in place of Go's, which writes down what it was asked
// to build and how.
const asked = `#!/bin/sh
case "$1 ${2-}" in
"env GOROOT") echo "$HERE/go" ;;
"env GOVERSION") echo "$GOVERSION" ;;
"env GOMODCACHE") echo "$HERE/mod" ;;
build*)
	printf '%s\n' "GOFIPS140=${GOFIPS140-}" "GOEXPERIMENT=${GOEXPERIMENT-}" ${GOFLAGS-} "$@" >"$HERE/asked"
	for flag in ${GOFLAGS-} "$@"; do case $flag in -overlay=*) cp "${flag#*=}" "$HERE/overlay" ;; esac; done
	while [ "$1" != -o ]; do shift; done
	mkdir -p "$2" && touch "$2/wandns"
	;;
esac
`

// build is what decides the program that comes out, but for the linker.
type build struct {
	env, compiler, variables []string
	stripped, patched        bool
}

// asks runs a command in a copy of the sources, with a Go of a version.
func asks(t *testing.T, version string, name string, args ...string) (b build, says string) {
	t.Helper()
	here := t.TempDir()
	for _, part := range []string{"Makefile", "go.mod", "openwrt/wandns", "packaging/variants.sh", "packaging/testdata"} {
		if err := os.MkdirAll(filepath.Join(here, filepath.Dir(part)), 0o755); err != nil {
			t.Fatal(err)
		}
		command(t, root, "cp", "-R", part, filepath.Join(here, part))
	}
	source := filepath.Join(strings.TrimSpace(string(command(t, root, "go", "env", "GOROOT"))), "src/runtime/mspanset.go")
	for _, dir := range []string{"go/bin", "go/src/runtime"} {
		if err := os.MkdirAll(filepath.Join(here, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(here, "go/bin/go"), []byte(asked), 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, root, "cp", source, filepath.Join(here, "go/src/runtime"))
	if version == "go1.27" {
		command(t, here, "sh", "-c", "chmod u+w go/src/runtime/mspanset.go && echo >>go/src/runtime/mspanset.go")
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = here
	cmd.Env = append(os.Environ(), "HERE="+here, "GOVERSION="+version, "PATH="+here+"/go/bin:"+os.Getenv("PATH"), "MAKEFLAGS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	record, err := os.ReadFile(filepath.Join(here, "asked"))
	if err != nil {
		t.Fatalf("%v: it built nothing\n%s", err, out)
	}
	overlay, err := os.ReadFile(filepath.Join(here, "overlay"))
	if err != nil {
		t.Fatal(err)
	}
	b.patched = strings.Contains(string(overlay), "mspanset.go")
	lines := strings.Split(strings.TrimSpace(string(record)), "\n")
	for i, line := range lines {
		flag, value, _ := strings.Cut(line, "=")
		if (line == "-tags" || line == "-ldflags") && i+1 < len(lines) {
			flag, value = line, lines[i+1]
		}
		switch flag {
		case "GOFIPS140", "GOEXPERIMENT":
			b.env = append(b.env, line)
		case "-gcflags", "-tags":
			b.compiler = append(b.compiler, flag+"="+value)
		case "-trimpath":
			b.compiler = append(b.compiler, flag)
		case "-ldflags":
			words := strings.Fields(value)
			b.stripped = b.stripped || slices.Contains(words, "-s") && slices.Contains(words, "-w")
			for i, w := range words {
				if w == "-X" && !strings.HasPrefix(words[i+1], "main.commit=") {
					b.variables = append(b.variables, words[i+1])
				}
			}
		}
	}
	for _, list := range []*[]string{&b.compiler, &b.variables} { // a flag twice is the flag once
		var once []string
		for _, s := range *list {
			if !slices.Contains(once, s) {
				once = append(once, s)
			}
		}
		*list = once
	}
	return b, string(out)
}

// What OpenWrt's feed builds is what make packages packs, up to the linker.
func TestFeedBuildsTheSameProgram(t *testing.T) {
	ours, said := asks(t, "go1.26.11", "make", "-s", "mipsle")
	theirs, _ := asks(t, "go1.26.11", "packaging/variants.sh", "mipsle", "out", "feed")
	if len(ours.compiler) < 20 || !ours.stripped || !ours.patched || len(ours.variables) != 2 {
		t.Errorf("the Makefile asks for %+v", ours)
	}
	if strings.Contains(said, "mspanset") {
		t.Errorf("it says %s", said)
	}
	for what, differ := range map[string]bool{
		"environment": !slices.Equal(ours.env, theirs.env), "compiler's flags": !slices.Equal(ours.compiler, theirs.compiler),
		"variables": !slices.Equal(ours.variables, theirs.variables), "symbols": ours.stripped != theirs.stripped, "runtime": ours.patched != theirs.patched,
	} {
		if differ {
			t.Errorf("they differ in the %s:\n%+v\n%+v", what, ours, theirs)
		}
	}
}

// A Go that is not the one the oddities are for builds without them, and says so.
func TestAnotherGoIsNotPatched(t *testing.T) {
	for _, by := range [][]string{{"make", "-s", "mipsle"}, {"packaging/variants.sh", "mipsle", "out", "feed"}} {
		b, said := asks(t, "go1.27", by[0], by[1:]...)
		if b.patched || !slices.Contains(b.env, "GOEXPERIMENT=") || !strings.Contains(said, "go1.27 has another runtime/mspanset.go") {
			t.Errorf("%s asks for %+v and says %q", by[0], b, said)
		}
	}
}
