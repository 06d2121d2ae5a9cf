package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// router is a folder with what the init script looks at, and the script with
// its paths leading there.
type router struct {
	root string
	t    *testing.T
}

func newRouter(t *testing.T) router {
	t.Helper()
	r := router{t.TempDir(), t}
	script, err := os.ReadFile(root + "/openwrt/wandns/files/wandns.init")
	if err != nil {
		t.Fatal(err)
	}
	text := string(script)
	for _, dir := range []string{"/etc/config", "/etc/os-release", "/etc/wandns", "/var/run", "/usr/sbin", "/sbin/ujail"} {
		for _, before := range []string{" ", "=", "\t", "/*_file="} {
			text = strings.ReplaceAll(text, before+dir, before+r.root+dir)
		}
	}
	r.write("init", text, 0o644)
	r.write("etc/os-release", "VERSION_ID=\"24.10.7\"\n", 0o644)
	r.write("etc/passwd", "root:x:0:0:::\nwandns:x:32768:32768:::\n", 0o644)
	r.write("usr/sbin/wandns", "#!/bin/sh\ngrep -n broken \"$3\" >&2 && exit 3\nexit 0\n", 0o755)
	return r
}

func (r router) write(path, text string, mode os.FileMode) {
	r.t.Helper()
	path = filepath.Join(r.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		r.t.Fatal(err)
	}
}

// start runs start_service with a configuration and returns procd's calls.
func (r router) start(config string) string {
	r.t.Helper()
	r.write("etc/config/wandns", config, 0o600)
	stubs, err := filepath.Abs("testdata/procd.sh")
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.CommandContext(r.t.Context(), "busybox", "ash", "-c", `. "$1"; . "$R/init"; start_service || echo failed`, "sh", stubs)
	cmd.Env = append(os.Environ(), "R="+r.root)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	return strings.ReplaceAll(string(out), r.root, "")
}

func TestInitScript(t *testing.T) {
	const on = "option enabled 1\n"
	plain := `open_instance
set_param command /usr/sbin/wandns run --config /var/run/wandns.good/wandns
set_param file /var/run/wandns.good/wandns
set_param reload_signal HUP
set_param respawn 3600 5 0
set_param term_timeout 10
set_param stdout 1
set_param stderr 1
`
	jail := `chgrp wandns /var/run/wandns.good /var/run/wandns.good/wandns
chown -hR wandns:wandns /etc/wandns /var/run/wandns
set_param user wandns
set_param group wandns
set_param capabilities /etc/capabilities/wandns.json
set_param no_new_privs 1
add_jail wandns ubus
add_jail_mount /var/run/wandns.good /etc/ssl /etc/hosts /etc/TZ /tmp/resolv.conf.d /var/run/mwan3
add_jail_mount_rw /etc/wandns /var/run/wandns
`
	const end = "close_instance\n"
	for _, c := range []struct {
		name, config string
		ujail        bool
		release      string
		want         string
	}{
		{"switched off", "option enabled 0\n", true, "", ""},
		{"nothing said", "", true, "", ""},
		{"without ujail", on, false, "", plain + end},
		{"with ujail", on, true, "", plain + jail + end},
		{"with ujail of 22.03", on, true, "VERSION_ID=22.03.7\n", plain + end},
		{"a secret of ours", on + "option password_file ROOT/etc/wandns/home.secret\n", true, "", plain + jail + end},
		{"a secret from elsewhere", on + "option password_file /root/secret\n", true, "", plain + end},
		{"a folder that is not ours alone", on + "option state_dir ROOT/mnt\n", true, "", plain + end},
		{"broken from the start", "broken\n", true, "", "log: 1:broken\nfailed\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRouter(t)
			if c.ujail {
				r.write("sbin/ujail", "", 0o755)
			}
			if c.release != "" {
				r.write("etc/os-release", c.release, 0o644)
			}
			if got := r.start(strings.ReplaceAll(c.config, "ROOT", r.root)); got != c.want {
				t.Errorf("procd gets\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// A bad edit leaves the daemon what it has, and procd nothing to do.
func TestInitScriptKeepsTheLastGoodConfiguration(t *testing.T) {
	r := newRouter(t)
	good := "option enabled 1\n"
	first := r.start(good)
	if got, want := r.start("option enabled 1\nbroken\n"), "log: 2:broken\n"+first; got != want {
		t.Errorf("after a bad edit procd gets\n%s\nwant\n%s", got, want)
	}
	path := filepath.Join(r.root, "var/run/wandns.good/wandns")
	b, err := os.ReadFile(path)
	if err != nil || string(b) != good {
		t.Errorf("the daemon would read %q, %v", b, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got := r.start("option enabled 0\n"); got != "" {
		t.Errorf("switched off, procd gets\n%s", got)
	}
}
