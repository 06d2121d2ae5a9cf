package updater

import (
	"testing"
	"time"
)

// shortly is an answer that asks for a second of silence.
func shortly(j Job) Done {
	return Done{Job: j, Err: &Fault{Kind: Throttled, Detail: "in a second", RetryAfter: time.Second}}
}

// attack plays a day against a server, and returns how many requests and how
// many replacements of what is stored that took.
func attack(t *testing.T, answer func(n int, j Job) Done, services ...Service) (requests, saves int) {
	t.Helper()
	s := begin(t, services...)
	s.step(Seen{WANWith("84.0.0.2", "2a00:1:2:3::1")})
	count := func() {
		if s.plan.Save {
			saves++
		}
	}
	count()
	for end := s.now.Add(24 * time.Hour); s.now.Before(end) && requests < 1000; {
		switch {
		case len(s.plan.Jobs) > 0:
			requests++
			s.after(time.Millisecond, answer(requests, s.plan.Jobs[0]))
		case s.plan.Wake.IsZero():
			return requests, saves
		default:
			s.now = s.plan.Wake
			s.step(Tick{})
		}
		count()
	}
	return requests, saves
}

// A server that asks for a second each time is asked no more often than one
// that asks for nothing.
func TestAServersWaitNeverShortensOurs(t *testing.T) {
	lone, many := home(), home("a.example.com", "b.example.com", "c.example.com", "d.example.com")
	lone.Families[1] = false
	many.Limits = Limits{HostsPerRequest: 1, OneFamily: true}
	second := many
	second.Name, second.Hosts = "second", []string{"e.example.com"}
	fault := func(f Fault) func(int, Job) Done { return func(_ int, j Job) Done { return Done{Job: j, Err: &f} } }
	most, _ := attack(t, fault(Fault{Kind: Transient, Detail: "it went wrong"}), lone)
	for name, tt := range map[string]struct {
		answer   func(int, Job) Done
		services []Service
		most     int
	}{
		"a second":      {func(_ int, j Job) Done { return shortly(j) }, []Service{lone}, most},
		"a nanosecond":  {fault(Fault{Kind: Throttled, Detail: "soon", RetryAfter: 1}), []Service{lone}, most},
		"half a minute": {fault(Fault{Kind: Throttled, Detail: "soon", RetryAfter: 30 * time.Second}), []Service{lone}, most},
		"of one name": {func(_ int, j Job) Done {
			d := good(j)
			d.Results[0] = Result{Host: d.Results[0].Host, Fault: &Fault{Kind: Throttled, Detail: "soon", RetryAfter: time.Second}}
			return d
		}, []Service{lone}, most},
		"in turn with half an answer": {func(n int, j Job) Done {
			if n%2 == 0 {
				d := good(j)
				d.Results[0].V4 = d.Results[0].V4.Next()
				return d
			}
			return shortly(j)
		}, []Service{lone}, most},
		"in turn with failures": {func(n int, j Job) Done {
			if n%2 == 0 {
				return failed(j, Transient)
			}
			return shortly(j)
		}, []Service{lone}, most},
		"the account's services in turn": {func(_ int, j Job) Done { return shortly(j) }, []Service{many, second}, most},
		"in turn with success": {func(n int, j Job) Done { // it ends with the last name
			if n%2 == 0 {
				return good(j)
			}
			return shortly(j)
		}, []Service{many, second}, 20},
	} {
		requests, saves := attack(t, tt.answer, tt.services...)
		if requests > tt.most || saves > 2*requests+1 {
			t.Errorf("%s: %d requests in a day, stored %d times; want %d requests at most", name, requests, saves, tt.most)
		}
		t.Logf("%s: %d requests in a day, stored %d times", name, requests, saves)
	}
}

func TestAServersWaitLengthensOurs(t *testing.T) {
	for _, wait := range []time.Duration{6*time.Minute + 15*time.Second, time.Hour, 24 * time.Hour, 1000 * time.Hour} {
		s := begin(t, home())
		s.step(Seen{WANWith("84.0.0.2")})
		s.step(Done{Job: s.job(), Err: &Fault{Kind: Throttled, Detail: "later", RetryAfter: wait}})
		s.is(Waiting, min(wait, longest))
	}
}

// Nothing that a server demands ends what is waited for anyway, and nothing
// that the user does ends a demand.
func TestAServersWaitEndsNoOther(t *testing.T) {
	second := home("nas.example.com")
	second.Name = "second"
	for _, kind := range []Kind{Transient, Spent, Throttled} {
		s := begin(t, home(), second)
		s.step(Seen{WANWith("84.0.0.2")})
		for range 4 {
			s.after(time.Second, failed(s.job(), kind))
			if kind != Transient {
				break
			}
			if len(s.plan.Jobs) > 0 { // the second's turn
				s.after(time.Second, good(s.job()))
			}
			s.wake()
		}
		if kind == Transient {
			s.after(time.Second, failed(s.job(), kind))
		} else if len(s.plan.Jobs) > 0 {
			s.after(time.Second, good(s.job()))
		}
		until := s.e.find("home").held().until
		soon := Fault{Kind: Throttled, Detail: "soon", RetryAfter: time.Second}
		s.after(time.Second, Heard{Reserve{Service: "home"}, soon})
		s.after(time.Second, Heard{Reserve{Service: "second"}, soon})
		s.after(time.Minute, Poke{})
		s.after(time.Minute, Seen{WANWith("84.0.0.3")})
		if at := s.e.find("home").held().until; at.Before(until) {
			t.Errorf("%v: it waits until %s, %s less than before", kind, at, until.Sub(at))
		}
		for s.now.Before(until) {
			for _, j := range s.plan.Jobs {
				if j.Service == "home" {
					t.Fatalf("%v: %+v leaves %s before its time", kind, j, until.Sub(s.now))
				}
				s.after(time.Second, good(j))
			}
			s.wake()
		}
	}
}

func TestACheckIsNotRepeatedWheneverTheProviderLikes(t *testing.T) {
	reads := home()
	reads.Reads = true
	s := begin(t)
	s.again(false, reads)
	s.step(Seen{WANWith("84.0.0.2")})
	checks := 0
	for end := s.now.Add(24 * time.Hour); s.now.Before(end); s.wake() {
		checks++
		s.step(Checked{Key: s.check("home.example.com").Key, Err: &Fault{Kind: Throttled, Detail: "soon", RetryAfter: time.Second}})
	}
	if checks > 9 {
		t.Errorf("%d checks in a day", checks)
	}
}

// A line that comes up slowly says nothing of the provider.
func TestAnOutageIsNoReasonToWaitForTheProvider(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	for range 20 {
		s.after(time.Second, failed(s.job(), Unreachable))
		s.wake()
	}
	s.step(shortly(s.job()))
	if wait := s.plan.Wake.Sub(s.now); wait < 5*time.Minute || wait > 5*time.Minute*5/4 {
		t.Errorf("it waits for %s", wait)
	}
}
