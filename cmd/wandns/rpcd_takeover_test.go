package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// incumbent is a router with stand-ins: init scripts that write down what they
// are told and what stands in the configurations then, an updater that runs as
// ddns-scripts' own does, and a wandns that shows what it is configured to do.
type incumbent struct {
	t   *testing.T
	dir string
}

const standInWandns = `#!/bin/sh
cd DIR
echo "wandns $1, on $(grep -c "enabled '1'" etc/config/wandns), ddns $(grep -c "enabled '1'" etc/config/ddns)" >>ledger
[ "$1" != reload ] || sed -n "s/^config service '\(.*\)'/{\"name\":\"\1\"}/p" etc/config/wandns | paste -sd, | sed 's/.*/{"services":[&]}/' >run/status.json
`

const standInDDNS = `#!/bin/sh
cd DIR
echo "ddns $1" >>ledger
case "$1" in
stop | restart) for f in var/run/ddns/*.pid; do kill "$(cat "$f")"; done 2>/dev/null ;;
esac
[ "$1" != restart ] || sed -n "s/^config service '\(.*\)'/\1/p" etc/config/ddns | while read -r section; do
	DIR/usr/lib/ddns/dynamic_dns_updater.sh -v 0 -S "$section" -- start &
done
exit 0
`

const standInUpdater = `#!/bin/sh
cd DIR
sed -n "/^config service '$4'/,/^$/p" etc/config/ddns | grep -q "enabled '1'" || exit 1
trap 'kill $!; exit' TERM
echo $$ >"var/run/ddns/$4.pid"
while [ -e "$0" ]; do sleep 1 & wait; done
`

// takeoverScript is that of luci-app-wandns, run by OpenWrt's shell.
func takeoverScript(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../openwrt/luci-app-wandns/root/usr/libexec/wandns/takeover")
	if err != nil {
		t.Fatal(err)
	}
	return swap(t, string(b), "#!/bin/sh\n", "#!/bin/busybox ash\n")
}

// swap replaces what a text has.
func swap(t *testing.T, text, old, by string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("it lacks %q", old)
	}
	return strings.Replace(text, old, by, 1)
}

