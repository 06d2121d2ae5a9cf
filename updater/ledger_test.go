package updater

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"wandns/wan"
)

// Stepped is a time of a process whose clock was set: the wall clock moved, the
// monotonic one did not.
func Stepped(t time.Time, by time.Duration) time.Time {
	const nanoseconds = 30                                                  // bits below the seconds
	*(*uint64)(unsafe.Pointer(&t)) += uint64(by/time.Second) << nanoseconds // time.Time.wall
	return t
}

func TestStepped(t *testing.T) {
	now := time.Now()
	for _, by := range []time.Duration{time.Hour, -time.Hour, 50 * 24 * time.Hour} {
		if s := Stepped(now, by); s.Sub(now) != 0 || s.Unix()-now.Unix() != int64(by/time.Second) {
			t.Errorf("%s: %s is %s after %s", by, s, s.Sub(now), now)
		}
	}
}

func limited(l Limits, hosts ...string) Service {
	s := home(hosts...)
	s.Limits = l
	return s
}

// waits plays the time until the next wake-up, which must be then, to the
// second.
func (s *script) waits(until time.Time) {
	s.t.Helper()
	s.silent()
	if s.plan.Wake.Sub(until).Abs() > time.Second {
		s.t.Fatalf("wakes after %s, want after %s", s.plan.Wake.Sub(s.now), until.Sub(s.now))
	}
	s.now = s.plan.Wake
	s.step(Tick{})
}

// reboot starts anew from what was stored, some time after that; the clock is
// then at.
func (s *script) reboot(at time.Time, later time.Duration, services ...Service) {
	s.t.Helper()
	s.e, s.now = NewEngine(maps.Clone(s.saved), s.clock, 2), at
	s.step(Configure{services})
	s.step(Clocked{Trusted: true, Passed: later})
}

func TestBothFamiliesCountForTheDay(t *testing.T) {
	s := begin(t, limited(Limits{PerDay: 2, OneFamily: true, HostsPerRequest: 1}))
	s.step(Seen{WANWith("84.0.0.2", "2a00::1")})
	s.after(time.Second, good(s.sends("home.example.com 84.0.0.2")))
	four := s.now
	s.after(time.Second, good(s.sends("home.example.com 2a00::1")))
	six := s.now
	s.is(OK, 0)
	for i, a := range []string{"84.0.0.3", "84.0.0.4", "84.0.0.5"} {
		s.after(time.Duration(i+1)*time.Hour, Seen{WANWith(a, "2a00::2")})
		s.silent()
	}
	if st := s.status(0); st.State != Waiting || !strings.Contains(st.Reason, "allows 2 changes of a name in 24 hours, and home.example.com has had them") {
		t.Errorf("status = %+v", st)
	}
	s.waits(four.Add(aDay + margin))
	s.after(0, good(s.sends("home.example.com 84.0.0.5"))) // the newest
	s.waits(six.Add(aDay + margin))
	s.after(0, good(s.sends("home.example.com 2a00::2")))
	s.is(OK, 0)
}

func TestFamilyThatWaitedLongestGoesFirst(t *testing.T) {
	s := begin(t, limited(Limits{OneFamily: true, HostsPerRequest: 1}))
	s.step(Seen{WANWith("84.0.0.2")})
	s.after(time.Second, good(s.job()))
	for i, want := range []string{"2a00::1", "84.0.0.4", "2a00::3", "84.0.0.6"} { // one of two leaves before the next change
		s.after(time.Hour, Seen{WANWith([]string{"84.0.0.3", "84.0.0.4", "84.0.0.5", "84.0.0.6"}[i], []string{"2a00::1", "2a00::2", "2a00::3", "2a00::4"}[i])})
		s.sends("home.example.com " + want)
		s.after(time.Second, good(s.job()))
		s.step(Done{Job: s.job(), Results: []Result{{Host: "home.example.com", Fault: &Fault{Kind: Transient, Detail: "later"}}}})
	}
}

func TestSpentNameDelaysNoOther(t *testing.T) {
	l := Limits{PerDay: 1, OneFamily: true, HostsPerRequest: 1}
	s := begin(t, limited(l, "a.example.com"))
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(good(s.sends("a.example.com 84.0.0.2")))
	both := limited(l, "a.example.com", "b.example.com")
	s.after(10*time.Hour, Seen{WANWith("84.0.0.3")})
	s.silent()
	s.step(Configure{[]Service{both}})
	s.step(good(s.sends("b.example.com 84.0.0.3")))
	s.after(time.Hour, Seen{WANWith("84.0.0.4")})
	s.waits(start.Add(aDay + margin))
	s.step(good(s.sends("a.example.com 84.0.0.4")))
	s.waits(start.Add(10*time.Hour + aDay + margin))
	s.step(good(s.sends("b.example.com 84.0.0.4")))
	s.is(OK, 0)
}

