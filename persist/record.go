package persist

import (
	"encoding/json"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Record is what one service must remember. The zero value is a service that
// never did anything.
//
// What is waited for and counted is by the clock of the records: see Moment.
// All other times are the wall clock's, for people.
type Record struct {
	// Account identifies whose names these are. Addresses confirmed for
	// another account say nothing about this one.
	Account string `json:"account"`
	// Login identifies the account with its credentials: another service
	// that uses them shares a block of theirs.
	Login string `json:"login,omitempty"`
	// Config identifies the configuration that Blocked and Host.Refused
	// belong to; they end when it changes. So does NotBefore, unless it is
	// Throttled or Spent.
	Config string `json:"config"`

	Blocked   string    `json:"blocked,omitempty"`   // why the user must act; empty if nothing
	NotBefore time.Time `json:"notBefore,omitzero"`  // no request earlier than this
	Waiting   string    `json:"waiting,omitempty"`   // why NotBefore
	Throttled bool      `json:"throttled,omitempty"` // the provider demands NotBefore of the whole account
	Spent     bool      `json:"spent,omitempty"`     // NotBefore is when the provider's limit is free again
	// BlockedLogin: Blocked concerns Login only; else, and in what was stored before
	// there was this, all of the account.
	BlockedLogin bool `json:"blockedLogin,omitempty"`

	Failures  int    `json:"failures,omitempty"`  // in a row
	Answer    string `json:"answer,omitempty"`    // the provider's last, shortened, without secrets
	Error     string `json:"error,omitempty"`     // the last fault since something was confirmed
	Sent      int    `json:"sent,omitempty"`      // requests ever
	Day       string `json:"day,omitempty"`       // UTC date that SentToday counts
	SentToday int    `json:"sentToday,omitempty"` // requests on Day

	// What counts against the provider's limits; Requests in seconds since 1970.
	Provider string    `json:"provider,omitempty"` // who counts Requests
	Requests []int64   `json:"requests,omitempty"` // of the last hour
	Last     time.Time `json:"last,omitzero"`      // request, where there is a floor

	Tokens map[string]string `json:"tokens,omitempty"` // of the provider, to publish with; secret
	Hosts  Hosts             `json:"hosts,omitempty"`
	Intent *Intent           `json:"intent,omitempty"` // a request whose outcome is not known
}

// Hosts are names and what is known of them: a JSON object with a key for each.
// They are few, and a map has room for eight.
type Hosts []namedHost

type namedHost struct {
	name string
	Host
}

func (l Hosts) index(name string) int {
	return slices.IndexFunc(l, func(h namedHost) bool { return h.name == name })
}

// Of returns what is known of a name; nothing is the zero Host.
func (l Hosts) Of(name string) Host { return *l.At(name) }

// At is Of without a copy, to be read only.
func (l Hosts) At(name string) *Host {
	if i := l.index(name); i >= 0 {
		return &l[i].Host
	}
	return &nothing
}

var nothing Host //nolint:gochecknoglobals // a constant

// Has reports whether anything is known of a name.
func (l Hosts) Has(name string) bool { return l.index(name) >= 0 }

// Set replaces what is known of a name.
func (l *Hosts) Set(name string, h Host) { *l.Edit(name) = h }

// Edit is At to be changed, until the next name is added.
func (l *Hosts) Edit(name string) *Host {
	i := l.index(name)
	if i < 0 {
		i = len(*l)
		*l = append(*l, namedHost{name: name})
	}
	return &(*l)[i].Host
}

// All returns the names and what is known of them.
func (l Hosts) All() iter.Seq2[string, Host] {
	return func(yield func(string, Host) bool) {
		for _, h := range l {
			if !yield(h.name, h.Host) {
				return
			}
		}
	}
}

// MarshalJSON makes an object.
func (l Hosts) MarshalJSON() ([]byte, error) { return json.Marshal(maps.Collect(l.All())) }

// UnmarshalJSON takes an object.
func (l *Hosts) UnmarshalJSON(b []byte) error {
	var m map[string]Host
	err := json.Unmarshal(b, &m)
	*l = nil
	for _, name := range slices.Sorted(maps.Keys(m)) {
		*l = append(*l, namedHost{name, m[name]})
	}
	return err
}

// Host is what is known of one name at the provider.
type Host struct {
	V4     netip.Addr `json:"v4,omitzero"` // confirmed by the provider, unless Found4
	V6     netip.Addr `json:"v6,omitzero"`
	Since4 time.Time  `json:"since4,omitzero"`
	Since6 time.Time  `json:"since6,omitzero"`
	// From4 and From6 say where the router stood when the provider itself took
	// the address of its connection; empty if it was told one.
	From4 string `json:"from4,omitempty"`
	From6 string `json:"from6,omitempty"`
	// Open4 and Open6: a request whose outcome is not known may have changed
	// it since.
	Open4 bool `json:"open4,omitempty"`
	Open6 bool `json:"open6,omitempty"`
	// Found4 and Found6: the address is what the DNS said, and not the provider.
	// It is open too: programs that do not know this field look it up.
	Found4 bool `json:"found4,omitempty"`
	Found6 bool `json:"found6,omitempty"`
	// Tried is what the request of unknown outcome carried; nil if that is not
	// known, as in what was stored before there was this, or if there were several.
	Tried *Tried `json:"tried,omitempty"`
	// Late is what requests of unknown outcome carried that may yet land, whatever
	// was confirmed since; an unspecified address stands for several.
	Late    *Tried `json:"late,omitempty"`
	Refused string `json:"refused,omitempty"` // why the user must act for this name
	Suspect string `json:"suspect,omitempty"` // why it was refused once; the same again is Refused
	// Changes that count against the provider's limit, of the last day, in
	// seconds since 1970.
	Changes []int64 `json:"changes,omitempty"`
}

// Tried is never changed, since others may hold it.
type Tried struct {
	V4 netip.Addr `json:"v4,omitzero"`
	V6 netip.Addr `json:"v6,omitzero"`
	At time.Time  `json:"at,omitzero"` // of Late: the last of them, by the clock of the records
}

// Intent is a request that is about to leave.
type Intent struct {
	At    time.Time  `json:"at"` // by the clock of the records
	Hosts []string   `json:"hosts"`
	V4    netip.Addr `json:"v4,omitzero"`
	V6    netip.Addr `json:"v6,omitzero"`
	// Uncounted: it is not in Sent yet. Earlier versions counted it when it left.
	Uncounted bool `json:"uncounted,omitempty"`
}

// Count counts a request that left, or may have, on a day.
func (r *Record) Count(day string) {
	if r.Day != day {
		r.Day, r.SentToday = day, 0
	}
	r.Sent++
	r.SentToday++
}
