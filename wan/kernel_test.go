package wan

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"wandns/wan/wantest"
)

// patience is how long a State may take on a busy machine.
const patience = time.Minute

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

type watch struct {
	t      testing.TB
	states <-chan State
	last   State
	cancel context.CancelFunc
}

func watching(t testing.TB) *watch {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return &watch{t: t, states: Watch(ctx, quiet(t), NewNetifd(), nil), cancel: cancel}
}

// quiet fails the test when the watcher complains.
func quiet(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(complaint{t}, nil)) }

type complaint struct{ testing.TB }

func (c complaint) Write(b []byte) (int, error) {
	c.Errorf("the watcher complains: %s", b)
	return len(b), nil
}

func (w *watch) next() State {
	w.t.Helper()
	select {
	case s, ok := <-w.states:
		if !ok {
			w.t.Fatal("the channel is closed")
		}
		w.last = s
		return s
	case <-time.After(patience):
		w.t.Fatalf("no State came; the last is %+v", w.last)
	}
	return State{}
}

// until returns the first State for which ok holds.
func (w *watch) until(what string, ok func(State) bool) State {
	w.t.Helper()
	late := time.After(patience)
	for {
		select {
		case s, open := <-w.states:
			if !open {
				w.t.Fatalf("the channel is closed before %s", what)
			}
			w.last = s
			if ok(s) {
				return s
			}
		case <-late:
			w.t.Fatalf("%s never came; the last State is %+v", what, w.last)
		}
	}
}

// chosen waits until Choose says ADDRESS DEVICE, or nothing for "".
func (w *watch) chosen(f Family, want string) State {
	w.t.Helper()
	return w.until("the choice "+strconv.Quote(want), func(s State) bool { return choice(s, f) == want })
}

func choice(s State, f Family) string {
	c := Choose(s, f, Policy{})
	if !c.Addr.IsValid() {
		return ""
	}
	return c.Addr.String() + " " + c.Device
}

func has(s State, device, addr string) bool {
	return slices.ContainsFunc(s.Addrs, func(a Addr) bool {
		return a.Device == device && a.Prefix.Addr() == netip.MustParseAddr(addr)
	})
}

func TestKernelAddressIsAddedChangedAndRemoved(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	w := watching(t)
	must(t, wantest.Veth("wan0", "isp0"))
	must(t, wantest.AddAddr("wan0", "84.0.0.2/24"))
	s := w.until("the address", func(s State) bool { return has(s, "wan0", "84.0.0.2") })
	if got := Choose(s, IPv4, Policy{}); got.Addr.IsValid() {
		t.Errorf("chose %s without a default route", got.Addr)
	}
	must(t, wantest.AddDefault("wan0", "84.0.0.1", 10))
	w.chosen(IPv4, "84.0.0.2 wan0")

	must(t, wantest.AddAddr("wan0", "85.0.0.2/24"), wantest.ReplaceDefault("wan0", "85.0.0.1", 10, "src", "85.0.0.2"))
	w.chosen(IPv4, "85.0.0.2 wan0")
	must(t, wantest.DelAddr("wan0", "84.0.0.2/24"))
	w.until("the end of the old address", func(s State) bool {
		return !has(s, "wan0", "84.0.0.2") && choice(s, IPv4) == "85.0.0.2 wan0"
	})
	must(t, wantest.DelAddr("wan0", "85.0.0.2/24"))
	w.chosen(IPv4, "")
}

func TestKernelLeaseThatRunsOutIsDeprecated(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	w := watching(t)
	must(t,
		wantest.Veth("wan0", "isp0"),
		wantest.AddAddr("wan0", "84.0.0.2/24", "preferred_lft", "60", "valid_lft", "120"),
		wantest.AddDefault("wan0", "84.0.0.1", 10))
	w.chosen(IPv4, "84.0.0.2 wan0")
	must(t, wantest.ReplaceAddr("wan0", "84.0.0.2/24", "preferred_lft", "0", "valid_lft", "120"))
	w.chosen(IPv4, "")
	must(t, wantest.ReplaceAddr("wan0", "84.0.0.2/24", "preferred_lft", "60", "valid_lft", "120"))
	w.chosen(IPv4, "84.0.0.2 wan0")
}

