package packaging

import (
	"errors"
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
	for _, dir := range []string{"/etc/config", "/etc/os-release", "/etc/init.d", "/etc/wandns", "/var/run", "/var/prometheus", "/usr/sbin", "/sbin/ujail"} {
		for _, before := range []string{" ", "=", "\t", "/*_file="} {
			text = strings.ReplaceAll(text, before+dir, before+r.root+dir)
		}
	}
	r.write("init", text, 0o644)
	r.write("etc/os-release", "VERSION_ID=\"24.10.7\"\n", 0o644)
	r.write("etc/passwd", "root:x:0:0:::\nwandns:x:32768:32768:::\n", 0o644)
	r.write("usr/sbin/wandns", `#!/bin/sh
# check --config FILE --keep LAST
! grep -n broken "$3" >&2 || exit 3
grep -v typo "$3" >"$5" || echo global >"$5"
! grep -n typo "$3" >&2 || exit 3
`, 0o755)
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
func (r router) start(config string) string { return r.do("start_service || echo failed", config) }

func (r router) do(what, config string) string {
	r.t.Helper()
	r.write("etc/config/wandns", config, 0o600)
	stubs, err := filepath.Abs("testdata/procd.sh")
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.CommandContext(r.t.Context(), "busybox", "ash", "-c", `. "$1"; . "$R/init"; `+what, "sh", stubs)
	cmd.Env = append(os.Environ(), "R="+r.root)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	return strings.ReplaceAll(string(out), r.root, "")
}

func TestInitScript(t *testing.T) {
	const on, ujail = "option enabled 1\n", "sbin/ujail x"
	const lend = "chgrp -R wandns /var/run/wandns.good\n"
	plain := lend + `open_instance
set_param command /usr/sbin/wandns run --config /etc/config/wandns --adopted /var/run/wandns.good
set_param file /var/run/wandns.good/wandns
set_param reload_signal HUP
set_param respawn 3600 5 0
set_param term_timeout 10
set_param limits core=0
set_param stdout 1
set_param stderr 1
`
	give := `chown -hR wandns:wandns /etc/wandns /var/run/wandns
`
	const drop = "append_param command --user wandns\n"
	const watch = "append_param file /etc/wandns/home.secret\n"
	const metrics = "chgrp wandns /var/prometheus\nchown -h wandns:wandns /var/prometheus/wandns.prom\n"
	jail := `set_param user wandns
set_param group wandns
set_param capabilities /etc/capabilities/wandns.json
set_param no_new_privs 1
add_jail wandns ubus procfs
add_jail_mount /var/run/wandns.good /etc/ssl /etc/hosts /etc/TZ /tmp/resolv.conf.d /var/run/mwan3
add_jail_mount_rw /etc/wandns /var/run/wandns
`
	const end = "close_instance\n"
	for _, c := range []struct {
		name, config string
		files        string // that there are too, with what they hold
		want         string
	}{
		{"switched off", "option enabled 0\n", ujail, ""},
		{"nothing said", "", ujail, ""},
		{"without ujail", on, "", plain + give + drop + end},
		{"with ujail", on, ujail, plain + give + jail + end},
		{"with ujail of 22.03", on, ujail + " etc/os-release VERSION_ID=22.03.7", plain + give + drop + end},
		{"with ujail of 23.05", on, ujail + " etc/os-release VERSION_ID=23.05.6", plain + give + jail + end},
		{"with mwan3 of 23.05", on, ujail + " etc/os-release VERSION_ID=23.05.6 etc/init.d/mwan3 x", plain + give + drop + end},
		{"with mwan3", on, ujail + " etc/init.d/mwan3 x", plain + give + jail + end},
		{"without a user", on, ujail + " etc/passwd root:x:0:0:::", strings.TrimPrefix(plain, lend) + end},
		{"a secret of ours", on + "option password_file ROOT/etc/wandns/home.secret\n", ujail, plain + watch + give + jail + end},
		{"a secret from elsewhere", on + "option password_file /root/secret\n", ujail, plain + "append_param file /root/secret\n" + end},
		{"a folder that is not ours alone", on + "option state_dir ROOT/mnt\n", ujail, plain + end},
		{"metrics", on + "option metrics_file ROOT/var/prometheus/wandns.prom\n", ujail, plain + give + metrics + jail + "add_jail_mount_rw /var/prometheus\n" + end},
		{"metrics elsewhere", on + "option metrics_file /mnt/wandns.prom\n", ujail, plain + give + jail + end},
		{"broken from the start", "broken\n", ujail, "1:broken\nlog: 1:broken\nfailed\n"},
		{"a faulty service from the start", on + "typo\n", ujail, "2:typo\n" + plain + give + jail + end},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRouter(t)
			for f := strings.Fields(c.files); len(f) > 1; f = f[2:] {
				r.write(f[0], f[1]+"\n", 0o755)
			}
			if got := r.start(strings.ReplaceAll(c.config, "ROOT", r.root)); got != c.want {
				t.Errorf("procd gets\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// The daemon gets what was edited, and the last one without mistakes, which
// outlives a reboot.
func TestInitScriptKeepsTheLastGoodConfiguration(t *testing.T) {
	r := newRouter(t)
	const good, kept = "option enabled 1\n", "etc/config/.wandns.good"
	holds := func(path, want string, mode os.FileMode) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(r.root, path))
		if err != nil || string(b) != want {
			t.Errorf("%s holds %q, %v", path, b, err)
		}
		info, err := os.Stat(filepath.Join(r.root, path))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
	}
	first := r.start(good)
	for _, bad := range []string{"typo\n", "broken\n"} {
		if got, want := r.start(good+bad), "2:"+bad+first; got != want {
			t.Errorf("after a bad edit procd gets\n%s\nwant\n%s", got, want)
		}
		holds("var/run/wandns.good/wandns", good+bad, 0o640)
		holds("var/run/wandns.good/last", good, 0o640)
		holds(kept, good, 0o600)

		if err := os.RemoveAll(filepath.Join(r.root, "var/run")); err != nil {
			t.Fatal(err)
		}
		if got, want := r.start(good+bad), "2:"+bad+first; got != want {
			t.Errorf("after a reboot procd gets\n%s\nwant\n%s", got, want)
		}
		holds("var/run/wandns.good/last", good, 0o640)
	}
	if got := r.start("typo\n"); !strings.HasPrefix(got, "1:typo\n") || !strings.Contains(got, "open_instance") {
		t.Errorf("where a mistake may stand for the switch, procd gets\n%s", got)
	}
	if got := r.start("option enabled 0\ntypo, line 1, enabled: of two kinds\n"); !strings.Contains(got, "open_instance") {
		t.Errorf("with a mistake in the switch, procd gets\n%s", got)
	}
	for _, off := range []string{"option enabled 0\n", "broken\n", "typo\n"} {
		if got := r.start(off); strings.Contains(got, "open_instance") {
			t.Errorf("switched off, and then with a bad edit, procd gets\n%s", got)
		}
		for _, path := range []string{kept, "var/run/wandns.good/wandns"} {
			if _, err := os.Stat(filepath.Join(r.root, path)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("switched off, %s is there: %v", path, err)
			}
		}
	}
}

// What was never fit for use leaves a daemon alone that goes by something else.
func TestInitScriptTellsOfMistakes(t *testing.T) {
	r := newRouter(t)
	const on = "option enabled 1\n"
	for _, c := range []struct{ config, want string }{
		{on, "started, reloaded"},
		{on + "typo\n", "started with mistakes, not reloaded"},
		{on + "broken\n", "started with mistakes, not reloaded"},
		{on, "started, reloaded"},
	} {
		got := r.do(`start() { start_service >/dev/null 2>&1; service_started; }; restart() { echo restart; }
			start && echo -n started || echo -n "started with mistakes"
			(reload_service) && echo ", reloaded" || echo ", not reloaded"`, c.config)
		if got != c.want+"\n" {
			t.Errorf("%q: %s, want %s", c.config, got, c.want)
		}
	}
}

// procd, which has a signal for reloading, restarts nothing by itself.
func TestInitScriptRestartsWhenTheJailChanges(t *testing.T) {
	r := newRouter(t)
	r.write("sbin/ujail", "", 0o755)
	const on = "option enabled 1\n"
	reload := func(config string) string {
		return r.do("start() { start_service >/dev/null 2>&1; }; restart() { echo restart; }; (reload_service) || :", config)
	}
	for _, c := range []struct{ what, config, want string }{
		{"the first", on, ""},
		{"the same", on, ""},
		{"another name", on + "option hostnames a\n", ""},
		{"a bad edit", on + "broken\n", ""},
		{"another folder", on + "option state_dir " + r.root + "/mnt/wandns\n", "restart\n"},
		{"the same again", on + "option state_dir " + r.root + "/mnt/wandns\n", ""},
		{"a secret that the jail has not", on + "option state_dir " + r.root + "/mnt/wandns\noption password_file /root/secret\n", "restart\n"},
		{"metrics", on + "option metrics_file " + r.root + "/var/prometheus/wandns.prom\n", "restart\n"},
	} {
		if got := reload(c.config); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// The hotplug script leaves its word for one boot, and wakes the daemon once.
func TestHotplugOfNTP(t *testing.T) {
	r := newRouter(t)
	script, err := os.ReadFile(root + "/openwrt/wandns/files/wandns.hotplug-ntp")
	if err != nil {
		t.Fatal(err)
	}
	r.write("ntp", strings.NewReplacer("=/var/run", "="+r.root+"/var/run", "/usr/sbin/wandns", r.root+"/usr/sbin/wandns").Replace(string(script)), 0o755)
	r.write("usr/sbin/wandns", "#!/bin/sh\necho \"$@\" >>"+r.root+"/poked\n", 0o755)
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	mark := r.root + "/var/run/wandns/ntp"
	pokes := 0
	for _, c := range []struct {
		action, stratum string
		before          string // what the mark holds
		poked           bool
	}{
		{"unsync", "16", "", false},
		{"stratum", "16", "", false},
		{"periodic", "", "", false},
		{"stratum", "3", "", true},
		{"stratum", "2", "", false},
		{"step", "16", "", true},
		{"periodic", "2", "", false},
		{"periodic", "2", "another boot\n", true},
	} {
		if c.before != "" {
			r.write("var/run/wandns/ntp", c.before, 0o644)
		}
		cmd := exec.CommandContext(t.Context(), "busybox", "ash", r.root+"/ntp")
		cmd.Env = append(os.Environ(), "ACTION="+c.action, "stratum="+c.stratum)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c, err, out)
		}
		if c.poked {
			pokes++
		}
		if b, _ := os.ReadFile(r.root + "/poked"); strings.Count(string(b), "update\n") != pokes {
			t.Fatalf("%v: the daemon was told %q", c, b)
		}
		if b, _ := os.ReadFile(mark); pokes > 0 && string(b) != string(boot) {
			t.Errorf("%v: the mark holds %q", c, b)
		}
	}

	// The folder is the daemon's, and a link in it leads nowhere.
	victim := r.root + "/victim"
	r.write("victim", "precious", 0o644)
	if err := errors.Join(os.Remove(mark), os.Symlink(victim, mark)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "busybox", "ash", r.root+"/ntp")
	cmd.Env = append(os.Environ(), "ACTION=step")
	out, err := cmd.CombinedOutput()
	if b, _ := os.ReadFile(victim); err != nil || string(b) != "precious" {
		t.Errorf("a file elsewhere holds %q; %v\n%s", b, err, out)
	}
}
