package uci

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// export prints sections as the command uci export does.
func export(sections []Section) string {
	var b strings.Builder
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	for _, s := range sections {
		b.WriteString("\nconfig " + s.Type)
		if s.Name != "" {
			b.WriteString(" " + quote(s.Name))
		}
		b.WriteByte('\n')
		for _, o := range s.Options {
			kind := "option"
			if o.List {
				kind = "list"
			}
			for _, v := range o.Values {
				b.WriteString("\t" + kind + " " + o.Name + " " + quote(v) + "\n")
			}
		}
	}
	return b.String()
}

// The golden files are what libuci's own uci export printed.
func TestAsTheRealOneReadsIt(t *testing.T) {
	files, err := filepath.Glob("testdata/*.uci")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sections, errs := Parse(string(data))
			want, err := os.ReadFile(strings.TrimSuffix(file, ".uci") + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			if got := export(sections); got != string(want) || len(errs) > 0 {
				t.Errorf("read\n%s%v\nwant\n%s", got, errs, want)
			}
		})
	}
}

func TestEverythingKnowsItsLine(t *testing.T) {
	const text = "# one\n\nconfig a 'x'\n\toption b 'c\nd'\n\tlist e 1\r\n\tlist e 2\n\nconfig a x\n\toption f g; option h i\n\toption b \\\n'z'\n"
	sections, errs := Parse(strings.Replace(text, "g;", "g ;", 1))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	got := ""
	for _, s := range sections {
		got += fmt.Sprintf("%s %d:", s.Name, s.Line)
		for _, o := range s.Options {
			got += fmt.Sprintf(" %s %d", o.Name, o.Line)
		}
	}
	if want := "x 3: b 11 e 6 f 10 h 10"; got != want {
		t.Errorf("lines are %q, want %q", got, want)
	}
}

func TestErrors(t *testing.T) {
	const secret = "CANARY"
	for _, tt := range []struct {
		name, text string
		line       int
		says       string
	}{
		{"no command", "config a b\nCANARY\n", 2, "begin with config"},
		{"not in the first line", "config a b\n\n\toptions password CANARY\n", 3, "begin with config"},
		{"TOML", "[[service]]\n", 1, "begin with config"},
		{"a byte order mark", "\ufeffconfig a b\n", 1, "begin with config"},
		{"no section", "option password CANARY\n", 1, "no section"},
		{"no type", "config\t\n", 1, "needs a type"},
		{"a type with a space", "config 'a b'\n", 1, "type"},
		{"a name with a dash", "config a b-c\n", 1, "name"},
		{"an option without name", "config a b\noption \n", 2, "need a name"},
		{"an option's name with a dash", "config a b\noption b-c d\n", 2, "need a name"},
		{"a value with a space", "config a b\noption password my CANARY\n", 2, "too many"},
		{"an apostrophe", "config a b\noption password 'it's CANARY'\n\n\noption c d\n", 2, "'\\''"},
		{"no closing quote", "config a b\n\noption password \"CANARY\n\n", 3, "no end"},
		{"another type", "config a b\nconfig c b\n", 2, "line 1"},
		{"a package without a name", "package \n", 1, "package"},
		{"a semicolon at a word", "config a b\noption c d;option password CANARY\n", 2, "semicolon"},
		{"a zero byte", "config a b\n\n\x00", 3, "zero"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, errs := Parse(tt.text)
			if len(errs) == 0 || errs[0].Line != tt.line || !strings.Contains(errs[0].Text, tt.says) {
				t.Errorf("errors = %v, want one in line %d that says %q", errs, tt.line, tt.says)
			}
			if strings.Contains(fmt.Sprint(errs), secret) {
				t.Errorf("the secret stands in %v", errs)
			}
		})
	}
}

