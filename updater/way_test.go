package updater_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"wandns/updater"
	"wandns/wan"
	"wandns/wan/wantest"
)

func do(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

const server4, server6 = "http://84.9.9.9:8080", "http://[2a00:9::9]:8080"

// twoWANs are lines to a server that tells who asked. wan0 is preferred.
func twoWANs(t *testing.T) {
	t.Helper()
	do(t, wantest.Sysctl("net/ipv6/conf/default/accept_dad", "0"), wantest.Veth("wan0", "isp0"), wantest.Veth("wan1", "isp1"))
	var l net.Listener
	do(t, wantest.Beyond(func() (err error) {
		// Linux takes a server for a neighbour of the device if no route leads there.
		do(t, wantest.Sysctl("net/ipv4/conf/all/arp_ignore", "1"), wantest.Up("lo"), wantest.AddAddr("lo", "84.9.9.9/32"), wantest.AddAddr("lo", "2a00:9::9/128"))
		for i := range 2 {
			isp := fmt.Sprintf("isp%d", i)
			do(t, wantest.Up(isp), wantest.AddAddr(isp, fmt.Sprintf("84.%d.0.1/24", i)), wantest.AddAddr(isp, fmt.Sprintf("2a00:%d::1/64", i), "nodad"))
		}
		l, err = net.Listen("tcp", ":8080")
		return err
	}, "isp0", "isp1"))
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := netip.MustParseAddrPort(r.RemoteAddr).Addr().Unmap()
		io.WriteString(w, who.String())
	}))
	t.Cleanup(func() { l.Close() })
	for i := range 2 {
		name := fmt.Sprintf("wan%d", i)
		do(t, wantest.AddAddr(name, fmt.Sprintf("84.%d.0.2/24", i)), wantest.AddAddr(name, fmt.Sprintf("2a00:%d::2/64", i), "nodad"))
	}
}

func defaults(t *testing.T, i, metric int, words ...string) {
	t.Helper()
	name := fmt.Sprintf("wan%d", i)
	do(t, wantest.AddDefault(name, fmt.Sprintf("84.%d.0.1", i), metric, words...), wantest.AddDefault(name, fmt.Sprintf("2a00:%d::1", i), metric+1, words...))
}

// asks returns whom the server saw, or why the request did not arrive.
func asks(t *testing.T, url string, w updater.Way, mwan3 string) string {
	t.Helper()
	if mwan3 == "" {
		mwan3 = filepath.Join(t.TempDir(), "none")
	}
	answer, fault := getBy(t, updater.ClientConfig{MWAN3: mwan3}, url, w)
	if fault != nil {
		return fault.Error()
	}
	return answer.Body
}

