package updater_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"wandns/updater"
)

// machine is a router without a battery for its clock.
type machine struct {
	mu     sync.Mutex
	boots  int
	booted time.Time
	ahead  time.Duration // its clock, of what is right
	synced bool
}

func (m *machine) read() updater.Reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	right := time.Now().AddDate(30, 0, 0) // a bubble begins in the year 2000
	return updater.Reading{Wall: right.Add(m.ahead), Synced: m.synced, Boot: strconv.Itoa(m.boots), Up: time.Since(m.booted)}
}

func (m *machine) boot(ahead time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boots, m.booted, m.ahead, m.synced = m.boots+1, time.Now(), ahead, false
}

// sync makes the kernel say that somebody keeps the clock right.
func (m *machine) sync() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.synced = true
}

// set does what an NTP client does.
func (m *machine) set(h *house) {
	m.mu.Lock()
	m.ahead, m.synced = 0, true
	m.mu.Unlock()
	h.steps <- struct{}{}
}

func TestWaitHoldsWhateverTheClockSaysAtBoot(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, c := range map[string]struct {
		ahead   time.Duration
		reboots bool          // or is only the daemon restarted
		set     time.Duration // the clock, so long after the start; 0 for never
		wait    time.Duration // in truth, from the request to the next
	}{
		"restart":                      {0, false, 0, 30 * time.Minute},
		"restart, then set":            {0, false, time.Minute, 30 * time.Minute},
		"clock behind":                 {-50 * year, true, 0, 40 * time.Minute},
		"clock ahead":                  {20 * year, true, 0, 40 * time.Minute},
		"clock right but never synced": {0, true, 0, 40 * time.Minute},
		"clock behind, then set":       {-50 * year, true, 5 * time.Minute, 31 * time.Minute},
		"clock ahead, then set":        {20 * year, true, 5 * time.Minute, 31 * time.Minute},
	} {
		bubble(t, func(t *testing.T) {
			h, m := newHouse(t, "home.example.com"), &machine{}
			h.clock, h.steps = m.read, make(chan struct{})
			h.sim.Next("911")
			a := h.account("home.example.com")
			m.boot(0)
			m.sync()
			h.boot(a)
			h.see("84.0.0.2")
			h.expect(updater.Waiting, 1)
			h.off()
			time.Sleep(10 * time.Minute)
			if c.reboots {
				m.boot(c.ahead)
			}
			h.boot(a)
			h.see("84.0.0.2")
			if c.set > 0 {
				time.Sleep(c.set)
				m.set(h)
			}
			time.Sleep(2 * time.Hour)
			h.expect(updater.OK, 2)
			l := h.sim.Ledger()
			if got := l[1].At.Sub(l[0].At).Round(2 * time.Second); got != c.wait {
				t.Errorf("%s: asked again after %s, want %s", name, got, c.wait)
			}
			h.off()
		})
	}
}

// A clock that was far ahead when something was stored must not make the right
// one doubtful for ever, nor what was stored.
func TestPoisonedClockIsOutlived(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, m := newHouse(t, "home.example.com"), &machine{}
		h.clock, h.steps = m.read, make(chan struct{})
		h.sim.Next("911", "911")
		a := h.account("home.example.com")
		m.boot(10 * 365 * 24 * time.Hour)
		m.sync() // by a server that lies
		h.boot(a)
		h.see("84.0.0.2")
		h.off()
		m.boot(0)
		m.sync()
		h.boot(a)
		h.see("84.0.0.2")
		time.Sleep(31 * time.Minute)
		h.expect(updater.Waiting, 2)
		h.off()
		time.Sleep(29 * time.Minute)
		m.boot(-20 * 365 * 24 * time.Hour)
		h.boot(a)
		h.see("84.0.0.2")
		h.expect(updater.Waiting, 2)
		m.set(h)
		time.Sleep(3 * time.Minute)
		h.expect(updater.OK, 3)
		h.off()
	})
}

// Some clients never set the clock, they only bend it: nobody tells.
func TestClockThatIsRightWithoutBeingSet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, m := newHouse(t, "home.example.com"), &machine{}
		h.clock = m.read
		h.sim.Next("911")
		a := h.account("home.example.com")
		m.boot(0)
		m.sync()
		h.boot(a)
		h.see("84.0.0.2")
		h.off()
		time.Sleep(29 * time.Minute)
		m.boot(0)
		h.boot(a)
		h.see("84.0.0.2")
		h.expect(updater.Waiting, 1)
		m.sync()
		time.Sleep(3 * time.Minute)
		h.expect(updater.OK, 2)
		h.off()
	})
}

// What becomes known of the clock just as a service goes away is of no more use
// to it.
func TestClockThatIsRightAtAReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, m := newHouse(t, "home.example.com", "other.example.com"), &machine{}
		h.clock = m.read
		h.sim.Next("911")
		a, other := h.account("home.example.com"), h.account("other.example.com")
		other.Name, other.Account = "other", "other"
		m.boot(0)
		m.sync()
		h.boot(a)
		h.see("84.0.0.2")
		h.off()
		time.Sleep(time.Hour)
		m.boot(0)
		h.boot(a)
		h.see("84.0.0.2")
		h.expect(updater.Waiting, 1)
		m.sync()
		h.commands <- updater.Command{With: []updater.Account{other}}
		h.expect(updater.OK, 2)
		if last := h.sim.Ledger()[1]; last.Hosts[0] != "other.example.com" {
			t.Errorf("the request was for %s", last.Hosts)
		}
		h.off()
	})
}
