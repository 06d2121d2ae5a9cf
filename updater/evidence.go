package updater

import (
	"net/netip"
	"time"

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
		s.let(r, is)
		h = s.rec.Hosts.Edit(r.host)
		if isFound(h, f) {
			confirm(h, f, netip.Addr{}, "", time.Time{})
		}
		opened(h, f, wanted) // after the request no other can be late
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
