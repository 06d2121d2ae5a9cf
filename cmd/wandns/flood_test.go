package main

import (
	"fmt"
	"testing"
	"time"

	"wandns/updater"
	"wandns/wan/wantest"
)

// ran is what a program's threads have computed, to the nanosecond.
func ran(t testing.TB, schedstats []string) (sum time.Duration) {
	t.Helper()
	for _, s := range schedstats {
		var ns int64
		if _, err := fmt.Sscan(s, &ns); err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// A neighbour on the WAN's link takes the true prefix back and advertises its
// own, then advertises thousands of times a second. On a kernel that believes
// everybody, what is published stays; so does it where odhcp6c configures.
func TestE2ENeighbourMovesNothing(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AcceptRA("wan0"), wantest.Sysctl("net/ipv6/conf/isp0/accept_ra", "0"))
	isp, err := wantest.Speak("isp0", "fe80::1")
	r.do(err)
	bad, err := wantest.Speak("isp0", "fe80::bad")
	r.do(err)
	says := func(s *wantest.Speaker, prefix string, preferred time.Duration) {
		b, err := wantest.Advertisement(prefix, preferred, 2*time.Hour)
		r.do(err, s.Say(b))
	}
	// That it is listening shows in its answer, if one was lost before.
	hears := func(s *wantest.Speaker, prefix string, preferred time.Duration) {
		r.until(prefix+" is there", func(st updater.Status) bool {
			says(s, prefix, preferred)
			time.Sleep(20 * time.Millisecond)
			return len(st.WAN) > 0 && len(st.WAN[0].IPv6) > 0
		})
	}
	r.on()
	hears(isp, "2a00:1:1::/64", time.Hour)
	first := r.requests(1)[0].Value
	says(isp, "2a00:1:1::/64", time.Hour)
	r.state(updater.OK)

	says(bad, "2a00:1:1::/64", 0)
	says(bad, "2a00:bad::/64", 2*time.Hour)
	const seconds = 5
	began, before := time.Now(), ran(t, r.threads("schedstat"))
	flood, err := wantest.Advertisement("2a00:1:1::/64", 0, 2*time.Hour)
	r.do(err)
	sent := 0
	for ; time.Since(began) < seconds*time.Second; time.Sleep(5 * time.Millisecond) {
		for range 10 {
			r.do(bad.Say(flood))
			sent++
		}
	}
	share := float64(ran(t, r.threads("schedstat"))-before) / float64(time.Since(began))
	t.Logf("%d advertisements took %.1f %% of a core", sent, 100*share)
	r.only(1)
	s := r.until("they are counted", func(st updater.Status) bool { return st.Ignored > sent/2 })
	if got := s.Services[0].Records[0]; got.Published != first || got.Wanted != first {
		t.Errorf("%s is published, then %+v", first, got)
	}
	r.only(1)
}
