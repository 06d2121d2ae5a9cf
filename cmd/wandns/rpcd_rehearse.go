package main

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"wandns/updater"
	"wandns/updater/http1"
)

type rpcRehearsal struct {
	Mistakes []rpcMistake `json:"mistakes"`
	Address  string       `json:"address"` // that would be published
	Request  []string     `json:"request"` // the first ones, without secrets
	Asked    string       `json:"asked"`   // the call that changes nothing
	Answer   *said        `json:"answer,omitempty"`
}

// rehearse shows what a service would send, and what the provider's call says
// that only reads.
func (r *rpcd) rehearse(a rpcArgs) any {
	out := rpcRehearsal{Mistakes: []rpcMistake{}, Request: []string{}}
	data, _, _ := readSmall(r.config) // one that is missing is going to be made
	d := r.draft(a, data, true)
	if len(d.mistakes) > 0 {
		out.Mistakes = d.mistakes
		return out
	}
	service := d.service
	cfg, err := readConfig(r.config, r.config)
	if err != nil {
		cfg = &config{StateDir: defaultStateDir, RunDir: defaultRunDir}
	}
	e := &errand{cli: r.cli, wish: &wish{json: true}, cfg: cfg, service: service, carrier: service.carrier()}
	e.provider = e.carrier.Provider
	if err := findAddress(e); err != nil {
		out.Mistakes = append(out.Mistakes, rpcMistake{Service: service.Name, Text: err.Error()})
	} else {
		out.Address = e.request.Addrs(", ")
		ctx := updater.Rehearse(context.Background(), func(req *http1.Request) { out.Request = append(out.Request, shown(req)...) })
		_, _ = service.masked().carrier().Provider.Update(ctx, e.first()) // says that nothing was sent
	}
	out.Asked, out.Answer = r.ask(e)
	return out
}

// first is what the provider takes in one request.
func (e *errand) first() updater.Request {
	req, limits := e.request, e.service.limits()
	if n := limits.HostsPerRequest; n > 0 {
		req.Hosts = req.Hosts[:min(n, len(req.Hosts))]
	}
	if limits.OneFamily && req.V4.IsValid() {
		req.V6 = netip.Addr{}
	}
	return req
}

// shown is a request of a masked outlet.
func shown(req *http1.Request) []string {
	list := []string{req.Method + " " + req.URL.String()}
	for _, h := range []string{"Authorization", "User-Agent", "Content-Type"} {
		if v := req.Header.Get(h); v != "" {
			if scheme, _, ok := strings.Cut(v, " "); ok && h == "Authorization" {
				v = scheme + " " + mask
			}
			list = append(list, h+": "+v)
		}
	}
	if req.Body != "" {
		list = append(list, req.Body[:min(len(req.Body), maxAnswer)])
	}
	for i := range list {
		list[i] = oneLine(strings.ReplaceAll(list[i], url.QueryEscape(mask), mask))
	}
	return list
}

// ask makes the provider's call that changes nothing, if it has one.
func (r *rpcd) ask(e *errand) (string, *said) {
	if !slices.Contains(*e.cfg.names(), e.service.Name) {
		e.cfg = nil // nothing was ever sent for it
	}
	for _, name := range []string{"host list", "key list", "probe ip", "probe ping"} {
		for _, v := range accountVerbs() {
			for _, act := range v.actions {
				if v.name+" "+act.name != name || !act.in(e.provider) || act.asks(e.provider) {
					continue
				}
				s := r.quiet("", func(c *cli) int {
					one := *e
					one.cli, one.verb, one.action = c, v, act
					return one.run()
				})
				return name, &s
			}
		}
	}
	return "", nil
}
