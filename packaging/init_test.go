package packaging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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

func (r router) do(what, config string, env ...string) string {
	r.t.Helper()
	r.write("etc/config/wandns", config, 0o600)
	stubs, err := filepath.Abs("testdata/procd.sh")
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.CommandContext(r.t.Context(), "busybox", "ash", "-c", `. "$1"; . "$R/init"; `+what, "sh", stubs)
	cmd.Env = slices.Concat(os.Environ(), []string{"R=" + r.root}, env)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	return strings.ReplaceAll(string(out), r.root, "")
}

func TestInitScript(t *testing.T) {
	const on, ujail = "option enabled 1\n", "sbin/ujail x"
	const lend = `chgrp wandns /var/run/wandns.good/wandns
chgrp wandns /var/run/wandns.good/last
chgrp wandns /var/run/wandns.good
`
	const own = "chown wandns:wandns . in "
	const folders = own + "/etc/wandns\n" + own + "/var/run/wandns\n"
	const instance = `open_instance
set_param command /usr/sbin/wandns run --config /etc/config/wandns --adopted /var/run/wandns.good
set_param file /var/run/wandns.good/wandns
set_param reload_signal HUP
set_param respawn 3600 5 0
set_param term_timeout 10
set_param limits core=0 nofile=512 512
set_param stdout 1
set_param stderr 1
`
	const files = "chgrp wandns /var/run/wandns.good/files.new\n"
	const drop = "append_param command --user wandns\n"
	const watch = "append_param file /var/run/wandns.good/stamp\n"
	const metrics = "chgrp wandns . in /var/prometheus\n"
	const plain = lend + folders + instance + files
	const jail = `set_param user wandns
set_param group wandns
set_param capabilities /etc/capabilities/wandns.json
set_param no_new_privs 1
add_jail wandns ubus procfs
add_jail_mount /var/run/wandns.good /etc/ssl /etc/hosts /etc/TZ /tmp/resolv.conf.d /var/run/mwan3
`
	const mount = "add_jail_mount_rw /etc/wandns /var/run/wandns\n"
	const end = "close_instance\n"
	no := func(key, path, why, instead, command string) string {
		said := key + " cannot be " + path + ", since " + why + "; choose " + instead + ", and run: service wandns reload"
		if command != "" {
			said += "; or, if wandns alone is to have it: " + command + "; service wandns reload"
		}
		return lend + "log: " + said + "\n" + said + "\nfailed\n"
	}
	noState := func(path, command string) string {
		return no("state_dir", path, "root does not list it", "/etc/wandns", command)
	}
	for _, c := range []struct {
		name, config string
		files        string // that there are too, with what they hold
		want         string
	}{
		{"switched off", "option enabled 0\n", ujail, ""},
		{"nothing said", "", ujail, ""},
		{"without ujail", on, "", plain + drop + end},
		{"with ujail", on, ujail, plain + jail + mount + end},
		{"with ujail of 22.03", on, ujail + " etc/os-release VERSION_ID=22.03.7", plain + drop + end},
		{"with ujail of 23.05", on, ujail + " etc/os-release VERSION_ID=23.05.6", plain + jail + mount + end},
		{"with mwan3 of 23.05", on, ujail + " etc/os-release VERSION_ID=23.05.6 etc/init.d/mwan3 x", plain + drop + end},
		{"with mwan3", on, ujail + " etc/init.d/mwan3 x", plain + jail + mount + end},
		{"without a user", on, ujail + " etc/passwd root:x:0:0:::", instance + "log: wandns runs as root, and writes no metrics, since there is no user wandns; install it anew\n" + end},
		{"a secret that is not there", on + "option password_file ROOT/etc/wandns/home.secret\n", ujail, plain + watch + jail + mount + end},
		{
			"a secret of ours", on + "option password_file ROOT/etc/wandns/home.secret\n", ujail + " etc/wandns/home.secret s",
			lend + folders + instance + files + "chown -h wandns:wandns ./home.secret in /etc/wandns\n" + own + "/etc/wandns\n" + watch + jail + mount + end,
		},
		{
			"a secret further down", on + "option password_file ROOT/etc/wandns/a/b/secret\n", ujail + " etc/wandns/a/b/secret s",
			plain + own + "/etc/wandns\n" + own + "/etc/wandns/a\nchown -h wandns:wandns ./secret in /etc/wandns/a/b\n" + own + "/etc/wandns/a/b\n" + watch + jail + mount + end,
		},
		{"a secret from elsewhere", on + "option password_file /etc/shadow\n", ujail, plain + watch + jail + mount + end},
		{"no file at all", on + "option password_file /dev/zero\noption ca_file /proc/kmsg\n", ujail, plain + watch + jail + mount + end},
		{"another folder of ours", on + "option state_dir ROOT/etc/wandns/a/b\noption run_dir ROOT/var/run/w2\n", ujail, lend +
			own + "/etc/wandns\n" + own + "/etc/wandns/a\n" + own + "/etc/wandns/a/b\n" + own + "/var/run/w2\n" +
			instance + files + jail + "add_jail_mount /etc/wandns\nadd_jail_mount_rw /etc/wandns/a/b /var/run/w2\n" + end},
		{"a folder that root does not list", on + "option state_dir ROOT/mnt\n", ujail + " etc/wandns.mounts /elsewhere", strings.Replace(noState("/mnt", "echo /mnt >>/etc/wandns.mounts"), lend, listed(lend), 1)},
		{"no list", on + "option state_dir ROOT/mnt/usb\n", ujail, noState("/mnt/usb", "echo /mnt/usb >>/etc/wandns.mounts")},
		{"a name that a shell takes for more", on + "option state_dir ROOT/mnt/usb;reboot\n", ujail, noState("/mnt/usb;reboot", "")},
		{"a way out of the folder", on + "option state_dir ROOT/etc/wandns/../config\n", ujail, noState("/etc/wandns/../config", "")},
		{"a program", on + "option state_dir ROOT/usr/libexec/rpcd/wandns\n", ujail, noState("/usr/libexec/rpcd/wandns", "echo /usr/libexec/rpcd/wandns >>/etc/wandns.mounts")},
		{"a name that only begins so", on + "option state_dir ROOT/etc/wandns2\n", ujail, noState("/etc/wandns2", "echo /etc/wandns2 >>/etc/wandns.mounts")},
		{"two slashes", on + "option state_dir ROOT/etc/wandns//x\n", ujail, noState("/etc/wandns//x", "")},
		{"a slash at the end", on + "option run_dir ROOT/var/run/w2/\n", ujail, plain + jail + mount + end},
		{"a dot", on + "option run_dir ROOT/var/run/./w2\n", ujail, plain + jail + mount + end},
		{"all that runs", on + "option run_dir ROOT/var/run\n", ujail, plain + jail + mount + end},
		{"two dots", on + "option run_dir ROOT/var/run/..\n", ujail, plain + jail + mount + end},
		{"a program in place of a folder", on + "option run_dir ROOT/usr/sbin/wandns\n", ujail, plain + jail + mount + end},
		{"root's own folder", on + "option run_dir ROOT/var/run/wandns.good\n", ujail, plain + jail + mount + end},
		{"a folder in another's", on + "option run_dir ROOT/var/run/a/b\n", ujail, plain + jail + mount + end},
		{"another program's folder", on + "option run_dir ROOT/var/run/ubus\n", ujail + " var/run/ubus/ubus.sock x", strings.Replace(no("run_dir", "/var/run/ubus", "it belongs to user 0", "/var/run/wandns", "chown wandns:wandns /var/run/ubus"), "log:", own+"/etc/wandns\nlog:", 1)},
		{"a section whose name begins as a key does", on + "config service global_state\noption dir ROOT/etc/wandns/evil\nconfig service global_run\noption dir ROOT/var/run/evil\nconfig service global_metrics\noption file ROOT/var/prometheus/evil\n", ujail, plain + jail + mount + end},
		{
			"files of several folders", on + "option password_file ROOT/etc/wandns/a/d\noption ca_file ROOT/etc/wandns/e\noption password_file ROOT/etc/wandns/none\n", ujail + " etc/wandns/a/d s etc/wandns/e s",
			plain + own + "/etc/wandns\nchown -h wandns:wandns ./d in /etc/wandns/a\n" + own + "/etc/wandns/a\n" +
				"chown -h wandns:wandns ./e in /etc/wandns\n" + own + "/etc/wandns\n" + watch + jail + mount + end,
		},
		{
			"a file that many name", on + strings.Repeat("option password_file ROOT/etc/wandns/home.secret\n", 500), ujail + " etc/wandns/home.secret s",
			lend + folders + instance + files + "chown -h wandns:wandns ./home.secret in /etc/wandns\n" + own + "/etc/wandns\n" + watch + jail + mount + end,
		},
		{"metrics", on + "option metrics_file ROOT/var/prometheus/wandns.prom\n", ujail, lend + folders + metrics + instance + files + jail + mount + "add_jail_mount_rw /var/prometheus\n" + end},
		{"metrics elsewhere", on + "option metrics_file /mnt/wandns.prom\n", ujail, plain + jail + mount + end},
		{"metrics out of their folder", on + "option metrics_file ROOT/var/prometheus/../../etc/shadow\n", ujail, plain + jail + mount + end},
		{"metrics further down", on + "option metrics_file ROOT/var/prometheus/a/b\n", ujail, plain + jail + mount + end},
		{"broken from the start", "broken\n", ujail, "1:broken\nlog: 1:broken\nfailed\n"},
		{"a faulty service from the start", on + "typo\n", ujail, "2:typo\n" + plain + jail + mount + end},
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

// A folder that it may not have keeps the configuration before in force.
func TestInitScriptGoesOnWithTheFoldersBefore(t *testing.T) {
	r := newRouter(t)
	good := "option enabled 1\n"
	bad := "option enabled 1\noption run_dir " + r.root + "/var/run/ubus\n"
	r.write("var/run/ubus/ubus.sock", "", 0o600)
	if got := r.start(bad); !strings.Contains(got, "run_dir cannot be /var/run/ubus") || !strings.HasSuffix(got, "failed\n") {
		t.Errorf("with nothing before, procd gets\n%s", got)
	}
	r.start(good)
	for range 2 {
		got := r.do("start_service && ! service_started || echo failed", bad)
		if !strings.Contains(got, "run_dir cannot be /var/run/ubus") || !strings.HasSuffix(got, "close_instance\n") {
			t.Errorf("procd gets\n%s", got)
		}
		for _, path := range []string{"var/run/wandns.good/wandns", "var/run/wandns.good/last", "etc/config/.wandns.good"} {
			if b, err := os.ReadFile(filepath.Join(r.root, path)); string(b) != good {
				t.Errorf("%s holds %q, %v", path, b, err)
			}
		}
		if err := os.RemoveAll(filepath.Join(r.root, "var/run/wandns.good")); err != nil {
			t.Fatal(err)
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
		{"another folder", on + "option state_dir " + r.root + "/etc/wandns/a\n", "restart\n"},
		{"the same again", on + "option state_dir " + r.root + "/etc/wandns/a\n", ""},
		{"metrics", on + "option metrics_file " + r.root + "/var/prometheus/wandns.prom\n", "restart\n"},
	} {
		if got := reload(c.config); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// listed is what is given away where root lists folders.
func listed(lend string) string {
	const last = "chgrp wandns /var/run/wandns.good/last\n"
	return strings.Replace(lend, last, last+"chgrp wandns /var/run/wandns.good/mounts\n", 1)
}

// A daemon that was taken over, or whoever writes the configuration, gets root to
// give away no file of others, whatever lies where ours should.
func TestInitScriptGivesAwayNothingOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("WANDNS_CI") == "1" {
			t.Fatal("run it as root, who gives away")
		}
		t.Skip("run it as root, who gives away")
	}
	const on, daemon = "option enabled 1\n", 32768
	secret := on + "option password_file ROOT/etc/wandns/home.secret\n"
	for _, c := range []struct {
		name, config string
		lay          string // in ash, $D being the daemon; foreign files are named foreign
		started      bool
		given        string // and nothing else, besides the folders
	}{
		{"a link as a secret", secret, "ln -s $R/etc/foreign etc/wandns/home.secret", true, ""},
		{"a hard link as a secret", secret, "ln etc/foreign etc/wandns/home.secret", true, ""},
		{"a pipe as a secret", secret, "mkfifo etc/wandns/home.secret", true, ""},
		{"a folder as a secret", secret, "mkdir etc/wandns/home.secret", true, ""},
		{"a link to a folder", on + "option password_file ROOT/etc/wandns/a/foreign\n", "ln -s $R/etc etc/wandns/a", true, ""},
		{"a link below a folder", on + "option password_file ROOT/etc/wandns/a/b/foreign\n", "mkdir etc/wandns/a; ln -s $R/etc etc/wandns/a/b; chown -R $D etc/wandns/a", true, "etc/wandns/a etc/wandns/a/b"},
		{"links as what it keeps", on, "for f in state.db state.db.tmp state.db.bad; do ln -s $R/etc/foreign etc/wandns/$f; done; ln etc/foreign etc/wandns/unsaved.db; ln -s /nowhere var/run/wandns/lock", true, ""},
		{"hard links as what it keeps", on, "ln etc/foreign var/run/wandns/lock; ln etc/foreign var/run/wandns/status.json; mkfifo var/run/wandns/ntp", true, ""},
		{"files of others in its folders", on, "cp etc/foreign etc/wandns/other.secret; cp etc/foreign var/run/wandns/x", true, ""},
		{"state_dir is a link", on + "option state_dir ROOT/etc/wandns/a\n", "mkdir etc/empty; ln -s $R/etc/empty etc/wandns/a", false, ""},
		{"state_dir is below a link", on + "option state_dir ROOT/etc/wandns/a/b\n", "ln -s $R/etc etc/wandns/a", false, ""},
		{"state_dir is a file", on + "option state_dir ROOT/etc/wandns/a\n", "ln etc/foreign etc/wandns/a", false, ""},
		{"state_dir is a pipe", on + "option state_dir ROOT/etc/wandns/a\n", "mkfifo etc/wandns/a", false, ""},
		{"run_dir is a link", on + "option run_dir ROOT/var/run/w\n", "mkdir etc/empty; ln -s $R/etc/empty var/run/w", false, ""},
		{"run_dir is a dangling link", on + "option run_dir ROOT/var/run/w\n", "ln -s $R/etc/new var/run/w", false, ""},
		{"run_dir is an empty one of root's", on + "option run_dir ROOT/var/run/w\n", "mkdir var/run/w", false, ""},
		{"run_dir has only names as ours", on + "option run_dir ROOT/var/run/w\n", "mkdir var/run/w; cp etc/foreign var/run/w/lock; cp etc/foreign var/run/w/ntp", false, ""},
		{"run_dir is another program's", on + "option run_dir ROOT/var/run/w\n", "mkdir var/run/w; cp etc/foreign var/run/w", false, ""},
		{"run_dir is another user's", on + "option run_dir ROOT/var/run/w\n", "mkdir var/run/w; chown 77 var/run/w", false, ""},
		{"run_dir is a socket's name", on + "option run_dir ROOT/var/run/w\n", "cp etc/foreign var/run/w", false, ""},
		{"the list is the daemon's", on + "option state_dir ROOT/mnt/usb\n", "mkdir -p mnt/usb; echo $R/mnt/usb >etc/wandns.mounts; chown $D etc/wandns.mounts", false, "etc/wandns.mounts"},
		{"the list is for all to write", on + "option state_dir ROOT/mnt/usb\n", "mkdir -p mnt/usb; echo $R/mnt/usb >etc/wandns.mounts; chmod 666 etc/wandns.mounts", false, ""},
		{"the list is a link", on + "option state_dir ROOT/mnt/usb\n", "mkdir -p mnt/usb; echo $R/mnt/usb >etc/list; ln -s list etc/wandns.mounts", false, ""},
		{"a listed folder of another user", on + "option state_dir ROOT/mnt/usb/photos\n", "mkdir -p mnt/usb/photos; chown 77 mnt/usb/photos; echo $R/mnt/usb >etc/wandns.mounts", false, ""},
		{"a link from a listed folder", on + "option state_dir ROOT/mnt/usb/a\n", "mkdir -p mnt/usb etc/empty; ln -s $R/etc/empty mnt/usb/a; echo $R/mnt/usb >etc/wandns.mounts", false, ""},
		{"metrics of others", on + "option metrics_file ROOT/var/prometheus/foreign\n", "mkdir var/prometheus; cp etc/foreign var/prometheus", true, ""},
		{"metrics into a link", on + "option metrics_file ROOT/var/prometheus/x\n", "ln -s $R/etc var/prometheus", true, ""},
		{"a link as metrics", on + "option metrics_file ROOT/var/prometheus/x\n", "mkdir var/prometheus; ln -s $R/etc/foreign var/prometheus/x", true, ""},

		{"what a daemon of root's has left", on, "mkdir -p etc/wandns; for f in etc/wandns/state.db var/run/wandns/lock var/run/wandns/unsaved.db; do echo x >$f; done", true, "etc/wandns/state.db var/run/wandns/lock var/run/wandns/unsaved.db"},
		{"a secret that root wrote", secret, "echo x >etc/wandns/home.secret", true, "etc/wandns/home.secret"},
		{"a listed folder with others' files", on + "option state_dir ROOT/mnt/usb\n", "mkdir -p mnt/usb/lost+found; cp etc/foreign mnt/usb; echo $R/mnt/usb >etc/wandns.mounts", true, "mnt/usb"},
		{"what a daemon of root's has left on a stick", on + "option state_dir ROOT/mnt/usb/ddns\noption password_file ROOT/mnt/usb/ddns/pw\n", "mkdir -p mnt/usb/ddns; cd mnt/usb/ddns; echo x >pw; echo x >state.db; echo x >other; echo $R/mnt/usb >$R/etc/wandns.mounts", true, "mnt/usb/ddns mnt/usb/ddns/pw mnt/usb/ddns/state.db"},
		{"a run_dir of ours", on + "option run_dir ROOT/var/run/w\n", "mkdir var/run/w; chown $D var/run/w; echo x >var/run/w/lock", true, "var/run/w var/run/w/lock"},
		{"a listed folder that is empty", on + "option state_dir ROOT/mnt/usb/a\n", "mkdir -p mnt/usb/a; echo $R/mnt/usb/ >etc/wandns.mounts", true, "mnt/usb/a"},
		{"a listed folder that is missing", on + "option state_dir ROOT/mnt/usb/a/b\n", "mkdir -p mnt/usb; printf '# mine\n%s' $R/mnt/usb >etc/wandns.mounts", true, "mnt/usb/a/b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/foreign", "precious\n", 0o600)
			r.write("sbin/ujail", "", 0o755)
			lay := exec.CommandContext(t.Context(), "busybox", "ash", "-ec", "cd $R; mkdir -p etc/wandns var/run/wandns; chown $D:$D etc/wandns var/run/wandns; "+c.lay)
			lay.Env = append(os.Environ(), "R="+r.root, fmt.Sprint("D=", daemon))
			if out, err := lay.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			out := r.do("start_service || echo failed", strings.ReplaceAll(c.config, "ROOT", r.root), "REAL=1")
			if started := strings.Contains(out, "close_instance\n"); started != c.started || started == strings.Contains(out, "failed\n") || !started && !strings.Contains(out, "; choose ") {
				t.Errorf("started: %v, procd gets\n%s", started, out)
			}
			var given []string
			err := filepath.WalkDir(r.root, func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := d.Info()
				if err == nil && info.Sys().(*syscall.Stat_t).Uid == daemon { //nolint:forcetypeassert // on Linux it always is
					given = append(given, strings.TrimPrefix(path, r.root+"/"))
				}
				return err
			})
			if want := append(strings.Fields(c.given), "etc/wandns", "var/run/wandns"); err != nil || !slices.Equal(slices.Sorted(slices.Values(given)), slices.Sorted(slices.Values(want))) {
				t.Errorf("%v, the daemon has %q, want %q", err, given, want)
			}
			for _, dir := range []string{"etc/empty", "etc", "var/prometheus/x"} {
				if info, err := os.Stat(filepath.Join(r.root, dir)); err == nil && info.Mode()&os.ModeSticky != 0 {
					t.Errorf("%s is for the daemon to write to", dir)
				}
			}
		})
	}
}

