package wan

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// protocols are the origins (rtnetlink(7), rtm_protocol) by which a default
// route comes to a router: by hand and pppd, netifd, DHCP clients, router
// advertisements, FRR's static daemon, keepalived. Asking for one at a time
// lets the kernel leave out what a routing daemon learned: up to a million.
//
//nolint:gochecknoglobals // a constant list
var protocols = [...]uint8{
	unix.RTPROT_KERNEL, unix.RTPROT_BOOT, unix.RTPROT_STATIC, unix.RTPROT_RA,
	unix.RTPROT_DHCP, unix.RTPROT_KEEPALIVED, rtprotZStatic,
}

const rtprotZStatic = 196 // FRR's zebra, etc/iproute2/rt_protos.d/frr.conf

// skipStats asks for links without their counters (RTEXT_FILTER_SKIP_STATS).
const skipStats = 1 << 3

// reader asks the kernel for states over one socket.
type reader struct{ socket *nl.SocketHandle }

func newReader() (*reader, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	// Without strict checking (before Linux 4.20) the kernel ignores the
	// filters and sends more; parsing drops it.
	_ = unix.SetsockoptInt(s.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	timeout := unix.NsecToTimeval(int64(5e9))
	if err := errors.Join(s.SetReceiveTimeout(&timeout), s.SetSendTimeout(&timeout)); err != nil {
		s.Close()
		return nil, fmt.Errorf("prepare the netlink socket: %w", err)
	}
	return &reader{&nl.SocketHandle{Socket: s}}, nil
}

func (r *reader) close() { r.socket.Close() }

// Read returns what the kernel knows now.
func Read() (State, error) {
	r, err := newReader()
	if err != nil {
		return State{}, err
	}
	defer r.close()
	return r.read()
}

func (r *reader) read() (State, error) {
	links := nl.NewIfInfomsg(unix.AF_UNSPEC)
	names := map[uint32]string{}
	var devices []Device
	err := r.dump(unix.RTM_GETLINK, unix.RTM_NEWLINK, func(b []byte) {
		if d, ok := parseLink(b); ok {
			names[uint32(d.Index)] = d.Name
			devices = append(devices, d)
		}
	}, links, nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStats)))
	if err != nil {
		return State{}, fmt.Errorf("read the devices: %w", err)
	}

	var addrs []Addr
	err = r.dump(unix.RTM_GETADDR, unix.RTM_NEWADDR, func(b []byte) {
		if index, a, ok := parseAddr(b); ok && names[index] != "" {
			a.Device = names[index]
			addrs = append(addrs, a)
		}
	}, nl.NewIfAddrmsg(unix.AF_UNSPEC))
	if err != nil {
		return State{}, fmt.Errorf("read the addresses: %w", err)
	}

	var routes []Route
	for _, family := range [...]uint8{unix.AF_INET, unix.AF_INET6} {
		for _, protocol := range protocols {
			ask := &nl.RtMsg{RtMsg: unix.RtMsg{Family: family, Table: unix.RT_TABLE_MAIN, Protocol: protocol, Type: unix.RTN_UNICAST}}
			err := r.routes(ask, func(b []byte) {
				for _, h := range parseDefault(b) {
					if name := names[h.index]; name != "" {
						h.Device = name
						routes = append(routes, h.Route)
					}
				}
			})
			if err != nil {
				return State{}, fmt.Errorf("read the default routes: %w", err)
			}
		}
	}

	var delegated []netip.Prefix
	ask := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET6, Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_STATIC, Type: unix.RTN_UNREACHABLE}}
	err = r.routes(ask, func(b []byte) {
		if p, ok := parseDelegated(b); ok {
			delegated = append(delegated, p)
		}
	})
	if err != nil {
		return State{}, fmt.Errorf("read the delegated prefixes: %w", err)
	}
	return newState(devices, addrs, routes, delegated), nil
}

// routes hands the routes of one protocol and type to f.
func (r *reader) routes(ask *nl.RtMsg, f func([]byte)) error {
	err := r.dump(unix.RTM_GETROUTE, unix.RTM_NEWROUTE, func(b []byte) {
		// A kernel without filters sends every route each time: b[5] is
		// rtm_protocol.
		if len(b) >= unix.SizeofRtMsg && b[5] == ask.Protocol {
			f(b)
		}
	}, ask)
	// ENOENT: no route was ever added to this table. EOPNOTSUPP: IPv6 is off.
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// dump hands every answer to one request to f. A dump that a change interrupts
// is no error: a change that matters is announced, and read then.
func (r *reader) dump(ask int, answer uint16, f func([]byte), data ...nl.NetlinkRequestData) error {
	req := nl.NewNetlinkRequest(ask, unix.NLM_F_DUMP)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: r.socket}
	for _, d := range data {
		req.AddData(d)
	}
	err := req.ExecuteIter(unix.NETLINK_ROUTE, answer, func(b []byte) bool {
		f(b)
		return true
	})
	if errors.Is(err, nl.ErrDumpInterrupted) {
		return nil
	}
	return err
}

// subscription hears that something may have changed.
type subscription struct{ socket *nl.NetlinkSocket }

func subscribe() (*subscription, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK,
		unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("subscribe to netlink: %w", err)
	}
	return &subscription{s}, nil
}

func (s *subscription) close() { s.socket.Close() }

// wait returns when something that matters was announced, or announcements
// were lost. After an error the subscription is of no more use.
func (s *subscription) wait() error {
	for {
		msgs, _, err := s.socket.Receive()
		if errors.Is(err, unix.ENOBUFS) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, m := range msgs {
			if matters(m.Header.Type, m.Data) {
				return nil
			}
		}
	}
}
