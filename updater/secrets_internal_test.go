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

// Programs differ in which characters they escape, and in how.
func TestSecretsAreStruckOutHoweverTheyAreSpelled(t *testing.T) {
	for secret, forms := range map[string][]string{
		`my"pass'word&x`: {
			`my"pass'word&x`, `my&quot;pass&#039;word&amp;x`, `my&quot;pass'word&amp;x`, `my&#34;pass&#39;word&amp;x`, `my&#X22;pass&apos;word&#38;x`,
			`my%22pass'word%26x`, `my%22pass%27word%26x`, `my"pass'word%26x`, `my\"pass'word&x`, `my\"pass\'word\u0026x`, `my\u0022pass\u0027word\u0026x`,
		},
		"pässwörd 17+/x<>": {
			"p%C3%A4ssw%C3%B6rd%2017%2B%2Fx%3C%3E", "p%c3%a4ssw%c3%b6rd+17%2b%2fx%3c%3e", `p\u00e4ssw\u00F6rd 17+\/x\u003c\u003E`, "p&#228;ssw&#xf6;rd 17+/x&lt;&gt;",
			"p\xe4ssw\xf6rd 17+/x<>", "p%E4ssw%f6rd+17%2B%2Fx%3C%3E",
		},
		`%41"&<x`: {`%41"&<x`, `%41&quot;&amp;&lt;x`, `%2541%22%26%3cx`, `%41\"&<x`},
		`back\`:   {`back\`, `back\\`, `back%5C`, `back%5c`},
		`100%`:    {`100%`, `100%25`},
	} {
		list := secrets{secret}
		for _, form := range forms {
			for in, want := range map[string]string{
				`pw="` + form + `" x`: `pw="***" x`,
				form + form:           "***",
			} {
				if got := list.excerpt(in); got != want {
					t.Errorf("%s: %q, want %q", in, got, want)
				}
			}
			for n := range len(form) { // broken off amid a character, too
				if n < 8 {
					continue
				}
				torn := []string{"no " + form[:n], "no " + form[:n] + `..."`}
				if len(form)-n >= 3 {
					torn = append(torn, "no "+form[:n]+"\r\n"+form[n:])
				}
				for _, in := range torn {
					if got := list.excerpt(in); strings.Trim(got, `no *."…`) != "" {
						t.Errorf("%q: %q", in, got)
					}
				}
			}
		}
	}
	if got := (secrets{"pass\U0001f511word"}).strike(`a pass\ud83d\udd11word, pass%F0%9F%94%91word`); got != "a ***, ***" {
		t.Errorf("%q", got)
	}
	for _, in := range []string{"a%2", "my%20word", "50 % & more; \\u00", `my&#x;pass`, `&#99999999999;`, `&`, `\`, `\u`, `%`, "+"} {
		if got := (secrets{`my"pass'word&x`}).strike(in); got != in {
			t.Errorf("%q became %q", in, got)
		}
	}
}

// A server may fill all that is read with what looks like a secret.
func BenchmarkStrike(b *testing.B) {
	list := secrets{strings.Repeat("a", 64), `my"pass'word&x`, strings.Repeat(`\`, 64), "correct-horse-17x"}
	for _, part := range []string{"Login failed. ", "a", "aa\n", "%", `\`, "&#97;", `\u0061`, "&amp;", "\n"} {
		text := strings.Repeat(part, 8<<10/len(part))
		b.Run(part, func(b *testing.B) {
			for b.Loop() {
				list.strike(text)
			}
		})
	}
}
