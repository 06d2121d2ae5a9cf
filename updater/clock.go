package updater

import (
	"slices"
	"time"

	"wandns/persist"
)

// written is a time at which this program did not exist yet.
//
//nolint:gochecknoglobals // a constant
var written = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Reading is what the machine says of its clock.
type Reading struct {
	Wall   time.Time
	Synced bool          // somebody keeps it right
	Boot   string        // differs from boot to boot; empty if unknown
	Up     time.Duration // since the boot, sleep included
}

// offset differs between two readings of a boot if the clock was set between.
func (r Reading) offset() time.Time { return r.Wall.Round(0).Add(-r.Up) }

// apart is more than lies between two readings that mean the same.
func apart(a, b time.Time, most time.Duration) bool { return a.Sub(b).Abs() > most }

// trusts decides whether the wall clock is right, from a reading of it and the
// last moment when it was: somebody keeps it right, or it goes on from there.
// That it was set proves nothing.
func trusts(r Reading, last persist.Moment) bool {
	proven := last.Trusted && last.Boot == r.Boot && r.Boot != "" && !apart(r.offset(), last.Wall.Add(-last.Up), time.Second)
	return !r.Wall.Before(written) && (r.Synced || proven)
}

// passed returns how much time is known to have passed between a save and the
// start of this process. Boots count by themselves; from one to the next the
// wall clock is needed, right at both ends.
func passed(saved persist.Moment, start, now Reading, trusted bool) time.Duration {
	known := time.Duration(0)
	switch {
	case saved.Boot == "" || start.Boot == "":
	case saved.Boot == start.Boot:
		return max(start.Up-saved.Up, 0)
	default:
		known = start.Up
	}
	if trusted && saved.Trusted {
		known = max(known, now.Wall.Sub(saved.Wall)-(now.Up-start.Up)-margin)
	}
	return known
}

// Timekeeper knows how far the machine's clock can be relied on.
type Timekeeper struct {
	Steps <-chan struct{} // the clock was set; may be nil

	read  func() Reading
	saved persist.Moment // when the records were stored last, before this process
	start Reading
	last  persist.Moment // when the clock was trusted last, or saved
	mark  persist.Moment // when the records were stored last
	told  Clocked
}

// NewTimekeeper makes one that goes on from the last save.
func NewTimekeeper(saved persist.Moment, read func() Reading) *Timekeeper {
	return &Timekeeper{read: read, saved: saved, start: read(), last: saved, mark: saved}
}

// Clocked is what is known of the clock, for the engine: after the first
// Configure and whenever it changes.
type Clocked struct {
	Trusted bool
	Set     bool          // just now
	Passed  time.Duration // known to lie between the last save and the start
	// Late: the last save of this boot could not say when it was, without
	// which the next boot cannot know how much time has passed.
	Late bool
}

func (Clocked) event() {}

// News returns what has become known of the clock, if anything has. Once it is
// trusted, only setting it raises the question again.
func (k *Timekeeper) News(set bool) (Clocked, bool) {
	if k.told.Trusted && !set {
		return k.told, false
	}
	r, was := k.read(), k.told
	k.told.Trusted = trusts(r, k.last)
	k.told.Passed = max(was.Passed, passed(k.saved, k.start, r, k.told.Trusted))
	is := k.told
	is.Set = set
	if is.Trusted {
		is.Late = !k.mark.Trusted && k.mark.Boot != "" && k.mark.Boot == k.start.Boot
		k.last = persist.Moment{Wall: r.Wall, Trusted: true, Boot: r.Boot, Up: r.Up}
	}
	return is, set || k.told != was
}

// Moment is now, for the journal; at is the clock of the records.
func (k *Timekeeper) Moment(at time.Time) persist.Moment {
	r := k.read()
	k.mark = persist.Moment{Time: at, Wall: r.Wall, Trusted: k.told.Trusted, Boot: r.Boot, Up: r.Up}
	return k.mark
}

// nextRead is when a clock that is not trusted is read again although nobody
// set it, since some only ever slow down or speed up: after as long again.
func nextRead(start, now time.Time) time.Time { return now.Add(max(now.Sub(start), clockRetry)) }

// clocked takes in what has become known of the clock.
func (e *Engine) clocked(ev Clocked) {
	again := ev.Set || ev.Trusted && !e.trusted
	e.trusted = ev.Trusted
	more := ev.Passed - e.passed
	e.passed = max(e.passed, ev.Passed)
	if more > 0 && e.ledger.last != nil {
		e.age(more)
	}
	if ev.Late && e.counts() {
		e.restamp()
	}
	if !again {
		return
	}
	for _, s := range e.services {
		if s.held().kind == Clock {
			s.hold = nil
		}
	}
	for _, l := range e.looks {
		if l.fault != nil && l.fault.Kind == Clock {
			l.next = time.Time{}
		}
	}
}

// age lets what was stored before this process be older by d.
func (e *Engine) age(d time.Duration) {
	e.aged = true
	for _, s := range e.services {
		if s.held().kept {
			s.hold.until = s.hold.until.Add(-d)
			if !s.rec.NotBefore.IsZero() {
				s.rec.NotBefore = s.rec.NotBefore.Add(-d)
			}
		}
		e.outlive(s, d)
	}
	e.ledger.age(e.began, d)
}

// Stamp translates a time of this process to the clock of the records. That
// goes on where the last save left it, and no step of the wall clock moves it.
func (e *Engine) Stamp(t time.Time) time.Time { return e.saved.Add(t.Sub(e.began)) }

// begin starts the clock of the records, at the first event. What was stored
// lies before it, what this process does after.
func (e *Engine) begin(now time.Time) {
	if e.began = now; e.saved.IsZero() {
		e.saved = now.UTC().Round(0)
	}
}

// restamp stores everything with the age that it has become known to have.
func (e *Engine) restamp() {
	for _, s := range e.services {
		if s.stored {
			e.dirty[s.Name] = true
		}
	}
	e.aged = false
}

// counts reports whether anything is waited for or counted: then the next
// start needs to know how long ago that was.
func (e *Engine) counts() bool {
	for _, s := range e.services {
		if !s.rec.NotBefore.IsZero() {
			return true
		}
	}
	return len(e.ledger.last)+len(e.ledger.requests)+len(e.ledger.changes) > 0
}

// awaitsClock reports whether a right clock might end what a service waits for.
func (e *Engine) awaitsClock(now time.Time, s *service, state State) bool {
	switch {
	case state == BadClock:
		return true
	case state != Waiting || e.trusted:
		return false
	case s.held().until.After(now):
		return s.hold.kept
	}
	return e.ledger.kept(s, e.began)
}

// judged makes of a certificate that the clock is against a fault of the
// certificate, once the clock is right.
func (e *Engine) judged(f *Fault) *Fault {
	if f == nil || f.Kind != Clock || !e.trusted {
		return f
	}
	return &Fault{Kind: Unreachable, Detail: f.Detail, Next: "it has to be renewed there, unless this router's clock is wrong"}
}

// weigh judges an outcome's faults.
func (e *Engine) weigh(d Done) Done {
	if fault, ok := d.Err.(*Fault); ok { //nolint:errorlint // Update's contract: a *Fault itself
		d.Err = e.judged(fault)
	}
	d.Results = slices.Clone(d.Results)
	for i := range d.Results {
		d.Results[i].Fault = e.judged(d.Results[i].Fault)
	}
	return d
}
