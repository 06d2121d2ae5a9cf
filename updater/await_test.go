package updater

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"wandns/wan"
)

const (
	confirmed6 = "2a00:1:2:3::42"
	slaac6     = "2a00:1:2:3::5"
	foreign6   = "2a00:1:2:4::5"
)

// dual is a script whose service has confirmed6 published.
func dual(t *testing.T, change func(*Service)) (*script, Service) {
	t.Helper()
	svc := home()
	if change != nil {
		change(&svc)
	}
	s := begin(t, svc)
	s.step(Seen{WANWith(slaac6, confirmed6)})
	j := s.job()
	if j.Request.V6.String() != confirmed6 {
		s.after(time.Second, good(j))
		s.after(time.Hour, Seen{WANWith(confirmed6)})
		j = s.job()
	}
	s.after(time.Second, good(j))
	s.after(time.Hour, Tick{})
	return s, svc
}

// wanBack is the line of WANWith after it was gone: another device.
func wanBack(addrs ...string) wan.State {
	s := WANWith(addrs...)
	s.Devices[0].Index++
	return s
}

func (s *script) begins(svc Service) {
	s.t.Helper()
	s.e = NewEngine(s.saved, s.now, 2)
	s.after(time.Minute, Configure{[]Service{svc}})
}

func TestAConfirmedAddressThatMayComeIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		name  string
		state func(addrs ...string) wan.State
		begin func(s *script, svc Service)
	}{
		{"after a reboot", WANWith, func(s *script, svc Service) { s.begins(svc) }},
		{"after the line was gone", wanBack, func(s *script, _ Service) {
			down := WANWith(slaac6)
			down.Devices[0].Carrier = false
			s.step(Seen{down})
			s.after(time.Hour, Seen{wan.State{}})
		}},
		{"after the default route was gone", WANWith, func(s *script, _ Service) {
			none := WANWith(slaac6)
			none.Routes = none.Routes[:1]
			s.step(Seen{none})
			s.now = s.now.Add(time.Hour)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, svc := dual(t, nil)
			c.begin(s, svc)
			s.silent()
			s.after(0, Seen{c.state(slaac6)})
			s.silent()
			s.is(Waiting, coming)
			if r := s.status(0).Reason; !strings.Contains(r, confirmed6) || !strings.Contains(r, slaac6) {
				t.Errorf("reason = %q", r)
			}
			if !s.plan.Wake.Equal(s.now.Add(coming)) {
				t.Errorf("wakes after %v", s.plan.Wake.Sub(s.now))
			}
			// The other family is not held up.
			s.after(time.Second, Seen{c.state(slaac6, "84.0.0.2")})
			s.after(100*time.Millisecond, good(s.sends("home.example.com 84.0.0.2")))
			s.silent()
			s.after(time.Second, Seen{c.state(slaac6, "84.0.0.2", confirmed6)})
			s.silent()
			s.is(OK, 0)
			for range 3 {
				s.after(time.Minute, Tick{})
				s.silent()
			}
		})
	}
}

func TestAConfirmedAddressIsNotWaitedForInVain(t *testing.T) {
	at := func(n int) string {
		if n > 0 {
			return slaac6
		}
		return foreign6
	}
	deprecated := func(addrs ...string) wan.State {
		s := WANWith(addrs...)
		s.Addrs[len(s.Addrs)-1].Preferred = 0
		return s
	}
	for _, c := range []struct {
		name  string
		state wan.State
		after time.Duration // since the start
		want  string
	}{
		{"another prefix", WANWith(foreign6), 0, at(0)},
		{"another prefix, later", WANWith(foreign6), time.Second, at(0)},
		{"the line is up for long", WANWith(slaac6), coming, at(1)},
		{"it is there and over", deprecated(slaac6, confirmed6), 0, at(1)},
		{"its prefix is over", deprecated(foreign6, slaac6), 0, at(0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, svc := dual(t, nil)
			s.begins(svc)
			if c.after > 0 {
				none := c.state
				none.Addrs = nil
				s.step(Seen{none})
			}
			s.after(c.after, Seen{c.state})
			s.sends("home.example.com " + c.want)
		})
	}

	s, _ := dual(t, nil)
	s.step(Seen{WANWith(slaac6)})
	s.sends("home.example.com " + slaac6) // it was deleted from a line that is up

	s = begin(t, home())
	s.step(Seen{WANWith(slaac6)})
	s.sends("home.example.com " + slaac6) // nothing is confirmed

	s, svc := dual(t, nil)
	s.begins(svc)
	s.step(Seen{WANWith(slaac6)})
	s.silent()
	s.after(coming-1, Tick{})
	s.silent()
	s.after(1, Tick{})
	s.sends("home.example.com " + slaac6) // it did not come
}

