package updater

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"wandns/persist"
	"wandns/wan"
)

// done takes in an answer.
func (e *Engine) done(now time.Time, d Done) {
	d = e.weigh(d)
	e.heed(d)
	s := e.find(d.Service)
	if s == nil || s.flight == nil {
		return
	}
	s.flight = nil
	for range d.Left - 1 {
		e.ledger.sent(s, nil, 0, now)
	}
	if s.Account != d.Account {
		return // the answer is for the account before a reload
	}
	var fault *Fault
	if d.Err != nil {
		var ok bool
		if fault, ok = d.Err.(*Fault); !ok { //nolint:errorlint // Update's contract: a *Fault itself
			s.gaveUp = true // and the intent stays open: nobody knows what happened
			s.countSent(now)
			for _, name := range d.Request.Hosts {
				e.open(now, s, d.Request, name)
			}
			e.dirty[s.Name] = s.Limits.counted()
			return
		}
	}
	results := d.Results
	if fault != nil && (fault.Kind == Refused || fault.Kind == Suspect || fault.Kind == Spent) {
		results = nil
		for _, name := range d.Request.Hosts {
			results = append(results, Result{Host: name, Fault: fault})
		}
		fault = nil
	}
	if fault != nil && (fault.Kind == Unreachable || fault.Kind == Clock) {
		// Nothing happened at the provider, so there is nothing to store: an
		// outage costs no flash.
		s.unsent = true
		s.unheard(d.Request)
	} else {
		e.dirty[s.Name] = true
		s.rec.Intent = nil
		if !d.Unasked {
			s.countSent(now)
		}
	}
	s.keep(results)
	e.count(now, s, d.Request, results, fault)
	if fault == nil {
		fault = e.settle(now, s, d.Request, results)
	}
	if fault == nil {
		s.rec.Failures, s.misses = 0, 0
		return
	}
	if fault.denies() && s.Login != d.Login {
		return // it was about credentials that a reload has replaced
	}
	s.rec.Error = fault.Detail
	e.apply(now, s, d.Request, fault)
	if s.Config != d.Config { // our caution was for a configuration that a reload has replaced
		e.relent(now, s)
	}
}

// keep stores the tokens that a provider wants back.
func (s *service) keep(results []Result) {
	if !slices.ContainsFunc(results, func(r Result) bool { return len(r.Tokens) > 0 }) {
		return
	}
	tokens := maps.Clone(s.rec.Tokens)
	if tokens == nil {
		tokens = map[string]string{}
	}
	for _, r := range results {
		maps.Copy(tokens, r.Tokens)
	}
	maps.DeleteFunc(tokens, func(_, token string) bool { return token == "" })
	s.rec.Tokens = tokens
}

// count corrects the ledger by what became of a request, and notes what it may
// have done. The provider does not count one that it did not see.
func (e *Engine) count(now time.Time, s *service, req Request, results []Result, whole *Fault) {
	for _, name := range req.Hosts {
		fault, unchanged := whole, false
		if i := slices.IndexFunc(results, func(r Result) bool { return r.Host == name }); i >= 0 && fault == nil {
			fault, unchanged = results[i].Fault, results[i].Unchanged
		}
		may := mayHaveLanded(fault)
		if may && whole != nil { // of the others settle knows more
			e.open(now, s, req, name)
		}
		e.ledger.answered(s, name, may && !unchanged, now)
		if fault != nil && fault.Kind == Spent {
			e.ledger.spent(s, name, now)
		}
	}
	if whole != nil && (whole.Kind == Unreachable || whole.Kind == Clock) {
		e.ledger.unsent(s)
	}
}

// mayHaveLanded: what is not known to have failed may have been carried out.
func mayHaveLanded(f *Fault) bool { return f == nil || f.Kind == Unconfirmed }

// settle records what was confirmed and what was refused, name by name, and
// returns the gravest fault of the rest.
func (e *Engine) settle(now time.Time, s *service, req Request, results []Result) *Fault {
	hosts := &s.rec.Hosts
	var worst *Fault
	refused := ""
	for _, name := range req.Hosts {
		i := slices.IndexFunc(results, func(r Result) bool { return r.Host == name })
		if i < 0 {
			e.open(now, s, req, name)
			worst = graver(worst, s.unclear(name, ""))
			continue
		}
		r, h := results[i], hosts.Edit(name)
		if r.Answer != "" {
			s.rec.Answer = r.Answer
		}
		missing := false
		for _, f := range wan.Families() {
			sent, got := req.Addr(f), r.Addr(f)
			ok, why := wan.Reachable(got)
			switch {
			case !sent.IsValid():
				continue
			case req.From == "" && got != sent, !got.IsValid():
				missing = true
			case req.From != "" && !ok:
				worst = graver(worst, s.useless(name, got, why))
			default:
				r := part{name, f}
				made := s.passes[r].made
				if req.From == "" && h.Late == nil && mayBeLate(h, f, got) { // an earlier version stored it
					lost(h, f, several(f), stamp(e.Stamp(now)))
				}
				confirm(h, f, got, req.From, stamp(now))
				s.tell(r, now)
				e.watch(now, s, r, made)
				continue
			}
			if mayHaveLanded(r.Fault) {
				e.opened(now, s, h, part{name, f}, sent)
			}
		}
		switch fault := doubt(h, r.Fault); {
		case fault == nil:
			h.Suspect = ""
			if missing {
				worst = graver(worst, s.unclear(name, r.Answer))
			}
		case fault.Kind == Refused:
			h.Refused, h.Suspect = fault.Error(), ""
			refused = fault.Detail
		default:
			if fault.Kind == Suspect {
				h.Suspect = fault.Detail
			}
			worst = graver(worst, fault)
		}
	}
	s.rec.Error = refused
	return worst
}

