package wan

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// protocols are the origins (rtnetlink(7), rtm_protocol) by which a default
// route comes to a router: by hand and pppd, netifd, DHCP clients, router
// advertisements, FRR's static daemon, keepalived; not a routing daemon.
//
//nolint:gochecknoglobals // a constant list
var protocols = [...]uint8{
	unix.RTPROT_KERNEL, unix.RTPROT_BOOT, unix.RTPROT_STATIC, unix.RTPROT_RA,
	unix.RTPROT_DHCP, unix.RTPROT_KEEPALIVED, rtprotZStatic,
}

const rtprotZStatic = 196 // FRR's zebra, etc/iproute2/rt_protos.d/frr.conf

// skipStats asks for links without their counters (RTEXT_FILTER_SKIP_STATS).
const skipStats = 1 << 3

// chunk is the most that the kernel sends at once of a listing.
const chunk = 1 << 15

// reader asks the kernel for states. It keeps what the IPv6 table said: to find
// the few routes that count the kernel looks at each, and a full table has a
// quarter of a million.
type reader struct {
	buf       []byte
	addrs     int               // how many there were
	devices   map[uint32]Device // by index
	hops      []hop             // the IPv6 default routes
	delegated []netip.Prefix
	again     bool // the IPv6 table, with the next reading
}

// Read returns what the kernel knows now.
func Read() (State, error) { return new(reader).read(true) }

// read returns what the kernel knows now. Without all, the IPv6 table is looked
// at only if one of its default routes' devices changed.
func (r *reader) read(all bool) (State, error) {
	s, err := open(unix.AF_NETLINK, unix.NETLINK_ROUTE)
	if err != nil {
		return State{}, fmt.Errorf("open a netlink socket: %w", err)
	}
	defer s.Close()
	// Without strict checking (before Linux 4.20) the kernel ignores the
	// filters and sends more; parsing drops it.
	_ = control(s, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	})
	if r.buf == nil {
		r.buf = make([]byte, chunk)
	}

	devices := map[uint32]Device{}
	links := nl.NewIfInfomsg(unix.AF_UNSPEC)
	err = r.dump(s, unix.RTM_GETLINK, unix.RTM_NEWLINK, func(b []byte) bool {
		if d, ok := parseLink(b); ok {
			devices[uint32(d.Index)] = d
		}
		return true
	}, links, nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStats)))
	if err != nil {
		return State{}, fmt.Errorf("read the devices: %w", err)
	}

	addrs := make([]Addr, 0, r.addrs)
	err = r.dump(s, unix.RTM_GETADDR, unix.RTM_NEWADDR, func(b []byte) bool {
		if index, a, ok := parseAddr(b); ok && devices[index].Name != "" {
			a.Device = devices[index].Name
			addrs = append(addrs, a)
		}
		return true
	}, nl.NewIfAddrmsg(unix.AF_UNSPEC))
	if err != nil {
		return State{}, fmt.Errorf("read the addresses: %w", err)
	}
	r.addrs = len(addrs)

	moved := slices.ContainsFunc(r.hops, func(h hop) bool { return devices[h.index] != r.devices[h.index] })
	if all || moved || r.again {
		if err := r.read6(s); err != nil {
			return State{}, fmt.Errorf("read the IPv6 routes: %w", err)
		}
	}
	r.devices, r.again = devices, moved // a device's end is announced before that of its routes
	hops, err := r.read4(s)
	if err != nil {
		return State{}, fmt.Errorf("read the IPv4 routes: %w", err)
	}
	for _, h := range r.hops {
		// The kernel marks the route later than the device, without a word.
		h.LinkDown = !devices[h.index].Carrier
		hops = append(hops, h)
	}
	var routes []Route
	for _, h := range hops {
		if h.Device = devices[h.index].Name; h.Device != "" {
			routes = append(routes, h.Route)
		}
	}
	return newState(slices.Collect(maps.Values(devices)), addrs, routes, slices.Clone(r.delegated)), nil
}

// read6 asks for one protocol at a time, so that the kernel leaves out what a
// routing daemon learned: up to a million.
func (r *reader) read6(s *os.File) error {
	r.hops, r.delegated = nil, nil
	for _, protocol := range protocols {
		ask := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET6, Table: unix.RT_TABLE_MAIN, Protocol: protocol}}
		err := r.dump(s, unix.RTM_GETROUTE, unix.RTM_NEWROUTE, func(b []byte) bool {
			// A kernel without filters sends every route each time.
			if origin(b) != protocol {
				return true
			}
			r.hops = append(r.hops, parseDefault(b)...)
			if p, ok := parseDelegated(b); ok && protocol == unix.RTPROT_STATIC {
				r.delegated = append(r.delegated, p)
			}
			return true
		}, ask)
		// ENOENT: no route was ever added to this table. EOPNOTSUPP: IPv6 is off.
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
	}
	return nil
}

