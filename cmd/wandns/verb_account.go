package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"wandns/updater"
	"wandns/updater/providers"
)

// accountVerb is a command about a service's account at its provider:
// wandns VERB SERVICE ACTION ...
type accountVerb struct {
	name, help string
	more       string // for --help: what a user might expect otherwise
	options    func(*flag.FlagSet, *wish)
	actions    []action
}

// action is one of the things that an accountVerb does.
type action struct {
	name, args, help string
	example          string   // of args
	options          []string // that other actions do not take
	deletes          string   // what is deleted, followed by the first argument; asks first
	// check says what is wrong with the wish, before anything is read.
	check func(w *wish) string
	// fits says whether the provider takes such a wish.
	fits func(e *errand) error
	// touches are the names whose records the action changes.
	touches func(e *errand) []string
	ability
}

// ability is what an action needs of a provider, and what it does with it.
type ability struct {
	in func(updater.Provider) bool
	do func(context.Context, *errand) (outcome, error)
	// asks says that the account's password has to be asked for.
	asks func(updater.Provider) bool
}

// with is an ability that is an interface of the provider.
func with[T any](do func(context.Context, T, *errand) (outcome, error)) ability {
	return ability{
		in: func(p updater.Provider) bool { _, ok := p.(T); return ok },
		do: func(ctx context.Context, e *errand) (outcome, error) {
			p, ok := e.provider.(T)
			if !ok {
				return outcome{}, &updater.Fault{Kind: updater.Refused, Detail: "nothing was sent: " + e.service.Spec.Title + " offers this at its own server only", Next: "leave server out of the service"}
			}
			return do(ctx, p, e)
		},
		asks: func(updater.Provider) bool { return false },
	}
}

// wish is what the user typed.
type wish struct {
	args            []string // of the action
	json            bool
	yes             bool
	showSecrets     bool
	user            string
	replace         string
	preference, ttl int
}

// arg is the i-th argument, or nothing.
func (w *wish) arg(i int) string {
	if i < len(w.args) {
		return w.args[i]
	}
	return ""
}

func accountVerbs() []accountVerb {
	return []accountVerb{recordVerb(), hostVerb(), keyVerb(), clientVerb(), presenceVerb(), probeVerb()}
}

// verb is the command as the program's table has it.
func (v accountVerb) verb() verb {
	return verb{v.name, "SERVICE ACTION ...", v.help, v.setup, v.about}
}

// about prints the actions, for --help.
func (v accountVerb) about() string {
	var b strings.Builder
	for _, a := range v.actions {
		fmt.Fprintf(&b, "  %s\n      %s\n      %s\n", strings.TrimSpace(a.name+" "+a.args), a.help, a.offer())
		fmt.Fprintf(&b, "      wandns %s home %s\n", v.name, strings.TrimSpace(a.name+" "+a.example))
	}
	if v.more != "" {
		b.WriteString("\n" + v.more + "\n")
	}
	return b.String()
}

// offer says which providers have the action.
func (a action) offer() string {
	var names []string
	for _, s := range providers.All() {
		if a.in(able(s)) {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return "no provider offers it"
	}
	return "offered by " + strings.Join(names, ", ")
}

// able is a provider that only shows what it is able to do.
func able(s *updater.Spec) updater.Provider { return s.New(updater.Settings{}) }

// abilities are the actions that a provider offers, as "verb action".
func abilities(p updater.Provider) []string {
	list := []string{}
	for _, v := range accountVerbs() {
		for _, a := range v.actions {
			if a.in(p) {
				list = append(list, v.name+" "+a.name)
			}
		}
	}
	return list
}

// declare declares the options, which become a wish.
func (v accountVerb) declare(flags *flag.FlagSet) *wish {
	w := &wish{}
	flags.BoolVar(&w.json, "json", false, "print JSON")
	if v.options != nil {
		v.options(flags, w)
	}
	flags.BoolVar(&w.yes, "yes", false, "delete without asking; what deletes nothing never asks")
	return w
}

func (v accountVerb) setup(flags *flag.FlagSet) func(*cli, []string) int {
	w := v.declare(flags)
	return func(c *cli, args []string) int { return v.order(c, flags, w, args) }
}

// order carries out what was typed.
func (v accountVerb) order(c *cli, flags *flag.FlagSet, w *wish, args []string) int {
	service, a, err := v.understand(flags, w, args)
	if err != nil {
		return c.fail(exitUsage, "%v; run: wandns %s --help", err, v.name)
	}
	e := &errand{cli: c, wish: w, verb: v, action: a}
	if !e.unconfigured(service) {
		cfg, err := readConfig(c.config, c.config)
		if err == nil && !e.find(cfg, service) {
			err = cfg.bad(c.config) // of which it may be a part
		}
		if err != nil {
			explain(c.stderr, err)
			return exitConfig
		}
		if e.cfg == nil {
			return c.fail(exitUsage, "there is no service %q; the configuration has %s", service, strings.Join(*cfg.names(), ", "))
		}
	}
	return e.run()
}

// understand finds the action and checks what was typed for it.
func (v accountVerb) understand(flags *flag.FlagSet, w *wish, args []string) (service string, a action, err error) {
	var names []string
	for _, a := range v.actions {
		names = append(names, a.name)
	}
	if len(args) < 2 {
		return "", a, fmt.Errorf("%s takes the name of a service and an action: %s", v.name, strings.Join(names, ", "))
	}
	service, w.args = args[0], args[2:]
	i := slices.Index(names, args[1])
	if i < 0 {
		return "", a, fmt.Errorf("%s has no action %q; it has %s", v.name, args[1], strings.Join(names, ", "))
	}
	a = v.actions[i]
	most := strings.Fields(a.args)
	least := slices.DeleteFunc(slices.Clone(most), func(s string) bool { return s[0] == '[' })
	if n := len(w.args); n < len(least) || n > len(most) || slices.Contains(w.args[:len(least)], "") {
		return "", a, fmt.Errorf("%s takes %s, not %q", a.name, cmp.Or(a.args, "nothing more"), w.args)
	}
	flags.Visit(func(f *flag.Flag) {
		of := slices.DeleteFunc(slices.Clone(v.actions), func(a action) bool { return !slices.Contains(a.options, f.Name) })
		if len(of) > 0 && !slices.Contains(a.options, f.Name) {
			err = fmt.Errorf("%s has no option --%s", a.name, f.Name)
		}
	})
	if err == nil && a.check != nil {
		if why := a.check(w); why != "" {
			err = errors.New(why)
		}
	}
	return service, a, err
}
