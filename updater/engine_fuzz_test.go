package updater

import (
	"context"
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

// FuzzStep plays arbitrary events in arbitrary order, with time standing,
// creeping and leaping, answers out of a dishonest provider, reloads and
// reboots, and checks what must always hold.
func FuzzStep(f *testing.F) {
	f.Add([]byte("\x00\x10\x21\x32\x43\x54\x65\x76\x87"))
	f.Add([]byte("\x01\x20\x01\x21\x02\x22\x01\x23\x03\x24\x01\x25\x03"))
	f.Add([]byte("\x18\x94\xa1\x95\x14\x18\x95\x90\x00\x50\xa1\x95"))
	f.Add([]byte("\x11\x80\x11\x12\xa0\xa3\x20\x80\x12\xa1\xa2\x20\x2f\x11\xa3"))
	f.Add([]byte("\x01\x30\xff\xff\x01\x26\xf8\x01\x28\x01\x27\x01"))
	// A check that is told to wait, beside a longer wait.
	f.Add([]byte("\x1e\x23\xab\xa9\x44\x24\xce\xdb\xfd\xf2\x86\xcc\x0a\xd7\xe3\xdf\x84\x18\xff\xcf\xc6\x9d\xde\xae\xbf\xfc"))
	// Time that becomes known only after requests of the new process.
	f.Add([]byte("\x11\x2a\xa6\x8d\x13\x26\x26\x26\xb3\xa1\xa1"))
	f.Add([]byte("\x11\x2a\x2a\x2a\x2a\xa6\x12\x2a\x2a\x2a\x2a\x8c\x11\x2a\x2a\x2a\x2a\xa6\x12\x2a\x2a\x2a\x2a\xb3\xa6\x11\x2a\x2a\xbf\xa6\x12\x2a\x2a"))
	f.Fuzz(func(t *testing.T, events []byte) {
		w := newFuzzWorld(t)
		for _, b := range events[:min(len(events), 200)] {
			w.play(b)
		}
	})
}

type fuzzWorld struct {
	t        *testing.T
	e        *Engine
	now      time.Time     // in truth
	wrong    time.Duration // how far the engine's clock is from that
	stored   time.Time     // when something was, in truth
	record   time.Time     // and by the clock of the records
	past     time.Duration // between the last save before this process and its start
	services []Service
	flights  []Job
	checks   []Check             // in flight
	open     map[part]netip.Addr // perhaps published before a crash, and not looked up since; invalid for any
	saved    map[string]persist.Record
	floor    map[string]time.Time // by service: no request before
	blocked  map[string]string    // by service: "login" or "account"
	last     map[string]time.Time // by account: when the last request left
	prior    map[string]time.Time // and the one before
	looks    map[string]*fuzzLook // by key
	state    wan.State
	sent     []time.Time            // requests of the service that has limits
	changed  map[string][]time.Time // by host: what its provider counts
}

// count notes that a request may have changed something.
func (w *fuzzWorld) count(j Job) {
	for _, h := range j.Request.Hosts {
		w.changed[h] = append(w.changed[h], w.now)
	}
}

// limited checks that a request keeps its provider's limits.
func (w *fuzzWorld) limited(j Job) {
	limits := w.services[slices.IndexFunc(w.services, func(s Service) bool { return s.Name == j.Service })].Limits
	within := func(list []time.Time, d time.Duration) (n int) {
		for _, t := range list {
			if w.now.Sub(t) < d {
				n++
			}
		}
		return n
	}
	if limits.OneFamily && j.Request.V4.IsValid() && j.Request.V6.IsValid() {
		w.t.Fatalf("two families in %+v", j)
	}
	if limits.PerHour == 0 {
		return
	}
	if n := within(w.sent, time.Hour); n >= limits.PerHour {
		w.t.Fatalf("%+v is number %d of the hour", j, n+1)
	}
	w.sent = append(w.sent, w.now)
	for _, h := range j.Request.Hosts {
		if n := within(w.changed[h], 24*time.Hour); n >= limits.PerDay {
			w.t.Fatalf("%+v changes %s for the %d. time of the day", j, h, n+1)
		}
	}
}

// fuzzLook is what a look may do: not leave twice, nor without a reason within
// ten minutes of a good answer.
type fuzzLook struct {
	at     time.Time
	flight bool
	again  time.Duration
}

func (w *fuzzWorld) hurry(d time.Duration) {
	for _, l := range w.looks {
		l.again = min(l.again, d)
	}
}

func newFuzzWorld(t *testing.T) *fuzzWorld {
	a, b, c, d := home("a.example.com", "b.example.com"), home("c.example.com"), home("d.example.com"), home("e.example.com")
	b.Name, c.Name, c.Account, d.Name, d.Account = "second", "third", "other", "fourth", "fourth"
	b.Source, d.Source = WebSource, ProviderSource
	b.Login = "another login"
	a.Limits.Floor, b.Limits.Floor = 2*time.Second, 2*time.Second
	c.Limits = Limits{PerHour: 6, PerDay: 3, HostsPerRequest: 1, OneFamily: true}
	c.Provider = "limited"
	c.Hosts = append(c.Hosts, "f.example.com")
	w := &fuzzWorld{t: t, now: start, stored: start, record: start, services: []Service{a, b, c, d}, looks: map[string]*fuzzLook{}, saved: map[string]persist.Record{}, changed: map[string][]time.Time{}, open: map[part]netip.Addr{}, floor: map[string]time.Time{}, blocked: map[string]string{}, last: map[string]time.Time{}, prior: map[string]time.Time{}}
	w.e = NewEngine(nil, time.Time{}, 7)
	w.step(Configure{w.services})
	return w
}

func (w *fuzzWorld) play(b byte) {
	n := int(b & 0x0f)
	switch b >> 4 {
	case 0:
		w.now = w.now.Add(time.Duration(n*n*n) * time.Second)
		w.step(Tick{})
	case 1:
		var addrs []string
		for i, a := range []string{"84.0.0.1", "84.0.0.2", "2a00:1::1", "192.168.1.1"} {
			if n&(1<<i) != 0 {
				addrs = append(addrs, a)
			}
		}
		state := WANWith(addrs...)
		if !state.Equal(w.state) {
			w.hurry(2 * time.Second)
		}
		w.state = state
		w.step(Seen{state})
	case 2, 3, 4:
		if len(w.flights) > 0 {
			w.answer(n)
		}
	case 5:
		w.hurry(cautious)
		w.step(Poke{})
	case 6:
		s := w.services[n%4]
		w.lift(s.Account, s.Login, true)
		w.step(Resume{s.Name})
	case 7:
		s := &w.services[n%4]
		s.Config = fmt.Sprint(s.Config, n)
		if s.Name == "second" {
			s.Login = []string{"login", "another login"}[n>>3]
		}
		delete(w.blocked, s.Name)
		w.step(Configure{w.services})
	case 8:
		w.reboot(n)
	case 9:
		w.lookBack(n)
	case 10:
		w.find(n)
	case 11: // the clock is set, and perhaps right
		w.step(Clocked{Set: true, Trusted: n&1 == 0, Passed: w.passed(n & 3)})
	default:
		w.now = w.now.Add(time.Duration(n) * 10 * time.Minute)
		w.step(Tick{})
	}
}

// reboot takes its time, and the clock comes back behind, ahead or right.
func (w *fuzzWorld) reboot(n int) {
	for _, j := range w.flights {
		w.count(j)
	}
	left := map[string]time.Duration{} // by account: the longest wait
	for _, r := range w.saved {
		left[r.Account] = max(left[r.Account], min(r.NotBefore.Sub(w.record), longest))
	}
	w.now = w.now.Add(time.Duration(n>>2) * 17 * time.Minute)
	w.wrong = []time.Duration{0, -3 * 365 * aDay, 20 * 365 * aDay, aDay}[n&3]
	w.past = w.now.Sub(w.stored)
	w.crash()
	w.flights, w.last, w.looks, w.state = nil, map[string]time.Time{}, map[string]*fuzzLook{}, wan.State{}
	w.e = NewEngine(w.saved, w.record, 8)
	w.step(Configure{w.services})
	w.step(Clocked{Passed: w.passed(n & 3)})
	w.now = w.now.Add(1)
	for _, s := range w.e.services {
		if wait := s.held().until.Sub(w.now.Add(w.wrong)); wait > left[s.Account] {
			w.t.Fatalf("after a start %s waits for %s, of which %s were left", s.Name, wait, left[s.Account])
		}
	}
}

// passed is what can be known of the time between the last save and the start.
func (w *fuzzWorld) passed(n int) time.Duration { return w.past * time.Duration(n) / 3 }

// lookBack answers the look that left first.
func (w *fuzzWorld) lookBack(n int) {
	first := ""
	for _, key := range slices.Sorted(maps.Keys(w.looks)) {
		if l := w.looks[key]; l.flight && (first == "" || l.at.Before(w.looks[first].at)) {
			first = key
		}
	}
	if first == "" {
		return
	}
	l, ev := w.looks[first], Looked{Key: first}
	l.flight = false
	switch n % 8 {
	case 0:
		ev.Err, l.again = &Fault{Kind: Unreachable, Detail: "fault"}, min(l.again, 2*time.Second)
	case 1:
		ev.Err, l.again = &Fault{Kind: Transient, Detail: "fault"}, min(l.again, 5*time.Minute)
	case 2:
		ev.Addr, l.again = netip.MustParseAddr("10.0.0.1"), min(l.again, 5*time.Minute)
	case 3:
		ev.Err, l.again = context.Canceled, min(l.again, 2*time.Second)
	default:
		ev.Addr = netip.MustParseAddr(fmt.Sprintf("84.0.1.%d", n))
		if strings.Contains(first, "IPv6") {
			ev.Addr = netip.MustParseAddr(fmt.Sprintf("2a00:2::%d", n))
		}
	}
	w.step(ev)
}

func (w *fuzzWorld) answer(n int) {
	j := w.flights[0]
	w.flights = w.flights[1:]
	d := good(j)
	if j.Request.From != "" && j.Request.V4.IsValid() {
		d.Results[0].V4 = netip.MustParseAddr(fmt.Sprintf("84.0.2.%d", n))
	}
	kind, login := Kind(n%11), n == 10 || n == 11
	if login {
		kind = Blocked
	}
	if kind == 0 || kind == Unconfirmed || n == 15 {
		w.count(j)
	}
	if n == 15 {
		w.step(Done{Job: j, Err: context.Canceled})
		return
	}
	if kind >= Unreachable && kind <= Clock {
		fault := &Fault{Kind: kind, Detail: "fault", RetryAfter: time.Duration(n) * 10 * time.Minute, Login: login}
		if n&8 != 0 && n != 10 {
			d.Results[0].Fault = fault
			d.Results[0].V4, d.Results[0].V6 = netip.Addr{}, netip.Addr{}
		} else {
			d = Done{Job: j, Err: fault}
			if kind == Unreachable || kind == Clock { // the provider did not see it
				w.last[j.Account] = w.prior[j.Account]
				if j.Account == "other" {
					w.sent = w.sent[:len(w.sent)-1]
				}
			}
		}
		for _, s := range w.services {
			if s.Account != j.Account {
				continue
			}
			if at := w.now.Add(fault.RetryAfter); kind == Throttled && at.After(w.floor[s.Name]) {
				w.floor[s.Name] = at
			}
		}
		if kind == Blocked {
			w.block(j.Account, j.Login, login)
		}
	}
	if kind != Blocked && slices.ContainsFunc(d.Results, func(r Result) bool { return r.Fault == nil }) {
		w.lift(j.Account, j.Login, false)
	}
	w.step(d)
}

// block stops an account, or only a login of it.
func (w *fuzzWorld) block(account, login string, only bool) {
	for _, s := range w.services {
		switch {
		case s.Account != account:
		case !only:
			w.blocked[s.Name] = "account"
		case s.Login == login && w.blocked[s.Name] == "":
			w.blocked[s.Name] = "login"
		}
	}
}

// lift ends the blocks of a login, and of its account too.
func (w *fuzzWorld) lift(account, login string, too bool) {
	for _, s := range w.services {
		if s.Account == account && (w.blocked[s.Name] == "login" && s.Login == login || w.blocked[s.Name] == "account" && too) {
			delete(w.blocked, s.Name)
		}
	}
}

func (w *fuzzWorld) step(ev Event) {
	t, now := w.t, w.now.Add(w.wrong)
	plan := w.e.Step(now, ev)
	if plan.Save {
		w.saved = snapshot(w.e)
		w.stored, w.record = w.now, w.e.Stamp(now).Truncate(time.Second)
	}
	if wait := plan.Wake.Sub(now); !plan.Wake.IsZero() && (wait <= 0 || wait > longest*5/4+margin) {
		t.Fatalf("%T: wake-up after %s", ev, wait)
	}
	for _, name := range plan.Cancel {
		if slices.ContainsFunc(w.checks, func(c Check) bool { return c.Key == name }) {
			continue
		}
		if l := w.looks[name]; !slices.ContainsFunc(w.flights, func(j Job) bool { return j.Service == name }) && (l == nil || !l.flight) {
			t.Fatalf("%T: %s has nothing to cancel", ev, name)
		}
	}
	for _, l := range plan.Looks {
		if o := w.looks[l.Key]; o != nil && (o.flight || w.now.Sub(o.at) < o.again) {
			t.Fatalf("%T: %s leaves %s after the last, in flight %t, allowed after %s", ev, l.Key, w.now.Sub(o.at), o.flight, o.again)
		}
		if w.blocked[l.Service] != "" {
			t.Fatalf("%T: a blocked service looks outside", ev)
		}
		w.looks[l.Key] = &fuzzLook{at: w.now, flight: true, again: again}
	}
	w.checking(ev, plan)
	for _, j := range plan.Jobs {
		if len(j.Request.Hosts) == 0 || !j.Request.V4.IsValid() && !j.Request.V6.IsValid() {
			t.Fatalf("%T: empty request %+v", ev, j)
		}
		if i := w.saved[j.Service].Intent; i == nil || !slices.Equal(i.Hosts, j.Request.Hosts) || i.V4 != j.Request.V4 || i.V6 != j.Request.V6 {
			t.Fatalf("%T: no stored intent for %+v", ev, j)
		}
		for _, o := range w.flights {
			if o.Account == j.Account {
				t.Fatalf("%T: two requests in flight for one account: %+v and %+v", ev, o, j)
			}
		}
		if w.blocked[j.Service] != "" {
			t.Fatalf("%T: a blocked service sends %+v", ev, j)
		}
		if at := w.floor[j.Service]; w.now.Before(at) {
			t.Fatalf("%T: %+v leaves at %v, allowed from %v", ev, j, w.now, at)
		}
		if gap := w.now.Sub(w.last[j.Account]); j.Account == "account" && gap < 2*time.Second {
			t.Fatalf("%T: %+v leaves %s after the account's last request", ev, j, gap)
		}
		w.limited(j)
		w.prior[j.Account], w.last[j.Account] = w.last[j.Account], w.now
		for _, h := range j.Request.Hosts {
			known := w.saved[j.Service].Hosts.Of(h)
			told := j.Request.V4.IsValid() && known.V4 == j.Request.V4 || j.Request.V6.IsValid() && known.V6 == j.Request.V6
			if f := j.Request.From; f != "" {
				told = f == stoodAt(&known, j.Request.family())
			}
			rec := w.e.services[slices.IndexFunc(w.e.services, func(s *service) bool { return s.Name == j.Service })].rec.Hosts.Of(h)
			if open := rec.Open4 || rec.Open6; told && !open {
				t.Fatalf("%T: %s is told again what it has: %+v", ev, h, j)
			}
			if known.Refused != "" {
				t.Fatalf("%T: a refused name is sent: %+v", ev, j)
			}
		}
		w.flights = append(w.flights, j)
	}
	for _, s := range w.e.Status(now).Services {
		if s.State != OK && s.State != Disabled && s.Reason == "" {
			t.Fatalf("%T: %s is %s without a reason", ev, s.Name, s.State)
		}
	}
}
