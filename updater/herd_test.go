package updater

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// fleet is how many routers a region has, all with names at one provider.
const fleet = 1_000_000

// A herd is the fleet after an outage: within a time every router has its WAN
// again, with another address. A sample of routers stands for the fleet, each
// with the engine that decides when it sends.
type herd struct {
	name     string
	within   time.Duration
	down     time.Duration // the provider is back this long after the first router
	capacity int           // requests of the fleet that the provider can deal with in a second, if not all
	fault    Kind          // what the others get

	now     time.Time
	pending herdQueue
	routers []*Engine
	wakes   []time.Time
	served  []time.Duration // from a router's new address to its publication
	back    []time.Time
	seconds []int // requests of the sample
	load    int   // in this second, of what the provider can deal with
}

type herdEvent struct {
	at     time.Time
	router int
	ev     Event
}

type herdQueue []herdEvent

func (q herdQueue) Len() int           { return len(q) }
func (q herdQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q herdQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *herdQueue) Push(x any)        { *q = append(*q, x.(herdEvent)) }
func (q *herdQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// run lets sample routers stand for the fleet.
func (h *herd) run(t *testing.T, sample int) {
	t.Helper()
	random := rand.New(rand.NewPCG(7, uint64(sample)))
	h.wakes, h.back = make([]time.Time, sample), make([]time.Time, sample)
	for i := range sample {
		e := published84(t, uint64(i))
		h.routers = append(h.routers, e)
		h.back[i] = start.Add(time.Duration(random.Int64N(int64(h.within))))
		h.pending = append(h.pending, herdEvent{h.back[i], i, Seen{WANWith("84.1.0.2")}})
	}
	heap.Init(&h.pending)
	for len(h.pending) > 0 && len(h.served) < sample {
		x := heap.Pop(&h.pending).(herdEvent)
		if _, tick := x.ev.(Tick); tick && !x.at.Equal(h.wakes[x.router]) {
			continue // another wake has taken its place
		}
		if x.at.Sub(start) > 48*time.Hour {
			t.Fatalf("%s: %d of %d routers are not published after two days", h.name, sample-len(h.served), sample)
		}
		h.step(x, sample)
	}
}

// published84 is a router whose address has been published long ago and that
// has lost its WAN since.
func published84(t *testing.T, seed uint64) *Engine {
	t.Helper()
	e := NewEngine(nil, time.Time{}, seed)
	long := start.Add(-24 * time.Hour)
	e.Step(long, Configure{[]Service{home()}})
	p := e.Step(long, Seen{WANWith("84.0.0.2")})
	for _, c := range p.Checks {
		p = e.Step(long, Checked{Key: c.Key})
	}
	if len(p.Jobs) != 1 {
		t.Fatalf("jobs = %+v, want one", p.Jobs)
	}
	e.Step(long, good(p.Jobs[0]))
	e.Step(start.Add(-time.Hour), Seen{WANWith()})
	return e
}

func (h *herd) step(x herdEvent, sample int) {
	const answer = 200 * time.Millisecond
	if x.at.Truncate(time.Second).After(h.now) {
		h.now, h.load = x.at.Truncate(time.Second), 0
	}
	p := h.routers[x.router].Step(x.at, x.ev)
	if d, ok := x.ev.(Done); ok && d.Err == nil {
		h.served = append(h.served, x.at.Sub(h.back[x.router]))
		return
	}
	later := func(ev Event) { heap.Push(&h.pending, herdEvent{x.at.Add(answer), x.router, ev}) }
	for _, c := range p.Checks {
		later(Checked{Key: c.Key}) // a name server's load, not the provider's
	}
	for _, j := range p.Jobs {
		second := int(x.at.Sub(start) / time.Second)
		for len(h.seconds) <= second {
			h.seconds = append(h.seconds, 0)
		}
		h.seconds[second]++
		h.load++
		if x.at.Sub(start) < h.down || h.capacity > 0 && h.load*(fleet/sample) > h.capacity {
			later(failed(j, h.fault))
		} else {
			later(good(j))
		}
	}
	h.wakes[x.router] = p.Wake
	if !p.Wake.IsZero() {
		heap.Push(&h.pending, herdEvent{p.Wake, x.router, Tick{}})
	}
}

// peak is the most requests of the sample in a second, of those from one time
// to another.
func (h *herd) peak(from, to time.Duration) (most int) {
	for i, n := range h.seconds {
		if at := time.Duration(i) * time.Second; at >= from && at < to {
			most = max(most, n)
		}
	}
	return most
}

func (h *herd) row(sample int) string {
	slices.Sort(h.served)
	total := 0
	for _, n := range h.seconds {
		total += n
	}
	busy := slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(h.seconds), func(n int) bool { return n == 0 })))
	rate := func(percent int) int { return busy[(len(busy)-1)*percent/100] * (fleet / sample) }
	until := func(percent int) time.Duration {
		return h.served[(len(h.served)-1)*percent/100].Round(100 * time.Millisecond)
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %.2f | %s | %s | %s |\n", h.name, rate(100), rate(99), rate(50),
		float64(total)/float64(sample), until(50), until(99), until(100))
}

func herds() []*herd {
	const minute = time.Minute
	return []*herd{
		{name: "back within 60 s, the provider keeps up", within: minute},
		{name: "back within 1 s, the provider keeps up", within: time.Second},
		{name: "within 60 s, beyond 5000/s no connection", within: minute, capacity: 5000, fault: Unreachable},
		{name: "within 60 s, beyond 5000/s an error (503)", within: minute, capacity: 5000, fault: Transient},
		{name: "within 60 s, beyond 5000/s no answer", within: minute, capacity: 5000, fault: Unconfirmed},
		{name: "within 60 s, beyond 5000/s told to wait 30 minutes", within: minute, capacity: 5000, fault: Throttled},
		{name: "within 60 s, no connection for 10 minutes", within: minute, down: 10 * minute, fault: Unreachable},
		{name: "within 60 s, errors for 10 minutes", within: minute, down: 10 * minute, fault: Transient},
		{name: "within 1 s, errors for 10 minutes", within: time.Second, down: 10 * minute, fault: Transient},
	}
}

// A region comes back: every router sends as soon as it has its address, since
// that is the promise, so the provider sees them as spread as they come back.
// Those that fail must not come again together.
//
// make bench takes a larger sample and writes what the provider sees.
func TestHerd(t *testing.T) {
	sample, report := 1000, os.Getenv("WANDNS_BENCH")
	if report != "" {
		sample = 20_000
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %d routers come back\n\nRequests per second at the provider, counted in seconds with any, and how long a router waits for its\npublication. %d engines stand for the fleet.\n\n", fleet, sample)
	b.WriteString("| routers | peak/s | p99/s | median/s | requests per router | median wait | p99 | longest |\n|---|---|---|---|---|---|---|---|\n")
	for _, h := range herds() {
		h.run(t, sample)
		b.WriteString(h.row(sample))
		// The second attempts may coincide with the last of the first.
		first, again := h.peak(0, h.within), h.peak(max(h.within, h.down)+3*time.Second, 48*time.Hour)
		t.Logf("%s: in a second %d of %d routers at first, then %d", h.name, first, sample, again)
		if again > first {
			t.Errorf("%s: they come again closer together than at first", h.name)
		}
	}
	t.Log("\n" + b.String())
	if report != "" {
		if err := os.WriteFile(report, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
