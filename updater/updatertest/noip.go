package updatertest

import (
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// NoIP is a No-IP with one account. Its zero faults are those of the
// document; Next scripts others. A deprecated parameter is answered, as the
// document says, but is a violation all the same.
type NoIP struct {
	base
	User, Password string
	Groups         map[string][]string // names that stand for several hosts
	Paid           bool                // hosts may be taken offline

	hosts   map[string]Record
	offline map[string]bool
	keys    map[string]ddnsKey
	ban     ban
	unpaid  bool      // !donator has been said
	asked   time.Time // when the address was last asked for
}

// ddnsKey updates a few hosts of the account.
type ddnsKey struct {
	password string
	hosts    []string
}

// NewNoIP makes a No-IP whose account has these hosts.
func NewNoIP(user, password string, hosts ...string) *NoIP {
	s := &NoIP{User: user, Password: password, hosts: map[string]Record{}, offline: map[string]bool{}, keys: map[string]ddnsKey{}}
	for _, h := range hosts {
		s.hosts[h] = Record{}
	}
	return s
}

var _ Service = (*NoIP)(nil)

// Provider returns its name.
func (s *NoIP) Provider() string { return "noip" }

// Fields returns the account.
func (s *NoIP) Fields() map[string]string {
	return map[string]string{"username": s.User, "password": s.Password}
}

// Hosts returns the account's hosts.
func (s *NoIP) Hosts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.hosts))
}

// Forgive makes the account as good as new: support has lifted its block.
func (s *NoIP) Forgive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ban, s.unpaid = ban{}, false
}

// Add adds a host to the account.
func (s *NoIP) Add(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[host] = Record{}
	delete(s.ban.hosts, host)
}

// AddKey makes a DDNS key for some of the account's hosts, of which
// all.ddnskey.com stands for all.
func (s *NoIP) AddKey(user, password string, hosts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[user] = ddnsKey{password, hosts}
}

// Lookup is what DNS says of a name. One that is offline has no address.
func (s *NoIP) Lookup(host string) (Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.hosts[host]
	if s.offline[host] {
		r = Record{}
	}
	return r, ok
}

func (s *NoIP) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s) }

// Detector is No-IP's service at http://ip1.dynupdate.no-ip.com/, which says
// where a request comes from.
func (s *NoIP) Detector() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, detector{s}) })
}

// No-IP's two forms of the User-Agent: hardware and software.
var agentForm = regexp.MustCompile(`^\S+ \S+-\S+/\S+ [^@ ]+@[^@ ]+$`)

func (s *NoIP) understand(x *exchange) func() reply {
	q := x.query("hostname", "myip", "myipv6", "offline")
	x.headers("Authorization")
	x.bare()
	if q.Get("hostname") != "" {
		x.entry.Hosts = strings.Split(q.Get("hostname"), ",")
	}
	x.entry.Value = strings.Trim(q.Get("myip")+","+q.Get("myipv6"), ",")
	switch {
	case x.r.Method != http.MethodGet || x.r.URL.Path != "/nic/update":
		x.stray()
	case !agentForm.MatchString(x.r.UserAgent()):
		x.breaks("user agent %q", x.r.UserAgent())
	case len(x.entry.Hosts) == 0:
		x.breaks("no hostname")
	case q.Has("myip") && q.Get("myip") == "", q.Has("myipv6") && q.Get("myipv6") == "":
		x.breaks("an empty address")
	case q.Has("offline") && q.Get("offline") != "YES" && q.Get("offline") != "NO":
		x.breaks("offline is neither YES nor NO")
	case q.Has("offline") && s.unpaid:
		x.breaks("offline again after !donator")
	}
	sent := Record{}
	for a := range strings.SplitSeq(x.entry.Value, ",") {
		if ip, err := netip.ParseAddr(a); err == nil {
			sent = sent.with(ip)
		} else if a != "" {
			x.breaks("an address that is none")
		}
	}
	x.entry.Type = sent.types()
	if why := s.ban.forbids(x.entry.Hosts, loginOf(x)); why != "" {
		x.breaks("%s", why)
	}
	return func() reply { return s.answer(x, sent, q.Get("offline")) }
}

