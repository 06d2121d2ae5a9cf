package main

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
)

func TestALogLineIsPlain(t *testing.T) {
	for _, tt := range []struct {
		name     string
		write    func(*lines)
		out, err string
	}{
		{"information", func(l *lines) { l.Info("it works") }, "it works\n", ""},
		{"warning", func(l *lines) { l.Warn("look here") }, "", "look here\n"},
		{"error", func(l *lines) { l.Error("it failed") }, "", "it failed\n"},
		{"below the level", func(l *lines) { l.Debug("details") }, "", ""},
		{"attributes", func(l *lines) { l.Info("sent", "hosts", 2, "address", "84.0.0.2") }, "sent hosts=2 address=84.0.0.2\n", ""},
		{"an error as attribute", func(l *lines) { l.Warn("failed", "error", errors.New("no route")) }, "", "failed error=no route\n"},
		{"an empty attribute", func(l *lines) { l.Info("sent", "answer", "", "n", 0) }, "sent n=0\n", ""},
		{"a service", func(l *lines) { l.Info("sent", "service", "home", "n", 1) }, "home: sent n=1\n", ""},
		{"per cent signs", func(l *lines) { l.Info("100%s") }, "100%s\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, err bytes.Buffer
			tt.write(newLog(&out, &err, "info"))
			if out.String() != tt.out || err.String() != tt.err {
				t.Errorf("out = %q, err = %q; want %q and %q", &out, &err, tt.out, tt.err)
			}
		})
	}
}

func TestTheLogLevelChangesWhileRunning(t *testing.T) {
	var out bytes.Buffer
	log := newLog(&out, &out, "info")
	log.Debug("one")
	log.limit("debug")
	log.Debug("two")
	log.limit("error")
	log.Warn("three")
	log.Error("four")
	if got := out.String(); got != "two\nfour\n" {
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
	log := newLog(&both, &both, "info")
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			for range 100 {
				log.Info(strings.Repeat(name, 50), "service", name)
				log.Warn(strings.Repeat(name, 50), "service", name)
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
