package updatertest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Sonic is a Sonic.net with one account. Its answers give result as a number
// and as text by turns, as its document does.
type Sonic struct {
	base
	User, Password string
	// Soft gives errors with status 200, told only by the body.
	Soft bool

	domains []string
	keys    map[string]string // by domain
	minted  int
	answers int
	names   map[string]Record
}

const sonicUser = "12345"

// NewSonic makes a Sonic.net whose account owns these domains and has a key
// for each.
func NewSonic(user, password string, domains ...string) *Sonic {
	s := &Sonic{User: user, Password: password, domains: domains, keys: map[string]string{}, names: map[string]Record{}}
	for _, d := range domains {
		s.mint(d)
	}
	return s
}

var _ Service = (*Sonic)(nil)

// Provider returns its name.
func (s *Sonic) Provider() string { return "sonic" }

// Fields returns the key of the first domain.
func (s *Sonic) Fields() map[string]string {
	return map[string]string{"userid": sonicUser, "apikey": s.Key(s.domains[0])}
}

// Hosts returns a name under the first domain; any other is as good.
func (s *Sonic) Hosts() []string { return []string{"home." + s.domains[0]} }

// Key returns a domain's key, or "".
func (s *Sonic) Key(domain string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[domain]
}

// Lookup is what DNS says of a name.
func (s *Sonic) Lookup(host string) (Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.names[host]
	return r, ok
}

func (s *Sonic) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s) }

func (s *Sonic) scripted(f Fault, _ *exchange) (reply, bool) {
	if f == Error401 {
		return s.unauthorized(), true
	}
	return reply{}, false
}

func (s *Sonic) mint(domain string) string {
	if s.keys[domain] == "" {
		s.minted++
		s.keys[domain] = secretToken("sonic", domain, s.minted)[:40]
	}
	return s.keys[domain]
}

// says is an answer with result and message.
func (s *Sonic) says(status int, message string, more map[string]any) reply {
	body := map[string]any{"message": message, "result": status}
	if s.answers++; s.answers%2 == 0 {
		body["result"] = strconv.Itoa(status)
	}
	maps.Copy(body, more)
	if s.Soft {
		status = http.StatusOK
	}
	return object(status, body)
}

func (s *Sonic) ok() reply { return s.says(http.StatusOK, "OK", nil) }

func (s *Sonic) notFound() reply {
	return s.says(http.StatusNotFound, "Not Found :  the information you requested was not found.", nil)
}

func (s *Sonic) unauthorized() reply {
	return s.says(http.StatusUnauthorized, "Unauthorized : invalid username or password.", nil)
}

func (s *Sonic) bad(what string) reply {
	return s.says(http.StatusBadRequest, "Bad Request : "+what, nil)
}

func (s *Sonic) understand(x *exchange) func() reply {
	x.headers("Content-Type")
	x.query()
	do := s.route(x)
	return func() reply {
		switch {
		case do == nil:
			return s.notFound()
		case !x.lawful():
			return s.bad("invalid request")
		}
		return do()
	}
}

func (s *Sonic) route(x *exchange) func() reply {
	switch x.r.Method + " " + x.r.URL.Path {
	case "GET /dyndns/ping", "PUT /dyndns/ping", "POST /dyndns/ping":
		x.bare()
		return func() reply { return s.says(http.StatusOK, "PONG", nil) }
	case "GET /dyndns/ip":
		x.bare()
		return func() reply { return object(http.StatusOK, map[string]string{"ip": x.from.String()}) }
	case "PUT /dyndns/host":
		return s.host(x)
	case "POST /dyndns/api_key":
		f := sonicBody(x, "username", "password", "hostname")
		return s.signed(f, func() reply {
			if !under(f.Get("hostname"), s.domains) {
				return s.notFound()
			}
			key := s.mint(f.Get("hostname"))
			x.hide(key)
			return s.says(http.StatusOK, "OK", map[string]any{"userid": sonicUser, "apikey": key})
		})
	case "DELETE /dyndns/api_key":
		f := sonicBody(x, "username", "password", "hostname", "apikey")
		return s.signed(f, func() reply {
			if s.keys[f.Get("hostname")] != f.Get("apikey") {
				return s.notFound()
			}
			delete(s.keys, f.Get("hostname"))
			return s.ok()
		})
	case "POST /dyndns/list_api_key":
		return s.signed(sonicBody(x, "username", "password"), func() reply { return s.list(x) })
	}
	x.stray()
	return nil
}

