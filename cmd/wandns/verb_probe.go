package main

import (
	"context"
	"net/netip"

	"wandns/updater"
	"wandns/wan"
)

func probeVerb() accountVerb {
	return accountVerb{
		name: "probe", help: "ask the provider what it sees of this router",
		actions: []action{
			{
				name: "ping", help: "ask whether the service is there",
				ability: with(func(ctx context.Context, p updater.Pinger, e *errand) (outcome, error) {
					answer, err := p.Ping(ctx)
					return outcome{did: e.service.Spec.Title + " is there", answer: answer}, err
				}),
			},
			{
				name: "ip", help: "show from which addresses requests arrive, for each family of the service",
				ability: with(probeIP),
			},
		},
	}
}

// probeIP asks once per family; one answer is enough.
func probeIP(ctx context.Context, p updater.AddressProber, e *errand) (outcome, error) {
	o := outcome{name: "addresses", cols: []string{"family", "address", "reason"}}
	var failure error
	found := false
	for _, f := range wan.Families() {
		if !e.service.Families[f] || f == wan.IPv6 && e.service.Spec.IPv4Only {
			continue
		}
		var err error
		if len(o.rows) > 0 {
			err = e.reserve(ctx, nil) // the first request has been allowed
		}
		var a netip.Addr
		if err == nil {
			w := updater.WayOf(ctx)
			w.Only = updater.Over(f)
			a, err = p.MyIP(updater.By(ctx, w))
		}
		why := ""
		if err != nil {
			failure, why = err, err.Error()
		}
		found = found || err == nil
		o.rows = append(o.rows, []any{[...]string{wan.IPv4: "ipv4", wan.IPv6: "ipv6"}[f], a, why})
	}
	if found {
		return o, nil
	}
	return outcome{}, failure
}
