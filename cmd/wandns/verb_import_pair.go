package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// paired makes one service of two that differ in their family only: other
// programs need a section for each.
func paired(list []*importedService) []*importedService {
	var out []*importedService
	for _, s := range list {
		i := slices.IndexFunc(out, func(o *importedService) bool { return o.pairs(s) })
		if i < 0 {
			out = append(out, s)
			continue
		}
		if s.text("family") == "ipv4" {
			out[i], s = s, out[i]
		}
		out[i].take(s)
	}
	return out
}

// pairs reports whether two services are one for IPv4 and one for IPv6 that
// are the same otherwise.
func (s *importedService) pairs(o *importedService) bool {
	switch s.text("family") + o.text("family") {
	case "ipv4ipv6":
	case "ipv6ipv4":
		s, o = o, s
	default:
		return false
	}
	_, one := network(s, o)
	return one && s.common() == o.common() && len(s.off)+len(o.off)+len(refusals([]section{s.section}))+len(refusals([]section{o.section})) == 0
}

// common is what concerns both families.
func (s *importedService) common() string {
	c := section{}
	for _, o := range s.keys {
		if o.name != "family" && o.name != "interface" && !strings.HasPrefix(o.name, "web_url") {
			c.keys = append(c.keys, o)
		}
	}
	return uciText([]section{c})
}

// network is the interface of both families, empty for the one that has the
// default route; wan and wan6 are those. A service has but one.
func network(four, six *importedService) (name string, one bool) {
	name, other := four.text("interface"), six.text("interface")
	if (name == "" || name == "wan") && (other == "" || other == "wan6") {
		return "", true
	}
	return name, name == other
}

// take makes an IPv4 service one for both families.
func (s *importedService) take(six *importedService) {
	name, _ := network(s, six)
	pinned := s.has("interface") || six.has("interface")
	s.keys = slices.DeleteFunc(s.keys, func(o option) bool { return o.name == "family" || o.name == "interface" && name == "" })
	if urls, ok := six.find("web_url6"); ok {
		s.keys = append(s.keys, urls)
	}
	for _, n := range six.notes {
		if !slices.Contains(s.notes, n) && !strings.HasPrefix(n, noName) {
			s.notes = append(s.notes, n)
		}
	}
	s.note("family", fmt.Sprintf("both; it was %s for IPv4 and %s for IPv6", s.name, six.name))
	if pinned && name == "" {
		s.note("wan, wan6", notNeeded+"wandns follows the default route of each family; set interface where that is another")
	}
	s.from = append(s.from, six.from...)
	s.name = stem(s.name, six.name)
}

// stem is what two names have in common, where nothing but the family tells
// them apart.
func stem(four, six string) string {
	for _, end := range []string{"ipv4", "v4", "4"} {
		if name, ok := strings.CutSuffix(four, end); ok && six == name+strings.Replace(end, "4", "6", 1) {
			return cmp.Or(strings.Trim(name, "_"), four)
		}
	}
	return four
}