func TestHourCountsAllAccountsOfAProvider(t *testing.T) {
	l := Limits{PerHour: 3}
	a, b, c := limited(l, "a.example.com"), limited(l, "b.example.com"), limited(l, "c.example.com")
	b.Name, b.Account = "second", "other"
	c.Name, c.Account, c.Provider = "third", "third", "elsewhere"
	s := begin(t, a, b, c)
	answer := func(want ...string) {
		t.Helper()
		var got []string
		jobs := s.plan.Jobs
		for _, j := range jobs {
			got = append(got, j.Service)
			s.step(good(j))
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("requests of %v, want %v", got, want)
		}
	}
	s.step(Seen{WANWith("84.0.0.2")})
	answer("home", "second", "third")
	s.after(20*time.Minute, Seen{WANWith("84.0.0.3")})
	answer("home", "third")
	s.after(0, Tick{})
	s.silent()
	if st := s.status(1); st.State != Waiting || !strings.Contains(st.Reason, "allows 3 requests in an hour, and this router has made them") {
		t.Errorf("status = %+v", st)
	}
	s.waits(start.Add(anHour + margin))
	answer("second")

	// Over a reboot too.
	s.after(time.Minute, Seen{WANWith("84.0.0.4")})
	answer("home", "third")
	s.reboot(s.now.Add(time.Minute), time.Minute, a, b, c)
	s.step(Seen{WANWith("84.0.0.4")})
	s.waits(start.Add(20*time.Minute + anHour + margin))
}

func TestProviderCountedMore(t *testing.T) {
	s := begin(t, limited(Limits{PerDay: 2, HostsPerRequest: 1}, "a.example.com", "b.example.com"))
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(failed(s.sends("a.example.com 84.0.0.2"), Spent))
	s.step(good(s.sends("b.example.com 84.0.0.2")))
	s.waits(start.Add(aDay + margin))
	s.step(good(s.sends("a.example.com 84.0.0.2")))
	s.is(OK, 0)

	s = begin(t, home()) // one of which no number is known
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(failed(s.job(), Spent))
	s.waits(start.Add(longest))
	s.sends("home.example.com 84.0.0.2")
}

func TestSuspicionThatIsRepeatedIsARefusal(t *testing.T) {
	suspect := func(j Job, why string) Done {
		return Done{Job: j, Err: &Fault{Kind: Suspect, Detail: why}}
	}
	s := begin(t, home("a.example.com", "b.example.com"))
	s.e.services[0].Limits.HostsPerRequest = 1
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(suspect(s.sends("a.example.com 84.0.0.2"), "no such host"))
	s.silent()
	s.now = s.plan.Wake
	s.step(Tick{})
	s.step(suspect(s.sends("a.example.com 84.0.0.2"), "wrong login")) // another suspicion
	if s.saved["home"].Hosts.Of("a.example.com").Refused != "" {
		t.Fatal("refused by two different words")
	}
	s.now = s.plan.Wake
	s.step(Tick{})
	s.step(good(s.sends("a.example.com 84.0.0.2")))
	s.step(good(s.sends("b.example.com 84.0.0.2")))
	s.after(time.Hour, Seen{WANWith("84.0.0.3")})
	s.step(suspect(s.sends("a.example.com 84.0.0.3"), "wrong login")) // a success lay between
	s.silent()
	s.reboot(s.plan.Wake, s.plan.Wake.Sub(s.now), Service{s.e.services[0].Self, *s.e.services[0].Terms})
	s.step(Seen{WANWith("84.0.0.3")})
	if len(s.plan.Jobs) == 0 { // the wait is stored in whole seconds
		s.now = s.plan.Wake
		s.step(Tick{})
	}
	s.step(suspect(s.sends("a.example.com 84.0.0.3"), "wrong login"))
	s.step(good(s.sends("b.example.com 84.0.0.3")))
	s.is(NeedsUser, 0)
	s.after(aDay, Seen{WANWith("84.0.0.4")})
	s.step(good(s.sends("b.example.com 84.0.0.4")))
	s.step(Resume{"home"})
	s.sends("a.example.com 84.0.0.4")
}

