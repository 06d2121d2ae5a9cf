package updater

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wandns/persist"
	"wandns/wan"
)

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// WANWith is a WAN whose only device holds both default routes and has these
// lasting addresses.
func WANWith(addrs ...string) wan.State {
	s := wan.State{
		Devices: []wan.Device{{Name: "wan0", Up: true, Carrier: true}},
		Routes:  []wan.Route{{Family: wan.IPv4, Device: "wan0"}, {Family: wan.IPv6, Device: "wan0"}},
	}
	for _, a := range addrs {
		ip := netip.MustParseAddr(a)
		s.Addrs = append(s.Addrs, wan.Addr{Device: "wan0", Prefix: netip.PrefixFrom(ip, ip.BitLen()), Preferred: wan.Forever, Valid: wan.Forever})
	}
	return s
}

func home(hosts ...string) Service {
	if len(hosts) == 0 {
		hosts = []string{"home.example.com"}
	}
	return Service{
		Self{Name: "home", Hosts: hosts, Account: "account", Login: "login", Config: "config"},
		Terms{Provider: "noip", Title: "No-IP", Families: [2]bool{true, true}, Enabled: true},
	}
}

// script drives an engine and remembers the time and what was stored.
type script struct {
	t     testing.TB
	e     *Engine
	now   time.Time
	plan  Plan
	saved map[string]persist.Record
	clock time.Time // of the records, at the last save
	looks bool      // checks are answered by the test; otherwise nothing is found out
}

func begin(t testing.TB, services ...Service) *script {
	t.Helper()
	s := &script{t: t, e: NewEngine(nil, time.Time{}, 1), now: start, saved: map[string]persist.Record{}}
	s.step(Configure{services})
	return s
}

func (s *script) step(ev Event) {
	s.t.Helper()
	s.plan = s.e.Step(s.now, ev)
	s.save(s.plan)
	for !s.looks && len(s.plan.Checks) > 0 {
		var next Plan
		for _, c := range s.plan.Checks {
			next = s.e.Step(s.now, Checked{Key: c.Key})
			s.save(next)
			next.Jobs = append(s.plan.Jobs, next.Jobs...)
			next.Looks = append(s.plan.Looks, next.Looks...)
			s.plan.Jobs, s.plan.Looks = next.Jobs, next.Looks
		}
		s.plan = next
	}
	for _, j := range s.plan.Jobs {
		if i := s.saved[j.Service].Intent; i == nil || !slices.Equal(i.Hosts, j.Request.Hosts) || i.V4 != j.Request.V4 || i.V6 != j.Request.V6 {
			s.t.Fatalf("a request leaves without its intent being stored: %+v", j)
		}
	}
}

func (s *script) save(p Plan) {
	if p.Save {
		s.saved = snapshot(s.e)
		s.clock = s.e.Stamp(s.now)
	}
}

// snapshot is what a journal makes of an engine's records.
func snapshot(e *Engine) map[string]persist.Record {
	records := maps.Collect(e.Records())
	for name, r := range records {
		r.Hosts = slices.Clone(r.Hosts)
		records[name] = r
	}
	return records
}

func (s *script) after(d time.Duration, ev Event) {
	s.t.Helper()
	s.now = s.now.Add(d)
	s.step(ev)
}

// job returns the single job of the last plan.
func (s *script) job() Job {
	s.t.Helper()
	if len(s.plan.Jobs) != 1 {
		s.t.Fatalf("jobs = %+v, want one", s.plan.Jobs)
	}
	return s.plan.Jobs[0]
}

func (s *script) silent() {
	s.t.Helper()
	if len(s.plan.Jobs) > 0 {
		s.t.Fatalf("jobs = %+v, want none", s.plan.Jobs)
	}
}

// sends checks the last plan's request: names, then addresses.
func (s *script) sends(want string) Job {
	s.t.Helper()
	j := s.job()
	if got := strings.Join(j.Request.Hosts, ",") + " " + j.Request.Addrs(","); got != want {
		s.t.Fatalf("request = %s, want %s", got, want)
	}
	return j
}

// good is the answer that confirms everything.
func good(j Job) Done {
	d := Done{Job: j}
	for _, h := range j.Request.Hosts {
		d.Results = append(d.Results, Result{Host: h, V4: j.Request.V4, V6: j.Request.V6, Answer: "good"})
	}
	return d
}

func failed(j Job, k Kind) Done {
	return Done{Job: j, Err: &Fault{Kind: k, Detail: "it went wrong", RetryAfter: 30 * time.Minute}}
}

func (s *script) status(i int) ServiceStatus { return s.e.Status(s.now).Services[i] }

