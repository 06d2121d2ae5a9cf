package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
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

// option is a key with its values. Numbers and truth values are text here;
// the validation knows what a key should be.
type option struct {
	name   string
	line   int
	values []string
	list   bool
	wrong  string // why the value cannot be used at all
}

// mistake is something the user has to correct.
type mistake struct {
	line    int
	section string
	key     string
	text    string
}

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

// parseTOML reads TOML. Its syntax errors stop everything, so there is at
// most one of them.
func parseTOML(data string) ([]section, []mistake) {
	var tree map[string]any
	if _, err := toml.Decode(data, &tree); err != nil {
		var p toml.ParseError
		if errors.As(err, &p) {
			return nil, []mistake{{line: p.Position.Line, section: "syntax", text: p.Message}}
		}
		return nil, []mistake{{section: "syntax", text: err.Error()}}
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
			mistakes = append(mistakes, mistake{at[key], "", "[" + key + "]", "there is no such table; services are [[service]], with two brackets"})
		default:
			global.keys = append(global.keys, tomlOption(key, v, at[key]))
		}
	}
	return append([]section{global}, services...), mistakes
}

func tomlOptions(table map[string]any, prefix string, at map[string]int) []option {
	var list []option
	for key, v := range table {
		list = append(list, tomlOption(key, v, at[prefix+key]))
	}
	slices.SortFunc(list, func(a, b option) int { return a.line - b.line })
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
			o.values = append(o.values, e)
		case bool:
			o.values = append(o.values, strconv.FormatBool(e))
		case int64:
			o.values = append(o.values, strconv.FormatInt(e, 10))
		default:
			o.wrong = "must be text, a whole number, true or false, or a list of these"
		}
	}
	return o
}

// tomlLines finds the line of every table and key: the decoder keeps only the
// last one of an array of tables. A key is path.key, a table service[2].
func tomlLines(data string) map[string]int {
	at := map[string]int{}
	count := map[string]int{}
	prefix, n := "", 0
	for line := range strings.Lines(data) {
		n++
		line = strings.TrimSpace(line)
		path := ""
		if strings.HasPrefix(line, "[") {
			name, _, _ := strings.Cut(strings.TrimLeft(line, "["), "]")
			path = bare(name)
			if strings.HasPrefix(line, "[[") {
				path = fmt.Sprintf("%s[%d]", path, count[path])
				count[bare(name)]++
			}
			prefix = path + "."
		} else if key, _, ok := strings.Cut(line, "="); ok {
			path = prefix + bare(key)
		}
		if _, seen := at[path]; !seen {
			at[path] = n
		}
	}
	return at
}

func bare(key string) string { return strings.Trim(strings.TrimSpace(key), `"'`) }
