package updater

import (
	"fmt"
	"net/netip"
	"time"

	"wandns/wan"
)

// coming is how long after its line is up a confirmed IPv6 address that is not
// there yet is waited for. DHCPv6 takes about two seconds longer than SLAAC.
const coming = 3 * time.Second

// line is a device that is up, perhaps with an IPv6 default route.
type line struct {
	device wan.Device
	six    bool
	since  time.Time
	bare   time.Time // when it lost its last global IPv6 address; zero while it has one, or never had
}

// follow notes since when lines are up for IPv6: those that were there first,
// since the start.
func (e *Engine) follow(now time.Time, state wan.State) {
	if !e.seen {
		now = e.began
	}
	lines := map[string]line{}
	for _, d := range state.Devices {
		l := e.lines[d.Name]
		if _, six := state.Holds(d.Name); l.device != d || l.six != six {
			l.device, l.six, l.since = d, six, now
		}
		if has := state.HasGlobal(d.Name, wan.IPv6); has {
			l.bare = time.Time{}
		} else if l.bare.IsZero() && e.state.HasGlobal(d.Name, wan.IPv6) {
			l.bare = now
		}
		lines[d.Name] = l
	}
	e.lines = lines
}

// await withholds an address for which the confirmed one, p.Keep, would be
// given up while it may still be coming; and that of the LAN while the WAN may
// be about to go, for a line that goes down loses its own address first.
func (e *Engine) await(now time.Time, v *view, p wan.Policy) {
	if !v.Addr.IsValid() || v.Addr == p.Keep {
		return
	}
	device, ok := wan.Coming(e.state, p)
	until, why := e.lines[device].since.Add(coming), fmt.Sprintf("the confirmed address %s may still be coming, for its prefix is there", p.Keep)
	if !ok {
		until, why = e.fading(v, p), "the WAN has just lost its address"
	}
	if !until.After(now) {
		return
	}
	if e.chooseAt.IsZero() || until.Before(e.chooseAt) {
		e.chooseAt = until
	}
	v.Reason = fmt.Sprintf("%s; otherwise %s is published", why, v.Addr)
	v.Addr, v.until = netip.Addr{}, until
}

// fading is until when a line that has lost its own address may be about to go,
// if what is left for it is that of another device.
func (e *Engine) fading(v *view, p wan.Policy) (until time.Time) {
	if _, six := e.state.Holds(v.Device); six || p.Host.IsValid() {
		return time.Time{}
	}
	for _, l := range e.lines {
		if l.six && !l.bare.IsZero() {
			until = later(until, l.bare.Add(coming))
		}
	}
	return until
}
