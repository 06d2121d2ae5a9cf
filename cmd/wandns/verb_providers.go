package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"text/tabwriter"

	"wandns/updater"
	"wandns/updater/providers"
)

type providerJSON struct {
	Name      string      `json:"name"`
	Title     string      `json:"title"`
	URL       string      `json:"url"`
	Abilities []string    `json:"abilities"`
	Limits    limitsJSON  `json:"limits"`
	Fields    []fieldJSON `json:"fields"`
}

type limitsJSON struct {
	Floor           float64 `json:"seconds_between_requests"`
	HostsPerRequest int     `json:"hosts_per_request"` // 0 for any number
}

type fieldJSON struct {
	Name     string `json:"name"`
	Help     string `json:"help"`
	Example  string `json:"example"`
	Required bool   `json:"required"`
	Secret   bool   `json:"secret"`
}

func describe(s updater.Spec) providerJSON {
	p := providerJSON{
		Name: s.Name, Title: s.Title, URL: s.URL, Abilities: []string{"update"}, Fields: []fieldJSON{},
		Limits: limitsJSON{s.Limits.Floor.Seconds(), s.Limits.HostsPerRequest},
	}
	if s.TakesSource {
		p.Abilities = append(p.Abilities, "source-provider")
	}
	for _, f := range s.Fields {
		p.Fields = append(p.Fields, fieldJSON{f.Name, f.Help, f.Example, f.Required, f.Secret})
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
			specs = []updater.Spec{spec}
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
			t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprint(t, "NAME\tSERVICE\tWHERE\n")
			for _, p := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\n", p.Name, p.Title, p.URL)
			}
			t.Flush()
		}
		return exitDone
	}
}

func (c *cli) printProvider(p providerJSON) {
	fmt.Fprintf(c.stdout, "%s: %s, %s\n\n", p.Name, p.Title, p.URL)
	t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
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
	if n := p.Limits.HostsPerRequest; n > 0 {
		fmt.Fprintf(c.stdout, "\nAt most %d names go into one request; wandns splits longer lists.\n", n)
	}
	if s := p.Limits.Floor; s > 0 {
		fmt.Fprintf(c.stdout, "\nAt least %g s lie between two requests.\n", s)
	}
}
