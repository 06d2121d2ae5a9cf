package updater

import (
	"fmt"
	"hash/maphash"
	"slices"
	"time"
)

// logged is what the log has said of a service.
type logged struct {
	name    string
	state   State
	sum     uint64   // of state and reason
	records []uint64 // sums of what was shown
	well    bool     // it was told last that all is
	trouble trouble  // since all was well; zero for none
}

// trouble is why a service is not well, or was before the attempt of the moment:
// sums of its states and reasons, and times of the run, for a thousand services
// may have one.
type trouble struct {
	is    uint64        // of the moment
	since time.Duration // it is the same
	began time.Duration // the first
	said  uint64        // the last that was told; 0 for none
	all   []complaint
}

type complaint struct {
	sum  uint64
	told bool // else at debug level only
}

// A trouble is told once it has lasted, for while a line comes up there is one
// after the other; if they change all the time, the one of a while later. One
// that is certain to last is told at once.
const (
	lasting      = 10 * time.Second
	lastingClock = time.Minute // NTP begins when the line is up
	toldAgain    = time.Minute // so that the last line is true, and two that take turns do not fill the log
)

// report publishes the status if it changed and logs each transition once.
func (r *Runner) report(now time.Time) {
	st := r.status(now)
	if r.seen {
		r.tell(now, st.Services)
	}
	b, err := st.json()
	sum := maphash.Bytes(r.seed, b)
	if err != nil || sum == r.shown {
		return
	}
	r.shown = sum
	if err := r.Publish(b); err != nil {
		r.Log.Warn("the status could not be written; make run_dir a writable directory, and restart wandns", "error", err)
	}
	r.measure(st, true)
}

// tell logs what changed in the services, and finds when there will be more to
// say although nothing happens.
func (r *Runner) tell(now time.Time, services []ServiceStatus) {
	if !slices.EqualFunc(r.logged, services, func(l logged, s ServiceStatus) bool { return l.name == s.Name }) {
		before := r.logged
		r.logged = make([]logged, len(services))
		for i, s := range services {
			r.logged[i].name = s.Name
			if at := slices.IndexFunc(before, func(l logged) bool { return l.name == s.Name }); at >= 0 {
				r.logged[i] = before[at]
			}
		}
	}
	var next time.Duration
	for i, s := range services {
		l := &r.logged[i]
		if at := r.transition(now, l, s); at > 0 && (next == 0 || at < next) {
			next = at
		}
		l.state, l.sum = s.State, r.sum(s)
		l.records = l.records[:0]
		for _, rec := range s.Records {
			l.records = append(l.records, maphash.Comparable(r.seed, rec))
		}
	}
	r.sayAt = time.Time{}
	if next > 0 {
		r.sayAt = r.began.Add(next)
	}
}

// transition logs what changed, once: a retry that fails as before is silent.
// It returns when a trouble will have lasted, as a time of the run; 0 for never.
func (r *Runner) transition(now time.Time, l *logged, is ServiceStatus) (later time.Duration) {
	published := false
	if l.state == Sending || l.state == Verifying {
		for _, rec := range is.Records {
			if rec.Published == rec.Wanted && !slices.Contains(l.records, maphash.Comparable(r.seed, rec)) {
				r.Log.Info("published", "service", is.Name, "hostname", rec.Hostname, "type", rec.Type, "address", rec.Published)
				published = true
			}
		}
	}
	switch {
	case is.State == Sending, is.State == Verifying:
		if l.state == NeedsUser { // the user has acted, and wants to know
			l.trouble = trouble{}
		}
		switch {
		case l.sum == r.sum(is):
		case l.trouble.said != 0:
			r.Log.Debug(is.Reason, "service", is.Name)
		default:
			r.Log.Info(is.Reason, "service", is.Name)
			l.well = false
		}
		return 0
	case is.Reason != "" && is.State != Disabled:
		later = r.complain(now, &l.trouble, is)
		l.well = l.well && l.trouble.said == 0
		return later
	case is.State == OK && !l.well && !published:
		r.Log.Info(is.well(), "service", is.Name)
	case is.State == Disabled && l.state != Disabled && l.state != "":
		r.Log.Info("it is switched off", "service", is.Name)
	}
	l.trouble, l.well = trouble{}, is.State == OK
	return 0
}

func (r *Runner) sum(is ServiceStatus) uint64 {
	return maphash.String(r.seed, string(is.State)) ^ maphash.String(r.seed, is.Reason)
}

// complain tells of a trouble, if it is time.
func (r *Runner) complain(now time.Time, t *trouble, is ServiceStatus) (later time.Duration) {
	sum, at := r.sum(is), now.Sub(r.began)
	if t.is == 0 {
		t.began = at
	}
	if sum != t.is {
		t.is, t.since = sum, at
	}
	i := slices.IndexFunc(t.all, func(c complaint) bool { return c.sum == sum })
	first := i < 0
	if first {
		i = len(t.all)
		t.all = append(t.all, complaint{sum: sum})
	}
	say := Log.Warn
	switch due := t.tellAt(is); {
	case is.State == NeedsUser && t.said != sum:
		say = Log.Error
	case t.said == sum:
		return 0
	case t.all[i].told: // another one came between
		if due = t.since + toldAgain; due > at {
			return due
		}
	case due > at && !lasts(now, is):
		if !first {
			return due
		}
		say, later = Log.Debug, due
	}
	if later == 0 {
		t.said, t.all[i].told = sum, true
	}
	text := is.Reason
	if is.State != OK {
		text = string(is.State) + ": " + text
	}
	say(r.Log, text, "service", is.Name, "next", is.Next)
	return later
}

// tellAt is when the trouble of the moment will have lasted.
func (t *trouble) tellAt(is ServiceStatus) time.Duration {
	enough := lasting
	if is.State == BadClock {
		enough = lastingClock
	}
	if t.said != 0 {
		return t.since + enough
	}
	return min(t.since+enough, t.began+3*enough)
}

// lasts reports a wait that nothing but the WAN can make a short one.
func lasts(now time.Time, is ServiceStatus) bool {
	next, err := time.Parse(time.RFC3339, is.Next)
	return err == nil && is.State == Waiting && next.Sub(now) > time.Minute
}

// well says in short what is published.
func (s ServiceStatus) well() string {
	text, more := "all is published", -1
	for _, rec := range s.Records {
		if more++; more == 0 {
			text += ": " + rec.Hostname + " is " + rec.Published
		}
	}
	if more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}