func TestAllErrorsAreFoundAtOnce(t *testing.T) {
	sections, errs := Parse("nothing\nconfig a b\noption\nlist c d\nconfig 'x y'\n")
	if len(errs) != 3 || export(sections) != "\nconfig a 'b'\n\tlist c 'd'\n" {
		t.Errorf("errors = %v, sections = %v", errs, sections)
	}
	if _, errs := Parse(strings.Repeat("x\n", 1000)); len(errs) != MaxErrors {
		t.Errorf("%d errors", len(errs))
	}
	if _, errs := Parse(strings.Repeat("#", MaxSize+1)); len(errs) != 1 {
		t.Errorf("a file that is too large: %v", errs)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.uci")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add("c a b\no c 'd'\\''\"e\\\"\"\\\n\\ f;l c d # e\r\n")
	f.Fuzz(func(t *testing.T, data string) {
		sections, errs := Parse(data)
		last := strings.Count(data, "\n") + 1
		for _, e := range errs {
			if e.Line < 0 || e.Line > last || e.Text == "" {
				t.Errorf("%v of %d lines", e, last)
			}
		}
		for _, s := range sections {
			if strings.ContainsAny(s.Type, `'"\#;`) {
				return // libuci writes a type without quotes
			}
			if s.Line < 1 || s.Line > last || s.Type == "" {
				t.Errorf("section %+v of %d lines", s, last)
			}
			for _, o := range s.Options {
				if o.Line < s.Line || o.Line > last || len(o.Values) == 0 || !o.List && len(o.Values) != 1 {
					t.Errorf("option %+v of %d lines", o, last)
				}
			}
		}
		// What is written as libuci writes it is read as the same.
		again, errs := Parse(export(sections))
		if len(errs) > 0 || export(again) != export(sections) {
			t.Errorf("%v\n%q is read as\n%q", errs, export(sections), export(again))
		}
	})
}

func TestSetLeavesAllElseAsItIs(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		section    int
		want       string // empty if it cannot be done
	}{
		{"single quotes", "config a 'x'\n\toption enabled '1'\n", 0, "config a 'x'\n\toption enabled '0'\n"},
		{"double quotes and a comment", "config a \"x\"\n\toption\tenabled\t\t\"1\"   # on\n", 0, "config a \"x\"\n\toption\tenabled\t\t'0'   # on\n"},
		{"no quotes, a comment at the word", "config a x\n  option enabled 1#on\n# end", 0, "config a x\n  option enabled '0'#on\n# end"},
		{"CRLF", "config a x\r\noption enabled 1\r\noption b c\r\n", 0, "config a x\r\noption enabled '0'\r\noption b c\r\n"},
		{"no line end", "config a x\noption enabled 1", 0, "config a x\noption enabled '0'"},
		{"joined quotes", "config a x\noption enabled '1'\"\"\noption b c\n", 0, "config a x\noption enabled '0'\noption b c\n"},
		{"over two lines", "config a x\noption enabled 'o\nn'\noption b c\n", 0, "config a x\noption enabled '0'\noption b c\n"},
		{"short forms in one line", "c a x ; o enabled 1 ; o b c\n", 0, "c a x ; o enabled '0' ; o b c\n"},
		{"given twice", "config a x\noption enabled 0\noption enabled 1\n", 0, "config a x\noption enabled 0\noption enabled '0'\n"},
		{"in two places", "config a x\noption enabled 0\nconfig b y\nconfig a x\noption enabled 1\n", 0, "config a x\noption enabled 0\nconfig b y\nconfig a x\noption enabled '0'\n"},
		{"an empty one", "config a x\noption enabled ''\n", 0, "config a x\n\toption enabled '0'\noption enabled ''\n"},
		{"none", "# c\nconfig a x # d\n\toption b c\n", 0, "# c\nconfig a x # d\n\toption enabled '0'\n\toption b c\n"},
		{"none, and no line end", "config a x", 0, "config a x\n\toption enabled '0'\n"},
		{"anonymous", "config a\noption enabled 1\nconfig a\noption enabled 1\n", 1, "config a\noption enabled 1\nconfig a\noption enabled '0'\n"},
		{"two sections in a line", "config a x ; config a y\n", 0, ""},
		{"a list", "config a x\nlist enabled 1\nlist enabled 1\n# c\n", 0, ""},
		{"an error", "config a x\noption enabled 1\noption '\n", 0, ""},
		{"no such section", "config a x\n", 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Set(tt.text, tt.section, "enabled", "0")
			if ok != (tt.want != "") || ok && got != tt.want || !ok && got != tt.text {
				t.Errorf("%v, it is now\n%q\nwant\n%q", ok, got, tt.want)
			}
		})
	}
	if got, ok := Set("config a x\n", 0, "b", "it's"); !ok || got != "config a x\n\toption b 'it'\\''s'\n" {
		t.Errorf("an apostrophe makes %q", got)
	}
}