func (s *script) is(state State, next time.Duration) {
	s.t.Helper()
	st := s.status(0)
	want := ""
	if next > 0 {
		want = s.now.Add(next).UTC().Format(time.RFC3339)
	}
	if st.State != state || st.Next != want {
		s.t.Errorf("state = %s (%s), next %q; want %s, next %q", st.State, st.Reason, st.Next, state, want)
	}
	if (state == OK || state == Sending || state == Verifying) != s.plan.Wake.IsZero() && state != NeedsUser && state != NoAddress && state != Disabled {
		s.t.Errorf("%s, but wake = %v", state, s.plan.Wake)
	}
}

func TestFirstAddressLeavesAtOnceAndOnce(t *testing.T) {
	s := begin(t, home())
	s.is(NoAddress, 0)
	s.step(Seen{WANWith("84.0.0.2", "2a00:1:2:3::1")})
	j := s.sends("home.example.com 84.0.0.2,2a00:1:2:3::1")
	s.is(Sending, 0)
	s.after(time.Second, good(j))
	s.silent()
	s.is(OK, 0)
	s.after(time.Hour, Seen{WANWith("84.0.0.2", "2a00:1:2:3::1")})
	s.after(time.Hour, Tick{})
	s.after(time.Hour, Poke{})
	s.silent()
	st := s.status(0)
	if st.Sent != 1 || len(st.Records) != 2 || st.Records[1].Published != "2a00:1:2:3::1" || st.Records[0].Since != "2026-11-21T10:00:01Z" {
		t.Errorf("status = %+v", st)
	}
}

func TestOnlyWhatChangedIsSent(t *testing.T) {
	s := begin(t, home("a.example.com", "b.example.com"))
	s.step(Seen{WANWith("84.0.0.2")})
	s.after(time.Second, good(s.sends("a.example.com,b.example.com 84.0.0.2")))
	s.after(2*time.Second, Seen{WANWith("84.0.0.2", "2a00:1:2:3::1")})
	s.after(time.Second, good(s.sends("a.example.com,b.example.com 2a00:1:2:3::1")))
	s.after(time.Hour, Seen{WANWith("84.0.0.3", "2a00:1:2:3::1")})
	s.after(time.Second, good(s.sends("a.example.com,b.example.com 84.0.0.3")))
	s.after(time.Hour, Configure{[]Service{home("a.example.com", "b.example.com", "c.example.com")}})
	s.sends("c.example.com 84.0.0.3,2a00:1:2:3::1")
}

func TestAddressThatGoesAndComesBackIsNotRepeated(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.after(time.Second, good(s.job()))
	s.after(time.Minute, Seen{WANWith()})
	s.silent()
	s.is(NoAddress, 0)
	s.after(time.Minute, Seen{WANWith("84.0.0.2")})
	s.silent()
	s.is(OK, 0)
}

func TestAddressThatChangesInFlightFollows(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	j := s.job()
	s.after(10*time.Millisecond, Seen{WANWith()})
	s.after(10*time.Millisecond, Seen{WANWith("84.0.0.3")})
	s.silent()
	s.after(time.Second, good(j))
	s.silent()
	s.is(Waiting, time.Second-20*time.Millisecond)
	s.now = s.plan.Wake
	s.step(Tick{})
	s.sends("home.example.com 84.0.0.3")
}

func TestFlappingIsSlowedAndForgiven(t *testing.T) {
	s := begin(t, home())
	var left []time.Duration
	for i := range 12 {
		s.step(Seen{WANWith(fmt.Sprintf("84.0.0.%d", i+1))})
		if len(s.plan.Jobs) == 0 {
			s.now = s.plan.Wake
			s.step(Tick{})
		}
		left = append(left, s.now.Sub(start))
		s.step(good(s.job()))
	}
	for i, want := range []time.Duration{0, 2, 6, 14, 30, 62, 126, 254, 510, 1022, 1922, 2822} {
		if left[i] != want*time.Second {
			t.Errorf("request %d left after %s, want %s", i, left[i], want*time.Second)
		}
	}
	s.after(time.Hour, Seen{WANWith("84.1.1.1")})
	s.after(time.Second, good(s.sends("home.example.com 84.1.1.1")))
	s.after(time.Second, Seen{WANWith("84.1.1.2")})
	s.sends("home.example.com 84.1.1.2")
}

