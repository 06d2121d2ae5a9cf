package wantest

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/ndp"
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
	if err := advertise(dev, prefix, preferred, valid); err != nil {
		return fmt.Errorf("advertise %s from %s: %w", prefix, dev, err)
	}
	return nil
}

func advertise(dev, prefix string, preferred, valid time.Duration) error {
	p, err := netip.ParsePrefix(prefix)
	if err != nil {
		return err
	}
	ifi, err := net.InterfaceByName(dev)
	if err != nil {
		return err
	}
	conn, err := listen(ifi)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.WriteTo(&ndp.RouterAdvertisement{
		CurrentHopLimit: 64,
		RouterLifetime:  30 * time.Minute,
		Options: []ndp.Option{
			&ndp.PrefixInformation{
				PrefixLength:                   uint8(p.Bits()),
				OnLink:                         true,
				AutonomousAddressConfiguration: true,
				ValidLifetime:                  valid,
				PreferredLifetime:              preferred,
				Prefix:                         p.Masked().Addr(),
			},
			&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: ifi.HardwareAddr},
		},
	}, nil, netip.IPv6LinkLocalAllNodes())
}

// listen retries, since a tentative address cannot be bound to.
func listen(ifi *net.Interface) (*ndp.Conn, error) {
	deadline := time.Now().Add(5 * time.Second)
	for {
		conn, _, err := ndp.Listen(ifi, ndp.LinkLocal)
		if err == nil || time.Now().After(deadline) {
			return conn, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
