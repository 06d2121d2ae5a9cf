package wan

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// hearing listens for router advertisements on every device that holds a
// default route.
type hearing struct {
	log  Log
	mark func() // look again
	vain func() // there is nothing new

	mu      sync.Mutex
	ear     *ear // nil if it could not be opened
	lines   advertisements
	second  time.Time // when the one that quotas are for began
	turning bool      // the next one begins by itself
	due     *time.Timer
	deaf    bool
	closed  bool

	ignored, shown int // advertisements, and how many of them a State tells
	telling        bool
	told           time.Time
	lull           time.Duration // before the next State is told what does not matter
}

func newHearing(log Log, mark, vain func()) *hearing {
	return &hearing{log: log, mark: mark, vain: vain, lines: advertisements{}}
}

// open makes hearing possible. It is to be called while the program has
// CAP_NET_RAW; follow needs that no more.
func (h *hearing) open() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.openEar()
}

func (h *hearing) openEar() error {
	e, err := newEar()
	if err == nil {
		h.ear = e
		go h.listen(e)
	}
	return err
}

// apply adds to a reading what was heard.
func (h *hearing) apply(s State) State {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Ignored, s.Deaf = h.shown, h.deaf
	now := time.Now()
	s, until := h.lines.apply(s, now)
	for _, n := range h.lines {
		if e := h.ear; e != nil && n.doubt.After(n.asked) && now.Sub(n.asked) >= answerIn && e.solicit(n) == nil {
			n.asked = now
			time.AfterFunc(answerIn/2, func() { _ = e.solicit(n) })
			time.AfterFunc(answerIn, h.mark)
		}
	}
	if h.due != nil {
		h.due.Stop()
		h.due = nil
	}
	if until > 0 && !h.closed {
		h.due = time.AfterFunc(until, h.mark)
	}
	return s
}

// follow listens where a state says that the WAN is, and nowhere else. Routers
// are asked when there is an address to ask with, after duplicate address
// detection, the end of which comes as another state.
func (h *hearing) follow(s State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.deaf {
		return
	}
	want := advertisements{}
	for _, d := range s.Devices {
		v4, v6 := s.Holds(d.Name)
		if d.Up && d.Carrier {
			want[d.Name] = &line{index: d.Index, addr: s.linkLocal(d.Name), off: !v4 && !v6}
		}
	}
	changed := false
	var fresh []*line
	for device, n := range h.lines {
		if w := want[device]; w == nil || w.index != n.index {
			delete(h.lines, device)
			changed = true
		}
	}
	for device, w := range want {
		n := h.lines[device]
		if n == nil && (w.off || h.ear == nil && !w.addr.IsValid()) {
			continue
		}
		if n == nil {
			n = &line{index: w.index, off: true}
			h.lines[device] = n
		}
		if !w.off && w.addr.IsValid() && (n.off || n.addr != w.addr) {
			fresh = append(fresh, n)
		}
		changed = n.follow(s.gateways(device)) && n.shut || n.off != w.off || changed
		n.off, n.addr = w.off, w.addr
	}
	err := error(nil)
	if h.ear == nil && len(h.lines) > 0 {
		err = h.openEar()
	}
	if changed && err == nil && h.ear != nil {
		err = h.ear.admit(h.lines)
	}
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		h.deaf = true
		h.log.Warn("router advertisements are not heard, so a withdrawn prefix is noticed later, when the kernel says so; to change that give wandns CAP_NET_RAW")
		h.mark()
	case err != nil:
		h.log.Debug("router advertisements are not heard; the next attempt follows", "error", err)
		clear(h.lines)
		time.AfterFunc(retry, h.mark)
	default:
		for _, n := range fresh {
			_ = h.ear.solicit(n)
		}
	}
}

// linkLocal returns the address that a device speaks to its link with.
func (s State) linkLocal(device string) netip.Addr {
	for _, a := range s.Addrs {
		if ip := a.Prefix.Addr(); a.Device == device && ip.Is6() && ip.IsLinkLocalUnicast() && a.Flags&(Tentative|DADFailed) == 0 {
			return ip
		}
	}
	return netip.Addr{}
}

// listen learns until the ear is closed. Whatever else goes wrong with it, there
// may be no other one.
func (h *hearing) listen(e *ear) {
	for {
		m, err := e.read()
		switch {
		case err == nil:
			h.take(m)
		case h.over():
			return
		default:
			h.log.Debug("router advertisements are not heard; the next attempt follows", "error", err)
			time.Sleep(retry)
		}
	}
}

func (h *hearing) over() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// take learns what a message says, if its line's quota permits.
func (h *hearing) take(m arrival) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for device, n := range h.lines {
		if n.index == m.index && n.addr != m.from && !n.off {
			h.hear(device, n, m, time.Now())
		}
	}
}

func (h *hearing) hear(device string, n *line, m arrival, now time.Time) {
	if !h.turning && now.Sub(h.second) >= time.Second {
		h.turn(now)
	}
	was := n.shut
	if ok, news := n.spend(m.from); !ok {
		h.ignore(device, m.from, errors.New("there are too many in a second"))
		if news {
			_ = h.ear.admit(h.lines) // else all are read, to be counted
		}
		if !was {
			n.before, n.passed = h.ear.came(n.index), n.looked
		}
		if !h.turning {
			h.turning = true
			time.AfterFunc(time.Second-now.Sub(h.second), h.next)
		}
		return
	}
	msg, err := parseRA(m.data, m.from, m.hopLimit)
	result := stale
	if msg != nil {
		var more error
		result, more = n.learn(m.from, msg, now)
		err = errors.Join(err, more)
	}
	if err != nil {
		h.ignore(device, m.from, err)
	}
	switch {
	case result == matter:
		h.mark()
	case result == gossip:
		h.tellSoon()
	case err == nil:
		h.vain()
	}
}

// next begins another second, in which all lines are heard.
func (h *hearing) next() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turning = false
	if h.closed {
		return
	}
	for _, n := range h.lines {
		if n.shut && n.before > 0 {
			h.ignored += max(h.ear.came(n.index)-n.before-(n.looked-n.passed), 0)
		}
	}
	h.turn(time.Now())
	if err := h.ear.admit(h.lines); err != nil {
		h.turning = true
		time.AfterFunc(time.Second, h.next)
	}
}

func (h *hearing) turn(now time.Time) {
	h.second = now
	for _, n := range h.lines {
		n.renew(now)
	}
}

// ignore counts an advertisement that is not believed, or not in all.
func (h *hearing) ignore(device string, from netip.Addr, err error) {
	if h.ignored++; h.ignored == 1 {
		h.log.Warn("a router advertisement was ignored, as far as it is no good; from now on they are only counted", "device", device, "router", from.WithZone(device), "error", err)
	}
	h.tellSoon()
}

// tellSoon makes known what does not matter: after a second, and the more
// seldom the longer it goes on.
func (h *hearing) tellSoon() {
	if h.telling {
		return
	}
	h.telling = true
	if time.Since(h.told) > 2*h.lull {
		h.lull = 0
	}
	h.lull = min(max(2*h.lull, time.Second), time.Minute)
	time.AfterFunc(h.lull, h.tell)
}

func (h *hearing) tell() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.telling = false
	h.told = time.Now()
	h.shown = h.ignored
	h.mark()
}

func (h *hearing) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.due != nil {
		h.due.Stop()
	}
	if h.ear != nil {
		h.ear.close()
	}
}
