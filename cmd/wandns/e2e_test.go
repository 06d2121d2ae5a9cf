package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"wandns/updater"
	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// The tests of this file run the real program on a real kernel: the test
// binary becomes wandns, in a network namespace with two pairs of devices.
//
//	wan0 ---- isp0      the daemon's side and the other end; the simulated
//	wan1 ---- isp1      No-IP listens on loopback

const (
	beWandns   = "WANDNS_TEST_MAIN"
	beISP      = "WANDNS_TEST_ISP"
	beHardened = "WANDNS_TEST_HARDENED"
	secret     = "canary-7f3a"
	patience   = time.Minute // an emulated processor is slow
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(beWandns) != "":
		main()
	case os.Getenv(beISP) != "":
		isp()
	case os.Getenv(beHardened) != "":
		hardened()
	default:
		flag.Parse()
		if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
			_ = f.Value.Set(strconv.Itoa(4 * runtime.GOMAXPROCS(0))) // most of the tests' time is waiting
		}
		os.Exit(m.Run())
	}
}

// router is a machine with a daemon on it.
type router struct {
	t      testing.TB
	sim    *updatertest.NoIP
	url    string
	dir    string
	config string
	under  []string // the program that runs the daemon, if any
	built  string   // the daemon's program, if not the test's
	daemon *exec.Cmd
	out    *output
}

// output is what all processes printed.
type output struct {
	bytes.Buffer
	lines chan string
}

func newRouter(t testing.TB, hosts ...string) *router {
	t.Helper()
	if err := errors.Join(wantest.Veth("wan0", "isp0"), wantest.Veth("wan1", "isp1")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(wantest.DelLink("wan0"), wantest.DelLink("wan1")) }) // a test may have deleted one
	wantest.CloseResolvers()
	if len(hosts) == 0 {
		hosts = []string{"home.example.com"}
	}
	r := &router{t: t, sim: updatertest.NewNoIP("user@example.com", secret, hosts...), dir: t.TempDir(), out: &output{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: r.sim, ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { server.Close() })
	r.url = "http://" + l.Addr().String()
	r.config = filepath.Join(r.dir, "wandns.toml")
	r.configure(hosts)
	return r
}

// configure writes the configuration; more is added to the service.
func (r *router) configure(hosts []string, more ...string) {
	r.t.Helper()
	text := fmt.Sprintf("state_dir = %q\nrun_dir = %q\nlog_level = \"debug\"\n[[service]]\nname = \"home\"\nprovider = \"noip\"\nhostnames = [\"%s\"]\nusername = %q\npassword = %q\n%s\n",
		r.path("state"), r.path("run"), strings.Join(hosts, `", "`), r.sim.User, secret, strings.Join(more, "\n"))
	if !strings.Contains(text, "\nserver") {
		text += fmt.Sprintf("server = %q\n", r.url)
	}
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *router) path(name string) string { return filepath.Join(r.dir, name) }

func (r *router) command(args ...string) *exec.Cmd {
	cmd := exec.Command(cmp.Or(r.built, os.Args[0]), append(args, "--config", r.config)...)
	cmd.Env = append(os.Environ(), beWandns+"=1")
	return cmd
}

func (r *router) on() {
	r.t.Helper()
	r.launch()
	r.until("the daemon is up", func(st updater.Status) bool { return st.PID == r.daemon.Process.Pid && r.seen(st) })
}

// launch starts a daemon.
func (r *router) launch() {
	r.t.Helper()
	r.launchWith("run")
}

func (r *router) launchWith(args ...string) {
	r.t.Helper()
	r.daemon = r.command(args...)
	if len(r.under) > 0 {
		env := r.daemon.Env
		r.daemon = exec.Command(r.under[0], slices.Concat(r.under[1:], r.daemon.Args)...)
		r.daemon.Env = env
	}
	pipe, err := r.daemon.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	r.daemon.Stderr = r.daemon.Stdout
	if err := r.daemon.Start(); err != nil {
		r.t.Fatal(err)
	}
	lines := make(chan string, 1000)
	r.out.lines = lines
	go func() {
		for s := bufio.NewScanner(pipe); s.Scan(); {
			lines <- s.Text()
		}
		close(lines)
	}()
	r.t.Cleanup(r.kill)
}

func (r *router) seen(st updater.Status) bool {
	return len(st.Services) > 0 && !strings.Contains(st.Services[0].Reason, "has not been read")
}

