package updater

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wandns/wan"
)

var cgnat = WANWith("100.64.0.2")

// see gives the single look of the last plan an answer.
func (s *script) see(addr string) {
	s.t.Helper()
	s.step(Looked{Key: s.look().Key, Addr: netip.MustParseAddr(addr)})
}

func (s *script) look() Look {
	s.t.Helper()
	if len(s.plan.Looks) != 1 {
		s.t.Fatalf("looks = %+v, want one", s.plan.Looks)
	}
	return s.plan.Looks[0]
}

func (s *script) blind() {
	s.t.Helper()
	if len(s.plan.Looks) > 0 {
		s.t.Fatalf("looks = %+v, want none", s.plan.Looks)
	}
}

// wake goes on to the time that the last plan asked for.
func (s *script) wake() (waited time.Duration) {
	s.t.Helper()
	if s.plan.Wake.IsZero() {
		s.t.Fatal("nothing is planned")
	}
	waited = s.plan.Wake.Sub(s.now)
	s.after(waited, Tick{})
	return waited
}

func (s *script) says(words string) {
	s.t.Helper()
	if got := s.status(0).Reason; !strings.Contains(got, words) {
		s.t.Errorf("reason = %q, want %q in it", got, words)
	}
}

func from(source Source) Service {
	s := home()
	s.Source = source
	return s
}

func TestWhoKnowsTheAddress(t *testing.T) {
	tentative := WANWith("100.64.0.2")
	tentative.Addrs[0].Flags = wan.Tentative
	deprecated := WANWith("192.168.1.2")
	deprecated.Addrs[0].Preferred = 0
	lan := WANWith()
	lan.Addrs = append(lan.Addrs, wan.Addr{Device: "lan0", Prefix: netip.MustParsePrefix("fd00::1/64"), Preferred: wan.Forever})
	lan.Devices = append(lan.Devices, wan.Device{Name: "lan0", Up: true})
	for _, tt := range []struct {
		name   string
		state  wan.State
		family wan.Family
		policy wan.Policy
		// who says the address: the WAN, somebody outside, or "" for nobody
		auto, device, web, provider string
	}{
		{"public", WANWith("84.0.0.2"), wan.IPv4, wan.Policy{}, "84.0.0.2", "84.0.0.2", "outside", "outside"},
		{"CGNAT", cgnat, wan.IPv4, wan.Policy{}, "outside", "", "outside", "outside"},
		{"double NAT", WANWith("192.168.1.2"), wan.IPv4, wan.Policy{}, "outside", "", "outside", "outside"},
		{"DS-Lite", WANWith("192.0.0.2"), wan.IPv4, wan.Policy{}, "outside", "", "outside", "outside"},
		{"one of two is public", WANWith("192.168.1.2", "84.0.0.2"), wan.IPv4, wan.Policy{}, "84.0.0.2", "84.0.0.2", "outside", "outside"},
		{"private is allowed", WANWith("192.168.1.2"), wan.IPv4, wan.Policy{AllowPrivate: true}, "192.168.1.2", "192.168.1.2", "outside", "outside"},
		{"another device", cgnat, wan.IPv4, wan.Policy{Device: "wan1"}, "", "", "", ""},
		{"no address", WANWith(), wan.IPv4, wan.Policy{}, "", "", "", ""},
		{"no route", wan.State{}, wan.IPv4, wan.Policy{}, "", "", "", ""},
		{"link-local", WANWith("169.254.1.1"), wan.IPv4, wan.Policy{}, "", "", "", ""},
		{"tentative", tentative, wan.IPv4, wan.Policy{}, "", "", "", ""},
		{"deprecated", deprecated, wan.IPv4, wan.Policy{}, "", "", "", ""},
		{"unique local", WANWith("fd00::2"), wan.IPv6, wan.Policy{}, "outside", "", "outside", "outside"},
		{"unique local in the LAN", lan, wan.IPv6, wan.Policy{}, "", "", "", ""},
		{"a host in the LAN", lan, wan.IPv6, wan.Policy{Host: netip.MustParseAddr("::10"), LAN: "lan0"}, "", "", "outside", "outside"},
	} {
		for i, want := range []string{tt.auto, tt.device, tt.web, tt.provider} {
			own, outside := Source(i).Choose(tt.state, tt.family, tt.policy)
			got := text(own.Addr)
			if outside {
				got = "outside"
				if !own.Addr.IsValid() {
					t.Errorf("%s, %s: no way outside", tt.name, Source(i))
				}
			}
			if got != want {
				t.Errorf("%s, %s: %q, want %q", tt.name, Source(i), got, want)
			}
		}
	}
}

