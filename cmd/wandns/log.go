package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"unicode"
)

// lines is a slog.Handler for a supervisor that stamps time and severity
// itself, as procd's logd does: one plain line, warnings and errors apart
// from the rest, the service first.
type lines struct {
	mu       *sync.Mutex
	out, err io.Writer
	level    slog.Leveler
	service  string
}

func newLog(out, err io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(lines{mu: new(sync.Mutex), out: out, err: err, level: level})
}

func (h lines) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h lines) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	if h.service != "" {
		b.WriteString(h.service + ": ")
	}
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if v := a.Value.String(); v != "" {
			b.WriteString(" " + a.Key + "=" + v)
		}
		return true
	})
	line := oneLine(b.String())
	w := h.out
	if r.Level >= slog.LevelWarn {
		w = h.err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(w, line+"\n")
	return err
}

// oneLine keeps foreign text from acting on a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// WithAttrs knows one attribute that holds for many lines: the service.
func (h lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == "service" {
			h.service = a.Value.String()
		}
	}
	return h
}

func (h lines) WithGroup(string) slog.Handler { return h }
