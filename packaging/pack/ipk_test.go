package main

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const repository = "../.."

// packed makes packages of a stand-in for the program.
func packed(t *testing.T, change func(*options)) options {
	t.Helper()
	o := options{
		out: t.TempDir(), bin: t.TempDir(), feed: repository + "/openwrt/wandns", luci: "testdata/luci-app-example",
		version: "0.1.0-r1", contact: "packager@example.com", mtime: time.Unix(1_780_000_000, 0).UTC(),
	}
	if change != nil {
		change(&o)
	}
	for _, a := range arches() {
		program := bytes.Repeat([]byte("a program for "+a.bin+"\n"), 10_000)
		if err := write(filepath.Join(o.bin, a.bin, "wandns"), program); err != nil {
			t.Fatal(err)
		}
	}
	if err := pack(o, t.Output()); err != nil {
		t.Fatal(err)
	}
	return o
}

func read(t *testing.T, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	b, err = io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// entry is a member of a tar as tar -v shows it, with what a file holds.
type entry struct{ name, mode, owner, time, data string }

// untar reads a compressed tar with tar itself, since Go's would read what Go's
// has written.
func untar(t *testing.T, b []byte) (list []entry) {
	t.Helper()
	dir := t.TempDir()
	tar := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "tar", args...)
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(b)
		cmd.Env = append(os.Environ(), "TZ=UTC")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tar: %v\n%s", err, out)
		}
		return string(out)
	}
	tar("-xzf", "-")
	for line := range strings.Lines(tar("-tvzf", "-", "--numeric-owner", "--full-time")) {
		f := strings.Fields(line) // mode, owner, size, day, time, name
		e := entry{name: f[5], mode: f[0], owner: f[1], time: f[3] + " " + f[4]}
		if !strings.HasSuffix(e.name, "/") {
			e.data = string(read(t, dir, e.name))
		}
		list = append(list, e)
	}
	return list
}

// wanted is what lies where on the router, by the sources.
func wanted(t *testing.T, o options, a arch) map[string]file {
	t.Helper()
	files := map[string]file{"/usr/sbin/wandns": {mode: 0o755, data: read(t, o.bin, a.bin, "wandns")}}
	for name, f := range places() {
		f.data = read(t, o.feed, "files", name)
		files[f.path] = f
	}
	return files
}

func TestIpk(t *testing.T) {
	o := packed(t, nil)
	for _, a := range arches() {
		outer := untar(t, read(t, o.out, "ipk", a.name, "wandns_0.1.0-r1_"+a.name+".ipk"))
		if len(outer) != 3 || outer[0].name != "./debian-binary" || outer[0].data != "2.0\n" ||
			outer[1].name != "./data.tar.gz" || outer[2].name != "./control.tar.gz" {
			t.Fatalf("%s: the container holds %v", a.name, outer)
		}
		want := wanted(t, o, a)
		size, folders := 0, []string{}
		for _, e := range untar(t, []byte(outer[1].data)) {
			if e.owner != "0/0" || e.time != o.mtime.Format(time.DateTime) {
				t.Errorf("%s: %s belongs to %s since %s", a.name, e.name, e.owner, e.time)
			}
			if strings.HasSuffix(e.name, "/") {
				folders = append(folders, e.name)
				continue
			}
			path := strings.TrimPrefix(e.name, ".")
			if !slices.Contains(folders, "."+filepath.Dir(path)+"/") {
				t.Errorf("%s: %s comes before its folder", a.name, path)
			}
			f, ok := want[path]
			if !ok || e.mode != os.FileMode(f.mode).String() || e.data != string(f.data) {
				t.Errorf("%s: %s with mode %s is not what the sources have", a.name, path, e.mode)
			}
			delete(want, path)
			size += len(e.data)
		}
		for path := range want {
			t.Errorf("%s: %s is missing", a.name, path)
		}
		control := map[string]entry{}
		for _, e := range untar(t, []byte(outer[2].data)) {
			control[strings.TrimPrefix(e.name, "./")] = e
		}
		for _, line := range []string{
			"Package: wandns", "Version: 0.1.0-r1", "Depends: ca-bundle", "Architecture: " + a.name,
			"Require-User: wandns:wandns", fmt.Sprint("Installed-Size: ", size),
		} {
			if !strings.Contains("\n"+control["control"].data, "\n"+line+"\n") {
				t.Errorf("%s: control lacks %q:\n%s", a.name, line, control["control"].data)
			}
		}
		if got := control["conffiles"].data; got != "/etc/config/wandns\n" {
			t.Errorf("%s: conffiles = %q", a.name, got)
		}
		for _, name := range []string{"postinst", "prerm"} {
			if e := control[name]; e.mode != "-rwxr-xr-x" || !strings.HasSuffix(e.data, "\ndefault_"+name+" $0 $@\n") {
				t.Errorf("%s: %s with mode %s is %q", a.name, name, e.mode, e.data)
			}
		}
	}
}