func TestWayOfTwoWANs(t *testing.T) {
	if !wantest.InNamespace(t) {
		return
	}
	twoWANs(t)
	defaults(t, 0, 10)
	defaults(t, 1, 20)
	do(t, wantest.AddAddr("wan1", "84.1.0.3/24"), wantest.AddAddr("wan1", "2a00:1::3/64", "nodad"))
	second := [2]netip.Addr{netip.MustParseAddr("84.1.0.3"), netip.MustParseAddr("2a00:1::3")}
	for _, c := range []struct {
		name, url, want string
		way             updater.Way
	}{
		{"no way", server4, "84.0.0.2", updater.Way{}},
		{"no way, IPv6", server6, "2a00::2", updater.Way{}},
		{"the preferred device", server4, "84.0.0.2", updater.Way{Device: "wan0"}},
		{"the other device", server4, "84.1.0.2", updater.Way{Device: "wan1"}},
		{"and its second address", server4, "84.1.0.3", updater.Way{Device: "wan1", V4: second[0], V6: second[1]}},
		{"and its second address, IPv6", server6, "2a00:1::3", updater.Way{Device: "wan1", V4: second[0], V6: second[1]}},
		{"a source of the other family only", server4, "84.1.0.2", updater.Way{Device: "wan1", V6: second[1]}},
		{"the server's family only", server6, "2a00::2", updater.Way{Only: updater.Over(wan.IPv6)}},
		{"the other family only", server4, "has no IPv6 address", updater.Way{Only: updater.Over(wan.IPv6)}},
		{"the other family only", server6, "has no IPv4 address", updater.Way{Only: updater.Over(wan.IPv4)}},
		{"a device that is gone", server4, "did not leave: it cannot leave by device wan2 (no such device)", updater.Way{Device: "wan2"}},
		{"an address that is gone", server4, "did not leave: it cannot leave from 84.1.0.9 (cannot assign", updater.Way{Device: "wan1", V4: netip.MustParseAddr("84.1.0.9")}},
	} {
		if got := asks(t, c.url, c.way, ""); got != c.want && (!strings.Contains(c.want, " ") || !strings.Contains(got, c.want)) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Policy routing by source: the main table knows the first WAN only.
func TestWayThroughPolicyRouting(t *testing.T) {
	if !wantest.InNamespace(t) {
		return
	}
	twoWANs(t)
	defaults(t, 0, 10)
	defaults(t, 1, 20, "table", "101")
	for _, source := range []string{"84.1.0.0/24", "2a00:1::/64"} {
		rule := netlink.NewRule()
		rule.Table, rule.Priority = 101, 10000
		var err error
		rule.Src, err = netlink.ParseIPNet(source)
		do(t, err)
		rule.Family = unix.AF_INET
		if strings.Contains(source, ":") {
			rule.Family = unix.AF_INET6
		}
		do(t, netlink.RuleAdd(rule))
	}
	way := updater.Way{Device: "wan1", V4: netip.MustParseAddr("84.1.0.2"), V6: netip.MustParseAddr("2a00:1::2")}
	for url, want := range map[string]string{server4: "84.1.0.2", server6: "2a00:1::2"} {
		if got := asks(t, url, way, ""); got != want {
			t.Errorf("%s was asked by %s, want %s", url, got, want)
		}
	}
	if got := asks(t, server6, updater.Way{Device: "wan1"}, ""); !strings.Contains(got, "could not be reached") {
		t.Errorf("without a source: %s; the rules of this test prove nothing", got)
	}
}

// Rules refuse what does not carry the mark, as mwan3's may.
func TestWayIsMarkedForMWAN3(t *testing.T) {
	if !wantest.InNamespace(t) {
		return
	}
	twoWANs(t)
	defaults(t, 0, 10)
	defaults(t, 1, 20)
	pinned := updater.Way{Device: "wan1"}
	for mask, mark := range map[string]uint32{"none": 0x3f00, "": 0x3f00, "0x3f00\n": 0x3f00, "0xff0000": 0xff0000, "garbage": 0x3f00, "0x0": 0x3f00} {
		dir := t.TempDir()
		if mask != "none" {
			do(t, os.WriteFile(filepath.Join(dir, "mmx_mask"), []byte(mask), 0o600))
		}
		rule := netlink.NewRule()
		every := ^uint32(0)
		rule.Mark, rule.Mask, rule.Invert, rule.Priority, rule.Type, rule.Family = mark, &every, true, 2000, unix.RTN_UNREACHABLE, unix.AF_INET6
		do(t, netlink.RuleAdd(rule))
		for _, c := range []struct {
			name, dir, want string
			way             updater.Way
		}{
			{"with mwan3", dir, "2a00:1::2", pinned},
			{"without mwan3", "", "unreachable", pinned},
			{"as the kernel routes", dir, "unreachable", updater.Way{}},
		} {
			if got := asks(t, server6, c.way, c.dir); got != c.want && (c.want != "unreachable" || !strings.Contains(got, "could not be reached")) {
				t.Errorf("mask %q, %s: %s, want %s", mask, c.name, got, c.want)
			}
		}
		do(t, netlink.RuleDel(rule))
	}
}

// As PPP does: it returns under the same name as another device.
func TestWayByADeviceThatReturned(t *testing.T) {
	if !wantest.InNamespace(t) {
		return
	}
	way := updater.Way{Device: "wan0"}
	for range 2 {
		twoWANs(t)
		defaults(t, 0, 10)
		if got := asks(t, server4, way, ""); got != "84.0.0.2" {
			t.Errorf("asked by %s", got)
		}
		do(t, wantest.DelLink("wan0"), wantest.DelLink("wan1"))
		if got := asks(t, server4, way, ""); !strings.Contains(got, "no such device") {
			t.Errorf("without the device: %s", got)
		}
	}
}
