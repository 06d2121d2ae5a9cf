package updater_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wandns/updater"
	"wandns/updater/providers"
	"wandns/updater/updatertest"
)

const day = 24 * time.Hour

// TestEveryProvider has each provider keep the promises, with the real runner,
// engine, client and store, on its simulator.
func TestEveryProvider(t *testing.T) {
	for _, spec := range providers.All() {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			if _, ok := subjects()[spec.Name]; !ok {
				t.Fatal("it has no simulator here")
			}
			for _, c := range []struct {
				name string
				test func(*tenant)
			}{
				{"sets and repeats nothing", (*tenant).setsAndRepeatsNothing},
				{"publishes one family alone", (*tenant).publishesOneFamilyAlone},
				{"learns a new name", (*tenant).learnsANewName},
				{"is silent after a wrong login", (*tenant).isSilentAfterAWrongLogin},
				{"goes on beside a wrong login", func(n *tenant) { n.goesOnBesideAWrongLogin(false) }},
				{"goes on before a wrong login", func(n *tenant) { n.goesOnBesideAWrongLogin(true) }},
				{"goes on without an unknown name", (*tenant).goesOnWithoutAnUnknownName},
				{"obeys when it is throttled", (*tenant).obeysWhenThrottled},
				{"shows no secret", (*tenant).showsNoSecret},
				{"survives power cuts", (*tenant).survivesPowerCuts},
			} {
				t.Run(c.name, func(t *testing.T) { bubble(t, func(t *testing.T) { c.test(newTenant(t, spec)) }) })
			}
			t.Run("survives faults", func(t *testing.T) { survivesFaults(t, spec) })
		})
	}
}

func (n *tenant) setsAndRepeatsNothing() {
	a := n.account(n.hosts...)
	n.lives("84.0.0.2", "2a00:1:2:3::1")
	n.start(a)
	n.settled(n.hosts...)
	for range 3 {
		n.silent(3*day, func() { n.lives("84.0.0.2", "2a00:1:2:3::1") }, func() {
			n.commands <- updater.Command{Event: updater.Poke{}}
		}, func() { n.off(); n.start(a) }, func() { n.kill(); n.start(a) }, func() { n.lives(); n.lives("84.0.0.2", "2a00:1:2:3::1") })
	}
	n.lives("84.0.0.3", "2a00:1:2:3::1")
	n.settled(n.hosts...)
	n.lives("84.0.0.3", "2a00:1:2:3::2")
	n.settled(n.hosts...)
	n.lives("84.0.0.2", "2a00:1:2:3::1")
	n.settled(n.hosts...)
	n.end()
}

func (n *tenant) publishesOneFamilyAlone() {
	addrs := []string{"84.0.0.2", "2a00:1:2:3::1"}[:len(n.families())]
	n.start(n.account(n.hosts...))
	for i, a := range slices.Concat(addrs, addrs) {
		n.lives(a)
		n.settled(n.hosts...)
		if i >= len(addrs) {
			continue
		}
		for _, e := range n.sim.Ledger() {
			if e.Value != "" && e.Value != a && i == 0 {
				n.t.Errorf("%v while there was only %s", e, a)
			}
		}
	}
	n.end()
}

func (n *tenant) learnsANewName() {
	n.lives("84.0.0.2", "2a00:1:2:3::1")
	n.start(n.account(n.hosts[0]))
	n.settled(n.hosts[0])
	n.commands <- updater.Command{With: []updater.Account{n.account(n.hosts...)}}
	n.settled(n.hosts...)
	n.end()
}

func (n *tenant) isSilentAfterAWrongLogin() {
	right := n.values
	n.values = n.sim.Fields()
	n.values[n.login] = "wrong"
	a := n.account(n.hosts...)
	n.lives("84.0.0.2", "2a00:1:2:3::1")
	n.start(a)
	if state := n.settle(); state != updater.NeedsUser {
		n.t.Fatalf("it ends %s: %+v", state, n.service())
	}
	if most := 2 * len(n.hosts) * len(n.families()); len(n.sim.Ledger()) > most {
		n.t.Errorf("it took %d requests to see it", len(n.sim.Ledger()))
	}
	n.silent(50*day, func() { n.lives("84.0.0.3", "2a00:1:2:3::2") }, func() { n.off(); n.start(a) }, func() {
		n.commands <- updater.Command{Event: updater.Poke{}}
	})
	n.lawful()
	n.values = right
	n.sim.Forgive()
	n.commands <- updater.Command{With: []updater.Account{n.account(n.hosts...)}}
	n.settled(n.hosts...)
	n.end()
}

