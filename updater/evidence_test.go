package updater

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"wandns/persist"
)

// foundAtFirst is a first start at which the DNS shows what is wanted, truly or not.
func foundAtFirst(t *testing.T) *script {
	t.Helper()
	s := begin(t)
	s.again(false, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(finds(s.check("home.example.com"), "84.0.0.2"))
	s.found(10 * time.Minute)
	return s
}

// rung waits for the look after so long.
func (s *script) rung(after time.Duration) Check {
	s.t.Helper()
	if d := s.wake(); d != after {
		s.t.Fatalf("the next look comes after %s, want %s", d, after)
	}
	return s.check("home.example.com")
}

// sure checks that the provider has the last word, and nothing is looked up.
func (s *script) sure() {
	s.t.Helper()
	s.silent()
	s.unchecked()
	if s.is(OK, 0); s.status(0).Reason != "" {
		s.t.Errorf("status %+v", s.status(0))
	}
	if h := s.saved["home"].Hosts.Of("home.example.com"); h.Open4 || h.Found4 || h.Tried != nil {
		s.t.Errorf("saved %+v", h)
	}
}

func TestWhatTheDNSSaysIsLookedAtThreeTimes(t *testing.T) {
	s := foundAtFirst(t)
	began, since := s.now, s.status(0).Records[0].Since
	for _, after := range []time.Duration{10 * time.Minute, time.Hour, 24 * time.Hour} {
		c := s.rung(began.Add(after).Sub(s.now))
		if st := s.status(0); st.State != OK || st.Records[0].Published != "84.0.0.2" {
			t.Errorf("while it is looked up: %+v", st)
		}
		s.step(finds(c, "84.0.0.2"))
		if s.plan.Save {
			t.Error("a look is stored")
		}
	}
	s.found(0)
	if st := s.status(0); !strings.HasSuffix(st.Reason, "to look again run: wandns update home") || st.Records[0].Since != since {
		t.Errorf("status %+v", st)
	}
	s.after(30*24*time.Hour, Tick{})
	s.unchecked()
	s.found(0)
}

// What the DNS showed is gone, as what was forged is.
func TestWhatTheDNSShowsNoMoreIsSent(t *testing.T) {
	for look := range 3 {
		for _, other := range [][]string{{"84.0.0.1"}, {}, {"84.0.0.2", "84.0.0.1"}} {
			s := foundAtFirst(t)
			for range look {
				s.wake()
				s.step(finds(s.check("home.example.com"), "84.0.0.2"))
			}
			s.wake()
			s.step(finds(s.check("home.example.com"), other...))
			j := s.sends("home.example.com 84.0.0.2")
			if got := s.status(0).Records[0]; got.Since != "" || len(other) == 1 && got.Published != other[0] {
				t.Errorf("%v after %d looks: %+v", other, look, got)
			}
			s.step(good(j))
			s.sure()
			s.again(true, home())
			s.step(Seen{WANWith("84.0.0.2")})
			s.sure()
		}
	}
}

// Nobody answers the looks: the provider is asked in the end, and a moment's
// silence sends nothing.
func TestLooksThatFindNothingOut(t *testing.T) {
	s := foundAtFirst(t)
	for _, after := range []time.Duration{10 * time.Minute, 50 * time.Minute} {
		s.step(Checked{Key: s.rung(after).Key})
		s.silent()
	}
	s.step(Checked{Key: s.rung(23 * time.Hour).Key})
	j := s.sends("home.example.com 84.0.0.2")
	s.step(failed(j, Unreachable)) // nor does the provider: then both are asked again
	s.wake()
	s.step(Checked{Key: s.check("home.example.com").Key})
	s.step(good(s.sends("home.example.com 84.0.0.2")))
	s.sure()

	s = foundAtFirst(t)
	for range 3 {
		s.wake()
		s.step(finds(s.check("home.example.com"), "84.0.0.2"))
	}
	s.step(Poke{})
	s.step(Checked{Key: s.check("home.example.com").Key})
	s.found(10 * time.Minute)
}

func TestTheUserHasTheDNSAskedAgain(t *testing.T) {
	for _, ask := range []Event{Poke{}, Poke{Services: []string{"home"}}, Resume{Service: "home"}} {
		s := foundAtFirst(t)
		s.after(time.Minute, ask)
		c := s.check("home.example.com")
		if st := s.status(0); st.State != Verifying || !strings.Contains(st.Outlook(), "looking up what is published") || strings.Contains(st.Outlook(), "last request") {
			t.Errorf("%T: %s", ask, st.Outlook())
		}
		s.step(finds(c, "84.0.0.2"))
		s.found(9 * time.Minute) // the others come as before
		s.after(time.Second, ask)
		s.step(Checked{Key: s.check("home.example.com").Key})
		s.found(9*time.Minute - time.Second)
		s.after(time.Second, ask)
		s.step(finds(s.check("home.example.com"), "84.0.0.1"))
		s.step(good(s.sends("home.example.com 84.0.0.2")))
		s.sure()
		s.step(ask)
		s.sure()
	}
	s := foundAtFirst(t)
	for range 3 {
		s.wake()
		s.step(finds(s.check("home.example.com"), "84.0.0.2"))
	}
	s.step(Poke{})
	s.step(finds(s.check("home.example.com"), "84.0.0.2"))
	s.found(0)
	s.step(Poke{Services: []string{"other"}})
	s.unchecked()
	s.wakeless()

	s = foundAtFirst(t) // amid a look that nobody asked for
	c := s.rung(10 * time.Minute)
	s.is(OK, 0)
	s.step(Poke{})
	s.unchecked()
	s.is(Verifying, 0)
	s.step(finds(c, "84.0.0.2"))
	s.unchecked()
}

func (s *script) wakeless() {
	s.t.Helper()
	if !s.plan.Wake.IsZero() {
		s.t.Errorf("wake = %v", s.plan.Wake)
	}
}

// A provider that is to say it is not asked whenever somebody runs update.
func TestUpdateAsksAProviderOnceAMinute(t *testing.T) {
	reads := home()
	reads.Reads = true
	s := begin(t)
	s.again(false, reads)
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(finds(s.check("home.example.com"), "84.0.0.2"))
	s.after(59*time.Second, Poke{})
	s.unchecked()
	s.after(time.Second, Poke{})
	told := finds(s.check("home.example.com"), "84.0.0.2")
	told.Told = true
	s.step(told)
	s.sure()
}

func TestTheProvidersWordIsNotLookedAtAgain(t *testing.T) {
	s := begin(t)
	s.again(false, home())
	s.step(Seen{WANWith("84.0.0.2")})
	told := finds(s.check("home.example.com"), "84.0.0.2")
	told.Told = true
	s.step(told)
	s.sure()
}

func TestAfterARestartTheDNSIsAskedAgain(t *testing.T) {
	for _, looks := range []int{0, 3} {
		for _, found := range [][]string{{"84.0.0.2"}, {"84.0.0.1"}, {}, nil} {
			s := foundAtFirst(t)
			for range looks {
				s.wake()
				s.step(finds(s.check("home.example.com"), "84.0.0.2"))
			}
			since := s.status(0).Records[0].Since
			s.now = s.now.Add(time.Hour)
			s.again(true, home())
			s.step(Seen{WANWith("84.0.0.2")})
			c := s.check("home.example.com")
			if st := s.status(0); st.State != Verifying || st.Records[0].Published != "84.0.0.2" {
				t.Errorf("%v: %+v", found, st)
			}
			if found == nil {
				s.step(Checked{Key: c.Key})
			} else {
				s.step(finds(c, found...))
			}
			if slices.Contains(found, "84.0.0.2") {
				if s.found(10 * time.Minute); s.plan.Save || s.status(0).Records[0].Since != since {
					t.Errorf("it is stored anew: %+v", s.status(0))
				}
				continue
			}
			s.step(good(s.sends("home.example.com 84.0.0.2")))
			s.sure()
		}
	}
}

func TestAnAddressThatOnlyTheDNSHasIsReplaced(t *testing.T) {
	s := foundAtFirst(t)
	s.after(time.Second, Seen{WANWith("84.0.0.3")})
	s.step(good(s.sends("home.example.com 84.0.0.3")))
	s.sure()

	s = foundAtFirst(t)
	s.again(true, home())
	s.step(Seen{WANWith("84.0.0.3")})
	s.unchecked()
	s.sends("home.example.com 84.0.0.3")

	s = foundAtFirst(t) // while the WAN is away there is nothing to compare with
	s.after(time.Second, Seen{WANWith()})
	s.wakeless()
	s.after(time.Hour, Seen{WANWith("84.0.0.2")})
	s.step(finds(s.check("home.example.com"), "84.0.0.2"))
	s.found(50 * time.Minute)
}

// The zone still shows what was confirmed, but the request of unknown outcome
// may land after the look.
func TestBackAfterAnUnknownOutcome(t *testing.T) {
	for _, outcome := range []func(Job) Done{
		func(j Job) Done { return Done{Job: j, Err: errors.New("given up")} },
		func(j Job) Done { return failed(j, Unconfirmed) },
	} {
		for _, restart := range []bool{false, true} {
			s := begin(t, home())
			s.step(Seen{WANWith("84.0.0.2")})
			s.after(time.Second, good(s.job()))
			s.after(time.Hour, Seen{WANWith("84.0.0.3")})
			j := s.job()
			s.looks = true
			s.step(Seen{WANWith()})
			s.after(time.Second, outcome(j))
			s.now = s.now.Add(time.Hour)
			if restart {
				s.again(true, home())
			}
			s.step(Seen{WANWith("84.0.0.2")})
			s.unchecked()
			s.step(good(s.sends("home.example.com 84.0.0.2")))
			if st := s.status(0); st.State != OK || st.Reason != "" || st.Next != "" {
				t.Errorf("status %+v", st)
			}
			s.step(finds(s.rung(10*time.Minute), "84.0.0.2"))
			s.step(Checked{Key: s.rung(50 * time.Minute).Key})
			s.step(finds(s.rung(23*time.Hour), "84.0.0.3")) // it has landed
			j = s.sends("home.example.com 84.0.0.2")
			if got := s.status(0).Records[0].Published; got != "84.0.0.3" {
				t.Errorf("published %s", got)
			}
			s.step(good(j))
			s.sure() // a zone that never follows makes no loop
		}
	}
}

// gaveUp has 84.0.0.2 confirmed, and a request with 84.0.0.3 of unknown outcome.
func gaveUp(t *testing.T) *script {
	t.Helper()
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.after(time.Second, good(s.job()))
	s.after(time.Hour, Seen{WANWith("84.0.0.3")})
	j := s.job()
	s.looks = true
	s.step(Seen{WANWith()})
	s.after(time.Second, Done{Job: j, Err: errors.New("given up")})
	return s
}

// confirms has an address sent and confirmed.
func (s *script) confirms(after time.Duration, addr string) {
	s.t.Helper()
	s.after(after, Seen{WANWith(addr)})
	if len(s.plan.Checks) > 0 {
		s.step(finds(s.check("home.example.com"), "84.0.0.9"))
	}
	s.step(good(s.sends("home.example.com " + addr)))
}

// What was sent may land for a day, whatever happens meanwhile.
func TestALateRequestIsFoundWhateverHappensMeanwhile(t *testing.T) {
	for name, meanwhile := range map[string]func(*script){
		"nothing":            func(s *script) { s.confirms(time.Minute, "84.0.0.2") },
		"another address":    func(s *script) { s.confirms(time.Minute, "84.0.0.4"); s.confirms(2*time.Minute, "84.0.0.2") },
		"its own repetition": func(s *script) { s.confirms(time.Minute, "84.0.0.3"); s.confirms(2*time.Minute, "84.0.0.2") },
		"another lost request": func(s *script) {
			s.after(time.Hour, Seen{WANWith("84.0.0.4")})
			s.step(Done{Job: s.job(), Err: errors.New("given up")})
			s.step(Seen{WANWith("84.0.0.3")})
			s.wake()
			s.step(good(s.sends("home.example.com 84.0.0.3")))
			s.confirms(time.Hour, "84.0.0.4")
			s.confirms(time.Hour, "84.0.0.2")
		},
		"a slow zone": func(s *script) {
			s.confirms(time.Minute, "84.0.0.2")
			s.step(finds(s.rung(10*time.Minute), "84.0.0.7"))
			s.step(good(s.sends("home.example.com 84.0.0.2")))
			s.step(finds(s.rung(50*time.Minute), "84.0.0.7"))
			s.step(good(s.sends("home.example.com 84.0.0.2")))
		},
	} {
		for _, restart := range []bool{false, true} {
			s := gaveUp(t)
			meanwhile(s)
			if restart {
				s.after(time.Minute, Tick{})
				s.again(true, home())
				s.step(Seen{WANWith("84.0.0.2")})
			}
			s.unchecked()
			s.silent()
			s.wake()
			s.step(finds(s.check("home.example.com"), "84.0.0.3"))
			s.step(good(s.sends("home.example.com 84.0.0.2")))
			if st := s.status(0); st.State != OK || st.Reason != "" {
				t.Errorf("%s: %+v", name, st)
			}
		}
	}
}

func TestAfterItsDayNoRequestIsLate(t *testing.T) {
	s := gaveUp(t)
	s.confirms(time.Minute, "84.0.0.3")
	s.unchecked()
	s.wakeless()
	s.confirms(25*time.Hour, "84.0.0.2")
	s.sure()
	if h := s.saved["home"].Hosts.Of("home.example.com"); h.Late != nil {
		t.Errorf("saved %+v", h)
	}

	s = gaveUp(t) // all looks were made
	s.confirms(time.Minute, "84.0.0.2")
	for _, after := range []time.Duration{10 * time.Minute, 50 * time.Minute, 23 * time.Hour} {
		if s.step(finds(s.rung(after), "84.0.0.2")); s.plan.Save {
			t.Error("a look is stored")
		}
	}
	s.sure()
	s.confirms(time.Minute, "84.0.0.4")
	s.sure()

	s = gaveUp(t) // and the router was off
	s.confirms(time.Minute, "84.0.0.2")
	s.now = s.now.Add(48 * time.Hour)
	s.again(true, home())
	s.step(Clocked{Passed: 48 * time.Hour, Trusted: true})
	s.step(Seen{WANWith("84.0.0.2")})
	s.sure()
}

// A zone that never follows makes no loop.
func TestLooksAreNotBegunAnew(t *testing.T) {
	s := gaveUp(t)
	s.confirms(time.Minute, "84.0.0.2")
	for _, after := range []time.Duration{10 * time.Minute, 50 * time.Minute, 23 * time.Hour} {
		s.step(finds(s.rung(after), "84.0.0.9"))
		s.step(good(s.sends("home.example.com 84.0.0.2")))
	}
	s.sure()
}

// What a provider has confirmed is looked for in the DNS: no request repeats it.
func TestAProviderIsNotAskedWhetherARequestIsLate(t *testing.T) {
	s := gaveUp(t)
	reads := home()
	reads.Reads = true
	s.step(Configure{[]Service{reads}})
	s.confirms(time.Minute, "84.0.0.2")
	if c := s.rung(10 * time.Minute); !c.DNSOnly {
		t.Errorf("check %+v", c)
	}
}

func TestARequestThatAnEarlierVersionLostMayBeLate(t *testing.T) {
	s := gaveUp(t)
	rec := s.saved["home"]
	rec.Intent = nil
	h := rec.Hosts.Edit("home.example.com")
	h.Open4, h.Late = true, nil
	s.saved["home"] = rec
	s.again(true, home())
	s.confirms(time.Minute, "84.0.0.4")
	s.step(finds(s.rung(10*time.Minute), "84.0.0.3"))
	s.sends("home.example.com 84.0.0.4")
}

// Any of several requests may land last.
func TestSeveralUnknownOutcomes(t *testing.T) {
	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.after(time.Second, good(s.job()))
	for _, a := range []string{"84.0.0.3", "84.0.0.4"} {
		s.after(time.Hour, Seen{WANWith(a)})
		s.looks = true
		s.step(Done{Job: s.job(), Err: errors.New("given up")})
	}
	s.unchecked()
	s.wake()
	s.unchecked()
	s.step(good(s.sends("home.example.com 84.0.0.4")))
	for _, after := range []time.Duration{10 * time.Minute, 50 * time.Minute, 23 * time.Hour} {
		s.step(finds(s.rung(after), "84.0.0.4"))
	}
	s.sure()
}

// older is what an earlier version makes of a record.
type older struct {
	V4    string `json:"v4"`
	Open4 bool   `json:"open4"`
}

// To a program that knows nothing of all this, what was found is not certain.
func TestRecordsOfOtherVersions(t *testing.T) {
	s := foundAtFirst(t)
	b, err := json.Marshal(s.saved["home"].Hosts.Of("home.example.com"))
	var o older
	if err := errors.Join(err, json.Unmarshal(b, &o)); err != nil || o.V4 != "84.0.0.2" || !o.Open4 {
		t.Errorf("%s: %+v, %v", b, o, err)
	}
	for text, checked := range map[string]bool{
		`{"v4":"84.0.0.2","since4":"2026-11-21T10:00:00Z"}`:              false,
		`{"v4":"84.0.0.2","since4":"2026-11-21T10:00:00Z","open4":true}`: true,
	} {
		var h persist.Host
		if err := json.Unmarshal([]byte(text), &h); err != nil {
			t.Fatal(err)
		}
		rec := persist.Record{Account: "account", Login: "login", Config: "config"}
		rec.Hosts.Set("home.example.com", h)
		s := begin(t)
		s.saved = map[string]persist.Record{"home": rec}
		s.again(true, home())
		s.step(Seen{WANWith("84.0.0.2")})
		if s.silent(); (len(s.plan.Checks) > 0) != checked {
			t.Errorf("%s: checks %v", text, s.plan.Checks)
		}
	}
}
