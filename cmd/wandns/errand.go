package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"wandns/updater"
	"wandns/updater/providers"
	"wandns/wan"
)

// errand is an action that is being carried out.
type errand struct {
	*cli
	*wish
	cfg      *config // nil where the service is only a provider's name
	verb     accountVerb
	action   action
	service  serviceConfig
	carrier  updater.Carrier
	provider updater.Provider

	request            updater.Request // of presence online
	username, password string          // of the account, if a KeyHolder asked for them
}

// find finds the service of the configuration, if it is without mistakes.
func (e *errand) find(cfg *config, service string) bool {
	i := slices.IndexFunc(cfg.Services, func(s serviceConfig) bool { return s.Name == service && len(s.Mistakes) == 0 })
	if i < 0 {
		return false
	}
	e.cfg, e.service = cfg, cfg.Services[i]
	return true
}

// unconfigured takes a provider's name for a service where that is enough: the
// first key of an account is needed before a service can be configured.
func (e *errand) unconfigured(name string) bool {
	spec, ok := providers.Find(name)
	if !ok || !e.action.asks(able(spec)) {
		return false
	}
	if cfg, err := readConfig(e.config, e.config); err == nil && e.find(cfg, name) {
		return true
	}
	e.service = serviceConfig{Name: name, outlet: outlet{Spec: spec}}
	return true
}

// run carries out the action on the service.
func (e *errand) run() int {
	a := e.action
	e.provider = able(e.service.Spec)
	if !a.in(e.provider) {
		return e.fail(exitRefused, "%s does not offer %s %s: %s", e.service.Spec.Title, e.verb.name, a.name, a.offer())
	}
	if a.fits != nil {
		if err := a.fits(e); err != nil {
			return e.failed(err)
		}
	}
	if code := e.ask(); code != exitDone {
		return code
	}
	e.carrier = e.service.carrier(e.password)
	e.provider = e.carrier.Provider

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var touched []string
	if a.touches != nil {
		touched = a.touches(e)
	}
	way, err := e.way()
	if err == nil {
		err = e.reserve(ctx, touched)
	}
	if err != nil {
		return e.failed(err)
	}
	out, err := a.do(updater.By(ctx, way), e)
	switch {
	case err != nil && ctx.Err() != nil:
		return e.fail(exitUnconfirmed, "interrupted; what was sent may have been carried out")
	case err != nil:
		if err := e.tell(context.WithoutCancel(ctx), touched, err); err != nil {
			fmt.Fprintf(e.cli.stderr, "wandns: the daemon could not be told of it: %v\n", err)
		}
		return e.failed(err)
	}
	if err := e.show(out); err != nil {
		return e.fail(exitFailed, "%v", err)
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
	if !e.action.asks(e.provider) {
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
func (e *errand) way() (updater.Way, error) {
	w := updater.Way{Device: e.service.Policy.Device}
	if e.service.Spec.IPv4Only {
		w.Only = updater.OnlyIPv4
	}
	if e.service.Policy.Interface == "" {
		return w, nil
	}
	s, err := wan.Read()
	if err != nil {
		return w, fmt.Errorf("nothing was sent: the WAN could not be read: %w", err)
	}
	netifd := wan.NewNetifd()
	netifd.Want(true)
	device, why := netifd.With(s).Pinned(e.service.Policy)
	if why != "" {
		return w, errors.New("nothing was sent: " + why)
	}
	w.Device = device
	return w, nil
}

// failed says why an action came to nothing, and how to exit.
func (e *errand) failed(err error) int {
	var f *updater.Fault
	if !errors.As(err, &f) {
		return e.fail(exitFailed, "%s", oneLine(err.Error()))
	}
	what := f.Error()
	if wait := f.RetryAfter.Round(time.Second).String(); f.RetryAfter > 0 && !strings.Contains(what, wait) {
		what += "; try again in " + wait
	}
	return e.fail(verdictOf(f.Kind), "%s", oneLine(what))
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

// known is a name as the service's hostnames have it, and whether the daemon
// keeps an address for it.
func (e *errand) known(name string) (host string, kept bool) {
	host = strings.TrimSuffix(strings.ToLower(name), ".")
	if of := e.service.Spec.DNSName; of != nil {
		host = of(host)
	}
	return host, e.service.Enabled && slices.Contains(e.service.Hosts, host)
}

// hint is a command to type next, with this one's configuration.
func (c *cli) hint(args ...string) string {
	if c.configGiven {
		args = append(args, "--config", c.config)
	}
	return "wandns " + strings.Join(args, " ")
}

func newTable(c *cli) *tabwriter.Writer { return tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0) }
