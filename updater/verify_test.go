package updater

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wandns/persist"
	"wandns/wan"
)

// again is a restart, with the store or without.
func (s *script) again(stored bool, services ...Service) {
	s.t.Helper()
	if !stored {
		s.saved = map[string]persist.Record{}
	}
	s.e = NewEngine(s.saved, s.now, 2)
	s.looks = true
	s.step(Configure{services})
}

// check returns the single check of the last plan, before which nothing leaves.
func (s *script) check(want string) Check {
	s.t.Helper()
	if len(s.plan.Checks) != 1 {
		s.t.Fatalf("checks = %+v, want one", s.plan.Checks)
	}
	s.silent()
	c := s.plan.Checks[0]
	if got := strings.Join(c.Hosts, ","); got != want {
		s.t.Fatalf("check = %s, want %s", got, want)
	}
	return c
}

func (s *script) unchecked() {
	s.t.Helper()
	if len(s.plan.Checks) > 0 {
		s.t.Fatalf("checks = %+v, want none", s.plan.Checks)
	}
}

// finds is the answer that every name of a check has these addresses, and no
// others.
func finds(c Check, addrs ...string) Checked {
	ev := Checked{Key: c.Key}
	for _, h := range c.Hosts {
		found := Found{Host: h, Known: c.Families}
		for _, a := range addrs {
			ip := netip.MustParseAddr(a)
			found.Addrs[wan.Of(ip)] = append(found.Addrs[wan.Of(ip)], ip)
		}
		ev.Found = append(ev.Found, found)
	}
	return ev
}

// found checks that all is well by the DNS alone, which is asked again then.
func (s *script) found(next time.Duration) {
	s.t.Helper()
	s.silent()
	st, want := s.status(0), ""
	if next > 0 {
		want = s.now.Add(next).UTC().Format(time.RFC3339)
	}
	if st.State != OK || !strings.Contains(st.Reason, "the DNS says") || st.Next != want || s.plan.Wake.IsZero() != (next == 0) {
		s.t.Errorf("state = %s (%s), next %q, wake %v; want what the DNS says, next %q", st.State, st.Reason, st.Next, s.plan.Wake, want)
	}
	for _, h := range s.saved["home"].Hosts.All() {
		if h.Found4 && !h.Open4 || h.Found6 && !h.Open6 {
			s.t.Errorf("saved = %+v", h)
		}
	}
}

func TestWhatACheckFindsDecides(t *testing.T) {
	for _, tt := range []struct {
		name    string
		stored  bool
		found   []string
		sends   string
		publish string // while it is sent
	}{
		{"published already, after a crash", true, []string{"84.0.0.2"}, "", ""},
		{"published already, without the store", false, []string{"84.0.0.2"}, "", ""},
		{"another address, after a crash", true, []string{"84.0.0.1"}, "home.example.com 84.0.0.2", "84.0.0.1"},
		{"another address, without the store", false, []string{"84.0.0.1"}, "home.example.com 84.0.0.2", "84.0.0.1"},
		{"one of two", false, []string{"84.0.0.2", "84.0.0.1"}, "home.example.com 84.0.0.2", "84.0.0.2"},
		{"nothing", false, []string{}, "home.example.com 84.0.0.2", ""},
		{"nobody knows, after a crash", true, nil, "home.example.com 84.0.0.2", ""},
		{"nobody knows, without the store", false, nil, "home.example.com 84.0.0.2", ""},
	} {
		s := begin(t, home())
		s.step(Seen{WANWith("84.0.0.2")})
		s.job()
		s.now = s.now.Add(time.Minute) // the process dies
		s.again(tt.stored, home())
		s.is(NoAddress, 0)
		s.step(Seen{WANWith("84.0.0.2")})
		c := s.check("home.example.com")
		if c.Families != [2]bool{true, false} {
			t.Errorf("%s: families %v", tt.name, c.Families)
		}
		st := s.status(0)
		if st.State != Verifying || !strings.HasSuffix(st.Reason, "looking up what is published for home.example.com before anything is sent") || strings.Contains(st.Reason, "last request") != tt.stored {
			t.Errorf("%s: status %+v", tt.name, st)
		}
		s.after(time.Second, Tick{})
		s.unchecked()
		ev := Checked{Key: c.Key}
		if tt.found != nil {
			ev = finds(c, tt.found...)
		}
		s.after(time.Second, ev)
		s.unchecked()
		if tt.sends == "" {
			s.found(10 * time.Minute)
			st, since := s.status(0), s.now.Format(time.RFC3339)
			if st.Records[0].Published != "84.0.0.2" || st.Records[0].Since != since || st.Sent != len(s.saved["home"].Day)/10 || s.saved["home"].Intent != nil || !s.saved["home"].Hosts.Of("home.example.com").Found4 {
				t.Errorf("%s: status %+v, saved %+v", tt.name, st, s.saved)
			}
			continue
		}
		j := s.sends(tt.sends)
		if got := s.status(0).Records[0]; got.Published != tt.publish || got.Since != "" {
			t.Errorf("%s: while it is sent %+v, want %s", tt.name, got, tt.publish)
		}
		s.after(time.Second, good(j))
		s.is(OK, 0)
	}
}