// The daemon gets through to a folder that was made for it on a stick.
func TestInitScriptMakesFoldersOnTheWay(t *testing.T) {
	r := newRouter(t)
	r.write("etc/wandns.mounts", r.root+"/mnt/usb\n", 0o644)
	r.write("mnt/usb/x", "", 0o644)
	r.start("option enabled 1\noption state_dir " + r.root + "/mnt/usb/a/b\n")
	for dir, mode := range map[string]os.FileMode{"a": 0o711, "a/b": 0o700} {
		if info, err := os.Stat(r.root + "/mnt/usb/" + dir); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}
}

// A stick whose file system has no owners is refused with what helps.
func TestInitScriptTellsOfFAT(t *testing.T) {
	r := newRouter(t)
	r.write("etc/wandns.mounts", r.root+"/mnt/usb\n", 0o644)
	out := r.do("start_service || echo failed", "option enabled 1\noption state_dir "+r.root+"/mnt/usb\n", "FAT=1")
	if !strings.Contains(out, "log: state_dir cannot be /mnt/usb, since its file system has no owners, as FAT, or is not to be written to; choose /etc/wandns, and run: service wandns reload; or mount it with uid=32768\n") || !strings.HasSuffix(out, "failed\n") {
		t.Errorf("procd gets\n%s", out)
	}
}

