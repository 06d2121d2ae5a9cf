package updater

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"wandns/persist"
	"wandns/wan"
)

// Service is one account at one provider and the names that share one address
// policy, as the engine sees it.
type Service struct {
	Name     string
	Provider string // Spec.Name
	Title    string // Spec.Title
	Hosts    []string
	Families [2]bool // by wan.Family: is it to be published
	Policy   wan.Policy
	Limits   Limits
	Enabled  bool
	Account  string // equal for services that share an account
	Config   string // differs when anything in the configuration does
}

// Event is something that happened.
type Event interface{ event() }

type (
	// Configure replaces the services. Waits, blocks and requests in flight go on.
	Configure struct{ Services []Service }
	// Seen is a new state of the WAN.
	Seen struct{ State wan.State }
	// Done is the outcome of a Job. An Err that is no *Fault means that the
	// program stopped waiting for the answer.
	Done struct {
		Job
		Results []Result
		Err     error
	}
	// Tick is the time that a Plan asked for.
	Tick struct{}
	// Poke asks the named services, or all, to act now if they may.
	Poke struct{ Services []string }
	// Resume lifts the block of a service: the user has acted.
	Resume struct{ Service string }
	// Stop ends everything but the taking in of answers.
	Stop struct{}
)

func (Configure) event() {}
func (Seen) event()      {}
func (Done) event()      {}
func (Tick) event()      {}
func (Poke) event()      {}
func (Resume) event()    {}
func (Stop) event()      {}

// Plan is what is to be done now: first Save, durably, then Jobs.
type Plan struct {
	Save map[string]persist.Record
	Jobs []Job
	Wake time.Time // when to step again if nothing else happens; zero for never
}

// Job is a request for the provider of a service.
type Job struct {
	Service string
	Account string
	Request Request
}

// Engine takes every decision. It does no I/O and knows no clock: the same
// events at the same times lead to the same plans.
type Engine struct {
	services []*service
	records  map[string]persist.Record // what was stored before this process
	lastSeen time.Time                 // the latest clock stored
	state    wan.State
	seen     bool
	stopped  bool
	dirty    map[string]bool
	random   *rand.Rand
}

// service is a Service and what has become of it.
type service struct {
	Service
	rec    persist.Record
	choice [2]wan.Choice
	flight *Request
	last   time.Time // when the last request left
	flaps  int
	hold   hold
}

// hold is a time before which no request leaves.
type hold struct {
	until time.Time
	kind  Kind
	why   string
}

// NewEngine makes an engine that goes on from stored records. lastSeen is the
// latest clock stored with them; seed makes waits differ between routers.
func NewEngine(records map[string]persist.Record, lastSeen time.Time, seed uint64) *Engine {
	e := &Engine{records: map[string]persist.Record{}, lastSeen: lastSeen}
	maps.Copy(e.records, records)
	e.random = rand.New(rand.NewPCG(seed, 0))
	return e
}

// Step takes in one event and says what to do.
func (e *Engine) Step(now time.Time, ev Event) Plan {
	e.dirty = map[string]bool{}
	switch ev := ev.(type) {
	case Configure:
		e.configure(now, ev.Services)
	case Seen:
		e.see(now, ev.State)
	case Done:
		e.done(now, ev)
	case Poke:
		e.poke(now, ev.Services)
	case Resume:
		e.resume(ev.Service)
	case Stop:
		e.stopped = true
	case Tick:
	}
	return e.plan(now)
}

func (e *Engine) configure(now time.Time, services []Service) {
	old := e.services
	e.services = nil
	for _, c := range services {
		i := slices.IndexFunc(old, func(s *service) bool { return s.Name == c.Name })
		if i >= 0 {
			e.services = append(e.services, old[i])
			e.adopt(old[i], c)
			continue
		}
		s := &service{rec: e.records[c.Name]}
		if until := allowed(s.rec.NotBefore, e.lastSeen, now); !until.IsZero() {
			s.hold = hold{until, Throttled, s.rec.Waiting}
		}
		e.services = append(e.services, s)
		e.adopt(s, c)
	}
	for _, s := range old {
		e.records[s.Name] = s.rec
	}
}

// adopt gives a service its configuration and drops what belonged to another.
func (e *Engine) adopt(s *service, c Service) {
	s.Service = c
	known := s.rec.Account != ""
	switch {
	case s.rec.Account != c.Account:
		s.rec = persist.Record{Account: c.Account, Config: c.Config}
		s.hold, s.flaps = hold{}, 0
	case s.rec.Config != c.Config:
		s.rec.Config = c.Config
		s.unblock()
	default:
		known = false
	}
	if known {
		e.dirty[s.Name] = true
	}
	e.choose(s)
}

func (e *Engine) see(now time.Time, state wan.State) {
	e.state, e.seen = state, true
	for _, s := range e.services {
		e.choose(s)
		if s.hold.kind == Unreachable && s.hold.until.After(now) {
			s.hold = hold{}
		}
	}
}

