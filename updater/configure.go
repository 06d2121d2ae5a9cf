package updater

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"wandns/persist"
	"wandns/wan"
)

// configure returns the services that are gone amid a request.
func (e *Engine) configure(now time.Time, services []Service) (abandoned []string) {
	old, first := e.services, e.ledger.last == nil
	if first {
		e.ledger.load(e.records, e.saved, e.began)
		e.recall()
	}
	for _, s := range old {
		if s.flight != nil && !slices.ContainsFunc(services, func(c Service) bool { return c.Name == s.Name }) {
			e.abandon(now, s)
			abandoned = append(abandoned, s.Name)
		}
		if s.stored {
			e.records[s.Name] = s.rec
		}
	}
	e.services = nil
	sharing := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(e.records)) {
		account := e.records[name].Account
		sharing[account] = append(sharing[account], name)
	}
	var terms *Terms
	for _, c := range services {
		if terms == nil || !reflect.DeepEqual(*terms, c.Terms) {
			own := c.Terms
			terms = &own
		}
		rec, stored := e.records[c.Name]
		s := &service{rec: rec, stored: stored, sees: [2]*view{{}, {}}}
		i := slices.IndexFunc(old, func(s *service) bool { return s.Name == c.Name })
		if i >= 0 {
			s = old[i]
		} else if s.rec.Account == c.Account {
			e.wait(now, s, s.rec, first)
		}
		s.fresh = fresh{account: s.rec.Account != c.Account, login: s.rec.Login != c.Login}
		e.adopt(now, s, c.Self, terms)
		e.inherit(now, s, sharing[s.Account], first, i < 0)
		for _, host := range s.Hosts {
			for _, f := range wan.Families() {
				e.watch(now, s, part{host, f}, 0)
			}
		}
		e.services = append(e.services, s)
	}
	for _, s := range e.services {
		delete(e.records, s.Name)
	}
	for _, s := range e.services {
		if s.fresh.login {
			e.share(s)
		}
	}
	if first && e.passed > 0 {
		e.age(e.passed)
	}
	e.choose(now)
	e.forgetLooks()
	return abandoned
}

// abandon gives up the request of a service that is no more: nobody knows what
// it did.
func (e *Engine) abandon(now time.Time, s *service) {
	s.countSent(now)
	for _, name := range s.flight.Hosts {
		e.open(now, s, *s.flight, name)
	}
	s.rec.Intent = nil
	e.dirty[s.Name] = true
}

// inherit takes over what is known of the account by other names of the
// service, which may be gone: waits, and what hosts were told. What a service
// itself left when it was gone may be older than that.
func (e *Engine) inherit(now time.Time, s *service, names []string, first, back bool) {
	for _, name := range names {
		if name == s.Name {
			continue
		}
		r := e.records[name]
		if r.Throttled {
			e.wait(now, s, r, first)
		}
		for _, host := range s.Hosts {
			h, own := r.Hosts.At(host), s.rec.Hosts.At(host)
			if r.Hosts.Has(host) && (!s.rec.Hosts.Has(host) || back && told(h).After(told(own))) {
				s.rec.Hosts.Set(host, *h)
				e.dirty[s.Name] = true
			}
		}
	}
}

// told is when a host last got an address.
func told(h *persist.Host) time.Time { return later(h.Since4, h.Since6) }

// wait keeps the wait of a stored record, if it is the longer one.
func (e *Engine) wait(now time.Time, s *service, r persist.Record, kept bool) {
	if left := min(r.NotBefore.Sub(e.Stamp(now)), longest); left > 0 && now.Add(left).After(s.held().until) {
		s.hold = &hold{until: now.Add(left), kind: Transient, why: r.Waiting, kept: kept}
		switch {
		case r.Throttled:
			s.hold.kind = Throttled
		case r.Spent:
			s.hold.kind = Spent
		}
	}
}

// adopt gives a service its configuration and drops what belonged to another.
func (e *Engine) adopt(now time.Time, s *service, c Self, terms *Terms) {
	s.Self, s.Terms = c, terms
	switch {
	case s.rec.Account != c.Account:
		s.rec = persist.Record{}
		s.hold, s.flaps, s.told, s.passes = nil, 0, nil, nil
		e.dirty[s.Name] = s.stored
	case s.rec.Config != c.Config:
		unblock(&s.rec)
		if s.rec.Login != c.Login {
			s.rec.Tokens = nil // they might go elsewhere
		}
		e.relent(now, s)
		e.dirty[s.Name] = s.stored
	}
	s.rec.Account, s.rec.Login, s.rec.Config = c.Account, c.Login, c.Config
	if s.Enabled { // later, what lasts would lie between what requests leave
		s.rec.Hosts = slices.Grow(s.rec.Hosts, max(len(s.Hosts)-len(s.rec.Hosts), 0))
		s.told = slices.Grow(s.told, max(len(s.Hosts)-len(s.told), 0))
	}
}
