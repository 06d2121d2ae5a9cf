package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"wandns/updater"
	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// What the tests with other people's programs share: those programs come from
// Debian, and the provider's run in a network namespace of their own.
//
//	the daemon, the simulated No-IP    |    radvd, dnsmasq, kea, pppoe-server
//	          lan0, wan0 ---------------------- isp0 (fe80::1)

// uplink is the provider's namespace.
type uplink struct {
	r   *router
	pid string // of a process in it
}

func newUplink(r *router) *uplink {
	r.t.Helper()
	hold := exec.Command("cat") // until its input is closed
	wantest.Isolate(hold)
	in, err := hold.StdinPipe()
	r.do(err)
	r.do(hold.Start())
	r.t.Cleanup(func() { in.Close(); _ = hold.Wait() })
	isp, err := netlink.LinkByName("isp0")
	r.do(err)
	r.do(netlink.LinkSetNsPid(isp, hold.Process.Pid))
	u := &uplink{r, fmt.Sprint(hold.Process.Pid)}
	u.run("sh", "-c", `
		set -e
		echo 1 >/proc/sys/net/ipv6/conf/isp0/addr_gen_mode # no other link-local address
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding # who says it is no router loses the routes through it
		ip link set lo up
		ip link set isp0 up
		ip addr add fe80::1/64 dev isp0 nodad`)
	return u
}

func (u *uplink) args(name string, args []string) []string {
	return append([]string{"-t", u.pid, "-n", name}, args...)
}

func (u *uplink) run(name string, args ...string) {
	u.r.t.Helper()
	u.r.run("nsenter", u.args(name, args)...)
}

// start is router.start in the provider's namespace.
func (u *uplink) start(name string, args ...string) *program {
	u.r.t.Helper()
	return u.r.program(name, "nsenter", u.args(name, args)...)
}

// run runs a program to its end.
func (r *router) run(name string, args ...string) {
	r.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		r.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// program is one that runs beside the daemon, until the end of the test if
// nobody ends it sooner.
type program struct {
	r    *router
	name string
	log  string // the file with what it prints
	cmd  *exec.Cmd
}

func (r *router) start(name string, args ...string) *program {
	r.t.Helper()
	return r.program(name, name, args...)
}

func (r *router) program(name, file string, args ...string) *program {
	r.t.Helper()
	p := &program{r: r, name: name, cmd: exec.Command(file, args...)}
	log, err := os.CreateTemp(r.dir, name+".*.log")
	r.do(err)
	defer log.Close()
	p.log, p.cmd.Stdout, p.cmd.Stderr = log.Name(), log, log
	p.cmd.Dir = r.dir
	p.cmd.Env = append(os.Environ(), "KEA_PIDFILE_DIR="+r.dir, "KEA_LOCKFILE_DIR="+r.dir)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it may have children
	r.do(p.cmd.Start())
	r.t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if r.t.Failed() {
			r.t.Logf("%s %s says:\n%s", name, strings.Join(args, " "), p.said())
		}
	})
	return p
}

func (p *program) said() string {
	b, err := os.ReadFile(p.log)
	p.r.do(err)
	return string(b)
}

func (p *program) signal(s syscall.Signal) {
	p.r.t.Helper()
	p.r.do(p.cmd.Process.Signal(s))
}

// end signals the program and its children and waits for it.
func (p *program) end(s syscall.Signal) {
	if p.cmd.ProcessState == nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, s) // it may have ended
		_ = p.cmd.Wait()
	}
}

// says waits until the program has printed text n times.
func (p *program) says(text string, n int) {
	p.r.t.Helper()
	p.r.until(fmt.Sprintf("%s says %q %d times", p.name, text, n), func(updater.Status) bool {
		return strings.Count(p.said(), text) >= n
	})
}

// write makes a file in the test's folder and returns its path.
func (r *router) write(name, text string) string {
	r.t.Helper()
	r.do(os.WriteFile(r.path(name), []byte(text), 0o600))
	return r.path(name)
}

