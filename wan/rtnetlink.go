package wan

import (
	"encoding/binary"
	"iter"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The kernel's messages, rtnetlink(7): host byte order, addresses in network
// order, attributes aligned to 4 bytes. Everything is checked for length, so
// that no message can do worse than be ignored.

// header is what counts of a message's.
type header struct {
	kind uint16 // RTM_*
	seq  uint32 // of the request that it answers
}

// messages yields the header and the body of each message of a datagram, up to
// the first malformed one.
func messages(b []byte) iter.Seq2[header, []byte] {
	return func(yield func(header, []byte) bool) {
		for len(b) >= unix.SizeofNlMsghdr {
			n := int(word(b))
			if n < unix.SizeofNlMsghdr || n > len(b) {
				return
			}
			h := header{binary.NativeEndian.Uint16(b[4:]), word(b[8:])}
			if !yield(h, b[unix.SizeofNlMsghdr:n]) {
				return
			}
			b = b[min((n+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1), len(b)):]
		}
	}
}

// attributes yields the type and the value of each attribute, up to the first
// malformed one.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.SizeofRtAttr || n > len(b) {
				return
			}
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[unix.SizeofRtAttr:n]) {
				return
			}
			b = b[min((n+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1), len(b)):]
		}
	}
}

func word(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}

