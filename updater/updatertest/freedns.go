package updatertest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FreeDNS is a freedns.io with its users. Its texts are invented, since the
// document gives none; only the status counts there: 200 or 401.
type FreeDNS struct {
	base
	first    string // user
	users    map[string]freeUser
	hosts    map[string]*freeHost // by label
	requests map[netip.Addr][]time.Time
	blocked  map[netip.Addr]bool
}

type freeUser struct {
	password string
	premium  bool
}

type freeHost struct {
	Record
	owner   string
	changes []time.Time
}

// NewFreeDNS makes a freedns.io with one free user and its hosts, of which
// only the label counts: foo for foo.freedns.io.
func NewFreeDNS(user, password string, hosts ...string) *FreeDNS {
	s := &FreeDNS{first: user, users: map[string]freeUser{}, hosts: map[string]*freeHost{}, requests: map[netip.Addr][]time.Time{}, blocked: map[netip.Addr]bool{}}
	s.AddUser(user, password, false, hosts...)
	return s
}

var _ Service = (*FreeDNS)(nil)

// AddUser adds a user, or changes its plan, with some more hosts.
func (s *FreeDNS) AddUser(user, password string, premium bool, hosts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[user] = freeUser{password, premium}
	for _, h := range hosts {
		s.hosts[label(h)] = &freeHost{owner: user}
	}
}

func label(host string) string { return strings.TrimSuffix(host, ".freedns.io") }

// Provider returns its name.
func (s *FreeDNS) Provider() string { return "freedns.io" }

// Fields returns the first user's account.
func (s *FreeDNS) Fields() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, plan := s.users[s.first], "free"
	if u.premium {
		plan = "premium"
	}
	return map[string]string{"username": s.first, "password": u.password, "plan": plan}
}

// Hosts returns the first user's hosts.
func (s *FreeDNS) Hosts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, h := range slices.Sorted(maps.Keys(s.hosts)) {
		if s.hosts[h].owner == s.first {
			all = append(all, h+".freedns.io")
		}
	}
	return all
}

// Lookup is what DNS says of a name.
func (s *FreeDNS) Lookup(host string) (Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h, ok := s.hosts[label(host)]; ok {
		return h.Record, true
	}
	return Record{}, false
}

// Forgive unblocks every address.
func (s *FreeDNS) Forgive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.blocked)
	clear(s.requests)
}

func (s *FreeDNS) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s) }

func (s *FreeDNS) understand(x *exchange) func() reply {
	s.count(x)
	x.headers("Content-Type")
	x.query()
	f := x.form("username", "password", "host", "record", "value", "preference", "replace", "delete")
	x.hide(f.Get("password"))
	host, record := f.Get("host"), f.Get("record")
	x.entry.Hosts, x.entry.Type, x.entry.Value = []string{host}, record, f.Get("value")
	address := record == "A" || record == "AAAA"
	switch {
	case x.r.Method != http.MethodPost || x.r.URL.Path != "/request":
		x.stray()
	case f.Get("username") == "" || f.Get("password") == "" || host == "" || record == "":
		x.breaks("a mandatory parameter is missing")
	case strings.Contains(host, "."):
		x.breaks("host is not only the label")
	case !address && record != "CNAME" && record != "TXT" && record != "MX":
		x.breaks("record %q", record)
	case f.Has("delete") && f.Get("delete") != "1":
		x.breaks("delete is not 1")
	case f.Has("delete") && !f.Has("value"):
		x.breaks("delete without a value")
	case f.Has("delete") && record != "MX" && f.Get("value") != "":
		x.breaks("delete of %s with a value", record)
	case f.Get("value") == "" && (!f.Has("delete") || record == "MX") && (f.Has("value") || !address):
		x.breaks("an empty value")
	case record == "TXT" && strings.HasPrefix(f.Get("value"), `"`):
		x.breaks("a TXT value in quotes") // the server adds them
	case record != "MX" && (f.Has("preference") || f.Has("replace")):
		x.breaks("preference or replace for %s", record)
	}
	return func() reply {
		switch {
		case s.blocked[x.from]:
			return text(http.StatusForbidden, "Your IP address has been blocked.")
		case x.entry.Method != http.MethodPost || x.entry.Path != "/request":
			return text(http.StatusNotFound, "Not found")
		case !x.lawful():
			return text(http.StatusUnauthorized, "Invalid request.")
		}
		if why := s.change(x, f); why != "" {
			return text(http.StatusUnauthorized, why)
		}
		return text(http.StatusOK, "OK")
	}
}

