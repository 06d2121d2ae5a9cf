package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What LuCI's users may write decides over no file of anybody else's.
func TestPathsInUCIAreInBounds(t *testing.T) {
	t.Parallel()
	unclean := func(dir string) []string {
		return []string{dir + "/../x", dir + "/./x", dir + "//x", dir + "/x/", dir + "/x/..", dir + "/x/.", "/." + dir + "/x", dir + "/../../etc/shadow", "x", dir + "/x\n/y"}
	}
	for key, c := range map[string]struct{ good, bad []string }{
		"state_dir": {
			[]string{"/etc/wandns", "/etc/wandns/a/b"},
			append(unclean("/etc/wandns"), "/usr/libexec/rpcd/wandns", "/etc", "/etc/wandns2", "/", "/mnt/usb", "/etc/config/wandns"),
		},
		"run_dir": {
			[]string{"/var/run/wandns", "/var/run/w2"},
			append(unclean("/var/run"), "/usr/sbin/wandns", "/var/run", "/var/run/a/wandns", "/var/run/wandns.good", "/var/run/.x", "/tmp/run/wandns", "/run/wandns", "/"),
		},
		"metrics_file": {
			[]string{"/var/prometheus/wandns.prom"},
			append(unclean("/var/prometheus"), "/var/prometheus", "/var/prometheus/a/b", "/var/prometheus/.x", "/etc/shadow", "/tmp/prometheus/x", "/"),
		},
	} {
		for _, path := range slices.Concat(c.good, c.bad) {
			config := fmt.Sprintf("config wandns 'global'\n\toption %s '%s'\n", key, path)
			want := slices.Contains(c.good, path)
			if wrong := mistakesInUCI(t, config); (wrong == "") != want || !want && !strings.Contains(wrong, key) {
				t.Errorf("%s %q: %q", key, path, wrong)
			}
			cfg, err := readConfig(writeUCI(t, config), defaultConfig)
			if key == "run_dir" {
				if err != nil || cfg.RunDir != path && want || !want && cfg.RunDir != defaultRunDir {
					t.Errorf("for run_dir %q there is %+v, %v", path, cfg, err)
				}
			} else if key == "state_dir" {
				if (err == nil) != want {
					t.Errorf("of OpenWrt's own, %s %q: %v", key, path, err)
				}
			} else if err != nil || (cfg.MetricsFile == path) != want || !want && cfg.MetricsFile != "" {
				t.Errorf("for metrics_file %q there is %+v, %v", path, cfg, err)
			}
			if key == "run_dir" {
				c := &cli{config: writeUCI(t, config)}
				if dir, _ := c.runDir(); dir != path && want || !want && dir != defaultRunDir {
					t.Errorf("status looks into %q for %q", dir, path)
				}
			}
			if strings.Contains(path, "\n") {
				continue
			}
			if toml := mistakesIn(t, fmt.Sprintf("%s = %q\n", key, path)); path != "x" && toml != "" {
				t.Errorf("root itself may not say %s %q: %s", key, path, toml)
			}
		}
	}
}

// The init script and the daemon go by the same folder, whatever stands there.
func TestPathsThatAreMistakesAreNotKept(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"option run_dir '/tmp/wandns'", "list run_dir '/var/run/w'", "option metrics_file '/tmp/x'", "list metrics_file '/var/prometheus/x'"} {
		file := writeUCI(t, "config wandns 'global'\n\toption enabled '1'\n\t"+line+"\n\noption log_level 'debug'\n")
		cfg, err := readConfig(file, defaultConfig)
		if err != nil || len(cfg.Mistakes) != 1 {
			t.Errorf("%s: %+v, %v", line, cfg, err)
			continue
		}
		c := &cli{config: file}
		if dir, _ := c.runDir(); dir != defaultRunDir || cfg.RunDir != dir {
			t.Errorf("%s: status looks into %q, the daemon writes to %q", line, dir, cfg.RunDir)
		}
		if err := cfg.keep(file, file+".last"); err != nil {
			t.Fatal(err)
		}
		b, _ := os.ReadFile(file + ".last")
		if last := string(b); strings.Contains(last, "run_dir") || strings.Contains(last, "metrics_file") || !strings.Contains(last, "enabled '1'") || !strings.Contains(last, "log_level 'debug'") {
			t.Errorf("%s: what is kept is %q", line, last)
		}
	}
}