// A feed has all that its routers install, and nothing that is not for them.
func TestIpkFeed(t *testing.T) {
	o := packed(t, nil)
	line := func(text []byte) []byte {
		_, b, _ := strings.Cut(string(text), "\n")
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(b))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	public := read(t, o.out, "ipk/wandns.pub")
	key := line(public)
	if name := fmt.Sprintf("%x", key[2:10]); !bytes.Equal(read(t, o.out, "ipk", name), public) {
		t.Errorf("%s is another key than wandns.pub", name)
	}
	field := regexp.MustCompile(`(?m)^(\S+): (.*)$`)
	for _, a := range arches() {
		index := read(t, o.out, "ipk", a.name, "Packages")
		if !bytes.Equal(unzipped(t, read(t, o.out, "ipk", a.name, "Packages.gz")), index) {
			t.Errorf("%s: Packages.gz is another index than Packages", a.name)
		}
		var names []string
		for p := range strings.SplitSeq(strings.TrimSuffix(string(index), "\n\n"), "\n\n") {
			fields := map[string]string{}
			for _, m := range field.FindAllStringSubmatch(p, -1) {
				fields[m[1]] = m[2]
			}
			names = append(names, fields["Package"])
			ipk := read(t, o.out, "ipk", a.name, fields["Filename"])
			if fields["Size"] != fmt.Sprint(len(ipk)) || fields["SHA256sum"] != fmt.Sprintf("%x", sha256.Sum256(ipk)) ||
				!strings.Contains(fields["Filename"], fields["Architecture"]) || fields["Description"] == "" {
				t.Errorf("%s: the index is wrong about %v", a.name, fields)
			}
			for _, name := range []string{"SourceName", "SourceDateEpoch"} {
				if fields[name] != "" {
					t.Errorf("%s: %s has %s, which opkg takes for Source", a.name, fields["Package"], name)
				}
			}
			if arch := fields["Architecture"]; arch != a.name && arch != "all" {
				t.Errorf("%s: %s is for %s, of which opkg complains", a.name, fields["Package"], arch)
			}
		}
		if want := []string{"wandns", "luci-app-example", "luci-i18n-example-de", "luci-i18n-example-zh-cn"}; !slices.Equal(names, want) {
			t.Errorf("%s: the index has %q, want %q", a.name, names, want)
		}
		if sig := line(read(t, o.out, "ipk", a.name, "Packages.sig")); !bytes.Equal(sig[:10], key[:10]) || !ed25519.Verify(key[10:], index, sig[10:]) {
			t.Errorf("%s: wandns.pub did not sign the index", a.name)
		}
	}
}

// What the README has routers fetch is there, for each of them.
func TestReadmeNamesTheFeeds(t *testing.T) {
	o := packed(t, nil)
	urls := regexp.MustCompile(`https://example\.com/((?:ipk|apk)/[\w./$]+)`).FindAllStringSubmatch(string(read(t, repository, "README.md")), -1)
	if len(urls) != 4 {
		t.Errorf("it names %q: want the key and the feed of opkg and of apk", urls)
	}
	for _, url := range urls {
		for _, a := range arches() {
			path := strings.ReplaceAll(url[1], "$OPENWRT_ARCH", a.name)
			if path == "ipk/"+a.name {
				path += "/Packages.gz" // which opkg adds
			}
			if len(read(t, o.out, path)) == 0 {
				t.Errorf("%s is empty", path)
			}
		}
	}
}

// scripts are those that each package manager runs, by its own names for them.
func scripts(t *testing.T, o options) map[string]string {
	t.Helper()
	apk := readADB(t, read(t, o.out, "apk/mipsel_24kc/wandns-0.1.0-r1.apk"), "pckg", public(t, o))
	list := map[string]string{"pre-install": apk.text(3, 2), "post-deinstall": apk.text(3, 5), "pre-upgrade": apk.text(3, 6), "post-upgrade": apk.text(3, 7)}
	for _, e := range untar(t, []byte(untar(t, read(t, o.out, "ipk/mipsel_24kc/wandns_0.1.0-r1_mipsel_24kc.ipk"))[2].data)) {
		if e.mode == "-rwxr-xr-x" {
			list[strings.TrimPrefix(e.name, "./")] = e.data
		}
	}
	return list
}