func (r *router) end(s syscall.Signal) error {
	if r.daemon == nil {
		return nil
	}
	_ = r.daemon.Process.Signal(s) // it may have ended
	for line := range r.out.lines {
		r.out.WriteString(line + "\n")
	}
	err := r.daemon.Wait()
	r.daemon = nil
	return err
}

func (r *router) kill() { _ = r.end(syscall.SIGKILL) }

func (r *router) term() {
	r.t.Helper()
	if err := r.end(syscall.SIGTERM); err != nil {
		r.t.Errorf("told to stop, it ended with %v:\n%s", err, r.out.String())
	}
}

func (r *router) status() (st updater.Status) {
	b, err := os.ReadFile(r.path("run/status.json"))
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	return st
}

// until waits for a status.
func (r *router) until(what string, ok func(updater.Status) bool) updater.Status {
	r.t.Helper()
	end := time.Now().Add(patience)
	for {
		st := r.status()
		if ok(st) {
			return st
		}
		if time.Now().After(end) {
			r.term()
			r.t.Fatalf("waited in vain: %s\nstatus: %+v\nledger: %v\n%s", what, st, r.sim.Ledger(), r.out.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// requests waits until the provider has had so many requests, all answered.
func (r *router) requests(n int) []updatertest.Entry {
	r.t.Helper()
	r.until(fmt.Sprintf("%d requests and none open", n), func(st updater.Status) bool {
		return len(r.sim.Ledger()) >= n && len(st.Services) > 0 && st.Services[0].Sent >= n && st.Services[0].State != updater.Sending
	})
	return r.only(n)
}

// only checks that there were no more requests, and that none broke a rule.
func (r *router) only(n int) []updatertest.Entry {
	r.t.Helper()
	l := r.sim.Ledger()
	if v := r.sim.Violations(); len(l) != n || len(v) > 0 {
		r.t.Fatalf("%d requests, want %d: %v; against the rules: %v\n%s", len(l), n, l, v, r.out.String())
	}
	return l
}

func (r *router) state(want updater.State) updater.ServiceStatus {
	r.t.Helper()
	return r.until("state "+string(want), func(st updater.Status) bool { return len(st.Services) > 0 && st.Services[0].State == want }).Services[0]
}

func (r *router) do(errs ...error) {
	r.t.Helper()
	if err := errors.Join(errs...); err != nil {
		r.t.Fatal(err)
	}
}

func TestE2EAddressIsFollowed(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.on()
	r.state(updater.NoAddress)

	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	if l := r.requests(1); l[0].Value != "84.0.0.2" {
		t.Fatalf("first request: %v", l[0])
	}
	r.do(wantest.AddAddr("wan0", "84.0.0.3/32"), wantest.DelAddr("wan0", "84.0.0.2/32"))
	if l := r.requests(2); l[1].Value != "84.0.0.3" {
		t.Fatalf("after a change: %v", l[1])
	}
	r.do(wantest.DelAddr("wan0", "84.0.0.3/32"))
	r.state(updater.NoAddress)
	r.do(wantest.AddAddr("wan1", "84.1.0.2/32"), wantest.AddDefault("wan1", "", 10))
	if l := r.requests(3); l[2].Value != "84.1.0.2" {
		t.Fatalf("on another device: %v", l[2])
	}
	r.do(wantest.AddAddr("wan0", "192.168.1.2/24"), wantest.AddDefault("wan0", "192.168.1.1", 5))
	r.until("the private address is explained", func(st updater.Status) bool {
		return strings.Contains(st.Services[0].Reason, "192.168.1.2 on wan0 cannot be published")
	})
	r.only(3)
	r.do(wantest.DelLink("wan0"))
	r.until("the second line again", func(st updater.Status) bool { return st.Services[0].Reason == "" })
	r.only(3)
}

// A service that is pinned to a line of PPP's kind, which comes back as another
// device of the same name.
func TestE2EPinnedServiceStaysWithItsLine(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.configure([]string{"home.example.com"}, "device = \"wan0\"")
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddAddr("wan1", "84.1.0.2/32"), wantest.AddDefault("wan1", "", 0))
	r.on()
	if l := r.requests(1); l[0].Value != "84.0.0.2" {
		t.Fatalf("first request: %v", l[0])
	}
	r.do(wantest.DelLink("wan0"))
	r.state(updater.NoAddress)
	r.do(wantest.Veth("wan0", "isp0"), wantest.AddAddr("wan0", "84.0.0.3/32"))
	if l := r.requests(2); l[1].Value != "84.0.0.3" {
		t.Fatalf("after its return: %v", l[1])
	}
	r.configure([]string{"home.example.com"}, "interface = \"no-such-network\"")
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	r.until("the network is explained", func(st updater.Status) bool {
		return strings.Contains(st.Services[0].Reason, "interface no-such-network")
	})
	r.only(2)
}

func TestE2EIPv6WaitsForDuplicateAddressDetection(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.on()
	r.do(wantest.AcceptRA("wan0"), wantest.Sysctl("net/ipv6/conf/wan0/addr_gen_mode", "0"))
	began := time.Now()
	r.do(wantest.Advertise("isp0", "2a00:1:2:3::/64", time.Hour, 2*time.Hour))
	r.until("the tentative address is explained", func(st updater.Status) bool {
		return strings.Contains(st.Services[0].Reason, "tentative") || st.Services[0].State == updater.OK
	})
	l := r.requests(1)
	if !strings.HasPrefix(l[0].Value, "2a00:1:2:3:") || l[0].At.Sub(began) < 500*time.Millisecond {
		t.Errorf("request %v, %s after the advertisement", l[0], l[0].At.Sub(began))
	}
	r.do(wantest.Advertise("isp0", "2a00:1:2:3::/64", 0, 2*time.Hour))
	r.until("the deprecated address is not wanted", func(st updater.Status) bool {
		s := st.Services[0]
		return len(s.Records) == 1 && s.Records[0].Wanted == "" && strings.Contains(s.Reason, "deprecated")
	})
	r.only(1)
}

// A router whose WAN has a delegated prefix only, a host in its LAN, and a
// provider that hands out another prefix in the morning.
func TestE2ELANFollowsItsPrefix(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t, "home.example.com", "nas.example.com")
	r.configure([]string{"home.example.com"}, "family = \"ipv6\"", fmt.Sprintf("server = %q", r.url),
		"[[service]]", "name = \"nas\"", "provider = \"noip\"", "hostnames = [\"nas.example.com\"]", "family = \"ipv6\"",
		fmt.Sprintf("username = %q\npassword = %q", r.sim.User, secret), "ipv6_mac = \"00:11:22:33:44:55\"", "ipv6_lan = \"wan1\"", fmt.Sprintf("server = %q", r.url))
	r.do(wantest.AddDefault("wan0", "::", 1024), wantest.Delegate("2a00:1:2::/56"), wantest.AddAddr("wan1", "2a00:1:2:3::1/64", "nodad"))
	r.on()
	published := func(router, host string) func(updater.Status) bool {
		return func(updater.Status) bool {
			a, _ := r.sim.Lookup("home.example.com")
			b, _ := r.sim.Lookup("nas.example.com")
			return a.V6.String() == router && b.V6.String() == host
		}
	}
	st := r.until("both names under the first prefix", published("2a00:1:2:3::1", "2a00:1:2:3:211:22ff:fe33:4455"))
	if len(st.WAN) == 0 || len(st.WAN[0].Prefixes) != 1 || st.WAN[0].Prefixes[0].String() != "2a00:1:2::/56" {
		t.Errorf("wan = %+v", st.WAN)
	}
	if _, out := r.say("wan"); !strings.Contains(out, "Delegated prefix 2a00:1:2::/56") || !strings.Contains(out, "AAAA for nas: 2a00:1:2:3:211:22ff:fe33:4455, because 2a00:1:2:3::/64 is the prefix of wan1") {
		t.Errorf("wandns wan says\n%s", out)
	}
	r.do(wantest.ReplaceAddr("wan1", "2a00:1:2:3::1/64", "nodad", "preferred_lft", "0", "valid_lft", "7200"),
		wantest.Withdraw("2a00:1:2::/56"), wantest.Delegate("2a00:1:9::/56"), wantest.AddAddr("wan1", "2a00:1:9:3::1/64", "nodad"))
	r.until("both names under the second prefix", published("2a00:1:9:3::1", "2a00:1:9:3:211:22ff:fe33:4455"))
	r.until("nothing open", func(st updater.Status) bool {
		return st.Services[0].State == updater.OK && st.Services[1].State == updater.OK
	})
	r.only(4)
}

func TestE2ENothingIsRepeated(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddAddr("wan0", "2a00:1:2:3::1/64", "nodad"),
		wantest.AddDefault("wan0", "", 0), wantest.AddDefault("wan0", "::", 1024))
	r.on()
	if l := r.requests(1); l[0].Value != "84.0.0.2,2a00:1:2:3::1" {
		t.Fatalf("first request: %v", l[0])
	}
	for name, reboot := range map[string]func(){
		"TERM": r.term,
		"KILL": r.kill,
		"a reboot": func() {
			r.kill()
			r.do(os.RemoveAll(r.path("run")))
		},
	} {
		reboot()
		r.on()
		if st := r.state(updater.OK); st.Sent != 1 || st.Records[0].Published != "84.0.0.2" {
			t.Errorf("after %s: %+v", name, st)
		}
		r.only(1)
	}
	if code := r.exit("run", "--once"); code != exitFailed {
		t.Errorf("a pass beside the daemon: exit code %d", code)
	}
	r.term()
	if code := r.exit("run", "--once"); code != exitDone {
		t.Errorf("a pass with nothing to do: exit code %d", code)
	}
	r.only(1)
}

// exit runs a verb and returns its exit code.
func (r *router) exit(args ...string) int {
	code, _ := r.say(args...)
	return code
}

// say runs a verb and returns its exit code and what it printed.
func (r *router) say(args ...string) (int, string) {
	r.t.Helper()
	out, err := r.command(args...).CombinedOutput()
	r.out.Write(out)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), string(out)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return 0, string(out)
}

