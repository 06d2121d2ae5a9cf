package wan

import (
	"errors"
	"net/netip"
	"os"

	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"
)

// Types of ICMPv6 messages (RFC 4861).
const (
	solicitation  = 133
	advertisement = 134
)

// ear is the listener of one device. It is made anew when the device or its
// link-local address changes.
type ear struct {
	index  int
	addr   netip.Addr
	socket *os.File // nil if it could not be opened
}

// open starts to listen and asks the routers to advertise themselves. The
// kernel makes and checks the checksums.
func (e *ear) open() error {
	s, err := open(unix.AF_INET6, unix.IPPROTO_ICMPV6)
	if err != nil {
		return err
	}
	err = control(s, func(fd int) error {
		var but unix.ICMPv6Filter // what does not come through
		for i := range but.Data {
			but.Data[i] = ^uint32(0)
		}
		but.Data[advertisement/32] &^= 1 << (advertisement % 32)
		err := errors.Join(
			unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &but),
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, ndp.HopLimit),
			unix.Bind(fd, e.at(e.addr)),
		)
		if err != nil {
			return err
		}
		// All nodes' group is joined by every device; without this one too, the
		// socket still hears what the kernel hears.
		_ = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP,
			&unix.IPv6Mreq{Multiaddr: netip.IPv6LinkLocalAllNodes().As16(), Interface: uint32(e.index)})
		// Routers answer this, or advertise themselves soon anyway (RFC 4861, 6.3.7).
		_ = unix.Sendto(fd, []byte{solicitation, 7: 0}, 0, e.at(netip.IPv6LinkLocalAllRouters()))
		return nil
	})
	if err != nil {
		s.Close()
		return err
	}
	e.socket = s
	return nil
}

// at is an address on the ear's link.
func (e *ear) at(addr netip.Addr) *unix.SockaddrInet6 {
	return &unix.SockaddrInet6{Addr: addr.As16(), ZoneId: uint32(e.index)}
}

// read waits for a message. The hop limit is 0 if the kernel did not tell it.
func (e *ear) read(b []byte) (n int, from netip.Addr, hopLimit int, err error) {
	c, err := e.socket.SyscallConn()
	if err != nil {
		return 0, from, 0, err
	}
	oob := make([]byte, unix.CmsgSpace(4))
	var peer unix.Sockaddr
	var failed error
	err = c.Read(func(fd uintptr) bool {
		n, _, _, peer, failed = unix.Recvmsg(int(fd), b, oob, 0)
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, from, 0, err
	}
	if p, ok := peer.(*unix.SockaddrInet6); ok {
		from = netip.AddrFrom16(p.Addr)
	}
	if h, data, _, err := unix.ParseOneSocketControlMessage(oob); err == nil && h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_HOPLIMIT {
		hopLimit = int(word(data))
	}
	return n, from, hopLimit, nil
}

func (e *ear) close() {
	if e.socket != nil {
		e.socket.Close()
	}
}