func TestKernelAddressMovesToAnotherDevice(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.Veth("wan1", "isp1"))
	must(t, wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 10))
	w := watching(t)
	w.chosen(IPv4, "84.0.0.2 wan0")
	must(t, wantest.DelAddr("wan0", "84.0.0.2/24"))
	w.chosen(IPv4, "")
	must(t, wantest.AddAddr("wan1", "84.0.0.2/24"), wantest.AddDefault("wan1", "84.0.0.1", 10))
	w.chosen(IPv4, "84.0.0.2 wan1")
}

func TestKernelDefaultRouteMovesToAnotherDevice(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.Veth("wan1", "isp1"))
	must(t, wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddAddr("wan1", "85.0.0.2/24"))
	must(t, wantest.AddDefault("wan1", "85.0.0.1", 20))
	w := watching(t)
	w.chosen(IPv4, "85.0.0.2 wan1")
	must(t, wantest.AddDefault("wan0", "84.0.0.1", 10))
	w.chosen(IPv4, "84.0.0.2 wan0")
	// The device stays, its route goes.
	must(t, wantest.DelDefault("wan0", "84.0.0.1", 10))
	w.chosen(IPv4, "85.0.0.2 wan1")
	must(t, wantest.AddDefault("wan0", "84.0.0.1", 10))
	w.chosen(IPv4, "84.0.0.2 wan0")
	// The device goes down; the kernel announces no IPv4 route's end then.
	must(t, wantest.Down("wan0"))
	w.chosen(IPv4, "85.0.0.2 wan1")
}

func TestKernelLostCarrierFailsOver(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.Veth("wan1", "isp1"))
	must(t, wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddAddr("wan1", "85.0.0.2/24"))
	must(t, wantest.AddDefault("wan0", "84.0.0.1", 10), wantest.AddDefault("wan1", "85.0.0.1", 20))
	w := watching(t)
	w.chosen(IPv4, "84.0.0.2 wan0")
	must(t, wantest.Down("isp0"))
	w.chosen(IPv4, "85.0.0.2 wan1")
	must(t, wantest.Up("isp0"))
	w.chosen(IPv4, "84.0.0.2 wan0")
}

func TestKernelTentativeAddressIsChosenAfterDetection(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"))
	must(t, wantest.AddDefault("wan0", "::", 1024))
	w := watching(t)
	must(t, wantest.AddAddr("wan0", "2a00:1::2/64"))
	s := w.until("the address", func(s State) bool { return has(s, "wan0", "2a00:1::2") })
	if got := Choose(s, IPv6, Policy{}); got.Addr.IsValid() || !strings.Contains(got.Reason, "tentative") {
		t.Errorf("chose %v before duplicate address detection: %s", got.Addr, got.Reason)
	}
	w.chosen(IPv6, "2a00:1::2 wan0")
}

func TestKernelDuplicateAddressIsRefused(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"))
	must(t, wantest.AddDefault("wan0", "::", 1024))
	must(t, wantest.AddAddr("isp0", "2a00:1::2/64", "nodad"))
	w := watching(t)
	must(t, wantest.AddAddr("wan0", "2a00:1::2/64"))
	s := w.until("the failed detection", func(s State) bool {
		return slices.ContainsFunc(s.Addrs, func(a Addr) bool { return a.Device == "wan0" && a.Flags&DADFailed != 0 })
	})
	if got := Choose(s, IPv6, Policy{}); got.Addr.IsValid() || !strings.Contains(got.Reason, "duplicate") {
		t.Errorf("chose %v: %s", got.Addr, got.Reason)
	}
}

func TestKernelDeprecatedPrefixIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.AcceptRA("wan0"))
	must(t, wantest.Sysctl("net/ipv6/conf/wan0/use_tempaddr", "2"))
	w := watching(t)
	must(t, wantest.Advertise("isp0", "2a00:1::/64", time.Hour, 2*time.Hour))
	s := w.until("a stable and a temporary address", func(s State) bool {
		usable := 0
		for _, a := range s.Addrs {
			if a.Device == "wan0" && !a.Prefix.Addr().IsLinkLocalUnicast() && a.Flags&Tentative == 0 {
				usable++
			}
		}
		return usable == 2 && choice(s, IPv6) != ""
	})
	stable := Choose(s, IPv6, Policy{})
	if !netip.MustParsePrefix("2a00:1::/64").Contains(stable.Addr) {
		t.Fatalf("chose %s", stable.Addr)
	}
	for _, a := range s.Addrs {
		if a.Prefix.Addr() == stable.Addr && a.Flags&Temporary != 0 {
			t.Errorf("chose the temporary address %s", stable.Addr)
		}
	}
	must(t, wantest.Advertise("isp0", "2a00:1::/64", 0, time.Hour))
	s = w.until("nothing to publish", func(s State) bool { return choice(s, IPv6) == "" })
	if c := Choose(s, IPv6, Policy{}); !strings.Contains(c.Reason, "deprecated") || !has(s, "wan0", stable.Addr.String()) {
		t.Errorf("refused for another reason: %s", c.Reason)
	}
	// The provider's new prefix.
	must(t, wantest.Advertise("isp0", "2a00:2::/64", time.Hour, 2*time.Hour))
	w.until("an address of the new prefix", func(s State) bool { return strings.HasPrefix(choice(s, IPv6), "2a00:2:") })
}