func (s *FreeDNS) scripted(f Fault, _ *exchange) (reply, bool) {
	return text(http.StatusUnauthorized, "Wrong username or password."), f == Error401
}

// count holds every address to 60 requests in any hour.
func (s *FreeDNS) count(x *exchange) {
	s.requests[x.from] = append(recent(s.requests[x.from], time.Hour), time.Now())
	if n := len(s.requests[x.from]); n > 60 {
		s.blocked[x.from] = true
		x.breaks("%d requests in an hour", n)
	}
	if s.blocked[x.from] {
		x.breaks("a request from a blocked address")
	}
}

// recent are the times since then.
func recent(times []time.Time, since time.Duration) []time.Time {
	return slices.DeleteFunc(times, func(t time.Time) bool { return time.Since(t) >= since })
}

// change carries out a request, or says why not.
func (s *FreeDNS) change(x *exchange, f url.Values) string {
	user, known := s.users[f.Get("username")]
	if !known || user.password != f.Get("password") {
		return "Wrong username or password."
	}
	h, known := s.hosts[f.Get("host")]
	if !known || h.owner != f.Get("username") {
		return "The host " + f.Get("host") + " does not exist in your account."
	}
	record := f.Get("record")
	if record != "A" && record != "AAAA" && !user.premium {
		return record + " records are only available for Premium accounts."
	}
	after, why := edit(h.Record, f, x.from)
	if why != "" || h.same(after) {
		return why
	}
	most := 2
	if user.premium {
		most = 15
	}
	h.changes = recent(h.changes, 24*time.Hour)
	if len(h.changes) >= most {
		x.breaks("more than %d changes of %s in 24 hours", most, f.Get("host"))
		return fmt.Sprintf("You have reached the limit of %d updates per day for this host.", most)
	}
	h.changes = append(h.changes, time.Now())
	h.Record = after
	return ""
}

// edit is a record as a request wants it, or why it cannot be so.
func edit(r Record, f url.Values, from netip.Addr) (Record, string) {
	record, value, remove := f.Get("record"), f.Get("value"), f.Has("delete")
	const bad = "The value is not valid."
	switch record {
	case "A", "AAAA":
		a, err := parseAddr(value)
		if value == "" && !remove {
			a, err = from, nil
		}
		switch {
		case remove && record == "A":
			r.V4 = netip.Addr{}
		case remove:
			r.V6 = netip.Addr{}
		case err != nil || a.Is4() != (record == "A"):
			return r, "The value is not a valid " + record + " address."
		default:
			r = r.with(a)
		}
	case "CNAME":
		if r.CNAME = value; !remove && !strings.Contains(value, ".") {
			return r, bad
		}
	case "TXT":
		r.TXT = value
	case "MX":
		return editMX(r, f)
	}
	return r, ""
}

// editMX adds, replaces or deletes one of at most four.
func editMX(r Record, f url.Values) (Record, string) {
	value, old := f.Get("value"), f.Get("value")
	if f.Has("replace") {
		old = f.Get("replace")
	}
	preference, err := strconv.ParseUint(cmp.Or(f.Get("preference"), "10"), 10, 16)
	if err != nil || !strings.Contains(value, ".") {
		return r, "The value or preference is not valid."
	}
	i := slices.IndexFunc(r.MX, func(mx MX) bool { return mx.Host == old })
	mx := MX{uint16(preference), value}
	r.MX = slices.Clone(r.MX)
	switch {
	case i < 0 && (f.Has("delete") || f.Has("replace")):
		return r, "The MX record does not exist."
	case f.Has("delete"):
		r.MX = slices.Delete(r.MX, i, i+1)
	case i >= 0:
		r.MX[i] = mx
	case len(r.MX) >= 4:
		return r, "You can have up to 4 MX records."
	default:
		r.MX = append(r.MX, mx)
	}
	return r, ""
}