func TestE2EBlockUpdateResumeReload(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	if code, out := r.say("update"); code != exitFailed || !strings.Contains(out, "no daemon is running") {
		t.Errorf("update without a daemon: %d, %s", code, out)
	}
	r.sim.Next("abuse")
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.on()
	r.state(updater.NeedsUser)
	if info, err := os.Stat(r.path("run/control.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("control.sock: %v, %v", info, err)
	}
	if code, out := r.say("update"); code != exitDone || !strings.Contains(out, "home: No-IP has blocked this user name") {
		t.Errorf("update: %d, %s", code, out)
	}
	if code, out := r.say("resume", "hom"); code != exitUsage || !strings.Contains(out, "did you mean home?") {
		t.Errorf("resume of nothing: %d, %s", code, out)
	}
	r.only(1)
	r.term()
	r.on()
	r.state(updater.NeedsUser)
	r.until("the WAN is read", func(st updater.Status) bool { return len(st.WAN) > 0 })
	r.only(1)
	r.sim.Forgive()
	if code, out := r.say("resume", "home"); code != exitDone || !strings.Contains(out, "home: looking up what is published for home.example.com") {
		t.Errorf("resume: %d, %s", code, out)
	}
	r.requests(2)
	if code, out := r.say("update", "home"); code != exitDone || !strings.Contains(out, "home: nothing to send: home.example.com is 84.0.0.2") {
		t.Errorf("update: %d, %s", code, out)
	}

	r.do(os.Rename(r.config, r.config+".good"), os.WriteFile(r.config, []byte("[[service]]\nnam = 1\n"), 0o600))
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	r.until("the bad configuration is reported", func(st updater.Status) bool { return len(st.Problems) == 1 })
	r.do(os.Rename(r.config+".good", r.config))
	r.sim.Add("nas.example.com")
	r.configure([]string{"home.example.com", "nas.example.com"})
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	if l := r.requests(3); l[2].Hosts[0] != "nas.example.com" || len(l[2].Hosts) != 1 {
		t.Errorf("after a reload: %v", l[2])
	}
	r.until("the problem is gone", func(st updater.Status) bool { return len(st.Problems) == 0 })
}

// The classic mistake: a second service of the account, with a typo in its
// password.
func TestE2EATypoBlocksItsOwnLoginOnly(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	for _, first := range []string{"right", "wrong"} {
		t.Run(first+" first", func(t *testing.T) {
			r := newRouter(t, "right.example.com", "wrong.example.com")
			text := fmt.Sprintf("state_dir = %q\nrun_dir = %q\n", r.path("state"), r.path("run"))
			services := []string{"right", "wrong"}
			if first == "wrong" {
				slices.Reverse(services)
			}
			for _, name := range services {
				password := secret
				if name == "wrong" {
					password = "typo"
				}
				text += fmt.Sprintf("[[service]]\nname = %q\nprovider = \"noip\"\nhostnames = [\"%s.example.com\"]\nusername = %q\npassword = %q\nserver = %q\n",
					name, name, r.sim.User, password, r.url)
			}
			r.write("wandns.toml", text)
			settled := func(addr string) {
				t.Helper()
				r.until(addr+" is published", func(st updater.Status) bool {
					ok := len(st.Services) == 2
					for _, s := range st.Services {
						if s.Name == "right" {
							ok = ok && s.State == updater.OK && len(s.Records) == 1 && s.Records[0].Published == addr
						} else {
							ok = ok && s.State == updater.NeedsUser && strings.HasSuffix(s.Reason, "correct username and password, then run: wandns resume wrong")
						}
					}
					return ok
				})
			}
			r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
			r.on()
			settled("84.0.0.2")
			r.do(wantest.AddAddr("wan0", "84.0.0.3/32"), wantest.DelAddr("wan0", "84.0.0.2/32"))
			settled("84.0.0.3")
			r.kill()
			r.do(wantest.AddAddr("wan0", "84.0.0.4/32"), wantest.DelAddr("wan0", "84.0.0.3/32"))
			r.on()
			settled("84.0.0.4")
			r.term()
			r.on()
			settled("84.0.0.4")
			r.only(4) // one of them with the typo
		})
	}
}

func TestE2ESecondDaemonEnds(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.on()
	if code, out := r.say("run"); code != exitFailed || !strings.Contains(out, "running already") {
		t.Errorf("second daemon: %d, %s", code, out)
	}
	if code, _ := r.say("update"); code != exitDone {
		t.Error("the first daemon lost its control socket")
	}
}

func TestE2EDamagedStateIsReported(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(os.Mkdir(r.path("state"), 0o700), os.WriteFile(r.path("state/state.db"), []byte("not a database"), 0o600))
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.on()
	r.requests(1)
	if st := r.status(); len(st.Problems) != 1 || !strings.Contains(st.Problems[0], "state.db.bad") {
		t.Errorf("problems = %q", st.Problems)
	}
	if b, err := os.ReadFile(r.path("state/state.db.bad")); string(b) != "not a database" {
		t.Errorf("kept: %q, %v", b, err)
	}
}

func TestE2EStateOfANewerVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	file := "future pages" + "wandns\n\x02"
	sum := sha256.Sum256([]byte(file))
	file += string(sum[:])
	r.do(os.Mkdir(r.path("state"), 0o700), os.WriteFile(r.path("state/state.db"), []byte(file), 0o600))
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	if code, out := r.say("run", "--once"); code != exitFailed || !strings.Contains(out, "install that version again") {
		t.Errorf("--once: %d, %s", code, out)
	}
	r.on()
	st := r.status()
	if s := st.Services[0]; len(st.Problems) != 1 || s.State != updater.NeedsUser || !strings.HasSuffix(s.Reason, "install that version again, or move the file away and restart wandns") {
		t.Errorf("status = %+v", st)
	}
	if _, out := r.say("resume", "home"); !strings.Contains(out, "newer version") {
		t.Errorf("resume: %s", out)
	}
	r.do(wantest.AddAddr("wan0", "84.0.0.3/32"))
	r.term()
	r.only(0)
	if b, err := os.ReadFile(r.path("state/state.db")); string(b) != file {
		t.Errorf("the file was touched: %q, %v", b, err)
	}
	if left, err := os.ReadDir(r.path("state")); len(left) != 1 {
		t.Errorf("in state_dir: %v, %v", left, err)
	}
	if code, out := r.say("probe", "home", "ip"); code == exitDone || !strings.Contains(out, "newer version") {
		t.Errorf("a verb: %d, %s", code, out)
	}

	r.do(os.Rename(r.path("state/state.db"), r.path("newer.db")))
	r.on()
	r.requests(1)
}

