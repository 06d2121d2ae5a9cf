package wan

import (
	"cmp"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/ndp"
)

// Router is a router that advertised itself on a device (RFC 4861).
type Router struct {
	Device   string
	Addr     netip.Addr // link-local, without a zone
	Lifetime uint32     // seconds as a default router from the reading; 0 if it is none, or goes away
}

// Advertised is a prefix for address configuration (RFC 4862) that a router
// advertised on a device. Lifetimes are seconds from the reading, Forever for
// infinite; Preferred is 0 if hosts shall stop using it.
type Advertised struct {
	Device           string
	Prefix           netip.Prefix
	Router           netip.Addr // the last to advertise it
	Preferred, Valid uint32
}

// lasting is the router without what runs down by itself.
func (r Router) lasting() Router {
	r.Lifetime = min(r.Lifetime, 1)
	return r
}

func (a Advertised) lasting() Advertised {
	a.Preferred, a.Valid = min(a.Preferred, 1), 0
	return a
}

// ahead is how long an advertisement that ends something counts for more than
// what the kernel says. Whoever configures this router hears it as well and
// acts within seconds; after that the kernel tells the truth.
const ahead = 10 * time.Minute

// What one device is believed about: more is a flood.
const (
	maxRouters  = 16
	maxPrefixes = 64
)

// advertisements are what the routers of each device said.
type advertisements map[string]*neighbours

type neighbours struct {
	routers  map[netip.Addr]term
	prefixes map[netip.Prefix]offer
}

// term is a lifetime that began when it was heard.
type term struct {
	heard time.Time
	lasts time.Duration
}

type offer struct {
	router           netip.Addr
	preferred, valid term
}

// left returns the seconds that remain, and whether the term still says
// anything: one of zero does for a while.
func (t term) left(now time.Time) (seconds uint32, ok bool) {
	if t.lasts == infinite {
		return Forever, true
	}
	gone := now.Sub(t.heard)
	if t.lasts == 0 {
		return 0, gone < ahead
	}
	return uint32(max(t.lasts-gone, 0) / time.Second), gone < t.lasts
}

const infinite = time.Duration(Forever) * time.Second

// What an advertisement begins with, and the kind of option in it that counts
// here (RFC 4861, sections 4.2 and 4.6.2).
const (
	headLen           = 16
	prefixInformation = 3
)

// parseRA reads an ICMPv6 message that arrived from a router and refuses
// what RFC 4861, section 6.1.2, and RFC 4862, section 5.5.3, tell hosts to
// ignore: the whole message, or only a prefix in it, in which case there are an
// advertisement and an error. A hopLimit below 255 shows that it was forwarded.
func parseRA(b []byte, from netip.Addr, hopLimit int) (*ndp.RouterAdvertisement, error) {
	switch {
	case hopLimit != ndp.HopLimit:
		return nil, errors.New("it comes from beyond the link (hop limit is not 255)")
	case !from.IsLinkLocalUnicast():
		return nil, errors.New("its source is not a link-local address")
	case len(b) < headLen:
		return nil, errors.New("it is cut short")
	case b[1] != 0:
		return nil, errors.New("its ICMP code is not 0")
	}
	head := b[:headLen]
	ra, err := parseWhole(head)
	if err != nil {
		return nil, err
	}
	var bad error
	for n, rest := 0, b[headLen:]; len(rest) > 0; rest = rest[n:] {
		if len(rest) > 1 {
			n = 8 * int(rest[1])
		}
		if len(rest) == 1 || n == 0 || n > len(rest) {
			return nil, errors.New("an option in it has no length, or one beyond its end")
		}
		if rest[0] != prefixInformation {
			continue // it does not count here, whatever is in it
		}
		if p, err := parsePrefix(head, rest[:n]); err != nil {
			bad = err
		} else {
			ra.Options = append(ra.Options, p)
		}
	}
	return ra, bad
}

func parseWhole(b []byte) (*ndp.RouterAdvertisement, error) {
	m, err := ndp.ParseMessage(b)
	if err != nil {
		return nil, err
	}
	if ra, ok := m.(*ndp.RouterAdvertisement); ok {
		return ra, nil
	}
	return nil, errors.New("it is another message")
}