func TestReplace(t *testing.T) {
	for _, tt := range []struct {
		name, text  string
		section     int
		lines, want string // empty if it cannot be done
	}{
		{"one of two", "# c\nconfig a x # d\n\t# e\n\toption b 'c\n\nd'\n\n# f\nconfig a y\n", 0, "config a 'z'\n", "# c\nconfig a 'z'\n\n# f\nconfig a y\n"},
		{"the last", "config a x\n\nconfig a y\n\toption b c", 1, "config a 'z'\n", "config a x\n\nconfig a 'z'\n"},
		{"in two places", "config a x\n\toption b c\nconfig a y\nconfig a x\n\toption d e\n", 0, "config a 'z'\n", "config a 'z'\nconfig a y\n"},
		{"a new one", "# c\nconfig a x", -1, "config a 'z'\n", "# c\nconfig a x\n\nconfig a 'z'\n"},
		{"the first", "", -1, "config a 'z'\n", "config a 'z'\n"},
		{"none", "config a x\n\toption b c\n\nconfig a y\n", 0, "", "config a y\n"},
		{"none of three", "# a\nconfig a w\n\nconfig a x\n\toption b c\n\n# y's\nconfig a y\n", 1, "", "# a\nconfig a w\n\n# y's\nconfig a y\n"},
		{"two in a line", "config a x ; config a y\n", 0, "config a 'z'\n", ""},
		{"two in a line, or none", "config a x ; option b c ; config a y\n", 1, "", ""},
		{"a name that is there", "config a x\n", -1, "config b 'x'\n", ""},
		{"a name that is there, and goes on", "config a x\n", -1, "config a 'x'\n", ""},
		{"two", "config a x\n", 0, "config a 'y'\nconfig a 'z'\n", ""},
		{"no lines of UCI", "config a x\n", 0, "nonsense\n", ""},
		{"an error", "config a x\n\toption\n", 0, "config a 'z'\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Replace(tt.text, tt.section, tt.lines)
			if ok != (tt.want != "") || ok && got != tt.want || !ok && got != tt.text {
				t.Errorf("%v, it is now\n%q\nwant\n%q", ok, got, tt.want)
			}
		})
	}
}

// What Set and Replace changed is read as it was but for that.
func FuzzSet(f *testing.F) {
	f.Add("config a x\n\toption enabled '1'\n", 0, "x")
	f.Add("c a f;o b 'd'\\''\"e\\\"\"\\\n\\ f;l c d # e\r\n", 0, "'\nconfig a b")
	f.Add("config a x\n\tlist o 1\nconfig a y\n\toption p q\nconfig a x\n\tlist o 2\n", 1, "")
	f.Fuzz(func(t *testing.T, data string, section int, value string) {
		before, _ := Parse(data)
		if got, ok := Set(data, section, "enabled", "0"); ok {
			after, errs := Parse(got)
			if len(errs) > 0 || len(before) != len(after) {
				t.Fatalf("%q became %q: %v", data, got, errs)
			}
			for i := range after {
				for _, o := range after[i].Options {
					if i == section && o.Name == "enabled" && strings.Join(o.Values, " ") != "0" {
						t.Errorf("%q became %q", data, got)
					}
				}
			}
		}
		if section >= len(before) || section < -1 {
			return
		}
		for _, lines := range []string{"", "config k 'n'\n\toption v " + Quote(value) + "\n"} {
			got, ok := Replace(data, section, lines)
			if !ok {
				continue
			}
			after, errs := Parse(got)
			want, _ := Parse(lines)
			if at := max(0, section); section < 0 {
				want = slices.Concat(before, want)
			} else {
				want = slices.Concat(before[:at], want, before[at+1:])
			}
			if len(errs) > 0 || export(after) != export(want) {
				t.Errorf("%q became %q: %v", data, got, errs)
			}
		}
	})
}
