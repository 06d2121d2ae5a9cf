package updater_test

import (
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"wandns/persist"
	"wandns/updater"
)

// A whole update, from the WAN's new state to the answer in the journal, the
// simulated provider's part included.
func TestAllocationsOfAnUpdate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		h.boot(h.account("home.example.com"))
		h.see("84.0.0.2")
		const n = 50
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i := range n {
			time.Sleep(time.Hour)
			h.see(fmt.Sprintf("84.0.1.%d", i))
		}
		runtime.ReadMemStats(&after)
		h.expect(updater.OK, n+1)
		count, bytes := (after.Mallocs-before.Mallocs)/n, (after.TotalAlloc-before.TotalAlloc)/n
		t.Logf("%d allocations of %d bytes", count, bytes)
		if count > 1200 || bytes > 160<<10 {
			t.Errorf("%d allocations of %d bytes for an update", count, bytes)
		}
		h.off()
	})
}

// counting counts what reaches the journal.
type counting struct {
	updater.Journal
	saves int
}

func (c *counting) Save(now persist.Moment, records iter.Seq2[string, persist.Record]) error {
	c.saves++
	return c.Journal.Save(now, records)
}

func TestManyServicesAreWrittenTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 200
		var hosts []string
		for i := range n {
			hosts = append(hosts, fmt.Sprintf("h%d.example.com", i))
		}
		h := newHouse(t, hosts...)
		var accounts []updater.Account
		for _, host := range hosts {
			a := h.account(host)
			a.Name, a.Service.Account = host, host
			accounts = append(accounts, a)
		}
		c := &counting{}
		h.journal = func(j updater.Journal) updater.Journal { c.Journal = j; return c }
		h.boot(accounts...)
		h.see("84.0.0.2")
		h.expect(updater.OK, n)
		t.Logf("%d saves for %d requests", c.saves, n)
		if c.saves >= n {
			t.Errorf("%d saves for %d requests; each has two without company", c.saves, n)
		}
		h.off()
	})
}