func newIncumbent(t *testing.T, own, ddns string) *incumbent {
	t.Helper()
	r := &incumbent{t, t.TempDir()}
	for name, text := range map[string]string{
		"etc/config/wandns": own, "etc/config/ddns": ddns, "etc/init.d/wandns": standInWandns, "etc/init.d/ddns": standInDDNS,
		"usr/lib/ddns/dynamic_dns_updater.sh": standInUpdater, "var/run/ddns/none": "", "run/none": "", "ledger": "",
		"usr/libexec/wandns/takeover": takeoverScript(t), "usr/sbin/wandns": "#!/bin/sh\n" + beWandns + "=1 exec " + os.Args[0] + " \"$@\"\n",
	} {
		if err := os.MkdirAll(filepath.Dir(r.path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		r.write(name, text)
	}
	t.Cleanup(r.end)
	return r
}

// end ends what the stand-ins left running.
func (r *incumbent) end() {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		line, _ := os.ReadFile(dir + "/cmdline")
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && strings.Contains(string(line), r.dir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func (r *incumbent) path(name string) string { return filepath.Join(r.dir, name) }

func (r *incumbent) write(name, text string) {
	r.t.Helper()
	syscall.ForkLock.RLock() // a child of another test would have the program open to be written
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(r.path(name), []byte(strings.ReplaceAll(text, "DIR", r.dir)), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

func (r *incumbent) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(r.path(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), r.dir, "DIR")
}

func (r *incumbent) takeover(services ...string) said {
	r.t.Helper()
	return r.answer(r.command(services...))
}

func (r *incumbent) command(services ...string) *exec.Cmd {
	r.t.Helper()
	input, err := json.Marshal(map[string]any{"services": services})
	if err != nil {
		r.t.Fatal(err)
	}
	c := exec.Command(os.Args[0], "rpcd", "/usr/libexec/rpcd/wandns", "--config", r.path("etc/config/wandns"), "--ddns", r.path("etc/config/ddns"), "call", "takeover")
	c.Env = append(os.Environ(), beWandns+"=1")
	c.Stdin = strings.NewReader(string(input))
	return c
}

// script runs that of the takeover for wandns' services, which changes no file.
func (r *incumbent) script(names string) said {
	r.t.Helper()
	for _, name := range []string{"wandns", "ddns"} {
		r.write("etc/config/."+name+".new", r.read("etc/config/"+name))
	}
	return r.answer(exec.Command(r.path("usr/libexec/wandns/takeover"), r.dir, r.path("etc/config/wandns"), r.path("etc/config/ddns"), r.path("run/status.json"), r.path("var/run/ddns"), names, "", "", ""))
}

// hasty makes the script wait for less.
func (r *incumbent) hasty() {
	r.t.Helper()
	s := swap(r.t, takeoverScript(r.t), "FOR_WANDNS=8", "FOR_WANDNS=2")
	r.write("usr/libexec/wandns/takeover", swap(r.t, s, "FOR_DDNS=6", "FOR_DDNS=1"))
}

func (r *incumbent) answer(c *exec.Cmd) said {
	r.t.Helper()
	out, err := c.Output()
	var answer said
	if wrong := json.Unmarshal(out, &answer); wrong != nil || err != nil || strings.Contains(string(out), "canary") {
		r.t.Fatalf("%v: %s%s", err, out, wrong)
	}
	answer.Error = strings.ReplaceAll(answer.Error, r.dir, "DIR")
	return answer
}

// tidy checks that nothing was left beside the configurations.
func (r *incumbent) tidy() {
	r.t.Helper()
	if left, _ := filepath.Glob(r.path("etc/config/.*")); len(left) > 0 {
		r.t.Errorf("there is still %v", left)
	}
}

// run starts an updater as hotplug does, and returns its process once it runs.
func (r *incumbent) run(section string) int {
	r.t.Helper()
	c := exec.Command(r.path("usr/lib/ddns/dynamic_dns_updater.sh"), "-v", "0", "-S", section, "--", "start")
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	go c.Wait()
	return r.pid(section, 0)
}

// pid waits for a process of a section other than the one before.
func (r *incumbent) pid(section string, before int) int {
	r.t.Helper()
	for range 500 {
		data, _ := os.ReadFile(r.path("var/run/ddns/" + section + ".pid"))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && pid != before && alive(pid) {
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("nothing runs for %s", section)
	return 0
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

const ownEmpty = "config wandns 'global'\n\toption enabled '0'\n\toption run_dir 'DIR/run'\n"

func taken(name, host, more string) string {
	return "\nconfig service '" + name + "'\n\toption enabled '1'\n\toption provider 'noip'\n\toption username 'me@example.com'\n\toption password 'canary'\n\tlist hostnames '" + host + "'\n" + more
}

// What becomes of both configurations, what is run in which order, and what the
// user is told.
func TestE2ETakeover(t *testing.T) {
	const started = "wandns enable, on 2, ddns %d\nwandns reload, on 2, ddns %d\nwandns running, on 2, ddns %[2]d\n"
	const on = "It is switched on, runs, and starts with the router.\n"
	const last = "ddns-scripts has no other service: it is stopped and does not start with the router any more."
	// As the packages of 22.03 to 25.12 come: nothing is switched on in it.
	const shipped = "#\n# See the documentation\n#\nconfig ddns \"global\"\n\toption ddns_dateformat \"%%F %%R\"\n#\toption ddns_rundir \"/var/run/ddns\"\n\toption upd_privateip \"0\"\n\n\n" +
		"config service \"myddns_ipv4\"\n\toption service_name\t\"no-ip.com\"\n\toption lookup_host\t\"home.example.com\"\n\toption domain\t\t\"home.example.com\"\n" +
		"\toption username\t\t\"me@example.com\"\n\toption password\t\t\"canary\"\n\toption interface\t\"wan\"\n\toption ip_source\t\"network\"\n\toption ip_network\t\"wan\"\n%s\n" +
		"config service \"myddns_ipv6\"\n\toption update_url\t\"http://[USERNAME]:[PASSWORD]@your.provider.net/nic/update?hostname=[DOMAIN]&myip=[IP]\"\n" +
		"\toption domain\t\t\"yourhost.example.com\"\n\toption username\t\t\"me\"\n\toption password\t\t\"canary\"\n\toption use_ipv6\t\t\"1\"\n\toption use_api_check    \"0\"\n"
	ownOn := strings.Replace(ownEmpty, "'0'", "'1'", 1)
	for _, tt := range []struct {
		name, own, ddns        string
		services               []string
		wantOwn, wantDDNS, ran string
		said                   string
	}{{
		"a pair", ownEmpty, "config ddns 'global'\n" + luciSection("myddns_ipv4", "a.example.com", pairFour) + luciSection("myddns_ipv6", "a.example.com", pairSix),
		[]string{"myddns"},
		ownOn + taken("myddns", "a.example.com", ""),
		"config ddns 'global'\n" + luciSection("myddns_ipv4", "a.example.com", strings.Replace(pairFour, "'1'", "'0'", 1)) + luciSection("myddns_ipv6", "a.example.com", strings.Replace(pairSix, "'1'", "'0'", 1)),
		fmt.Sprintf(started, 2, 0) + "ddns stop\nddns disable\n",
		"wandns has taken over myddns.\n" + on + "Switched off in ddns-scripts: myddns_ipv4, myddns_ipv6.\n" + last,
	}, {
		"one of three", "# mine\n" + ownEmpty + "# the end", luciSection("a", "a.example.com", "\toption enabled '1'\n") + luciSection("b", "b.example.com", "\toption enabled '1'\n") + luciSection("c", "c.example.com", "\toption enabled 'on' # why\n"),
		[]string{"b"},
		"# mine\n" + ownOn + "# the end\n" + taken("b", "b.example.com", "\toption family 'ipv4'\n"),
		luciSection("a", "a.example.com", "\toption enabled '1'\n") + luciSection("b", "b.example.com", "\toption enabled '0'\n") + luciSection("c", "c.example.com", "\toption enabled 'on' # why\n"),
		fmt.Sprintf(started, 2, 1) + "ddns restart\n",
		"wandns has taken over b.\n" + on + "Switched off in ddns-scripts: b.\nddns-scripts goes on with a, c.",
	}, {
		"as it is shipped, switched on", ownEmpty, fmt.Sprintf(shipped, "\toption enabled\t\t\"1\"  # since May"),
		[]string{"myddns_ipv4"},
		ownOn + taken("myddns_ipv4", "home.example.com", "\toption family 'ipv4'\n\toption interface 'wan'\n"),
		fmt.Sprintf(shipped, "\toption enabled\t\t'0'  # since May"),
		fmt.Sprintf(started, 0, 0) + "ddns stop\nddns disable\n",
		"wandns has taken over myddns_ipv4.\n" + on + "Switched off in ddns-scripts: myddns_ipv4.\n" + last,
	}, {
		"anonymous, and the switch amid the file", "config service 'own'\n\toption provider 'noip'\n\tlist hostnames 'own.example.com'\n\toption username 'u'\n\toption password 'canary'\n" + ownEmpty,
		strings.Replace(luciSection("x", "a.example.com", "\toption enabled 1\n"), " 'x'", "", 1) + strings.Replace(luciSection("y", "b.example.com", "\toption enabled yes\n"), " 'y'", "", 1),
		[]string{"service_2"},
		"config service 'own'\n\toption provider 'noip'\n\tlist hostnames 'own.example.com'\n\toption username 'u'\n\toption password 'canary'\n" + ownOn + taken("service_2", "b.example.com", "\toption family 'ipv4'\n"),
		strings.Replace(luciSection("x", "a.example.com", "\toption enabled 1\n"), " 'x'", "", 1) + strings.Replace(luciSection("y", "b.example.com", "\toption enabled '0'\n"), " 'y'", "", 1),
		fmt.Sprintf(started, 0, 0) + "ddns restart\n",
		"wandns has taken over service_2.\n" + on + "Switched off in ddns-scripts: the section in line 10.\nddns-scripts goes on with the section in line 2.",
	}} {
		t.Run(tt.name, func(t *testing.T) {
			r := newIncumbent(t, tt.own, tt.ddns)
			if err := os.Chmod(r.path("etc/config/ddns"), 0o640); err != nil {
				t.Fatal(err)
			}
			if got := r.takeover(tt.services...); got.Code != exitDone || got.Error != "" || got.Text != tt.said {
				t.Errorf("said %d %q\n%s\nwant\n%s", got.Code, got.Error, got.Text, tt.said)
			}
			if got := r.read("etc/config/wandns"); got != tt.wantOwn {
				t.Errorf("wandns has\n%s\nwant\n%s", got, tt.wantOwn)
			}
			if got := r.read("etc/config/ddns"); got != tt.wantDDNS {
				t.Errorf("ddns has\n%s\nwant\n%s", got, tt.wantDDNS)
			}
			if got := r.read("ledger"); got != tt.ran {
				t.Errorf("it ran\n%s\nwant\n%s", got, tt.ran)
			}
			for file, mode := range map[string]os.FileMode{"etc/config/ddns": 0o640, "etc/config/wandns": 0o600} {
				if info, err := os.Stat(r.path(file)); err != nil || info.Mode() != mode {
					t.Errorf("%s has mode %v, %v", file, info.Mode(), err)
				}
			}
			r.tidy()
			own, ddns := r.read("etc/config/wandns"), r.read("etc/config/ddns")
			again := r.takeover(tt.services...)
			if again.Code != exitDone || !strings.HasPrefix(again.Text, "wandns had "+tt.services[0]+" already.\nIt is switched on, runs") || strings.Contains(again.Text, "Switched off") {
				t.Errorf("the second time it said %d %q\n%s", again.Code, again.Error, again.Text)
			}
			if r.read("etc/config/wandns") != own || r.read("etc/config/ddns") != ddns || strings.Count(r.read("ledger"), "restart") > strings.Count(tt.ran, "restart") {
				t.Errorf("the second time it changed something:\n%s%s%s", r.read("etc/config/wandns"), r.read("etc/config/ddns"), r.read("ledger"))
			}
		})
	}
}

// Whatever becomes of the init script, nothing of a section that was taken runs
// afterwards, and the others do.
func TestE2ETakeoverEndsWhatDDNSScriptsRuns(t *testing.T) {
	const busy = `echo $$ >"var/run/ddns/$4.pid"
trap 'echo heard' TERM
while [ -e "$0" ]; do sleep 1; done
`
	for _, tt := range []struct{ name, init, updater, error string }{
		{"as it should", standInDDNS, standInUpdater, ""},
		{"amid a transfer", standInDDNS, "#!/bin/sh\ncd DIR\n" + busy, ""},
		{"the script fails", "#!/bin/sh\nexit 3\n", standInUpdater, "ddns-scripts could not be restarted for its other services (DIR/etc/init.d/ddns restart ended with 3); run: service ddns restart"},
		{"there is no script", "", standInUpdater, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newIncumbent(t, ownEmpty, luciSection("a", "a.example.com", "\toption enabled '1'\n")+luciSection("b", "b.example.com", "\toption enabled '1'\n"))
			r.write("usr/lib/ddns/dynamic_dns_updater.sh", tt.updater)
			r.write("etc/init.d/ddns", tt.init)
			if tt.init == "" {
				if err := os.Remove(r.path("etc/init.d/ddns")); err != nil {
					t.Fatal(err)
				}
			}
			a, b := r.run("a"), r.run("b")
			got := r.takeover("a")
			if got.Error != tt.error || got.Code == exitDone != (tt.error == "") {
				t.Errorf("said %+v", got)
			}
			if _, err := os.Stat(r.path("var/run/ddns/a.pid")); alive(a) || err == nil {
				t.Errorf("process %d of the section that was taken: running %v; its file: %v", a, alive(a), err)
			}
			before := 0
			if tt.init == standInDDNS && tt.updater == standInUpdater {
				before = b // it was restarted
			}
			r.pid("b", before)
		})
	}
}

// libuci gives a section without a name one that goes on with four digits.
func TestE2ETakeoverEndsWhatRunsForASectionWithoutName(t *testing.T) {
	one := strings.Replace(luciSection("x", "a.example.com", "\toption enabled '1'\n"), " 'x'", "", 1)
	r := newIncumbent(t, ownEmpty, one+strings.Replace(one, "a.example", "b.example", 1)+luciSection("cfg01", "c.example.com", "\toption enabled '1'\n"))
	r.write("etc/init.d/ddns", "#!/bin/sh\n")
	r.write("usr/lib/ddns/dynamic_dns_updater.sh", "#!/bin/sh\necho $$ >\"DIR/var/run/ddns/$4.pid\"\nwhile [ -e \"$0\" ]; do sleep 1; done\n")
	a, b, c := r.run("cfg01abcd"), r.run("cfg02abcd"), r.run("cfg01")
	if got := r.takeover("service"); got.Error != "" {
		t.Errorf("said %+v", got)
	}
	if _, err := os.Stat(r.path("var/run/ddns/cfg01abcd.pid")); alive(a) || err == nil || !alive(b) || !alive(c) {
		t.Errorf("of the one that was taken, its neighbour and another one run: %v %v %v; its file: %v", alive(a), alive(b), alive(c), err)
	}
}

// A failure leaves everything as it was, and says so.
func TestE2ETakeoverThatFails(t *testing.T) {
	ddns := luciSection("a", "a.example.com", "\toption enabled '1'\n")
	for _, tt := range []struct {
		name, own, script string
		readonly          string
		code              int
		says              string
	}{
		{"no init script of wandns", ownEmpty, "", "", exitFailed, "wandns does not run with them (there is no DIR/etc/init.d/wandns), and ddns-scripts goes on as before; see: logread -e wandns"},
		{"wandns' script fails", ownEmpty, "#!/bin/sh\nexit 4\n", "", exitFailed, "(DIR/etc/init.d/wandns enable ended with 4)"},
		{"wandns does not run", ownEmpty, standInWandns + "[ $1 != running ] || exit 1\n", "", exitFailed, "(DIR/etc/init.d/wandns running ended with 1)"},
		{"wandns cannot be written", ownEmpty, standInWandns, "wandns", exitFailed, "open DIR/etc/config/.wandns.new: is a directory"},
		{"ddns cannot be written", ownEmpty, standInWandns, "ddns", exitFailed, "open DIR/etc/config/.ddns.new: is a directory"},
		{"a broken line", ownEmpty + "option ''\n", standInWandns, "", exitConfig, "DIR/etc/config/wandns, line 4: option and list need a name of letters, digits and _; correct it first"},
		{"a section of another kind", ownEmpty + "config foreign\n", standInWandns, "", exitConfig, "DIR/etc/config/wandns, line 4, config foreign: there is no such section"},
		{"a mistake that concerns all", ownEmpty + "\toption state_dir 'here'\n", standInWandns, "", exitConfig, "line 4, state_dir"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newIncumbent(t, tt.own, ddns)
			if r.write("etc/init.d/wandns", tt.script); tt.script == "" {
				if err := os.Remove(r.path("etc/init.d/wandns")); err != nil {
					t.Fatal(err)
				}
			}
			if tt.readonly != "" {
				if err := os.Mkdir(r.path("etc/config/."+tt.readonly+".new"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			pid := r.run("a")
			got := r.takeover("a")
			if got.Code != tt.code || !strings.HasPrefix(got.Error, "nothing was taken over: ") || !strings.Contains(got.Error, tt.says) || got.Text != "" {
				t.Errorf("said %+v", got)
			}
			if own, other := r.read("etc/config/wandns"), r.read("etc/config/ddns"); own != tt.own || other != ddns {
				t.Errorf("the configurations have become\n%s\n%s", own, other)
			}
			r.tidy()
			if !alive(pid) || strings.Contains(r.read("ledger"), "ddns stop") {
				t.Errorf("nobody updates the name: %v\n%s", alive(pid), r.read("ledger"))
			}
		})
	}
}

// The page comes with the script, and may be older than the program.
func TestE2ETakeoverWithoutItsScript(t *testing.T) {
	ddns := luciSection("a", "a.example.com", "\toption enabled '1'\n")
	r := newIncumbent(t, ownEmpty, ddns)
	if err := os.Remove(r.path("usr/libexec/wandns/takeover")); err != nil {
		t.Fatal(err)
	}
	if got := r.takeover("a"); got.Code != exitFailed || got.Error != "nothing was taken over: DIR/usr/libexec/wandns/takeover could not be started (no such file or directory); upgrade luci-app-wandns" {
		t.Errorf("said %+v", got)
	}
	if own, other := r.read("etc/config/wandns"), r.read("etc/config/ddns"); own != ownEmpty || other != ddns {
		t.Errorf("the configurations have become\n%s\n%s", own, other)
	}
	r.tidy()
}

// Wherever a takeover is cut off, one of the two programs has the service, and
// another takeover does what is left.
func TestE2ETakeoverIsCutOff(t *testing.T) {
	const cut = "if [ -e \"cut-$1\" ]; then rm \"cut-$1\"; kill -9 \"$PPID\"; fi\n"
	for _, at := range []string{"enable", "reload", "running", "stop", "disable"} {
		t.Run(at, func(t *testing.T) {
			r := newIncumbent(t, ownEmpty, luciSection("a", "a.example.com", "\toption enabled '1'\n"))
			r.write("etc/init.d/wandns", swap(t, standInWandns, "cd DIR\n", "cd DIR\n"+cut))
			r.write("etc/init.d/ddns", swap(t, standInDDNS, "cd DIR\n", "cd DIR\n"+cut))
			r.write("cut-"+at, "")
			a := r.run("a")
			if out, err := r.command("a").Output(); err == nil {
				t.Errorf("it was not cut off, and said %s", out)
			}
			wandns := strings.Contains(r.read("etc/config/wandns"), "config service 'a'") && strings.Contains(r.read("ledger"), "wandns enable")
			if ddns := strings.Contains(r.read("etc/config/ddns"), "enabled '1'"); !wandns && !ddns {
				t.Errorf("none of the two has it:\n%s\n%s\n%s", r.read("etc/config/wandns"), r.read("etc/config/ddns"), r.read("ledger"))
			}
			if got := r.takeover("a"); got.Error != "" || !strings.HasPrefix(got.Text, "wandns had a already.\n") || alive(a) {
				t.Errorf("then it said %+v; process %d runs: %v", got, a, alive(a))
			}
			if ledger := r.read("ledger"); !strings.HasSuffix(ledger, "ddns stop\nddns disable\n") || strings.Contains(r.read("etc/config/ddns"), "enabled '1'") {
				t.Errorf("it ran\n%s\nand ddns has\n%s", ledger, r.read("etc/config/ddns"))
			}
			r.tidy()
		})
	}
}

// A daemon that runs but shows other services went on with what it had: there
// are mistakes. One that shows nothing yet only takes longer.
func TestE2ETakeoverWaitsForTheDaemon(t *testing.T) {
	const works, complains = "#!/bin/sh\n", "#!/bin/sh\n[ $1 != reload ]\n"
	for _, tt := range []struct{ name, init, status, says, fails string }{
		{"without a status", works, "", "It takes a while to start: look at the overview in a minute.", ""},
		{"with another status", works, `{"services":[{"name":"old"}]}`, "", "(its status does not show them; the configuration may have mistakes)"},
		{"with a longer name", works, `{"services":[{"name":"ab"}]}`, "", "(its status does not show them; the configuration may have mistakes)"},
		{"with its status", works, `{"services":[{"name":"old"},{"name":"b"},{"name":"a"}]}`, "any more.", ""},
		{"with another service that has a mistake", complains, `{"services":[{"name":"old"},{"name":"b"},{"name":"a"}]}`, "any more.", ""},
		{"with a mistake that concerns all", complains, `{"services":[{"name":"old"}]}`, "", "(DIR/etc/init.d/wandns reload ended with 1)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newIncumbent(t, strings.Replace(ownEmpty, "'0'", "'1'", 1), "")
			r.hasty()
			r.write("etc/init.d/wandns", tt.init)
			if tt.status != "" {
				r.write("run/status.json", tt.status)
			}
			got := r.script("a, b")
			if got.Error != "" != (tt.fails != "") || !strings.Contains(got.Error, tt.fails) || !strings.HasSuffix(got.Text, tt.says) {
				t.Errorf("said %+v", got)
			}
		})
	}
}

// The daemon, which is not root, has the folder of the status.
func TestE2ETakeoverFollowsNoLink(t *testing.T) {
	t.Parallel()
	r := newIncumbent(t, strings.Replace(ownEmpty, "'0'", "'1'", 1), "")
	r.hasty()
	r.write("etc/init.d/wandns", "#!/bin/sh\n")
	r.write("elsewhere", `{"services":[{"name":"a"}]}`)
	if err := os.Symlink(r.path("elsewhere"), r.path("run/status.json")); err != nil {
		t.Fatal(err)
	}
	if got := r.script("a"); !strings.Contains(got.Error, "its status does not show them") {
		t.Errorf("said %+v", got)
	}
}

// What the daemon's user lays there is read as wandns status does: to its end,
// and no more than a status can have.
func TestE2ETakeoverReadsAStatusOnly(t *testing.T) {
	t.Parallel()
	for name, lay := range map[string]func(path string) error{
		"a file with a hole": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(`{"services":[{"name":"a"}]}`), 0o600), os.Truncate(path, 1<<30))
		},
		"what only looks like it": func(path string) error {
			return os.WriteFile(path, []byte(`{"services":[{"name":"a"}]} no status`), 0o600)
		},
		"a pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newIncumbent(t, strings.Replace(ownEmpty, "'0'", "'1'", 1), "")
			r.hasty()
			r.write("etc/init.d/wandns", "#!/bin/sh\n")
			if err := lay(r.path("run/status.json")); err != nil {
				t.Fatal(err)
			}
			if got := r.script("a"); !strings.Contains(got.Error, "its status does not show them") {
				t.Errorf("said %+v", got)
			}
		})
	}
}

// Whoever saves while a takeover fails waits for it, and loses nothing.
func TestE2ESavesDuringATakeoverThatFails(t *testing.T) {
	t.Parallel()
	section := luciSection("a", "a.example.com", "\toption enabled '1'\n")
	r := newIncumbent(t, ownEmpty+taken("mine", "mine.example.com", ""), section)
	r.hasty()
	for method, args := range map[string]string{"save": sent("new", `,"password":"typed"`), "enable": `{"service":"mine","enabled":false}`} {
		r.write(method, args)
	}
	r.write("etc/init.d/wandns", `#!/bin/sh
cd DIR
[ "$1" = reload ] && mkdir reloaded || exit 0
for method in save enable; do
	DIR/usr/sbin/wandns rpcd --config DIR/etc/config/wandns --ddns DIR/etc/config/ddns call $method <$method >$method.new
	mv $method.new $method.said
done
exit 1
`)
	if got := r.takeover("a"); got.Code == exitDone || !strings.HasPrefix(got.Error, "nothing was taken over: ") || strings.Contains(got.Error, "put back") {
		t.Errorf("said %+v", got)
	}
	for _, method := range []string{"save", "enable"} {
		if said := r.await(method + ".said"); !strings.Contains(said, `"code":0`) {
			t.Errorf("%s: %s", method, said)
		}
	}
	got := r.read("etc/config/wandns")
	if !strings.Contains(got, "config service 'new'") || !strings.Contains(got, "config service 'mine'\n\toption enabled '0'") || strings.Contains(got, "config service 'a'") {
		t.Errorf("it has become\n%s", got)
	}
	r.tidy()
}

// await reads a file once it is there.
func (r *incumbent) await(name string) string {
	r.t.Helper()
	for range 2000 {
		if _, err := os.Stat(r.path(name)); err == nil {
			return r.read(name)
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("there is no %s", name)
	return ""
}

// Takeovers and saves at the same time come one after the other.
func TestE2ETakeoversAndSavesAtOnce(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c"}
	ddns := ""
	for _, name := range names {
		ddns += luciSection(name, name+".example.com", "\toption enabled '1'\n")
	}
	r := newIncumbent(t, ownEmpty, ddns)
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			got := r.takeover(name)
			if had := strings.Contains(r.read("etc/config/wandns"), "config service '"+name+"'"); had != (got.Code == exitDone) || !had && !strings.Contains(got.Error, "try again") {
				t.Errorf("%s: %+v", name, got)
			}
		})
		for i := range 3 {
			saved := fmt.Sprint("s", name, i)
			all.Go(func() {
				c := r.command()
				c.Args[len(c.Args)-1], c.Stdin = "save", strings.NewReader(sent(saved, `,"password":"typed"`))
				got := r.answer(c)
				if had := strings.Contains(r.read("etc/config/wandns"), "config service '"+saved+"'"); had != (got.Code == exitDone) || !had && !strings.Contains(got.Error, "try again") {
					t.Errorf("%s: %+v", saved, got)
				}
			})
		}
	}
	all.Wait()
	r.tidy()
}

// What others write during a takeover that fails, without its lock, is theirs.
func TestE2ETakeoverPutsBackNoFileThatChanged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, change string }{
		{"uci replaces it", "wandns", "cp $file $file.x; echo '# mine' >>$file.x; mv $file.x $file"},
		{"an editor writes into it", "wandns", "echo '# mine' >>$file"},
		{"that of ddns-scripts", "ddns", "echo '# mine' >>$file"},
		{"it is removed", "wandns", "rm $file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newIncumbent(t, ownEmpty, luciSection("a", "a.example.com", "\toption enabled '1'\n"))
			r.hasty()
			r.write("etc/init.d/wandns", "#!/bin/sh\nfile=DIR/etc/config/"+tt.file+"\n[ $1 = reload ] && mkdir DIR/reloaded && { "+tt.change+"; }\n[ $1 != running ]\n")
			got := r.takeover("a")
			if want := "DIR/etc/config/" + tt.file + " was changed meanwhile and could not be put back; look through both configurations"; got.Code == exitDone || !strings.Contains(got.Error, want) {
				t.Errorf("said %+v\nwant %s", got, want)
			}
			after, _ := os.ReadFile(r.path("etc/config/" + tt.file))
			if strings.Contains(string(after), "# mine") != (tt.name != "it is removed") {
				t.Errorf("it has become\n%s", after)
			}
			on := strings.Contains(r.read("etc/config/ddns"), "enabled '1'")
			if own, err := os.ReadFile(r.path("etc/config/wandns")); !on && (err != nil || !strings.Contains(string(own), "config service 'a'")) {
				t.Error("none of the two has it")
			}
			r.tidy()
		})
	}
}

