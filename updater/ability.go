package updater

import (
	"context"
	"net/netip"
)

// What a provider offers beyond Update: small interfaces, found by assertion.
// Their errors are a *Fault, as Update's are. An answer is the provider's own
// words, if it has any.

// Reader tells what the provider publishes now.
type Reader interface {
	// Published returns the names that the provider knows.
	Published(ctx context.Context, hosts []string) ([]Published, error)
}

// Published is a name as it stands at the provider.
type Published struct {
	Host   string
	V4, V6 netip.Addr
}

// RecordSetter writes single DNS records.
type RecordSetter interface {
	// RecordTypes are the types that it takes, in upper case.
	RecordTypes() []string
	SetRecord(ctx context.Context, r Record) (answer string, err error)
}

// RecordDeleter deletes what a RecordSetter wrote.
type RecordDeleter interface {
	DeleteRecord(ctx context.Context, r Record) (answer string, err error)
}

// Record is a DNS record.
type Record struct {
	Name, Type, Value string
	Preference        int    // of an MX record; negative for the provider's default
	Replace           string // value of the MX record that this one replaces
	TTL               int    // seconds; 0 for the provider's default
}

// HostBook connects names to this client.
type HostBook interface {
	Hosts(ctx context.Context) ([]Published, error)
	Attach(ctx context.Context, host string) error
	Detach(ctx context.Context, host string) error
}

// Clients registers this router at the provider.
type Clients interface {
	CreateClient(ctx context.Context) error
	ShowClient(ctx context.Context) (ClientInfo, error)
	DeleteClient(ctx context.Context) error
}

// ClientInfo is this router as the provider knows it.
type ClientInfo struct {
	Key     string
	Offline bool
	Hosts   []Published
}

// Presence takes names off the network and back.
type Presence interface {
	Offline(ctx context.Context, hosts []string) (answer string, err error)
	// Online publishes the request's addresses again, or, if there is none,
	// that from which the request comes.
	Online(ctx context.Context, req Request) (answer string, err error)
}

// Keys manages the keys with which names are updated.
type Keys interface {
	Keys(ctx context.Context) ([]Key, error)
	// CreateKey makes a key; recordType is A, AAAA or empty where a key
	// serves every type.
	CreateKey(ctx context.Context, host, recordType string) (Key, error)
	DeleteKey(ctx context.Context, id string) error
}

// KeySwitch suspends keys and shows what was done with them.
type KeySwitch interface {
	EnableKey(ctx context.Context, id string, enabled bool) (Key, error)
	KeyLog(ctx context.Context, id string) ([]KeyEvent, error)
}

// KeyHolder is a provider whose keys are managed with the account's own
// password. It is asked for each time and never stored.
type KeyHolder interface {
	SignIn(username, password string) Keys
}

// Key is what names are updated with.
type Key struct {
	ID      string // for the other calls
	Host    string
	Type    string // A, AAAA, or empty for every type
	User    string // that goes with the secret, if any
	Secret  string
	Enabled bool
	Address string // the last one that it published
	Updated string // when, RFC 3339
}

// KeyEvent is an update that was made with a key.
type KeyEvent struct {
	At               string // RFC 3339
	Old, New, Source string // addresses
	Agent            string
	Status, Error    string
}

// Pinger asks whether the service is there.
type Pinger interface {
	Ping(ctx context.Context) (answer string, err error)
}

// AddressProber asks which address the connection comes from; that of [Way]'s
// family.
type AddressProber interface {
	MyIP(ctx context.Context) (netip.Addr, error)
}
