package updater

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"wandns/persist"
	"wandns/wan"
)

// mostAtOnce bounds the requests and checks in flight, each of which takes
// some hundred kilobytes. The next one begins when one has ended.
const mostAtOnce = 32

// plan starts what is due and finds when the next thing will be.
func (e *Engine) plan(now time.Time) Plan {
	var p Plan
	busy, free := e.busy()
	for _, s := range e.services {
		if e.stopped || busy[s.Account] || len(p.Jobs)+len(p.Checks) >= free {
			continue
		}
		if !e.may(s) {
			continue
		}
		req, ok := e.due(s)
		if !ok && len(s.passes) == 0 { // nor is anything to be looked at again
			continue
		}
		if p.verify(e, s, req, now) {
			busy[s.Account] = s.busy()
			continue
		}
		if !ok {
			continue
		}
		if at := e.earliest(s, req); at.After(now) {
			p.wake(at)
			continue
		}
		req.Way, req.Tokens = e.way(s), s.rec.Tokens
		if req.From != "" {
			req.Way.Only = Over(req.family())
		}
		e.ledger.sent(s, req.Hosts, 1, now)
		e.ledger.leave(s, now)
		if s.start(now, stamp(e.Stamp(now)), req) {
			e.dirty[s.Name] = true
		}
		p.Jobs = append(p.Jobs, Job{s.Name, s.Account, s.Login, s.Config, req})
		busy[s.Account] = true
	}
	if e.stopped {
		e.close()
	}
	p.Save = slices.Contains(slices.Collect(maps.Values(e.dirty)), true)
	if p.Save && e.aged {
		e.restamp()
	}
	for _, s := range e.services {
		if e.dirty[s.Name] {
			e.ledger.store(s, now, e.Stamp)
			s.stored = true
		}
		if s.outdated() {
			p.Cancel = append(p.Cancel, s.Name)
		}
		if s.check != nil && e.stopped {
			p.Cancel = append(p.Cancel, s.check.Key)
		}
	}
	p.look(e, now)
	if !e.chooseAt.IsZero() && !e.stopped {
		p.wake(e.chooseAt)
	}
	return p
}

// close ends what is known to have come to nothing: an outage costs no flash
// before the end, and the next process need not wonder.
func (e *Engine) close() {
	for _, s := range e.services {
		if s.unsent && s.flight == nil && s.rec.Intent != nil {
			s.rec.Intent, s.unsent = nil, false
			e.dirty[s.Name] = true
		}
	}
}

func (p *Plan) wake(at time.Time) {
	if p.Wake.IsZero() || at.Before(p.Wake) {
		p.Wake = at
	}
}

// outdated reports whether another address is wanted than the one in flight:
// the connection that carries it may be as dead as the address. One that is
// only gone may come back, as it does while PPP connects.
func (s *service) outdated() bool {
	if s.flight == nil {
		return false
	}
	v4, v6 := s.sees[wan.IPv4].Addr, s.sees[wan.IPv6].Addr
	return s.flight.V4.IsValid() && v4.IsValid() && v4 != s.flight.V4 ||
		s.flight.V6.IsValid() && v6.IsValid() && v6 != s.flight.V6
}

// busy returns the accounts that are being asked something, and how much more
// may be in flight.
func (e *Engine) busy() (accounts map[string]bool, free int) {
	accounts, free = map[string]bool{}, mostAtOnce
	for _, s := range e.services {
		if s.flight != nil || s.check != nil {
			free--
		}
		if s.busy() {
			accounts[s.Account] = true
		}
	}
	return accounts, free
}

func (s *service) busy() bool { return s.flight != nil || s.check != nil && s.Reads }

// need is what a name is yet to be told.
type need struct {
	host   string
	v4, v6 netip.Addr
	from   string
	free   time.Time // not before, by the name's own limit
}

// may reports whether a service may do anything.
func (e *Engine) may(s *service) bool {
	return e.shut == "" && s.Enabled && s.rec.Blocked == "" && s.flight == nil
}

// due returns the next request that a service needs, whenever it may leave:
// all names that need the same families, beginning with one that may be
// changed first.
func (e *Engine) due(s *service) (Request, bool) {
	if !e.may(s) {
		return Request{}, false
	}
	var few [4]need // on the stack: this runs for every service at every step
	needs := few[:0]
	for _, name := range s.Hosts {
		if n := s.needs(name); n.v4.IsValid() || n.v6.IsValid() {
			n.free = e.ledger.hostFree(s, name, 1)
			needs = append(needs, n)
		}
	}
	if len(needs) == 0 {
		return Request{}, false
	}
	first := slices.MinFunc(needs, func(a, b need) int { return a.free.Compare(b.free) })
	req := Request{V4: first.v4, V6: first.v6, From: first.from}
	for _, n := range needs {
		if n.v4 == first.v4 && n.v6 == first.v6 && !n.free.After(first.free) && (s.Limits.HostsPerRequest == 0 || len(req.Hosts) < s.Limits.HostsPerRequest) {
			req.Hosts = append(req.Hosts, n.host)
		}
	}
	return req, true
}

