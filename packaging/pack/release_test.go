package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever has the key can tell that nothing that is published was changed.
func TestSums(t *testing.T) {
	o := packed(t, func(o *options) {
		o.only, o.source, o.program = "mipsel_24kc", filepath.Join(o.out, "wandns-0.1.0.tar.gz"), os.Args[0]
		if err := write(o.source, []byte("sources")); err != nil {
			t.Fatal(err)
		}
	})
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", sumName)
	check.Dir = o.out
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	key, err := readUsignKey(filepath.Join(o.out, "keys/usign"))
	if err != nil {
		t.Fatal(err)
	}
	sums := read(t, o.out, sumName)
	if !bytes.Equal(read(t, o.out, sumName+".sig"), key.sign(sums)) {
		t.Error("the signature is of something else")
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(sums)) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		listed[name] = true
	}
	err = filepath.WalkDir(o.out, func(path string, d os.DirEntry, err error) error {
		name, _ := filepath.Rel(o.out, path)
		private := strings.HasPrefix(name, "keys/")
		if err == nil && !d.IsDir() && !strings.HasPrefix(name, sumName) && listed[name] == private {
			t.Errorf("%s is listed: %t", name, listed[name])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The bill of materials names every module that the program links.
func TestBillOfMaterials(t *testing.T) {
	command(t, "make", "-s", "mipsle")
	b, err := billOfMaterials(filepath.Join(repository, "dist/bin/mipsle/wandns"), "1.2.3-r1")
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		BOMFormat, SpecVersion string
		Metadata               struct{ Component component }
		Components             []component
	}
	if err := json.Unmarshal(b, &bom); err != nil {
		t.Fatal(err)
	}
	if c := bom.Metadata.Component; bom.BOMFormat != "CycloneDX" || bom.SpecVersion != "1.6" || c.PURL != "pkg:golang/wandns@1.2.3-r1" {
		t.Errorf("%s", b)
	}
	got := map[string]bool{}
	for _, c := range bom.Components {
		got[c.PURL] = true
	}
	version := strings.TrimPrefix(strings.TrimSpace(command(t, "go", "env", "GOVERSION")), "go")
	want := []string{"pkg:golang/stdlib@" + version}
	for line := range strings.Lines(command(t, "go", "list", "-deps", "-tags", "netgo,osusergo", "-f", "{{with .Module}}{{if .Version}}{{.Path}}@{{.Version}}{{end}}{{end}}", "./cmd/wandns")) {
		if module := strings.TrimSpace(line); module != "" {
			want = append(want, "pkg:golang/"+module)
		}
	}
	for _, purl := range want {
		if !got[purl] {
			t.Errorf("%s is not listed", purl)
		}
	}
	if len(want) < 8 {
		t.Errorf("the program links %q", want)
	}
	if _, err := billOfMaterials(filepath.Join(repository, "go.mod"), "1"); err == nil {
		t.Error("a text is made of modules")
	}
}

// command runs a program at the top of the repository.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = repository
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return string(out)
}