func TestKernelDelegatedPrefixComesAndGoes(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	w := watching(t)
	must(t, wantest.Delegate("fd00:1::/48"), wantest.Delegate("2a00:1:2::/56"))
	w.until("the delegated prefix", func(s State) bool {
		return len(s.Delegated) == 1 && s.Delegated[0] == netip.MustParsePrefix("2a00:1:2::/56")
	})
	must(t, wantest.Withdraw("2a00:1:2::/56"))
	w.until("its end", func(s State) bool { return len(s.Delegated) == 0 })
}

func TestKernelDeviceIsMadeAgainUnderItsName(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	w := watching(t)
	seen := map[int]bool{}
	for i, addr := range []string{"84.0.0.2", "84.0.0.3", "84.0.0.3"} {
		must(t, wantest.Veth("wan0", "isp0"))
		must(t, wantest.AddAddr("wan0", addr+"/24"), wantest.AddDefault("wan0", "84.0.0.1", 10))
		devices := w.chosen(IPv4, addr+" wan0").Devices
		at := slices.IndexFunc(devices, func(d Device) bool { return d.Name == "wan0" })
		if index := devices[at].Index; index == 0 || seen[index] {
			t.Errorf("the new device has the index %d of another", index)
		} else {
			seen[index] = true
		}
		if i < 2 {
			must(t, wantest.DelLink("wan0"))
			w.until("the end of the device", func(s State) bool { return choice(s, IPv4) == "" && !has(s, "wan0", addr) })
		}
	}
	// Faster than anyone looks.
	must(t, wantest.DelLink("wan0"), wantest.Veth("wan0", "isp0"))
	must(t, wantest.AddAddr("wan0", "84.0.0.4/24"), wantest.AddDefault("wan0", "84.0.0.1", 10))
	w.chosen(IPv4, "84.0.0.4 wan0")
}

func TestKernelRoutesOfARoutingDaemonAreNotSeen(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.Veth("wan1", "isp1"))
	must(t, wantest.Sysctl("net/ipv6/conf/all/disable_ipv6", "1")) // no address of its own appears
	must(t, wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 10))
	w := watching(t)
	before := w.chosen(IPv4, "84.0.0.2 wan0")
	for i := range 1000 {
		must(t, wantest.AddRoute("wan1", fmt.Sprintf("100.%d.%d.0/24", i/256, i%256), "proto", "186"))
	}
	// Its default route is not the router's own either.
	must(t, wantest.AddDefault("wan1", "", 1, "proto", "186"))
	must(t, wantest.AddAddr("wan0", "84.0.0.3/24"))

	// The next State is the one with the address: nothing came between.
	after := w.next()
	if !has(after, "wan0", "84.0.0.3") || !slices.Equal(after.Routes, before.Routes) || !slices.Equal(after.Devices, before.Devices) {
		t.Errorf("a State came for a routing daemon's routes:\n%+v\n%+v", before, after)
	}
	if got := choice(after, IPv4); got != "84.0.0.2 wan0" {
		t.Errorf("chose %q", got)
	}
}

func TestKernelOverrunOnlyCostsAReading(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"))
	must(t, wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 10))
	w := watching(t)
	w.chosen(IPv4, "84.0.0.2 wan0")
	shrink(t)
	for i := range 4000 {
		addr := fmt.Sprintf("85.0.%d.%d/32", i/250, 1+i%250)
		must(t, wantest.AddAddr("wan0", addr), wantest.DelAddr("wan0", addr))
	}
	must(t, wantest.ReplaceAddr("wan0", "84.0.0.3/24"), wantest.ReplaceDefault("wan0", "84.0.0.1", 10, "src", "84.0.0.3"))
	if n := drops(t); n == 0 {
		t.Error("no announcement was lost: the test tests nothing")
	} else {
		t.Logf("%d announcements were lost", n)
	}
	final := w.chosen(IPv4, "84.0.0.3 wan0")
	if now, err := Read(); err != nil || !now.Equal(final) {
		t.Errorf("the last State is %+v, the kernel says %+v, %v", final, now, err)
	}
	must(t, wantest.DelAddr("wan0", "84.0.0.2/24")) // and with it the secondary one
	w.chosen(IPv4, "")
}

