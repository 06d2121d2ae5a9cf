package updatertest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// HostUp is a HostUp with one account: its management API, version 2, and
// the public URL at which a key's token updates a name.
type HostUp struct {
	base
	// PerMinute is how many requests an API key may make to the management.
	PerMinute int

	first   string // API key
	keys    map[string]*hostupKey
	domains []*hostupDomain
	names   map[string]Record
	bans    map[string]*ban // by token
	minted  int
}

type hostupKey struct {
	scopes []string
	since  time.Time // the window's beginning
	used   int
	until  time.Time // silence was asked for
}

type hostupDomain struct {
	id, name  string
	elsewhere bool // served by other name servers
	configs   []*hostupConfig
}

type hostupConfig struct {
	ID            string  `json:"id"`
	Hostname      string  `json:"hostname"`
	RecordType    string  `json:"recordType"`
	Token         *string `json:"token"`
	LastIP        *string `json:"lastIp"`
	LastUpdatedAt *string `json:"lastUpdatedAt"`
	UpdateCount   int     `json:"updateCount"`
	Enabled       bool    `json:"enabled"`
	CreatedAt     *string `json:"createdAt"`
	UpdatedAt     *string `json:"updatedAt"`

	logs []hostupLog // newest first
}

type hostupLog struct {
	OldIP        *string `json:"oldIp"`
	NewIP        *string `json:"newIp"`
	SourceIP     string  `json:"sourceIp"`
	UserAgent    string  `json:"userAgent"`
	Status       string  `json:"status"`
	ErrorMessage *string `json:"errorMessage"`
	CreatedAt    string  `json:"createdAt"`
}

// Scopes of an API key.
const (
	ReadDomains  = "read:domains"
	WriteDomains = "write:domains"
)

// NewHostUp makes a HostUp whose account has these domains and an API key for
// everything.
func NewHostUp(apiKey string, domains ...string) *HostUp {
	s := &HostUp{PerMinute: 60, first: apiKey, keys: map[string]*hostupKey{}, names: map[string]Record{}, bans: map[string]*ban{}}
	s.AddKey(apiKey, ReadDomains, WriteDomains)
	for _, d := range domains {
		s.domains = append(s.domains, &hostupDomain{id: s.id("dom"), name: d})
	}
	return s
}

var _ Service = (*HostUp)(nil)

// AddKey adds an API key, which may do no more than these scopes say.
func (s *HostUp) AddKey(apiKey string, scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[apiKey] = &hostupKey{scopes: scopes}
}

// Delegate has a domain served by other name servers, so that there is no
// DynDNS for it.
func (s *HostUp) Delegate(domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.domains {
		d.elsewhere = d.elsewhere || d.name == domain
	}
}

// Provider returns its name.
func (s *HostUp) Provider() string { return "hostup" }

// Fields returns the first API key and domain.
func (s *HostUp) Fields() map[string]string {
	return map[string]string{"api_key": s.first, "domain": s.domains[0].name}
}

// Hosts returns a name under the first domain; any other is as good.
func (s *HostUp) Hosts() []string { return []string{"home." + s.domains[0].name} }

// Lookup is what DNS says of a name.
func (s *HostUp) Lookup(host string) (Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.names[host]
	return r, ok
}

// Forgive lifts what answers of the update URL and rate limits have forbidden.
func (s *HostUp) Forgive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.bans)
	for _, k := range s.keys {
		*k = hostupKey{scopes: k.scopes}
	}
}

func (s *HostUp) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s) }

const hostupUpdate = "/api/dyndns/update"

func (s *HostUp) understand(x *exchange) func() reply {
	if x.r.URL.Path == hostupUpdate {
		return s.update(x)
	}
	return s.manage(x)
}