// goesOnBesideAWrongLogin has two services of one account, of which one has a
// mistake in its login.
func (n *tenant) goesOnBesideAWrongLogin(rightFirst bool) {
	values := n.values
	right := n.account(n.hosts[0])
	n.values = n.sim.Fields()
	n.values[n.login] = "wrong"
	wrong := n.account(n.hosts[1])
	n.values, wrong.Name = values, "wrong"
	accounts, is := []updater.Account{wrong, right}, 1
	if rightFirst {
		accounts, is = []updater.Account{right, wrong}, 0
	}
	rests := func(addr string) {
		n.t.Helper()
		n.lives(addr)
		time.Sleep(30 * time.Minute) // floors included
		if why := n.wrong(n.hosts[0]); why != "" {
			n.t.Fatalf("%s\n%+v\n%v", why, n.services(), n.sim.Ledger())
		}
		if st := n.services(); st[is].State != updater.OK || st[1-is].State != updater.NeedsUser {
			n.t.Fatalf("%+v\n%v", st, n.sim.Ledger())
		}
	}
	n.start(accounts...)
	rests("84.0.0.2")
	used := n.refusals()
	if used == 0 {
		n.t.Fatalf("the wrong login is none: %v", n.sim.Ledger())
	}
	time.Sleep(day)
	rests("84.0.0.3")
	n.off()
	n.start(accounts...)
	time.Sleep(day)
	rests("84.0.0.4")
	n.kill()
	n.start(accounts[1], accounts[0])
	is = 1 - is
	time.Sleep(day)
	rests("84.0.0.5")
	if again := n.refusals(); again != used {
		n.t.Errorf("the wrong login was used again: %v", n.sim.Ledger())
	}
	n.end()
}

// refusals are how many requests were refused.
func (n *tenant) refusals() (count int) {
	for _, e := range n.sim.Ledger() {
		if e.Status >= 400 {
			count++
		}
	}
	return count
}

func (n *tenant) goesOnWithoutAnUnknownName() {
	a := n.account(n.unknown, n.hosts[0])
	n.lives("84.0.0.2", "2a00:1:2:3::1")
	n.start(a)
	for i := range 3 {
		if state := n.settle(); state != updater.NeedsUser {
			n.t.Fatalf("it ends %s: %+v", state, n.service())
		}
		if why := n.wrong(n.hosts[0]); why != "" {
			n.t.Fatalf("%s: %+v", why, n.service())
		}
		n.silent(10*day, func() { n.off(); n.start(a) })
		refusals := len(n.asked(n.unknown))
		n.lives(fmt.Sprint("84.0.1.", i+1), fmt.Sprint("2a00:1:2:4::", i+1))
		n.settle()
		if again := len(n.asked(n.unknown)); again != refusals {
			n.t.Errorf("%s was asked for again", n.unknown)
		}
	}
	n.end()
}

// asked are the requests about a name.
func (n *tenant) asked(host string) (list []updatertest.Entry) {
	for _, e := range n.sim.Ledger() {
		if slices.Contains(e.Hosts, host) {
			list = append(list, e)
		}
	}
	return list
}

func (n *tenant) obeysWhenThrottled() {
	a := n.account(n.hosts...)
	n.sim.Next(n.throttle)
	n.lives("84.0.0.2", "2a00:1:2:3::1")
	n.start(a)
	time.Sleep(10 * time.Second) // what is published is looked up first
	part := n.pause / 5
	n.silent(part, func() { n.lives("84.0.0.3", "2a00:1:2:3::1") }, func() { n.off(); n.start(a) }, func() {
		n.commands <- updater.Command{Event: updater.Poke{}}
	})
	n.settled(n.hosts...)
	n.end()
}