// read4 listens only for as long as default routes can come, since the kernel
// begins with them. The socket is good for nothing else afterwards.
func (r *reader) read4(s *os.File) ([]hop, error) {
	var hops []hop
	ask := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST}}
	err := r.dump(s, unix.RTM_GETROUTE, unix.RTM_NEWROUTE, func(b []byte) bool {
		if slices.Contains(protocols[:], origin(b)) {
			hops = append(hops, parseDefault(b)...)
		}
		return !pastDefault(b)
	}, ask)
	if errors.Is(err, unix.ENOENT) { // no route was ever added to this table
		err = nil
	}
	return hops, err
}

// dump hands the answers to one request to f until it wants no more. A dump
// that a change interrupts is no error: a change that matters is announced,
// and read then.
func (r *reader) dump(s *os.File, ask int, answer uint16, f func([]byte) bool, data ...nl.NetlinkRequestData) error {
	req := nl.NewNetlinkRequest(ask, unix.NLM_F_DUMP)
	for _, d := range data {
		req.AddData(d)
	}
	if err := s.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := s.Write(req.Serialize()); err != nil {
		return err
	}
	for {
		n, err := s.Read(r.buf)
		if err != nil {
			return err
		}
		for h, body := range messages(r.buf[:n]) {
			switch {
			case h.seq != req.Seq:
			case h.kind == answer:
				if !f(body) {
					return nil
				}
			case h.kind == unix.NLMSG_DONE, h.kind == unix.NLMSG_ERROR:
				if code := int32(word(body)); code < 0 {
					return unix.Errno(-code)
				}
				return nil
			}
		}
	}
}

// open returns a raw socket that waits in the runtime's poller.
func open(family, protocol int) (*os.File, error) {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

func control(s *os.File, f func(fd int) error) error {
	c, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = c.Control(func(fd uintptr) { result = f(int(fd)) })
	return errors.Join(err, result)
}

// cpu is the processor's time that this thread has had. Getrusage would say
// what it had when the kernel last counted, up to 10 ms ago.
func cpu() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

// The groups of announcements: that of IPv6 routes, and all that matter.
const (
	routes6    uint32 = 1 << (unix.RTNLGRP_IPV6_ROUTE - 1)
	everything        = routes6 | 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_ROUTE-1) |
		1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1)
)

// subscription hears that something may have changed.
type subscription struct {
	socket *os.File
	port   uint32 // its address
	buf    []byte
}

func subscribe() (*subscription, error) {
	s, err := open(unix.AF_NETLINK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	sub := &subscription{socket: s, buf: make([]byte, 1<<12)}
	err = control(s, func(fd int) error {
		// Before the first announcement. Without a filter only more of them come.
		_ = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, filter())
		if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		at, err := unix.Getsockname(fd)
		if a, ok := at.(*unix.SockaddrNetlink); ok {
			sub.port = a.Pid
		}
		return err
	})
	if err == nil {
		err = sub.listen(everything)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("subscribe to netlink: %w", err)
	}
	return sub, nil
}

func (s *subscription) close() { s.socket.Close() }

// listen makes these groups come from now on, and no others. What has come
// already stays to be heard.
func (s *subscription) listen(groups uint32) error {
	return control(s.socket, func(fd int) error {
		return unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: s.port, Groups: groups})
	})
}

// wait returns when something that matters was announced, or announcements
// were lost, and whether the IPv6 table may have changed: the kernel announces
// the end of each IPv6 route, though not of each IPv4 route. After an error the
// subscription is of no more use.
func (s *subscription) wait() (all bool, err error) {
	for {
		n, err := s.socket.Read(s.buf)
		if errors.Is(err, unix.ENOBUFS) || err == nil && n == len(s.buf) { // lost or cut
			return true, nil
		}
		if err != nil {
			return false, err
		}
		some := false
		for h, body := range messages(s.buf[:n]) {
			if matters(h.kind, body) {
				some = true
				all = all || (h.kind == unix.RTM_NEWROUTE || h.kind == unix.RTM_DELROUTE) && body[0] == unix.AF_INET6
			}
		}
		if some {
			return all, nil
		}
	}
}
