package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"wandns/updater"
	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// The jail of OpenWrt sees the file that /etc/resolv.conf leads to when the
// daemon starts, for ever, and the folder of the provider's servers as it is.
// What is replaced meanwhile lies in a directory that plays the router's /tmp.

// inJail runs a program as ujail does: root, the router's /tmp, what else it
// may see, and the program.
const inJail = `set -e
root=$1 tmp=$2 dir=$3 bin=$4
shift 4
mkdir -p "$root"
mount --rbind / "$root"
mount -t tmpfs tmpfs "$root/etc"
mount -t tmpfs tmpfs "$root/tmp"
for kept in "$dir" "$bin"; do
	mkdir -p "$root$kept"
	mount --bind "$kept" "$root$kept"
done
if resolv=$(readlink -e "$tmp/resolv.conf"); then
	: >"$root/etc/resolv.conf"
	mount --bind "$resolv" "$root/etc/resolv.conf"
fi
mkdir "$root/tmp/resolv.conf.d"
mount --bind "$tmp/resolv.conf.d" "$root/tmp/resolv.conf.d"
exec chroot "$root" "$@"`

// jail makes the daemon run in one.
func (r *router) jail() {
	r.t.Helper()
	program, err := os.Executable()
	r.do(err, os.MkdirAll(r.path("tmp/resolv.conf.d"), 0o755))
	r.under = []string{"unshare", "-m", "sh", "-c", inJail, "jail", r.path("root"), r.path("tmp"), r.dir, filepath.Dir(program)}
}

// resolv replaces a file of the router's /tmp as netifd does.
func (r *router) resolv(name, text string) {
	r.t.Helper()
	temp := r.path("tmp/resolv.conf.tmp")
	r.do(os.WriteFile(temp, []byte(text), 0o644), os.Rename(temp, r.path("tmp/"+name)))
}

const auto = "resolv.conf.d/resolv.conf.auto"

// questioned is what a resolver knows, and what it was asked.
type questioned struct {
	held

	mu    sync.Mutex
	names []string
}

func (q *questioned) Lookup(host string) (updatertest.Record, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.names = append(q.names, host)
	return q.held.Lookup(host)
}

// asked takes the names that were asked since.
func (q *questioned) asked() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	names := q.names
	q.names = nil
	return names
}

// resolver starts one that knows where the provider is, until stop is called.
func (r *router) resolver(at string) (q *questioned, stop func()) {
	r.t.Helper()
	q = &questioned{held: held{"dynupdate.example.com": {V4: netip.MustParseAddr("127.0.0.1")}}}
	address := net.JoinHostPort(at, "53")
	packets, err := net.ListenPacket("udp", address)
	r.do(err)
	connections, err := net.Listen("tcp", address)
	r.do(err)
	zone := updatertest.Domain{Zone: q, Apex: "example.com", Servers: map[string][]netip.Addr{"ns.example.com": {netip.MustParseAddr("127.0.0.71")}}}
	end := updatertest.ServeDNS(zone, packets, connections, updatertest.Lame)
	stop = sync.OnceFunc(func() { _ = end() })
	r.t.Cleanup(stop)
	return q, stop
}

// asks checks who was asked where the provider is and what is published of
// name, if that is looked up, and that nobody else was asked anything.
func (r *router) asks(by *questioned, name string, others ...*questioned) {
	r.t.Helper()
	names := by.asked()
	if !slices.Contains(names, "dynupdate.example.com") || name != "" && !slices.Contains(names, name) {
		r.t.Errorf("asked for %q, not for the provider and %q", names, name)
	}
	for _, other := range others {
		if names := other.asked(); len(names) > 0 {
			r.t.Errorf("a server that is gone was asked for %q", names)
		}
	}
}

// jailed is a router in whose jail nobody is known to answer. The provider has
// a name that only resolvers know.
func jailed(t *testing.T) *router {
	t.Helper()
	r := newRouter(t)
	tools(t, "unshare", "mount", "chroot")
	r.jail()
	r.named("home.example.com")
	r.dns("127.0.0.71", updatertest.Domain{Zone: r.sim, Apex: "example.com", Servers: map[string][]netip.Addr{"ns.example.com": {netip.MustParseAddr("127.0.0.71")}}})
	for _, a := range []string{"198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32"} {
		r.do(wantest.AddAddr("lo", a))
	}
	return r
}

func (r *router) named(hosts ...string) {
	r.t.Helper()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(r.url, "http://"))
	r.configure(hosts, `server = "http://dynupdate.example.com:`+port+`"`)
}

