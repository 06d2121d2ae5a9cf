package updater

import (
	"net/netip"
	"testing"
	"time"

	"wandns/wan"
)

// twoLines is a router with two WANs, of which some hold their default route;
// wan0 is the preferred one.
func twoLines(first, second bool) wan.State {
	var s wan.State
	for i, name := range []string{"wan0", "wan1"} {
		s.Devices = append(s.Devices, wan.Device{Name: name, Up: true, Carrier: true, Index: i + 2})
		s.Addrs = append(s.Addrs, wan.Addr{Device: name, Prefix: netip.MustParsePrefix([]string{"84.0.0.2/24", "84.1.0.2/24"}[i]), Preferred: wan.Forever, Valid: wan.Forever})
		if []bool{first, second}[i] {
			s.Routes = append(s.Routes, wan.Route{Device: name, Metric: uint32(10 * (i + 1))})
		}
	}
	s.Networks = []wan.Network{{Name: "wan", Device: "wan0", Up: true}, {Name: "wanb", Device: "wan1", Up: true}}
	return s
}

func TestFailoverIsAtOnceAndFailbackIsDamped(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{twoLines(true, true)})
	s.step(good(s.sends("home.example.com 84.0.0.2")))

	s.after(time.Hour, Seen{twoLines(false, true)})
	s.after(time.Second, good(s.sends("home.example.com 84.1.0.2")))

	s.after(0, Seen{twoLines(true, true)})
	s.silent()
	if wait := s.plan.Wake.Sub(s.now); wait != time.Second {
		t.Errorf("the way back waits %s, want what is left of 2 s", wait)
	}
	s.after(0, Seen{twoLines(false, true)}) // and it was nothing
	if !s.plan.Wake.IsZero() {
		t.Errorf("wakes at %s for what is published", s.plan.Wake)
	}
	s.after(time.Hour, Seen{twoLines(true, true)})
	s.sends("home.example.com 84.0.0.2")
}

func TestFlappingBetweenTwoWANsIsBounded(t *testing.T) {
	pinned := home("pinned.example.com")
	pinned.Name, pinned.Account, pinned.Policy.Device = "pinned", "other", "wan1"
	network := home("network.example.com")
	network.Name, network.Account, network.Policy.Interface = "network", "third", "wanb"
	s := begin(t, home(), pinned, network)
	sent := map[string]int{}
	answer := func() {
		for len(s.plan.Jobs) > 0 {
			for _, j := range s.plan.Jobs {
				sent[j.Service]++
				s.step(good(j))
			}
		}
	}
	for i := range 6 * 60 * 60 / 5 { // six hours, each five seconds
		s.after(5*time.Second, Seen{twoLines(i%2 == 0, true)})
		answer()
		if !s.plan.Wake.IsZero() && s.plan.Wake.Sub(s.now) < 5*time.Second {
			s.after(s.plan.Wake.Sub(s.now), Tick{})
			answer()
		}
	}
	if sent["home"] > 40 {
		t.Errorf("%d requests in six hours", sent["home"])
	}
	if sent["pinned"] != 1 || sent["network"] != 1 {
		t.Errorf("the pinned services sent %d and %d requests, want one each", sent["pinned"], sent["network"])
	}
	s.after(time.Hour, Seen{twoLines(true, true)})
	answer()
	if got := s.status(0).Records[0].Published; got != "84.0.0.2" {
		t.Errorf("in the end %s is published", got)
	}
}

func TestPinnedServiceWithoutItsWANStays(t *testing.T) {
	pinned := home()
	pinned.Policy.Interface = "wan"
	s := begin(t, pinned)
	s.step(Seen{twoLines(true, true)})
	j := s.sends("home.example.com 84.0.0.2")
	if want := (Way{Device: "wan0", V4: netip.MustParseAddr("84.0.0.2")}); j.Request.Way != want {
		t.Errorf("way = %+v, want %+v", j.Request.Way, want)
	}
	s.step(good(j))
	down := twoLines(false, true)
	down.Networks[0] = wan.Network{Name: "wan"}
	s.after(time.Hour, Seen{down})
	s.silent()
	s.is(NoAddress, 0)
	s.after(time.Minute, Seen{twoLines(true, true)})
	s.silent()
	s.is(OK, 0)

	moved := twoLines(false, true) // the network is another device's now
	moved.Networks[0].Device = "wan1"
	s.after(time.Hour, Seen{moved})
	if j := s.sends("home.example.com 84.1.0.2"); j.Request.Way.Device != "wan1" {
		t.Errorf("way = %+v", j.Request.Way)
	}
}