func (s *HostUp) scripted(f Fault, x *exchange) (reply, bool) {
	if x.r.URL.Path == hostupUpdate {
		token := x.r.URL.Query().Get("token")
		switch f {
		case Wrong:
			return text(http.StatusOK, "good 9.9.9.9"), true
		case Error401:
			s.banOf(token).note("badauth", token)
			return text(http.StatusUnauthorized, "badauth"), true
		default:
			s.banOf(token).note(string(f), token)
			return reply{}, false
		}
	}
	switch f {
	case Error401:
		return s.problem(x, http.StatusUnauthorized, "unauthorized", "Authentication is required."), true
	case Error429:
		if k := s.keys[bearer(x)]; k != nil {
			k.until = time.Now().Add(2 * time.Minute)
			return s.tooMany(x, k), true
		}
	case Error500:
		return s.problem(x, http.StatusInternalServerError, "internal_error", "Retry later."), true
	default:
	}
	return reply{}, false
}

// update is the public URL. It answers in the words of dyndns2.
func (s *HostUp) update(x *exchange) func() reply {
	q := x.query("hostname", "token", "ip")
	x.headers()
	x.bare()
	host, token := q.Get("hostname"), q.Get("token")
	x.hide(token)
	x.entry.Hosts, x.entry.Value = []string{host}, q.Get("ip")
	c := s.byToken(token)
	switch {
	case x.r.Method != http.MethodGet:
		x.stray()
	case host == "" || token == "":
		x.breaks("no hostname or no token")
	case q.Has("ip") && q.Get("ip") == "":
		x.breaks("an empty ip")
	}
	if c != nil {
		x.entry.Type = c.RecordType
	}
	if why := s.banOf(token).forbids(x.entry.Hosts, token); why != "" {
		x.breaks("%s", why)
	}
	return func() reply {
		a, err := x.from, error(nil)
		if q.Has("ip") {
			a, err = parseAddr(q.Get("ip"))
		}
		switch {
		case c == nil || !c.Enabled:
			if c != nil {
				c.log(x, "", "failed", "The configuration is disabled.")
			}
			s.banOf(token).note("badauth", token)
			return text(http.StatusUnauthorized, "badauth")
		case !strings.Contains(host, "."):
			return text(http.StatusBadRequest, "notfqdn")
		case !strings.EqualFold(host, c.Hostname):
			s.banOf(token).refuse(host)
			c.log(x, "", "failed", "The hostname is not the configuration's.")
			return text(http.StatusNotFound, "nohost")
		case err != nil || a.Is4() != (c.RecordType == "A"):
			x.breaks("an address that is not of type %s", c.RecordType)
			c.log(x, "", "failed", "The address is not of the configuration's type.")
			return text(http.StatusBadRequest, "badrequest")
		case !x.lawful():
			return text(http.StatusBadRequest, "abuse")
		}
		if c.LastIP != nil && *c.LastIP == a.String() {
			c.log(x, a.String(), "no_change", "")
			return text(http.StatusOK, "nochg "+a.String())
		}
		c.log(x, a.String(), "success", "")
		s.names[c.Hostname] = s.names[c.Hostname].with(a)
		c.LastIP, c.LastUpdatedAt, c.UpdateCount = optional(a.String()), optional(iso(time.Now())), c.UpdateCount+1
		return text(http.StatusOK, "good "+a.String())
	}
}

func (c *hostupConfig) log(x *exchange, ip, status, problem string) {
	c.logs = slices.Insert(c.logs, 0, hostupLog{c.LastIP, optional(ip), x.from.String(), x.r.UserAgent(), status, optional(problem), iso(time.Now())})
}

func (s *HostUp) byToken(token string) *hostupConfig {
	for _, d := range s.domains {
		for _, c := range d.configs {
			if *c.Token == token {
				return c
			}
		}
	}
	return nil
}

func (s *HostUp) banOf(token string) *ban {
	if s.bans[token] == nil {
		s.bans[token] = &ban{}
	}
	return s.bans[token]
}

// id makes an identifier of the document's form.
func (s *HostUp) id(kind string) string {
	s.minted++
	return fmt.Sprintf("%s_01hxa3b4c5d6e7f8g9h0j1%04d", kind, s.minted)
}

func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// secretToken is 64 hexadecimal digits, the same in every run.
func secretToken(parts ...any) string {
	sum := sha256.Sum256(fmt.Append(nil, parts...))
	return hex.EncodeToString(sum[:])
}