func (e *Engine) choose(s *service) {
	s.choice = [2]wan.Choice{}
	for _, f := range wan.Families() {
		if e.seen && s.Families[f] {
			s.choice[f] = wan.Choose(e.state, f, s.Policy)
		}
	}
}

func (e *Engine) poke(now time.Time, names []string) {
	for _, s := range e.services {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		switch s.hold.kind {
		case Unreachable, Clock:
			s.hold = hold{}
		case Transient, Unconfirmed:
			// Our own caution, so the user may overrule it, but not in a loop.
			if now.Sub(s.last) >= time.Minute {
				s.hold = hold{}
				s.rec.NotBefore, s.rec.Waiting = time.Time{}, ""
			}
		case Throttled, Refused, Blocked:
		}
	}
}

func (e *Engine) resume(name string) {
	i := slices.IndexFunc(e.services, func(s *service) bool { return s.Name == name })
	if i < 0 {
		return
	}
	for _, s := range e.sharing(e.services[i].Account) {
		if s.unblock() {
			e.dirty[s.Name] = true
		}
	}
}

// unblock forgets that the user had to act.
func (s *service) unblock() (changed bool) {
	changed = s.rec.Blocked != ""
	s.rec.Blocked = ""
	hosts := s.ownHosts()
	for name, h := range hosts {
		if h.Refused != "" {
			h.Refused, changed = "", true
			hosts[name] = h
		}
	}
	if changed {
		s.rec.Failures, s.rec.Error = 0, ""
	}
	return changed
}

func (e *Engine) sharing(account string) []*service {
	var list []*service
	for _, s := range e.services {
		if s.Account == account {
			list = append(list, s)
		}
	}
	return list
}

// done takes in an answer.
func (e *Engine) done(now time.Time, d Done) {
	i := slices.IndexFunc(e.services, func(s *service) bool { return s.Name == d.Service && s.flight != nil })
	if i < 0 {
		return
	}
	s := e.services[i]
	s.flight = nil
	if s.Account != d.Account {
		return // the answer is for the account before a reload
	}
	var fault *Fault
	if d.Err != nil {
		var ok bool
		if fault, ok = d.Err.(*Fault); !ok { //nolint:errorlint // Update's contract: a *Fault itself
			return // the intent stays open: nobody knows what happened
		}
	}
	e.dirty[s.Name] = true
	s.rec.Intent = nil
	if fault == nil {
		fault = s.settle(now, d.Request, d.Results)
	}
	if fault == nil {
		s.rec.Failures = 0
		return
	}
	s.rec.Error = fault.Detail
	e.apply(now, s, d.Request, fault)
}

// settle records what was confirmed and what was refused, name by name, and
// returns the gravest fault of the rest.
func (s *service) settle(now time.Time, req Request, results []Result) *Fault {
	hosts := s.ownHosts()
	var worst *Fault
	refused := ""
	for _, name := range req.Hosts {
		i := slices.IndexFunc(results, func(r Result) bool { return r.Host == name })
		if i < 0 {
			worst = graver(worst, s.unclear(name, ""))
			continue
		}
		r, h := results[i], hosts[name]
		if r.Answer != "" {
			s.rec.Answer = r.Answer
		}
		missing := false
		if req.V4.IsValid() {
			if missing = r.V4 != req.V4; !missing {
				h.V4, h.Since4 = r.V4, stamp(now)
			}
		}
		if req.V6.IsValid() {
			if r.V6 == req.V6 {
				h.V6, h.Since6 = r.V6, stamp(now)
			} else {
				missing = true
			}
		}
		switch {
		case r.Fault != nil && r.Fault.Kind == Refused:
			h.Refused = r.Fault.Error()
			refused = r.Fault.Detail
		case r.Fault != nil:
			worst = graver(worst, r.Fault)
		case missing:
			worst = graver(worst, s.unclear(name, r.Answer))
		}
		hosts[name] = h
	}
	s.rec.Error = refused
	return worst
}

func (s *service) unclear(host, answer string) *Fault {
	return &Fault{Kind: Unconfirmed, Detail: fmt.Sprintf("%s did not confirm the address of %s (answer %q)", s.Title, host, answer)}
}

func graver(a, b *Fault) *Fault {
	switch {
	case a == nil:
		return b
	case b.Kind > a.Kind, b.Kind == a.Kind && b.RetryAfter > a.RetryAfter:
		return b
	}
	return a
}

// ownHosts returns a copy of the record's names that may be changed: the one
// before may still be on its way to the journal.
func (s *service) ownHosts() map[string]persist.Host {
	s.rec.Hosts = maps.Clone(s.rec.Hosts)
	if s.rec.Hosts == nil {
		s.rec.Hosts = map[string]persist.Host{}
	}
	return s.rec.Hosts
}