// What a daemon of root's wrote to the folder of all metrics is in the way of the
// one that has a user, and what others wrote is not.
func TestInitScriptClearsOnlyItsMetrics(t *testing.T) {
	for text, there := range map[string]bool{"# HELP\nwandns_up 1\n": false, "node_up 1\n": true} {
		r := newRouter(t)
		r.write("var/prometheus/x", text, 0o644)
		r.start("option enabled 1\noption metrics_file " + r.root + "/var/prometheus/x\n")
		if _, err := os.Stat(r.root + "/var/prometheus/x"); (err == nil) != there {
			t.Errorf("after %q: %v", text, err)
		}
	}
}

// The configuration before is judged by root's list too, which after a reboot
// has to be there by then.
func TestInitScriptListsFoldersBeforeItChecks(t *testing.T) {
	r := newRouter(t)
	r.write("usr/sbin/wandns", "#!/bin/sh\ncp \"$3\" \"$5\"; cat \"${5%/*}/mounts\" >&2\n", 0o755)
	r.write("etc/wandns.mounts", "/elsewhere\n", 0o644)
	if out := r.start("option enabled 1\n"); !strings.Contains(out, "/elsewhere\n") {
		t.Errorf("check has no list; procd gets\n%s", out)
	}
}

// From folders that root lists the daemon gets copies, but nothing that others
// than root can have laid there.
func TestInitScriptHandsCopies(t *testing.T) {
	r := newRouter(t)
	for _, c := range []struct {
		name, lay, want string
	}{
		{"a file", "echo secret >mnt/usb/f", "secret\n"},
		{"another file later", "echo other >mnt/usb/f", "other\n"},
		{"no file any more", "rm mnt/usb/f", ""},
		{"a link", "ln -s $R/etc/foreign mnt/usb/f", ""},
		{"a pipe", "rm mnt/usb/f; mkfifo mnt/usb/f", ""},
		{"a folder for all to write", "rm mnt/usb/f; echo secret >mnt/usb/f; chmod 777 mnt/usb", ""},
		{"a large file", "chmod 755 mnt/usb; dd if=/dev/zero of=mnt/usb/f bs=1k count=300 2>/dev/null", strings.Repeat("\x00", 257<<10)},
		{"a folder that is a link", "mv mnt/usb mnt/real; ln -s real mnt/usb; echo $R/mnt >etc/wandns.mounts", ""},
	} {
		r.write("etc/foreign", "precious\n", 0o600)
		lay := exec.CommandContext(t.Context(), "busybox", "ash", "-ec", "cd $R; mkdir -p mnt/usb; echo $R/mnt/usb >etc/wandns.mounts; "+c.lay)
		lay.Env = append(os.Environ(), "R="+r.root)
		if out, err := lay.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", c.name, err, out)
		}
		out := r.start("option enabled 1\noption password_file " + r.root + "/mnt/usb/f\n")
		copied := r.root + "/var/run/wandns.good/files" + r.root + "/mnt/usb/f"
		b, err := os.ReadFile(copied)
		if string(b) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: the daemon has %.20q, %v", c.name, b, err)
		}
		if info, err := os.Stat(copied); err == nil && info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v", c.name, info.Mode())
		}
		if !strings.Contains(out, "append_param file /var/run/wandns.good/stamp\n") || !strings.HasSuffix(out, "close_instance\n") {
			t.Errorf("%s: procd gets\n%s", c.name, out)
		}
		if told := strings.Contains(out, "log: /mnt/usb/f is not handed to wandns"); told != (c.want == "" && c.name != "no file any more" && c.name != "a pipe") {
			t.Errorf("%s: %s", c.name, out)
		}
	}
}