func TestBackOff(t *testing.T) {
	cases := []struct {
		kind  Kind
		state State
		waits []time.Duration // lower bounds; a quarter more is allowed for jitter
	}{
		{Unreachable, Waiting, []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 5 * time.Minute}},
		{Transient, Waiting, []time.Duration{5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 24 * time.Hour, 24 * time.Hour}},
		{Unconfirmed, Waiting, []time.Duration{5 * time.Minute, 10 * time.Minute}},
		{Throttled, Waiting, []time.Duration{30 * time.Minute, 30 * time.Minute}},
		{Clock, BadClock, []time.Duration{15 * time.Second, 15 * time.Second}},
	}
	for _, c := range cases {
		t.Run(c.kind.String(), func(t *testing.T) {
			s := begin(t, home())
			s.step(Seen{WANWith("84.0.0.2")})
			for i, least := range c.waits {
				s.after(time.Second, failed(s.job(), c.kind))
				s.silent()
				wait := s.plan.Wake.Sub(s.now)
				if exact := c.kind == Throttled || c.kind == Clock; wait < least || wait > least*5/4 || exact && wait != least {
					t.Errorf("failure %d: wait %s, want %s", i+1, wait, least)
				}
				if st := s.status(0); st.State != c.state || !strings.Contains(st.Reason, "it went wrong") {
					t.Errorf("status = %+v", st)
				}
				s.now = s.plan.Wake.Add(-time.Nanosecond)
				s.step(Tick{})
				s.silent()
				s.now = s.plan.Wake
				s.step(Tick{})
			}
			s.after(time.Second, good(s.job()))
			s.is(OK, 0)
		})
	}
}

func TestChangedWANEndsTheWaitForTheNetworkOnly(t *testing.T) {
	for _, k := range []Kind{Unreachable, Transient, Unconfirmed, Throttled} {
		s := begin(t, home())
		s.step(Seen{WANWith("84.0.0.2")})
		for range 5 {
			s.step(failed(s.job(), k))
			s.now = s.plan.Wake
			s.step(Tick{})
		}
		s.step(failed(s.job(), k))
		s.after(2*time.Second, Seen{WANWith("84.0.0.3")})
		if sent := len(s.plan.Jobs) == 1; sent != (k == Unreachable) {
			t.Errorf("%v: sent after a change: %t", k, sent)
		}
	}
}

func TestBlockIsSilentUntilTheUserActs(t *testing.T) {
	acts := map[string]Event{
		"resume":            Resume{"home"},
		"new configuration": Configure{[]Service{func() Service { s := home(); s.Config = "other"; return s }()}},
		"new account": Configure{[]Service{func() Service {
			s := home()
			s.Account, s.Config = "other", "other"
			return s
		}()}},
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			s := begin(t, home())
			s.step(Seen{WANWith("84.0.0.2")})
			s.after(time.Second, failed(s.job(), Blocked))
			if s.saved["home"].Blocked == "" {
				t.Error("the block is not stored")
			}
			s.is(NeedsUser, 0)
			for i, ev := range []Event{Tick{}, Poke{}, Seen{WANWith("84.0.0.3")}, Resume{"other"}, Configure{[]Service{home()}}} {
				s.after(time.Duration(i)*24*time.Hour, ev)
				s.silent()
				if !s.plan.Wake.IsZero() {
					t.Errorf("%T: wake at %v", ev, s.plan.Wake)
				}
			}

			// A reboot changes nothing.
			s.e = NewEngine(s.saved, s.now, 2)
			s.step(Configure{[]Service{home()}})
			s.after(time.Minute, Seen{WANWith("84.0.0.4")})
			s.silent()
			s.is(NeedsUser, 0)

			s.after(time.Second, act)
			s.sends("home.example.com 84.0.0.4")
		})
	}
}

