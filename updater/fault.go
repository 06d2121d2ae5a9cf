package updater

import "time"

// Kind says what to do next about a fault, nothing finer.
type Kind uint8

// The kinds of fault.
const (
	// Unreachable: the request did not reach the provider. Try again soon,
	// and at once when the WAN changes.
	Unreachable Kind = iota + 1
	// Transient: the provider could not do it now. Try again, ever slower.
	Transient
	// Unconfirmed: the request may have been carried out. As Transient.
	Unconfirmed
	// Spent: the name has used up its changes of the day.
	Spent
	// Suspect: the provider refused this name and does not say whether the
	// user must act. As Transient; the same once more is Refused.
	Suspect
	// Throttled: the provider said when to come back: RetryAfter.
	Throttled
	// Refused: the provider does not accept this name until the user acts.
	Refused
	// Blocked: the provider does not accept this account, or this program,
	// until the user acts.
	Blocked
	// Clock: certificates cannot be judged before the clock is right.
	Clock
)

func (k Kind) String() string {
	return [...]string{"", "unreachable", "transient", "unconfirmed", "spent", "suspect", "throttled", "refused", "blocked", "clock"}[k]
}

// Fault is why something is not published.
type Fault struct {
	Kind       Kind
	RetryAfter time.Duration // for Throttled
	Login      bool          // with Blocked: it concerns the credentials that were sent, not all of the account
	Detail     string        // what happened: a plain clause without secrets
	Next       string        // what the user can do, if anything
}

// denies reports a refusal of the credentials that were sent.
func (f *Fault) denies() bool { return f.Kind == Blocked && f.Login }

func (f *Fault) Error() string {
	if f.Next == "" {
		return f.Detail
	}
	return f.Detail + "; " + f.Next
}