// A router without a battery may have been anywhere in time, twice.
func TestLedgerAndWaitsOutliveALostClock(t *testing.T) {
	lost := start.AddDate(-10, 0, 0)
	for name, c := range map[string]struct {
		limits Limits
		answer func(Job) Done
		wait   time.Duration
	}{
		"day":      {Limits{PerDay: 1}, good, aDay + margin},
		"hour":     {Limits{PerHour: 1}, good, anHour + margin},
		"floor":    {Limits{Floor: 5 * time.Minute}, good, 5 * time.Minute},
		"throttle": {Limits{}, func(j Job) Done { return failed(j, Throttled) }, 30 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			svc := limited(c.limits)
			s := begin(t, svc)
			s.step(Seen{WANWith("84.0.0.1")})
			s.step(good(s.job()))
			s.reboot(lost, 0, svc)
			s.step(Seen{WANWith("84.0.0.2")})
			if len(s.plan.Jobs) == 0 {
				s.now = s.plan.Wake
				s.step(Tick{})
			}
			s.after(time.Second, c.answer(s.job())) // while the clock is behind
			for range 2 {
				s.reboot(lost, 0, svc) // again
				s.step(Seen{WANWith("84.0.0.3")})
				s.silent()
				if wait := s.plan.Wake.Sub(s.now); wait < c.wait-time.Second || wait > c.wait+2*time.Second {
					t.Errorf("waits %s, want %s", wait, c.wait)
				}
			}
		})
	}
}

// One service stores nothing after the clock was set; another does.
func TestClockThatIsSetIsNoTimeThatPassed(t *testing.T) {
	for _, by := range []time.Duration{-30 * aDay, -time.Hour, time.Hour, 30 * aDay} {
		day, wait, other := limited(Limits{PerDay: 1}, "day.example.com"), home("wait.example.com"), home("other.example.com")
		wait.Name, wait.Account, other.Name, other.Account = "wait", "wait", "other", "other"
		s := begin(t)
		s.e, s.now = NewEngine(nil, time.Time{}, 1), time.Now() // which is monotonic
		s.step(Configure{[]Service{day, wait, other}})
		s.step(Seen{WANWith("84.0.0.1")})
		jobs := s.plan.Jobs
		s.step(good(jobs[0]))
		s.step(failed(jobs[1], Throttled))
		s.step(good(jobs[2]))
		s.now = Stepped(s.now.Add(time.Minute), by)
		s.step(Seen{WANWith("84.0.0.2")})
		s.step(good(s.job())) // the other's
		until, err := time.Parse(time.RFC3339, s.status(1).Next)
		if wait := until.Sub(s.now.Round(0)); err != nil || (wait-29*time.Minute).Abs() > time.Second {
			t.Errorf("set by %s: it says that it waits %s, want 29 minutes", by, wait)
		}
		s.reboot(s.now.Add(time.Minute), 0, day, wait, other)
		s.step(Seen{WANWith("84.0.0.2")})
		s.silent()
		for i, want := range []time.Duration{aDay + margin - time.Minute, 29 * time.Minute} {
			until, err := time.Parse(time.RFC3339, s.status(i).Next)
			if wait := until.Sub(s.now.Round(0)); err != nil || wait < want-2*time.Second || wait > want+2*time.Second {
				t.Errorf("set by %s: service %d waits %s, want %s", by, i, wait, want)
			}
		}
	}
}

// A crash leaves one request of unknown outcome, whatever was counted for it.
func TestRequestOfUnknownOutcomeCountsOnce(t *testing.T) {
	svc := limited(Limits{PerDay: 2})
	s := begin(t, svc)
	s.step(Seen{WANWith("84.0.0.1")})
	s.job()
	s.reboot(start.Add(10*time.Minute), 10*time.Minute, svc)
	again := s.now
	s.step(Seen{WANWith("84.0.0.1")})
	s.step(good(s.job()))
	s.after(time.Minute, Seen{WANWith("84.0.0.2")})
	s.waits(again.Add(aDay + margin))
	s.step(good(s.job()))
}