// showsNoSecret asks the provider itself, so that nothing strikes out behind it
// what it says.
func (n *tenant) showsNoSecret() {
	n.lives("84.0.0.2")
	tokens := map[string]string{}
	for i := range 60 {
		fault := []updatertest.Fault{updatertest.Echo, updatertest.Error401, updatertest.Error500, updatertest.Normal}[i%4]
		n.sim.Forgive()
		n.sim.Next(append(slices.Repeat([]updatertest.Fault{updatertest.Normal}, i%7), fault)...)
		addr := netip.AddrFrom4([4]byte{84, 0, 1, byte(i)})
		results, err := n.account(n.hosts...).Carry().Provider.Update(n.t.Context(), updater.Request{Hosts: n.hosts, V4: addr, Tokens: maps.Clone(tokens)})
		said := fmt.Sprint(err)
		for _, r := range results {
			maps.Copy(tokens, r.Tokens)
			said += fmt.Sprint(r.Answer, r.Fault)
		}
		for _, secret := range slices.AppendSeq(n.secrets(), maps.Values(tokens)) {
			if secret != "" && strings.Contains(said, secret) {
				n.t.Errorf("%s: %s", fault, said)
			}
		}
		time.Sleep(day)
	}
}

func (n *tenant) survivesPowerCuts() {
	a := n.account(n.hosts...)
	for i := range 8 {
		n.lives(fmt.Sprint("84.0.2.", i+1), fmt.Sprint("2a00:1:2:5::", i+1))
		n.sim.Next(slices.Repeat([]updatertest.Fault{updatertest.Normal}, i%4)...)
		n.sim.Next(updatertest.Slow)
		n.start(a)
		time.Sleep(time.Second)
		n.kill()
		time.Sleep(time.Hour)
		n.start(a)
		n.settled(n.hosts...)
		n.off()
	}
	n.lawful()
}

// survivesFaults has every request of a first update meet every fault.
func survivesFaults(t *testing.T, spec *updater.Spec) {
	faults := []updatertest.Fault{
		updatertest.Cut, updatertest.CutAfter, updatertest.Slow, updatertest.Huge, updatertest.HTML, updatertest.Empty, updatertest.Wrong,
		updatertest.Error500, updatertest.Error401, updatertest.Error429, updatertest.Redirect, updatertest.Echo, subjects()[spec.Name].throttle,
		updatertest.Status(400, ""), updatertest.Status(403, "<html><body>blocked"), updatertest.Status(404, ""), updatertest.Status(503, `{"status":503}`),
	}
	faults = append(faults, texts()...)
	requests := 0
	bubble(t, func(t *testing.T) {
		n := newTenant(t, spec)
		n.lives("84.0.0.2", "2a00:1:2:3::1")
		n.start(n.account(n.hosts...))
		n.settled(n.hosts...)
		n.end()
		requests = len(n.sim.Ledger())
	})
	for _, f := range faults {
		for at := range requests {
			for times := 1; times <= 2 && (times == 1 || !slices.Contains(subjects()[spec.Name].believed, f)); times++ {
				t.Run(fmt.Sprintf("%q %d times at request %d", f[:min(len(f), 20)], times, at), func(t *testing.T) {
					bubble(t, func(t *testing.T) { newTenant(t, spec).survives(f, at, times) })
				})
			}
		}
	}
}

func (n *tenant) survives(f updatertest.Fault, at, times int) {
	n.sim.Next(slices.Repeat([]updatertest.Fault{updatertest.Normal}, at)...)
	n.sim.Next(slices.Repeat([]updatertest.Fault{f}, times)...)
	a := n.account(n.hosts...)
	n.lives("84.0.0.2", "2a00:1:2:3::1")
	n.start(a)
	time.Sleep(40 * time.Second)
	n.off()
	n.start(a)
	for range times { // what a person has to mend may meet each name
		if n.settle() != updater.NeedsUser {
			break
		}
		n.silent(10*day, func() { n.off(); n.start(a) })
		n.resume()
	}
	if slices.Contains(n.believed, f) {
		n.settle()
	} else {
		n.settled(n.hosts...)
	}
	n.lives("84.0.0.3", "2a00:1:2:3::2")
	n.settled(n.hosts...)
	if l := n.sim.Ledger(); len(l) > 60 {
		n.t.Errorf("%d requests", len(l))
	}
	n.end()
}
