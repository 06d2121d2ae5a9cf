package updater

import (
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestReadClock(t *testing.T) {
	a := ReadClock()
	b := ReadClock()
	if a.Boot == "" || a.Boot != b.Boot || b.Up <= a.Up || a.Up <= 0 || apart(a.offset(), b.offset(), 100*time.Millisecond) {
		t.Errorf("%+v, then %+v", a, b)
	}
}

// The clock is set to what it is, which is a step nonetheless.
func TestClockStepsOfTheKernel(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	steps, err := ClockSteps(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case <-steps:
			t.Error("a step before the clock was set")
		case <-time.After(50 * time.Millisecond):
		}
		var now unix.Timespec
		err := unix.ClockGettime(unix.CLOCK_REALTIME, &now)
		if err == nil {
			err = unix.ClockSettime(unix.CLOCK_REALTIME, &now)
		}
		if err != nil {
			if os.Getenv("WANDNS_CI") == "1" {
				t.Fatalf("set the clock to what it is: %v", err)
			}
			t.Skipf("set the clock to what it is: %v; run as root", err)
		}
		select {
		case <-steps:
		case <-time.After(time.Minute):
			t.Fatal("the step was not noticed")
		}
	}
	stop()
}