// loginOf tells the credentials of a request from all others.
func loginOf(x *exchange) string { return x.r.Header.Get("Authorization") }

func (s *NoIP) scripted(f Fault, x *exchange) (reply, bool) {
	switch f {
	case Wrong:
		return text(http.StatusOK, "good 9.9.9.9"), true
	case Error401:
		s.ban.note("badauth", loginOf(x))
	default:
		s.ban.note(string(f), loginOf(x))
	}
	return reply{}, false
}

// answer follows the document.
func (s *NoIP) answer(x *exchange, sent Record, offline string) reply {
	if x.r.URL.Path != "/nic/update" {
		return text(http.StatusNotFound, "not found")
	}
	mine, ok := s.authorized(x.r)
	switch {
	case !ok:
		s.ban.note("badauth", loginOf(x))
		return text(http.StatusUnauthorized, "badauth\r\n")
	case s.ban.word(loginOf(x)) != "":
		return text(http.StatusOK, s.ban.word(loginOf(x))+"\r\n")
	case offline != "" && !s.Paid:
		s.unpaid = true
		return text(http.StatusOK, "!donator\r\n")
	}
	if !sent.V4.IsValid() && !sent.V6.IsValid() {
		sent = sent.with(x.from)
	}
	var lines strings.Builder
	for _, name := range x.entry.Hosts {
		hosts := mine(name)
		if len(hosts) == 0 {
			s.ban.refuse(name)
			lines.WriteString("nohost\r\n")
			continue
		}
		verdict := "nochg"
		for _, h := range hosts {
			if s.update(h, sent, offline == "YES") {
				verdict = "good"
			}
		}
		fmt.Fprintf(&lines, "%s %s\r\n", verdict, sent.addrs())
	}
	return text(http.StatusOK, lines.String())
}

// authorized returns which hosts the credentials' names stand for.
func (s *NoIP) authorized(r *http.Request) (hosts func(name string) []string, ok bool) {
	user, password, ok := r.BasicAuth()
	if ok && user == s.User && password == s.Password {
		return func(name string) []string {
			if members, ok := s.Groups[name]; ok {
				return members
			}
			if _, ok := s.hosts[name]; ok {
				return []string{name}
			}
			return nil
		}, true
	}
	key, ok := s.keys[user]
	return func(name string) []string {
		if name == "all.ddnskey.com" {
			return key.hosts
		}
		if slices.Contains(key.hosts, name) {
			return []string{name}
		}
		return nil
	}, ok && password == key.password
}

// update reports whether it changed anything. Any update but one that says
// so brings a host back.
func (s *NoIP) update(host string, sent Record, offline bool) bool {
	if offline {
		was := s.offline[host]
		s.offline[host] = true
		return !was
	}
	was, before := s.offline[host], s.hosts[host]
	delete(s.offline, host)
	after := before.with(sent.V4).with(sent.V6)
	s.hosts[host] = after
	return was || !before.same(after)
}

// detector answers with an address. It may not be used after an error, and
// not more often than every ten minutes.
type detector struct{ *NoIP }

func (d detector) understand(x *exchange) func() reply {
	x.query()
	x.headers()
	x.bare()
	if x.r.Method != http.MethodGet || x.r.URL.Path != "/" {
		x.stray()
	}
	if why := d.ban.forbids(nil, ""); why != "" {
		x.breaks("%s", why)
	}
	if since := time.Since(d.asked); since < 10*time.Minute {
		x.breaks("the address asked for again after %s", since)
	}
	d.asked = time.Now()
	return func() reply { return text(http.StatusOK, x.from.String()) }
}

func (detector) scripted(Fault, *exchange) (reply, bool) { return reply{}, false }
