package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
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

// acts reports what does something to a terminal, or makes a text look like
// another: controls, and those of the direction of writing.
func acts(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// oneLine keeps foreign text within its line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if acts(r) {
			return ' '
		}
		return r
	}, s)
}

// harmless lets nothing foreign act on a terminal, whatever is printed: it is
// written out, as JSON has it. A text is to come in one piece.
type harmless struct{ io.Writer }

func (s harmless) Write(b []byte) (int, error) {
	text := make([]byte, 0, len(b))
	for _, r := range string(b) {
		if r != utf8.RuneError && (!acts(r) || r == '\n' || r == '\t') {
			text = utf8.AppendRune(text, r)
		} else {
			text = fmt.Appendf(text, `\u%04x`, r)
		}
	}
	_, err := s.Writer.Write(text)
	return len(b), err
}
