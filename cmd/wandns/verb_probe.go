package main

import (
	"cmp"
	"context"
	"net/netip"
	"net/url"

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

// probeIP asks once per family that the service has and the server can have;
// one answer is enough. Updates leave by either family, and so does the last
// try.
func probeIP(ctx context.Context, p updater.AddressProber, e *errand) (outcome, error) {
	o := outcome{name: "addresses", cols: []string{"family", "address", "reason"}}
	asked := 0
	ask := func(over updater.Only) (netip.Addr, error) {
		if asked++; asked > 1 { // the first request has been allowed
			if err := e.reserve(ctx, nil); err != nil {
				return netip.Addr{}, err
			}
		}
		w := updater.WayOf(ctx)
		w.Only = over
		return p.MyIP(updater.By(ctx, w))
	}
	row := func(f wan.Family, a netip.Addr, why string) {
		o.rows = append(o.rows, []any{[...]string{wan.IPv4: "ipv4", wan.IPv6: "ipv6"}[f], a, why})
	}
	found := false
	var failure error
	for _, f := range wan.Families() {
		if !e.service.Families[f] || !e.service.serves(f) {
			continue
		}
		a, err := ask(updater.Over(f))
		if err != nil {
			failure = err
			row(f, a, err.Error())
			continue
		}
		found = true
		row(f, a, "")
	}
	if !found {
		if a, err := ask(updater.EitherFamily); err == nil {
			found = true
			row(wan.Of(a), a, "")
		} else if failure == nil {
			failure = err
		}
	}
	if found {
		return o, nil
	}
	return outcome{}, failure
}

// serves reports whether the server may have an address of a family: one that
// is written as an address has no other.
func (o outlet) serves(f wan.Family) bool {
	u, err := url.Parse(cmp.Or(o.Server, o.Spec.Server))
	if err != nil {
		return true
	}
	a, err := netip.ParseAddr(u.Hostname())
	return (err != nil || wan.Of(a) == f) && (f == wan.IPv4 || !o.Spec.IPv4Only)
}