func TestWhatTheProviderDoesNotCount(t *testing.T) {
	for name, c := range map[string]struct {
		limits Limits
		answer func(Job) Done
		free   bool // for the next
	}{
		"unchanged, day":    {Limits{PerDay: 1}, unchanged, true},
		"unchanged, hour":   {Limits{PerHour: 1}, unchanged, false},
		"unreachable, day":  {Limits{PerDay: 1}, with(Unreachable), true},
		"unreachable, hour": {Limits{PerHour: 1}, with(Unreachable), true},
		"unreachable":       {Limits{Floor: time.Hour}, with(Unreachable), true},
		"clock":             {Limits{Floor: time.Hour, PerHour: 1, PerDay: 1}, with(Clock), true},
		"refused, day":      {Limits{PerDay: 1}, with(Transient), true},
		"transient, hour":   {Limits{PerHour: 1}, with(Transient), false},
		"unknown, day":      {Limits{PerDay: 1}, with(Unconfirmed), false},
		"given up, day":     {Limits{PerDay: 1}, func(j Job) Done { return Done{Job: j, Err: context.Canceled} }, false},
		"changed, day":      {Limits{PerDay: 1}, good, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, limited(c.limits))
			s.step(Seen{WANWith("84.0.0.2")})
			d := c.answer(s.job())
			s.after(time.Second, d)
			s.after(10*time.Minute, Seen{WANWith("84.0.0.3")})
			if free := len(s.plan.Jobs) == 1; free != c.free {
				t.Errorf("the next leaves: %t, want %t; %+v", free, c.free, s.status(0))
			}
		})
	}
}

func unchanged(j Job) Done {
	d := good(j)
	for i := range d.Results {
		d.Results[i].Unchanged = true
	}
	return d
}

func with(k Kind) func(Job) Done { return func(j Job) Done { return failed(j, k) } }

// The floor is as it was before a request that the provider did not see.
func TestFloorHoldsAfterAnOutage(t *testing.T) {
	s := begin(t, limited(Limits{Floor: time.Hour}))
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(good(s.job()))
	s.after(anHour, Seen{WANWith("84.0.0.3")})
	s.step(failed(s.job(), Unreachable))
	s.now = s.plan.Wake
	s.step(Tick{})
	s.step(good(s.sends("home.example.com 84.0.0.3")))
	sent := s.now
	s.after(time.Minute, Seen{WANWith("84.0.0.4")})
	s.waits(sent.Add(anHour))
	s.sends("home.example.com 84.0.0.4")
}

func TestPersonsRequestsKeepTheLimits(t *testing.T) {
	svc := limited(Limits{PerDay: 3, PerHour: 4, HostsPerRequest: 1})
	s := begin(t, svc)
	ask := func(changes int, until time.Duration, why string) Reserve {
		t.Helper()
		r := Reserve{Service: "home", Changes: changes}
		if changes > 0 {
			r.Hosts = svc.Hosts
		}
		s.step(r)
		want := Permit{Why: s.plan.Permit.Why}
		if until > 0 {
			want.Until = start.Add(until)
		}
		if got := s.plan.Permit; !got.Until.Equal(want.Until) || (got.Why == "") != (why == "") || !strings.Contains(got.Why, why) {
			t.Fatalf("permit = %+v, want until %s because %q", got, want.Until, why)
		}
		return r
	}
	ask(2, 0, "")
	if len(s.saved["home"].Hosts.Of("home.example.com").Changes) != 2 || len(s.saved["home"].Requests) != 1 {
		t.Errorf("what was permitted is not stored: %+v", s.saved["home"])
	}
	ask(2, aDay+margin, "allows 3 changes")
	heard := ask(1, 0, "")
	s.step(Heard{heard, Fault{Kind: Refused, Detail: "no"}}) // a change that was not made
	heard = ask(1, 0, "")
	s.step(Heard{heard, Fault{Kind: Unconfirmed}}) // one that may have been
	ask(1, aDay+margin, "allows 3 changes")
	ask(0, 0, "")
	ask(0, anHour+margin, "allows 4 requests in an hour")
	s.step(Reserve{Service: "nobody"})
	if s.plan.Permit.Why == "" {
		t.Error("a service that there is not is permitted")
	}

	// The daemon waits for what a person used up, over a reboot too.
	s.reboot(start.Add(2*anHour), 2*anHour, svc)
	s.step(Seen{WANWith("84.0.0.2")})
	s.waits(start.Add(aDay + margin))
	j := s.sends("home.example.com 84.0.0.2")
	s.step(Reserve{Service: "home"})
	if !s.plan.Permit.Until.After(s.now) {
		t.Error("two requests at once are permitted")
	}
	s.step(good(j))

	// What the provider tells a person holds for the daemon.
	s = begin(t, svc)
	s.step(Heard{Reserve{Service: "home"}, Fault{Kind: Throttled, RetryAfter: time.Hour, Detail: "slow down"}})
	s.step(Seen{WANWith("84.0.0.2")})
	s.is(Waiting, time.Hour)
	ask(0, time.Hour, "slow down")
	s = begin(t, svc)
	s.step(Heard{Reserve{"home", svc.Hosts, 1}, Fault{Kind: Spent}})
	s.step(Seen{WANWith("84.0.0.2")})
	s.waits(start.Add(aDay + margin))
	s = begin(t, svc)
	s.step(Heard{Reserve{Service: "home"}, Fault{Kind: Blocked, Detail: "wrong password"}})
	s.step(Seen{WANWith("84.0.0.2")})
	s.sends("home.example.com 84.0.0.2") // what was asked for is not what the daemon asks
}

