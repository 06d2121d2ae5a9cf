package wantest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Veth makes a pair of connected devices, both up.
func Veth(near, far string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = near
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: far}); err != nil {
		return fmt.Errorf("make %s and %s: %w", near, far, err)
	}
	if err := Up(far); err != nil {
		return err
	}
	return Up(near)
}

// Up sets a device up.
func Up(dev string) error { return onLink(dev, "set up", netlink.LinkSetUp) }

// Down sets a device down. The other end of a pair loses its carrier.
func Down(dev string) error { return onLink(dev, "set down", netlink.LinkSetDown) }

// DelLink deletes a device, and with one end of a pair the other.
func DelLink(dev string) error { return onLink(dev, "delete", netlink.LinkDel) }

func onLink(dev, what string, do func(netlink.Link) error) error {
	link, err := netlink.LinkByName(dev)
	if err == nil {
		err = do(link)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, dev, err)
	}
	return nil
}

// AddAddr adds an address. What follows is in ip(8)'s words:
//
//	AddAddr("wan0", "2a00::2/64", "nodad", "preferred_lft", "60", "valid_lft", "120")
//	AddAddr("wan0", "10.0.0.1", "peer", "10.0.0.2")
//
// nodad, home, noprefixroute, mngtmpaddr, peer ADDRESS, scope NUMBER,
// preferred_lft and valid_lft SECONDS or forever.
func AddAddr(dev, addr string, words ...string) error {
	return onAddr("add", dev, addr, words, netlink.AddrAdd)
}

// ReplaceAddr changes an address or adds it.
func ReplaceAddr(dev, addr string, words ...string) error {
	return onAddr("replace", dev, addr, words, netlink.AddrReplace)
}

// DelAddr deletes an address.
func DelAddr(dev, addr string, words ...string) error {
	return onAddr("delete", dev, addr, words, netlink.AddrDel)
}

func onAddr(what, dev, addr string, words []string, do func(netlink.Link, *netlink.Addr) error) error {
	a, err := parseAddr(addr, words)
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, addr, err)
	}
	return onLink(dev, what+" "+addr+" on", func(l netlink.Link) error { return do(l, a) })
}

func parseAddr(addr string, words []string) (*netlink.Addr, error) {
	own, err := parseNet(addr)
	if err != nil {
		return nil, err
	}
	a := &netlink.Addr{IPNet: own}
	const forever = ^uint32(0)
	preferred, valid := forever, forever
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		bit, isFlag := map[string]int{
			"nodad": unix.IFA_F_NODAD, "home": unix.IFA_F_HOMEADDRESS,
			"noprefixroute": unix.IFA_F_NOPREFIXROUTE, "mngtmpaddr": unix.IFA_F_MANAGETEMPADDR,
		}[word]
		if isFlag {
			a.Flags |= bit
			continue
		}
		if len(words) == 0 {
			return nil, fmt.Errorf("%s wants a value", word)
		}
		value := words[0]
		words = words[1:]
		switch word {
		case "peer":
			a.Peer, err = parseNet(value)
		case "scope":
			a.Scope, err = strconv.Atoi(value)
		case "preferred_lft":
			preferred, err = seconds(value)
		case "valid_lft":
			valid, err = seconds(value)
		default:
			err = fmt.Errorf("unknown word %s", word)
		}
		if err != nil {
			return nil, err
		}
	}
	if preferred != forever || valid != forever {
		a.PreferedLft, a.ValidLft = int(preferred), int(valid)
	}
	return a, nil
}

func seconds(s string) (uint32, error) {
	if s == "forever" {
		return ^uint32(0), nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}

// parseNet reads an address with or without a prefix length.
func parseNet(s string) (*net.IPNet, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, err
		}
		s += "/" + strconv.Itoa(a.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return nil, err
	}
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}, nil
}

// AddDefault adds a default route. Without a gateway it is on-link: "" for
// IPv4, "::" for IPv6. What follows is in ip(8)'s words:
//
//	AddDefault("wan0", "fe80::1", 1024, "from", "2a00:1::/48")
//
// from PREFIX, src ADDRESS, proto NUMBER, table NUMBER, type NUMBER, onlink.
func AddDefault(dev, gateway string, metric int, words ...string) error {
	return onDefault("add", unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, dev, gateway, metric, words)
}

// ReplaceDefault adds a default route or replaces the one of that metric.
func ReplaceDefault(dev, gateway string, metric int, words ...string) error {
	return onDefault("replace", unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, dev, gateway, metric, words)
}