// What kept a service waiting was another configuration, unless the provider
// asked for it.
func TestChangedConfigurationEndsOurOwnCautionOnly(t *testing.T) {
	corrected := home()
	corrected.Config = "corrected"
	for _, c := range []struct {
		kind Kind
		ends bool
	}{{Unreachable, true}, {Transient, true}, {Unconfirmed, true}, {Suspect, true}, {Clock, true}, {Throttled, false}, {Spent, false}} {
		for _, restart := range []bool{false, true} {
			for _, reload := range []Service{corrected, home()} {
				s := begin(t, home())
				s.step(Seen{WANWith("84.0.0.2")})
				for i := range 5 {
					d := failed(s.job(), c.kind)
					d.Err = &Fault{Kind: c.kind, Detail: fmt.Sprint("reason ", i), RetryAfter: 30 * time.Minute} // one that is repeated is a refusal
					s.after(time.Second, d)
					if i < 4 {
						s.now = s.plan.Wake
						s.step(Tick{})
					}
				}
				s.silent()
				wake := s.plan.Wake
				s.now = s.now.Add(time.Second) // sooner than anything else would have it
				if restart {
					if c.kind == Unreachable || c.kind == Clock {
						continue // which is forgotten
					}
					s.e = NewEngine(s.saved, s.clock, 2)
					s.step(Seen{WANWith("84.0.0.2")})
				}
				s.step(Configure{[]Service{reload}})
				if sent := len(s.plan.Jobs) == 1; sent != (c.ends && reload.Config == "corrected") {
					t.Errorf("%v, restart: %t, configuration %q: sent: %t", c.kind, restart, reload.Config, sent)
				}
				if len(s.plan.Jobs) == 0 {
					if restart {
						wake = wake.Add(time.Second) // which no clock knows to have passed
					}
					if late := s.plan.Wake.Sub(wake); late < 0 || late > time.Second {
						t.Errorf("%v, restart: %t, configuration %q: it waits until %s, not %s", c.kind, restart, reload.Config, s.plan.Wake, wake)
					}
					if c.kind.demands() {
						s.after(time.Minute, Poke{})
						s.silent()
					}
					continue
				}
				s.after(time.Second, failed(s.job(), Transient))
				if wait := s.plan.Wake.Sub(s.now); wait < 5*time.Minute || wait > 5*time.Minute*5/4 {
					t.Errorf("%v, restart: %t: the next wait is %s, not one of the first", c.kind, restart, wait)
				}
			}
		}
	}
}

// A fault of the former configuration that comes after the reload holds up
// nothing.
func TestFaultOfAReplacedConfigurationIsNoReasonToWait(t *testing.T) {
	for _, k := range []Kind{Unreachable, Transient, Unconfirmed, Clock, Throttled} {
		s := begin(t, home())
		s.step(Seen{WANWith("84.0.0.2")})
		j := s.job()
		corrected := home()
		corrected.Config = "corrected"
		s.after(time.Second, Configure{[]Service{corrected}})
		s.silent()
		s.after(time.Minute, failed(j, k))
		if sent := len(s.plan.Jobs) == 1; sent != (k != Throttled) {
			t.Errorf("%v: sent: %t", k, sent)
		}
	}
}

// A program that rewrites the configuration all the time is no user who mended
// it: the first change is tried at once, then one a minute.
func TestConfigurationThatKeepsChangingIsTriedOnceAMinute(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	sent := 0
	for i := range 600 {
		for len(s.plan.Jobs) > 0 {
			sent++
			s.step(failed(s.job(), Transient))
		}
		changed := home()
		changed.Config = fmt.Sprint(i)
		s.after(time.Second, Configure{[]Service{changed}})
	}
	if sent < 10 || sent > 12 {
		t.Errorf("%d requests in ten minutes", sent)
	}
}

// What the provider demands of one service does not end sooner because it
// demands less of another.
func TestThrottleOfAnAccountShortensNoWait(t *testing.T) {
	other := home()
	other.Name, other.Hosts = "other", []string{"other.example.com"}
	s := begin(t, home(), other)
	s.step(Seen{WANWith("84.0.0.2")})
	s.after(time.Second, failed(s.job(), Spent))
	waits := s.status(0)
	short := failed(s.job(), Throttled)
	short.Err = &Fault{Kind: Throttled, Detail: "it went wrong", RetryAfter: time.Minute}
	s.after(time.Second, short)
	if now := s.status(0); now.Next != waits.Next || now.Reason != waits.Reason {
		t.Errorf("it waits until %v, not %v: %s", now.Next, waits.Next, now.Reason)
	}
}

func TestChangedConfigurationFreesNoLimit(t *testing.T) {
	s := begin(t, limited(Limits{Floor: 5 * time.Minute}))
	s.step(Seen{WANWith("84.0.0.2")})
	for range 3 {
		s.after(time.Second, failed(s.job(), Transient))
		s.now = s.plan.Wake
		s.step(Tick{})
	}
	s.after(time.Second, failed(s.job(), Transient))
	corrected := limited(Limits{Floor: 5 * time.Minute})
	corrected.Config = "corrected"
	answered := s.now
	s.after(time.Minute, Configure{[]Service{corrected}})
	s.silent()
	if wait := s.plan.Wake.Sub(answered); wait != 5*time.Minute {
		t.Errorf("it may leave %s after the last answer, not 5 minutes", wait)
	}
	s.after(4*time.Minute, Tick{})
	s.sends("home.example.com 84.0.0.2")
}

