package wan

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"wandns/wan/wantest"
)

// machine runs the filter of a machine with that byte order.
func machine(t testing.TB, host binary.ByteOrder) *bpf.VM {
	t.Helper()
	var raw []bpf.RawInstruction
	for _, f := range program(host) {
		raw = append(raw, bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K})
	}
	list, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatalf("not all of it is BPF: %v", list)
	}
	vm, err := bpf.NewVM(list)
	must(t, err)
	return vm
}

// passes tells whether a datagram reaches the subscriber.
func passes(t testing.TB, vm *bpf.VM, datagram []byte) bool {
	t.Helper()
	n, err := vm.Run(datagram)
	must(t, err)
	return n != 0 // on 32 bits a return of all ones is -1
}

// announced is a message with its header.
func announced(host binary.ByteOrder, kind uint16, data []byte) []byte {
	b := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(data)+3)
	host.PutUint32(b, uint32(len(b)+len(data)))
	host.PutUint16(b[4:], kind)
	b = append(b, data...)
	return append(b, make([]byte, -len(b)&3)...)
}

func TestFilter(t *testing.T) {
	const v4, v6 = unix.AF_INET, unix.AF_INET6
	learned := routeMsg(v4, 24, 0, 0, attr(unix.RTA_DST, ip("84.0.0.0")))
	port := set(linkMsg(7, unix.IFF_UP), 0, unix.AF_BRIDGE)
	for _, c := range []struct {
		name string
		kind uint16
		data []byte
		want bool
	}{
		{"a learned route", unix.RTM_NEWROUTE, learned, false},
		{"its end", unix.RTM_DELROUTE, learned, false},
		{"a learned IPv6 route", unix.RTM_NEWROUTE, routeMsg(v6, 48, 0, 0, attr(unix.RTA_DST, ip("2a00::"))), false},
		{"one with many ways", unix.RTM_NEWROUTE, routeMsg(v4, 24, 0, 0, attr(unix.RTA_MULTIPATH, make([]byte, 8000))), false},
		{"the default route", unix.RTM_NEWROUTE, routeMsg(v4, 0, 0, 0), true},
		{"its end", unix.RTM_DELROUTE, routeMsg(v6, 0, 0, 0), true},
		{"a delegated prefix", unix.RTM_NEWROUTE, set(routeMsg(v6, 56, 0, 0), 7, unix.RTN_UNREACHABLE), true},
		{"an address", unix.RTM_NEWADDR, addrMsg(v4, 24, 0, 0, 3), true},
		{"its end", unix.RTM_DELADDR, addrMsg(v6, 64, 0, 0, 3), true},
		{"a device", unix.RTM_NEWLINK, linkMsg(7, unix.IFF_UP), true},
		{"its end", unix.RTM_DELLINK, linkMsg(7, 0), true},
		{"a bridge's port", unix.RTM_NEWLINK, port, false},
		{"a neighbour", unix.RTM_NEWNEIGH, nil, true},
		{"too long to tell", unix.RTM_NEWROUTE, append(learned, make([]byte, 1<<16)...), true},
	} {
		for _, host := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			vm, one := machine(t, host), announced(host, c.kind, c.data)
			if passes(t, vm, one) != c.want {
				t.Errorf("%s, %s: passes %v", c.name, host, !c.want)
			}
			if !passes(t, vm, append(one, announced(host, unix.RTM_NEWADDR, nil)...)) {
				t.Errorf("%s, %s: what follows in its datagram is lost", c.name, host)
			}
		}
	}
}

// The filter never drops what matters.
func checkFilter(t testing.TB, vm *bpf.VM, datagram []byte) {
	t.Helper()
	if passes(t, vm, datagram) {
		return
	}
	for h, body := range messages(datagram) {
		if matters(h.kind, body) {
			t.Errorf("dropped: %x", datagram)
		}
	}
}

func TestFilterDropsNothingThatMatters(t *testing.T) {
	vm := machine(t, binary.NativeEndian)
	kinds := []uint16{unix.RTM_NEWROUTE, unix.RTM_DELROUTE, unix.RTM_NEWLINK, unix.RTM_DELLINK, unix.RTM_NEWADDR, unix.RTM_DELADDR}
	random := rand.New(rand.NewPCG(1, 2))
	for _, b := range slices.Concat(captured(t), scenes(t)) {
		for range 200 {
			checkFilter(t, vm, announced(binary.NativeEndian, b.kind, b.data))
			b.data = bytes.Clone(b.data)
			b.data[random.IntN(min(len(b.data), 40))] = byte(random.IntN(256))
			b.kind = kinds[random.IntN(len(kinds))]
		}
	}
}

func FuzzFilter(f *testing.F) {
	vm := machine(f, binary.NativeEndian)
	f.Add(announced(binary.NativeEndian, unix.RTM_NEWROUTE, routeMsg(unix.AF_INET, 24, 0, 0)))
	f.Add(append(announced(binary.NativeEndian, unix.RTM_NEWROUTE, routeMsg(unix.AF_INET, 24, 0, 0)),
		announced(binary.NativeEndian, unix.RTM_NEWROUTE, routeMsg(unix.AF_INET, 0, 0, 0))...))
	for _, b := range slices.Concat(captured(f), scenes(f)) {
		f.Add(announced(binary.NativeEndian, b.kind, b.data))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkFilter(t, vm, b) })
}

// A routing daemon and a bridge wake nobody.
func TestKernelFilter(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Sysctl("net/ipv6/conf/all/disable_ipv6", "1"), wantest.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
	must(t, wantest.Veth("lan0", "host0"))
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br-lan"
	must(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
	port, err := netlink.LinkByName("lan0")
	must(t, err)
	bridge, err := netlink.LinkByName("br-lan")
	must(t, err)
	must(t, netlink.LinkSetMaster(port, bridge), wantest.Up("br-lan"))

	s, err := subscribe()
	must(t, err)
	defer s.close()
	b, err := wantest.NewBulk()
	must(t, err)
	for i := range 1000 {
		b.Route(true, "lan0", wantest.Nth(netip.MustParsePrefix("1.0.0.0/24"), i))
	}
	b.Flush()
	must(t, netlink.LinkSetLearning(port, false), wantest.AddDefault("lan0", "", 7))
	for i := range 1000 {
		b.Route(false, "lan0", wantest.Nth(netip.MustParsePrefix("1.0.0.0/24"), i))
	}
	must(t, b.Close(), wantest.DelDefault("lan0", "", 7))

	var got []uint16
	for len(got) < 2 {
		must(t, s.socket.SetReadDeadline(time.Now().Add(patience)))
		n, err := s.socket.Read(s.buf)
		must(t, err)
		for h, body := range messages(s.buf[:n]) {
			if h.kind == unix.RTM_NEWROUTE || h.kind == unix.RTM_DELROUTE { // the bridge's carrier comes when it likes
				got = append(got, h.kind)
			}
			if !matters(h.kind, body) {
				t.Errorf("%x came", s.buf[:n])
			}
		}
	}
	if !slices.Equal(got, []uint16{unix.RTM_NEWROUTE, unix.RTM_DELROUTE}) {
		t.Errorf("announcements of types %d", got)
	}
}