// The kernel says that a device's last address is deleted, or that the device
// goes down, and drops its IPv4 routes only then, without a word. A reading in
// between, which Linux 6.18's lock-free dumps permit, must not be the last one.
func TestKernelRouteThatEndsAfterItsAnnouncementIsSeen(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.Veth("wan1", "isp1"))
	must(t, wantest.AddAddr("wan1", "85.0.0.2/24"), wantest.AddDefault("wan1", "85.0.0.1", 20))
	w := watching(t)
	for i := range 200 {
		must(t, wantest.Up("wan0"), wantest.ReplaceAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 10))
		w.chosen(IPv4, "84.0.0.2 wan0")
		// Only an idle watcher is quick enough; it rests after a reading.
		time.Sleep(3 * time.Millisecond)
		if i%2 == 0 {
			must(t, wantest.DelAddr("wan0", "84.0.0.2/24"))
		} else {
			must(t, wantest.Down("wan0"))
		}
		w.chosen(IPv4, "85.0.0.2 wan1")
	}
}

func TestKernelWatchLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.AddAddr("wan0", "84.0.0.2/24"))
	once := func() {
		w := watching(t)
		w.next()
		w.cancel()
		for late := time.After(patience); ; {
			select {
			case _, open := <-w.states:
				if open {
					continue
				}
				return
			case <-late:
				t.Fatal("the channel was not closed")
			}
		}
	}
	goroutines, before := occupied(t)
	once()
	for end := time.Now().Add(patience); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	_, files := occupied(t) // the runtime keeps what it opens for the first
	if files > before+4 {
		t.Errorf("%d files, before %d", files, before)
	}
	for range 20 {
		once()
	}
	settled(t, goroutines, files)
	// Cancelled before it began.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range Watch(ctx, quiet(t), NewNetifd(), nil) {
	}
	settled(t, goroutines, files)
}

// settled waits until there are no more goroutines and open files than these.
func settled(t *testing.T, goroutines, files int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		g, f := occupied(t)
		if g <= goroutines && f <= files {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d goroutines and %d files, before %d and %d", g, f, goroutines, files)
		}
	}
}

func occupied(t *testing.T) (goroutines, files int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return runtime.NumGoroutine(), len(fds)
}

// shrink makes the receive buffer of every subscription of this process as
// small as the kernel allows.
func shrink(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); !shrunk(t); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("there is no subscription")
		}
	}
}

func shrunk(t *testing.T) (found bool) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, e := range fds {
		fd, _ := strconv.Atoi(e.Name())
		sa, err := unix.Getsockname(fd)
		if n, ok := sa.(*unix.SockaddrNetlink); err != nil || !ok || n.Groups == 0 {
			continue
		}
		must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1))
		found = true
	}
	return found
}

// drops counts the lost messages of all netlink sockets in the namespace.
func drops(t *testing.T) (n int) {
	t.Helper()
	b, err := os.ReadFile("/proc/net/netlink")
	must(t, err)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 8 {
			d, _ := strconv.Atoi(f[8])
			n += d
		}
	}
	return n
}

