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
	heard   advertisements
	ears    map[string]*ear // by device
	ignored int
	telling bool // mark is about to be called for what was ignored
	deaf    bool
	closed  bool
}

func newHearing(log Log, mark, vain func()) *hearing {
	return &hearing{log: log, mark: mark, vain: vain, heard: advertisements{}, ears: map[string]*ear{}}
}

// apply adds to a reading what was heard.
func (h *hearing) apply(s State) State {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Ignored, s.Deaf = h.ignored, h.deaf
	return h.heard.apply(s, time.Now())
}

// follow listens where a state says that the WAN is, and nowhere else. It
// needs no retry: the end of duplicate address detection, before which there
// is nothing to listen with, comes as another state.
func (h *hearing) follow(s State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.deaf {
		return
	}
	want := map[string]ear{}
	for _, d := range s.Devices {
		v4, v6 := s.Holds(d.Name)
		if addr := s.linkLocal(d.Name); (v4 || v6) && d.Up && d.Carrier && addr.IsValid() {
			want[d.Name] = ear{index: d.Index, addr: addr}
		}
	}
	for device, e := range h.ears {
		if w := want[device]; w.index != e.index || w.addr != e.addr {
			e.close()
			delete(h.ears, device)
			delete(h.heard, device)
		}
	}
	for device, w := range want {
		if h.ears[device] != nil {
			continue
		}
		e := &w
		h.ears[device] = e
		switch err := e.open(); {
		case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
			h.deaf = true
			h.log.Warn("router advertisements are not heard, so a withdrawn prefix is noticed later, when the kernel says so; to change that give wandns CAP_NET_RAW")
			h.mark()
			return
		case err != nil:
			h.lost(device, e, err)
		default:
			go h.listen(device, e)
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

// listen learns until the ear is closed.
func (h *hearing) listen(device string, e *ear) {
	b := make([]byte, 2048) // above every link's MTU on which routers advertise
	for {
		n, from, hopLimit, err := e.read(b)
		if err != nil {
			h.mu.Lock()
			h.lost(device, e, err)
			h.mu.Unlock()
			return
		}
		if from != e.addr {
			h.take(device, from.WithZone(device), b[:n], hopLimit)
		}
	}
}

// lost opens an ear anew after a while, unless it was closed on purpose.
func (h *hearing) lost(device string, e *ear, err error) {
	if h.closed || h.ears[device] != e {
		return
	}
	h.log.Debug("router advertisements are not heard; the next attempt follows", "device", device, "error", err)
	time.AfterFunc(retry, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.ears[device] == e {
			e.close()
			delete(h.ears, device)
			h.mark()
		}
	})
}

func (h *hearing) take(device string, from netip.Addr, b []byte, hopLimit int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ra, err := parseRA(b, from, hopLimit)
	changed := false
	if ra != nil {
		var more error
		changed, more = h.heard.learn(device, from, ra, time.Now())
		err = errors.Join(err, more)
	}
	if err != nil {
		if h.ignored++; h.ignored == 1 {
			h.log.Warn("a router advertisement was ignored, as far as it is no good; from now on they are only counted", "device", device, "router", from, "error", err)
		}
		if !h.telling {
			h.telling = true
			time.AfterFunc(time.Second, h.tell)
		}
	}
	switch {
	case changed:
		h.mark()
	case err == nil:
		h.vain()
	}
}

// tell makes the count of ignored advertisements known, once a second at most.
func (h *hearing) tell() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.telling = false
	h.mark()
}

func (h *hearing) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, e := range h.ears {
		e.close()
	}
}