// While duplicate address detection runs, an address is coming too.
func TestAConfirmedAddressThatIsCheckedIsWaitedFor(t *testing.T) {
	s, svc := dual(t, nil)
	s.begins(svc)
	tentative := WANWith(foreign6, confirmed6)
	tentative.Addrs[1].Flags = wan.Tentative
	s.step(Seen{tentative})
	s.silent()
	s.is(Waiting, coming)
	s.after(time.Second, Seen{WANWith(foreign6, confirmed6)})
	s.silent()
	s.is(OK, 0)
}

func TestOnlyTheLineOfAServiceCounts(t *testing.T) {
	two := func(addrs ...string) wan.State {
		s := WANWith(addrs...)
		s.Devices = append(s.Devices, wan.Device{Name: "wan1", Up: true, Carrier: true})
		s.Routes = append(s.Routes, wan.Route{Family: wan.IPv6, Device: "wan1", Metric: 10})
		return s
	}
	s, _ := dual(t, func(svc *Service) { svc.Policy.Device = "wan0" })
	s.step(Seen{two(slaac6, confirmed6)})
	s.after(time.Hour, Tick{})
	s.silent()
	again := two(slaac6)
	again.Devices[1].Index++
	s.step(Seen{again})
	s.sends("home.example.com " + slaac6)
}

// What is waited for can be a host's address below a delegated prefix.
func TestAHostsPrefixIsWaitedFor(t *testing.T) {
	lan := func(addrs ...string) wan.State {
		s := WANWith("2a00:9::1")
		s.Devices = append(s.Devices, wan.Device{Name: "lan0", Up: true, Carrier: true})
		s.Delegated = []netip.Prefix{netip.MustParsePrefix("2a00:1:2::/56")}
		for _, a := range addrs {
			s.Addrs = append(s.Addrs, wan.Addr{Device: "lan0", Prefix: netip.MustParsePrefix(a), Preferred: wan.Forever, Valid: wan.Forever})
		}
		return s
	}
	svc := home()
	svc.Policy.Host = netip.MustParseAddr("::10")
	s := begin(t, svc)
	s.step(Seen{lan("2a00:1:2:3::1/64")})
	s.after(time.Second, good(s.sends("home.example.com 2a00:1:2:3::10")))
	s.begins(svc)
	s.step(Seen{lan("2a00:1:2:4::1/64")})
	s.silent()
	s.is(Waiting, coming)
	s.after(time.Second, Seen{lan("2a00:1:2:4::1/64", "2a00:1:2:3::1/64")})
	s.silent()
	s.is(OK, 0)
}

// A line that goes down loses its address before its route: what is left then is
// the LAN's.
func TestTheAddressOfTheLANIsNotPublishedWhileTheLineGoesDown(t *testing.T) {
	const lan6 = "2a00:1:2:300::1"
	withLAN := func(addrs ...string) wan.State {
		s := WANWith(addrs...)
		a := WANWith(lan6).Addrs[0]
		a.Device = "br-lan"
		s.Devices = append(s.Devices, wan.Device{Name: "br-lan", Index: 9, Carrier: true})
		s.Addrs = append(s.Addrs, a)
		s.Delegated = []netip.Prefix{netip.MustParsePrefix("2a00:1:2:300::/56")}
		return s
	}
	down := withLAN()
	down.Routes = nil
	for name, c := range map[string]struct {
		then wan.State
		sent string
	}{
		"it goes down":              {down, ""},
		"it gets another address":   {withLAN(foreign6), foreign6},
		"it keeps the delegation":   {withLAN(), lan6},
		"it has the same one again": {withLAN(confirmed6), ""},
	} {
		s := begin(t, home())
		s.step(Seen{withLAN(confirmed6)})
		s.after(time.Second, good(s.job()))
		s.after(time.Hour, Seen{withLAN()})
		if len(s.plan.Jobs) > 0 {
			t.Fatalf("%s: sent %v", name, s.plan.Jobs)
		}
		s.after(coming-time.Millisecond, Seen{c.then})
		if name == "it keeps the delegation" {
			if len(s.plan.Jobs) > 0 {
				t.Errorf("%s: sent too soon: %v", name, s.plan.Jobs)
			}
			s.after(time.Millisecond, Tick{})
		}
		sent := ""
		if len(s.plan.Jobs) > 0 {
			sent = s.plan.Jobs[0].Request.V6.String()
		}
		if sent != c.sent {
			t.Errorf("%s: sent %q, want %q", name, sent, c.sent)
		}
	}
}
