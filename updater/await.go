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
			l = line{d, six, now}
		}
		lines[d.Name] = l
	}
	e.lines = lines
}

// await withholds an address for which the confirmed one, p.Keep, would be
// given up while it may still be coming.
func (e *Engine) await(now time.Time, v *view, p wan.Policy) {
	if !v.Addr.IsValid() || v.Addr == p.Keep {
		return
	}
	device, ok := wan.Coming(e.state, p)
	until := e.lines[device].since.Add(coming)
	if !ok || !until.After(now) {
		return
	}
	if e.chooseAt.IsZero() || until.Before(e.chooseAt) {
		e.chooseAt = until
	}
	v.Reason = fmt.Sprintf("the confirmed address %s may still be coming, for its prefix is there; otherwise %s is published", p.Keep, v.Addr)
	v.Addr, v.until = netip.Addr{}, until
}
