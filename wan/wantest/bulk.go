package wantest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Bulk sends rtnetlink requests by the thousand, many in one system call. The
// kernel answers only those that it refuses.
type Bulk struct {
	fd    int
	batch []byte
	index map[string]uint32
	err   error
}

// NewBulk opens a socket.
func NewBulk() (*Bulk, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	return &Bulk{fd: fd, index: map[string]uint32{}}, nil
}

// Close flushes and says what the kernel refused first.
func (b *Bulk) Close() error {
	b.Flush()
	return errors.Join(b.err, unix.Close(b.fd))
}

// Addr adds an address without duplicate address detection, or deletes it.
func (b *Bulk) Addr(add bool, dev string, p netip.Prefix) {
	m := nl.NewIfAddrmsg(family(p.Addr()))
	m.Prefixlen, m.Flags, m.Index = uint8(p.Bits()), unix.IFA_F_NODAD, b.device(dev)
	b.ask(add, unix.RTM_NEWADDR, unix.RTM_DELADDR, m, nl.NewRtAttr(unix.IFA_LOCAL, p.Addr().AsSlice()))
}

// Route adds an on-link route of a routing daemon to the main table, or
// deletes it.
func (b *Bulk) Route(add bool, dev string, p netip.Prefix) {
	m := &nl.RtMsg{RtMsg: unix.RtMsg{
		Family: uint8(family(p.Addr())), Dst_len: uint8(p.Bits()), Table: unix.RT_TABLE_MAIN,
		Protocol: unix.RTPROT_BGP, Scope: unix.RT_SCOPE_LINK, Type: unix.RTN_UNICAST,
	}}
	b.ask(add, unix.RTM_NEWROUTE, unix.RTM_DELROUTE, m,
		nl.NewRtAttr(unix.RTA_DST, p.Masked().Addr().AsSlice()),
		nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(b.device(dev))))
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func (b *Bulk) device(name string) uint32 {
	if b.index[name] == 0 {
		i, err := net.InterfaceByName(name)
		if err != nil {
			b.fail(err)
			return 0
		}
		b.index[name] = uint32(i.Index)
	}
	return b.index[name]
}

func (b *Bulk) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *Bulk) ask(add bool, create, remove int, data ...nl.NetlinkRequestData) {
	kind, flags := remove, 0
	if add {
		kind, flags = create, unix.NLM_F_CREATE|unix.NLM_F_EXCL
	}
	req := nl.NewNetlinkRequest(kind, flags)
	req.Flags &^= unix.NLM_F_ACK
	for _, d := range data {
		req.AddData(d)
	}
	b.batch = append(b.batch, req.Serialize()...)
	if len(b.batch) > 1<<16 {
		b.Flush()
	}
}

// Flush returns when the kernel has done all that was asked.
func (b *Bulk) Flush() {
	if len(b.batch) == 0 {
		return
	}
	if err := unix.Sendto(b.fd, b.batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		b.fail(err)
	}
	b.batch = b.batch[:0]
	answer := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(b.fd, answer, unix.MSG_DONTWAIT)
		if err != nil || n < unix.NLMSG_HDRLEN+4 {
			return
		}
		b.fail(fmt.Errorf("the kernel refuses: %w", unix.Errno(-int32(binary.NativeEndian.Uint32(answer[unix.NLMSG_HDRLEN:])))))
	}
}

// Nth returns the i-th prefix after p of its length: of 1.0.0.0/24 and 2 it is
// 1.0.2.0/24, of 2a00::1/48 and 2 it is 2a00:0:2::1/48. The bits of p that
// count must be 0.
func Nth(p netip.Prefix, i int) netip.Prefix {
	b := p.Addr().AsSlice()
	for at := p.Bits() - 1; at >= 0 && i > 0; at, i = at-1, i>>1 {
		if i&1 == 1 {
			b[at/8] ^= 0x80 >> (at % 8)
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(a, p.Bits())
}
