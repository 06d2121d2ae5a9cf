package wan

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// perSecond is how many advertisements of a device are looked at, of each of the
// routers that hold its default routes, and of all others together: a default
// route may lead to a neighbour. RFC 4861 allows a router one in three seconds.
const perSecond = 10

// quota is what a line may still say in the second that runs.
type quota struct {
	turns          []turn
	shut           bool
	lost           time.Time // when something may have been missed last
	before, passed int       // when it was shut: what had come to the device, and looked
	looked         int       // how many were looked at
}

// turn is how often a gateway spoke; an invalid address stands for all others.
type turn struct {
	who   netip.Addr
	times int
}

// follow takes in the gateways that there are now. Those of before come first: a
// neighbour to whom many routes lead displaces none.
func (n *line) follow(gateways []netip.Addr) (changed bool) {
	var list []netip.Addr
	for _, g := range append(slices.Clip(n.gateways), gateways...) {
		if len(list) < maxRouters && slices.Contains(gateways, g) && !slices.Contains(list, g) {
			list = append(list, g)
		}
	}
	changed = !slices.Equal(list, n.gateways)
	n.gateways = list
	return changed
}

// spend reports whether one more of a router may be looked at. The line is shut
// to it, as news, if not.
func (n *line) spend(from netip.Addr) (ok, news bool) {
	who := from.WithZone("")
	if !slices.Contains(n.gateways, who) {
		who = netip.Addr{}
	}
	t := n.turn(who)
	t.times++
	if t.times > perSecond {
		n.shut = true
		return false, t.times == perSecond+1
	}
	n.looked++
	return true, false
}

func (q *quota) turn(who netip.Addr) *turn {
	for i := range q.turns {
		if q.turns[i].who == who {
			return &q.turns[i]
		}
	}
	q.turns = append(q.turns, turn{who: who})
	return &q.turns[len(q.turns)-1]
}

// renew begins another second.
func (q *quota) renew(now time.Time) {
	if q.shut {
		q.lost = now
	}
	q.turns, q.looked, q.shut = q.turns[:0], 0, false
}

// missed reports whether something may have come since that was not looked at.
func (q *quota) missed(since time.Time) bool {
	return q.shut || !q.lost.Before(since)
}

// admission keeps a message in the kernel unless it came to one of these lines
// and is within its quota: while a line is shut, only the gateways that have not
// said enough get through. The words of an address are read once, since each
// reading becomes nine of the kernel's own instructions, and by default it takes
// 20 KB of those for a socket, of which the filter before this one has a share.
func admission(lines advertisements) []unix.SockFilter {
	const (
		ld     = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		mem    = unix.BPF_LD | unix.BPF_MEM
		device = 1<<32 - 0x1000 + 8   // SKF_AD_OFF + SKF_AD_IFINDEX
		source = 1<<32 - 0x100000 + 8 // SKF_NET_OFF: the address in the IPv6 header
		words  = 4                    // of an address
	)
	yes, no := unix.SockFilter{Code: ret, K: 1<<32 - 1}, unix.SockFilter{Code: ret}
	var list []unix.SockFilter
	for i := range uint32(words) {
		list = append(list, unix.SockFilter{Code: ld, K: source + 4*i}, unix.SockFilter{Code: unix.BPF_ST, K: i})
	}
	list = append(list, unix.SockFilter{Code: ld, K: device})
	for _, n := range lines {
		then := []unix.SockFilter{yes}
		if n.off {
			then[0] = no
		} else if n.shut {
			then = nil
			for _, g := range n.gateways {
				if n.turn(g).times > perSecond {
					continue
				}
				b := g.As16()
				for i := range words {
					then = append(then, unix.SockFilter{Code: mem, K: uint32(i)}, unix.SockFilter{Code: jeq, K: binary.BigEndian.Uint32(b[4*i:]), Jf: uint8(2*(words-i-1) + 1)})
				}
				then = append(then, yes)
			}
			then = append(then, no)
		}
		list = append(append(list, unix.SockFilter{Code: jeq, K: uint32(n.index), Jf: uint8(len(then))}), then...)
	}
	return slices.Clip(append(list, no))
}
