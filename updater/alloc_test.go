package updater

import (
	"testing"
	"time"
)

// load is an event, or what follows from it, and the most allocations that it
// may take: the collector sleeps until there is a megabyte to collect.
type load struct {
	name   string
	budget float64
	do     func()
}

func loads(t testing.TB) []load {
	s := begin(t, home())
	now, then := Event(Seen{WANWith("84.0.0.2", "2a00::2")}), Event(Seen{WANWith("84.0.0.3", "2a00::2")})
	s.step(now)
	s.step(good(s.job()))
	return []load{
		{"the same WAN", 25, func() { s.e.Step(s.now, now) }},
		{"a tick", 6, func() { s.e.Step(s.now, Tick{}) }},
		{"the status", 20, func() { s.e.Status(s.now) }},
		{"another address and its answer", 50, func() {
			now, then = then, now
			s.now = s.now.Add(time.Hour)
			p := s.e.Step(s.now, now)
			s.e.Step(s.now, good(p.Jobs[0]))
		}},
	}
}

func TestAllocationsOfDecisions(t *testing.T) {
	for _, l := range loads(t) {
		n := testing.AllocsPerRun(100, l.do)
		if n > l.budget {
			t.Errorf("%s: %v allocations, want at most %v", l.name, n, l.budget)
		}
		t.Logf("%s: %v allocations", l.name, n)
	}
}

func BenchmarkDecisions(b *testing.B) {
	for _, l := range loads(b) {
		b.Run(l.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.do()
			}
		})
	}
}
