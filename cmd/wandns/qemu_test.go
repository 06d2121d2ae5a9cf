//go:build qemu

package main

import (
	"strings"
	"syscall"
	"testing"

	"wandns/updater"
	"wandns/wan/wantest"
)

// The tests of this file need more of a kernel than test machines have. They
// run in a guest; see packaging/qemu_test.go.

func TestQEMUPPPoE(t *testing.T) {
	tools(t, "pppd", "pppoe-server")
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	u := newUplink(r)
	// Each session gets the next address.
	u.start("pppoe-server", "-F", "-I", "isp0", "-L", "84.9.9.9", "-R", "84.0.0.2", "-N", "9", "-O", r.write("server.options", "noauth\n"))
	e := newEar(r)
	r.on()
	dial := func() *program {
		return r.start("pppd", "plugin", "rp-pppoe.so", "nic-wan0", "ifname", "pppoe-wan", "user", "customer", "noauth", "nodetach", "defaultroute", "noipv6")
	}
	announced := func(addr string) (list []string) {
		for _, a := range e.heard() {
			if a.addr.String() == addr {
				list = append(list, map[bool]string{false: "NEW", true: "DEL"}[a.gone])
			}
		}
		return list
	}

	client := dial()
	if l := r.requests(1); l[0].Value != "84.0.0.2" {
		t.Fatalf("for the first session: %v", l[0])
	}
	before := e.device("84.0.0.2")
	t.Logf("the kernel announced %s", announced("84.0.0.2"))

	client.end(syscall.SIGTERM)
	r.state(updater.NoAddress)
	client = dial()
	if l := r.requests(2); l[1].Value != "84.0.0.3" {
		t.Fatalf("for the second session: %v", l[1])
	}
	t.Logf("the kernel announced %s", announced("84.0.0.3"))
	if after := e.device("84.0.0.3"); after == before {
		t.Errorf("the device was not made again: index %d", after)
	}
	if got := strings.Join(announced("84.0.0.3"), " "); got != "NEW DEL NEW" {
		t.Errorf("the kernel announced %s: the test tests less than it says", got)
	}
	r.until("nothing open", quiet)
	r.only(2)
	client.end(syscall.SIGTERM)
	r.state(updater.NoAddress)
	r.only(2)
}

func TestQEMUWireguardIsNoWAN(t *testing.T) {
	tools(t, "wg")
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.on()
	key := r.write("wg.key", "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n")
	r.run("ip", "link", "add", "wg0", "type", "wireguard")
	r.run("wg", "set", "wg0", "private-key", key, "peer", "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", "allowed-ips", "84.8.0.0/24,2a00:8::/64")
	r.do(wantest.Up("wg0"), wantest.AddAddr("wg0", "84.8.0.2/24"), wantest.AddAddr("wg0", "2a00:8::2/64", "nodad"))
	r.do(wantest.AddDefault("wan0", "::", 1024)) // a WAN without an address: another device's would serve
	r.until("the default route", func(st updater.Status) bool { return len(st.WAN) == 1 })
	r.state(updater.NoAddress)

	r.do(wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 0))
	if l := r.requests(1); l[0].Value != "84.0.0.2" {
		t.Fatalf("first request: %v", l[0])
	}
	r.do(wantest.DelAddr("wan0", "84.0.0.2/24"))
	r.state(updater.NoAddress)
	r.only(1)
}

func TestQEMUVLANIsAWAN(t *testing.T) {
	tools(t)
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.Veth("eth0", "switch0"))
	for n, addr := range []string{"84.0.0.2", "84.0.0.3"} {
		r.run("ip", "link", "add", "link", "eth0", "name", "eth0.7", "type", "vlan", "id", "7")
		r.do(wantest.Up("eth0.7"), wantest.AddAddr("eth0.7", addr+"/24"), wantest.AddDefault("eth0.7", "84.0.0.1", 0))
		if n == 0 {
			r.on()
		}
		if l := r.requests(n + 1); l[n].Value != addr {
			t.Fatalf("on the VLAN: %v", l[n])
		}
		if st := r.status(); len(st.WAN) != 1 || st.WAN[0].Device != "eth0.7" {
			t.Errorf("wan = %+v", st.WAN)
		}
		r.do(wantest.DelLink("eth0.7"))
		r.state(updater.NoAddress)
	}
	r.only(2)
}