func TestE2ESecretIsNowhere(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	for _, fault := range []updatertest.Fault{
		updatertest.Echo, updatertest.Cut, updatertest.Huge, updatertest.HTML, updatertest.Wrong, updatertest.Redirect,
		updatertest.Error500, updatertest.Error401, "911", "good " + secret, "nohost " + secret, secret,
	} {
		r.do(os.RemoveAll(r.path("state")), os.RemoveAll(r.path("run")))
		r.sim.Forgive()
		r.sim.Next(fault)
		r.on()
		r.until("an answer", func(st updater.Status) bool {
			return st.Services[0].Sent == 1 && st.Services[0].State != updater.Sending
		})
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.daemon.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		r.out.Write(cmdline)
		for _, verb := range [][]string{{"status"}, {"status", "--json"}, {"update"}, {"check"}, {"wan"}, {"wan", "--json"}} {
			r.exit(verb...)
		}
		r.term()
		for _, file := range []string{"run/status.json", "state/state.db"} {
			b, err := os.ReadFile(r.path(file))
			if err != nil {
				t.Fatal(err)
			}
			r.out.Write(b)
		}
		if i := strings.Index(r.out.String(), secret); i >= 0 {
			t.Fatalf("%s: the secret is in the output: %s", fault, r.out.String()[max(0, i-200):i+20])
		}
	}
}

