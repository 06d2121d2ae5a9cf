package wantest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/ndp"
	"golang.org/x/net/ipv6"
)

// AcceptRA lets a device configure itself by router advertisements, also by
// those from the other end of a pair in the same namespace.
func AcceptRA(dev string) error {
	for _, v := range [...][2]string{{"accept_ra", "2"}, {"accept_ra_from_local", "1"}} {
		if err := Sysctl("net/ipv6/conf/"+dev+"/"+v[0], v[1]); err != nil {
			return err
		}
	}
	return nil
}

// Advertise sends one router advertisement from dev: a router that stays for
// half an hour and a prefix for address configuration. It waits until dev has
// a link-local address that passed duplicate address detection.
func Advertise(dev, prefix string, preferred, valid time.Duration) error {
	ra, err := Advertisement(prefix, preferred, valid)
	if err == nil {
		err = Send(dev, ndp.HopLimit, ra)
	}
	if err != nil {
		return fmt.Errorf("advertise %s from %s: %w", prefix, dev, err)
	}
	return nil
}

// Leave sends an advertisement of a router that goes away from dev.
func Leave(dev string) error {
	ra, err := ndp.MarshalMessage(&ndp.RouterAdvertisement{})
	if err == nil {
		err = Send(dev, ndp.HopLimit, ra)
	}
	if err != nil {
		return fmt.Errorf("leave %s: %w", dev, err)
	}
	return nil
}

// Advertisement returns the ICMPv6 message that Advertise sends.
func Advertisement(prefix string, preferred, valid time.Duration) ([]byte, error) {
	p, err := netip.ParsePrefix(prefix)
	if err != nil {
		return nil, err
	}
	return ndp.MarshalMessage(&ndp.RouterAdvertisement{
		CurrentHopLimit: 64,
		RouterLifetime:  30 * time.Minute,
		Options: []ndp.Option{&ndp.PrefixInformation{
			PrefixLength:                   uint8(p.Bits()),
			OnLink:                         true,
			AutonomousAddressConfiguration: true,
			ValidLifetime:                  valid,
			PreferredLifetime:              preferred,
			Prefix:                         p.Masked().Addr(),
		}},
	})
}

// Send sends an ICMPv6 message, whatever it holds, from dev to all nodes of
// the link. The kernel fills in the checksum.
func Send(dev string, hopLimit int, message []byte) error {
	ifi, err := net.InterfaceByName(dev)
	if err != nil {
		return err
	}
	conn, err := listen(ifi)
	if err != nil {
		return err
	}
	defer conn.Close()
	pc := ipv6.NewPacketConn(conn)
	if err := errors.Join(pc.SetMulticastHopLimit(hopLimit), pc.SetChecksum(true, 2)); err != nil {
		return err
	}
	_, err = pc.WriteTo(message, nil, &net.IPAddr{IP: net.IPv6linklocalallnodes, Zone: dev})
	return err
}

// listen retries, since a tentative address cannot be bound to.
func listen(ifi *net.Interface) (net.PacketConn, error) {
	deadline := time.Now().Add(5 * time.Second)
	for {
		conn, err := bind(ifi)
		if err == nil || time.Now().After(deadline) {
			return conn, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func bind(ifi *net.Interface) (net.PacketConn, error) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() == nil && ip.IP.IsLinkLocalUnicast() {
			return net.ListenPacket("ip6:ipv6-icmp", ip.IP.String()+"%"+ifi.Name)
		}
	}
	return nil, errors.New("it has no link-local address")
}

// Speaker is a router on a link, of which there may be several on one device.
type Speaker struct {
	conn net.PacketConn
	to   *net.IPAddr
}

// Speak gives dev one more link-local address and speaks from it.
func Speak(dev, addr string) (*Speaker, error) {
	if err := AddAddr(dev, addr+"/64", "nodad"); err != nil {
		return nil, err
	}
	conn, err := net.ListenPacket("ip6:ipv6-icmp", addr+"%"+dev)
	if err != nil {
		return nil, fmt.Errorf("speak from %s: %w", addr, err)
	}
	pc := ipv6.NewPacketConn(conn)
	s := &Speaker{conn, &net.IPAddr{IP: net.IPv6linklocalallnodes, Zone: dev}}
	return s, errors.Join(pc.SetMulticastHopLimit(ndp.HopLimit), pc.SetChecksum(true, 2))
}

// Say sends an ICMPv6 message to all nodes of the link.
func (s *Speaker) Say(message []byte) error {
	_, err := s.conn.WriteTo(message, s.to)
	return err
}

// Close keeps the address.
func (s *Speaker) Close() error { return s.conn.Close() }
