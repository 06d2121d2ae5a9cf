// Package wan says what the world sees of this router.
//
// [Read] takes one [State] from the kernel: devices, addresses and default
// routes. [Watch] delivers a State at once and again whenever it differs.
// [Choose] is a pure function from a State to the one address of a family
// that may be published, with the reason for it and for every refusal.
//
// The watcher is level-triggered: a netlink message means only "look again",
// so a lost one, an overrun or a closed subscription costs a reading and
// nothing else. Routes are asked for with kernel-side filters, because a
// router may hold a full BGP table.
//
// Where a user names a network of OpenWrt instead of a device, [Netifd] is asked
// over ubus at each reading, which makes its answer a part of the State.
//
// This package knows rtnetlink and as much of ubus as that takes; it does not
// know names, providers or time.
package wan
