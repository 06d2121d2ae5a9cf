package updater

import (
	"fmt"
	"testing"
	"time"

	"wandns/persist"
)

func TestWhichClockIsTrusted(t *testing.T) {
	at := func(wall time.Time, up time.Duration) Reading { return Reading{Wall: wall, Boot: "this", Up: up} }
	saved := func(wall time.Time, boot string, up time.Duration, trusted bool) persist.Moment {
		return persist.Moment{Wall: wall, Boot: boot, Up: up, Trusted: trusted}
	}
	synced := func(r Reading) Reading { r.Synced = true; return r }
	old, future := time.Unix(60, 0), start.AddDate(14, 0, 0)
	for name, c := range map[string]struct {
		now  Reading
		last persist.Moment
		want bool
	}{
		"nothing speaks for it":        {at(start, time.Minute), persist.Moment{}, false},
		"synced":                       {synced(at(start, time.Minute)), persist.Moment{}, true},
		"synced, the store ahead":      {synced(at(start, time.Minute)), saved(future, "before", 0, true), true},
		"synced before it was written": {synced(at(old, time.Minute)), persist.Moment{}, false},
		"goes on in this boot":         {at(start, time.Minute), saved(start.Add(-10*time.Second), "this", 50*time.Second, true), true},
		"does not go on":               {at(start, time.Minute), saved(start.Add(-time.Hour), "this", 50*time.Second, true), false},
		"goes on, but was wrong":       {at(start, time.Minute), saved(start.Add(-10*time.Second), "this", 50*time.Second, false), false},
		"another boot":                 {at(start, time.Minute), saved(start.Add(-10*time.Second), "before", 50*time.Second, true), false},
	} {
		if got := trusts(c.now, c.last); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestHowMuchTimeIsKnownToHavePassed(t *testing.T) {
	saved := persist.Moment{Wall: start, Trusted: true, Boot: "one", Up: time.Hour}
	doubtful := saved
	doubtful.Trusted = false
	later := start.Add(10 * time.Hour)
	same, other := Reading{Boot: "one", Up: 3 * time.Hour}, Reading{Boot: "two", Up: time.Minute}
	now := Reading{Wall: later.Add(5 * time.Minute), Boot: "two", Up: 6 * time.Minute}
	for name, c := range map[string]struct {
		saved   persist.Moment
		start   Reading
		now     Reading
		trusted bool
		want    time.Duration
	}{
		"the same boot":                      {saved, same, Reading{Wall: later, Boot: "one", Up: same.Up}, false, 2 * time.Hour},
		"the same boot, the clock far ahead": {saved, same, Reading{Wall: later.AddDate(9, 0, 0), Boot: "one", Up: same.Up}, true, 2 * time.Hour},
		"another boot":                       {saved, other, now, true, 10*time.Hour - margin},
		"another boot, the clock doubtful":   {saved, other, now, false, time.Minute},
		"stored by a doubtful clock":         {doubtful, other, now, true, time.Minute},
		"stored by a clock that was ahead":   {saved, other, Reading{Wall: start.AddDate(-1, 0, 0), Boot: "two", Up: time.Minute}, true, time.Minute},
		"nothing stored":                     {persist.Moment{}, other, now, true, 0},
		"boots cannot be told apart":         {doubtful, Reading{Up: time.Hour}, Reading{Wall: later, Up: time.Hour}, true, 0},
	} {
		if got := passed(c.saved, c.start, c.now, c.trusted); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestTimeThatBecomesKnownShortensWhatWasRestored(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(failed(s.job(), Throttled)) // 30 minutes
	s.now = s.now.AddDate(9, 0, 0)
	s.e = NewEngine(s.saved, start, 2)
	s.step(Configure{[]Service{home()}})
	s.step(Seen{WANWith("84.0.0.2")})
	s.is(Waiting, 30*time.Minute)
	if got := s.e.Status(s.now).Clock; got != "waiting" {
		t.Errorf("clock is %s", got)
	}
	s.after(2*time.Minute, Clocked{Passed: 3 * time.Minute}) // uptime
	s.is(Waiting, 25*time.Minute)
	s.after(time.Minute, Clocked{Passed: 3 * time.Minute, Set: true})
	s.is(Waiting, 24*time.Minute)
	s.after(time.Minute, Clocked{Trusted: true, Passed: 20 * time.Minute})
	s.is(Waiting, 6*time.Minute)
	if got := s.e.Status(s.now).Clock; got != "ok" {
		t.Errorf("clock is %s", got)
	}
	if s.plan.Save {
		t.Error("stored")
	}
	s.after(time.Minute, Clocked{Trusted: true, Passed: 2 * time.Hour})
	s.sends("home.example.com 84.0.0.2")
}

func TestTimeThatBecomesKnownShortensNothingElse(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(failed(s.job(), Throttled))
	second := home("b.example.com")
	second.Name = "second"
	s.after(time.Second, Configure{[]Service{second}})
	s.step(Clocked{Trusted: true, Passed: aDay})
	s.silent()
	s.is(Waiting, 30*time.Minute-time.Second)
}

// Each day has two changes; the last of them a while before the start.
func TestQuotaAgesWithTheTimeThatIsKnown(t *testing.T) {
	svc := home()
	svc.Provider, svc.Limits = "limited", Limits{PerDay: 2}
	change := func(s *script, n int) {
		s.step(Seen{WANWith(fmt.Sprint("84.0.0.", n))})
		s.step(good(s.job()))
	}
	waits := func(s *script, want time.Duration) {
		t.Helper()
		if got := s.plan.Wake.Sub(s.now); (got-want).Abs() > time.Second || s.status(0).State != Waiting {
			t.Errorf("%s for %s, want %s", s.status(0).State, got, want)
		}
	}
	s := begin(t, svc)
	change(s, 1)
	s.now = s.now.Add(time.Hour)
	change(s, 2)
	stored := s.e.Stamp(s.now)
	s.now = time.Unix(0, 0)
	s.e = NewEngine(s.saved, stored, 2)
	s.step(Configure{[]Service{svc}})
	s.step(Seen{WANWith("84.0.0.3")})
	s.silent()
	waits(s, 23*time.Hour+margin)
	s.step(Clocked{Trusted: true, Passed: 13 * time.Hour})
	waits(s, 10*time.Hour+margin)
	s.after(10*time.Hour+margin, Tick{})
	s.step(good(s.job()))
	// What is stored next knows all of it.
	s.e = NewEngine(s.saved, s.e.Stamp(s.now), 2)
	s.step(Configure{[]Service{svc}})
	s.step(Seen{WANWith("84.0.0.4")})
	waits(s, time.Hour)
}

func TestASaveOfADoubtfulClockIsMadeUpFor(t *testing.T) {
	s := begin(t, home())
	s.step(Clocked{Trusted: true, Late: true})
	if s.plan.Save {
		t.Error("nothing waits, stored")
	}
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(failed(s.job(), Throttled))
	s.step(Clocked{Trusted: true, Late: true})
	if !s.plan.Save {
		t.Error("not stored")
	}

	saved := persist.Moment{}
	now := Reading{Wall: time.Unix(60, 0), Boot: "b", Up: time.Minute}
	k := NewTimekeeper(saved, func() Reading { return now })
	if is, news := k.News(false); news || is != (Clocked{}) {
		t.Errorf("at first %+v, %t", is, news)
	}
	k.Moment(start)
	now = Reading{Wall: start, Synced: true, Boot: "b", Up: 2 * time.Minute}
	if is, _ := k.News(true); is != (Clocked{Trusted: true, Set: true, Late: true}) {
		t.Errorf("set: %+v", is)
	}
	if m := k.Moment(start); !m.Trusted || m.Wall != now.Wall || m.Time != start {
		t.Errorf("moment = %+v", m)
	}
	now.Wall, now.Synced = start.AddDate(-20, 0, 0), false
	if is, news := k.News(false); news || !is.Trusted {
		t.Errorf("without a step: %+v, %t", is, news)
	}
	if is, _ := k.News(true); is.Trusted {
		t.Errorf("set back by years: %+v", is)
	}
	now.Synced, now.Wall = true, start.Add(time.Minute)
	if is, news := k.News(false); !news || !is.Trusted || is.Late {
		t.Errorf("synced: %+v, %t", is, news)
	}
}

func TestClockThatIsSetWakesServicesAtOnce(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(failed(s.job(), Clock))
	s.is(BadClock, clockRetry)
	if got := s.e.Status(s.now).Clock; got != "waiting" {
		t.Errorf("clock is %s", got)
	}
	s.after(2*time.Second, Clocked{Set: true})
	s.step(failed(s.job(), Clock))
	s.after(2*time.Second, Clocked{Trusted: true})
	s.step(failed(s.job(), Clock)) // by a clock that is right
	s.silent()
	if st := s.status(0); st.State != Waiting || s.plan.Wake.Sub(s.now) > 20*time.Second {
		t.Errorf("%s, %s", st.State, st.Reason)
	}
	s.now = s.plan.Wake
	s.step(Tick{})
	d := good(s.job())
	d.Results[0] = Result{Host: "home.example.com", Fault: &Fault{Kind: Clock, Detail: "not valid"}}
	s.step(d)
	if st := s.status(0); st.State != Waiting || st.Reason == "" {
		t.Errorf("one name: %s, %s", st.State, st.Reason)
	}
}

func TestClockThatIsNeverSetIsAskedLess(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	n := 0
	for s.now.Sub(start) < time.Hour {
		s.step(failed(s.job(), Clock))
		s.now = s.plan.Wake
		s.step(Tick{})
		n++
	}
	if n < 100 || n > 110 {
		t.Errorf("%d attempts in an hour", n)
	}
}

func TestShutEngineSendsNothing(t *testing.T) {
	behind := home("b.example.com")
	behind.Name, behind.Account, behind.Source = "second", "other", WebSource
	e := NewEngine(nil, time.Time{}, 1)
	e.Shut("the state is too new; install that version again")
	for _, ev := range []Event{Configure{[]Service{home(), behind}}, Seen{WANWith("84.0.0.2")}, Poke{}, Resume{"home"}, Tick{}, Reserve{Service: "home"}} {
		p := e.Step(start, ev)
		if len(p.Jobs)+len(p.Looks) > 0 || p.Save || !p.Wake.IsZero() {
			t.Errorf("%T: %+v", ev, p)
		}
		if _, ok := ev.(Reserve); ok && p.Permit.Why == "" {
			t.Error("a request was permitted")
		}
	}
	for _, st := range e.Status(start).Services {
		if st.State != NeedsUser || st.Reason != "the state is too new; install that version again" {
			t.Errorf("%s: %s, %s", st.Name, st.State, st.Reason)
		}
	}
}
