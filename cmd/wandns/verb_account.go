package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"wandns/updater"
	"wandns/updater/providers"
)

// accountVerb is a command about a service's account at its provider:
// wandns VERB SERVICE ACTION ...
type accountVerb struct {
	name, help string
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
}

// with is an ability that is an interface of the provider.
func with[T any](do func(context.Context, T, *errand) (outcome, error)) ability {
	return ability{
		func(p updater.Provider) bool { _, ok := p.(T); return ok },
		func(ctx context.Context, e *errand) (outcome, error) { return do(ctx, e.provider.(T), e) },
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

// errand is an action that is being carried out.
type errand struct {
	*cli
	*wish
	cfg      *config
	verb     accountVerb
	action   action
	service  serviceConfig
	account  updater.Account
	provider updater.Provider

	username, password string // of the account, if a KeyHolder asked for them
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
func able(s updater.Spec) updater.Provider { return s.New(updater.Settings{}) }

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

func (v accountVerb) setup(flags *flag.FlagSet) func(*cli, []string) int {
	w := &wish{}
	flags.BoolVar(&w.json, "json", false, "print JSON")
	if v.options != nil {
		v.options(flags, w)
	}
	if slices.ContainsFunc(v.actions, func(a action) bool { return a.deletes != "" }) {
		flags.BoolVar(&w.yes, "yes", false, "delete without asking")
	}
	return func(c *cli, args []string) int {
		service, a, err := v.understand(flags, w, args)
		if err != nil {
			return c.fail(exitUsage, "%v; run: wandns %s --help", err, v.name)
		}
		cfg, code := c.load()
		if cfg == nil {
			return code
		}
		return c.perform(v, a, w, cfg, service)
	}
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

// perform carries out an action on a service of the configuration.
func (c *cli) perform(v accountVerb, a action, w *wish, cfg *config, service string) int {
	i := slices.IndexFunc(cfg.Services, func(s serviceConfig) bool { return s.Name == service })
	if i < 0 {
		return c.fail(exitUsage, "there is no service %q; the configuration has %s", service, strings.Join(*cfg.names(), ", "))
	}
	e := &errand{cli: c, wish: w, cfg: cfg, verb: v, action: a, service: cfg.Services[i]}
	e.provider = able(e.service.Spec)
	if !a.in(e.provider) {
		return c.fail(exitRefused, "%s has no %s %s; it is %s", e.service.Spec.Title, v.name, a.name, a.offer())
	}
	if a.fits != nil {
		if err := a.fits(e); err != nil {
			return e.failed(err)
		}
	}
	if code := e.ask(); code != exitDone {
		return code
	}
	e.account = e.service.account(agent(), e.password)
	e.provider = e.account.Provider

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var touched []string
	if a.touches != nil {
		touched = a.touches(e)
	}
	if err := e.reserve(ctx, touched); err != nil {
		return e.failed(err)
	}
	out, err := a.do(updater.By(ctx, e.way()), e)
	if err != nil {
		return e.failed(err)
	}
	if err := e.show(out); err != nil {
		return c.fail(exitFailed, "%v", err)
	}
	return exitDone
}

// ask asks the user what has to be asked before anything leaves.
func (e *errand) ask() int {
	if what := e.action.deletes; what != "" && !e.yes {
		if !e.atTerminal() {
			return e.fail(exitUsage, "nothing was deleted, since nobody can be asked; add --yes")
		}
		what = strings.TrimSpace(what + " " + strings.Join(e.args, " "))
		yes, err := e.confirm(fmt.Sprintf("Delete %s at %s?", what, e.service.Spec.Title))
		if err != nil || !yes {
			return e.fail(exitFailed, "nothing was deleted")
		}
	}
	if _, ok := e.provider.(updater.KeyHolder); !ok || e.verb.name != "key" {
		return exitDone
	}
	title := e.service.Spec.Title
	var err error
	if e.username = e.user; e.username == "" {
		e.username, err = e.line("User name at " + title + ": ")
	}
	if err == nil {
		e.password, err = e.cli.password("Password of " + e.username + " at " + title + " (it is not kept): ")
	}
	if err == nil && (e.username == "" || e.password == "") {
		err = errors.New("it is empty")
	}
	if err != nil {
		return e.fail(exitUsage, "%s wants the account's user name and password (%v); type them, or give them as two lines of standard input", title, err)
	}
	return exitDone
}

// way is how a verb's requests leave: as the daemon's do.
func (e *errand) way() updater.Way {
	w := updater.Way{Device: e.service.Policy.Device}
	if e.service.Spec.IPv4Only {
		w.Only = updater.OnlyIPv4
	}
	return w
}

// failed says why an action came to nothing, and how to exit.
func (e *errand) failed(err error) int {
	var f *updater.Fault
	switch {
	case errors.Is(err, context.Canceled):
		return e.fail(exitUnconfirmed, "interrupted; what was sent may have been carried out")
	case !errors.As(err, &f):
		return e.fail(exitFailed, "%s", e.account.Redact(err.Error()))
	}
	what := f.Error()
	if f.RetryAfter > 0 {
		what += fmt.Sprintf("; try again in %s", f.RetryAfter.Round(time.Second))
	}
	return e.fail(verdictOf(f.Kind), "%s", e.account.Redact(what))
}

// verdictOf is the exit code of a fault: 4 is a provider that said no.
func verdictOf(k updater.Kind) int {
	switch k {
	case updater.Unreachable, updater.Transient, updater.Clock:
		return exitFailed
	case updater.Unconfirmed:
		return exitUnconfirmed
	default:
		return exitRefused
	}
}

// known is a name as the service's hostnames have it, where one of the two may
// be the label alone, and whether the daemon keeps an address for it.
func (e *errand) known(name string) (host string, kept bool) {
	name = strings.ToLower(name)
	for _, h := range e.service.Hosts {
		own := strings.ToLower(h)
		if own == name || strings.HasPrefix(own, name+".") || strings.HasPrefix(name, own+".") {
			return h, e.service.Enabled
		}
	}
	return name, false
}

// hint is a command to type next, with this one's configuration.
func (c *cli) hint(args ...string) string {
	if c.configGiven {
		args = append(args, "--config", c.config)
	}
	return "wandns " + strings.Join(args, " ")
}

func newTable(c *cli) *tabwriter.Writer { return tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0) }