// The messages of this kernel are understood. With WANDNS_CAPTURE=1 they also
// replace those in testdata.
func TestKernelMessages(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	// Random link-local addresses would differ from capture to capture.
	must(t, wantest.Sysctl("net/ipv6/conf/default/addr_gen_mode", "1"))
	must(t, wantest.Veth("wan0", "isp0"))
	link, err := netlink.LinkByName("wan0")
	must(t, err)
	index := link.Attrs().Index
	must(t,
		wantest.AddAddr("wan0", "84.0.0.2/24"),
		wantest.AddAddr("wan0", "84.0.0.3/24"),
		wantest.AddAddr("wan0", "84.0.0.4/32", "scope", "253"),
		wantest.AddAddr("wan0", "10.0.0.1", "peer", "10.0.0.2"),
		wantest.AddAddr("wan0", "2a00:1::2/64", "nodad"),
		wantest.AddAddr("wan0", "2a00:1::3/64", "nodad", "preferred_lft", "0", "valid_lft", "4000"),
		wantest.AddAddr("wan0", "2a00:1::4/64", "nodad", "preferred_lft", "1000", "valid_lft", "2000"),

		wantest.AddDefault("wan0", "84.0.0.1", 5, "src", "84.0.0.3"),
		wantest.AddDefault("wan0", "", 50),
		wantest.AddDefault("wan0", "fe80::1", 3, "from", "2a00:1::/48"),
		wantest.AddDefault("wan0", "fe80::2", 1024),
		multipath(index, 77, "84.0.0.1", "10.0.0.2"),
		multipath(index, 2000, "fe80::3", "fe80::4"),

		wantest.AddDefault("wan0", "84.0.0.1", 1, "table", "100"),
		wantest.AddDefault("lo", "::", 4000, "type", strconv.Itoa(unix.RTN_UNREACHABLE)),
		wantest.AddRoute("wan0", "85.0.0.0/8"),
		wantest.AddRoute("wan0", "2a00:5::/48"),
		wantest.AddAddr("wan0", "2a00:1::5/64"))

	socket, err := open(unix.AF_NETLINK, unix.NETLINK_ROUTE)
	must(t, err)
	defer socket.Close()
	r := reader{buf: make([]byte, chunk)}
	var list []body
	collect := func(ask int, kind uint16, data nl.NetlinkRequestData) {
		must(t, r.dump(socket, ask, kind, func(b []byte) bool {
			list = append(list, body{kind: kind, data: slices.Clone(b)})
			return true
		}, data))
	}
	collect(unix.RTM_GETLINK, unix.RTM_NEWLINK, nl.NewIfInfomsg(unix.AF_UNSPEC))
	collect(unix.RTM_GETADDR, unix.RTM_NEWADDR, nl.NewIfAddrmsg(unix.AF_UNSPEC))
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		collect(unix.RTM_GETROUTE, unix.RTM_NEWROUTE, &nl.RtMsg{RtMsg: unix.RtMsg{Family: family}})
	}
	checkScene(t, parseAll(t, list))
	s, err := Read()
	must(t, err)
	checkScene(t, s)
	if capturing() && !t.Failed() {
		store(t, capturePath, list)
	}
}

func multipath(index, metric int, gateways ...string) error {
	r := &netlink.Route{Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Priority: metric, Protocol: unix.RTPROT_BOOT}
	for _, g := range gateways {
		a := netip.MustParseAddr(g)
		if a.Is6() {
			r.Dst = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
		}
		r.MultiPath = append(r.MultiPath, &netlink.NexthopInfo{LinkIndex: index, Gw: a.AsSlice(), Flags: int(netlink.FLAG_ONLINK)})
	}
	return netlink.RouteAdd(r)
}

func TestKernelReadingTakesFewAllocations(t *testing.T) {
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"))
	must(t, wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 10))
	var r reader
	// As the program is built: with inlining it is a third.
	for all, budget := range map[bool]float64{true: 220, false: 140} {
		n := testing.AllocsPerRun(100, func() {
			_, err := r.read(all)
			must(t, err)
		})
		t.Logf("with all routes: %t; %v allocations", all, n)
		if n > budget {
			t.Errorf("with all routes: %t; %v allocations, want at most %v", all, n, budget)
		}
	}
}

func BenchmarkReadState(b *testing.B) {
	if !wantest.InNamespace(b) {
		return
	}
	must(b, wantest.Veth("wan0", "isp0"))
	must(b, wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 10))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEventToState measures from before an address is added until its
// State arrives at a watcher that was idle.
func BenchmarkEventToState(b *testing.B) {
	if !wantest.InNamespace(b) {
		return
	}
	must(b, wantest.Veth("wan0", "isp0"))
	must(b, wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 10))
	w := watching(b)
	w.chosen(IPv4, "84.0.0.2 wan0")
	var took []time.Duration
	for b.Loop() {
		time.Sleep(20 * time.Millisecond) // the watcher rests after a reading
		began := time.Now()
		must(b, wantest.AddAddr("wan0", "84.0.0.3/24"))
		w.until("the address", func(s State) bool { return has(s, "wan0", "84.0.0.3") })
		took = append(took, time.Since(began))
		must(b, wantest.DelAddr("wan0", "84.0.0.3/24"))
		w.until("its end", func(s State) bool { return !has(s, "wan0", "84.0.0.3") })
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op") // most of it is the pause
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/event-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs/event-p99")
}
