package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"wandns/openwrt/uci"
	"wandns/wan"
)

// String is the effective configuration, in the language in which it was
// written, with secrets as "***".
func (c *config) String() string {
	if c.UCI {
		return uciText(c.sections())
	}
	return tomlText(c.sections())
}

func (c *config) sections() []section {
	global := section{kind: "global", name: "global"}
	global.add("state_dir", c.StateDir)
	global.add("run_dir", c.RunDir)
	global.add("log_level", c.LogLevel)
	global.add("metrics_file", c.MetricsFile)
	list := []section{global}
	for _, c := range c.Services {
		s := section{kind: "service", name: c.Name}
		s.addBare("enabled", c.Enabled)
		s.add("provider", c.Spec.Name)
		s.addList("hostnames", c.Hosts)
		s.add("family", c.family())
		s.add("source", c.Source.String())
		s.addBare("allow_private", c.Policy.AllowPrivate)
		s.addList("web_url4", c.URLs[wan.IPv4])
		s.addList("web_url6", c.URLs[wan.IPv6])
		optional := map[string]string{"device": c.Policy.Device, "interface": c.Policy.Interface, "ipv6_suffix": addrText(c.Policy.Host), "ipv6_lan": c.Policy.LAN, "server": c.Server, "ca_file": c.CAFile}
		for _, f := range c.Spec.Fields {
			optional[f.Name] = c.Values[f.Name]
			if f.Secret && c.Values[f.Name] != "" {
				optional[f.Name] = mask
			}
		}
		for _, name := range slices.Sorted(maps.Keys(optional)) {
			s.add(name, optional[name])
		}
		list = append(list, s)
	}
	return list
}

// add appends a key; none that is empty.
func (s *section) add(name, value string) {
	if value != "" {
		s.keys = append(s.keys, option{name: name, values: []string{value}})
	}
}

func (s *section) addBare(name string, value bool) {
	s.keys = append(s.keys, option{name: name, values: []string{strconv.FormatBool(value)}, bare: true})
}

func (s *section) addList(name string, values []string) {
	if len(values) > 0 {
		s.keys = append(s.keys, option{name: name, values: values, list: true})
	}
}

func tomlText(list []section) string {
	var b strings.Builder
	for _, s := range list {
		if s.kind == "service" {
			fmt.Fprintf(&b, "\n[[service]]\nname = %q\n", s.name)
		}
		for _, o := range s.keys {
			var values []string
			for _, v := range o.values {
				if !o.bare {
					v = strconv.Quote(v)
				}
				values = append(values, v)
			}
			text := strings.Join(values, ", ")
			if o.list {
				text = "[" + text + "]"
			}
			fmt.Fprintf(&b, "%s = %s\n", o.name, text)
		}
	}
	return b.String()
}

// uciText writes as libuci does.
func uciText(list []section) string {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		kind := s.kind
		if kind == "global" {
			kind = "wandns"
		}
		fmt.Fprintf(&b, "config %s %s\n", kind, uci.Quote(s.name))
		for _, o := range s.keys {
			word := "option"
			if o.list || len(o.values) > 1 {
				word = "list"
			}
			for _, v := range o.values {
				if o.bare {
					v = map[string]string{"true": "1", "false": "0"}[v]
				}
				fmt.Fprintf(&b, "\t%s %s %s\n", word, o.name, uci.Quote(v))
			}
		}
	}
	return b.String()
}