func TestACheckIsComparedWithTheNewestAddress(t *testing.T) {
	s := begin(t)
	s.again(false, home())
	s.step(Seen{WANWith("84.0.0.2")})
	c := s.check("home.example.com")
	s.after(time.Second, Seen{WANWith("84.0.0.3")})
	s.unchecked()
	s.silent()
	s.after(time.Second, finds(c, "84.0.0.3"))
	s.found(10 * time.Minute)

	s.again(false, home())
	s.step(Seen{WANWith("84.0.0.2")})
	c = s.check("home.example.com")
	s.step(Seen{WANWith()})
	s.after(time.Second, finds(c, "84.0.0.2"))
	s.silent()
	s.after(time.Second, Seen{WANWith("84.0.0.2")})
	s.unchecked()
	if d := s.wake(); d != time.Second {
		t.Errorf("the next check leaves after %s", d)
	}
	s.step(finds(s.check("home.example.com"), "84.0.0.2"))
	s.found(10 * time.Minute)
}

func TestWhatIsKnownIsNotLookedUp(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(good(s.job()))
	s.again(true, home("home.example.com", "nas.example.com"))
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(finds(s.check("nas.example.com"), "84.0.0.2"))
	s.found(10 * time.Minute)
	s.after(time.Hour, Seen{WANWith("84.0.0.3")})
	s.unchecked()
	s.sends("home.example.com,nas.example.com 84.0.0.3")
}

// A request that may have landed, or may land yet, is looked for. Any other
// address is sent at once, whatever the DNS shows by now.
func TestUnknownOutcomes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		outcome func(Job) Done
		wanted  string
		after   time.Duration
		checked bool
	}{
		{"no answer, the same again", func(j Job) Done { return failed(j, Unconfirmed) }, "84.0.0.3", 7 * time.Minute, true},
		{"no answer, the one before", func(j Job) Done { return failed(j, Unconfirmed) }, "84.0.0.2", 7 * time.Minute, false},
		{"no answer, another", func(j Job) Done { return failed(j, Unconfirmed) }, "84.0.0.4", 7 * time.Minute, false},
		{"given up, the same again", func(j Job) Done { return Done{Job: j, Err: context.Canceled} }, "84.0.0.3", time.Minute, true},
		{"given up, the one before", func(j Job) Done { return Done{Job: j, Err: context.Canceled} }, "84.0.0.2", time.Minute, false},
		{"given up, another", func(j Job) Done { return Done{Job: j, Err: context.Canceled} }, "84.0.0.4", time.Minute, false},
		{"half an answer", func(j Job) Done { return Done{Job: j, Results: []Result{{Host: "home.example.com", Answer: "good"}}} }, "84.0.0.3", 7 * time.Minute, true},
		{"refused, the same again", func(j Job) Done { return failed(j, Transient) }, "84.0.0.3", 7 * time.Minute, false},
	} {
		for _, restart := range []bool{false, true} {
			s := begin(t, home())
			s.step(Seen{WANWith("84.0.0.2")})
			s.after(time.Second, good(s.job()))
			s.after(time.Hour, Seen{WANWith("84.0.0.3")})
			j := s.job()
			s.looks = true
			s.step(Seen{WANWith()})
			s.after(time.Second, tt.outcome(j))
			s.unchecked()
			s.now = s.now.Add(tt.after)
			checked := tt.checked
			if restart {
				s.again(true, home())
				checked = checked && !strings.HasPrefix(tt.name, "refused") // before anything is sent
			}
			s.step(Seen{WANWith(tt.wanted)})
			if !checked {
				s.unchecked()
				s.sends("home.example.com " + tt.wanted)
				continue
			}
			s.step(finds(s.check("home.example.com"), tt.wanted))
			if s.found(10 * time.Minute); s.status(0).LastError != "" {
				t.Errorf("%s: %+v", tt.name, s.status(0))
			}
		}
	}
}

// At boot neither the DNS nor the provider may be reachable yet.
func TestACheckIsRepeatedWithARequestThatNeverLeft(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.again(true, home())
	s.step(Seen{WANWith("84.0.0.2")})
	for range 5 {
		s.step(Checked{Key: s.check("home.example.com").Key})
		s.step(failed(s.sends("home.example.com 84.0.0.2"), Unreachable))
		s.unchecked()
		s.wake()
	}
	s.step(finds(s.check("home.example.com"), "84.0.0.2"))
	s.found(10 * time.Minute)
}

