package wan

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// Log takes lines for a person; *slog.Logger is one, and takes 0.1 MB of flash.
type Log interface {
	Debug(msg string, attrs ...any)
	Warn(msg string, attrs ...any)
}

// Watch sends the State of the moment, and then each one that differs, until
// ctx is done; then it closes the channel. A State that nobody has received
// yet is replaced by a newer one. With a netifd that is wanted, it knows
// networks. vain, if not nil, is called after each reading and each router
// advertisement that brings nothing new.
//
// The kernel refusing or closing the subscription is logged and retried; it
// never ends the watch. When Watch returns, CAP_NET_RAW has done its service: it
// may be dropped.
func Watch(ctx context.Context, log Log, netifd *Netifd, vain func()) <-chan State {
	if vain == nil {
		vain = func() {}
	}
	var r reader
	w := newWatcher(log, netifd, vain, timed(r.read))
	_ = w.routers.open() // else it is tried again when there is something to hear
	go w.listen(ctx)
	states := make(chan State, 1)
	go w.deliver(ctx, states)
	return states
}

type watcher struct {
	log     Log
	read    func(all bool) (s State, took time.Duration, err error)
	dirty   chan struct{}                // one slot: look again
	all     atomic.Bool                  // also at the IPv6 table
	source  atomic.Pointer[subscription] // the latest, nil before the first
	routers *hearing
	netifd  *Netifd
	vain    func()
}

func newWatcher(log Log, netifd *Netifd, vain func(), read func(all bool) (State, time.Duration, error)) *watcher {
	w := &watcher{log: log, read: read, netifd: netifd, vain: vain, dirty: make(chan struct{}, 1)}
	w.routers = newHearing(log, func() { w.mark(false) }, vain)
	w.mark(true)
	return w
}

// retry spaces attempts to subscribe. Each is followed by a reading, so that
// even a kernel that refuses subscriptions is heard within this time.
const retry = 5 * time.Second

// longest is the pause between two questions to a netifd that does not answer.
const longest = 5 * time.Minute

// rest keeps a storm of announcements from using more than a fifth of the
// processor: after a reading comes a pause of this many times what it took of
// it, which on a busy machine is less than its length. No pause is longer than
// retry.
const rest = 4

// A storm in which so many readings bring nothing, as a flood of router
// advertisements makes one, is read more seldom still: its pauses are as many
// times what a reading took, up to this length.
const (
	endless  = 16
	longRest = 50
	mostRest = 40 * time.Millisecond
)

func (w *watcher) mark(all bool) {
	if all {
		w.all.Store(true)
	}
	select {
	case w.dirty <- struct{}{}:
	default:
	}
}

// listen marks the state dirty for every announcement, and for every
// subscription that begins, since it may have missed something before.
func (w *watcher) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := w.hear(ctx)
		if ctx.Err() != nil {
			return
		}
		w.log.Warn("the kernel's announcements stopped; the WAN is read again until they return", "error", err)
		w.mark(true)
		pause(ctx, retry)
	}
}

// hear subscribes and marks until the subscription fails. What is marked needs
// no more announcements: until the next reading the kernel sends none, and a
// storm of them wakes nobody.
func (w *watcher) hear(ctx context.Context) error {
	s, err := subscribe()
	if err != nil {
		return err
	}
	defer s.close()
	defer context.AfterFunc(ctx, s.close)()
	w.source.Store(s)
	w.mark(true)
	for {
		all, err := s.wait()
		if err != nil {
			return err
		}
		groups := routes6
		if all = all || w.all.Load(); all {
			groups = 0
		}
		if err := s.listen(groups); err != nil {
			return err
		}
		w.mark(all) // only now, so that a reading follows what is not heard
	}
}

// attend lets everything be announced again.
func (w *watcher) attend() {
	if s := w.source.Load(); s != nil && s.listen(everything) != nil {
		s.close() // the next one hears
	}
}

// deliver reads when marked and sends what differs from the last State sent.
func (w *watcher) deliver(ctx context.Context, states chan State) {
	defer close(states)
	defer w.routers.close()
	var last State
	sent := false
	var wait time.Duration // until netifd is asked again
	var again <-chan time.Time
	var began time.Time
	row := 0 // of readings that brought nothing, shortly one after the other
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.dirty:
		case <-w.netifd.changed:
		case <-again:
		}
		if time.Since(began) > 2*mostRest {
			row = 0
		}
		began = time.Now()
		w.attend()
		s, took, err := w.read(w.all.Swap(false))
		if err != nil {
			w.log.Warn("the WAN could not be read; it is read again soon", "error", err)
			pause(ctx, retry)
			w.mark(true)
			continue
		}
		s = w.routers.apply(w.netifd.With(s))
		w.routers.follow(s)
		if s.NoNetworks == "" {
			wait, again = 0, nil
		} else {
			wait = min(max(2*wait, retry), longest)
			again = time.After(wait)
		}
		if !sent || !s.Equal(last) {
			select { // the newest wins
			case <-states:
			default:
			}
			states <- s
			last, sent, row = s, true, 0
			w.mark(false) // the kernel announces an address's end before that of its routes
		} else {
			w.vain()
			row++
		}
		d := min(rest*took, retry)
		if row >= endless {
			d = max(d, min(longRest*took, mostRest))
		}
		pause(ctx, d)
	}
}

// timed makes a reading tell what it took of the processor: neither waiting nor
// what the rest of the daemon does meanwhile.
func timed(read func(all bool) (State, error)) func(all bool) (State, time.Duration, error) {
	return func(all bool) (State, time.Duration, error) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		began := cpu()
		s, err := read(all)
		return s, cpu() - began, err
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
