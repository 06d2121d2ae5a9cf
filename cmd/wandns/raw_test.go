package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// outline is what parseTOML read, with the line of everything.
func outline(sections []section) string {
	var b strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&b, "%s %d:", s.kind, s.line)
		for _, o := range s.keys {
			fmt.Fprintf(&b, " %s %d=%s", o.name, o.line, strings.Join(o.values, "|"))
			if o.list {
				b.WriteString("[]")
			}
			if o.wrong != "" {
				b.WriteString("!")
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestEveryKeyKnowsItsLine(t *testing.T) {
	for _, tt := range []struct{ name, toml, want string }{
		{"empty", "", "global 0:\n"},
		{"global keys only", "a = 1\nb = true\n", "global 0: a 1=1 b 2=true\n"},
		{"without a last newline", "[[service]]\nname = 'x'", "global 0:\nservice 1: name 2=x\n"},
		{
			"several services",
			"log_level = 'info'\n\n[[service]]\nname = 'a'\n\n[[service]]\n[[service]]\n\nname = 'c'\nenabled = false\n",
			"global 0: log_level 1=info\nservice 3: name 4=a\nservice 6:\nservice 7: name 9=c enabled 10=false\n",
		},
		{
			"comments",
			"# a = 0\na = 1 # b = 2\n# [[service]]\n[[service]] # x = [\n# name = 'y'\nname = 'x#y' # z\n",
			"global 0: a 2=1\nservice 4: name 6=x#y\n",
		},
		{
			"indented, without spaces and with too many",
			"  [[ service ]]\n\tname='x'\n  provider   =   'y'\n",
			"global 0:\nservice 1: name 2=x provider 3=y\n",
		},
		{
			"quoted keys and tables",
			"'a' = 1\n[[\"service\"]]\n\"name\" = 'x'\n'provider' = 'y'\n",
			"global 0: a 1=1\nservice 2: name 3=x provider 4=y\n",
		},
		{
			"an array over several lines",
			"[[service]]\nhostnames = [\n  'a', # first\n  # none\n  'b',\n]\nname = 'x'\n",
			"global 0:\nservice 1: hostnames 2=a|b[] name 7=x\n",
		},
		{
			"multi-line strings",
			"[[service]]\na = \"\"\"\none\ntwo\"\"\"\nb = '''\nthree'''\nc = 1\n",
			"global 0:\nservice 1: a 2=one\ntwo b 5=three c 7=1\n",
		},
		{
			"CRLF",
			"a = 1\r\n\r\n[[service]]\r\nname = 'x'\r\nhosts = [\r\n'a',\r\n]\r\nz = 2\r\n",
			"global 0: a 1=1\nservice 3: name 4=x hosts 5=a[] z 8=2\n",
		},
		{
			"the same key in every place",
			"enabled = true\n[[service]]\nenabled = false\n[[service]]\nenabled = true\n",
			"global 0: enabled 1=true\nservice 2: enabled 3=false\nservice 4: enabled 5=true\n",
		},
		{
			"values of every kind",
			"a = 'x=y'\nb = 12\nc = false\nd = []\ne = [1, 'x', true]\nf = 1.5\ng = 2026-11-21\nh = {i = 1}\nj = [['x']]\n",
			"global 0: a 1=x=y b 2=12 c 3=false d 4=[] e 5=1|x|true[] f 6=! g 7=! j 9=[]!\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sections, mistakes := parseTOML(tt.toml)
			if tt.name == "values of every kind" {
				if len(mistakes) != 1 || mistakes[0].key != "[h]" {
					t.Errorf("mistakes = %v, want one about h", mistakes)
				}
			} else if len(mistakes) > 0 {
				t.Errorf("mistakes = %v", mistakes)
			}
			if got := outline(sections); got != tt.want {
				t.Errorf("read\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestTablesThatDoNotExistAreNamedWithTheirLine(t *testing.T) {
	for _, tt := range []struct{ name, toml, want string }{
		{"one bracket", "\n[service]\nname = 'x'\n", "line 2, [service]: "},
		{"a typing error", "[[servic]]\n", "line 1, [[servic]]: "},
		{"the second of two", "[[service]]\n\n[other]\n", "line 3, [other]: "},
		{"twice the same", "[[other]]\n[[other]]\n", "line 1, [[other]]: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, mistakes := parseTOML(tt.toml)
			if len(mistakes) != 1 || !strings.HasPrefix(mistakes[0].String(), tt.want) || !strings.Contains(mistakes[0].text, "[[service]]") {
				t.Errorf("mistakes = %q, want one that begins with %q and shows [[service]]", mistakes, tt.want)
			}
		})
	}
	if _, mistakes := parseTOML("[service]\n[[servic]]\n[more]\n"); len(mistakes) != 3 {
		t.Errorf("mistakes = %q, want three", mistakes)
	}
}

func TestASyntaxErrorHasItsLine(t *testing.T) {
	for _, tt := range []struct {
		name, toml string
		line       int
	}{
		{"no quotes", "a = 1\nb = text\n", 2},
		{"no closing quote", "a = 1\n\nb = 'text\n", 3},
		{"no value", "a =\n", 1},
		{"no equals sign", "[[service]]\nname 'x'\n", 2},
		{"a key twice", "[[service]]\na = 1\na = 2\n", 3},
		{"a table and an array of tables", "[service]\n[[service]]\n", 2},
		{"CRLF", "a = 1\r\nb = 2\r\nc = text\r\n", 3},
		{"not UTF-8", "a = 1\nb = '\xff'\n", 2},
		{"UTF-16", "\xff\xfea\x00 \x00", 1},
		{"UCI", "config service 'home'\n\toption enabled '1'\n", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, mistakes := parseTOML(tt.toml)
			if len(mistakes) == 0 || mistakes[0].line != tt.line || mistakes[0].text == "" {
				t.Errorf("mistakes = %q, want one in line %d", mistakes, tt.line)
			}
		})
	}
}

func FuzzParseTOML(f *testing.F) {
	reference, err := os.ReadFile("reference.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(reference), "", "a = 1\r\n[[service]]\r\nname = 'x'\r\n", "[service]\n[[servic]]\n", "a = [\n['x']\n]\n",
		"[[service]]\na = '''\n[[service]]\nb = 1'''\n[service.c]\nd.e = 1\n", "service = [{name = 'x'}]\n", "'' = {}", "a = \"\\uD800\"", "\ufeffa = 1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		if len(data) > 2000 {
			t.Skip("the decoder needs the square of the depth")
		}
		last := strings.Count(data, "\n") + 1
		inside := func(line int, what string) {
			if line < 0 || line > last {
				t.Errorf("%s is in line %d of %d", what, line, last)
			}
		}
		sections, mistakes := parseTOML(data)
		for _, m := range mistakes {
			inside(m.line, m.String())
			if m.text == "" {
				t.Errorf("a mistake without text: %+v", m)
			}
		}
		if len(sections) == 0 && len(mistakes) == 0 {
			t.Error("neither a section nor a mistake")
		}
		for i, s := range sections {
			inside(s.line, s.kind)
			if want := i == 0; (s.kind == "global") != want || !want && s.kind != "service" {
				t.Errorf("section %d is of kind %q", i, s.kind)
			}
			for _, o := range s.keys {
				inside(o.line, o.name)
				if !o.list && o.wrong == "" && len(o.values) != 1 {
					t.Errorf("%s has %d values", o.name, len(o.values))
				}
			}
		}
		if strings.Contains(data, "_file") {
			return // the validation would read it
		}
		v := &validator{mistakes: mistakes, config: &config{}}
		v.sections(sections)
		eachMistakeIsSomewhere(t, v)
	})
}

// Every mistake of a service that is not paused is one of the configuration.
func eachMistakeIsSomewhere(t *testing.T, v *validator) {
	t.Helper()
	for _, s := range v.config.Services {
		for _, m := range s.Mistakes {
			if !m.ofService() || s.switched != slices.Contains(v.mistakes, m) {
				t.Errorf("service %q, switched on: %t, has the mistake %v; all: %v", s.Name, s.switched, m, v.mistakes)
			}
		}
	}
}
