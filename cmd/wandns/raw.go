package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// section is a piece of configuration as it was written, whatever the
// language: "global", or a "service" with its name.
type section struct {
	kind, name string
	line       int
	keys       []option
}

// find returns the option of a key.
func (s section) find(key string) (option, bool) {
	for _, o := range s.keys {
		if o.name == key {
			return o, true
		}
	}
	return option{}, false
}

func (s section) has(key string) bool {
	_, ok := s.find(key)
	return ok
}

// text is the value of a key, empty if it is not there.
func (s section) text(key string) string {
	o, _ := s.find(key)
	return strings.Join(o.values, " ")
}

// option is a key with its values. Numbers and truth values are text here;
// the validation knows what a key should be.
type option struct {
	name   string
	line   int
	values []string
	list   bool
	bare   bool   // the value stood without quotes: a number or a truth value
	wrong  string // why the value cannot be used at all
}

// mistake is something the user has to correct.
type mistake struct {
	line    int
	section string
	key     string
	text    string
}

// ofService reports whether it is in a service.
func (m mistake) ofService() bool { return strings.HasPrefix(m.section, "service ") }

func (m mistake) String() string {
	where := m.section
	if m.key != "" {
		where = strings.TrimPrefix(where+", "+m.key, ", ")
	}
	if m.line > 0 {
		where = strings.TrimSuffix(fmt.Sprintf("line %d, %s", m.line, where), ", ")
	}
	return where + ": " + m.text
}

// parseTOML reads TOML. A line that is none is a mistake, and the rest is read
// without it, so that all mistakes are found at once.
func parseTOML(data string) ([]section, []mistake) {
	var broken []mistake
	tree, wrong := decode(data)
	for wrong != nil {
		broken = append(broken, *wrong)
		rest, ok := without(data, *wrong)
		if !ok || len(broken) == 10 {
			return nil, broken
		}
		data = rest
		tree, wrong = decode(data)
	}
	at := tomlLines(data)
	global := section{kind: "global"}
	var services []section
	var mistakes []mistake
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		switch v := tree[key].(type) {
		case []map[string]any:
			if key != "service" {
				mistakes = append(mistakes, mistake{at[key+"[0]"], "", "[[" + key + "]]", "there is no such table; services are [[service]]"})
				continue
			}
			for i, table := range v {
				path := fmt.Sprintf("service[%d]", i)
				services = append(services, section{kind: "service", line: at[path], keys: tomlOptions(table, path+".", at)})
			}
		case map[string]any:
			text := "there is no such table; services are [[service]], and global keys stand above the first one"
			if key == "service" {
				text = "a service begins with [[service]], with two brackets"
			}
			mistakes = append(mistakes, mistake{at[key], "", "[" + key + "]", text})
		default:
			global.keys = append(global.keys, tomlOption(key, v, at[key]))
		}
	}
	return append([]section{global}, services...), append(broken, mistakes...)
}

func decode(data string) (tree map[string]any, wrong *mistake) {
	_, err := toml.Decode(data, &tree)
	if err == nil {
		return tree, nil
	}
	if p, ok := errors.AsType[toml.ParseError](err); ok {
		return nil, &mistake{line: p.Position.Line, section: "syntax", text: syntaxText(p)}
	}
	return nil, &mistake{section: "syntax", text: "this is not TOML"}
}

// without takes the value out of a broken line. What then seems to be missing
// in that line is not reported: see loadConfig. Without a table's first line
// nobody knows whose the keys below it are.
func without(data string, m mistake) (string, bool) {
	lines := strings.SplitAfter(data, "\n")
	if m.line < 1 || m.line > len(lines) {
		return "", false
	}
	line := strings.TrimSpace(lines[m.line-1])
	key, _, ok := strings.Cut(line, "=")
	switch {
	case line == "" || strings.HasPrefix(line, "["):
		return "", false
	case !ok || m.text == twice || strings.ContainsFunc(strings.TrimSpace(key), notInName):
		lines[m.line-1] = "\n"
	default:
		lines[m.line-1] = key + "= ''\n"
	}
	return strings.Join(lines, ""), true
}

const twice = "this key or table stands in the file a second time; remove one of the two"

