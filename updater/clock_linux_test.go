package updater

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestReadClock(t *testing.T) {
	dir := t.TempDir()
	read := ReadClock(dir)
	a, b := read(), read()
	if a.Boot == "" || a.Boot != b.Boot || b.Up <= a.Up || a.Up <= 0 || apart(a.offset(), b.offset(), time.Minute) {
		t.Errorf("%+v, then %+v", a, b)
	}
	if err := os.WriteFile(filepath.Join(dir, ntpName), []byte(a.Boot+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !read().Synced {
		t.Error("what the hotplug script left is not seen")
	}
}

// NTP's word is for one boot, even where its file survives that.
func TestNTPHasAnswered(t *testing.T) {
	mark := filepath.Join(t.TempDir(), ntpName)
	for _, c := range []struct {
		name, mark, boot string
		want             bool
	}{
		{name: "nothing", boot: "b1"},
		{"in this boot", "b1\n", "b1", true},
		{"before this boot", "b1\n", "b2", false},
		{"in a boot without a name", "", "", false},
	} {
		if c.name != "nothing" {
			if err := os.WriteFile(mark, []byte(c.mark), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := answered(mark, c.boot); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}

	link := mark + ".link"
	if err := errors.Join(os.WriteFile(mark, []byte("b1"), 0o600), os.Symlink(mark, link)); err != nil {
		t.Fatal(err)
	}
	if answered(link, "b1") {
		t.Error("a link is followed")
	}
	if err := errors.Join(os.Remove(mark), unix.Mkfifo(mark, 0o600)); err != nil {
		t.Fatal(err)
	}
	if answered(mark, "b1") {
		t.Error("a pipe has answered")
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