// A state of before Spent was kept: what is not Throttled in it is our own.
func TestChangedConfigurationEndsAWaitOfAnOlderState(t *testing.T) {
	for _, throttled := range []bool{false, true} {
		var r persist.Record
		text := fmt.Sprintf(`{"account":"account","login":"login","config":"config","notBefore":"2026-11-22T10:00:00Z","waiting":"it went wrong","throttled":%t,"failures":8,"sent":9,"hosts":{"home.example.com":{"v4":"84.0.0.1"}}}`, throttled)
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		s := begin(t)
		s.e = NewEngine(map[string]persist.Record{"home": r}, start, 1)
		corrected := home()
		corrected.Config = "corrected"
		s.step(Configure{[]Service{corrected}})
		s.step(Seen{WANWith("84.0.0.2")})
		if sent := len(s.plan.Jobs) == 1; sent == throttled {
			t.Errorf("throttled: %t; sent: %t", throttled, sent)
		}
	}
}

func TestRefusedNameDoesNotHoldUpTheOthers(t *testing.T) {
	s := begin(t, home("a.example.com", "b.example.com"))
	s.step(Seen{WANWith("84.0.0.2")})
	d := good(s.job())
	d.Results[0] = Result{Host: "a.example.com", Answer: "nohost", Fault: &Fault{Kind: Refused, Detail: "a.example.com is not known"}}
	s.after(time.Second, d)
	s.silent()
	s.is(NeedsUser, 0)
	if st := s.status(0); !strings.Contains(st.Reason, "a.example.com") || st.LastError == "" {
		t.Errorf("status = %+v", st)
	}
	s.after(time.Hour, Seen{WANWith("84.0.0.3")})
	s.after(time.Second, good(s.sends("b.example.com 84.0.0.3")))
	s.after(time.Minute, Resume{"home"})
	s.after(time.Second, good(s.sends("a.example.com 84.0.0.3")))
	s.is(OK, 0)
}

func TestAnswerThatConfirmsLessThanWasSent(t *testing.T) {
	cases := map[string][]Result{
		"nothing":       nil,
		"another name":  {{Host: "x.example.com", V4: netip.MustParseAddr("84.0.0.2")}},
		"no address":    {{Host: "home.example.com"}},
		"wrong address": {{Host: "home.example.com", V4: netip.MustParseAddr("9.9.9.9"), V6: netip.MustParseAddr("2a00::9")}},
	}
	for name, results := range cases {
		s := begin(t, home())
		s.step(Seen{WANWith("84.0.0.2", "2a00:1:2:3::1")})
		s.after(time.Second, Done{Job: s.job(), Results: results})
		if s.silent(); s.plan.Wake.Sub(s.now) < 5*time.Minute {
			t.Errorf("%s: wake in %s", name, s.plan.Wake.Sub(s.now))
		}
		if r := s.status(0).Records; r[0].Published != "" || r[1].Published != "" {
			t.Errorf("%s: records = %+v", name, r)
		}
	}

	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2", "2a00:1:2:3::1")})
	s.after(time.Second, Done{Job: s.job(), Results: []Result{{Host: "home.example.com", V4: netip.MustParseAddr("84.0.0.2")}}})
	s.silent()
	s.now = s.plan.Wake
	s.step(Tick{})
	s.sends("home.example.com 2a00:1:2:3::1")
}

func TestServicesOfOneAccountTakeTurns(t *testing.T) {
	a, b, c := home("a.example.com"), home("b.example.com"), home("c.example.com")
	b.Name, c.Name, c.Account = "second", "elsewhere", "other"
	a.Limits.Floor, b.Limits.Floor = 2*time.Second, 2*time.Second
	s := begin(t, a, b, c)
	s.step(Seen{WANWith("84.0.0.2")})
	if len(s.plan.Jobs) != 2 || s.plan.Jobs[0].Service != "home" || s.plan.Jobs[1].Service != "elsewhere" {
		t.Fatalf("jobs = %+v", s.plan.Jobs)
	}
	s.after(time.Second, good(s.plan.Jobs[0]))
	s.silent()
	s.after(time.Second, Tick{})
	s.silent()
	s.after(time.Second, Tick{}) // the floor is the account's, from the answer on
	if s.job().Service != "second" {
		t.Errorf("next = %+v", s.plan.Jobs)
	}
	s.after(time.Second, failed(s.job(), Blocked))
	for i, want := range []State{NeedsUser, NeedsUser, Sending} {
		if st := s.status(i); st.State != want {
			t.Errorf("%s = %s, want %s", st.Name, st.State, want)
		}
	}
}