func tomlOptions(table map[string]any, prefix string, at map[string]int) []option {
	var list []option
	for key, v := range table {
		list = append(list, tomlOption(key, v, at[prefix+key]))
	}
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		return cmp.Or(a.line-b.line, strings.Compare(a.name, b.name)) < 0
	})
	return list
}

func tomlOption(key string, v any, line int) option {
	o := option{name: key, line: line}
	elements, list := v.([]any)
	if !list {
		elements = []any{v}
	}
	o.list = list
	for _, e := range elements {
		switch e := e.(type) {
		case string:
			o.values = append(o.values, strings.Clone(e)) // or it would keep the whole file
		case bool:
			o.values, o.bare = append(o.values, strconv.FormatBool(e)), true
		case int64:
			o.values, o.bare = append(o.values, strconv.FormatInt(e, 10)), true
		default:
			o.wrong = "has a value of the wrong kind; put text in quotes"
		}
	}
	return o
}

// syntaxText says in other words what the decoder found: it quotes values, and
// the line may hold a secret.
func syntaxText(p toml.ParseError) string {
	has := func(s string) bool { return strings.Contains(p.Message, s) }
	switch {
	case has("already"):
		return twice
	case has("newlines"), has(`expected '"`), has(`expected "'`):
		return "a text has no closing quote"
	case has("expected value"), has("nvalid integer"), has("nvalid float"), has("nvalid datetime"), has("out of range"):
		return `the value cannot be read; put text in quotes: key = "text"`
	case has("scape"), has("hexadecimal"):
		return `a text holds a backslash that stands for nothing; write \\, or put the text into single quotes`
	case has("UTF-8"), has("NULL"), has("control characters"):
		return "the file holds bytes that are not text; save it as UTF-8"
	}
	return `this is not TOML; a line is key = "value" or [[service]]`
}

// tomlLines finds the line of every table and key: the decoder keeps only the
// last one of an array of tables. A key is path.key, a table service[2].
func tomlLines(data string) map[string]int {
	at := map[string]int{}
	count := map[string]int{}
	prefix, open := "", ""
	n, depth := 0, 0
	for line := range strings.Lines(strings.TrimPrefix(data, "\ufeff")) {
		n++
		line = strings.TrimSpace(line)
		inside := open != "" || depth > 0
		if open, depth = follow(line, open, depth); inside {
			continue
		}
		path := ""
		if strings.HasPrefix(line, "[") {
			name, _, _ := strings.Cut(strings.TrimLeft(line, "["), "]")
			table, sub, nested := strings.Cut(name, ".")
			path = bare(table)
			switch {
			case nested:
				if i := count[path]; i > 0 {
					path = fmt.Sprintf("%s[%d].%s", path, i-1, first(sub))
				}
			case strings.HasPrefix(line, "[["):
				path = fmt.Sprintf("%s[%d]", path, count[path])
				count[bare(table)]++
			}
			prefix = path + "."
		} else if key, _, ok := strings.Cut(line, "="); ok {
			path = prefix + first(key)
		}
		if _, seen := at[path]; !seen {
			at[path] = n
		}
	}
	return at
}

// follow reads a line and returns the delimiter of the text that goes on in
// the next one, and how many brackets are open.
func follow(line, open string, depth int) (string, int) {
	for i := 0; i < len(line); i++ {
		rest := line[i:]
		switch {
		case open != "" && open[0] == '"' && rest[0] == '\\':
			i++
		case open != "" && strings.HasPrefix(rest, open):
			i += len(open) - 1
			open = ""
		case open != "":
		case rest[0] == '#':
			return "", depth
		case strings.HasPrefix(rest, `"""`), strings.HasPrefix(rest, "'''"):
			open = rest[:3]
			i += 2
		case rest[0] == '"', rest[0] == '\'':
			open = rest[:1]
		case rest[0] == '[', rest[0] == '{':
			depth++
		case rest[0] == ']', rest[0] == '}':
			depth--
		}
	}
	if len(open) == 1 {
		open = ""
	}
	return open, depth
}

// first returns the first part of a dotted key.
func first(key string) string {
	if key = strings.TrimSpace(key); key != "" && key[0] != '"' && key[0] != '\'' {
		key, _, _ = strings.Cut(key, ".")
	}
	return bare(key)
}

func bare(key string) string { return strings.Trim(strings.TrimSpace(key), `"'`) }
