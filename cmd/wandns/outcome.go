package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
)

// outcome is what an action found or did. It becomes a table, or one JSON
// object.
type outcome struct {
	did    string // a sentence for people, in place of the facts
	answer string // the provider's own words
	facts  []fact
	name   string   // of the rows, in JSON
	cols   []string // keys in JSON, headings for people
	rows   [][]any
	note   string // what the daemon, or the user, does next
}

// fact is a single value.
type fact struct {
	name  string
	value any
}

// hidden is a text that is shown only to those who ask for it.
type hidden string

// show prints an outcome. Whatever the provider said is without secrets
// already, and fit for a terminal.
func (e *errand) show(o outcome) error {
	if e.json {
		return e.showJSON(o)
	}
	if o.did != "" {
		line := o.did
		if a := oneLine(o.answer); a != "" {
			line += fmt.Sprintf(" (%s said %q)", e.service.Spec.Title, a)
		}
		fmt.Fprintln(e.stdout, line)
	}
	t := newTable(e.cli)
	for _, f := range o.facts {
		if o.did == "" {
			fmt.Fprintf(t, "%s\t%s\n", f.name, people(e.cell(f.value)))
		}
	}
	t.Flush()
	if len(o.rows) > 0 {
		fmt.Fprintln(t, strings.ToUpper(strings.Join(o.cols, "\t")))
	} else if o.name != "" {
		fmt.Fprintf(t, "no %s\n", o.name)
	}
	for _, row := range o.rows {
		var cells []string
		for _, v := range row {
			cells = append(cells, people(e.cell(v)))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	t.Flush()
	if o.note != "" {
		fmt.Fprintln(e.stdout, o.note)
	}
	return nil
}

func (e *errand) showJSON(o outcome) error {
	object := map[string]any{
		"service": e.service.Name, "provider": e.service.Spec.Name, "action": e.verb.name + " " + e.action.name,
		"answer": oneLine(o.answer), "note": o.note,
	}
	for _, f := range o.facts {
		object[f.name] = e.cell(f.value)
	}
	if o.name != "" {
		list := []map[string]any{}
		for _, row := range o.rows {
			one := map[string]any{}
			for i, v := range row {
				one[o.cols[i]] = e.cell(v)
			}
			list = append(list, one)
		}
		object[o.name] = list
	}
	enc := json.NewEncoder(e.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(object)
}

// cell is a value as it may be shown: a string, a bool, or names.
func (e *errand) cell(v any) any {
	switch v := v.(type) {
	case bool, []string:
		return v
	case hidden:
		if e.showSecrets || v == "" {
			return oneLine(string(v))
		}
		return mask
	case netip.Addr:
		if !v.IsValid() {
			return ""
		}
		return v.String()
	}
	return oneLine(fmt.Sprint(v))
}

// people writes a cell for people.
func people(v any) string {
	switch v {
	case "":
		return "-"
	case true:
		return "yes"
	case false:
		return "no"
	}
	return fmt.Sprint(v)
}
