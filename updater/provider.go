package updater

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"wandns/wan"
)

// Provider publishes addresses. It is all that the daemon needs; whatever
// else a provider offers is a small interface of its own.
type Provider interface {
	// Update asks the provider to publish the request's addresses for its
	// names. It returns one Result per name, in the request's order, or a
	// *Fault that concerns all of them.
	Update(ctx context.Context, req Request) ([]Result, error)
}

// Request is what shall be published. At least one address is valid; the
// other family is left alone.
type Request struct {
	Hosts  []string
	V4, V6 netip.Addr
	// From, if not empty, says that the provider shall take the address of the
	// connection. V4 or V6 is then where that begins, and not to be sent.
	From string
	Way  Way // how it leaves; providers need not know
	// Tokens are those that earlier Results asked to keep, by names of the
	// provider's choice.
	Tokens map[string]string
}

// Addr returns the request's address of one family.
func (r Request) Addr(f wan.Family) netip.Addr {
	if f == wan.IPv4 {
		return r.V4
	}
	return r.V6
}

// family is that of a request that has one address.
func (r Request) family() wan.Family {
	if r.V4.IsValid() {
		return wan.IPv4
	}
	return wan.IPv6
}

// Addrs returns the valid addresses joined with sep, IPv4 first.
func (r Request) Addrs(sep string) string {
	var list []string
	for _, f := range wan.Families() {
		if a := r.Addr(f); a.IsValid() {
			list = append(list, a.String())
		}
	}
	return strings.Join(list, sep)
}

// Result is the outcome for one name.
type Result struct {
	Host   string
	V4, V6 netip.Addr // what the provider confirmed
	Answer string     // its words
	Fault  *Fault     // nil if everything that was sent is confirmed
	// Unchanged says that the provider had these addresses already.
	Unchanged bool
	// Tokens are to be kept, durably, for later Requests; an empty one is to
	// be forgotten.
	Tokens map[string]string
}

// Addr returns the confirmed address of one family.
func (r Result) Addr(f wan.Family) netip.Addr {
	if f == wan.IPv4 {
		return r.V4
	}
	return r.V6
}

// Spec describes a provider. Checks of the configuration, the help and the
// redaction of secrets are derived from it.
type Spec struct {
	Name   string // in the configuration
	Title  string // for people
	URL    string // where one gets an account
	Server string // scheme and authority of its service
	Fields []Field
	Limits Limits
	// LimitsOf, if set, replaces Limits for an account with these settings.
	LimitsOf func(values map[string]string) Limits
	// IPv4Only is a provider that publishes no IPv6 addresses.
	IPv4Only bool
	// FamiliesOf, if set, says which families an account with these settings
	// publishes, IPv4 first.
	FamiliesOf func(values map[string]string) [2]bool
	// FromSource is a provider that publishes the address from which the
	// request comes, whatever is in it.
	FromSource bool
	// TakesSource: it publishes the address of the connection for a request
	// that says From.
	TakesSource bool
	// CheckHost explains what is wrong with a name, in the words of a
	// configuration error; it returns "" for a good one.
	CheckHost func(host string) string
	// DNSName, if set, returns the DNS name of a host that may be called by
	// less than that in the configuration.
	DNSName func(host string) string
	// NotInDNS, if set, tells names of the provider's own that stand for others.
	NotInDNS func(host string) bool
	// CheckValues, if set, explains what is wrong with the fields together
	// and with the names under them: the key to blame and why, or "".
	CheckValues func(values map[string]string, hosts []string) (key, why string)
	New         func(Settings) Provider
}

// Field is a provider's own configuration key.
type Field struct {
	Name     string
	Help     string
	Example  string
	Required bool
	Secret   bool // never printed; KEY_file may hold it instead
	Identity bool // tells one account from another
	Target   bool // a URL to which requests go, and secrets with them
	// Check explains what is wrong with a value; nil accepts any.
	Check func(value string) string
}

// Limits are a provider's rules for well-behaved clients.
type Limits struct {
	Floor           time.Duration // the least time between two requests of an account
	PerHour         int           // requests in any hour to the provider, over all accounts; 0 for any number
	PerDay          int           // changes of a name in any 24 hours, families together; 0 for any number
	HostsPerRequest int           // 0 for any number
	OneFamily       bool          // a request carries one address
}

// counted reports limits whose ledger has to outlive the process.
func (l Limits) counted() bool { return l.Floor > 0 || l.PerHour > 0 || l.PerDay > 0 }

// Settings are what a provider is made from.
type Settings struct {
	Values map[string]string // of Spec.Fields
	Server string            // scheme and authority to ask
	Agent  Agent
	Client *Client
}

// Agent names this program to providers that want to know it.
type Agent struct {
	Version string // of wandns
	Model   string // what it runs on
	Contact string // the packager's e-mail address
}
