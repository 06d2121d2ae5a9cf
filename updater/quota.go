package updater

import (
	"slices"
	"sort"
	"time"

	"wandns/persist"
)

// ledger counts what providers limit. It outlives services and their
// configuration, for the provider counts on.
type ledger struct {
	requests map[[2]string]window // by provider and service: of the last hour
	changes  map[[2]string]window // by account and host: of the last day
	last     map[string]time.Time // by account: the last request, where there is a floor
	prior    map[string]time.Time // by account: the one before
}

// The spans in which providers count.
const (
	anHour = time.Hour
	aDay   = 24 * time.Hour
)

// load takes in what was stored before this process.
func (l *ledger) load(records map[string]persist.Record, saved, began time.Time) {
	l.requests, l.changes = map[[2]string]window{}, map[[2]string]window{}
	l.last, l.prior = map[string]time.Time{}, map[string]time.Time{}
	for name, r := range records {
		l.requests[[2]string{r.Provider, name}] = windowOf(r.Requests, saved, began)
		for host, h := range r.Hosts.All() {
			key := [2]string{r.Account, host}
			if w := windowOf(h.Changes, saved, began); len(w) > len(l.changes[key]) {
				l.changes[key] = w
			}
		}
		if !r.Last.IsZero() {
			l.last[r.Account] = later(l.last[r.Account], windowOf([]int64{r.Last.Unix()}, saved, began)[0])
		}
	}
	// The outcome of an intent is not known, nor when its request left: it
	// counts as made now.
	now := began.Add(1) // after all that was stored
	for name, r := range records {
		if r.Intent == nil {
			continue
		}
		stored := windowOf([]int64{r.Intent.At.Unix()}, saved, began)[0]
		move := func(w window) window {
			if i := slices.IndexFunc(w, stored.Equal); i >= 0 {
				w = slices.Delete(w, i, i+1)
			}
			return append(w, now)
		}
		if key := [2]string{r.Provider, name}; r.Provider != "" {
			l.requests[key] = move(l.requests[key])
		}
		for _, host := range r.Intent.Hosts {
			key := [2]string{r.Account, host}
			l.changes[key] = move(l.changes[key])
		}
		l.last[r.Account] = now
	}
}

// store puts into a service's record what must outlive the process.
func (l *ledger) store(s *service, now time.Time, stamp func(time.Time) time.Time) {
	if s.Limits.PerHour > 0 {
		s.rec.Provider, s.rec.Requests = s.Provider, l.requests[[2]string{s.Provider, s.Name}].within(anHour, now).stamps(stamp)
	}
	if last := l.last[s.Account]; s.Limits.Floor > 0 && !last.IsZero() {
		s.rec.Last = stamp(last).Add(time.Second - 1).Truncate(time.Second)
	}
	if s.Limits.PerDay > 0 {
		hosts := &s.rec.Hosts
		for key, w := range l.changes {
			if key[0] == s.Account {
				h := hosts.Of(key[1])
				h.Changes = w.within(aDay, now).stamps(stamp)
				hosts.Set(key[1], h)
			}
		}
	}
}

// sent counts a request that is about to leave, and so many changes of each
// host.
func (l *ledger) sent(s *service, hosts []string, changes int, now time.Time) {
	if s.Limits.PerHour > 0 {
		key := [2]string{s.Provider, s.Name}
		l.requests[key] = append(l.requests[key].within(anHour, now), now)
	}
	for range changes {
		for _, host := range hosts {
			l.change(s, host, now)
		}
	}
}

func (l *ledger) change(s *service, host string, now time.Time) {
	if s.Limits.PerDay > 0 {
		key := [2]string{s.Account, host}
		l.changes[key] = append(l.changes[key].within(aDay, now), now)
	}
}

// answered replaces the change that sent counted by what became of it.
func (l *ledger) answered(s *service, host string, counts bool, now time.Time) {
	l.touch(s, now)
	l.forget(s, host)
	if counts {
		l.change(s, host, now)
	}
}

// unsent takes back the request that was counted last, and the floor after it.
func (l *ledger) unsent(s *service) {
	key := [2]string{s.Provider, s.Name}
	if w := l.requests[key]; len(w) > 0 {
		l.requests[key] = slices.Clone(w[:len(w)-1])
	}
	l.touch(s, l.prior[s.Account])
}

