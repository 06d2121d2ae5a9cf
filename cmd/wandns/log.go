package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
)

// levels are the values of log_level, each with less to read than the last.
//
//nolint:gochecknoglobals // a constant list
var levels = []string{"debug", "info", "warn", "error"}

// lines is a log for a supervisor that stamps time and severity itself, as
// procd's logd does: one plain line, warnings and errors apart from the rest,
// the service first.
type lines struct {
	mu       sync.Mutex
	out, err io.Writer
	least    atomic.Int32 // of levels
}

func newLog(out, err io.Writer, level string) *lines {
	l := &lines{out: out, err: err}
	l.limit(level)
	return l
}

func (l *lines) limit(level string) { l.least.Store(int32(slices.Index(levels, level))) }

func (l *lines) Debug(msg string, attrs ...any) { l.print(l.out, 0, msg, attrs) }
func (l *lines) Info(msg string, attrs ...any)  { l.print(l.out, 1, msg, attrs) }
func (l *lines) Warn(msg string, attrs ...any)  { l.print(l.err, 2, msg, attrs) }
func (l *lines) Error(msg string, attrs ...any) { l.print(l.err, 3, msg, attrs) }

func (l *lines) print(w io.Writer, level int32, msg string, attrs []any) {
	if level < l.least.Load() {
		return
	}
	for i := 1; i < len(attrs); i += 2 {
		switch key, v := attrs[i-1], fmt.Sprint(attrs[i]); {
		case key == "service":
			msg = v + ": " + msg
		case v != "":
			msg += fmt.Sprintf(" %v=%s", key, v)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(w, oneLine(msg)+"\n")
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
