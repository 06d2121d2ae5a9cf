package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

func TestALogLineIsPlain(t *testing.T) {
	for _, tt := range []struct {
		name     string
		write    func(*slog.Logger)
		out, err string
	}{
		{"information", func(l *slog.Logger) { l.Info("it works") }, "it works\n", ""},
		{"warning", func(l *slog.Logger) { l.Warn("look here") }, "", "look here\n"},
		{"error", func(l *slog.Logger) { l.Error("it failed") }, "", "it failed\n"},
		{"below the level", func(l *slog.Logger) { l.Debug("details") }, "", ""},
		{"attributes", func(l *slog.Logger) { l.Info("sent", "hosts", 2, "address", "84.0.0.2") }, "sent hosts=2 address=84.0.0.2\n", ""},
		{"an error as attribute", func(l *slog.Logger) { l.Warn("failed", "error", errors.New("no route")) }, "", "failed error=no route\n"},
		{"an empty attribute", func(l *slog.Logger) { l.Info("sent", "answer", "", "n", 0) }, "sent n=0\n", ""},
		{"a service", func(l *slog.Logger) { l.With("service", "home").Info("sent") }, "home: sent\n", ""},
		{"the last service", func(l *slog.Logger) { l.With("service", "a").With("service", "b").Warn("sent") }, "", "b: sent\n"},
		{"per cent signs", func(l *slog.Logger) { l.Info("100%s") }, "100%s\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, err bytes.Buffer
			tt.write(newLog(&out, &err, slog.LevelInfo))
			if out.String() != tt.out || err.String() != tt.err {
				t.Errorf("out = %q, err = %q; want %q and %q", &out, &err, tt.out, tt.err)
			}
		})
	}
}

func TestAServiceDoesNotStickToTheLogItCameFrom(t *testing.T) {
	var out bytes.Buffer
	log := newLog(&out, &out, slog.LevelInfo)
	log.With("service", "home").Info("one")
	log.Info("two")
	if got := out.String(); got != "home: one\ntwo\n" {
		t.Errorf("log = %q", got)
	}
}

func TestTheLogLevelChangesWhileRunning(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log := newLog(&out, &out, level).With("service", "home")
	log.Debug("one")
	level.Set(slog.LevelDebug)
	log.Debug("two")
	level.Set(slog.LevelError)
	log.Warn("three")
	log.Error("four")
	if got := out.String(); got != "home: two\nhome: four\n" {
		t.Errorf("log = %q", got)
	}
}

// torn hands every byte on by itself, so that unguarded lines would mix.
type torn struct{ bytes.Buffer }

func (w *torn) Write(p []byte) (int, error) {
	for _, c := range p {
		w.WriteByte(c)
	}
	return len(p), nil
}

func TestLinesOfManyGoroutinesStayWhole(t *testing.T) {
	var both torn
	log := newLog(&both, &both, slog.LevelInfo)
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			mine := log.With("service", name)
			for range 100 {
				mine.Info(strings.Repeat(name, 50))
				mine.Warn(strings.Repeat(name, 50))
			}
		})
	}
	wg.Wait()
	n := 0
	for line := range strings.Lines(both.String()) {
		n++
		if name := line[:1]; line != name+": "+strings.Repeat(name, 50)+"\n" {
			t.Fatalf("line %d is %q", n, line)
		}
	}
	if n != 800 {
		t.Errorf("%d lines, want 800", n)
	}
}