// What root is told to type does what it says, and nothing more.
func TestPathsThatRootMayList(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/mnt/stick":     "; if wandns alone is to have it, run: echo /mnt/stick >>/etc/wandns.mounts; service wandns reload",
		"/mnt/a;reboot":  "/etc/wandns.mounts",
		"/mnt/$(reboot)": "/etc/wandns.mounts",
		"/mnt/a b":       "/etc/wandns.mounts",
		"/mnt/../a":      "/etc/wandns.mounts",
		"/":              "/etc/wandns.mounts",
		"/mnt":           "/etc/wandns.mounts",
		"/etc":           "/etc/wandns.mounts",
		"/usr/sbin":      "/etc/wandns.mounts",
	} {
		if got := (bounds{}).hold("state_dir", path); !strings.HasSuffix(got, want) || strings.Contains(got, "echo") != (path == "/mnt/stick") {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestFilesThatOnlyRootMayRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		b    bounds
		file string
		err  error
		want bool
	}{
		{bounds{}, "/etc/ssl/private/key", os.ErrPermission, true},
		{bounds{}, "/etc/ssl/private/key", os.ErrNotExist, false},
		{bounds{}, "/etc/wandns/key", os.ErrPermission, false},
		{bounds{own: "/root"}, "/etc/ssl/private/key", os.ErrPermission, false},
	} {
		if err := c.b.advise(c.file, c.err); !errors.Is(err, c.err) || strings.HasSuffix(err.Error(), "permission denied; move it to /etc/wandns") && !c.want || c.want == (err.Error() == c.err.Error()) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A file that root names by hand is his word for its folder, or its system.
func TestPathsBesideAUCIFileNamedByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, own string }{
		{"/x/y/wandns", "/x/y"},
		{"/x/etc/config/wandns", "/x"},
		{defaultConfig, ""},
		{"/etc/config/../config/wandns", ""},
		{"/etc/config/other", ""},
		{"/wandns", ""},
	} {
		b := boundsOf(c.name, c.name)
		if b.own != c.own {
			t.Errorf("for %s: %q", c.name, b.own)
		}
		if in := c.own + "/run"; holds(b, "run_dir", in) != (c.own != "") || holds(b, "state_dir", in) != (c.own != "") || holds(b, "run_dir", c.own+"/../run") {
			t.Errorf("for %s: %s", c.name, in)
		}
	}
}

func holds(b bounds, key, path string) bool { return b.hold(key, path) == "" }

// listing is OpenWrt's configuration as the init script hands it to the daemon,
// with what root lists.
func listing(t *testing.T, list string, mode os.FileMode) bounds {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "mounts")
	if err := errors.Join(os.WriteFile(path, []byte(list), 0o600), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return boundsOf(filepath.Join(dir, "wandns"), defaultConfig)
}

// asRoot is for what only files of root's can show.
func asRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("WANDNS_CI") == "1":
		t.Fatal("run it as root, whose list it is")
	default:
		t.Skip("run it as root, whose list it is")
	}
}

