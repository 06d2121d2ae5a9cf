package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strings"

	"wandns/updater"
	"wandns/updater/providers"
)

type providerJSON struct {
	Name      string       `json:"name"`
	Title     string       `json:"title"`
	URL       string       `json:"url"`
	Abilities []string     `json:"abilities"`
	IPv4Only  bool         `json:"ipv4_only"`
	Limits    limitsJSON   `json:"limits"`
	Fields    []fieldJSON  `json:"fields"`
	Actions   []actionJSON `json:"actions"`
}

type actionJSON struct {
	Verb    string   `json:"verb"`
	Action  string   `json:"action"`
	Help    string   `json:"help"`
	Args    string   `json:"args"` // as in HOST [TYPE]
	Example string   `json:"example"`
	Options []string `json:"options"`
	Deletes string   `json:"deletes"`        // what is deleted, for a question
	Asks    bool     `json:"needs_password"` // the account's, each time
}

type limitsJSON struct {
	Floor           float64 `json:"seconds_between_requests"`
	PerHour         int     `json:"requests_per_hour"` // 0 for any number, as below
	PerDay          int     `json:"changes_of_a_name_per_day"`
	HostsPerRequest int     `json:"hosts_per_request"`
	OneFamily       bool    `json:"one_family_per_request"`
}

type fieldJSON struct {
	Name     string `json:"name"`
	Help     string `json:"help"`
	Example  string `json:"example"`
	Required bool   `json:"required"`
	Secret   bool   `json:"secret"`
	Target   bool   `json:"target"` // a URL to which secrets go
}

// takesSource is the ability to take the address of a connection.
const takesSource = "source-provider"

func limitsOf(l updater.Limits) limitsJSON {
	return limitsJSON{l.Floor.Seconds(), l.PerHour, l.PerDay, l.HostsPerRequest, l.OneFamily}
}

func describe(s *updater.Spec) providerJSON {
	p := providerJSON{
		Name: s.Name, Title: s.Title, URL: s.URL, IPv4Only: s.IPv4Only, Fields: []fieldJSON{}, Actions: []actionJSON{},
		Abilities: append([]string{"update"}, abilities(able(s))...),
		Limits:    limitsOf(s.Limits),
	}
	if s.TakesSource {
		p.Abilities = append(p.Abilities, takesSource)
	}
	for _, f := range s.Fields {
		p.Fields = append(p.Fields, fieldJSON{f.Name, f.Help, f.Example, f.Required, f.Secret, f.Target})
	}
	own := able(s)
	for _, v := range accountVerbs() {
		for _, a := range v.actions {
			if a.in(own) {
				p.Actions = append(p.Actions, actionJSON{v.name, a.name, a.help, a.args, a.example, append([]string{}, a.options...), a.deletes, a.asks(own)})
			}
		}
	}
	return p
}

func setupProviders(flags *flag.FlagSet) func(*cli, []string) int {
	asJSON := flags.Bool("json", false, "print JSON")
	return func(c *cli, args []string) int {
		specs := providers.All()
		if len(args) > 0 {
			spec, ok := providers.Find(args[0])
			switch {
			case len(args) > 1:
				return c.fail(exitUsage, "providers takes one name, not %d", len(args))
			case !ok:
				return c.fail(exitUsage, "there is no provider %q; wandns providers lists them", args[0])
			}
			specs = []*updater.Spec{spec}
		}
		list := []providerJSON{}
		for _, s := range specs {
			list = append(list, describe(s))
		}
		switch {
		case *asJSON:
			e := json.NewEncoder(c.stdout)
			e.SetIndent("", "  ")
			if err := e.Encode(list); err != nil {
				return c.fail(exitFailed, "%v", err)
			}
		case len(args) > 0:
			c.printProvider(list[0])
		default:
			t := newTable(c)
			fmt.Fprint(t, "NAME\tSERVICE\tWHERE\tVERBS\n")
			for _, p := range list {
				var verbs []string
				for _, a := range p.verbs() {
					v, _, _ := strings.Cut(a, " ")
					verbs = append(verbs, v)
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Name, p.Title, p.URL, dash(strings.Join(slices.Compact(verbs), " ")))
			}
			t.Flush()
		}
		return exitDone
	}
}

func (c *cli) printProvider(p providerJSON) {
	fmt.Fprintf(c.stdout, "%s: %s, %s\n\n", p.Name, p.Title, p.URL)
	t := newTable(c)
	fmt.Fprint(t, "KEY\tNEEDED\tMEANING\tEXAMPLE\n")
	for _, f := range p.Fields {
		needed := "no"
		if f.Required {
			needed = "yes"
		}
		help := f.Help
		if f.Secret {
			help += " (or " + f.Name + "_file: a file that holds it)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.Name, needed, help, f.Example)
	}
	for _, k := range serviceKeys {
		if !k.reserved {
			needed := "no"
			if k.required {
				needed = "yes"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t\n", k.name, needed, k.help)
		}
	}
	t.Flush()
	if rules := p.rules(); len(rules) > 0 {
		fmt.Fprintf(c.stdout, "\nRules that wandns keeps: %s.\n", strings.Join(rules, "; "))
	}
	if own := p.verbs(); len(own) > 0 {
		fmt.Fprintf(c.stdout, "\nBesides updating: wandns %s.\n", strings.Join(own, ", wandns "))
	}
}

// verbs are the abilities that people call by a verb.
func (p providerJSON) verbs() []string {
	return slices.DeleteFunc(slices.Clone(p.Abilities[1:]), func(a string) bool { return a == takesSource })
}

// rules are the provider's limits, in words.
func (p providerJSON) rules() []string {
	var list []string
	rule := func(holds bool, format string, args ...any) {
		if holds {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	l := p.Limits
	rule(p.IPv4Only, "only IPv4")
	rule(l.Floor > 0, "at least %g minutes between two updates", l.Floor/60)
	rule(l.PerHour > 0, "at most %d requests an hour", l.PerHour)
	rule(l.PerDay > 0, "at most %d changes of a name in 24 hours", l.PerDay)
	rule(l.HostsPerRequest == 1, "one name in a request")
	rule(l.HostsPerRequest > 1, "at most %d names in a request, longer lists are split", l.HostsPerRequest)
	rule(l.OneFamily, "one address in a request")
	return list
}