// signed wants the account's own credentials.
func (s *Sonic) signed(f url.Values, do func() reply) func() reply {
	return func() reply {
		if f.Get("username") != s.User || f.Get("password") != s.Password {
			return s.unauthorized()
		}
		return do()
	}
}

// list has the user's number among the hosts when result is a number, as the
// document's two forms have.
func (s *Sonic) list(x *exchange) reply {
	data := map[string]any{}
	if s.answers%2 == 0 {
		data["userid"] = sonicUser
	}
	for domain, key := range s.keys {
		x.hide(key)
		data[domain] = map[string]string{"key": key}
	}
	return s.says(http.StatusOK, "OK", map[string]any{"data": data})
}

// sonicBody reads a form or a JSON object, which are equal here. All fields
// are mandatory but the optional ones, which end with a question mark.
func sonicBody(x *exchange, fields ...string) url.Values {
	var mandatory, all []string
	for _, f := range fields {
		name, optional := strings.CutSuffix(f, "?")
		all = append(all, name)
		if !optional {
			mandatory = append(mandatory, name)
		}
	}
	f := url.Values{}
	if x.media() == "application/json" {
		members := map[string]any{}
		d := json.NewDecoder(bytes.NewReader(x.body))
		d.UseNumber()
		if err := d.Decode(&members); err == nil {
			for name, v := range members {
				switch v.(type) {
				case string, json.Number:
					f.Set(name, fmt.Sprint(v))
				default:
					x.breaks("%s is neither text nor number", name)
				}
			}
		}
		x.object(&members, all...)
	} else {
		f = x.form(all...)
	}
	x.hide(f.Get("password"))
	x.hide(f.Get("apikey"))
	for _, name := range mandatory {
		if f.Get(name) == "" {
			x.breaks("%s is missing", name)
		}
	}
	x.entry.Type, x.entry.Value = f.Get("type"), f.Get("value")
	if h := f.Get("hostname"); h != "" {
		x.entry.Hosts = []string{h}
	}
	return f
}

// host writes a record.
func (s *Sonic) host(x *exchange) func() reply {
	f := sonicBody(x, "userid", "apikey", "hostname", "type?", "value?", "ttl?")
	record := cmp.Or(f.Get("type"), "A")
	x.entry.Type = record
	if record != "A" && record != "AAAA" && record != "TXT" {
		x.breaks("type %s", record)
	}
	if f.Get("value") == "" && (record != "A" || f.Has("value")) {
		x.breaks("no value for %s", record)
	}
	ttl, err := strconv.ParseUint(cmp.Or(f.Get("ttl"), "7200"), 10, 32)
	if err != nil || ttl < 1 || ttl > 1209600 {
		x.breaks("ttl %s", f.Get("ttl"))
	}
	return func() reply {
		host := f.Get("hostname")
		// A key works for everything under its domain.
		if f.Get("userid") != sonicUser || !under(host, s.held(f.Get("apikey"))) {
			return s.notFound()
		}
		r := s.names[host]
		r.TTL = uint32(ttl)
		if record == "TXT" {
			r.TXT = f.Get("value")
		} else {
			a := x.from
			if f.Has("value") {
				a, err = parseAddr(f.Get("value"))
			}
			if err != nil || a.Is4() != (record == "A") {
				return s.bad("invalid value")
			}
			r = r.with(a)
		}
		s.names[host] = r
		return s.ok()
	}
}

// held are the domains of a key.
func (s *Sonic) held(key string) []string {
	return slices.DeleteFunc(slices.Collect(maps.Keys(s.keys)), func(d string) bool { return s.keys[d] != key })
}

// under reports whether a name is one of the domains or below it.
func under(host string, domains []string) bool {
	return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}