// A script that hangs is waited for, but not for long, and is left to itself.
func TestE2ETakeoverWithAnInitScriptThatHangs(t *testing.T) {
	for _, tt := range []struct{ name, text, error string }{
		{"wandns", "", "nothing was taken over: wandns does not run with them (DIR/etc/init.d/wandns enable takes too long), and ddns-scripts goes on as before; see: logread -e wandns"},
		{"ddns", "wandns has taken over a.\n", "ddns-scripts has nothing left to do but could not be switched off as a whole (DIR/etc/init.d/ddns stop takes too long); run: service ddns stop; service ddns disable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newIncumbent(t, ownEmpty, luciSection("a", "a.example.com", "\toption enabled '1'\n"))
			r.hasty()
			r.write("etc/init.d/"+tt.name, "#!/bin/sh\necho $$ >DIR/pid\nexec tail -f DIR/ledger\n")
			if got := r.takeover("a"); got.Error != tt.error || !strings.HasPrefix(got.Text, tt.text) {
				t.Errorf("said %+v", got)
			}
			if pid, err := strconv.Atoi(strings.TrimSpace(r.read("pid"))); err != nil || !alive(pid) {
				t.Errorf("it was ended: %v", err)
			}
		})
	}
}

func TestSwitchOfWandns(t *testing.T) {
	for name, tt := range map[string]struct{ own, want string }{
		"no file":          {"-", "config wandns 'global'\n\toption enabled '1'\n\nconfig service 'x'\n"},
		"an empty file":    {"", "config wandns 'global'\n\toption enabled '1'\n\nconfig service 'x'\n"},
		"no switch":        {"config wandns global\n# c\n\toption log_level 'info'\n", "config wandns global\n\toption enabled '1'\n# c\n\toption log_level 'info'\n\nconfig service 'x'\n"},
		"it is on":         {"config wandns global\n\toption enabled yes", "config wandns global\n\toption enabled yes\n\nconfig service 'x'\n"},
		"it is off":        {"config wandns global\r\n\toption enabled\t\"0\" # off\r\n", "config wandns global\r\n\toption enabled\t'1' # off\r\n\nconfig service 'x'\n"},
		"off, then off":    {"config wandns global\n\toption enabled 1\n\toption enabled 0\n", "config wandns global\n\toption enabled 1\n\toption enabled '1'\n\nconfig service 'x'\n"},
		"in one line":      {"config wandns global ; option enabled 0 ; option log_level info\n", "config wandns global ; option enabled '1' ; option log_level info\n\nconfig service 'x'\n"},
		"without line end": {"config wandns global", "config wandns global\n\toption enabled '1'\n\nconfig service 'x'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "wandns")
			if tt.own != "-" {
				path = writeFile(t, "wandns", tt.own)
			}
			e, why := addServices(path, []section{{kind: "service", name: "x"}})
			if why != "" || e.text != tt.want {
				t.Errorf("it becomes\n%s\nwant\n%s%s", e.text, tt.want, why)
			}
		})
	}
}

// A service of wandns that cannot be used, or is blocked, updates nothing.
func TestE2ETakeoverDoesNotCountOnWhatCannotBeUsed(t *testing.T) {
	const half = "\nconfig service 'a'\n\toption provider 'noip'\n\toption username 'me@example.com'\n\tlist hostnames 'a.example.com'\n"
	section := luciSection("a", "a.example.com", "\toption enabled '1'\n")
	r := newIncumbent(t, ownEmpty+half, section)
	if got := r.takeover("a_2"); got.Code != exitDone || !strings.HasPrefix(got.Text, "wandns has taken over a_2.\n") {
		t.Errorf("beside a faulty one: %+v", got)
	}
	r = newIncumbent(t, ownEmpty+half+"\toption password 'canary'\n", section)
	r.write("run/status.json", `{"services":[{"name":"a","state":"blocked","reason":"badauth"}]}`)
	if got := r.takeover("a"); got.Code != exitFailed || got.Error != "nothing was taken over: wandns has a already, which is blocked: badauth" {
		t.Errorf("beside a blocked one: %+v", got)
	}
	if got := r.read("etc/config/ddns"); got != section {
		t.Errorf("ddns has\n%s", got)
	}
}
