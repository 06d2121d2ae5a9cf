package updatertest

import (
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// Hostway is a Hostway with one account. It publishes the address from which
// a request comes; IPv6 it does not know.
type Hostway struct {
	base
	User, Password string
	// OfflineIP is where the hosts of a client point that is offline.
	OfflineIP netip.Addr

	hosts   map[string]netip.Addr
	foreign map[string]bool // client keys and hosts of other accounts
	clients map[string]*hostwayClient
}

type hostwayClient struct {
	offline bool
	hosts   map[string]bool
	acted   time.Time
}

// NewHostway makes a Hostway whose account has these hosts, attached to no
// client.
func NewHostway(user, password string, hosts ...string) *Hostway {
	s := &Hostway{
		User: user, Password: password, OfflineIP: netip.AddrFrom4([4]byte{192, 0, 2, 254}),
		hosts: map[string]netip.Addr{}, foreign: map[string]bool{}, clients: map[string]*hostwayClient{},
	}
	for _, h := range hosts {
		s.hosts[h] = netip.Addr{}
	}
	return s
}

var _ Service = (*Hostway)(nil)

// Provider returns its name.
func (s *Hostway) Provider() string { return "hostway" }

// Fields returns the account and a client that does not exist yet.
func (s *Hostway) Fields() map[string]string {
	return map[string]string{"username": s.User, "password": s.Password, "client_key": "router-1"}
}

// Hosts returns the account's hosts.
func (s *Hostway) Hosts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.hosts))
}

// Disown makes a client key or a host that of another account.
func (s *Hostway) Disown(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreign[name] = true
}

// Lookup is what DNS says of a name.
func (s *Hostway) Lookup(host string) (Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.hosts[host]
	return Record{V4: a}, ok
}

func (s *Hostway) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s) }

func (s *Hostway) scripted(Fault, *exchange) (reply, bool) { return reply{}, false }

func (s *Hostway) understand(x *exchange) func() reply {
	x.headers("Authorization", "Content-Type")
	x.query()
	if _, _, ok := x.r.BasicAuth(); !ok {
		x.breaks("no basic authentication")
	}
	do, names := s.route(x)
	return func() reply {
		user, password, _ := x.r.BasicAuth()
		switch {
		case user != s.User || password != s.Password:
			return hostwaySays(http.StatusUnauthorized).with("WWW-Authenticate", `Basic realm="DDNS"`)
		case slices.ContainsFunc(names, func(n string) bool { return s.foreign[n] }):
			return hostwaySays(http.StatusForbidden)
		case do == nil:
			return hostwaySays(http.StatusNotFound)
		case !x.lawful():
			return hostwaySays(http.StatusBadRequest)
		}
		return do()
	}
}

func hostwaySays(status int) reply { return reply{status: status} }

// route finds what a request wants, nil for nothing that there is, and the
// client and host that it names.
func (s *Hostway) route(x *exchange) (do func() reply, names []string) {
	p := x.path()
	if len(p) < 3 || len(p) > 5 || p[0] != "ddns" || p[1] != "clients" {
		x.stray()
		return nil, nil
	}
	key, names := p[2], []string{p[2]}
	c := s.clients[key]
	call := x.r.Method
	if len(p) > 3 {
		call += " " + p[3]
	}
	if len(p) == 5 {
		call, names = call+"/", []string{key, p[4]}
		x.entry.Hosts = p[4:]
	} else if c != nil {
		x.entry.Hosts = slices.Sorted(maps.Keys(c.hosts))
	}
	if call == http.MethodPut {
		var body struct{ Offline *bool }
		if x.object(&body, "offline"); body.Offline == nil {
			x.breaks("offline is missing")
		}
		return func() reply { return s.put(x, key, *body.Offline) }, names
	}
	switch call {
	case "PUT hosts/":
		if len(x.body) > 0 {
			x.object(&struct{}{})
		}
		do = func() reply { return s.attach(x, c, key, p[4]) }
	case "POST action":
		do = s.action(x, c)
	case "GET", "DELETE", "GET hosts", "DELETE hosts/":
		x.bare()
	default:
		x.stray()
		return nil, names
	}
	switch {
	case c == nil:
		return nil, names // which is 404
	case call == http.MethodGet:
		do = func() reply { return object(http.StatusOK, c.show(x, key)) }
	case call == http.MethodDelete:
		do = func() reply { delete(s.clients, key); return hostwaySays(http.StatusNoContent) }
	case call == "GET hosts":
		do = func() reply { return s.list(x, c, key) }
	case call == "DELETE hosts/":
		if !c.hosts[p[4]] {
			return nil, names
		}
		do = func() reply { delete(c.hosts, p[4]); return hostwaySays(http.StatusNoContent) }
	}
	return do, names
}

// link is a URL as Hostway gives it: always without TLS.
func link(x *exchange, key string, more ...string) string {
	u := &url.URL{Scheme: "http", Host: x.r.Host, Path: "/ddns/clients"}
	for _, s := range append([]string{key}, more...) {
		u = u.JoinPath(url.PathEscape(s))
	}
	return u.String()
}

func (c *hostwayClient) show(x *exchange, key string) any {
	return map[string]any{"offline": c.offline, "hosts": map[string]string{"rel": "related", "href": link(x, key, "hosts")}}
}

// put registers a client or takes it off the network and back.
func (s *Hostway) put(x *exchange, key string, offline bool) reply {
	c, known := s.clients[key]
	if !known {
		s.clients[key] = &hostwayClient{offline: offline, hosts: map[string]bool{}}
		return hostwaySays(http.StatusCreated).with("Location", link(x, key))
	}
	was := c.offline
	c.offline = offline
	if offline {
		s.point(c, s.OfflineIP)
	} else if was {
		s.point(c, x.from)
	}
	return object(http.StatusOK, c.show(x, key))
}

// point has all attached hosts at an address.
func (s *Hostway) point(c *hostwayClient, a netip.Addr) {
	for h := range c.hosts {
		s.hosts[h] = a
	}
}

func (s *Hostway) list(x *exchange, c *hostwayClient, key string) reply {
	list := []any{}
	for _, h := range slices.Sorted(maps.Keys(c.hosts)) {
		address := ""
		if a := s.hosts[h]; a.IsValid() {
			address = a.String()
		}
		list = append(list, map[string]any{
			"hostname": h, "ipAddress": address,
			"links": []any{map[string]string{"rel": "self", "href": link(x, key, "hosts", h)}},
		})
	}
	return object(http.StatusOK, map[string]any{"hosts": list})
}

func (s *Hostway) attach(x *exchange, c *hostwayClient, key, host string) reply {
	if _, known := s.hosts[host]; !known {
		return hostwaySays(http.StatusNotFound)
	}
	c.hosts[host] = true
	return hostwaySays(http.StatusCreated).with("Location", link(x, key, "hosts", host))
}

// action points the attached hosts at the client, unless it is offline. Two
// of a client must be five minutes apart: the document sets no limit, so
// this is the good manners of wandns.
func (s *Hostway) action(x *exchange, c *hostwayClient) func() reply {
	var body struct{ UpdateIP string }
	if x.object(&body, "updateIP"); body.UpdateIP != "default" {
		x.breaks(`updateIP is not "default"`)
	}
	if !x.from.Is4() {
		x.breaks("an update over IPv6")
	}
	if c != nil && time.Since(c.acted) < 5*time.Minute {
		x.breaks("an action %s after the last one", time.Since(c.acted))
	}
	return func() reply {
		c.acted = time.Now()
		if !c.offline {
			s.point(c, x.from)
		}
		return hostwaySays(http.StatusNoContent)
	}
}
