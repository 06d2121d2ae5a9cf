package wan

import (
	"cmp"
	"encoding/binary"
	"errors"
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
	Router           netip.Addr // whose word this is: of a router that holds a default route, if one spoke
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

// silence is the longest between two advertisements of a router that is there
// (RFC 4861, section 6.2.1).
const silence = 30 * time.Minute

// What one device is believed about: more is a flood.
const (
	maxRouters  = 16
	maxPrefixes = 64 // one that several routers offer counts for each
)

// advertisements are what the routers of each device said.
type advertisements map[string]*line

// line is a device whose link may have routers.
type line struct {
	index    int
	addr     netip.Addr   // what the device itself speaks with
	off      bool         // it holds no default route, and may again: what was said stays said
	gateways []netip.Addr // of State.gateways, each once and maxRouters at most
	routers  []speaker
	offers   []offer
	doubt    time.Time // when a gateway last withdrew what another had offered
	asked    time.Time // the gateways, then, whether they are still there
	quota
}

// answerIn is how long after it was asked a router may be silent. It answers
// within half a second, or three after its last advertisement (RFC 4861, sections
// 6.2.6 and 10), and is asked again halfway, for either may be lost.
const answerIn = 10 * time.Second

type speaker struct {
	addr netip.Addr
	term
}

// offer is what one router said of one prefix.
type offer struct {
	prefix           netip.Prefix
	router           netip.Addr
	preferred, valid term
}

// term is a lifetime that began when it was heard.
type term struct {
	heard time.Time
	lasts time.Duration
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

// message is what counts of an advertisement. Its offers are nobody's yet.
type message struct {
	lifetime time.Duration // as a default router
	offers   []offer
}

// What an advertisement begins with, and the option in it that counts here (RFC
// 4861, sections 4.2 and 4.6.2).
const (
	headLen           = 16
	prefixInformation = 3
	prefixLen         = 32   // bytes of the option
	autonomous        = 0x40 // hosts make addresses of the prefix
)

// parseRA reads an ICMPv6 message that arrived from a router and refuses
// what RFC 4861, section 6.1.2, and RFC 4862, section 5.5.3, tell hosts to
// ignore: the whole message, or only a prefix in it, in which case there are a
// message and an error. A hopLimit below 255 shows that it was forwarded.
//
// A test holds it against ndp's own parser, which would drop a message for one
// bad option, and link tables of names in all alphabets for an option that does
// not count here: 22 KB of a router's flash.
func parseRA(b []byte, from netip.Addr, hopLimit int) (*message, error) {
	switch {
	case hopLimit != ndp.HopLimit:
		return nil, errors.New("it comes from beyond the link (hop limit is not 255)")
	case !from.IsLinkLocalUnicast():
		return nil, errors.New("its source is not a link-local address")
	case len(b) < headLen:
		return nil, errors.New("it is cut short")
	case b[0] != advertisement:
		return nil, errors.New("it is another message")
	case b[1] != 0:
		return nil, errors.New("its ICMP code is not 0")
	}
	m := &message{lifetime: time.Duration(binary.BigEndian.Uint16(b[6:])) * time.Second}
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
		if o, err := parsePrefix(rest[:n]); err != nil {
			bad = err
		} else if o.prefix.IsValid() {
			m.offers = append(m.offers, o)
		}
	}
	return m, bad
}

// parsePrefix reads an option. There is no prefix in the offer if hosts make no
// addresses of it.
func parsePrefix(b []byte) (o offer, err error) {
	if len(b) != prefixLen {
		return o, errNoPrefix
	}
	o.valid.lasts = time.Duration(binary.BigEndian.Uint32(b[4:])) * time.Second
	o.preferred.lasts = time.Duration(binary.BigEndian.Uint32(b[8:])) * time.Second
	addr, bits := netip.AddrFrom16([16]byte(b[16:])), int(b[2])
	switch {
	case bits > 128 || addr.Is4In6() || addr.IsMulticast():
		return o, errNoPrefix
	case o.preferred.lasts > o.valid.lasts:
		return o, errors.New("it prefers a prefix for longer than it is valid")
	case b[3]&autonomous != 0 && !addr.IsLinkLocalUnicast():
		o.prefix = netip.PrefixFrom(addr, bits).Masked()
	}
	return o, nil
}

var (
	errNoPrefix = errors.New("it advertises what is no prefix")
	errCrowded  = errors.New("the link has too many routers or prefixes already")
)

// news is what an advertisement may change.
type news uint8

const (
	stale  news = iota // nothing
	gossip             // what is known of routers that hold no default route
	matter             // what is believed
)

// learn takes in an advertisement. It fails when a device has too many routers
// or prefixes, in which case only what was known before is learned; those who
// hold a default route come before the others.
func (n *line) learn(from netip.Addr, m *message, now time.Time) (result news, err error) {
	n.forget(now)
	from = from.WithZone("")
	trusted := trusts(n.gateways, from)
	tell := func(matters bool) {
		if matters {
			result = matter
		} else {
			result = max(result, gossip)
		}
	}
	i := slices.IndexFunc(n.routers, func(r speaker) bool { return r.addr == from })
	if i < 0 {
		if len(n.routers) == maxRouters {
			if !trusted {
				return stale, errCrowded
			}
			n.evict()
		}
		i = len(n.routers)
		n.routers = append(n.routers, speaker{addr: from})
		tell(trusted)
	} else if (n.routers[i].lasts == 0) != (m.lifetime == 0) {
		tell(trusted)
	}
	n.routers[i].term = term{now, m.lifetime}
	for _, o := range m.offers {
		o.router, o.preferred.heard, o.valid.heard = from, now, now
		i, contested := -1, false
		for j := range n.offers {
			if k := &n.offers[j]; k.prefix == o.prefix {
				if k.router == from {
					i = j
				}
				contested = contested || trusts(n.gateways, k.router)
			}
		}
		switch {
		case i >= 0:
			if was := &n.offers[i]; (was.preferred.lasts == 0) != (o.preferred.lasts == 0) || was.valid.heard.Before(n.asked) {
				tell(trusted || contested)
			}
			n.offers[i] = o
		case len(n.offers) == maxPrefixes && (!trusted || !n.room(from)):
			err = errCrowded
		default:
			n.offers = append(n.offers, o)
			tell(trusted || contested)
		}
	}
	return result, err
}

// evict forgets a router: one that holds no default route, or else that which
// was not heard for longest.
func (n *line) evict() {
	rank := func(r speaker) int64 {
		if trusts(n.gateways, r.addr) {
			return r.heard.UnixNano()
		}
		return -1
	}
	out := slices.MinFunc(n.routers, func(a, b speaker) int { return cmp.Compare(rank(a), rank(b)) }).addr
	n.routers = slices.DeleteFunc(n.routers, func(r speaker) bool { return r.addr == out })
	n.offers = slices.DeleteFunc(n.offers, func(o offer) bool { return o.router == out })
}

// room forgets an offer for a router that holds a default route: one of those
// that do not, or else of one that has more.
func (n *line) room(from netip.Addr) bool {
	held := func(addr netip.Addr) (count int) {
		if !trusts(n.gateways, addr) {
			count = maxPrefixes
		}
		for i := range n.offers {
			if n.offers[i].router == addr {
				count++
			}
		}
		return count
	}
	worst, most, last := -1, held(from), from
	for i := range n.offers {
		if o := &n.offers[i]; o.router != last {
			last = o.router
			if count := held(last); count > most {
				worst, most = i, count
			}
		}
	}
	if worst >= 0 {
		n.offers = slices.Delete(n.offers, worst, worst+1)
	}
	return worst >= 0
}

// forget drops what is over.
func (n *line) forget(now time.Time) {
	n.routers = slices.DeleteFunc(n.routers, func(r speaker) bool {
		_, ok := r.left(now)
		return !ok
	})
	n.offers = slices.DeleteFunc(n.offers, func(o offer) bool {
		_, ok := o.valid.left(now)
		return !ok
	})
}

// What an offer is worth, best first.
const (
	alive     = iota // a router that holds a default route offers the prefix
	withdrawn        // such a router took it back a short while ago
	spent            // its lifetime ran out, or nobody stands by it
	hearsay          // of a router that holds no default route
)

func (n *line) worth(o *offer, gateways []netip.Addr, now time.Time) int {
	seconds, recent := o.preferred.left(now)
	stands := !o.valid.heard.Before(n.asked) || now.Sub(n.asked) < answerIn
	switch {
	case !trusts(gateways, o.router):
		return hearsay
	case seconds > 0 && stands:
		return alive
	case o.preferred.lasts == 0 && recent:
		return withdrawn
	}
	return spent
}

// apply adds to what the kernel said what it will say soon: addresses of a
// prefix that its routers withdrew, and routes to one that goes away. It takes
// back what the kernel believed of a neighbour. until is how long that holds,
// zero if nothing was changed.
//
// The word of a router counts if a default route of the device leads to it, and
// a prefix is withdrawn when all of them have been heard and none offers it any
// more. One that is asked, since another contradicts it, and does not say it again
// may be gone. Who speaks with the address of such a router cannot be told from it.
func (a advertisements) apply(s State, now time.Time) (_ State, until time.Duration) {
	lasts := func(d time.Duration) {
		if until == 0 || d < until {
			until = max(d, 1)
		}
	}
	for device, n := range a {
		n.forget(now)
		for _, r := range n.routers {
			seconds, _ := r.left(now)
			s.Routers = append(s.Routers, Router{device, r.addr, seconds})
			for i, o := range s.Routes {
				if o.Device == device && o.Gateway == r.addr && r.lasts == 0 {
					s.Routes[i].Leaving = true
				}
			}
		}
		gateways := s.gateways(device)
		list := slices.Clone(n.offers)
		arrange(list, func(a, b offer) int {
			return cmp.Or(a.prefix.Compare(b.prefix), n.worth(&a, gateways, now)-n.worth(&b, gateways, now), b.valid.heard.Compare(a.valid.heard))
		})
		for first := 0; first < len(list); {
			o := &list[first]
			preferred, _ := o.preferred.left(now)
			valid, _ := o.valid.left(now)
			s.Advertised = append(s.Advertised, Advertised{device, o.prefix, o.router, preferred, valid})
			age := now.Sub(o.valid.heard)
			worth := n.worth(o, gateways, now)
			denied := n.missed(o.valid.heard)
			for first++; first < len(list) && list[first].prefix == o.prefix; first++ {
				other := &list[first]
				over, _ := other.preferred.left(now)
				denied = denied || over == 0 && !other.valid.heard.Before(o.valid.heard)
				if at := other.valid.heard; worth == alive && n.worth(other, gateways, now) == withdrawn && at.After(o.valid.heard) && at.After(n.doubt) {
					n.doubt = at
				}
			}
			for i := range s.Addrs {
				// Others than those made of the prefix have lifetimes of their own.
				addr := &s.Addrs[i]
				switch {
				case addr.Device != device || addr.Prefix.Masked() != o.prefix || addr.Flags&Permanent != 0:
				case worth == withdrawn && !s.unheard(device):
					addr.Flags |= Withdrawn
					lasts(ahead - age)
				case worth == alive && denied && age < silence && addr.Preferred == 0:
					addr.Flags &^= Deprecated
					addr.Preferred = preferred
					lasts(min(silence-age, o.preferred.lasts-age))
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
	return s, until
}
