package wan

import (
	"encoding/binary"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// perSecond is how many advertisements of a device are looked at. Half of them
// are for the routers that hold its default routes.
const perSecond = 20

// quota is what a line may still say in the second that runs.
type quota struct {
	looked, others int // of all, and of those who hold no default route
	shut           shut
	lost           time.Time // when something may have been missed last
	before, passed int       // when it was shut: what had come to the device, and looked
}

type shut uint8

const (
	toNobody shut = iota
	toOthers      // to all but the gateways
	toAll
)

// spend reports whether one more may be looked at; if not, the line is shut.
func (q *quota) spend(trusted bool) bool {
	switch {
	case q.looked == perSecond:
		q.shut = toAll
	case !trusted && q.others == perSecond/2:
		q.shut = max(q.shut, toOthers)
	default:
		q.looked++
		if !trusted {
			q.others++
		}
		return true
	}
	return false
}

// renew begins another second.
func (q *quota) renew(now time.Time) {
	if q.shut != toNobody {
		q.lost = now
	}
	q.looked, q.others, q.shut = 0, 0, toNobody
}

// missed reports whether something may have come since that was not looked at.
func (q *quota) missed(since time.Time) bool {
	return q.shut != toNobody || !q.lost.Before(since)
}

// admission keeps a message in the kernel unless it came to one of these lines
// and is within its quota.
func admission(lines advertisements) []unix.SockFilter {
	const (
		ld     = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		device = 1<<32 - 0x1000 + 8        // SKF_AD_OFF + SKF_AD_IFINDEX
		source = 1<<32 - 0x100000 + 8 + 12 // SKF_NET_OFF: the address's last word in the IPv6 header
	)
	yes, no := unix.SockFilter{Code: ret, K: 1<<32 - 1}, unix.SockFilter{Code: ret}
	list := []unix.SockFilter{{Code: ld, K: device}}
	for _, n := range lines {
		var then []unix.SockFilter
		switch {
		case n.off || n.shut == toAll:
			then = []unix.SockFilter{no}
		case n.shut == toNobody:
			then = []unix.SockFilter{yes}
		default:
			then = []unix.SockFilter{{Code: ld, K: source}}
			some := n.gateways[:min(len(n.gateways), maxRouters)]
			for i, g := range some {
				b := g.As16()
				then = append(then, unix.SockFilter{Code: jeq, K: binary.BigEndian.Uint32(b[12:]), Jt: uint8(len(some) - i)})
			}
			then = append(then, no, yes)
		}
		list = append(append(list, unix.SockFilter{Code: jeq, K: uint32(n.index), Jf: uint8(len(then))}), then...)
	}
	return slices.Clip(append(list, no))
}
