package updater

import "time"

// longest is the longest wait that anything can impose.
const longest = 24 * time.Hour

// soon spaces attempts that never reached the provider: they cost it nothing.
func soon(failures int) time.Duration {
	return step(failures, 2*time.Second, 5*time.Second, 10*time.Second, 20*time.Second, 40*time.Second,
		time.Minute, 2*time.Minute, 5*time.Minute)
}

// slow spaces attempts that the provider had to deal with.
func slow(failures int) time.Duration {
	return step(failures, 5*time.Minute, 10*time.Minute, 30*time.Minute, time.Hour,
		2*time.Hour, 4*time.Hour, 8*time.Hour, longest)
}

func step(failures int, table ...time.Duration) time.Duration {
	return table[min(max(failures, 1), len(table))-1]
}

// clockRetry is the pause while certificates cannot be judged: a clock is set
// within seconds of the network coming up, and no provider sees the attempts.
const clockRetry = 15 * time.Second

// clockWait spaces attempts while certificates cannot be judged. A clock that
// is not set within a quarter of an hour may never be; if it is, that ends the
// wait.
func clockWait(failures int) time.Duration {
	if failures <= 60 {
		return clockRetry
	}
	return time.Minute
}

// jitter lengthens a wait by up to a quarter, r in [0,1): routers that failed
// together must not come back together.
func jitter(d time.Duration, r float64) time.Duration {
	return d + time.Duration(float64(d)*r/4)
}

// flap is the least time between requests after a name's address was replaced
// n times in quick succession: 2 s, doubling up to about a quarter of an hour.
func flap(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return min(2*time.Second<<min(n-1, 20), 15*time.Minute)
}

// calm is how long an address must have stood for its replacement not to
// count as flapping.
func calm(n int) time.Duration { return max(time.Minute, 2*flap(n)) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
