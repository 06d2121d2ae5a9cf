package main

import (
	"context"
	"fmt"
	"strings"

	"wandns/updater"
)

func hostVerb() accountVerb {
	return accountVerb{
		name: "host", help: "connect names to this router, or disconnect them",
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
		actions: []action{
			{
				name: "create", help: "register this router, which the daemon does by itself as well",
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
		actions: []action{
			{
				name: "offline", touches: all, help: "show what the provider shows for names that are offline, until the WAN's address changes",
				ability: with(func(ctx context.Context, p updater.Presence, e *errand) (outcome, error) {
					answer, err := p.Offline(ctx, e.service.Hosts)
					o := presenceOutcome(e, "offline", answer)
					o.note = "Back online: " + e.hint("presence", e.service.Name, "online")
					if e.service.Enabled {
						o.note = "The daemon leaves this as it is until the WAN's address changes, which brings the names back; set enabled to false to prevent that. " + o.note
					}
					return o, err
				}),
			},
			{
				name: "online", touches: all, help: "end offline",
				ability: with(func(ctx context.Context, p updater.Presence, e *errand) (outcome, error) {
					answer, err := p.Online(ctx, e.service.Hosts)
					return presenceOutcome(e, "online", answer), err
				}),
			},
		},
	}
}

func presenceOutcome(e *errand, state, answer string) outcome {
	o := outcome{did: strings.Join(e.service.Hosts, ", ") + ": " + state, answer: answer, name: "hosts", cols: []string{"hostname", "presence"}}
	for _, h := range e.service.Hosts {
		o.rows = append(o.rows, []any{h, state})
	}
	return o
}
