package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"wandns/updater"
)

func recordVerb() accountVerb {
	one := func(e *errand) []string { host, _ := e.known(e.arg(0)); return []string{host} }
	return accountVerb{
		name: "record", help: "write or delete a single DNS record",
		more: "The daemon does not notice what is written here: an address of a name in hostnames stays\nuntil the WAN's address changes.",
		options: func(flags *flag.FlagSet, w *wish) {
			flags.IntVar(&w.preference, "preference", -1, "preference `N` of an MX record")
			flags.StringVar(&w.replace, "replace", "", "overwrite the MX record with the value `OLD`")
			flags.IntVar(&w.ttl, "ttl", 0, "let the record be remembered for this many `SECONDS`")
		},
		actions: []action{
			{
				name: "set", args: "NAME TYPE [VALUE]", example: "nas.example.com A 203.0.113.7",
				help:    "write a record; without VALUE, an A or AAAA record gets the address of the connection",
				options: []string{"preference", "replace", "ttl"},
				check:   checkRecord, fits: recordFits, touches: one, ability: with(setRecord),
			},
			{
				name: "delete", args: "NAME TYPE [VALUE]", example: "nas.example.com TXT", deletes: "the record",
				help:  "delete a record; VALUE says which of several MX records",
				check: checkRecordToDelete, fits: recordFits, touches: one, ability: with(deleteRecord),
			},
		},
	}
}

func checkRecord(w *wish) string {
	if why := checkMX(w); why != "" {
		return why
	}
	typ, value := w.arg(1), w.arg(2)
	addr, err := netip.ParseAddr(value)
	switch {
	case w.ttl < 0:
		return "--ttl is a number of seconds"
	case value == "" && typ != "A" && typ != "AAAA":
		return typ + " needs a VALUE"
	case value != "" && typ == "A" && (err != nil || !addr.Is4()):
		return fmt.Sprintf("%q is no IPv4 address, which an A record holds", value)
	case value != "" && typ == "AAAA" && (err != nil || !addr.Is6() || addr.Is4In6() || addr.Zone() != ""):
		return fmt.Sprintf("%q is no IPv6 address, which an AAAA record holds", value)
	}
	return ""
}

func checkRecordToDelete(w *wish) string {
	w.args[1] = strings.ToUpper(w.args[1])
	if w.arg(1) == "MX" && w.arg(2) == "" {
		return "MX needs the VALUE that is to be deleted"
	}
	return ""
}

func checkMX(w *wish) string {
	w.args[1] = strings.ToUpper(w.args[1])
	switch {
	case w.arg(1) != "MX" && (w.preference != -1 || w.replace != ""):
		return "--preference and --replace are for MX records"
	case w.preference < -1 || w.preference > 65535:
		return "--preference is a number from 0 to 65535"
	}
	return ""
}

func recordFits(e *errand) error {
	types := e.provider.(updater.RecordSetter).RecordTypes()
	if slices.Contains(types, e.arg(1)) {
		return nil
	}
	return &updater.Fault{Kind: updater.Refused, Detail: fmt.Sprintf("%s takes no %s records", e.service.Spec.Title, e.arg(1)), Next: "use one of " + strings.Join(types, ", ")}
}

func (e *errand) record() updater.Record {
	return updater.Record{Name: e.arg(0), Type: e.arg(1), Value: e.arg(2), Preference: e.preference, Replace: e.replace, TTL: e.ttl}
}

func setRecord(ctx context.Context, p updater.RecordSetter, e *errand) (outcome, error) {
	r := e.record()
	what := r.Value
	if what == "" {
		w := updater.WayOf(ctx)
		w.Only = map[string]updater.Only{"A": updater.OnlyIPv4, "AAAA": updater.OnlyIPv6}[r.Type]
		ctx, what = updater.By(ctx, w), "the address of this connection"
	}
	answer, err := p.SetRecord(ctx, r)
	return recordOutcome(e, r, fmt.Sprintf("%s %s is %s", r.Name, r.Type, what), answer), err
}

func deleteRecord(ctx context.Context, p updater.RecordDeleter, e *errand) (outcome, error) {
	r := e.record()
	answer, err := p.DeleteRecord(ctx, r)
	return recordOutcome(e, r, fmt.Sprintf("%s %s is deleted", r.Name, r.Type), answer), err
}

func recordOutcome(e *errand, r updater.Record, did, answer string) outcome {
	o := outcome{did: did, answer: answer, facts: []fact{{"name", r.Name}, {"type", r.Type}, {"value", r.Value}}}
	if host, kept := e.known(r.Name); kept && (r.Type == "A" || r.Type == "AAAA") {
		o.note = fmt.Sprintf("The daemon keeps %s too. It leaves this as it is until the WAN's address changes, and then publishes that one; take the name out of hostnames to prevent it.", host)
	}
	return o
}