func TestBehindCGNATTheAddressComesFromOutside(t *testing.T) {
	s := begin(t, home())
	s.blind()
	s.step(Seen{cgnat})
	s.silent()
	if l := s.look(); l.Family != wan.IPv4 || l.Way.Only != OnlyIPv4 || l.Service != "home" || len(l.URLs) > 0 {
		t.Errorf("look = %+v", l)
	}
	s.is(Sending, 0)
	s.see("84.0.0.9")
	s.step(good(s.sends("home.example.com 84.0.0.9")))
	if st := s.status(0); st.State != OK || st.Reason != "84.0.0.9 is the address of your provider's NAT, since wan0 has only 100.64.0.2 (carrier-grade NAT, RFC 6598), so nothing can connect in; ask your provider for a public IPv4 address" {
		t.Errorf("status = %+v", st)
	}

	if d := s.wake(); d < again || d > again*5/4 {
		t.Errorf("the next look leaves after %s", d)
	}
	s.is(OK, 0)
	s.see("84.0.0.9")
	s.silent()
	s.wake()
	s.see("84.0.0.10")
	s.step(good(s.sends("home.example.com 84.0.0.10")))

	s.after(time.Minute, Seen{WANWith("84.0.0.11")})
	s.blind()
	s.step(good(s.sends("home.example.com 84.0.0.11")))
	if !s.plan.Wake.IsZero() || s.status(0).Reason != "" {
		t.Errorf("with a public address: wake %v, status %+v", s.plan.Wake, s.status(0))
	}
}

func TestDoubleNATAndDSLiteAreNamed(t *testing.T) {
	for own, says := range map[string]string{
		"192.168.1.2": "another router before this one (double NAT), since wan0 has only 192.168.1.2 (private, RFC 1918), so nothing can connect in; put that router in bridge mode",
		"192.0.0.2":   "your provider's NAT, since wan0 has only 192.0.0.2 (IETF protocol assignment, used by DS-Lite, RFC 6890), so nothing can connect in; ask your provider for a public IPv4 address, or use IPv6",
	} {
		s := begin(t, home())
		s.step(Seen{WANWith(own)})
		s.see("84.0.0.9")
		s.step(good(s.job()))
		s.says(says)
	}
}

func TestWhatIsSeenOfAPublicAddress(t *testing.T) {
	s := begin(t, from(WebSource))
	s.step(Seen{WANWith("84.0.0.2")})
	s.see("84.0.0.2")
	s.step(good(s.sends("home.example.com 84.0.0.2")))
	if st := s.status(0); st.State != OK || st.Reason != "" {
		t.Errorf("status = %+v", st)
	}
}

func TestWhoHasNoUseForALook(t *testing.T) {
	off, blocked, device, private := home(), home(), from(DeviceSource), home()
	off.Enabled = false
	private.Policy.AllowPrivate = true
	for name, c := range map[string]Service{"disabled": off, "from the device": device, "private is allowed": private} {
		s := begin(t, c)
		s.step(Seen{cgnat})
		if s.blind(); !s.plan.Wake.IsZero() && name != "private is allowed" {
			t.Errorf("%s: wakes at %v", name, s.plan.Wake)
		}
	}
	s := begin(t, blocked)
	s.step(Seen{cgnat})
	s.see("84.0.0.9")
	s.step(failed(s.job(), Blocked))
	s.after(time.Hour, Tick{})
	s.blind()
	s.step(Resume{"home"})
	s.look()
	s.step(Configure{})
	if !slices.Contains(s.plan.Cancel, s.e.looks[0].Key) {
		t.Errorf("nobody waits for the look, but cancel = %v", s.plan.Cancel)
	}
}