// Switched off, nothing of the configuration is left, but NTP has answered still.
func TestInitScriptKeepsWhatNTPHasSaid(t *testing.T) {
	r := newRouter(t)
	r.start("option enabled 1\noption password_file " + r.root + "/etc/wandns/s\n")
	r.write("var/run/wandns.good/ntp", "x", 0o644)
	r.start("option enabled 0\n")
	entries, err := os.ReadDir(r.root + "/var/run/wandns.good")
	if err != nil || len(entries) != 1 || entries[0].Name() != "ntp" {
		t.Errorf("%v, %v", entries, err)
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
	mark := r.root + "/var/run/wandns.good/ntp"
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
			r.write("var/run/wandns.good/ntp", c.before, 0o644)
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

	// What the daemon, or whoever names its folder, puts there is not looked at.
	for _, kind := range []string{"mkfifo ntp", "ln -s $R/victim ntp", "ln -s $R/none ntp", "mkdir ntp", "ln $R/victim ntp", "mkfifo control.sock; mkfifo status.json"} {
		r.write("victim", "precious", 0o644)
		cmd := exec.CommandContext(t.Context(), "timeout", "60", "busybox", "ash", "-ec", "rm -rf $R/var/run; mkdir -p $R/var/run/wandns; cd $R/var/run/wandns; "+kind+"; ls -l >$R/before; $R/ntp; ls -l >$R/after; cmp $R/before $R/after; cat $R/var/run/wandns.good/ntp; test ! -e $R/none")
		cmd.Env = append(os.Environ(), "ACTION=stratum", "stratum=2", "R="+r.root)
		out, err := cmd.CombinedOutput()
		if b, _ := os.ReadFile(r.root + "/victim"); err != nil || string(b) != "precious" || string(out) != string(boot) {
			t.Errorf("%s: a file elsewhere holds %q; %v\n%s", kind, b, err, out)
		}
	}
}