func (r *router) written() string {
	var all []string
	for _, f := range []string{"state/state.db", "run/status.json"} {
		info, err := os.Stat(r.path(f))
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, info.ModTime().String())
	}
	return strings.Join(all, " ")
}

// TestE2ERequestLeavesByTheChosenDevice needs a provider behind both lines: a
// process in a namespace of its own, which tells who asked.
func TestE2ERequestLeavesByTheChosenDevice(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), beISP+"=1")
	wantest.Isolate(other)
	in, err := other.StdinPipe()
	r.do(err)
	out, err := other.StdoutPipe()
	r.do(err)
	other.Stderr = os.Stderr
	r.do(other.Start())
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	for _, name := range []string{"isp0", "isp1"} {
		link, err := netlink.LinkByName(name)
		r.do(err)
		r.do(netlink.LinkSetNsPid(link, other.Process.Pid))
	}
	_, err = io.WriteString(in, "go\n")
	r.do(err)
	asked := bufio.NewScanner(out)
	if !asked.Scan() || asked.Text() != "ready" {
		t.Fatalf("the other side says %q", asked.Text())
	}
	r.do(wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 0),
		wantest.AddAddr("wan1", "84.1.0.2/24"), wantest.AddDefault("wan1", "84.1.0.1", 100))
	for _, c := range []struct{ device, want string }{
		{"", "84.0.0.2 84.0.0.2"},
		{"device = \"wan1\"", "84.1.0.2 84.1.0.2"},
	} {
		r.do(os.RemoveAll(r.path("state")))
		r.configure([]string{"home.example.com"}, "server = \"http://84.9.9.9:8080\"", c.device)
		if code, out := r.say("run", "--once"); code != exitDone {
			t.Fatalf("exit code %d: %s", code, out)
		}
		if !asked.Scan() || asked.Text() != c.want {
			t.Errorf("%s: the provider saw %q, want %q (sender, then myip)", c.device, asked.Text(), c.want)
		}
	}
}

