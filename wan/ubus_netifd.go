package wan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// Network is an interface of OpenWrt's netifd, such as wan.
type Network struct {
	Name   string
	Device string // that carries its addresses; empty while it is not up
	Up     bool
}

// Netifd is OpenWrt's network daemon, which knows the devices of networks. It
// is only asked while that is wanted, at every reading of the kernel: it
// answers after it has told the kernel what it changed.
type Netifd struct {
	sockets []string // of ubus, the first that exists counts
	wanted  atomic.Bool
	changed chan struct{} // one slot: wanted differs
}

// NewNetifd makes a Netifd that nobody wants to ask yet.
func NewNetifd() *Netifd {
	return &Netifd{sockets: []string{"/var/run/ubus/ubus.sock", "/var/run/ubus.sock"}, changed: make(chan struct{}, 1)}
}

// Want says whether networks are wanted from now on.
func (n *Netifd) Want(wanted bool) {
	if n.wanted.Swap(wanted) == wanted {
		return
	}
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// Here reports whether there is a ubus to ask.
func (n *Netifd) Here() bool { return n.socket() != "" }

func (n *Netifd) socket() string {
	i := slices.IndexFunc(n.sockets, func(s string) bool {
		_, err := os.Stat(s)
		return !errors.Is(err, fs.ErrNotExist)
	})
	if i < 0 {
		return ""
	}
	return n.sockets[i]
}

// With returns the state with the networks, if they are wanted.
func (n *Netifd) With(s State) State {
	if !n.wanted.Load() {
		return s
	}
	socket := n.socket()
	if socket == "" {
		s.NoNetworks = "there is no ubus here; set device instead"
		return s
	}
	answer, err := callUbus(socket, "network.interface", "dump", "")
	s.Networks = parseNetworks(answer)
	switch {
	case errors.Is(err, errUbusDenied), errors.Is(err, fs.ErrPermission):
		s.NoNetworks = "ubus does not let this user ask for network.interface; run wandns as root or allow it in /usr/share/acl.d"
	case errors.Is(err, errUbusNotFound):
		s.NoNetworks = "netifd does not run; start it with: service network start"
	case err != nil:
		s.NoNetworks = fmt.Sprintf("ubus does not answer (%v); try: ubus call network.interface dump", err)
	case len(s.Networks) == 0:
		s.NoNetworks = "netifd knows no network; look at /etc/config/network"
	}
	return s
}

// parseNetworks reads netifd's dump: a table {interface: [{interface, up,
// l3_device, ...}]}. What it does not know, it passes over.
func parseNetworks(dump []byte) []Network {
	var list []Network
	for all := range attrs(dump) {
		if all.name != "interface" || all.kind != blobArray {
			continue
		}
		for one := range attrs(all.data) {
			if n := parseNetwork(one); n.Name != "" {
				list = append(list, n)
			}
		}
	}
	arrange(list, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b Network) bool { return a.Name == b.Name })
}

func parseNetwork(table blobAttr) (n Network) {
	if table.kind != blobTable {
		return n
	}
	for a := range attrs(table.data) {
		switch {
		case a.name == "interface" && a.kind == blobString:
			n.Name = a.text()
		case a.name == "l3_device" && a.kind == blobString:
			n.Device = a.text()
		case a.name == "up" && a.kind == blobBool:
			n.Up = len(a.data) > 0 && a.data[0] != 0
		}
	}
	return n
}

// Pinned returns the device that a policy asks for, empty if it follows the
// default route, or why there is none now.
func (s State) Pinned(p Policy) (device, why string) {
	if p.Interface == "" {
		return p.Device, ""
	}
	i := slices.IndexFunc(s.Networks, func(n Network) bool { return n.Name == p.Interface })
	switch {
	case i < 0 && s.NoNetworks != "":
		return "", fmt.Sprintf("interface %s cannot be resolved: %s", p.Interface, s.NoNetworks)
	case i < 0 && len(s.Networks) == 0:
		return "", fmt.Sprintf("interface %s is not resolved yet; wait a moment", p.Interface)
	case i < 0:
		return "", fmt.Sprintf("there is no interface %s; choose from: %s", p.Interface, s.networkNames())
	case !s.Networks[i].Up || s.Networks[i].Device == "":
		return "", fmt.Sprintf("interface %s is not up; bring it up with: ifup %s", p.Interface, p.Interface)
	}
	return s.Networks[i].Device, ""
}

// networkNames lists the networks but loopback.
func (s State) networkNames() string {
	var names []string
	for _, n := range s.Networks {
		if n.Name != "loopback" {
			names = append(names, n.Name)
		}
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}
