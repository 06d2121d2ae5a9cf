package main

import (
	"slices"
	"strings"

	"wandns/openwrt/uci"
)

// parseUCI reads UCI into the shape that parseTOML has.
func parseUCI(data string) ([]section, []mistake) {
	parsed, errs := uci.Parse(data)
	var mistakes []mistake
	for _, e := range errs {
		if strings.Contains(data, "[[service]]") {
			return nil, []mistake{{e.Line, "syntax", "", "this is TOML; give the file a name that ends in .toml"}}
		}
		mistakes = append(mistakes, mistake{e.Line, "syntax", "", e.Text})
	}
	global := section{kind: "global"}
	var services []section
	for _, p := range parsed {
		s := section{kind: p.Type, name: p.Name, line: p.Line, keys: uciOptions(p.Options)}
		switch p.Type {
		case "service":
			services = append(services, s)
		case "wandns":
			if p.Name != "global" {
				mistakes = append(mistakes, mistake{p.Line, "", "config wandns", "is called otherwise; its first line must be: config wandns 'global'"})
			}
			global.keys = append(global.keys, s.keys...)
		default:
			mistakes = append(mistakes, mistake{p.Line, "", "config " + p.Type, noSection(p.Type)})
		}
	}
	return append([]section{global}, services...), mistakes
}

func noSection(kind string) string {
	const are = "there is no such section; "
	switch {
	case kind == "ddns":
		return are + "this one belongs to ddns-scripts, and wandns import ddns-scripts FILE translates it"
	case kind == "global" || closest(kind, []string{"wandns"}) != "":
		return are + "did you mean: config wandns 'global'"
	case closest(kind, []string{"service"}) != "":
		return are + "did you mean: config service 'home'"
	}
	return are + "the sections are config wandns 'global' and config service 'home'"
}

// uciOptions takes several words in one option for a list where a key has
// one, as OpenWrt does everywhere: option network 'lan wan' is an old way to
// write a list, and names and URLs hold no spaces.
func uciOptions(given []uci.Option) []option {
	var list []option
	for _, g := range given {
		o := option{name: g.Name, line: g.Line, values: g.Values, list: g.List}
		if !o.list && slices.Contains([]string{"hostnames", "web_url4", "web_url6"}, o.name) {
			o.values = strings.Fields(o.values[0])
		}
		list = append(list, o)
	}
	return list
}