func TestACheckIsMadeOnce(t *testing.T) {
	s := begin(t)
	s.again(false, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(finds(s.check("home.example.com"), "84.0.0.1"))
	for range 5 {
		s.after(time.Second, failed(s.job(), Transient))
		s.unchecked()
		if s.status(0).Records[0].Published != "84.0.0.1" {
			t.Errorf("what was found is forgotten: %+v", s.status(0))
		}
		s.wake()
		s.unchecked()
	}
}

func TestNobodyLooksUpWhatMustNotBeSent(t *testing.T) {
	off, blocked, given := home(), home(), from(ProviderSource)
	off.Enabled = false
	s := begin(t, blocked)
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(failed(s.job(), Blocked))
	s.again(true, blocked)
	s.step(Seen{WANWith("84.0.0.3")})
	s.unchecked()
	s.is(NeedsUser, 0)
	s.again(false, off)
	s.step(Seen{WANWith("84.0.0.2")})
	s.unchecked()
	s.again(false, home())
	s.step(Seen{WANWith("192.168.1.2")})
	s.unchecked()
	s.again(false, given) // nobody else knows what the provider will see
	s.step(Seen{WANWith("192.168.1.2")})
	s.unchecked()
	s.sends("home.example.com 192.168.1.2")
}

func TestALimitDoesNotDelayTheCheck(t *testing.T) {
	limited := home()
	limited.Limits = Limits{PerHour: 60, PerDay: 1, HostsPerRequest: 1, OneFamily: true}
	s := begin(t, limited)
	s.step(Seen{WANWith("84.0.0.2", "2a00:1::1")})
	s.job()
	s.again(true, limited)
	s.step(Seen{WANWith("84.0.0.2", "2a00:1::1")})
	s.step(finds(s.check("home.example.com"), "84.0.0.2"))
	s.silent()
	if got := s.saved["home"].Hosts.Of("home.example.com"); len(got.Changes) == 0 || got.V4.String() != "84.0.0.2" || got.V6.IsValid() {
		t.Errorf("saved = %+v", got)
	}
	if st := s.status(0); st.State != Waiting || !strings.Contains(st.Reason, "has had them") {
		t.Errorf("the other family: %+v", st)
	}
}

// Services of an account look at the DNS together, but ask a provider in turn.
func TestServicesOfOneAccountCheck(t *testing.T) {
	a, b := home(), home("nas.example.com")
	b.Name = "second"
	s := begin(t)
	s.again(false, a, b)
	s.step(Seen{WANWith("84.0.0.2")})
	if len(s.plan.Checks) != 2 {
		t.Fatalf("checks = %+v, want two", s.plan.Checks)
	}
	both := s.plan.Checks
	s.step(Checked{Key: both[0].Key})
	j := s.sends("home.example.com 84.0.0.2")
	s.step(Checked{Key: both[1].Key})
	s.silent()
	s.step(good(j))
	s.sends("nas.example.com 84.0.0.2")

	a.Reads, b.Reads = true, true
	s.again(false, a, b)
	s.step(Seen{WANWith("84.0.0.2")})
	c := s.check("home.example.com")
	s.step(Checked{Key: c.Key, Err: &Fault{Kind: Throttled, Detail: "not so fast", RetryAfter: time.Hour}})
	s.unchecked()
	s.silent()
	s.is(Waiting, time.Hour)
	s.wake()
	s.step(finds(s.check("home.example.com"), "84.0.0.2"))
	s.step(Checked{Key: s.check("nas.example.com").Key, Err: &Fault{Kind: Blocked, Detail: "no"}})
	s.silent()
	s.is(NeedsUser, 0)
}

func TestAnAnswerThatNobodyWaitsFor(t *testing.T) {
	s := begin(t)
	s.again(false, home())
	s.step(Seen{WANWith("84.0.0.2")})
	c := s.check("home.example.com")
	other := home()
	other.Account = "other"
	s.step(Configure{[]Service{other}})
	s.unchecked()
	s.step(finds(c, "84.0.0.2")) // of the other account
	d := s.check("home.example.com")
	s.step(finds(c, "84.0.0.2"))
	s.silent()
	s.step(Configure{nil})
	s.step(finds(d, "84.0.0.2"))
	s.step(Configure{[]Service{other}})
	c = s.check("home.example.com")
	s.step(finds(d, "84.0.0.2"))
	s.is(Verifying, 0)
	s.step(Stop{})
	if !slices.Contains(s.plan.Cancel, c.Key) {
		t.Errorf("cancels %v", s.plan.Cancel)
	}
	s.step(Checked{Key: c.Key})
	s.silent()
}

// The answer is for a service that is no more when it comes.
func TestRequestOfAServiceThatIsRenamedIsLookedUp(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(good(s.job()))
	s.after(time.Hour, Seen{WANWith("84.0.0.3")})
	j := s.job()
	s.looks = true
	renamed := home()
	renamed.Name = "renamed"
	s.step(Configure{[]Service{renamed}})
	if !slices.Equal(s.plan.Cancel, []string{"home"}) {
		t.Errorf("given up: %v", s.plan.Cancel)
	}
	c := s.check("home.example.com")
	s.step(good(j))
	s.silent()
	s.step(finds(c, "84.0.0.3"))
	s.found(10 * time.Minute)
	s.after(time.Hour, Configure{[]Service{home()}})
	s.step(finds(s.check("home.example.com"), "84.0.0.3"))
	s.found(10 * time.Minute)
}