func TestFoldersThatRootLists(t *testing.T) {
	t.Parallel()
	asRoot(t)
	b := listing(t, "# mine\n/mnt/usb\n /mnt/disk/ \n/\n/mnt/..\nmnt\n\n/mnt/last", 0o644)
	for path, want := range map[string]bool{
		"/mnt/usb": true, "/mnt/usb/a/b": true, "/mnt/disk": true, "/mnt/last/x": true,
		"/mnt": false, "/mnt/usb2": false, "/etc": false, "/mnt/usb/../../etc": false, "/mnt/usb/": false, "/": false, "mnt": false,
	} {
		if holds(b, "state_dir", path) != want || holds(b, "run_dir", path) || holds(b, "metrics_file", path) {
			t.Errorf("%s: %v", path, !want)
		}
	}
	for _, mode := range []os.FileMode{0o664, 0o646, 0o666} {
		if b := listing(t, "/mnt/usb\n", mode); holds(b, "state_dir", "/mnt/usb") {
			t.Errorf("a list of mode %o is believed", mode)
		}
	}
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(dir+"/list", []byte("/mnt/usb\n"), 0o600), os.Symlink(dir+"/list", dir+"/mounts"), os.WriteFile(dir+"/etc", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if b := boundsOf(dir+"/wandns", defaultConfig); holds(b, "state_dir", "/mnt/usb") {
		t.Error("a link to a list is believed")
	}
	if err := errors.Join(os.Remove(dir+"/mounts"), os.Rename(dir+"/list", dir+"/mounts"), os.Lchown(dir+"/mounts", 1, 0)); err != nil {
		t.Fatal(err)
	}
	if b := boundsOf(dir+"/wandns", defaultConfig); holds(b, "state_dir", "/mnt/usb") {
		t.Error("another user's list is believed")
	}
}

// Where the daemon may not read, root hands it a copy, or it is a mistake.
func TestFilesOfOpenWrtsConfiguration(t *testing.T) {
	t.Parallel()
	asRoot(t)
	const service = "config service 'home'\n\toption provider 'noip'\n\tlist hostnames 'a.example.com'\n\toption username 'u'\n"
	dir := t.TempDir()
	listed := filepath.Join(dir, "usb")
	secret := filepath.Join(listed, "secret")
	if err := errors.Join(
		os.MkdirAll(listed, 0o700), os.WriteFile(secret, []byte("original"), 0o600),
		os.WriteFile(filepath.Join(dir, "mounts"), []byte(listed+"\n"), 0o600),
		os.MkdirAll(filepath.Join(dir, "files", listed), 0o700), os.WriteFile(filepath.Join(dir, "files", secret), []byte("copy"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	read := func(line string) serviceConfig {
		t.Helper()
		file := filepath.Join(dir, "wandns")
		if err := os.WriteFile(file, []byte(service+line), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := readConfig(file, defaultConfig)
		if err != nil {
			t.Fatal(err)
		}
		return cfg.Services[0]
	}
	for _, path := range []string{dir + "/elsewhere", "/etc/shadow", "/proc/self/environ", listed + "/../mounts", "/etc/wandns/../shadow", "/etc/wandnsx"} {
		for _, key := range []string{"password_file", "ca_file"} {
			s := read(fmt.Sprintf("\toption %s '%s'\n", key, path))
			if wrong := s.wrong("A"); !strings.Contains(wrong, "may not be read from there; move it to /etc/wandns, or list its folder in /etc/wandns.mounts") || strings.Contains(wrong, path) || s.Files != nil || s.CAFile != "" {
				t.Errorf("%s %s: %q, %+v", key, path, wrong, s)
			}
		}
	}
	for _, path := range []string{"/etc/wandns/nonexistent", "/etc/ssl/nonexistent"} {
		if s := read(fmt.Sprintf("\toption password_file '%s'\n", path)); !s.awaitsFile() {
			t.Errorf("%s is not waited for: %+v", path, s.faults)
		}
	}
	if s := read(fmt.Sprintf("\toption password_file '%s'\n", secret)); s.Values["password"] != "copy" || len(s.Mistakes) > 0 {
		t.Errorf("the password is %q, %v", s.Values["password"], s.Mistakes)
	}
	// What is plugged in later is copied at a reload.
	s := read(fmt.Sprintf("\toption password_file '%s'\n", secret+"2"))
	if wrong := s.wrong("reload"); s.awaitsFile() || s.Files != nil || !strings.HasSuffix(wrong, "; reload") {
		t.Errorf("%q", wrong)
	}
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "files", secret), authority, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := read(fmt.Sprintf("\toption password 'p'\n\toption ca_file '%s'\n", secret)); s.CAFile != secret || s.caFrom != filepath.Join(dir, "files", secret) || len(s.Mistakes) > 0 {
		t.Errorf("%+v", s)
	}
	// The command line is root's own, or the user's.
	if cfg := mustLoadUCI(t, service+fmt.Sprintf("\toption password_file '%s'\n", secret)); cfg.Services[0].Values["password"] == "" {
		t.Error("a file named by hand is not read")
	}
}

// The daemon's user has its folder, and may lay there what is another's, which
// root would read and send. What root has laid it follows.
func TestRootReadsNothingForAnotherUser(t *testing.T) {
	t.Parallel()
	asRoot(t)
	l := newLuCI(t, "")
	for name, text := range map[string]string{"elsewhere/root": "canary\n", "elsewhere/sub/root": "canary\n", "wandns/its": "p\n", "wandns/roots": "p\n", "wandns/deep/its": "p\n", "ssl/real": "p\n"} {
		if err := os.MkdirAll(filepath.Dir(l.path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		l.put(name, text)
	}
	if err := errors.Join(
		os.Symlink(l.path("elsewhere/root"), l.path("wandns/link")),
		os.Symlink("../elsewhere/root", l.path("wandns/short")),
		os.Symlink("its", l.path("wandns/own")),
		os.Symlink(l.path("elsewhere/sub"), l.path("wandns/folder")),
		os.Link(l.path("elsewhere/root"), l.path("wandns/hard")),
		os.Symlink(l.path("wandns/link"), l.path("ssl/there")),
		os.Symlink("../wandns/its", l.path("ssl/its")),
		os.Symlink("real", l.path("ssl/by_root")),
		os.Symlink("../elsewhere/root", l.path("ssl/given")),
		os.Lchown(l.path("ssl/given"), 1, 1),
		os.Symlink(l.path("ssl"), l.path("certs")),
		os.Chmod(l.path("elsewhere/sub"), 0o777),
		os.Symlink("../root", l.path("elsewhere/sub/anybodys")),
	); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "its", "deep", "deep/its"} {
		if err := os.Chown(l.path("wandns/"+name), 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	for name, good := range map[string]bool{
		"wandns/its": true, "wandns/roots": true, "wandns/deep/its": true, "wandns/deep/../its": true, "ssl/its": true, "ssl/by_root": true, "certs/by_root": true,
		"wandns/link": false, "wandns/short": false, "wandns/own": false, "wandns/folder/root": false, "wandns/hard": false, "ssl/there": false, "ssl/given": false, "elsewhere/sub/anybodys": false,
	} {
		l.put("config/wandns", "config wandns 'global'\n\toption enabled '1'\n\nconfig service 'home'\n\toption enabled '1'\n\toption provider 'hostup'\n\tlist hostnames 'home.example.com'\n\toption domain 'example.com'\n\toption server 'EVIL'\n\toption api_key_file 'ETC/"+name+"'\n")
		cfg, _ := readConfig(l.path("config/wandns"), l.path("config/wandns"))
		if s := cfg.Services[0]; (s.Values["api_key"] == "p") != good || (len(s.Mistakes) == 0) != good || !good && !strings.Contains(s.Mistakes[0].text, "name the file itself") {
			t.Errorf("%s: %q, %v", name, s.Values["api_key"], s.Mistakes)
		}
		before := l.asked.Load()
		_, raw := l.call("account", `{"service":"home","verb":"key","action":"list"}`)
		if asked := l.asked.Load() > before; asked != good {
			t.Errorf("%s: asked %v, %s", name, asked, raw)
		}
	}
}

func TestPlainHTTPIsWarnedAbout(t *testing.T) {
	t.Parallel()
	const service = "[[service]]\nname = \"home\"\nprovider = \"noip\"\nhostnames = [\"a.example.com\"]\nusername = \"u\"\npassword = \"p\"\n"
	for url, want := range map[string]bool{
		"http://81.2.69.1:8080": true, "http://dyn.example.com": true, "http://[2a00::1]": true, "http://100.64.0.1": true, "http://172.32.0.1": true, "http://203.0.113.1": true, "http://[2001:db8::1]": true,
		"http://localhost.example.com": true, "http://xlan": true, "http://127.0.0.1.example.com": true,
		"https://dyn.example.com": false, "http://127.0.0.1:1": false, "http://[::1]": false, "http://10.1.2.3": false, "http://172.16.0.1": false,
		"http://192.168.1.1:81": false, "http://[fd00::1]:1": false, "http://169.254.1.1": false, "http://[fe80::1]": false, "http://[::ffff:10.0.0.1]": false,
		"http://localhost:3": false, "http://router.lan": false, "HTTP://NAS.Local": false, "http://x.home.arpa.": false, "http://a.internal": false,
	} {
		cfg := mustLoad(t, service+fmt.Sprintf("server = %q\n", url))
		if warned := strings.Join(cfg.Warnings, "\n"); (warned != "") != want || want && !strings.Contains(warned, `line 7, service "home", server: goes to `) || want && !strings.Contains(warned, "user name and password can be read by anyone on the way; use https") {
			t.Errorf("%s: %q", url, warned)
		}
	}
	cfg := mustLoad(t, service+"web_url4 = [\"http://ip.example.com/\", \"https://ip.example.com/\"]\nweb_url6 = \"http://[fd00::1]/\"\n")
	if len(cfg.Warnings) != 1 || !strings.Contains(cfg.Warnings[0], "line 7, service \"home\", web_url4: goes to ip.example.com unencrypted: the address can be made up by anyone on the way; use https") {
		t.Errorf("%q", cfg.Warnings)
	}
	const own = "[[service]]\nname = \"home\"\nprovider = \"hostup\"\nhostnames = [\"a.example.com\"]\ntoken4 = \"t\"\nupdate_url = \"%s/?t={token}&i={ip}\"\n"
	for url, want := range map[string]string{
		"http://dyn.example.com": "update_url: goes to dyn.example.com unencrypted: the secret in it can be read by anyone", "HTTP://Dyn.example.com": "update_url: ", "https://dyn.example.com": "", "http://10.1.2.3": "",
	} {
		cfg, err := readConfig(writeFile(t, "wandns.toml", fmt.Sprintf(own, url)), "wandns.toml")
		if err != nil {
			t.Fatal(err)
		}
		if warned := strings.Join(cfg.Warnings, "\n"); !strings.Contains(warned, want) || want == "" && warned != "" {
			t.Errorf("%s: %q", url, warned)
		}
	}
	if cfg := mustLoad(t, fmt.Sprintf(own, "http://dyn.example.com")+"server = \"https://dyn.example.com\"\n"); len(cfg.Warnings) > 0 {
		t.Errorf("under another server: %q", cfg.Warnings)
	}
	if cfg := mustLoad(t, service); len(cfg.Warnings) > 0 {
		t.Errorf("without a server: %q", cfg.Warnings)
	}
}
