package updater_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wandns/updater"
	"wandns/updater/providers"
	"wandns/updater/updatertest"
)

// TestYearOfHostileDays has an ISP replace the address every ten minutes for
// days, and then leave it alone for days. Meanwhile the provider fails in every
// way that does not need the user, the router loses its power, and its clock
// is set.
//
// No rule of the provider may be broken, nothing but the newest address be
// sent, and no confirmed one again. Once the ISP lets the address stand and the
// provider fails no more, the names are right within an hour, for that is what
// the router's caution takes after a few failures, and within a day more where
// the provider limits the changes of a day. From then on there is silence.
//
// A month stands for the year unless WANDNS_YEAR is set.
func TestYearOfHostileDays(t *testing.T) {
	days := 30
	if os.Getenv("WANDNS_YEAR") != "" {
		days = 365
	}
	for _, spec := range providers.All() {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			bubble(t, func(t *testing.T) {
				y := newYear(t, spec)
				for time.Since(y.began) < time.Duration(days)*day {
					y.storm(6*time.Hour + time.Duration(y.random.IntN(90))*time.Hour)
					y.calm(day + time.Duration(y.random.IntN(3*24))*time.Hour)
				}
				y.end()
				t.Logf("%d requests for %d addresses, %d of them faulty; %d reboots, the clock set %d times; right after %s at most", len(y.sim.Ledger()), y.changes, y.faults, y.reboots, y.sets, y.slowest)
			})
			t.Logf("%d days took %s", days, time.Since(began).Round(time.Millisecond))
		})
	}
}

type year struct {
	*tenant
	account  updater.Account
	random   *rand.Rand
	began    time.Time
	wrong    time.Duration // the router's clock
	synced   bool          // by NTP
	ntp      time.Time     // when the clock is set right
	booted   time.Time
	v4, v6   int
	scripted int // faults and their absence

	changes, faults, reboots, sets int
	slowest                        time.Duration // until the name was right
}

func newYear(t *testing.T, spec *updater.Spec) *year {
	y := &year{tenant: newTenant(t, spec), random: rand.New(rand.NewPCG(4, 4)), began: time.Now()}
	y.account = y.tenant.account(y.hosts...)
	y.steps, y.synced, y.booted = make(chan struct{}), true, y.began
	y.clock = func() updater.Reading {
		y.mu.Lock()
		defer y.mu.Unlock()
		return updater.Reading{Wall: y.right().Add(y.wrong), Synced: y.synced, Boot: fmt.Sprint(y.reboots), Up: time.Since(y.booted)}
	}
	y.sim.OnEntry(func(e updatertest.Entry) {
		y.mu.Lock()
		defer y.mu.Unlock()
		for a := range strings.SplitSeq(e.Value, ",") {
			if a, err := netip.ParseAddr(a); err == nil && !slices.Contains(y.addrs, a) {
				t.Errorf("%v while the WAN has %v", e, y.addrs)
			}
		}
	})
	y.move()
	y.start(y.account)
	return y
}

// right is the time that NTP tells; a bubble begins in the year 2000.
func (y *year) right() time.Time { return time.Now().AddDate(30, 0, 0) }

// move replaces the address, and now and then the prefix too.
func (y *year) move() {
	y.v4++
	if y.v4%3 == 1 {
		y.v6++
	}
	y.changes++
	y.lives(fmt.Sprintf("84.%d.%d.%d", y.v4>>16&0xff, y.v4>>8&0xff, y.v4&0xff), fmt.Sprintf("2a00:1:2:%x::1", y.v6))
}

func (y *year) storm(d time.Duration) {
	kinds := []updatertest.Fault{
		updatertest.Error500, updatertest.Cut, updatertest.CutAfter, updatertest.Slow, updatertest.Huge, updatertest.HTML,
		updatertest.Redirect, updatertest.Wrong, updatertest.Error429, updatertest.Status(502, "bad gateway"), y.throttle,
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		if y.random.IntN(20) == 0 {
			y.lives() // the line is down
		}
		if y.random.IntN(8) == 0 && y.scripted <= len(y.sim.Ledger()) {
			y.scripted = len(y.sim.Ledger()) + 1
			y.faults++
			y.sim.Next(kinds[y.random.IntN(len(kinds))])
		}
		y.clockwork()
		y.move()
		pause := time.Duration(y.random.IntN([]int{5, 600}[y.random.IntN(2)])) * time.Second
		time.Sleep(pause)
		if y.random.IntN(100) == 0 {
			y.reboot()
		}
		time.Sleep(10*time.Minute - pause + time.Duration(y.random.IntN(1e6))) // no timer may end at the same moment
	}
}

// clockwork sets the clock right some time after a boot, and seldom by up to a
// day wrong.
func (y *year) clockwork() {
	switch {
	case !y.synced && time.Now().After(y.ntp):
		y.set(0, true)
	case y.random.IntN(300) == 0:
		y.set(time.Duration(y.random.IntN(2*86400)-86400)*time.Second, false)
		y.ntp = time.Now().Add(time.Duration(y.random.IntN(3*3600)) * time.Second)
	}
}

func (y *year) set(wrong time.Duration, synced bool) {
	y.mu.Lock()
	y.wrong, y.synced = wrong, synced
	y.mu.Unlock()
	y.sets++
	y.steps <- struct{}{}
	synctest.Wait() // what the step makes due is sent before the address changes again
}

// reboot ends the daemon in order or not, for a while. The router has no
// battery: its clock is that of the newest file, or that of its kernel.
func (y *year) reboot() {
	if y.random.IntN(2) == 0 {
		y.off()
	} else {
		y.kill()
	}
	time.Sleep(time.Duration(y.random.IntN(200)) * time.Second)
	y.reboots++
	y.booted, y.synced = time.Now(), false
	y.wrong = y.store.Moment().Wall.Sub(y.right())
	if y.random.IntN(3) == 0 {
		y.wrong = -10 * 365 * day
	}
	y.ntp = time.Now().Add(time.Duration(y.random.IntN(3*3600)) * time.Second)
	y.start(y.account)
}

// calm is a quiet stretch: once the name is right, nothing more is sent.
func (y *year) calm(rest time.Duration) {
	y.t.Helper()
	began := time.Now()
	if !y.synced {
		y.set(0, true)
	}
	y.settled(y.hosts...)
	if l := y.sim.Ledger(); y.scripted > 0 && y.scripted <= len(l) && l[y.scripted-1].At.After(began) {
		began = l[y.scripted-1].At
	}
	longest := time.Hour
	if y.account.Limits.PerDay > 0 {
		longest += day
	}
	if took := time.Since(began); took > longest {
		y.t.Errorf("it took %s: %v", took, y.sim.Ledger()[max(len(y.sim.Ledger())-9, 0):])
	} else {
		y.slowest = max(y.slowest, took)
	}
	y.silent(rest)
}
