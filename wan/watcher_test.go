package wan

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wandns/wan/wantest"
)

// pacing is a watcher in a bubble whose readings take that much of the
// processor and no time. It counts them.
func pacing(t *testing.T, took time.Duration) (w *watcher, readings func() int) {
	t.Helper()
	var n atomic.Int64
	w = newWatcher(quiet(t), NewNetifd(), func() {}, func(bool) (State, time.Duration, error) {
		n.Add(1)
		return State{}, took, nil
	})
	go w.deliver(t.Context(), make(chan State, 1))
	return w, func() int {
		synctest.Wait()
		return int(n.Load())
	}
}

func TestAStormIsReadWithPauses(t *testing.T) {
	for took, period := range map[time.Duration]time.Duration{
		0:                     time.Millisecond, // the storm's own
		10 * time.Millisecond: 40 * time.Millisecond,
		time.Minute:           retry,
	} {
		synctest.Test(t, func(t *testing.T) {
			w, readings := pacing(t, took)
			const length = time.Minute
			for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(time.Millisecond) {
				w.mark(false)
			}
			// Two more: one at the start, and one after the first State.
			if n, want := readings(), int(length/period); n < want || n > want+2 {
				t.Errorf("when each takes %s there are %d readings in %s, want %d", took, n, length, want)
			}
		})
	}
}

func TestAChangeAmidAPauseIsReadAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, readings := pacing(t, time.Second)
		time.Sleep(time.Hour)
		before := readings()
		w.mark(false)
		if n := readings(); n != before+1 {
			t.Fatalf("%d readings of a change when idle", n-before)
		}
		w.mark(false)
		time.Sleep(4*time.Second - time.Nanosecond)
		if n := readings(); n != before+1 {
			t.Errorf("%d readings before the pause is over", n-before)
		}
		time.Sleep(time.Nanosecond)
		if n := readings(); n != before+2 {
			t.Errorf("%d readings after the pause", n-before)
		}
		time.Sleep(time.Hour)
		if n := readings(); n != before+2 {
			t.Errorf("%d readings of nothing", n-before-2)
		}
	})
}

// A silent ubus, a handshake beside it: what others compute is not what the
// reading took.
func TestAReadingTakesWhatItComputesItself(t *testing.T) {
	const plenty = 200 * time.Millisecond
	busy := func() {
		for began := cpu(); cpu()-began < plenty; {
		}
	}
	_, took, _ := timed(func(bool) (State, error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, others, _ := timed(func(bool) (State, error) { busy(); return State{}, nil })(false)
			if others < plenty {
				t.Errorf("%s of %s were counted", others, plenty)
			}
		}()
		<-done
		return State{}, nil
	})(false)
	if took > plenty/2 {
		t.Errorf("a reading that waits took %s", took)
	}
}

// Between what makes a reading due and the reading the kernel announces
// nothing that this reading will see.
func TestKernelAStormWakesNobodyBeforeTheNextReading(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 10))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var r reader
	read, rested := make(chan bool), make(chan struct{})
	w := newWatcher(quiet(t), NewNetifd(), func() {}, func(all bool) (State, time.Duration, error) {
		s, err := r.read(all)
		select {
		case read <- all:
			<-rested
		case <-ctx.Done():
		}
		return s, 0, err
	})
	states := make(chan State, 1)
	go w.deliver(ctx, states)
	for range 2 { // the first, and that which follows a State
		<-read
		rested <- struct{}{}
	}
	go w.listen(ctx)
	<-read
	storm := func(n int) {
		t.Helper()
		for i := range 1000 {
			addr := fmt.Sprintf("85.%d.%d.%d/32", n, i/250, 1+i%250)
			must(t, wantest.AddAddr("wan0", addr), wantest.DelAddr("wan0", addr))
		}
	}
	silent := func(groups uint32) {
		t.Helper()
		if s := said(t, w); s != (sockstat{groups: groups}) {
			t.Errorf("after a storm %+v", s)
		}
	}

	must(t, wantest.AddAddr("wan0", "84.0.0.3/24"))
	hears(t, w, routes6)
	storm(0)
	silent(routes6)
	must(t, wantest.AddDefault("wan0", "::", 1024))
	hears(t, w, 0)
	storm(1)
	for i := range 1000 {
		must(t, wantest.AddDefault("wan0", "::", 2000+i), wantest.DelDefault("wan0", "::", 2000+i))
	}
	silent(0)
	must(t, wantest.AddAddr("wan0", "84.0.0.4/24"))

	rested <- struct{}{}
	if all := <-read; !all {
		t.Error("the IPv6 routes changed and were not read")
	}
	must(t, wantest.AddAddr("wan0", "84.0.0.5/24"))
	amid := false
	late := time.After(patience)
	rested <- struct{}{}
	for s := (State{}); !has(s, "wan0", "84.0.0.5"); amid = amid || has(s, "wan0", "84.0.0.4") {
		select {
		case s = <-states:
		case <-read:
			rested <- struct{}{}
		case <-late:
			t.Fatalf("the last change was never seen: %+v", s)
		}
	}
	if !amid {
		t.Error("what changed amid the storm was not seen with the next reading")
	}
}

// hears waits until the watcher hears these groups, and has heard all that came.
func hears(t *testing.T, w *watcher, groups uint32) {
	t.Helper()
	for end := time.Now().Add(patience); said(t, w) != (sockstat{groups: groups}); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v, want groups %x", said(t, w), groups)
		}
	}
}

// sockstat is what the kernel says of a subscription: how many bytes wait, and
// how many announcements did not find room.
type sockstat struct {
	groups        uint32
	waiting, lost int
}

func said(t *testing.T, w *watcher) (s sockstat) {
	t.Helper()
	b, err := os.ReadFile("/proc/net/netlink")
	must(t, err)
	sub := w.source.Load()
	for line := range strings.Lines(string(b)) {
		// sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
		if f := strings.Fields(line); sub != nil && len(f) == 10 && f[1] == "0" && f[2] == fmt.Sprint(sub.port) {
			_, err := fmt.Sscanf(strings.Join([]string{f[3], f[4], f[8]}, " "), "%x %d %d", &s.groups, &s.waiting, &s.lost)
			must(t, err)
		}
	}
	return s
}