// DelDefault deletes a default route.
func DelDefault(dev, gateway string, metric int, words ...string) error {
	return onDefault("delete", unix.RTM_DELROUTE, 0, dev, gateway, metric, words)
}

// AddRoute adds an on-link route to a prefix, with words as for [AddDefault].
func AddRoute(dev, prefix string, words ...string) error {
	p, err := netip.ParsePrefix(prefix)
	if err == nil {
		err = route(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, p, dev, netip.Addr{}, 0, words)
	}
	if err != nil {
		return fmt.Errorf("add a route to %s by %s: %w", prefix, dev, err)
	}
	return nil
}

// Delegate adds the route that OpenWrt's netifd makes for a delegated prefix:
// unreachable, with the highest metric.
func Delegate(prefix string) error {
	return delegated(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, prefix)
}

// Withdraw deletes that route.
func Withdraw(prefix string) error { return delegated(unix.RTM_DELROUTE, 0, prefix) }

func delegated(kind, flags int, prefix string) error {
	p, err := netip.ParsePrefix(prefix)
	if err == nil {
		err = route(kind, flags, p, "lo", netip.Addr{}, 1<<31-1, []string{"proto", "4", "type", "7"})
	}
	if err != nil {
		return fmt.Errorf("the route of the delegated prefix %s: %w", prefix, err)
	}
	return nil
}

func onDefault(what string, kind, flags int, dev, gateway string, metric int, words []string) error {
	p := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	var via netip.Addr
	var err error
	if gateway != "" {
		if via, err = netip.ParseAddr(gateway); err == nil && via.Is6() {
			p = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	if err == nil {
		err = route(kind, flags, p, dev, via, metric, words)
	}
	if err != nil {
		return fmt.Errorf("%s the default route via %q dev %s metric %d: %w", what, gateway, dev, metric, err)
	}
	return nil
}

// route asks for one route. It is written out because netlink.Route knows no
// RTA_SRC.
func route(kind, flags int, to netip.Prefix, dev string, via netip.Addr, metric int, words []string) error {
	link, err := netlink.LinkByName(dev)
	if err != nil {
		return err
	}
	m := &nl.RtMsg{RtMsg: unix.RtMsg{
		Family: unix.AF_INET, Dst_len: uint8(to.Bits()), Table: unix.RT_TABLE_MAIN,
		Scope: unix.RT_SCOPE_LINK, Type: unix.RTN_UNICAST,
	}}
	if to.Addr().Is6() {
		m.Family = unix.AF_INET6
	}
	if kind == unix.RTM_NEWROUTE {
		m.Protocol = unix.RTPROT_BOOT
	} else {
		m.Scope = unix.RT_SCOPE_NOWHERE // any
	}
	attrs := []*nl.RtAttr{
		nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(link.Attrs().Index))),
		nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(uint32(metric))),
	}
	if to.Bits() > 0 {
		attrs = append(attrs, nl.NewRtAttr(unix.RTA_DST, to.Masked().Addr().AsSlice()))
	}
	if via.IsValid() && !via.IsUnspecified() {
		m.Scope = unix.RT_SCOPE_UNIVERSE
		attrs = append(attrs, nl.NewRtAttr(unix.RTA_GATEWAY, via.AsSlice()))
	}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "onlink" {
			m.Flags |= unix.RTNH_F_ONLINK
			continue
		}
		if len(words) == 0 {
			return fmt.Errorf("%s wants a value", word)
		}
		value := words[0]
		words = words[1:]
		switch word {
		case "from":
			p, err := netip.ParsePrefix(value)
			if err != nil {
				return err
			}
			m.Src_len = uint8(p.Bits())
			attrs = append(attrs, nl.NewRtAttr(unix.RTA_SRC, p.Addr().AsSlice()))
		case "src":
			a, err := netip.ParseAddr(value)
			if err != nil {
				return err
			}
			attrs = append(attrs, nl.NewRtAttr(unix.RTA_PREFSRC, a.AsSlice()))
		case "proto", "table", "type":
			n, err := strconv.ParseUint(value, 10, 8)
			if err != nil {
				return err
			}
			*map[string]*uint8{"proto": &m.Protocol, "table": &m.Table, "type": &m.Type}[word] = uint8(n)
		default:
			return fmt.Errorf("unknown word %s", word)
		}
	}
	req := nl.NewNetlinkRequest(kind, flags|unix.NLM_F_ACK)
	req.AddData(m)
	for _, a := range attrs {
		req.AddData(a)
	}
	_, err = req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// Sysctl sets a kernel variable of the namespace, named by its path below
// /proc/sys.
func Sysctl(path, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0)
}