func TestRestartRemembers(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.after(time.Second, good(s.job()))
	s.after(time.Hour, Seen{WANWith("84.0.0.3")})
	s.after(time.Second, failed(s.job(), Throttled))
	stored := s.now

	restart := func(now time.Time, passed time.Duration) {
		s.e = NewEngine(s.saved, stored, 2)
		s.now = now
		s.step(Configure{[]Service{home()}})
		s.step(Clocked{Passed: passed})
		s.step(Seen{WANWith("84.0.0.3")})
	}
	restart(stored.Add(10*time.Minute), 10*time.Minute)
	s.silent()
	s.is(Waiting, 20*time.Minute)

	for _, now := range []time.Time{start.AddDate(-8, 0, 0), start.AddDate(8, 0, 0)} { // the clock at boot is wrong
		restart(now, 0)
		s.silent()
		if wait := s.plan.Wake.Sub(s.now); wait < 30*time.Minute || wait > 30*time.Minute+time.Second {
			t.Errorf("begun on %s, wait = %s, want 30 minutes", now, wait)
		}
	}

	restart(stored.Add(30*time.Minute+time.Second), 30*time.Minute+time.Second)
	s.sends("home.example.com 84.0.0.3")

	s.e = NewEngine(s.saved, stored, 2)
	s.step(Configure{[]Service{home()}})
	s.step(Seen{WANWith("84.0.0.2")})
	s.sends("home.example.com 84.0.0.2") // the other one may be published
}

func TestOtherAccountIsToldEverythingAgain(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.after(time.Second, good(s.job()))
	other := home()
	other.Account = "other"
	s.after(time.Second, Configure{[]Service{other}})
	s.sends("home.example.com 84.0.0.2")
}

func TestAnswerForTheAccountBeforeAReloadIsDropped(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	j := s.job()
	other := home()
	other.Account = "other"
	s.after(time.Second, Configure{[]Service{other}})
	s.silent()
	s.after(2*time.Second, failed(j, Blocked))
	s.sends("home.example.com 84.0.0.2")
}

func TestRefusalOfAReplacedPasswordBlocksNothing(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	j := s.job()
	mended := home()
	mended.Login, mended.Config = "new password", "new password"
	s.after(time.Second, Configure{[]Service{mended}})
	s.after(time.Second, denied(j))
	s.sends("home.example.com 84.0.0.2")
}

func TestStopStartsNothing(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	j := s.job()
	s.step(Seen{WANWith("84.0.0.3")})
	s.step(Stop{})
	s.after(time.Minute, good(j))
	s.silent()
	if got := s.saved["home"]; got.Intent != nil || got.Hosts.Of("home.example.com").V4.String() != "84.0.0.2" {
		t.Errorf("stored = %+v", got)
	}
}

func TestUnknownOutcomeStaysOpen(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	j := s.job()
	s.step(Stop{})
	s.step(Done{Job: j, Err: fmt.Errorf("cancelled")})
	if s.saved["home"].Intent == nil {
		t.Error("the intent was closed")
	}
}

func TestUpdateMayHurryOnlyOurOwnCaution(t *testing.T) {
	cases := []struct {
		kind  Kind
		after time.Duration
		sends bool
	}{
		{Unreachable, 2 * time.Second, true},
		{Transient, 30 * time.Second, false},
		{Transient, 2 * time.Minute, true},
		{Unconfirmed, 2 * time.Minute, true},
		{Throttled, 29 * time.Minute, false},
		{Clock, 2 * time.Second, true},
	}
	for _, c := range cases {
		s := begin(t, home())
		s.step(Seen{WANWith("84.0.0.2")})
		s.step(failed(s.job(), c.kind))
		s.after(c.after, Poke{})
		if got := len(s.plan.Jobs) == 1; got != c.sends {
			t.Errorf("%v after %s: sends %t, want %t", c.kind, c.after, got, c.sends)
		}
	}
}

func TestManyNamesAreSplit(t *testing.T) {
	var hosts []string
	for i := range 45 {
		hosts = append(hosts, fmt.Sprintf("h%d.example.com", i))
	}
	svc := home(hosts...)
	svc.Limits = Limits{HostsPerRequest: 20, Floor: 2 * time.Second}
	s := begin(t, svc)
	s.step(Seen{WANWith("84.0.0.2")})
	var sizes []int
	for {
		if len(s.plan.Jobs) == 0 {
			if s.plan.Wake.IsZero() {
				break
			}
			s.now = s.plan.Wake
			s.step(Tick{})
			continue
		}
		sizes = append(sizes, len(s.job().Request.Hosts))
		s.step(good(s.job()))
	}
	if !slices.Equal(sizes, []int{20, 20, 5}) || s.now.Sub(start) != 4*time.Second {
		t.Errorf("sizes = %v after %s", sizes, s.now.Sub(start))
	}
}