// isp is the other side: routers on both lines and a provider behind them.
func isp() {
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "isp:", err)
			os.Exit(1)
		}
	}
	if !bufio.NewScanner(os.Stdin).Scan() {
		os.Exit(1)
	}
	check(errors.Join(wantest.Up("lo"), wantest.Up("isp0"), wantest.Up("isp1"),
		wantest.AddAddr("isp0", "84.0.0.1/24"), wantest.AddAddr("isp1", "84.1.0.1/24"), wantest.AddAddr("lo", "84.9.9.9/32")))
	l, err := net.Listen("tcp", "84.9.9.9:8080")
	check(err)
	fmt.Println("ready")
	check(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		host, _, _ := net.SplitHostPort(req.RemoteAddr)
		fmt.Println(host, req.URL.Query().Get("myip"))
		fmt.Fprintln(w, "good "+req.URL.Query().Get("myip"))
	})))
}

// BenchmarkAddressToRequest measures from an address on a device to the
// request's arrival at the provider, through the journal on disk.
func BenchmarkAddressToRequest(b *testing.B) {
	if !wantest.InNamespace(b) {
		return
	}
	r := newRouter(b)
	r.do(wantest.AddAddr("wan0", "192.168.0.2/32"), wantest.AddDefault("wan0", "", 0))
	var took []time.Duration
	for i := range max(b.N, 20) {
		r.do(os.RemoveAll(r.path("state")))
		r.on()
		addr := fmt.Sprintf("84.0.0.%d/32", i%250+2)
		changed := r.sim.Changed()
		began := time.Now()
		r.do(wantest.AddAddr("wan0", addr))
		ctx, cancel := context.WithTimeout(b.Context(), patience)
		select {
		case <-changed:
		case <-ctx.Done():
			b.Fatal("no request")
		}
		cancel()
		took = append(took, time.Since(began))
		r.state(updater.OK)
		r.term()
		r.do(wantest.DelAddr("wan0", addr))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
}