func TestServicesShareALook(t *testing.T) {
	a, b, c := home("a.example.com"), home("b.example.com"), home("c.example.com")
	b.Name, b.Account, c.Name, c.Account = "b", "b", "c", "c"
	b.Source = WebSource
	c.Policy.Device = "wan0"
	s := begin(t, a, b, c)
	s.step(Seen{cgnat})
	if len(s.plan.Looks) != 2 || s.plan.Looks[1].Way.V4 != netip.MustParseAddr("100.64.0.2") || s.plan.Looks[1].Way.Device != "wan0" {
		t.Fatalf("looks = %+v", s.plan.Looks)
	}
	s.step(Looked{Key: s.plan.Looks[0].Key, Addr: netip.MustParseAddr("84.0.0.9")})
	if len(s.plan.Jobs) != 2 {
		t.Errorf("jobs = %+v", s.plan.Jobs)
	}
}

func TestALookThatFails(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{cgnat})
	for i, want := range []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second} {
		s.step(Looked{Key: s.look().Key, Err: &Fault{Kind: Unreachable, Detail: "no way"}})
		s.says("nobody outside could say how the internet sees it: no way; it asks again by itself")
		if st := s.status(0); st.State != Waiting || st.Next == "" {
			t.Errorf("status = %+v", st)
		}
		if d := s.wake(); d < want || d > want*5/4 {
			t.Errorf("after failure %d: %s", i+1, d)
		}
	}
	s.see("192.168.7.7")
	s.silent()
	s.says("no public IPv4 address")
	if d := s.wake(); d < 30*time.Minute { // the fourth failure in a row
		t.Errorf("after a private answer: %s", d)
	}
	s.see("84.0.0.9")
	s.step(good(s.job()))
	s.wake()
	s.step(Looked{Key: s.look().Key, Err: &Fault{Kind: Transient, Detail: "they differ"}})
	if st := s.status(0); st.State != OK || st.Records[0].Wanted != "84.0.0.9" {
		t.Errorf("the result before is not kept: %+v", st)
	}
	s.after(2*time.Minute, Poke{})
	s.see("84.0.0.10")
	s.sends("home.example.com 84.0.0.10")
}

func TestAResultDoesNotOutliveItsWAN(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{cgnat})
	s.see("84.0.0.9")
	s.step(good(s.job()))
	s.after(time.Hour, Seen{WANWith()})
	s.blind()
	s.is(NoAddress, 0)
	s.after(time.Second, Seen{cgnat})
	first := s.look()
	s.is(Sending, 0)
	s.after(time.Second, Seen{WANWith("100.64.0.3")})
	if s.blind(); !slices.Equal(s.plan.Cancel, []string{first.Key}) {
		t.Errorf("cancel = %v", s.plan.Cancel)
	}
	s.step(Looked{Key: first.Key, Addr: netip.MustParseAddr("84.0.0.77")})
	s.silent() // the answer was about 100.64.0.2
	s.wake()
	s.see("84.0.0.10")
	s.sends("home.example.com 84.0.0.10")
	s.after(time.Second, Looked{Key: first.Key, Addr: netip.MustParseAddr("84.0.0.77")})
	s.silent()
}

func TestAnotherConnectionIsAskedAbout(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("192.168.1.2")})
	s.see("84.0.0.9")
	s.step(good(s.job()))
	for name, change := range map[string]func(*wan.State){
		"the link went down": func(s *wan.State) { s.Devices[0].Carrier = false },
		"another device":     func(s *wan.State) { s.Devices[0].Index++ },
		"another gateway":    func(s *wan.State) { s.Routes[0].Gateway = netip.MustParseAddr("192.168.1.1") },
	} {
		next := WANWith("192.168.1.2")
		change(&next)
		s.after(time.Hour, Tick{})
		s.see("84.0.0.9")
		s.after(time.Minute, Seen{next})
		if len(s.plan.Looks) != 1 {
			t.Errorf("%s: no look", name)
			continue
		}
		s.see("84.0.0.9")
		s.silent()
	}
}

func TestAFlappingWANDoesNotAskMore(t *testing.T) {
	s := begin(t, from(WebSource))
	var last time.Time
	n := 0
	for i := range 3600 { // an hour, another address every second
		s.after(time.Second, Seen{WANWith(fmt.Sprintf("100.64.%d.%d", i/250, 1+i%250))})
		for _, l := range s.plan.Looks {
			if gap := s.now.Sub(last); n > 0 && gap < flap(n) {
				t.Errorf("look %d after %s", n+1, gap)
			}
			last = s.now
			n++
			s.step(Looked{Key: l.Key, Err: &Fault{Kind: Unreachable, Detail: "no way"}})
		}
	}
	if n > 15 {
		t.Errorf("%d looks in an hour", n)
	}
	s.says("the WAN keeps changing")
}

