package updater

import (
	"testing"
	"time"
)

func TestWindowFrees(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	w := window{at, at.Add(time.Hour), at.Add(2 * time.Hour)}
	for _, c := range []struct {
		n, more int
		want    time.Time
	}{
		{0, 1, time.Time{}},
		{4, 1, time.Time{}},
		{4, 2, at.Add(aDay + margin)},
		{3, 1, at.Add(aDay + margin)},
		{2, 1, at.Add(aDay + time.Hour + margin)},
		{2, 2, at.Add(aDay + 2*time.Hour + margin)},
		{1, 1, at.Add(aDay + 2*time.Hour + margin)},
	} {
		if got := w.free(c.n, c.more, aDay); !got.Equal(c.want) {
			t.Errorf("%d more of %d in a day: %s, want %s", c.more, c.n, got, c.want)
		}
	}
	if got := (window{}).free(1, 2, aDay); !got.IsZero() {
		t.Errorf("more than ever: %s", got)
	}
	if got := w.within(time.Hour, at.Add(150*time.Minute)); len(got) != 1 {
		t.Errorf("%d within the hour, want 1", len(got))
	}
	if len(w) != 3 || !w[0].Equal(at) {
		t.Error("within changed the window")
	}
}

func TestWindowSurvivesARestartWhateverTheClockSays(t *testing.T) {
	saved := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	stamps := window{saved.Add(-3 * time.Hour)}.stamps(func(t time.Time) time.Time { return t })
	for _, now := range []time.Time{saved, saved.Add(time.Hour), saved.AddDate(20, 0, 0), time.Unix(0, 0)} {
		if got := now.Sub(windowOf(stamps, saved, now)[0]); got != 3*time.Hour {
			t.Errorf("begun on %s: %s old, want 3 hours", now, got)
		}
	}
	// A stamp after the last clock that was stored counts as just made.
	if got := windowOf([]int64{saved.Add(time.Hour).Unix()}, saved, saved)[0]; !got.Equal(saved) {
		t.Errorf("%s, want %s", got, saved)
	}
}