func TestFamilyAndDisabled(t *testing.T) {
	four, six, off := home(), home(), home()
	four.Name, four.Account, four.Families = "four", "4", [2]bool{true, false}
	six.Name, six.Account, six.Families = "six", "6", [2]bool{false, true}
	off.Name, off.Account, off.Enabled = "off", "o", false
	four.Source = DeviceSource
	s := begin(t, four, six, off)
	s.step(Seen{WANWith("84.0.0.2", "2a00:1:2:3::1")})
	if len(s.plan.Jobs) != 2 || s.plan.Jobs[0].Request.V6.IsValid() || s.plan.Jobs[1].Request.V4.IsValid() {
		t.Errorf("jobs = %+v", s.plan.Jobs)
	}
	if st := s.status(2); st.State != Disabled {
		t.Errorf("off = %+v", st)
	}
	s.step(Seen{WANWith("192.168.1.2", "fd00::1")})
	s.step(good(Job{"four", "4", "login", "config", Request{Hosts: []string{"home.example.com"}, V4: netip.MustParseAddr("84.0.0.2")}}))
	if st := s.status(0); st.State != NoAddress || !strings.Contains(st.Reason, "192.168.1.2") {
		t.Errorf("four = %+v", st)
	}
	if st := s.status(1); st.State != Sending {
		t.Errorf("six = %+v", st)
	}
}

func TestOutageWritesNothing(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	for i := range 20 {
		s.step(failed(s.job(), []Kind{Unreachable, Clock}[i%2]))
		if s.plan.Save {
			t.Fatal("stored")
		}
		s.now = s.plan.Wake
		s.step(Tick{})
		if s.plan.Save {
			t.Fatal("stored")
		}
	}
	s.step(good(s.job()))
	if st := s.status(0); st.Sent != 1 || s.saved["home"].Intent != nil {
		t.Errorf("sent = %d, stored = %+v", st.Sent, s.saved["home"])
	}
}

func TestNewServiceWaitsWithItsAccount(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(failed(s.job(), Throttled))
	second := home("b.example.com")
	second.Name = "second"
	s.after(10*time.Minute, Configure{[]Service{second}})
	s.silent()
	s.is(Waiting, 20*time.Minute)
}

func TestUpdateMayHurryAfterARestartToo(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(failed(s.job(), Transient))
	s.e = NewEngine(s.saved, s.now, 2)
	s.after(time.Minute, Configure{[]Service{home()}})
	s.step(Seen{WANWith("84.0.0.2")})
	s.silent()
	s.step(Poke{})
	s.sends("home.example.com 84.0.0.2")
}

func TestOtherNamesOfAServiceKnowWhatItKnew(t *testing.T) {
	renamed, beside := home(), home("b.example.com")
	renamed.Name, renamed.Config = "renamed", "renamed"
	beside.Name, beside.Config = "beside", "beside"
	password := beside
	password.Login = "other password"
	for _, restart := range []bool{false, true} {
		again := func(s *script, services ...Service) {
			s.now = s.now.Add(time.Minute)
			if restart {
				s.e = NewEngine(s.saved, s.now, 2)
				s.step(Seen{WANWith("84.0.0.2")})
			}
			s.step(Configure{services})
		}
		s := begin(t, home())
		s.step(Seen{WANWith("84.0.0.2")})
		s.after(time.Second, good(s.job()))
		again(s, renamed)
		s.silent()
		s.is(OK, 0)

		s = begin(t, home())
		s.step(Seen{WANWith("84.0.0.2")})
		s.after(time.Second, failed(s.job(), Blocked))
		again(s, renamed)
		s.silent()
		s.is(NeedsUser, 0)
		again(s, beside)
		s.silent()
		s.is(NeedsUser, 0)
		s.after(time.Second, Resume{"beside"})
		s.after(time.Second, good(s.job()))
		again(s, home("c.example.com"))
		s.sends("c.example.com 84.0.0.2")

		s = begin(t, home())
		s.step(Seen{WANWith("84.0.0.2")})
		s.after(time.Second, failed(s.job(), Blocked))
		again(s, password)
		s.sends("b.example.com 84.0.0.2")
	}
}

func TestRequestForAnAddressThatWasReplacedIsGivenUp(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	j := s.job()
	s.after(time.Second, Seen{WANWith()})
	if len(s.plan.Cancel) > 0 {
		t.Fatal("an address that is gone may come back")
	}
	s.after(time.Second, Seen{WANWith("84.0.0.3")})
	if len(s.plan.Cancel) != 1 {
		t.Fatal("the request goes on")
	}
	s.step(Done{Job: j, Err: context.Canceled})
	s.sends("home.example.com 84.0.0.3")
}

