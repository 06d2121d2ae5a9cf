package wan

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"

	"github.com/mdlayher/ndp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// advertisement is the type of the ICMPv6 message (RFC 4861, section 4.2).
const advertisement = 134

// ear hears what the kernel hears of router advertisements: all nodes' group
// is joined by every device. It is opened once, since that takes CAP_NET_RAW,
// and lives as long as the program: what is let through to it, of which
// devices, changes.
type ear struct {
	socket *os.File
	buf    []byte
	oob    []byte
	reader reader // of counters
}

// arrival is a message that came. The hop limit is 0 if the kernel did not
// tell it.
type arrival struct {
	data            []byte // until the next one
	from            netip.Addr
	index, hopLimit int
}

// newEar hears nothing yet. The kernel makes and checks the checksums.
func newEar() (*ear, error) {
	socket, err := open(unix.AF_INET6, unix.IPPROTO_ICMPV6)
	if err != nil {
		return nil, err
	}
	e := &ear{
		socket: socket,
		buf:    make([]byte, 2048), // above every link's MTU on which routers advertise
		oob:    make([]byte, unix.CmsgSpace(unix.SizeofInet6Pktinfo)+unix.CmsgSpace(4)),
	}
	err = errors.Join(e.admit(nil), control(socket, func(fd int) error {
		var but unix.ICMPv6Filter // what does not come through
		for i := range but.Data {
			but.Data[i] = ^uint32(0)
		}
		but.Data[advertisement/32] &^= 1 << (advertisement % 32)
		return errors.Join(
			unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &but),
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, ndp.HopLimit),
		)
	}))
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// admit lets through what comes to these lines and is within their quota. All
// else wakes nobody: a router has devices on which it advertises itself, and
// there are floods.
func (e *ear) admit(lines advertisements) error {
	p := admission(lines)
	return control(e.socket, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]})
	})
}

// solicit asks the routers of a line to advertise themselves. They answer, or do
// so soon anyway (RFC 4861, section 6.3.7).
func (e *ear) solicit(n *line) error {
	message, err := ndp.MarshalMessage(&ndp.RouterSolicitation{})
	if err != nil {
		return err
	}
	return control(e.socket, func(fd int) error {
		to := unix.SockaddrInet6{Addr: netip.IPv6LinkLocalAllRouters().As16(), ZoneId: uint32(n.index)}
		return unix.Sendto(fd, message, 0, &to)
	})
}

// read waits for a message.
func (e *ear) read() (m arrival, err error) {
	c, err := e.socket.SyscallConn()
	if err != nil {
		return m, err
	}
	var n, more int
	var peer unix.Sockaddr
	var failed error
	err = c.Read(func(fd uintptr) bool {
		n, more, _, peer, failed = unix.Recvmsg(int(fd), e.buf, e.oob, 0)
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err = errors.Join(err, failed); err != nil {
		return m, err
	}
	m.data = e.buf[:n]
	if p, ok := peer.(*unix.SockaddrInet6); ok {
		m.from = netip.AddrFrom16(p.Addr)
	}
	for rest := e.oob[:more]; len(rest) > 0; {
		h, data, more, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			return m, err
		}
		rest = more
		switch {
		case h.Level != unix.IPPROTO_IPV6:
		case h.Type == unix.IPV6_HOPLIMIT:
			m.hopLimit = int(word(data))
		case h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			m.index = int(binary.NativeEndian.Uint32(data[16:]))
		}
	}
	return m, nil
}

// came is how many ICMPv6 messages came to a device since it is there, let through
// or not; few but advertisements come in a flood of them. It is 0 if unknown.
func (e *ear) came(index int) (count int) {
	s, err := open(unix.AF_NETLINK, unix.NETLINK_ROUTE)
	if err != nil {
		return 0
	}
	defer s.Close()
	if e.reader.buf == nil {
		e.reader.buf = make([]byte, chunk)
	}
	_ = e.reader.dump(s, unix.RTM_GETLINK, unix.RTM_NEWLINK, func(b []byte) bool {
		if len(b) < unix.SizeofIfInfomsg || int(word(b[4:])) != index {
			return true
		}
		for kind, v := range attributes(b[unix.SizeofIfInfomsg:]) {
			if kind == unix.IFLA_PROTINFO {
				for kind, v := range attributes(v) {
					if kind == unix.IFLA_INET6_ICMP6STATS && len(v) >= 16 {
						count = int(binary.NativeEndian.Uint64(v[8:]) & (1<<31 - 1))
					}
				}
			}
		}
		return false
	}, nl.NewIfInfomsg(unix.AF_INET6))
	return count
}

func (e *ear) close() { e.socket.Close() }