// doubt makes of a suspicion that is repeated a refusal.
func doubt(h *persist.Host, f *Fault) *Fault {
	if f == nil || f.Kind != Suspect || h.Suspect != f.Detail {
		return f
	}
	certain := *f
	certain.Kind = Refused
	return &certain
}

// telling is when the provider last confirmed a record, by a clock that nobody
// sets.
type telling struct {
	part
	at time.Time
}

// tell notes that the provider confirmed a record.
func (s *service) tell(r part, now time.Time) {
	s.passed(r)
	if i := slices.IndexFunc(s.told, func(t telling) bool { return t.part == r }); i >= 0 {
		s.told[i].at = now
	} else {
		s.told = append(s.told, telling{r, now})
	}
}

// confirmed is when the provider last confirmed a record.
func (s *service) confirmed(r part) time.Time {
	if i := slices.IndexFunc(s.told, func(t telling) bool { return t.part == r }); i >= 0 {
		return s.told[i].at
	}
	return time.Time{}
}

// confirm notes what is published of one family.
func confirm(h *persist.Host, f wan.Family, a netip.Addr, from string, at time.Time) {
	if f == wan.IPv4 {
		h.V4, h.Since4, h.From4, h.Open4, h.Found4 = a, at, from, false, false
	} else {
		h.V6, h.Since6, h.From6, h.Open6, h.Found6 = a, at, from, false, false
	}
	try(h, f, netip.Addr{})
}

func (s *service) useless(host string, a netip.Addr, why string) *Fault {
	return &Fault{
		Kind: Unconfirmed, Next: "set source to web or auto",
		Detail: fmt.Sprintf("%s saw a connection from %s (%s) and took that for %s", s.Title, a, why, host),
	}
}

func (s *service) unclear(host, answer string) *Fault {
	return &Fault{Kind: Unconfirmed, Detail: fmt.Sprintf("%s did not confirm the address of %s (%s)", s.Title, host, said(answer))}
}

// said quotes an answer.
func said(answer string) string {
	if answer == "" {
		return "it said nothing"
	}
	return fmt.Sprintf("it said %q", answer)
}

func graver(a, b *Fault) *Fault {
	switch {
	case a == nil:
		return b
	case b.Kind > a.Kind, b.Kind == a.Kind && (b.RetryAfter > a.RetryAfter || a.Login && !b.Login):
		return b
	}
	return a
}

// stamp is a time as it is stored: whole seconds, UTC.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// apply makes a fault's consequence hold for every service of the account.
func (e *Engine) apply(now time.Time, s *service, req Request, f *Fault) {
	switch f.Kind {
	case Blocked:
		return // see block
	case Spent:
		if s.Limits.PerDay > 0 {
			return // the ledger holds the name back, and no other
		}
	case Throttled, Transient, Unconfirmed, Suspect, Refused, Unreachable, Clock:
	}

	var wait time.Duration
	switch f.Kind {
	case Unreachable, Clock: // says nothing of how the provider fares
		s.misses++
		wait = clockWait(s.misses)
		if f.Kind == Unreachable {
			wait = e.unreached(s.misses, s.last)
		}
	default:
		s.misses = 0
		s.rec.Failures++
		wait = jitter(slow(s.rec.Failures), e.random.Float64())
		if f.Kind == Throttled { // ours is for when they ask for less each time
			wait = max(wait, min(f.RetryAfter, longest))
		}
		if f.Kind == Spent {
			wait = longest
		}
	}
	until := now.Add(wait)
	affected := []*service{s}
	if f.Kind == Throttled {
		affected = e.sharing(s.Account)
	}
	for _, o := range affected {
		held := o.held()
		if held.kind.demands() && held.until.After(until) && !held.kept { // what is kept may turn out to be shorter
			continue // it waits for longer anyway
		}
		o.hold = &hold{later(until, held.until), f.Kind, f.Error(), req.V4, req.V6, false}
		if f.Kind != Unreachable && f.Kind != Clock {
			o.rec.NotBefore, o.rec.Waiting = stamp(e.Stamp(o.hold.until).Add(time.Second-1)), o.hold.why
			o.rec.Throttled, o.rec.Spent = f.Kind == Throttled, f.Kind == Spent
			e.dirty[o.Name] = true
		}
	}
}