func TestOurOwnCautionIsAboutTheAddressThatFailed(t *testing.T) {
	for _, k := range []Kind{Transient, Unconfirmed} {
		s := begin(t, home())
		s.step(Seen{WANWith("84.0.0.2")})
		s.after(time.Second, failed(s.job(), k))
		s.after(10*time.Second, Seen{WANWith("84.0.0.3")})
		s.silent()
		s.is(Waiting, 49*time.Second)
		s.now = s.plan.Wake
		s.step(Tick{})
		s.sends("home.example.com 84.0.0.3")
	}
}

func TestPublishedIPv6AddressStaysWhileItIsGood(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("2a00:1::5")})
	s.after(time.Second, good(s.job()))
	s.after(time.Hour, Seen{WANWith("2a00:1::77", "2a00:1::5")})
	s.silent()
	s.after(time.Hour, Seen{WANWith("2a00:1::77")})
	s.sends("home.example.com 2a00:1::77")
}

func TestAddressThatChangesFasterThanTheProviderAnswers(t *testing.T) {
	svc := home()
	s := begin(t, svc)
	s.step(Seen{WANWith("84.0.0.1")})
	requests := 1
	var flight []Job
	flight = append(flight, s.job())
	for i := range 600 { // a minute of ten changes a second
		s.after(100*time.Millisecond, Seen{WANWith(fmt.Sprintf("84.0.%d.%d", i/250+1, i%250+1))})
		for len(s.plan.Cancel) > 0 {
			j := flight[0]
			flight = flight[1:]
			s.step(Done{Job: j, Err: context.Canceled})
			requests += len(s.plan.Jobs)
			flight = append(flight, s.plan.Jobs...)
		}
		if len(s.plan.Jobs) > 0 && len(flight) == 0 {
			requests++
			flight = append(flight, s.job())
		}
	}
	if requests > 8 {
		t.Errorf("%d requests in a minute", requests)
	}
}

func TestManyServicesOfOneAccountDoNotWaitForEachOther(t *testing.T) {
	var services []Service
	for i := range 5 {
		svc := home(fmt.Sprintf("h%d.example.com", i))
		svc.Name = fmt.Sprint("host", i)
		services = append(services, svc)
	}
	s := begin(t, services...)
	s.step(Seen{WANWith("84.0.0.2")})
	for i := range services {
		s.sends(fmt.Sprintf("h%d.example.com 84.0.0.2", i))
		s.after(time.Millisecond, good(s.job()))
	}
	s.is(OK, 0)
}

func TestReasonOfAWaitIsTheLongerOne(t *testing.T) {
	s := begin(t, limited(Limits{PerDay: 2}))
	for i, a := range []string{"84.0.0.2", "84.0.0.3", "84.0.0.4"} {
		s.after(time.Duration(i)*3*time.Second, Seen{WANWith(a)})
		if len(s.plan.Jobs) > 0 {
			s.step(good(s.job()))
		}
	}
	if st := s.status(0); st.State != Waiting || !strings.Contains(st.Reason, "2 changes of a name in 24 hours") {
		t.Errorf("status = %+v", st)
	}
}

// A thousand handshakes at once would need more memory than a router has.
func TestManyServicesTakeTurns(t *testing.T) {
	const n = 3*mostAtOnce + 1
	var services []Service
	for i := range n {
		s := home(fmt.Sprintf("h%d.example.com", i))
		s.Name, s.Account = s.Hosts[0], s.Hosts[0]
		services = append(services, s)
	}
	e := NewEngine(nil, time.Time{}, 1)
	e.Step(start, Configure{services})
	var flying []Event
	most, sent, told := 0, 0, ""
	take := func(p Plan) {
		for _, c := range p.Checks {
			flying = append(flying, Checked{Key: c.Key})
		}
		for _, j := range p.Jobs {
			flying, sent = append(flying, good(j)), sent+1
		}
		most = max(most, len(flying))
	}
	take(e.Step(start, Seen{WANWith("84.0.0.2")}))
	told = e.Status(start).Services[n-1].Reason
	for len(flying) > 0 {
		ev := flying[0]
		flying = flying[1:]
		take(e.Step(start, ev))
	}
	if sent != n || most != mostAtOnce {
		t.Errorf("%d requests, %d at once; want %d and %d", sent, most, n, mostAtOnce)
	}
	if want := "another request is on its way; 84.0.0.2 is sent after it"; told != want {
		t.Errorf("the last one says %q, want %q", told, want)
	}
}
