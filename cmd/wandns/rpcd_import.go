package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"wandns/openwrt/uci"
)

type rpcImport struct {
	Error    string        `json:"error"`
	Notes    []string      `json:"notes"`
	Services []rpcImported `json:"services"`
}

type rpcImported struct {
	rpcService
	From  string   `json:"from"`  // the sections of ddns-scripts; empty if it has no name
	Notes []string `json:"notes"` // what could not be carried over
	Off   []string `json:"off"`   // why wandns cannot have it
}

// found reads what ddns-scripts is configured to do, and returns its file too.
func (r *rpcd) found() (*imported, string, error) {
	data, _, err := readSmall(r.ddns)
	if err != nil {
		return nil, "", fmt.Errorf("there is nothing to take over: %s could not be read: %w", r.ddns, err)
	}
	m, err := fromDDNSScripts(data)
	if err != nil {
		return nil, "", fmt.Errorf("%s was not understood: %w", r.ddns, err)
	}
	own, _, _ := readSmall(r.config)
	there, _ := parseUCI(own)
	v := &validator{config: &config{UCI: true}, bounds: boundsOf(r.config, r.config)}
	v.sections(there)
	for _, s := range m.services {
		for i, t := range there[min(1, len(there)):] { // below the global section
			if len(s.off) == 0 && len(v.config.Services[i].Mistakes) == 0 && covers(t, s.section) {
				s.name, s.there = t.name, true
			}
		}
	}
	m.resolve(there...)
	return m, data, nil
}

// covers reports whether a service keeps the names of another one up to date
// already, whatever else it is told.
func covers(t, s section) bool {
	names, _ := t.find("hostnames")
	mine, _ := s.find("hostnames")
	for _, h := range mine.values {
		if !slices.Contains(names.values, h) {
			return false
		}
	}
	family := cmp.Or(t.text("family"), "both")
	on, _ := truth(cmp.Or(t.text("enabled"), "1"))
	return t.kind == "service" && t.text("provider") == s.text("provider") && !t.has("server") &&
		(family == "both" || family == s.text("family")) && (on || s.text("enabled") != "true")
}

// preview shows what can be taken over from ddns-scripts.
func (r *rpcd) preview(rpcArgs) any {
	out := rpcImport{Notes: []string{}, Services: []rpcImported{}}
	m, data, err := r.found()
	if err != nil {
		out.Error = err.Error()
		return out
	}
	parsed, _ := uci.Parse(data)
	out.Notes = append(out.Notes, m.notes...)
	for _, s := range m.services {
		var from []string
		for _, i := range s.from {
			from = append(from, parsed[i].Name)
		}
		one := rpcImported{r.masked(s.section), strings.Join(from, ", "), append([]string{}, s.notes...), append([]string{}, s.off...)}
		if s.there {
			if s.text("enabled") == "true" {
				one.Notes = append(one.Notes, fmt.Sprintf("wandns has this already, as service %q; it only has to be switched off in ddns-scripts", s.name))
			} else {
				one.Off = append(one.Off, fmt.Sprintf("wandns has this already, as service %q", s.name))
			}
		}
		out.Services = append(out.Services, one)
	}
	return out
}

// switchedOn reports whether ddns-scripts runs a section. What it cannot read
// counts as on: some versions take it for that.
func switchedOn(s uci.Section) bool {
	enabled := ddnsOptions(s)["enabled"]
	on, known := truth(enabled)
	return enabled != "" && (on || !known)
}
