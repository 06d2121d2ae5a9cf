package main

import (
	"strings"
	"testing"
	"time"

	"wandns/updater"
	"wandns/wan/wantest"
)

// A line with SLAAC and DHCPv6, of which the second takes longer when the line
// comes up. netifd makes a default route for each, bound to its source.
func TestE2EAConfirmedAddressIsWaitedForUntilDHCPv6HasIt(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	const slaac, dhcp, foreign = "2a00:1:2:3::5/64", "2a00:1:2:3::42/128", "2a00:1:9::5/64"
	r := newRouter(t)
	r.do(wantest.Sysctl("net/ipv6/conf/wan0/accept_ra", "0"))
	add := func(addr, source, preferred string) {
		t.Helper()
		r.do(wantest.AddAddr("wan0", addr, "nodad", "preferred_lft", preferred, "valid_lft", "7200"),
			wantest.AddDefault("wan0", "::", 512, "from", source))
	}
	del := func(addr, source string) {
		t.Helper()
		r.do(wantest.DelAddr("wan0", addr), wantest.DelDefault("wan0", "::", 512, "from", source))
	}
	wanted := func(addr string) {
		t.Helper()
		r.until(addr+" is published", func(st updater.Status) bool {
			s := st.Services[0]
			return s.State == updater.OK && len(s.Records) == 1 && s.Records[0].Wanted == addr && s.Records[0].Published == addr
		})
	}
	add(slaac, "2a00:1:2:3::/64", "1800")
	add(dhcp, dhcp, "3600")
	r.on()
	if l := r.requests(1); l[0].Value != "2a00:1:2:3::42" {
		t.Fatalf("first %v", l[0])
	}
	wanted("2a00:1:2:3::42")

	// back has the address return two seconds after the line, and reports whether
	// the machine was quick enough to show anything.
	const enough = 2800 * time.Millisecond
	back := func(name string, up func()) bool {
		t.Helper()
		before, began := len(r.sim.Ledger()), time.Now()
		up()
		r.until("the address is waited for, or given up", func(st updater.Status) bool {
			s := st.Services[0]
			return strings.Contains(s.Reason, "2a00:1:2:3::42 may still be coming") || s.State == updater.OK
		})
		time.Sleep(time.Until(began.Add(2 * time.Second)))
		add(dhcp, dhcp, "3600")
		sent, quick := r.sim.Ledger()[before:], time.Since(began) < enough
		wanted("2a00:1:2:3::42")
		if quick = quick && time.Since(began) < enough || len(sent) > 0 && quick; quick && len(r.sim.Ledger()) > before {
			t.Errorf("%s: %v", name, r.sim.Ledger()[before:])
		}
		return quick
	}
	for name, up := range map[string]func(){
		"restart": func() {
			r.term()
			del(dhcp, dhcp)
			r.on()
		},
		"link": func() {
			r.do(wantest.Down("wan0"))
			r.until("no line", func(st updater.Status) bool { return len(st.WAN) == 0 })
			r.do(wantest.Up("wan0"))
			add(slaac, "2a00:1:2:3::/64", "1800")
		},
	} {
		for try := 1; !back(name, up); try++ {
			if try == 20 {
				t.Fatalf("%s: the machine is too busy to show anything", name)
			}
		}
	}

	// The confirmed address wins over one of another prefix whose route comes first.
	before := len(r.sim.Ledger())
	del(dhcp, dhcp)
	del(slaac, "2a00:1:2:3::/64")
	r.until("no line", func(st updater.Status) bool { return len(st.WAN) == 0 })
	r.term()
	add(foreign, "2a00:1:9::/64", "7200")
	add(dhcp, dhcp, "3600")
	r.on()
	wanted("2a00:1:2:3::42")
	if now := r.sim.Ledger(); len(now) != before {
		t.Errorf("another route first: %v", now[before:])
	}

	// Nothing speaks for its return: the other one is published at once.
	r.term()
	del(dhcp, dhcp)
	r.out.Reset()
	r.on()
	wanted("2a00:1:9::5")
	r.term()
	if strings.Contains(r.out.String(), "may still be coming") {
		t.Errorf("it was waited for in vain:\n%s", r.out.String())
	}
	r.only(before + 1)
}