func TestRequestThatIsItsOwnContentLeavesByItsAddress(t *testing.T) {
	for _, c := range []struct {
		fromSource bool
		device     string
		want       Way
	}{
		{false, "", Way{}},
		{false, "wan0", Way{Device: "wan0", V4: netip.MustParseAddr("84.0.0.2"), V6: netip.MustParseAddr("2a00::1")}},
		{true, "", Way{Device: "wan0", V4: netip.MustParseAddr("84.0.0.2"), Only: OnlyIPv4}},
		{true, "wan0", Way{Device: "wan0", V4: netip.MustParseAddr("84.0.0.2"), Only: OnlyIPv4}},
	} {
		svc := home()
		svc.FromSource, svc.Policy.Device = c.fromSource, c.device
		svc.Families[wan.IPv6] = !c.fromSource
		s := begin(t, svc)
		s.step(Seen{WANWith("84.0.0.2", "2a00::1")})
		if got := s.job().Request.Way; got != c.want {
			t.Errorf("from source %t, device %q: %+v, want %+v", c.fromSource, c.device, got, c.want)
		}
	}
}

// They were got with a login, which whoever names another server has to type
// anew.
func TestTokensAreOfOneLogin(t *testing.T) {
	for changed, want := range map[string]int{"login": 0, "config": 1} {
		svc := home("a.example.com")
		s := begin(t, svc)
		s.step(Seen{WANWith("84.0.0.2")})
		d := good(s.job())
		d.Results[0].Tokens = map[string]string{"a": "secret-a"}
		s.after(time.Second, d)
		if svc.Config = "other"; changed == "login" {
			svc.Login = "other"
		}
		s.reboot(s.now.Add(time.Hour), time.Hour, svc)
		s.step(Seen{WANWith("84.0.0.3")})
		if got := s.job().Request.Tokens; len(got) != want || len(s.saved["home"].Tokens) != want {
			t.Errorf("after another %s: %v", changed, got)
		}
	}
}

func TestTokensAreKeptAndShownNowhere(t *testing.T) {
	svc := home("a.example.com", "b.example.com")
	s := begin(t, svc)
	s.step(Seen{WANWith("84.0.0.2")})
	answer := func(fault *Fault, tokens ...map[string]string) {
		d := good(s.job())
		for i, t := range tokens {
			d.Results[i].Tokens = t
		}
		d.Results[0].Fault = fault
		s.after(time.Second, d)
	}
	answer(nil, map[string]string{"a": "secret-a"}, map[string]string{"b": "secret-b"})
	s.after(time.Hour, Seen{WANWith("84.0.0.3")})
	kept := func(want map[string]string) {
		t.Helper()
		if got := s.job().Request.Tokens; !maps.Equal(got, want) || !maps.Equal(s.saved["home"].Tokens, want) {
			t.Fatalf("tokens %v, stored %v, want %v", got, s.saved["home"].Tokens, want)
		}
	}
	kept(map[string]string{"a": "secret-a", "b": "secret-b"})
	before := s.job().Request.Tokens
	answer(&Fault{Kind: Transient, Detail: "later"}, map[string]string{"a": "", "c": "secret-c"})
	if len(before) != 2 {
		t.Error("the tokens of a request changed in flight")
	}
	s.reboot(s.now.Add(time.Hour), time.Hour, svc)
	s.step(Seen{WANWith("84.0.0.4")})
	kept(map[string]string{"b": "secret-b", "c": "secret-c"})
	st := s.e.Status(s.now)
	if text := fmt.Sprintf("%+v", st); strings.Contains(text, "secret-") {
		t.Errorf("the status has a token: %s", text)
	}

	other := svc
	other.Account = "other"
	s.step(Configure{[]Service{other}})
	s.step(Done{Job: Job{"home", "account", "login", "config", Request{}}})
	if got := s.job().Request.Tokens; len(got) > 0 {
		t.Errorf("another account gets the tokens %v", got)
	}
}
