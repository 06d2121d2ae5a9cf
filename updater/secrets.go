package updater

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// secrets are what must not be shown, in every form in which others may repeat
// it. They are struck out of others' words only, when these are taken over and
// before anything is cut off: in our own words a gap would tell what was there,
// and what has been parsed is no more than it is.
type secrets []string

// strike replaces secrets by ***. Others may have broken off amid one, and its
// rest may stand in another line: a beginning of it at the end of a line is
// struck out too, and an end at the beginning.
func (list secrets) strike(s string) string {
	var struck []bool // by byte
	hide := func(from, n int) {
		if struck == nil {
			struck = make([]bool, len(s))
		}
		for i := range n {
			struck[from+i] = true
		}
	}
	lines := strings.ReplaceAll(s, "\r", "\n")
	for _, secret := range list {
		for at := 0; secret != ""; at++ {
			i := strings.Index(s[at:], secret)
			if i < 0 {
				break
			}
			at += i
			hide(at, len(secret))
		}
		least := min(3, max(len(secret)-1, 1))
		for from := 0; from < len(s); {
			line, _, _ := strings.Cut(lines[from:], "\n")
			bare := strings.TrimRight(line, " .…,;\"')]}>") // what stands for the rest
			for n := min(len(secret)-1, len(line)); n >= least; n-- {
				if strings.HasSuffix(line, secret[:n]) {
					hide(from+len(line)-n, n)
				}
				if strings.HasSuffix(bare, secret[:n]) {
					hide(from+len(bare)-n, n)
				}
				if strings.HasPrefix(line, secret[len(secret)-n:]) {
					hide(from, n)
				}
			}
			from += len(line) + 1
		}
	}
	if struck == nil {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		switch {
		case !struck[i]:
			b.WriteByte(s[i])
		case i == 0 || !struck[i-1]:
			b.WriteString("***")
		}
	}
	return b.String()
}

// excerpt makes others' words fit to be shown.
func (list secrets) excerpt(s string) string {
	const read = 8 << 10 // of which printable leaves less
	return printable(list.strike(s[:min(len(s), read)]))
}

// printable makes a text fit for a line of log: in one line, and short.
func printable(s string) string {
	const most = 120
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == utf8.RuneError
	}), " ")
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return s
}
