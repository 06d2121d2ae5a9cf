package uci

import (
	"slices"
	"strings"
)

// Set gives an option of a section a value, and leaves every other byte of the
// text as it is, comments too. The section is counted as Parse returns them. It
// reports false, and changes nothing, for a text that has errors or is written
// so that this cannot be done, such as two sections in one line.
func Set(data string, section int, name, value string) (string, bool) {
	before, errs := Parse(data)
	if len(errs) > 0 || section < 0 || section >= len(before) {
		return data, false
	}
	quoted := Quote(value)
	s := &before[section]
	i := len(s.Options) - 1
	for i >= 0 && s.Options[i].Name != name {
		i--
	}
	var edited string
	if i < 0 {
		edited = data[:s.body]
		if !strings.HasSuffix(edited, "\n") {
			edited += "\n"
		}
		edited += "\toption " + name + " " + quoted + "\n" + data[s.body:]
		s.Options = append([]Option{{Name: name}}, s.Options...)
		i = 0
	} else {
		edited = data[:s.Options[i].from] + quoted + data[s.Options[i].to:]
	}
	s.Options[i].Values = []string{value}
	after, errs := Parse(edited)
	if len(errs) > 0 || !equal(before, after) {
		return data, false
	}
	return edited, true
}

// Replace puts lines in the place of a section and of the comments in it, or at the
// end if there is no section of that number; empty ones delete it. It leaves all
// else as Set does, and like that reports false if it cannot.
func Replace(data string, section int, lines string) (string, bool) {
	before, errs := Parse(data)
	if len(errs) > 0 || section >= len(before) {
		return data, false
	}
	end := data
	if section < 0 {
		section = len(before)
		if end != "" {
			end = strings.TrimSuffix(end, "\n") + "\n\n"
		}
		before = append(before, Section{places: []place{{len(end), len(end)}}})
	}
	places := before[section].places
	edited, done := "", 0
	for i, p := range places {
		edited += end[done:p.from]
		done = p.to
		if i == 0 && lines == "" && strings.HasSuffix("\n\n"+edited, "\n\n") && strings.HasPrefix(end[done:], "\n") {
			done++
		}
		if i == 0 {
			edited += lines
		}
	}
	edited += end[done:]
	after, errs := Parse(edited)
	if lines == "" {
		before = append(before[:section], before[section+1:]...)
	} else if section < len(after) {
		before[section] = after[section]
	}
	if len(errs) > 0 || !equal(before, after) {
		return data, false
	}
	return edited, true
}

// Quote writes a value as libuci does.
func Quote(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }

func equal(a, b []Section) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Type != b[i].Type || a[i].Name != b[i].Name || len(a[i].Options) != len(b[i].Options) {
			return false
		}
		for j, o := range a[i].Options {
			if p := b[i].Options[j]; o.Name != p.Name || o.List != p.List || !slices.Equal(o.Values, p.Values) {
				return false
			}
		}
	}
	return true
}
