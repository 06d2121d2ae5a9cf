// Package uci reads OpenWrt's configuration files. It accepts what libuci
// accepts (uci_import in its file.c), comes to the same sections and values,
// and refuses what libuci refuses; with one exception, which libuci drops
// without a word: see word. It changes values and sections in place: see Set and Replace.
package uci

import (
	"fmt"
	"strings"
)

// Section is what begins with a line config TYPE 'NAME'.
type Section struct {
	Type string
	Name string // empty for an anonymous section
	Line int    // where it begins first
	// Options are in the order in which they were first given.
	Options []Option

	body   int     // where in the text its first line ends
	places []place // more than one if it goes on elsewhere
}

// place is where in the text lines stand.
type place struct{ from, to int }

// Option is a line option or the lines list of one name.
type Option struct {
	Name   string
	Line   int // of the option or of the first list line that counts
	Values []string
	List   bool

	from, to int // where in the text the value stands
}

// Error is a line that libuci would refuse. It quotes nothing: the line may
// hold a secret.
type Error struct {
	Line int
	Text string
}

func (e Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// MaxSize and MaxErrors bound the work.
const (
	MaxSize   = 1 << 20
	MaxErrors = 20
)

// Parse returns the sections and all errors. A line that has one is left out,
// as in libuci without its strict flag; with the flag, which is the default,
// libuci would load nothing.
func Parse(data string) ([]Section, []Error) {
	if len(data) > MaxSize {
		return nil, []Error{{0, fmt.Sprintf("the file is larger than %d KiB", MaxSize>>10)}}
	}
	if before, _, ok := strings.Cut(data, "\x00"); ok {
		return nil, []Error{{1 + strings.Count(before, "\n"), "a zero byte; this is no text"}}
	}
	p := &parser{data: data, now: -1, named: map[string]int{}, at: map[key]int{}}
	for p.more() && len(p.errs) < MaxErrors {
		if text := p.commands(); text != "" {
			p.errs = append(p.errs, Error{p.begun, text})
			p.pos = p.end
		}
	}
	return p.sections, p.errs
}

type parser struct {
	data     string
	pos, end int // what is read of it, and where the line that was fetched ends
	line     int // that one's number
	begun    int // where the command or the open quote begins
	start    int // where in the text the line that was fetched begins
	top      int // where that of the command does
	from, to int // where the last argument stands

	sections []Section
	now      int // the open section
	named    map[string]int
	at       map[key]int // the place of an option among its section's
	errs     []Error
}

type key struct {
	section int
	name    string
}

// more fetches a line, like uci_getln. Where one is continued, it goes on
// behind the rest of the one before.
func (p *parser) more() bool {
	p.pos = p.end
	if p.end == len(p.data) {
		return false
	}
	p.line++
	p.start = p.end
	if i := strings.IndexByte(p.data[p.end:], '\n'); i >= 0 {
		p.end += i + 1
	} else {
		p.end = len(p.data)
	}
	return true
}

// rest is what is left of the line.
func (p *parser) rest() string { return p.data[p.pos:p.end] }

// commands reads a line of commands, like uci_parse_line, and returns what is
// wrong with it.
func (p *parser) commands() string {
	p.skip(space)
	for {
		p.skip(" \t")
		p.begun, p.top = p.line, p.start
		if p.pos == p.end || p.data[p.pos] == '#' {
			p.pos = p.end
			return ""
		}
		word := p.rest()
		if i := strings.IndexAny(word, " \t"); i >= 0 {
			word = word[:i]
		}
		p.pos = min(p.end, p.pos+len(word)+1)
		var text string
		switch word {
		case "package", "p":
			text = p.pack()
		case "config", "c":
			text = p.config()
		case "option", "o":
			text = p.option(false)
		case "list", "l":
			text = p.option(true)
		default:
			text = "this is no line of a UCI file; they begin with config, option or list"
		}
		if text != "" {
			return text
		}
	}
}

// space is what C's isspace takes for it.
const space = " \t\n\v\f\r"

func (p *parser) skip(set string) {
	for p.pos < p.end && strings.IndexByte(set, p.data[p.pos]) >= 0 {
		p.pos++
	}
}

// arg reads an argument, like next_arg. A semicolon, or the end of the line,
// is an empty one.
func (p *parser) arg() (value, wrong string) {
	p.skip(space)
	p.from, p.to = p.pos, p.pos
	if p.pos < p.end && p.data[p.pos] == ';' {
		p.pos++
		return "", ""
	}
	return p.word()
}

// word reads what stands in quotes, without, or joined of both, like
// parse_str. There libuci ends a bare word that a semicolon follows by
// overwriting the semicolon, and so forgets the rest of the line. That is an
// error here.
func (p *parser) word() (value, wrong string) {
	var b strings.Builder
	start := p.pos
	for first := true; first || p.pos < p.end && strings.IndexByte(space, p.data[p.pos]) < 0; first = false {
		if p.pos == p.end {
			break
		}
		switch c := p.data[p.pos]; c {
		case '\'', '"':
			if !p.quote(&b, c) {
				return "", "a quote has no end; write an apostrophe within quotes as '\\''"
			}
		case '#':
			p.pos = p.end
			continue
		case ';':
			if b.Len() == p.pos-start {
				if rest := strings.Trim(p.rest()[1:], space); rest != "" && rest[0] != '#' {
					return "", "libuci ignores what follows this semicolon; put a space before it"
				}
				p.pos = p.end
			}
			return b.String(), ""
		case '\\':
			if p.escape() {
				b.WriteByte(p.data[p.pos])
				p.pos++
			}
		default:
			b.WriteByte(c)
			p.pos++
		}
		p.to = p.pos
	}
	if p.pos < p.end {
		p.pos++
	}
	return b.String(), ""
}

// quote reads what stands in quotes, over as many lines as it takes, like
// parse_single_quote and parse_double_quote.
func (p *parser) quote(b *strings.Builder, mark byte) bool {
	begun := p.line
	p.pos++
	for {
		if p.pos == p.end && !p.more() {
			p.begun = begun
			return false
		}
		switch c := p.data[p.pos]; {
		case c == mark:
			p.pos++
			return true
		case c == '\\' && mark == '"' && !p.escape():
		default:
			b.WriteByte(p.data[p.pos])
			p.pos++
		}
	}
}

// escape skips a backslash, like parse_backslash, and reports whether a
// character follows. At the end of a line the next one goes on.
func (p *parser) escape() bool {
	p.pos++
	switch p.rest() {
	case "", "\n", "\r\n":
		p.more()
		return false
	}
	return true
}

// done is the end of a command, like assert_eol.
func (p *parser) done() string {
	extra, wrong := p.arg()
	if wrong == "" && extra != "" {
		return "there is one word too many; put a text with spaces or apostrophes into quotes"
	}
	return wrong
}

// pack reads the rest of a line package NAME. A file that is loaded, and not
// imported, has its name already (uci_parse_package, single).
func (p *parser) pack() string {
	name, wrong := p.arg()
	switch {
	case wrong != "":
		return wrong
	case !isName(strings.ReplaceAll(name, "-", "_")):
		return "package needs a name of letters, digits, _ and -"
	}
	return p.done()
}

// config reads the rest of a line config TYPE ['NAME'], like
// uci_parse_config. A section that was there before goes on.
func (p *parser) config() string {
	line := p.begun
	kind, wrong := p.arg()
	switch {
	case wrong != "":
		return wrong
	case kind == "":
		return "config needs a type, as in: config service 'home'"
	case strings.ContainsFunc(kind, func(r rune) bool { return r < 33 || r > 126 }):
		return "the type of a section holds a character that it must not"
	}
	name, wrong := p.arg()
	switch {
	case wrong != "":
		return wrong
	case name != "" && !isName(name):
		return "a section's name may hold letters, digits and _ only"
	}
	if wrong := p.done(); wrong != "" {
		return wrong
	}
	i, known := p.named[name]
	if !known || name == "" {
		i = len(p.sections)
		p.sections = append(p.sections, Section{Type: kind, Name: name, Line: line, body: p.end})
		p.named[name] = i
	}
	if p.sections[i].Type != kind {
		return fmt.Sprintf("the section in line %d has the same name and another type; rename one of the two", p.sections[i].Line)
	}
	p.now = i
	p.sections[i].places = append(p.sections[i].places, place{p.top, p.end})
	return ""
}

// option reads the rest of a line option NAME 'VALUE' or list NAME 'VALUE',
// like uci_parse_option.
func (p *parser) option(list bool) string {
	o := Option{Line: p.begun, List: list}
	var wrong string
	if o.Name, wrong = p.arg(); wrong != "" {
		return wrong
	}
	if !isName(o.Name) {
		return "option and list need a name of letters, digits and _"
	}
	value, wrong := p.arg()
	o.from, o.to = p.from, p.to
	if wrong == "" {
		wrong = p.done()
	}
	switch {
	case wrong != "":
		return wrong
	case p.now < 0:
		return "there is no section yet; begin one, as in: config service 'home'"
	}
	o.Values = []string{value}
	p.set(o)
	places := p.sections[p.now].places
	places[len(places)-1].to = p.end
	return ""
}

// set does as uci_add_list and uci_set: a list takes in the option that was
// there before, an option replaces it, and one without a value does nothing.
func (p *parser) set(o Option) {
	s := &p.sections[p.now]
	i, known := p.at[key{p.now, o.Name}]
	switch {
	case !o.List && o.Values[0] == "":
	case !known:
		p.at[key{p.now, o.Name}] = len(s.Options)
		s.Options = append(s.Options, o)
	case o.List:
		s.Options[i].List = true
		s.Options[i].Values = append(s.Options[i].Values, o.Values...)
	default:
		s.Options[i] = o
	}
}

func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}
