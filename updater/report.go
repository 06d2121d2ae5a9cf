package updater

import (
	"hash/maphash"
	"slices"
	"time"
)

// logged is what the log has said of a service.
type logged struct {
	name    string
	state   State
	reason  string
	records []uint64 // sums of what was shown
	warned  []string // the troubles since all was well
}

// report publishes the status if it changed and logs each transition once.
func (r *Runner) report(now time.Time) {
	st := r.status(now)
	if r.seen {
		r.tell(st.Services)
	}
	b, err := st.json()
	sum := maphash.Bytes(r.seed, b)
	if err != nil || sum == r.shown {
		return
	}
	r.shown = sum
	if err := r.Publish(b); err != nil {
		r.Log.Warn("the status could not be written; make run_dir a writable directory", "error", err)
	}
	r.measure(st, true)
}

// tell logs what changed in the services.
func (r *Runner) tell(services []ServiceStatus) {
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
	for i, s := range services {
		l := &r.logged[i]
		r.transition(l, s)
		l.state, l.reason = s.State, s.Reason
		l.records = l.records[:0]
		for _, rec := range s.Records {
			l.records = append(l.records, maphash.Comparable(r.seed, rec))
		}
	}
}

// transition logs what changed, once: a retry that fails as before is silent.
func (r *Runner) transition(was *logged, is ServiceStatus) {
	if was.state == Sending || was.state == Verifying {
		for _, rec := range is.Records {
			if rec.Published == rec.Wanted && !slices.Contains(was.records, maphash.Comparable(r.seed, rec)) {
				r.Log.Info("published", "service", is.Name, "hostname", rec.Hostname, "type", rec.Type, "address", rec.Published)
			}
		}
	}
	if was.state == is.State && was.reason == is.Reason {
		return
	}
	switch is.State {
	case OK, Disabled:
		was.warned = nil
		if is.Reason != "" {
			r.Log.Warn(is.Reason, "service", is.Name)
		}
	case Sending, Verifying:
		say := r.Log.Info
		if len(was.warned) > 0 {
			say = r.Log.Debug
		}
		say(is.Reason, "service", is.Name)
	case NeedsUser, Waiting, NoAddress, BadClock:
		if slices.Contains(was.warned, is.Reason) {
			return
		}
		was.warned = append(was.warned, is.Reason)
		say := r.Log.Warn
		if is.State == NeedsUser {
			say = r.Log.Error
		}
		say(string(is.State)+": "+is.Reason, "service", is.Name, "next", is.Next)
	}
}