func address(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// parseLink reads the body of an RTM_NEWLINK.
func parseLink(b []byte) (d Device, ok bool) {
	if len(b) < unix.SizeofIfInfomsg {
		return Device{}, false
	}
	d.Index = int(word(b[4:]))
	flags := word(b[8:])
	d.Up = flags&unix.IFF_UP != 0
	d.Carrier = flags&unix.IFF_LOWER_UP != 0
	d.PointToPoint = flags&unix.IFF_POINTOPOINT != 0
	for kind, v := range attributes(b[unix.SizeofIfInfomsg:]) {
		if kind == unix.IFLA_IFNAME {
			d.Name = unix.ByteSliceToString(v)
		}
	}
	return d, d.Name != ""
}

// parseAddr reads the body of an RTM_NEWADDR. The device is left to the
// caller, who knows the index.
func parseAddr(b []byte) (index uint32, a Addr, ok bool) {
	if len(b) < unix.SizeofIfAddrmsg {
		return 0, Addr{}, false
	}
	bits := int(b[1])
	index = word(b[4:])
	a = Addr{Flags: Flags(b[2]), Scope: b[3], Preferred: Forever, Valid: Forever}
	var ip netip.Addr
	local := false
	for kind, v := range attributes(b[unix.SizeofIfAddrmsg:]) {
		switch kind {
		case unix.IFA_LOCAL: // on a point-to-point link IFA_ADDRESS is the peer's
			ip, local = address(v), true
		case unix.IFA_ADDRESS:
			if !local {
				ip = address(v)
			}
		case unix.IFA_FLAGS:
			a.Flags = Flags(word(v))
		case unix.IFA_CACHEINFO:
			if len(v) >= 8 {
				a.Preferred, a.Valid = word(v), word(v[4:])
			}
		}
	}
	a.Prefix = netip.PrefixFrom(ip, bits)
	return index, a, a.Prefix.IsValid() && ip.Is4() == (b[0] == unix.AF_INET)
}

// hop is a route with the index of its device.
type hop struct {
	index uint32
	Route
}

// parseDefault reads the body of an RTM_NEWROUTE: a hop for each way out, none
// if it is not a unicast default route of the main table.
func parseDefault(b []byte) []hop {
	if len(b) < unix.SizeofRtMsg || b[1] != 0 || b[7] != unix.RTN_UNICAST {
		return nil
	}
	const dead = unix.RTNH_F_DEAD | unix.RTNH_F_LINKDOWN
	h := hop{Route: Route{LinkDown: word(b[8:])&dead != 0}}
	switch b[0] {
	case unix.AF_INET:
		h.Family = IPv4
	case unix.AF_INET6:
		h.Family = IPv6
	default:
		return nil
	}
	table := uint32(b[4])
	var several []byte
	for kind, v := range attributes(b[unix.SizeofRtMsg:]) {
		switch kind {
		case unix.RTA_TABLE:
			table = word(v)
		case unix.RTA_OIF:
			h.index = word(v)
		case unix.RTA_GATEWAY:
			h.Gateway = address(v)
		case unix.RTA_PREFSRC:
			h.PrefSrc = address(v)
		case unix.RTA_PRIORITY:
			h.Metric = word(v)
		case unix.RTA_SRC:
			if p := netip.PrefixFrom(address(v), int(b[2])); p.Bits() > 0 {
				h.Source = p.Masked()
			}
		case unix.RTA_MULTIPATH:
			several = v
		}
	}
	if table != unix.RT_TABLE_MAIN {
		return nil
	}
	if several == nil {
		return []hop{h}
	}
	var hops []hop
	for len(several) >= unix.SizeofRtNexthop {
		n := int(binary.NativeEndian.Uint16(several))
		if n < unix.SizeofRtNexthop || n > len(several) {
			break
		}
		one := h
		one.index = word(several[4:])
		one.LinkDown = several[2]&dead != 0
		for kind, v := range attributes(several[unix.SizeofRtNexthop:n]) {
			if kind == unix.RTA_GATEWAY {
				one.Gateway = address(v)
			}
		}
		hops = append(hops, one)
		several = several[min((n+3)&^3, len(several)):]
	}
	return hops
}

// parseDelegated reads the body of an RTM_NEWROUTE that keeps a delegated
// prefix from being routed in circles: unreachable, with the highest metric,
// as OpenWrt's netifd makes them. Unique local prefixes have one too.
func parseDelegated(b []byte) (netip.Prefix, bool) {
	if len(b) < unix.SizeofRtMsg || b[0] != unix.AF_INET6 || b[7] != unix.RTN_UNREACHABLE || b[4] != unix.RT_TABLE_MAIN {
		return netip.Prefix{}, false
	}
	const lowest = 1<<31 - 1
	var dst netip.Addr
	metric := uint32(0)
	for kind, v := range attributes(b[unix.SizeofRtMsg:]) {
		switch kind {
		case unix.RTA_DST:
			dst = address(v)
		case unix.RTA_PRIORITY:
			metric = word(v)
		}
	}
	p := netip.PrefixFrom(dst, int(b[1]))
	ok := p.IsValid() && dst.Is6() && metric == lowest && p.Bits() > 0 && p.Bits() <= 64 && lookup(dst).class == global
	return p, ok
}

// origin is the rtm_protocol of an RTM_NEWROUTE.
func origin(b []byte) uint8 {
	if len(b) < unix.SizeofRtMsg {
		return unix.RTPROT_UNSPEC
	}
	return b[5]
}

// pastDefault reports whether no default route can follow this IPv4 route of a
// dump: the kernel lists those of a table by their address (fib_table_dump).
func pastDefault(b []byte) bool {
	if len(b) < unix.SizeofRtMsg || b[4] != unix.RT_TABLE_MAIN || word(b[8:])&unix.RTM_F_CLONED != 0 {
		return false
	}
	for kind, v := range attributes(b[unix.SizeofRtMsg:]) {
		if kind == unix.RTA_DST {
			return word(v) != 0
		}
	}
	return false
}

// matters reports whether a multicast message can change a State.
func matters(kind uint16, body []byte) bool {
	switch kind {
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		_, delegated := parseDelegated(body)
		return delegated || len(parseDefault(body)) > 0
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return !aside(body)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return true
	}
	return false
}

// aside reports that the body of an RTM_NEWLINK or RTM_DELLINK is not about
// the device: it is what a bridge says of a port, or a wireless event.
func aside(b []byte) bool {
	if len(b) < unix.SizeofIfInfomsg {
		return false
	}
	for kind := range attributes(b[unix.SizeofIfInfomsg:]) {
		if kind == unix.IFLA_WIRELESS {
			return true
		}
	}
	return b[0] == unix.AF_BRIDGE
}
