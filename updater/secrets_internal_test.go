package updater

import (
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"good 1.2.3.4\r\n":          "good 1.2.3.4",
		"a\x00b\x1b[31m\tc\n\nd":    "a b [31m c d",
		strings.Repeat("ä", 121):    strings.Repeat("ä", 120) + "…",
		"\xff\xfe":                  "",
		"<html>\n<body>Log in</ht>": "<html> <body>Log in</ht>",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

// Others' words are made clean before anything is cut off, and also where they
// break off.
func TestSecretsAreStruckOut(t *testing.T) {
	const secret = "correct-horse-17x"
	pad := strings.Repeat("x", 79)
	for _, c := range []struct {
		name    string
		secrets secrets
		in      string
		want    string
	}{
		{"nothing to hide", secrets{secret, ""}, "good 1.2.3.4", "good 1.2.3.4"},
		{"one of many", secrets{secret}, "a " + secret + ", " + secret, "a ***, ***"},
		{"one in another", secrets{"abcd", "bc"}, "abcd bc", "*** ***"},
		{"those that overlap", secrets{"abab"}, "xabababx", "x***x"},
		{"those side by side", secrets{"ab"}, "xababx", "x***x"},
		{"a star", secrets{"*"}, "2 * 3", "2 *** 3"},
		{"one character", secrets{"p"}, "a page", "a ***age"},
		{"broken off", secrets{secret}, pad + secret[:16], pad + "***"},
		{"broken off early", secrets{secret}, pad + secret[:3], pad + "***"},
		{"cut short", secrets{secret}, "not " + secret[:9] + "...\nnor \"" + secret[:9] + "…\"", "not ***... nor \"***…\""},
		{"a beginning that stands by itself", secrets{secret}, secret[:3] + " x", secret[:3] + " x"},
		{"broken off in a line", secrets{secret}, "a " + secret[:9] + "\n" + secret[9:] + " b", "a *** *** b"},
		{"broken off after CRLF", secrets{secret}, "a\r\n" + secret[:9] + "\r\n" + secret[9:], "a *** ***"},
		{"broken off after one of two", secrets{"ab"}, "x a", "x ***"},
		{"broken off after two of three", secrets{"abc"}, "x ab", "x ***"},
		{"in another form", secrets{"p%C3%A4ss", "päss"}, "p%C3%A4", "***"},
		{"with what is not printed", secrets{"one\x01  two"}, "one\x01  two", "***"},
		{"over the end of what is shown", secrets{secret}, strings.Repeat("x", 110) + secret, strings.Repeat("x", 110) + "***"},
		{"over the end of what is read", secrets{secret}, strings.Repeat(" ", 8<<10-16) + secret, "***"},
	} {
		if got := c.secrets.excerpt(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for n := range len(secret) - 2 {
		if got := (secrets{secret}).excerpt(pad + secret[:n+3]); got != pad+"***" {
			t.Errorf("after %d characters: %q", n+3, got)
		}
	}
}
