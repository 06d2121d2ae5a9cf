package updater

import "time"

// Reserve asks whether a request that the daemon did not plan may leave now:
// one that a person typed. What it permits counts against the provider's
// limits, whatever comes of the request.
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
func (e *Engine) reserve(_ time.Time, _ Reserve) Permit { return Permit{} }