// parsePrefix reads an option as the only one of a message: of several, a bad
// one would take the others along.
func parsePrefix(head, option []byte) (ndp.Option, error) {
	ra, err := parseWhole(slices.Concat(head, option))
	if err != nil {
		return nil, err
	}
	p, ok := ra.Options[0].(*ndp.PrefixInformation)
	switch {
	case !ok || !p.Prefix.IsValid() || p.Prefix.IsMulticast():
		return nil, errors.New("it advertises what is no prefix")
	case p.PreferredLifetime > p.ValidLifetime:
		return nil, errors.New("it prefers a prefix for longer than it is valid")
	}
	return p, nil
}

// learn takes in an advertisement, and reports whether a State may differ by
// it. It fails when a device has too many routers or prefixes, in which case
// only what was known before is learned.
func (a advertisements) learn(device string, from netip.Addr, ra *ndp.RouterAdvertisement, now time.Time) (changed bool, err error) {
	n := a[device]
	if n == nil {
		n = &neighbours{map[netip.Addr]term{}, map[netip.Prefix]offer{}}
	}
	n.forget(now)
	from = from.WithZone("")
	was, known := n.routers[from]
	flood := errors.New("the link has too many routers or prefixes already")
	if !known && len(n.routers) == maxRouters {
		return false, flood
	}
	a[device] = n
	n.routers[from] = term{now, ra.RouterLifetime}
	changed = !known || (was.lasts == 0) != (ra.RouterLifetime == 0)
	for _, o := range ra.Options {
		p, ok := o.(*ndp.PrefixInformation)
		if !ok || !p.AutonomousAddressConfiguration || p.Prefix.IsLinkLocalUnicast() {
			continue
		}
		prefix := netip.PrefixFrom(p.Prefix, int(p.PrefixLength))
		was, known := n.prefixes[prefix]
		if !known && len(n.prefixes) == maxPrefixes {
			err = flood
			continue
		}
		n.prefixes[prefix] = offer{from, term{now, p.PreferredLifetime}, term{now, p.ValidLifetime}}
		changed = changed || !known || was.router != from || (was.preferred.lasts == 0) != (p.PreferredLifetime == 0)
	}
	return changed, err
}

// forget drops what is over.
func (n *neighbours) forget(now time.Time) {
	maps.DeleteFunc(n.routers, func(_ netip.Addr, t term) bool {
		_, ok := t.left(now)
		return !ok
	})
	maps.DeleteFunc(n.prefixes, func(_ netip.Prefix, o offer) bool {
		_, ok := o.valid.left(now)
		return !ok
	})
}

// apply adds to what the kernel said what it will say soon: addresses of a
// prefix that a router withdrew, and routes to one that goes away.
func (a advertisements) apply(s State, now time.Time) State {
	for device, n := range a {
		n.forget(now)
		for addr, t := range n.routers {
			seconds, _ := t.left(now)
			s.Routers = append(s.Routers, Router{device, addr, seconds})
			for i, r := range s.Routes {
				if r.Device == device && r.Gateway == addr && t.lasts == 0 {
					s.Routes[i].Leaving = true
				}
			}
		}
		for prefix, o := range n.prefixes {
			preferred, _ := o.preferred.left(now)
			valid, _ := o.valid.left(now)
			s.Advertised = append(s.Advertised, Advertised{device, prefix, o.router, preferred, valid})
			if o.preferred.lasts != 0 || now.Sub(o.preferred.heard) >= ahead {
				continue
			}
			for i, addr := range s.Addrs {
				// Others than those made of the prefix have lifetimes of their own.
				if addr.Device == device && addr.Prefix.Masked() == prefix && addr.Flags&Permanent == 0 {
					s.Addrs[i].Flags |= Withdrawn
				}
			}
		}
	}
	arrange(s.Routers, func(a, b Router) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), a.Addr.Compare(b.Addr))
	})
	arrange(s.Advertised, func(a, b Advertised) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), a.Prefix.Compare(b.Prefix))
	})
	s.order()
	return s
}
