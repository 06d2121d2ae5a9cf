package updater

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"wandns/persist"
	"wandns/wan"
)

// Check is the question what is published of a service's names. It precedes
// their first request, since a lost store or another program may have
// published the address before, and any after a request of unknown outcome.
type Check struct {
	Key      string
	Service  string
	Account  string
	Login    string
	Hosts    []string
	Families [2]bool // by wan.Family
	Way      Way
	For      time.Duration // at most
	Quiet    bool          // nobody waits for it
	DNSOnly  bool          // the provider has confirmed it already
}

// Checked is the outcome of a Check.
type Checked struct {
	Key   string
	Found []Found
	Told  bool  // by the provider; what the DNS says is evidence only
	Err   error // a *Fault: what the provider wants before anything else is sent
}

func (Checked) event() {}

// Found is what is published of a name.
type Found struct {
	Host  string
	Addrs [2][]netip.Addr // by wan.Family
	Known [2]bool         // by wan.Family: Addrs is all there is
	Why   string          // the rest is not known
}

// A DNS that does not answer must not keep an address from being published:
// for so long does a check last, and the one before the first request, where
// no outcome is unknown.
const (
	checkFor = 3 * time.Second
	firstFor = checkFor / 2
)

// part is one record of a service.
type part struct {
	host   string
	family wan.Family
}

// pass lets requests leave without a check.
type pass struct {
	blind bool       // the check did not find out
	found netip.Addr // the check found this instead of the wanted address
	again time.Time  // a check has to be made, but not before; see next
	looks int        // what is published is looked at for the so-manieth time at again
	asked bool       // by the user, not to wait for again
	last  time.Time  // when it was looked at
	made  int        // looks before one found something else
}

// isOpen reports whether a request of unknown outcome was about a family.
func isOpen(h *persist.Host, f wan.Family) bool { return [...]bool{h.Open4, h.Open6}[f] }

// isFound reports that the DNS said what is published, and not the provider.
func isFound(h *persist.Host, f wan.Family) bool { return [...]bool{h.Found4, h.Found6}[f] }

// tried is what the request of unknown outcome carried, if there was one only.
func tried(h *persist.Host, f wan.Family) netip.Addr { return carried(h.Tried, f) }

func try(h *persist.Host, f wan.Family, a netip.Addr) { h.Tried = carries(h.Tried, f, a) }

func carried(t *persist.Tried, f wan.Family) netip.Addr {
	if t == nil {
		return netip.Addr{}
	}
	return [...]netip.Addr{t.V4, t.V6}[f]
}

// carries is t with another address; nil if there is none in it.
func carries(t *persist.Tried, f wan.Family, a netip.Addr) *persist.Tried {
	if carried(t, f) == a {
		return t
	}
	var is persist.Tried
	if t != nil {
		is = *t
	}
	if f == wan.IPv4 {
		is.V4 = a
	} else {
		is.V6 = a
	}
	if !is.V4.IsValid() && !is.V6.IsValid() {
		return nil
	}
	return &is
}

// opened notes that nobody knows what became of a request with this address.
func opened(h *persist.Host, f wan.Family, a netip.Addr) {
	if f == wan.IPv4 {
		h.Open4 = true
	} else {
		h.Open6 = true
	}
	try(h, f, a)
}

// mayBeLate reports whether a request of unknown outcome that carried something
// else may yet land.
func mayBeLate(h *persist.Host, f wan.Family, a netip.Addr) bool {
	return isOpen(h, f) && tried(h, f) != a && (tried(h, f).IsValid() || !isFound(h, f))
}

// recall takes the intents that an earlier process left for what they are:
// nobody knows what became of them.
func (e *Engine) recall() {
	for name, r := range e.records {
		if r.Intent == nil {
			continue
		}
		hosts := slices.Clone(r.Hosts)
		for _, host := range r.Intent.Hosts {
			h := hosts.Edit(host)
			for f, a := range []netip.Addr{wan.IPv4: r.Intent.V4, wan.IPv6: r.Intent.V6} {
				if a.IsValid() {
					opened(h, wan.Family(f), a)
					lost(h, wan.Family(f), a, r.Intent.At)
				}
			}
		}
		if r.Intent.Uncounted {
			r.Count(cmp.Or(r.Day, r.Intent.At.UTC().Format(time.DateOnly)))
		}
		r.Hosts, r.Intent = hosts, nil
		e.records[name] = r
	}
}

