// Package wan says what the world sees of this router.
//
// [Read] takes one [State] from the kernel: devices, addresses and default
// routes. [Watch] delivers a State at once and again whenever it differs, and
// adds what routers advertise. [Choose] is a pure function from a State to the
// one address of a family that may be published, [Explain] says why not the
// others.
//
// The watcher is level-triggered: a netlink message means only "look again",
// so a lost one, an overrun or a closed subscription costs a reading and
// nothing else. A router may hold a full BGP table: the kernel drops what is
// announced of it, of IPv4's table only the beginning is read, where the
// default routes are, and IPv6's only when something was said of it.
//
// Netlink is the truth of what is configured. Router advertisements say some
// of it earlier: a prefix that is withdrawn, a router that goes away. That is
// believed of the routers to which the device's default routes lead, and keeps
// what they offer from being hidden by a neighbour. Only one that speaks with
// such a router's own address can hide an address, for minutes; none can
// publish one.
//
// Where a user names a network of OpenWrt instead of a device, [Netifd] is asked
// over ubus at each reading, which makes its answer a part of the State.
//
// This package knows rtnetlink, NDP and as much of ubus as that takes; it does not
// know names, providers or time.
package wan
