package updater

import (
	"net/netip"
	"slices"
	"time"

	"wandns/wan"
)

// crash notes whose outcome is not known when the process dies.
func (w *fuzzWorld) crash() {
	w.checks, w.open = nil, map[part]netip.Addr{}
	for _, r := range w.saved {
		for name, h := range r.Hosts.All() {
			for _, f := range wan.Families() {
				if isOpen(&h, f) {
					w.open[part{name, f}] = tried(&h, f)
				}
				if has, _ := published(&h, f); isFound(&h, f) && !tried(&h, f).IsValid() {
					w.open[part{name, f}] = has
				}
			}
		}
		if r.Intent == nil {
			continue
		}
		for _, name := range r.Intent.Hosts {
			for f, a := range []netip.Addr{wan.IPv4: r.Intent.V4, wan.IPv6: r.Intent.V6} {
				if a.IsValid() {
					w.open[part{name, wan.Family(f)}] = a
				}
			}
		}
	}
}

// find answers a check, in any order.
func (w *fuzzWorld) find(n int) {
	if len(w.checks) == 0 {
		return
	}
	i := n % len(w.checks)
	c := w.checks[i]
	w.checks = slices.Delete(w.checks, i, i+1)
	s := w.e.services[slices.IndexFunc(w.e.services, func(s *service) bool { return s.Name == c.Service })]
	ev := Checked{Key: c.Key, Told: n >= 8}
	before := slices.Clone(s.rec.Hosts)
	if fault := (&Fault{Kind: Throttled, Detail: "fault", RetryAfter: time.Duration(n) * 10 * time.Minute}); n >= 14 {
		if n == 15 {
			fault.Kind, fault.Login = Blocked, len(w.flights) > 0
			w.block(c.Account, c.Login, fault.Login)
		}
		ev.Err = fault
		for _, o := range w.services {
			switch at := w.now.Add(fault.RetryAfter); {
			case o.Account != c.Account, n == 15:
			case at.After(w.floor[o.Name]):
				w.floor[o.Name] = at
			}
		}
		w.step(ev)
		return
	}
	for j, host := range c.Hosts {
		found := Found{Host: host}
		for _, f := range wan.Families() {
			if c.Families[f] {
				delete(w.open, part{host, f})
			}
			wanted := s.sees[f].Addr
			switch (n + j) % 4 {
			case 0:
				continue
			case 1:
				found.Addrs[f] = []netip.Addr{netip.MustParseAddr([]string{"9.9.9.9", "2620:fe::fe"}[f])}
			case 2:
				found.Addrs[f] = []netip.Addr{wanted, wanted.Next()}
			case 3:
				if found.Addrs[f] = []netip.Addr{wanted}; !wanted.IsValid() {
					found.Addrs[f] = nil
				}
			}
			found.Known[f] = c.Families[f]
		}
		ev.Found = append(ev.Found, found)
	}
	w.step(ev)
	if ev.Told {
		return
	}
	for _, host := range c.Hosts {
		for _, f := range wan.Families() {
			was, is := before.Of(host), s.rec.Hosts.Of(host)
			had, _ := published(&was, f)
			has, _ := published(&is, f)
			if isOpen(&was, f) && !isOpen(&is, f) || has != had && has.IsValid() && !isFound(&is, f) {
				w.t.Fatalf("the DNS was taken for the provider: %+v became %+v", was, is)
			}
			if lost := tried(&was, f); lost.IsValid() && isFound(&is, f) && !isFound(&was, f) && has != lost {
				w.t.Fatalf("%s settles the outcome of a request with %s", has, lost)
			}
		}
	}
}

// checking looks at what a plan wants to know, and what it sends unknowing.
func (w *fuzzWorld) checking(ev Event, plan Plan) {
	for _, c := range plan.Checks {
		if len(c.Hosts) == 0 || !c.Families[wan.IPv4] && !c.Families[wan.IPv6] {
			w.t.Fatalf("%T: empty check %+v", ev, c)
		}
		if w.blocked[c.Service] != "" || w.now.Before(w.floor[c.Service]) {
			w.t.Fatalf("%T: a service that must be silent makes %+v", ev, c)
		}
		if slices.ContainsFunc(w.checks, func(o Check) bool { return o.Service == c.Service || o.Key == c.Key }) {
			w.t.Fatalf("%T: %+v beside %+v", ev, c, w.checks)
		}
		w.checks = append(w.checks, c)
	}
	for _, j := range plan.Jobs {
		for _, c := range w.checks {
			if c.Service == j.Service {
				w.t.Fatalf("%T: %+v does not wait for %+v", ev, j, c)
			}
		}
		for _, host := range j.Request.Hosts {
			for _, f := range wan.Families() {
				a := j.Request.Addr(f)
				carried, open := w.open[part{host, f}]
				if j.Request.From == "" && a.IsValid() && open && (a == carried || !carried.IsValid()) {
					w.t.Fatalf("%T: %+v leaves before the outcome of the last request was looked up", ev, j)
				}
				if a.IsValid() {
					delete(w.open, part{host, f})
				}
			}
		}
	}
}
