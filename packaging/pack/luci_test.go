package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLuciApp(t *testing.T) {
	o := packed(t, func(o *options) { o.only = "mipsel_24kc x86_64" })
	for _, c := range []struct {
		name, depends string
		files         map[string]string // with their modes
	}{
		{"luci-app-example", "luci-base, wandns", map[string]string{
			"./www/luci-static/resources/view/example.js":   "-rw-r--r--",
			"./usr/libexec/rpcd/example":                    "-rwxr-xr-x",
			"./usr/share/luci/menu.d/luci-app-example.json": "-rw-r--r--",
		}},
		{"luci-i18n-example-de", "luci-app-example", map[string]string{
			"./etc/uci-defaults/luci-i18n-example-de": "-rw-r--r--",
			"./usr/lib/lua/luci/i18n/example.de.lmo":  "-rw-r--r--",
		}},
		{"luci-i18n-example-zh-cn", "luci-app-example", map[string]string{
			"./etc/uci-defaults/luci-i18n-example-zh-cn": "-rw-r--r--",
			"./usr/lib/lua/luci/i18n/example.zh-cn.lmo":  "-rw-r--r--",
		}},
	} {
		ipk := untar(t, read(t, o.out, "ipk/mipsel_24kc", c.name+"_0.1.0-r1_all.ipk"))
		files := map[string]string{}
		for _, e := range untar(t, []byte(ipk[1].data)) {
			if !strings.HasSuffix(e.name, "/") {
				files[e.name] = e.mode
			}
		}
		if !maps.Equal(files, c.files) {
			t.Errorf("%s installs %v, want %v", c.name, files, c.files)
		}
		control := map[string]string{}
		for _, e := range untar(t, []byte(ipk[2].data)) {
			control[e.name] = e.data
		}
		for _, line := range []string{"Package: " + c.name, "Depends: " + c.depends, "Architecture: all", "Section: luci"} {
			if !strings.Contains(control["./control"], line+"\n") {
				t.Errorf("%s: control lacks %q:\n%s", c.name, line, control["./control"])
			}
		}
		if after := control["./postinst-pkg"]; strings.Contains(after, "rpcd reload") != (c.name == "luci-app-example") {
			t.Errorf("%s: postinst-pkg is %q", c.name, after)
		}
		if strings.Contains(control["./control"], "Require-User") || control["./conffiles"] != "" {
			t.Errorf("%s has a user or conffiles", c.name)
		}
		for _, arch := range []string{"mipsel_24kc", "x86_64"} {
			apk := readADB(t, read(t, o.out, "apk", arch, c.name+"-0.1.0-r1.apk"), "pckg", public(t, o))
			if got := apk.text(1, 5); got != "noarch" {
				t.Errorf("%s: the .apk is for %q", c.name, got)
			}
			if got := apk.text(1, 15, 1, 1); got != strings.Split(c.depends, ", ")[0] {
				t.Errorf("%s: the .apk depends on %q", c.name, got)
			}
			for _, slot := range []uint32{3, 7} {
				if script := apk.text(3, slot); strings.HasSuffix(script, "default_postinst\n"+luciInstalled) != (c.name == "luci-app-example") {
					t.Errorf("%s: script %d is %q", c.name, slot, script)
				}
			}
			index := readADB(t, read(t, o.out, "apk", arch, "packages.adb"), "indx", public(t, o))
			var names []string
			for i := uint32(1); index.text(2, i, 1) != ""; i++ {
				names = append(names, index.text(2, i, 1))
			}
			if !slices.Contains(names, c.name) || len(names) != 4 {
				t.Errorf("%s: the index has %q", arch, names)
			}
		}
	}
}

func public(t *testing.T, o options) *ecdsa.PublicKey {
	t.Helper()
	p, _ := pem.Decode(read(t, o.out, "apk/wandns.pem"))
	key, err := x509.ParsePKIXPublicKey(p.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*ecdsa.PublicKey)
}

// The .lmo files were made by LuCI's po2lmo.
func TestLmo(t *testing.T) {
	for _, language := range []string{"de", "zh_Hans"} {
		got, err := lmo(read(t, "testdata/luci-app-example/po", language, "example.po"))
		if err != nil {
			t.Fatal(err)
		}
		if want := read(t, "testdata", language+".lmo"); !bytes.Equal(got, want) {
			t.Errorf("%s:\n%x\nwant\n%x", language, got, want)
		}
	}
	for _, po := range []string{"msgid \"a", "msgid \"a\" b", "\"a\"", "msgstr[1] \"a\"", "message \"a\"", "msgid \"a\\\""} {
		if _, err := lmo([]byte(po)); err == nil || !strings.HasPrefix(err.Error(), "1: ") {
			t.Errorf("%s: %v", po, err)
		}
	}
}

// A folder that is not there makes no packages; one in a language that LuCI
// does not have is a mistake.
func TestLuciAppIsOptional(t *testing.T) {
	o := options{luci: filepath.Join(t.TempDir(), "luci-app-example")}
	if list, err := o.luciApp(); len(list) > 0 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
	for path, text := range map[string]string{"Makefile": "", "po/xx/example.po": ""} {
		if err := write(filepath.Join(o.luci, path), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.luciApp(); err == nil || !strings.Contains(err.Error(), "po/xx") {
		t.Errorf("%v", err)
	}
}