// open notes that nobody knows what a request did to a name.
func (e *Engine) open(now time.Time, s *service, req Request, host string) {
	h := s.rec.Hosts.Edit(host)
	for _, f := range wan.Families() {
		if a := req.Addr(f); a.IsValid() {
			e.opened(now, s, h, part{host, f}, a)
		}
	}
}

// opened also sees to it that what is published is looked up before the same is
// sent again. After several requests, of which any may land last, only another
// one settles what is published.
func (e *Engine) opened(now time.Time, s *service, h *persist.Host, r part, a netip.Addr) {
	s.passed(r)
	lost(h, r.family, a, stamp(e.Stamp(now)))
	if mayBeLate(h, r.family, a) {
		a = netip.Addr{}
		s.let(r, pass{})
	}
	opened(h, r.family, a)
}

func (s *service) let(r part, p pass) {
	if s.passes == nil {
		s.passes = map[part]pass{}
	}
	s.passes[r] = p
}

// passed forgets the pass of a record that is confirmed.
func (s *service) passed(r part) {
	if delete(s.passes, r); len(s.passes) == 0 {
		s.passes = nil // even an empty map has room for eight
	}
}

// unheard makes up for a check that found nothing out: the request did not
// reach the provider either, so both are tried again.
func (s *service) unheard(req Request) {
	maps.DeleteFunc(s.passes, func(r part, p pass) bool { return p.blind && slices.Contains(req.Hosts, r.host) })
}

// unsure reports whether a check has to come before a request: what is wanted
// may be published already. Another address than that of a request of unknown
// outcome is sent, though the DNS may show it, for that request may land after
// the look. What the provider takes from the connection nobody else can know.
func (s *service) unsure(host string, f wan.Family) bool {
	h := s.rec.Hosts.At(host)
	has, _ := published(h, f)
	wanted := s.lacks(host, f)
	p, passed := s.passes[part{host, f}]
	switch {
	case !wanted.IsValid(), s.sees[f].from != "", h.Refused != "", passed && (p.again.IsZero() || p.looks > 0):
		return false
	case !isOpen(h, f):
		return !has.IsValid()
	case tried(h, f).IsValid():
		return wanted == tried(h, f)
	}
	return wanted == has || !isFound(h, f)
}

// verify starts the check that has to come before the service's next request,
// and reports whether there is one to wait for. Looking costs none of the
// provider's changes, so only other waits delay it.
func (p *Plan) verify(e *Engine, s *service, req Request, now time.Time) bool {
	if s.check != nil {
		return true
	}
	at, quiet, sure := s.ready(req), true, true
	var parts, again []part
	for _, host := range s.Hosts {
		for _, f := range wan.Families() {
			r := part{host, f}
			switch look, ok := s.lookAt(r); {
			case s.unsure(host, f):
				at = later(at, s.passes[r].again)
				parts = append(parts, r)
			case !ok:
			case look.After(now):
				p.wake(look)
			default:
				quiet = quiet && !s.passes[r].asked
				sure = sure && !isFound(s.rec.Hosts.At(host), f)
				again = append(again, r)
			}
		}
	}
	switch {
	case len(parts) == 0 && len(again) == 0:
		return false
	case len(parts) > 0 && at.After(now):
		p.wake(at)
		return true
	}
	c := Check{Service: s.Name, Account: s.Account, Login: s.Login, For: firstFor, Quiet: quiet && len(parts) == 0}
	c.DNSOnly = c.Quiet && sure
	for _, r := range append(parts, again...) {
		c.Families[r.family] = true
		if isOpen(s.rec.Hosts.At(r.host), r.family) {
			c.For = checkFor
		}
		if !slices.Contains(c.Hosts, r.host) {
			c.Hosts = append(c.Hosts, r.host)
		}
	}
	e.checks++
	c.Key, c.Way = fmt.Sprintf("check %d of %s", e.checks, s.Name), e.way(s)
	s.check = &c
	p.Checks = append(p.Checks, c)
	return true
}