func (s *service) needs(host string) need {
	h := s.rec.Hosts.At(host)
	n := need{host: host}
	if h.Refused != "" {
		return n
	}
	n.v4, n.v6 = s.lacks(host, wan.IPv4), s.lacks(host, wan.IPv6)
	switch both := n.v4.IsValid() && n.v6.IsValid(); {
	case both && s.Limits.OneFamily && s.confirmed(part{host, wan.IPv4}).After(s.confirmed(part{host, wan.IPv6})):
		n.v4 = netip.Addr{}
	case both && (s.Limits.OneFamily || s.sees[wan.IPv4].from != ""): // a connection has one address
		n.v6 = netip.Addr{}
	}
	if n.v4.IsValid() {
		n.from = s.sees[wan.IPv4].from
	} else if n.v6.IsValid() {
		n.from = s.sees[wan.IPv6].from
	}
	return n
}

// lacks returns the address of a family that a name is yet to get.
func (s *service) lacks(host string, f wan.Family) netip.Addr {
	h := s.rec.Hosts.At(host)
	has, _ := published(h, f)
	wanted, from := s.sees[f].Addr, s.sees[f].from
	open := isOpen(h, f) && s.passes[part{host, f}].looks == 0
	if !open && (from == "" && wanted == has || from != "" && from == stoodAt(h, f)) {
		return netip.Addr{}
	}
	return wanted
}

// earliest is when a request may leave: not before the service is ready, and
// not before the provider's limits allow it.
func (e *Engine) earliest(s *service, req Request) time.Time {
	return later(s.ready(req), e.allowance(s, req.Hosts))
}

// ready is when a service has waited long enough: not before the hold ends,
// and after a growing pause while the address flaps.
func (s *service) ready(req Request) time.Time {
	held := s.held()
	at := held.until
	another := req.V4 != held.v4 || req.V6 != held.v6
	if held.ours() && another && !s.last.IsZero() {
		at = earlier(at, s.last.Add(cautious)) // the failure was another address's
	}
	if !s.last.IsZero() && (s.gaveUp || s.replaces(req)) {
		at = later(at, s.last.Add(flap(s.flaps)))
	}
	if !s.last.IsZero() && s.rec.Failures+s.misses > 0 {
		at = later(at, s.last.Add(soon(1))) // a WAN that comes and goes is no reason to hurry
	}
	return at
}

// allowance is when the provider's limits let a request leave that changes
// these names.
func (e *Engine) allowance(s *service, hosts []string) time.Time {
	at := e.ledger.free(s)
	for _, name := range hosts {
		at = later(at, e.ledger.hostFree(s, name, 1))
	}
	return at
}

// replaces reports whether the request changes an address that was confirmed
// a short time ago.
func (s *service) replaces(req Request) bool {
	for _, name := range req.Hosts {
		for _, f := range wan.Families() {
			if req.Addr(f).IsValid() && s.last.Sub(s.confirmed(part{name, f})) < calm(s.flaps) {
				return true
			}
		}
	}
	return false
}

// start notes that a request is about to leave, and reports whether that has
// to be stored: an attempt that never reached the provider left its intent.
func (s *service) start(now, at time.Time, req Request) (store bool) {
	switch {
	case now.Sub(s.last) >= calm(s.flaps):
		s.flaps = 1
	case s.gaveUp, s.replaces(req):
		s.flaps++
	}
	s.last, s.hold, s.gaveUp = now, nil, false
	s.flight = &req
	s.unwait()
	counted := s.Limits.counted() && !s.unsent
	s.unsent = false
	if i := s.rec.Intent; counted || i == nil || !slices.Equal(i.Hosts, req.Hosts) || i.V4 != req.V4 || i.V6 != req.V6 {
		s.rec.Intent = &persist.Intent{At: at, Hosts: req.Hosts, V4: req.V4, V6: req.V6, Uncounted: true}
		store = true
	}
	return store
}

// countSent adds a request that left, or may have, to those of the day.
func (s *service) countSent(now time.Time) {
	s.rec.Count(now.UTC().Format(time.DateOnly))
	if i := s.rec.Intent; i != nil {
		known := *i // another may be stored
		known.Uncounted = false
		s.rec.Intent = &known
	}
}