func TestE2EJailSeesOtherDNSServers(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := jailed(t)
	before, _ := r.resolver("198.51.100.1")
	first, _ := r.resolver("198.51.100.2")
	second, _ := r.resolver("198.51.100.3")
	sent := func(n int) {
		t.Helper()
		r.until(fmt.Sprintf("%d requests", n), func(st updater.Status) bool { return len(r.sim.Ledger()) >= n && st.Services[0].State == updater.OK })
		r.only(n)
	}
	for i, tt := range []struct {
		name  string
		begin func()
	}{
		{"no file", func() {}},
		{"an empty file", func() { r.resolv(auto, "") }},
		{"a server of before", func() { r.resolv(auto, "nameserver 198.51.100.1\n") }},
	} {
		r.named("home.example.com")
		r.do(os.MkdirAll(r.path("tmp/resolv.conf.d"), 0o755), os.Symlink(auto, r.path("tmp/resolv.conf")))
		tt.begin()
		r.on()
		r.state(updater.NoAddress)

		// The line comes up.
		r.resolv(auto, "# Interface wan\nnameserver 198.51.100.2\nsearch lan\n")
		r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
		sent(3*i + 1)
		r.asks(first, "home.example.com", before, second)

		// It comes up again with another server.
		r.resolv(auto, "# Interface wan\nnameserver 198.51.100.3\nsearch lan\n")
		r.do(wantest.DelAddr("wan0", "84.0.0.2/32"), wantest.AddAddr("wan0", "84.0.0.3/32"), wantest.AddDefault("wan0", "", 0))
		sent(3*i + 2)
		r.asks(second, "", before, first)

		// A name of which nothing is known yet.
		nas := fmt.Sprintf("nas%d.example.com", i)
		r.sim.Add(nas)
		r.named("home.example.com", nas)
		r.do(r.daemon.Process.Signal(syscall.SIGHUP))
		sent(3*i + 3)
		r.asks(second, nas, before, first)
		r.do(wantest.DelAddr("wan0", "84.0.0.3/32"))
		r.term()
		r.do(os.RemoveAll(r.path("state")), os.RemoveAll(r.path("run")), os.RemoveAll(r.path("tmp")))
		if out := r.out.String(); strings.Contains(out, "found in the DNS") || !strings.Contains(out, "other DNS servers") {
			t.Errorf("%s: the log\n%s", tt.name, out)
		}
		r.out.Reset()
	}
}

// The servers come after the address, and with nothing else that changes.
func TestE2EJailWithoutDNSServersAtFirst(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := jailed(t)
	first, _ := r.resolver("198.51.100.2")
	r.do(os.Symlink(auto, r.path("tmp/resolv.conf")), wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.on()
	r.until("it cannot be found", func(st updater.Status) bool {
		return st.Services[0].State == updater.Waiting && strings.Contains(st.Services[0].Reason, "dynupdate.example.com was not found in the DNS (resolver ")
	})
	r.resolv(auto, "nameserver 198.51.100.2\n")
	r.state(updater.OK)
	r.only(1)
	r.asks(first, "")
	r.term()
	if out := r.out.String(); !strings.Contains(out, "other DNS servers") {
		t.Errorf("the log\n%s", out)
	}
}

// dnsmasq serves the router and writes /tmp/resolv.conf itself, by rm and
// create; when it is stopped, the servers of the provider are left.
func TestE2EJailWithDNSMasq(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := jailed(t)
	first, _ := r.resolver("198.51.100.2")
	dnsmasq, stop := r.resolver("127.0.0.1")
	const own = "search lan\nnameserver 127.0.0.1\nnameserver ::1\n"
	r.resolv("resolv.conf", own)
	r.resolv(auto, "")
	r.on()
	r.do(os.Remove(r.path("tmp/resolv.conf")))
	r.resolv("resolv.conf", own)
	r.resolv(auto, "nameserver 198.51.100.2\n")
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.requests(1)
	r.asks(dnsmasq, "home.example.com")
	first.asked() // as it may be if dnsmasq is slow
	stop()
	r.do(wantest.DelAddr("wan0", "84.0.0.2/32"), wantest.AddAddr("wan0", "84.0.0.3/32"), wantest.AddDefault("wan0", "", 0))
	r.requests(2)
	r.asks(first, "", dnsmasq)
	r.term()
	if out := r.out.String(); strings.Contains(out, "found in the DNS") {
		t.Errorf("the log\n%s", out)
	}
}