func TestTheProviderTakesTheAddress(t *testing.T) {
	s := begin(t, from(ProviderSource))
	both := WANWith("192.168.1.2", "2a00:1:2:3::1")
	both.Routes[0].Gateway = netip.MustParseAddr("192.168.1.1")
	s.step(Seen{both})
	s.blind()
	taken := func(addr string) Done {
		j := s.job()
		a := netip.MustParseAddr(addr)
		r := Result{Host: "home.example.com", Answer: "good " + addr}
		if j.Request.family() == wan.IPv4 {
			r.V4 = a
		} else {
			r.V6 = a
		}
		return Done{Job: j, Results: []Result{r}}
	}
	if j := s.sends("home.example.com 192.168.1.2"); j.Request.Way.Only != OnlyIPv4 || j.Request.From != "192.168.1.2 wan0 192.168.1.1" {
		t.Errorf("request = %+v", j.Request)
	}
	s.step(taken("84.0.0.9"))
	if j := s.sends("home.example.com 2a00:1:2:3::1"); j.Request.Way.Only != OnlyIPv6 {
		t.Errorf("request = %+v", j.Request)
	}
	s.step(taken("2a00:1:2:3::1"))
	s.silent()
	st := s.status(0)
	if st.State != OK || st.Records[0].Published != "84.0.0.9" || st.Records[0].Wanted != "84.0.0.9" || !strings.HasPrefix(st.Reason, "84.0.0.9 is the address of another router") {
		t.Errorf("status = %+v", st)
	}
	if !s.plan.Wake.IsZero() {
		t.Errorf("wakes at %v", s.plan.Wake)
	}

	// A restart changes nothing, another gateway does.
	records := s.saved
	s = begin(t)
	s.e = NewEngine(records, s.now, 2)
	s.step(Configure{[]Service{from(ProviderSource)}})
	s.step(Seen{both})
	s.silent()
	s.is(OK, 0)
	both = WANWith("192.168.1.2", "2a00:1:2:3::1")
	both.Routes[0].Gateway = netip.MustParseAddr("192.168.1.254")
	s.after(time.Hour, Seen{both})
	s.sends("home.example.com 192.168.1.2")
	if st := s.status(0); st.Records[0].Wanted != "" || st.Records[0].Published != "84.0.0.9" {
		t.Errorf("while it is taken: %+v", st.Records)
	}
	s.step(taken("192.168.1.2"))
	s.says("saw a connection from 192.168.1.2 (private, RFC 1918)")
	if s.status(0).State != Waiting || s.wake() < 5*time.Minute {
		t.Errorf("after a private address: %+v", s.status(0))
	}
	s.step(taken("84.0.0.9"))
	s.silent()

	// Told an address, the provider forgets where it came from.
	s.after(time.Hour, Configure{[]Service{from(WebSource)}})
	for _, l := range s.plan.Looks {
		s.step(Looked{Key: l.Key, Addr: map[wan.Family]netip.Addr{wan.IPv4: netip.MustParseAddr("84.0.0.8"), wan.IPv6: netip.MustParseAddr("2a00:1:2:3::1")}[l.Family]})
		if len(s.plan.Jobs) > 0 {
			s.step(good(s.sends("home.example.com 84.0.0.8")))
		}
	}
	s.after(time.Hour, Configure{[]Service{from(ProviderSource)}})
	s.sends("home.example.com 192.168.1.2")
}

// A device that leads nowhere is not asked through.
func TestNobodyOutsideIsAskedByTheLAN(t *testing.T) {
	state := WANWith("84.0.0.2")
	state.Devices = append(state.Devices, wan.Device{Name: "br-lan", Up: true, Carrier: true})
	state.Addrs = append(state.Addrs, wan.Addr{Device: "br-lan", Prefix: netip.MustParsePrefix("192.168.1.1/24"), Preferred: wan.Forever, Valid: wan.Forever})
	svc := home()
	svc.Policy.Device = "br-lan"
	s := begin(t, svc)
	s.step(Seen{state})
	s.silent()
	if len(s.plan.Looks) > 0 {
		t.Errorf("looks = %+v", s.plan.Looks)
	}
	if st := s.status(0); st.State != NoAddress || !strings.Contains(st.Reason, "it seems to face the LAN") {
		t.Errorf("status = %+v", st)
	}
}
