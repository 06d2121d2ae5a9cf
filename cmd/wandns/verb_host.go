package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"wandns/updater"
	"wandns/wan"
)

func hostVerb() accountVerb {
	return accountVerb{
		name: "host", help: "connect names to this router, or disconnect them",
		more: "The daemon connects the names in hostnames by itself, also those that were detached, when the\nWAN's address changes.",
		actions: []action{
			{
				name: "list", help: "show the names that are connected, and their addresses",
				ability: with(func(ctx context.Context, p updater.HostBook, _ *errand) (outcome, error) {
					hosts, err := p.Hosts(ctx)
					return hostTable(hosts), err
				}),
			},
			{
				name: "attach", args: "HOST", example: "home.example.com", help: "connect a name, which exists already",
				ability: with(func(ctx context.Context, p updater.HostBook, e *errand) (outcome, error) {
					return outcome{did: e.arg(0) + " is attached", facts: []fact{{"hostname", e.arg(0)}}}, p.Attach(ctx, e.arg(0))
				}),
			},
			{
				name: "detach", args: "HOST", example: "home.example.com",
				help: "disconnect a name, which goes on to exist; attach undoes it",
				ability: with(func(ctx context.Context, p updater.HostBook, e *errand) (outcome, error) {
					o := outcome{did: e.arg(0) + " is detached", facts: []fact{{"hostname", e.arg(0)}}}
					if host, kept := e.known(e.arg(0)); kept {
						o.note = fmt.Sprintf("The daemon attaches %s again when the WAN's address changes; take it out of hostnames to prevent that.", host)
					}
					return o, p.Detach(ctx, e.arg(0))
				}),
			},
		},
	}
}

func hostTable(hosts []updater.Published) outcome {
	o := outcome{name: "hosts", cols: []string{"hostname", "ipv4", "ipv6"}}
	for _, h := range hosts {
		o.rows = append(o.rows, []any{h.Host, h.V4, h.V6})
	}
	return o
}

func clientVerb() accountVerb {
	return accountVerb{
		name: "client", help: "register this router at the provider",
		more: "The daemon registers the router by itself, also one that was deleted, when the WAN's address\nchanges.",
		actions: []action{
			{
				name: "create", help: "register this router",
				ability: with(func(ctx context.Context, p updater.Clients, _ *errand) (outcome, error) {
					return outcome{did: "this router is registered"}, p.CreateClient(ctx)
				}),
			},
			{
				name: "show", help: "show this router as the provider knows it",
				ability: with(func(ctx context.Context, p updater.Clients, _ *errand) (outcome, error) {
					info, err := p.ShowClient(ctx)
					o := hostTable(info.Hosts)
					o.facts = []fact{{"key", info.Key}, {"offline", info.Offline}}
					return o, err
				}),
			},
			{
				name: "delete", deletes: "this router's registration, which disconnects all its names,",
				help: "end this router's registration",
				ability: with(func(ctx context.Context, p updater.Clients, e *errand) (outcome, error) {
					o := outcome{did: "this router is no longer registered"}
					if e.service.Enabled {
						o.note = "The daemon registers it again when the WAN's address changes; set enabled to false to prevent that."
					}
					return o, p.DeleteClient(ctx)
				}),
			},
		},
	}
}

func presenceVerb() accountVerb {
	all := func(e *errand) []string { return e.service.Hosts }
	return accountVerb{
		name: "presence", help: "take a service's names off the network, or back",
		more: "The daemon goes on sending the WAN's address when it changes. At No-IP that ends offline, at\nHostway it does not; enabled = false prevents it.",
		actions: []action{
			{
				name: "offline", touches: all, help: "let the names point to what the provider has for names that are offline",
				ability: with(func(ctx context.Context, p updater.Presence, e *errand) (outcome, error) {
					answer, err := p.Offline(ctx, e.service.Hosts)
					o := presenceOutcome(e, "offline", answer)
					o.note = "Back online: " + e.hint("presence", e.service.Name, "online")
					if e.service.Enabled {
						o.note = "The daemon sends the WAN's address again when it changes, which may end this (it does at No-IP); set enabled to false to prevent that. " + o.note
					}
					return o, err
				}),
			},
			{
				name: "online", touches: all, help: "end offline and publish the WAN's address", fits: findAddress,
				ability: with(func(ctx context.Context, p updater.Presence, e *errand) (outcome, error) {
					answer, err := p.Online(ctx, e.request)
					o := presenceOutcome(e, "online", answer)
					o.did += " with " + e.request.Addrs(" and ")
					o.facts = append(o.facts, fact{"ipv4", e.request.V4}, fact{"ipv6", e.request.V6})
					return o, err
				}),
			},
		},
	}
}

func presenceOutcome(e *errand, state, answer string) outcome {
	return outcome{
		did: strings.Join(e.service.Hosts, ", ") + ": " + state, answer: answer,
		facts: []fact{{"hostnames", e.service.Hosts}, {"presence", state}},
	}
}

// findAddress looks up what the daemon would publish now.
func findAddress(e *errand) error {
	netifd := wan.NewNetifd()
	netifd.Want(e.service.Policy.Interface != "")
	s, err := lookOnce(context.Background(), netifd)
	if err != nil {
		return err
	}
	e.request = updater.Request{Hosts: e.service.Hosts}
	p := e.service.Policy
	p.Keep = published(e.cfg.RunDir, e.service.Name)
	why := ""
	for _, f := range wan.Families() {
		if !e.service.Families[f] || f == wan.IPv6 && e.service.Spec.IPv4Only {
			continue
		}
		switch c := wan.Choose(s, f, p); {
		case !c.Addr.IsValid():
			why = cmp.Or(why, c.Reason)
		case f == wan.IPv4:
			e.request.V4 = c.Addr
		default:
			e.request.V6 = c.Addr
		}
	}
	if !e.request.V4.IsValid() && !e.request.V6.IsValid() {
		return fmt.Errorf("nothing was sent, since there is no address to go online with: %s", why)
	}
	return nil
}