// script returns the path of a shell script of testdata, for a program to call.
func (r *router) script(name string) string {
	r.t.Helper()
	file, err := filepath.Abs(filepath.Join("testdata", name))
	r.do(err)
	return file
}

// lan adds a LAN with a host in it: the name nas, whose address ends in ::10.
func (r *router) lan() {
	r.t.Helper()
	r.do(wantest.Veth("lan0", "host0"))
	r.configure([]string{"home.example.com"}, fmt.Sprintf("server = %q", r.url),
		"[[service]]", "name = \"nas\"", "provider = \"noip\"", "hostnames = [\"nas.example.com\"]", "family = \"ipv6\"",
		fmt.Sprintf("username = %q\npassword = %q\nserver = %q", r.sim.User, secret, r.url),
		"ipv6_suffix = \"::10\"", "ipv6_lan = \"lan0\"")
}

// published waits until both names have an address in these prefixes and
// nothing is open, and returns the ledger, which has n requests.
func (r *router) published(n int, home, nas string) []updatertest.Entry {
	r.t.Helper()
	in := func(host, prefix string) bool {
		rec, _ := r.sim.Lookup(host)
		return netip.MustParsePrefix(prefix).Contains(rec.V6)
	}
	r.until(fmt.Sprintf("%d requests, home in %s, nas in %s", n, home, nas), func(st updater.Status) bool {
		return in("home.example.com", home) && in("nas.example.com", nas) && len(r.sim.Ledger()) >= n && quiet(st)
	})
	return r.only(n)
}

func quiet(st updater.Status) bool {
	for _, s := range st.Services {
		if s.State != updater.OK {
			return false
		}
	}
	return true
}

// anew restarts the daemon. The next change of an address is then the first
// for a long time, which leaves at once.
func (r *router) anew() {
	r.t.Helper()
	r.term()
	r.on()
}

// announcement is one of an address by the kernel.
type announcement struct {
	addr   netip.Addr
	gone   bool
	usable bool
	device int
}

// ear hears the kernel's announcements of addresses.
type ear struct {
	r    *router
	mu   sync.Mutex
	list []announcement
}

func newEar(r *router) *ear {
	r.t.Helper()
	e := &ear{r: r}
	updates, done := make(chan netlink.AddrUpdate), make(chan struct{})
	r.do(netlink.AddrSubscribe(updates, done))
	r.t.Cleanup(func() { close(done) })
	go func() {
		for u := range updates {
			a, _ := netip.AddrFromSlice(u.LinkAddress.IP)
			a = a.Unmap()
			bad := u.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DEPRECATED) != 0 || a.Is6() && uint32(u.PreferedLft) == 0
			e.mu.Lock()
			e.list = append(e.list, announcement{a, !u.NewAddr, u.NewAddr && !bad, u.LinkIndex})
			e.mu.Unlock()
		}
	}()
	return e
}

func (e *ear) heard() []announcement {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.list)
}

// usable returns every announcement of an address of the prefix as usable.
func (e *ear) usable(prefix string) (list []announcement) {
	for _, a := range e.heard() {
		if a.usable && netip.MustParsePrefix(prefix).Contains(a.addr) {
			list = append(list, a)
		}
	}
	return list
}

// accepted waits for the first of them.
func (e *ear) accepted(prefix string) {
	e.r.t.Helper()
	e.r.until("an address of "+prefix, func(updater.Status) bool { return len(e.usable(prefix)) > 0 })
}

// tools ends the test without Debian's programs, which `make deps` installs.
func tools(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range append(names, "ip", "nsenter") {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		why := name + " is not installed; run: make deps"
		if os.Getenv("WANDNS_CI") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
}

// device returns the index of the device that got the address last.
func (e *ear) device(addr string) (index int) {
	for _, a := range e.heard() {
		if a.addr.String() == addr && !a.gone {
			index = a.device
		}
	}
	return index
}
