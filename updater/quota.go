package updater

import (
	"slices"
	"time"
)

// window is when something that is counted happened, the oldest first.
type window []time.Time

// margin covers what may lie between our clock and the provider's: a request
// that took its time to arrive, one before a crash whose answer never came.
const margin = time.Minute

// free returns when one more may follow if no span d may hold more than n.
func (w window) free(n int, d time.Duration) time.Time {
	if n == 0 || len(w) < n {
		return time.Time{}
	}
	return w[len(w)-n].Add(d + margin)
}

// within returns those of the last span d.
func (w window) within(d time.Duration, now time.Time) window {
	return slices.DeleteFunc(slices.Clone(w), func(t time.Time) bool { return now.Sub(t) > d+margin })
}

// stamps translates times of this process to the clock as it is now, for the
// journal: the process measures monotonically, whatever was done to the clock.
func (w window) stamps(now time.Time) []int64 {
	var list []int64
	for _, t := range w {
		list = append(list, now.Add(-now.Sub(t)).Unix())
	}
	return list
}

// windowOf translates stored stamps into times of this process. What passed
// while the clock went backwards is not counted.
func windowOf(stamps []int64, lastSeen, now time.Time) window {
	var w window
	for _, s := range stamps {
		age := max(lastSeen.Sub(time.Unix(s, 0)), 0) + max(now.Sub(lastSeen), 0)
		w = append(w, now.Add(-age))
	}
	return w
}
