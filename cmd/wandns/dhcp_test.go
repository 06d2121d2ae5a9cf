package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"wandns/updater"
	"wandns/wan/wantest"
)

func TestE2EDnsmasqLeases(t *testing.T) {
	tools(t, "dnsmasq", "busybox")
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	u := newUplink(r)
	u.run("ip", "addr", "add", "84.0.0.1/24", "dev", "isp0")
	mac := r.mac("wan0")
	hosts := r.write("dhcp-hosts", mac+",84.0.0.2\n")
	dnsmasq := u.start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file", "--log-facility=-", "--log-dhcp",
		"--port=0", "--interface=isp0", "--bind-interfaces", "--dhcp-range=84.0.0.2,84.0.0.9", "--dhcp-authoritative", "--no-ping",
		"--dhcp-hostsfile="+hosts, "--dhcp-leasefile="+r.path("leases"))
	dnsmasq.says("sockets bound exclusively to interface isp0", 1)
	r.on()

	client := r.start("busybox", "udhcpc", "-f", "-i", "wan0", "-s", r.script("udhcpc.sh"), "-t", "20", "-T", "1", "-A", "1")
	if l := r.requests(1); l[0].Value != "84.0.0.2" {
		t.Fatalf("for the first lease: %v", l[0])
	}

	// The same address for another while.
	info := r.written()
	for n := range 3 {
		client.signal(syscall.SIGUSR1)
		client.says("script: renew 84.0.0.2", n+1)
	}
	r.until("nothing is open", quiet)
	if now := r.written(); now != info {
		t.Errorf("files were written for a renewed lease: %s, then %s", info, now)
	}
	r.only(1)

	// The provider has another address for this customer.
	r.write("dhcp-hosts", mac+",84.0.0.7\n")
	dnsmasq.signal(syscall.SIGHUP)
	dnsmasq.says("read "+hosts, 2)
	client.signal(syscall.SIGUSR1)
	if l := r.requests(2); l[1].Value != "84.0.0.7" {
		t.Fatalf("for the second lease: %v", l[1])
	}

	client.signal(syscall.SIGUSR2)
	if st := r.state(updater.NoAddress); st.Records[0].Published != "84.0.0.7" {
		t.Errorf("after the release: %+v", st)
	}
	client.signal(syscall.SIGUSR1)
	client.says("script: bound", 3)
	r.until("the lease again", quiet)
	r.only(2)
}

// mac returns a device's link-layer address.
func (r *router) mac(device string) string {
	r.t.Helper()
	link, err := netlink.LinkByName(device)
	r.do(err)
	return link.Attrs().HardwareAddr.String()
}

func keaConf(pool string) string {
	return fmt.Sprintf(`{"Dhcp6": {
	"interfaces-config": {"interfaces": ["isp0"]},
	"server-id": {"type": "EN", "enterprise-id": 2495, "identifier": "87ABEF7A5BB545", "persist": false},
	"lease-database": {"type": "memfile", "persist": false},
	"renew-timer": 2, "rebind-timer": 300, "preferred-lifetime": 600, "valid-lifetime": 1200,
	"subnet6": [{
		"id": 1, "subnet": "2a00:1::/64", "interface": "isp0",
		"pools": [{"pool": "2a00:1::100-2a00:1::1ff"}],
		"pd-pools": [{"prefix": %q, "prefix-len": 48, "delegated-len": 56}]
	}],
	"loggers": [{"name": "kea-dhcp6", "severity": "INFO", "output_options": [{"output": "stdout"}]}]
}}`, pool)
}

func TestE2EKeaDelegatesAPrefix(t *testing.T) {
	tools(t, "kea-dhcp6", "dhclient")
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t, "home.example.com", "nas.example.com")
	r.lan()
	u := newUplink(r)
	u.run("ip", "addr", "add", "2a00:1::1/64", "dev", "isp0", "nodad")
	kea := u.start("kea-dhcp6", "-c", r.write("kea.json", keaConf("2a00:1:100::")))
	kea.says("DHCP6_STARTED", 1)
	r.on()

	// dhclient cannot send from a tentative address.
	r.run("ip", "-6", "addr", "flush", "dev", "wan0")
	r.do(wantest.Sysctl("net/ipv6/conf/wan0/addr_gen_mode", "1"), wantest.AddAddr("wan0", "fe80::2/64", "nodad"))
	client := r.start("dhclient", "-6", "-N", "-P", "-d", "-cf", "/dev/null", "-lf", r.path("dhclient.leases"), "-pf", r.path("dhclient.pid"),
		"-sf", r.script("dhclient.sh"), "wan0")
	r.published(2, "2a00:1::/64", "2a00:1:100::/64")
	st := r.until("the delegated prefix", func(st updater.Status) bool { return len(st.WAN) == 1 && len(st.WAN[0].Prefixes) == 1 })
	if p := st.WAN[0].Prefixes[0].String(); p != "2a00:1:100::/56" {
		t.Errorf("delegated: %s", p)
	}

	// The same for another while: dhclient asks every two seconds.
	info, n := r.written(), strings.Count(client.said(), "script: RENEW6 2a00:1:100::/56")
	client.says("script: RENEW6 2a00:1:100::/56", n+2)
	if now := r.written(); now != info {
		t.Errorf("files were written for a renewed prefix: %s, then %s", info, now)
	}
	r.only(2)

	r.write("kea.json", keaConf("2a00:1:200::"))
	kea.signal(syscall.SIGHUP)
	client.says("script: RENEW6 2a00:1:200::/56", 1)
	r.published(3, "2a00:1::/64", "2a00:1:200::/64")
	client.says("script: EXPIRE6 2a00:1:100::/56", 1)
	r.until("the new prefix alone", func(st updater.Status) bool {
		return len(st.WAN[0].Prefixes) == 1 && st.WAN[0].Prefixes[0].String() == "2a00:1:200::/56"
	})
	r.only(3)
}
