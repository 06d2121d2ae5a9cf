package updater

import (
	"cmp"
	"net/netip"
	"time"

	"wandns/persist"
	"wandns/wan"
)

// What the DNS shows is evidence: it counts as published, so that nothing is
// sent that need not be, and is looked at again. So is what was confirmed after
// a request with another address, of which nobody knows whether it may yet land.

// looksAfter are the times between one look and the next: 10 minutes, an hour
// and a day after the first.
//
//nolint:gochecknoglobals // a constant table
var looksAfter = [...]time.Duration{10 * time.Minute, 50 * time.Minute, 23 * time.Hour}

// next is the pass after a look that changed nothing. One that was asked for
// leaves the others as they are.
func (p pass) next(now time.Time) pass {
	p.asked, p.last = false, now
	if p.again.After(now) {
		return p
	}
	p.again = time.Time{}
	if p.looks < len(looksAfter) {
		p.again = now.Add(looksAfter[p.looks])
	}
	p.looks = min(p.looks, len(looksAfter)) + 1
	return p
}

// lost notes that a request may land for a day, whatever is confirmed meanwhile.
func lost(h *persist.Host, f wan.Family, a netip.Addr, at time.Time) {
	if was := carried(h.Late, f); was.IsValid() && was != a && at.Sub(h.Late.At) < aDay {
		a = several(f)
	}
	is := *cmp.Or(carries(h.Late, f, a), &persist.Tried{})
	is.At = at
	h.Late = &is
}

// several stands for what requests with different addresses carried.
func several(f wan.Family) netip.Addr {
	return [...]netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}[f]
}

// watch has a record looked at that the provider confirmed, while a request may
// land that carried something else. So many looks were made before.
func (e *Engine) watch(now time.Time, s *service, r part, made int) {
	h := s.rec.Hosts.At(r.host)
	if h.Late == nil {
		return
	}
	if made == len(looksAfter) || e.Stamp(now).Sub(h.Late.At) >= aDay {
		s.landed(r)
		return
	}
	_, passed := s.passes[r]
	has, _ := published(h, r.family)
	late := carried(h.Late, r.family)
	if !passed && has.IsValid() && stoodAt(h, r.family) == "" && !isOpen(h, r.family) && late.IsValid() && late != has {
		s.let(r, pass{looks: made}.next(now))
	}
}

// outlive lets late requests of an earlier process be older by d.
func (e *Engine) outlive(s *service, d time.Duration) {
	for _, host := range s.Hosts {
		h := s.rec.Hosts.At(host)
		if h.Late == nil || h.Late.At.After(e.saved) {
			continue
		}
		is := *h.Late
		if is.At = is.At.Add(-d); e.saved.Sub(is.At) < aDay {
			s.rec.Hosts.Edit(host).Late = &is
			continue
		}
		s.rec.Hosts.Edit(host).Late = nil
		for _, f := range wan.Families() {
			if !isOpen(h, f) {
				s.passed(part{host, f})
			}
		}
	}
}

// landed forgets the request that might be late. That is not worth a write of
// its own.
func (s *service) landed(r part) {
	h := s.rec.Hosts.Edit(r.host)
	h.Late = carries(h.Late, r.family, netip.Addr{})
}

// stands reports whether a record is what is wanted, and to be looked at again.
func (s *service) stands(r part) bool {
	has, _ := published(s.rec.Hosts.At(r.host), r.family)
	v := s.sees[r.family]
	return s.passes[r].looks > 0 && has.IsValid() && v.Addr == has && v.from == ""
}

// lookAt is when a record is looked at again, if it is.
func (s *service) lookAt(r part) (time.Time, bool) {
	p := s.passes[r]
	if !s.stands(r) || p.again.IsZero() && !p.asked || s.rec.Hosts.At(r.host).Refused != "" {
		return time.Time{}, false
	}
	if p.asked {
		p.again = time.Time{}
	}
	return later(p.again, s.held().until), true
}

// doubt has the user's look made now. A provider that is asked is not to be
// asked all the time.
func (s *service) doubt(now time.Time) {
	for r, p := range s.passes {
		if p.looks > 0 && (!s.Reads || now.Sub(p.last) >= cautious) {
			p.asked = true
			s.passes[r] = p
		}
	}
	if s.check != nil {
		s.check.Quiet = false
	}
}

// compare takes in what is published of a record, and reports whether that
// settles what was not known.
func (e *Engine) compare(now time.Time, s *service, r part, found Found, told bool) (settled bool) {
	f, h := r.family, s.rec.Hosts.At(r.host)
	has, _ := published(h, f)
	wanted, addrs, known := s.sees[f].Addr, found.Addrs[f], found.Known[f]
	stands, right := s.stands(r), known && len(addrs) == 1 && addrs[0] == wanted
	is := pass{blind: !known}
	if len(addrs) > 0 {
		is.found = addrs[0]
	}
	switch {
	case !wanted.IsValid(): // the WAN flaps: there is nothing to compare it with
		if s.passes[r].looks == 0 && (isOpen(h, f) || !has.IsValid()) {
			s.let(r, pass{again: now.Add(soon(1))})
		}
		return false
	case !stands && !s.unsure(r.host, f):
		return false
	case stands && known && !right:
		is.made = s.passes[r].looks
		s.let(r, is)
		h = s.rec.Hosts.Edit(r.host)
		if isFound(h, f) {
			confirm(h, f, netip.Addr{}, "", time.Time{})
		}
		opened(h, f, wanted)
		e.dirty[s.Name] = true
	case stands && (!told || !isFound(h, f)):
		s.lookedAgain(now, r, known)
		return false
	case !right:
		s.let(r, is)
		return false
	default:
		s.let(r, pass{}.next(now))
		if !told && isFound(h, f) && has == wanted {
			return false // as an earlier process found it
		}
		h = s.rec.Hosts.Edit(r.host)
		confirm(h, f, wanted, "", stamp(now))
		if settled = true; told {
			s.passed(r)
			e.watch(now, s, r, 0)
		} else {
			opened(h, f, netip.Addr{})
			h.Found4, h.Found6 = h.Found4 || f == wan.IPv4, h.Found6 || f == wan.IPv6
		}
	}
	return settled
}

// lookedAgain goes on after a look that did not find anything else. If the last
// one found nothing out, the provider is to say it.
func (s *service) lookedAgain(now time.Time, r part, known bool) {
	p, found := s.passes[r], isFound(s.rec.Hosts.At(r.host), r.family)
	switch last := p.looks == len(looksAfter) && !p.again.After(now); {
	case last && !found:
		s.landed(r)
		s.passed(r)
	case last && !known:
		s.let(r, pass{blind: true})
	case !known && p.looks > len(looksAfter):
		s.let(r, pass{}.next(now))
	default:
		s.let(r, p.next(now))
	}
}

// evidence says what only the DNS says, and when that is looked at again.
func (s *service) evidence(now time.Time) (why, next string) {
	for _, host := range s.Hosts {
		for _, f := range wan.Families() {
			r, h := part{host, f}, s.rec.Hosts.At(host)
			if !isFound(h, f) || !s.stands(r) {
				continue
			}
			has, _ := published(h, f)
			why = "the DNS says that " + host + " is " + has.String() + ", which " + s.Title + " has not confirmed; "
			at, ok := s.lookAt(r)
			if !ok {
				return why + "to look again run: wandns update " + s.Name, ""
			}
			if at.After(now) {
				next = shown(now, at).Format(time.RFC3339)
			}
			return why + "it is looked up again by itself", next
		}
	}
	return "", ""
}
