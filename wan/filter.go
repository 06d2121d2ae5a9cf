package wan

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Where an announcement has what, from the start of its netlink header.
const (
	lengthAt    = 0 // of the message, in host order
	kindAt      = 4 // RTM_*, in host order
	familyAt    = unix.SizeofNlMsghdr
	dstLenAt    = unix.SizeofNlMsghdr + 1 // of a route
	routeTypeAt = unix.SizeofNlMsghdr + 7 // RTN_*
)

// Classic BPF, in the kernel's words (Documentation/networking/filter.rst).
const (
	ldh   = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	ldb   = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
	ldlen = unix.BPF_LD | unix.BPF_W | unix.BPF_LEN
	tax   = unix.BPF_MISC | unix.BPF_TAX
	lsh   = unix.BPF_ALU | unix.BPF_LSH | unix.BPF_K
	orx   = unix.BPF_ALU | unix.BPF_OR | unix.BPF_X
	jeq   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jeqx  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_X
	ret   = unix.BPF_RET | unix.BPF_K
)

// program keeps an announcement in the kernel, where it wakes nobody, if it is
// of a route that is neither a default one nor unreachable, as a routing daemon
// changes them by the thousand, or of a port of a bridge. It drops nothing for
// which matters holds, and nothing that shares its datagram with another.
func program(host binary.ByteOrder) []unix.SockFilter {
	// BPF loads in network order.
	kind := func(k uint16) uint32 {
		var b [2]byte
		host.PutUint16(b[:], k)
		return uint32(binary.BigEndian.Uint16(b[:]))
	}
	var low, high uint32 = 0, 1 // of the length; one above 65535 equals none
	if kind(1) == 1 {
		low, high = 3, 2
	}
	const link, route, alone, keep, drop = 5, 7, 11, 19, 20 // lines below
	lines := [...]struct {
		code    uint16
		k       uint32
		yes, no uint8
	}{
		{ldh, kindAt, 0, 0},
		{jeq, kind(unix.RTM_NEWROUTE), route, 2},
		{jeq, kind(unix.RTM_DELROUTE), route, 3},
		{jeq, kind(unix.RTM_NEWLINK), link, 4},
		{jeq, kind(unix.RTM_DELLINK), link, keep},

		link: {ldb, familyAt, 0, 0},
		{jeq, unix.AF_BRIDGE, alone, keep},

		route: {ldb, dstLenAt, 0, 0},
		{jeq, 0, keep, 9},
		{ldb, routeTypeAt, 0, 0},
		{jeq, unix.RTN_UNREACHABLE, keep, alone},

		alone: {ldb, lengthAt + high, 0, 0},
		{lsh, 8, 0, 0},
		{tax, 0, 0, 0},
		{ldb, lengthAt + low, 0, 0},
		{orx, 0, 0, 0},
		{tax, 0, 0, 0},
		{ldlen, 0, 0, 0},
		{jeqx, 0, drop, keep},

		keep: {ret, 1<<32 - 1, 0, 0},
		drop: {ret, 0, 0, 0},
	}
	var list []unix.SockFilter
	for i, l := range lines {
		f := unix.SockFilter{Code: l.code, K: l.k}
		if l.code&7 == unix.BPF_JMP {
			f.Jt, f.Jf = l.yes-uint8(i)-1, l.no-uint8(i)-1
		}
		list = append(list, f)
	}
	return list
}

func filter() *unix.SockFprog {
	p := program(binary.NativeEndian)
	return &unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
}
