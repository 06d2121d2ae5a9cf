package updater

import "time"

// Reserve asks whether a request that the daemon did not plan may leave now:
// one that a person typed. What it permits counts against the provider's
// limits. The floor is for updates, and a block ends where the user acts.
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
	s := e.find(ev.Service)
	if s == nil {
		return Permit{Why: "there is no service " + ev.Service}
	}
	if e.shut != "" {
		return Permit{Why: e.shut}
	}
	for _, name := range ev.Hosts {
		if at := e.ledger.hostFree(s, name, ev.Changes); at.After(now) {
			return Permit{shown(now, at), s.spentWords(name)}
		}
	}
	busy, _ := e.busy()
	held := s.held()
	switch free := e.ledger.hourFree(s); {
	case held.kind == Throttled && held.until.After(now):
		return Permit{shown(now, held.until), held.why}
	case free.After(now):
		return Permit{shown(now, free), s.limitWords()}
	case busy[s.Account]:
		return Permit{now.Add(time.Second), "a request of the daemon is on its way; try again in a moment"}
	}
	e.ledger.sent(s, ev.Hosts, ev.Changes, now)
	e.dirty[s.Name] = s.Limits.counted()
	return Permit{}
}

// Heard is what became of a request that a Reserve permitted, if it failed.
type Heard struct {
	Reserve
	Fault Fault
}

// heard forgets changes that were not made, and makes the daemon wait too when
// the provider says so. A refusal is about what the person asked for.
func (e *Engine) heard(now time.Time, ev Heard) {
	s := e.find(ev.Service)
	if s == nil || ev.Fault.Kind == Unconfirmed {
		return
	}
	for _, name := range ev.Hosts {
		for range ev.Changes {
			e.ledger.forget(s, name)
		}
		if ev.Fault.Kind == Spent {
			e.ledger.spent(s, name, now)
		}
	}
	if ev.Fault.Kind == Throttled {
		s.rec.Error = ev.Fault.Detail
		e.apply(now, s, Request{}, &ev.Fault)
	}
	e.dirty[s.Name] = s.Limits.counted() || ev.Fault.Kind == Throttled
}