// checked takes in what is published, and compares it with what is wanted by
// now.
func (e *Engine) checked(now time.Time, ev Checked) {
	i := slices.IndexFunc(e.services, func(s *service) bool { return s.check != nil && s.check.Key == ev.Key })
	if i < 0 {
		return
	}
	s := e.services[i]
	c := s.check
	s.check = nil
	fault, failed := ev.Err.(*Fault) //nolint:errorlint // as in Done
	if failed && fault.Kind == Blocked {
		e.block(c.Account, c.Login, fault)
	}
	if s.Account != c.Account {
		return // the answer is for the account before a reload
	}
	if failed {
		if !fault.denies() || s.Login == c.Login {
			s.rec.Error = fault.Detail
			e.apply(now, s, Request{}, fault)
		}
		return
	}
	settled := false
	for _, host := range c.Hosts {
		found := ev.of(host)
		for _, f := range wan.Families() {
			if c.Families[f] && s.sees[f].from == "" {
				is := e.compare(now, s, part{host, f}, found, ev.Told)
				settled = settled || is
			}
		}
	}
	if settled {
		// What the intent still says of others is said by their names too.
		s.rec.Intent, s.unsent = nil, false
		s.rec.Failures, s.rec.Error = 0, ""
		if !s.held().until.After(now) {
			s.unwait()
		}
		e.dirty[s.Name] = true
	}
}

func (ev Checked) of(host string) Found {
	i := slices.IndexFunc(ev.Found, func(f Found) bool { return f.Host == host })
	if i < 0 {
		return Found{}
	}
	return ev.Found[i]
}

// shows returns what a check found published instead of what is wanted.
func (s *service) shows(host string, f wan.Family) (netip.Addr, bool) {
	h := s.rec.Hosts.At(host)
	has, _ := published(h, f)
	found := s.passes[part{host, f}].found
	return found, found.IsValid() && (isOpen(h, f) || !has.IsValid())
}

// looksUp describes a check under way.
func (s *service) looksUp() string {
	names := s.check.Hosts[0]
	if more := len(s.check.Hosts) - 1; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	for _, host := range s.check.Hosts {
		if h := s.rec.Hosts.At(host); h.Open4 && !h.Found4 || h.Open6 && !h.Found6 {
			return fmt.Sprintf("whether the last request took effect is not known; looking up what is published for %s before anything is sent", names)
		}
	}
	return fmt.Sprintf("looking up what is published for %s before anything is sent", names)
}

// verify carries out a check: the provider knows best, then the DNS.
func verify(ctx context.Context, c Check, by Carrier) Checked {
	ctx, cancel := context.WithTimeout(By(ctx, c.Way), c.For)
	defer cancel()
	if reader, ok := by.Provider.(Reader); ok && !c.DNSOnly {
		list, err := reader.Published(ctx, c.Hosts)
		fault, _ := err.(*Fault) //nolint:errorlint // Reader's contract
		switch {
		case err == nil:
			return Checked{Key: c.Key, Found: read(c.Hosts, list), Told: true}
		case fault != nil && (fault.Kind == Throttled || fault.Kind == Blocked):
			return Checked{Key: c.Key, Err: fault}
		}
	}
	found := make([]Found, len(c.Hosts))
	look := newDNSLook(by.Client)
	busy := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, host := range c.Hosts {
		busy <- struct{}{}
		all.Go(func() {
			found[i] = look.published(ctx, host, c.Families, by.NotInDNS)
			<-busy
		})
	}
	all.Wait()
	return Checked{Key: c.Key, Found: found}
}

// atOnce bounds the names that are looked up at the same time.
const atOnce = 8

// read translates what a provider says. Names that it does not know have no
// address.
func read(hosts []string, list []Published) []Found {
	var all []Found
	for _, host := range hosts {
		found := Found{Host: host, Known: [2]bool{true, true}}
		for _, p := range list {
			if !strings.EqualFold(p.Host, host) {
				continue
			}
			for f, a := range []netip.Addr{wan.IPv4: p.V4, wan.IPv6: p.V6} {
				if a.IsValid() {
					found.Addrs[f] = append(found.Addrs[f], a)
				}
			}
		}
		all = append(all, found)
	}
	return all
}

// explain logs what a check could not find out.
func (r *Runner) explain(o outcome) {
	ev, ok := o.event.(Checked)
	if !ok {
		return
	}
	for _, found := range ev.Found {
		if found.Why != "" {
			r.Log.Debug("what is published could not be looked up", "hostname", found.Host, "why", found.Why)
		}
	}
}