// stamp is a time as it is stored: whole seconds, UTC.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// apply makes a fault's consequence hold for every service of the account.
func (e *Engine) apply(now time.Time, s *service, req Request, f *Fault) {
	switch f.Kind {
	case Blocked:
		for _, o := range e.sharing(s.Account) {
			o.rec.Blocked = f.Error()
			e.dirty[o.Name] = true
		}
		return
	case Refused:
		hosts := s.ownHosts()
		for _, name := range req.Hosts {
			h := hosts[name]
			h.Refused = f.Error()
			hosts[name] = h
		}
		return
	case Throttled, Transient, Unconfirmed, Unreachable, Clock:
	}

	s.rec.Failures++
	var wait time.Duration
	switch f.Kind {
	case Throttled:
		wait = min(f.RetryAfter, longest)
		if wait <= 0 {
			wait = jitter(slow(s.rec.Failures), e.random.Float64())
		}
	case Unreachable:
		wait = jitter(soon(s.rec.Failures), e.random.Float64())
	case Clock:
		wait = clockRetry
	default:
		wait = jitter(slow(s.rec.Failures), e.random.Float64())
	}
	affected := []*service{s}
	if f.Kind == Throttled {
		affected = e.sharing(s.Account)
	}
	for _, o := range affected {
		o.hold = hold{now.Add(wait), f.Kind, f.Error()}
		if f.Kind != Unreachable && f.Kind != Clock {
			o.rec.NotBefore, o.rec.Waiting = stamp(o.hold.until.Add(time.Second-1)), o.hold.why
			e.dirty[o.Name] = true
		}
	}
}

// plan starts what is due and finds when the next thing will be.
func (e *Engine) plan(now time.Time) Plan {
	p := Plan{Save: map[string]persist.Record{}}
	for _, s := range e.services {
		req, ok := s.due()
		if !ok || e.stopped || e.busy(s.Account) {
			continue
		}
		if at := s.earliest(req); at.After(now) {
			if p.Wake.IsZero() || at.Before(p.Wake) {
				p.Wake = at
			}
			continue
		}
		s.start(now, req)
		e.dirty[s.Name] = true
		p.Jobs = append(p.Jobs, Job{s.Name, s.Account, req})
	}
	for _, s := range e.services {
		if e.dirty[s.Name] {
			p.Save[s.Name] = s.rec
		}
	}
	return p
}

func (e *Engine) busy(account string) bool {
	return slices.ContainsFunc(e.services, func(s *service) bool { return s.flight != nil && s.Account == account })
}

// due returns the next request that a service needs, whenever it may leave:
// all names that need the same families.
func (s *service) due() (Request, bool) {
	if !s.Enabled || s.rec.Blocked != "" || s.flight != nil {
		return Request{}, false
	}
	var req Request
	for _, name := range s.Hosts {
		h := s.rec.Hosts[name]
		if h.Refused != "" {
			continue
		}
		v4, v6 := s.choice[wan.IPv4].Addr, s.choice[wan.IPv6].Addr
		if v4 == h.V4 {
			v4 = netip.Addr{}
		}
		if v6 == h.V6 {
			v6 = netip.Addr{}
		}
		if !v4.IsValid() && !v6.IsValid() {
			continue
		}
		if len(req.Hosts) == 0 {
			req.V4, req.V6 = v4, v6
		}
		if req.V4 == v4 && req.V6 == v6 && (s.Limits.HostsPerRequest == 0 || len(req.Hosts) < s.Limits.HostsPerRequest) {
			req.Hosts = append(req.Hosts, name)
		}
	}
	return req, len(req.Hosts) > 0
}

// earliest is when a request may leave: not before the hold, not before the
// provider's floor, and after a growing pause while the address flaps.
func (s *service) earliest(req Request) time.Time {
	at := s.hold.until
	if !s.last.IsZero() {
		floor := s.Limits.Floor
		if s.replaces(req) {
			floor = max(floor, flap(s.flaps))
		}
		if next := s.last.Add(floor); next.After(at) {
			at = next
		}
	}
	return at
}

// replaces reports whether the request changes an address that was confirmed
// a short time ago.
func (s *service) replaces(req Request) bool {
	for _, name := range req.Hosts {
		h := s.rec.Hosts[name]
		if req.V4.IsValid() && h.V4.IsValid() && s.last.Sub(h.Since4) < calm(s.flaps) ||
			req.V6.IsValid() && h.V6.IsValid() && s.last.Sub(h.Since6) < calm(s.flaps) {
			return true
		}
	}
	return false
}

func (s *service) start(now time.Time, req Request) {
	switch {
	case now.Sub(s.last) >= calm(s.flaps):
		s.flaps = 1
	case s.replaces(req):
		s.flaps++
	}
	s.last, s.hold = now, hold{}
	s.flight = &req
	s.rec.Account, s.rec.Config = s.Account, s.Config
	s.rec.NotBefore, s.rec.Waiting = time.Time{}, ""
	s.rec.Intent = &persist.Intent{At: stamp(now), Hosts: req.Hosts, V4: req.V4, V6: req.V6}
	if day := now.UTC().Format(time.DateOnly); s.rec.Day != day {
		s.rec.Day, s.rec.SentToday = day, 0
	}
	s.rec.Sent++
	s.rec.SentToday++
}