// ash runs a script on a router that is a folder.
func ash(t *testing.T, dir, script, argument string, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "busybox", "ash", "-c", script, "script", argument)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// Once the package is removed no copy of the passwords is left, and what was
// published is still known. An upgrade takes nothing.
func TestRemovalLeavesNoPassword(t *testing.T) {
	scripts := scripts(t, packed(t, func(o *options) { o.only = "mipsel_24kc" }))
	secrets := []string{"/var/run/wandns.good/wandns", "/var/run/wandns/unsaved.db", "/etc/config/.wandns.good", "/etc/config/.wandns.good.new"}
	others := []string{"/etc/config/wandns", "/etc/wandns/state.db", "/etc/wandns/home.secret", "/var/run/other"}
	all := slices.Concat(secrets, others)
	for _, c := range []struct {
		script, argument, upgrade string
		left                      []string
	}{
		{"postrm", "remove", "PKG_UPGRADE=0", others},
		{"postrm", "upgrade", "PKG_UPGRADE=1", all},
		{"post-deinstall", "0.1.0-r1", "", others},
		{"post-upgrade", "0.2.0-r1", "", all},
	} {
		dir := t.TempDir()
		for _, path := range all {
			if err := write(dir+path, []byte("secret")); err != nil {
				t.Fatal(err)
			}
		}
		if scripts[c.script] == "" {
			t.Errorf("there is no %s", c.script)
		}
		for _, link := range []string{"/var/run/wandns/folder", "/var/run/wandns/file"} {
			if err := os.Symlink(dir+map[string]string{"folder": "/etc/wandns", "file": "/etc/config/wandns"}[filepath.Base(link)], dir+link); err != nil {
				t.Fatal(err)
			}
		}
		ash(t, dir, scripts[c.script], c.argument, "IPKG_INSTROOT="+dir, c.upgrade)
		for _, path := range all {
			if _, err := os.Stat(dir + path); (err == nil) != slices.Contains(c.left, path) {
				t.Errorf("after %s %s: %s: %v", c.script, c.argument, path, err)
			}
		}
	}
}

// What runs is stopped before an upgrade, by the package where the package
// manager does not. Who makes an image has nothing to stop.
func TestUpgradeStopsTheOldProgram(t *testing.T) {
	scripts := scripts(t, packed(t, func(o *options) { o.only = "mipsel_24kc" }))
	for _, c := range []struct{ script, argument, root, env, want string }{
		{"preinst", "install", "", "PKG_UPGRADE=0", ""},
		{"preinst", "upgrade", "", "PKG_UPGRADE=1", ""}, // opkg has
		{"pre-install", "0.1.0-r1", "", "", ""},
		{"pre-upgrade", "0.1.0-r1", "", "", "stop\n"},
		{"pre-upgrade", "0.1.0-r1", "/image", "", ""},
	} {
		if scripts[c.script] == "" {
			t.Errorf("there is no %s", c.script)
		}
		script := strings.ReplaceAll(scripts[c.script], "/etc/init.d/wandns", "echo")
		if got := ash(t, t.TempDir(), script, c.argument, "IPKG_INSTROOT="+c.root, c.env); got != c.want {
			t.Errorf("%s %s in %q: %q, want %q", c.script, c.argument, c.root, got, c.want)
		}
	}
}

// Made by usign itself.
func TestUsignKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := write(path, []byte("untrusted comment: private key fe30173f824ddf1b\n"+
		"RWRCSwAAAABe25nLNHsJ47RkaOPJavRy+CnG1atFWe/+MBc/gk3fG0DAy1endL9oSwEzaxwf+j2T0jwZ0Fv4NJu+5m7dDSxzO/lIFKfSUVmsGPA+183mUTiV/QPqsN36z9/7qmZXjRM=\n")); err != nil {
		t.Fatal(err)
	}
	k, err := readUsignKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "untrusted comment: public key fe30173f824ddf1b\nRWT+MBc/gk3fGzv5SBSn0lFZrBjwPtfN5lE4lf0D6rDd+s/f+6pmV40T\n"; string(k.public()) != want {
		t.Errorf("public key %q, want %q", k.public(), want)
	}
}

func TestBadKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for _, text := range []string{"", "untrusted comment: x\n", "untrusted comment: x\nRWQ=\n", "-----BEGIN EC PRIVATE KEY-----\n"} {
		if err := write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, err := readUsignKey(path); err == nil || !strings.Contains(err.Error(), "usign -G") {
			t.Errorf("usign key %q: %v", text, err)
		}
		if _, err := readApkKey(path); err == nil || !strings.Contains(err.Error(), "openssl ecparam") {
			t.Errorf("apk key %q: %v", text, err)
		}
	}
}

// The same input gives the same bytes, signatures too.
func TestReproducible(t *testing.T) {
	first := packed(t, func(o *options) { o.only = "mipsel_24kc" })
	second := packed(t, func(o *options) {
		o.only = "mipsel_24kc"
		o.usignKey, o.apkKey = filepath.Join(first.out, "keys/usign"), filepath.Join(first.out, "keys/apk.pem")
	})
	n := 0
	for _, dir := range []string{"ipk", "apk"} {
		err := filepath.WalkDir(filepath.Join(first.out, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			n++
			if name := strings.TrimPrefix(path, first.out); !bytes.Equal(read(t, path), read(t, second.out, name)) {
				t.Errorf("%s differs", name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n != 15 {
		t.Errorf("%d files in the feeds, want 15", n)
	}
}

// The feed's Makefile puts the same files in the same places.
func TestFeedMakefile(t *testing.T) {
	text := string(read(t, repository, "openwrt/wandns/Makefile"))
	modes := map[string]int64{"BIN": 0o755, "CONF": 0o600, "DATA": 0o644}
	want := places()
	for _, m := range regexp.MustCompile(`\$\(INSTALL_(\w+)\) \./files/(\S+) \$\(1\)(\S+)`).FindAllStringSubmatch(text, -1) {
		if f := want[m[2]]; f.path != m[3] || f.mode != modes[m[1]] {
			t.Errorf("the Makefile installs %s as %s with mode %o, the packer as %s with %o", m[2], m[3], modes[m[1]], f.path, f.mode)
		}
		delete(want, m[2])
	}
	for name := range want {
		t.Errorf("the Makefile does not install %s", name)
	}
}

// Whoever builds from the published feed checks the sources, and is not known
// to No-IP by an address that does not exist.
func TestPublishedFeed(t *testing.T) {
	source := filepath.Join(t.TempDir(), "wandns.tar.gz")
	if err := write(source, []byte("sources")); err != nil {
		t.Fatal(err)
	}
	o := packed(t, func(o *options) { o.only, o.source = "mipsel_24kc", source })
	text := string(read(t, o.out, "feed/wandns/Makefile"))
	sum := "878a52fc5ff6a57d50b7b870aa51637a3dfd38fc22352a39f95a3c292eb976d5"
	for _, line := range []string{"PKG_HASH:=" + sum, "CONTACT:=packager@example.com"} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("it has no line %s", line)
		}
	}
	if strings.Contains(text, ".invalid") {
		t.Error("it names an address that does not exist")
	}
	for _, name := range []string{"build.mk", "overlay.sh", "mspanset.patch", "files/wandns.init"} {
		if !bytes.Equal(read(t, o.out, "feed/wandns", name), read(t, o.feed, name)) {
			t.Errorf("%s is another", name)
		}
	}
}

// The package of a router with little flash, with its real program.
func TestIpkIsSmall(t *testing.T) {
	command(t, "make", "-s", "mipsle")
	o := options{out: t.TempDir(), bin: repository + "/dist/bin", feed: repository + "/openwrt/wandns", only: "mipsel_24kc"}
	if err := pack(o, t.Output()); err != nil {
		t.Fatal(err)
	}
	const budget = 2_600_000
	ipk := read(t, o.out, "ipk/mipsel_24kc/wandns_0.1.0-r1_mipsel_24kc.ipk")
	apk := read(t, o.out, "apk/mipsel_24kc/wandns-0.1.0-r1.apk")
	t.Logf("ipk %d bytes, apk %d, budget %d", len(ipk), len(apk), budget)
	if len(ipk) > budget || len(apk) > budget {
		t.Error("over the budget")
	}
	program := read(t, o.bin, "mipsle/wandns")
	if !slices.ContainsFunc(untar(t, []byte(untar(t, ipk)[1].data)), func(e entry) bool { return e.data == string(program) }) {
		t.Error("the program in the package is another one")
	}
}