// leave notes that a request of an account leaves.
func (l *ledger) leave(s *service, now time.Time) {
	if s.Limits.Floor > 0 {
		l.prior[s.Account] = l.last[s.Account]
		l.touch(s, now)
	}
}

// touch notes when the last request of an account left or was answered.
func (l *ledger) touch(s *service, at time.Time) {
	if s.Limits.Floor > 0 {
		l.last[s.Account] = at
	}
}

func (l *ledger) forget(s *service, host string) {
	key := [2]string{s.Account, host}
	if w := l.changes[key]; len(w) > 0 {
		l.changes[key] = slices.Clone(w[:len(w)-1])
	}
}

// spent notes that the provider counted more than we did.
func (l *ledger) spent(s *service, host string, now time.Time) {
	for key := [2]string{s.Account, host}; len(l.changes[key].within(aDay, now)) < s.Limits.PerDay; {
		l.change(s, host, now)
	}
}

// hostFree returns when a host may be changed n times more.
func (l *ledger) hostFree(s *service, host string, n int) time.Time {
	return l.changes[[2]string{s.Account, host}].free(s.Limits.PerDay, n, aDay)
}

// hourFree returns when the provider takes another request of this router.
func (l *ledger) hourFree(s *service) time.Time {
	var all window
	for key, w := range l.requests {
		if key[0] == s.Provider {
			all = append(all, w...)
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Before(all[j]) })
	return all.free(s.Limits.PerHour, 1, anHour)
}

// free returns when the provider takes another update of a service.
func (l *ledger) free(s *service) time.Time {
	at := l.hourFree(s)
	if last := l.last[s.Account]; s.Limits.Floor > 0 && !last.IsZero() {
		at = later(at, last.Add(s.Limits.Floor))
	}
	return at
}

// window is when something that is counted happened, the oldest first.
type window []time.Time

// margin covers what may lie between our clock and the provider's: a request
// that took its time to arrive, one before a crash whose answer never came.
const margin = time.Minute

// free returns when so many more may follow if no span d may hold more than n,
// of which 0 stands for any number.
func (w window) free(n, more int, d time.Duration) time.Time {
	if n == 0 || len(w) == 0 || len(w)+more <= n {
		return time.Time{}
	}
	return w[min(max(len(w)+more-n, 1), len(w))-1].Add(d + margin)
}

// within returns those of the last span d.
func (w window) within(d time.Duration, now time.Time) window {
	return slices.DeleteFunc(slices.Clone(w), func(t time.Time) bool { return now.Sub(t) > d+margin })
}

// stamps translates times of this process for the journal.
func (w window) stamps(stamp func(time.Time) time.Time) []int64 {
	var list []int64
	for _, t := range w {
		list = append(list, stamp(t).Unix())
	}
	return list
}

// windowOf translates stored stamps into times of this process, as if it had
// begun when they were saved.
func windowOf(stamps []int64, saved, began time.Time) window {
	var w window
	for _, s := range stamps {
		w = append(w, began.Add(-max(saved.Sub(time.Unix(s, 0)), 0)))
	}
	return w
}

// age lets what happened before this process began be older by d.
func (l *ledger) age(began time.Time, d time.Duration) {
	older := func(t time.Time) time.Time {
		if t.After(began) {
			return t
		}
		return t.Add(-d)
	}
	for _, m := range []map[[2]string]window{l.requests, l.changes} {
		for _, w := range m {
			for i, t := range w {
				w[i] = older(t)
			}
		}
	}
	for account, t := range l.last {
		l.last[account] = older(t)
	}
}

// kept reports whether a service's limits count anything from before this
// process began.
func (l *ledger) kept(s *service, began time.Time) bool {
	old := func(t time.Time) bool { return !t.After(began) }
	for key, w := range l.requests {
		if key[0] == s.Provider && slices.ContainsFunc(w, old) {
			return true
		}
	}
	for key, w := range l.changes {
		if key[0] == s.Account && slices.ContainsFunc(w, old) {
			return true
		}
	}
	last := l.last[s.Account]
	return !last.IsZero() && old(last)
}
