package updater

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// secrets are what must not be shown, however others spell it. They are struck
// out of others' words only, when these are taken over and before anything is
// cut off: in our own words a gap would tell what was there, and what has been
// parsed is no more than it is.
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
	lines, torn := strings.ReplaceAll(s, "\r", "\n"), ""
	for from := 0; from < len(s); {
		line, _, _ := strings.Cut(lines[from:], "\n")
		if line == "" {
			from++
			continue
		}
		before := torn                                  // what the line before had of a character
		bare := strings.TrimRight(line, " .…,;\"')]}>") // what stands for the rest
		torn = ""
		if i := strings.LastIndexAny(bare, `%&\`); i >= 0 && len(bare)-i < 9 && !strings.HasPrefix(line[len(bare):], ";") {
			if _, n := unescaped(bare[i:]); n == 1 {
				torn = bare[i:]
			}
		}
		whole, joined := len(bare)-len(torn), before+line
		for at := range len(line) {
			char, _ := unescaped(line[at:])
			for _, secret := range list {
				if secret == "" || !could(secret[0], line[at], char[0]) {
					continue
				}
				switch n, known := spelled(s[from+at:], secret); {
				case known == len(secret):
					hide(from+at, n)
				case n >= least(secret) && at+n >= whole:
					hide(from+at, max(n, len(bare)-at))
				}
			}
		}
		char, _ := unescaped(joined)
		for _, secret := range list {
			for i := 1; i < len(secret); i++ {
				if !could(secret[i], joined[0], char[0]) {
					continue
				}
				if n, known := spelled(joined, secret[i:]); known == len(secret)-i && n >= least(secret) {
					hide(from, n-len(before))
				}
			}
		}
		from += len(line) + 1
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

// least is how much of a secret is one.
func least(secret string) int { return min(3, max(len(secret)-1, 1)) }

// could rules out quickly what a text cannot begin with that does so as it is,
// or stands for it.
func could(c, is, standsFor byte) bool {
	return c == is || c == standsFor || standsFor >= utf8.RuneSelf
}

// spelled returns how much of a text spells the beginning of a secret, and how
// much of the secret that is. Programs differ in which characters they escape,
// and in how.
func spelled(s, secret string) (n, known int) {
	for _, literal := range [...]bool{true, false} { // a secret may look like an escape
		at, i := 0, 0
		for at < len(s) && i < len(secret) {
			same := s[at] == secret[i]
			if same && (literal || strings.IndexByte(`%&\+`, s[at]) < 0) {
				at, i = at+1, i+1
				continue
			}
			char, width := unescaped(s[at:])
			n := stands(char, secret[i:])
			if n == 0 && same {
				n, width = 1, 1
			}
			if n == 0 {
				break
			}
			i += n
			at += width
		}
		if i > known || i == known && at > n {
			n, known = at, i
		}
	}
	return n, known
}

// stands returns for how much of a secret's beginning a character stands, which
// may be one of Latin-1.
func stands(char, secret string) int {
	if strings.HasPrefix(secret, char) {
		return len(char)
	}
	if r, n := utf8.DecodeRuneInString(secret); n == 2 && len(char) == 1 && r == rune(char[0]) {
		return n
	}
	return 0
}

// unescaped returns what a text begins with, and how long that is, written as
// in an address, in JSON or in HTML.
func unescaped(s string) (char string, n int) {
	char, n = s[:1], 1
	switch {
	case s[0] == '+':
		char = " "
	case s[0] == '%' && len(s) > 2:
		if b, err := strconv.ParseUint(s[1:3], 16, 8); err == nil {
			char, n = string([]byte{byte(b)}), 3
		}
	case s[0] == '\\' && len(s) > 1 && s[1] != 'u':
		char, n = s[1:2], 2
	case s[0] == '\\' && len(s) > 5:
		if r, err := strconv.ParseUint(s[2:6], 16, 16); err == nil {
			char, n = string(rune(r)), 6
			if low, err := strconv.ParseUint(s[min(len(s), 8):min(len(s), 12)], 16, 16); err == nil && utf16.IsSurrogate(rune(r)) {
				char, n = string(utf16.DecodeRune(rune(r), rune(low))), 12
			}
		}
	case s[0] == '&':
		name, _, ended := strings.Cut(s[1:min(len(s), 9)], ";")
		if !ended {
			break
		}
		digits, base := strings.TrimPrefix(name, "#"), 10
		if strings.HasPrefix(strings.ToLower(digits), "x") {
			digits, base = digits[1:], 16
		}
		r, err := strconv.ParseUint(digits, base, 31)
		if i := slices.Index([]string{"quot", "amp", "lt", "gt", "apos"}, name); i >= 0 {
			r, err = uint64("\"&<>'"[i]), nil
		}
		if err == nil {
			char, n = string(rune(r)), len(name)+2
		}
	}
	return char, n
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
