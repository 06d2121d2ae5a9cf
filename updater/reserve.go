package updater

import (
	"slices"
	"time"
)

// Reserve asks whether a request that the daemon did not plan may leave now:
// one that a person typed. What it permits counts against the provider's
// limits, whatever comes of the request; the floor is for updates.
type Reserve struct {
	Service string
	Hosts   []string // whose records change
	Changes int      // of each of them
}

func (Reserve) event() {}

// Permit is the answer to a Reserve. The zero value permits.
type Permit struct {
	Until time.Time `json:"until,omitzero"` // ask again then; zero for not before the user has acted
	Why   string    `json:"why,omitempty"`  // it may not leave; a plain clause, the next step last if the user has one
}

// reserve decides about a request, and counts one that may leave.
func (e *Engine) reserve(now time.Time, ev Reserve) Permit {
	i := slices.IndexFunc(e.services, func(s *service) bool { return s.Name == ev.Service })
	if i < 0 {
		return Permit{Why: "there is no service " + ev.Service}
	}
	s := e.services[i]
	for _, name := range ev.Hosts {
		if at := e.ledger.hostFree(s, name, ev.Changes); at.After(now) {
			return Permit{at, s.spentWords(name)}
		}
	}
	switch free := e.ledger.hourFree(s); {
	case s.rec.Blocked != "":
		return Permit{Why: s.rec.Blocked + s.resumeHint()}
	case s.hold.kind == Throttled && s.hold.until.After(now):
		return Permit{s.hold.until, s.hold.why}
	case free.After(now):
		return Permit{free, s.limitWords()}
	case e.busy(s.Account):
		return Permit{now.Add(time.Second), "a request of the daemon is on its way; try again in a moment"}
	}
	e.ledger.sent(s, ev.Hosts, ev.Changes, now)
	s.identify()
	e.dirty[s.Name] = s.Limits.counted()
	return Permit{}
}

// Heard is a fault that a request met which the daemon did not plan.
type Heard struct {
	Service string
	Hosts   []string
	Fault   Fault
}

func (Heard) event() {}

// heard makes the daemon obey what somebody else was told.
func (e *Engine) heard(now time.Time, ev Heard) {
	i := slices.IndexFunc(e.services, func(s *service) bool { return s.Name == ev.Service })
	if i < 0 {
		return
	}
	s := e.services[i]
	switch ev.Fault.Kind {
	case Spent:
		for _, name := range ev.Hosts {
			e.ledger.spent(s, name, now)
		}
	case Throttled, Blocked:
		s.rec.Error = ev.Fault.Detail
		e.apply(now, s, Request{}, &ev.Fault)
	default:
		return
	}
	s.identify()
	e.dirty[s.Name] = true
}
