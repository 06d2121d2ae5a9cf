package updater

import (
	"iter"
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
	Self
	Terms
}

// Self is what is a service's own.
type Self struct {
	Name    string
	Hosts   []string
	Account string // equal for services that share an account
	Login   string // differs when the account or its credentials do
	Config  string // differs when anything in the configuration does
}

// Terms are what many services may have in common.
type Terms struct {
	Provider string  // Spec.Name
	Title    string  // Spec.Title
	Server   string  // where it is, if not at the provider's own
	Families [2]bool // by wan.Family: is it to be published
	Policy   wan.Policy
	Source   Source
	URLs     [2][]string // by wan.Family: whom to ask outside; empty for this program's choice
	Trust    string      // equal for services that trust the same certificates
	Limits   Limits
	Enabled  bool
	// FromSource: the provider publishes the address that a request comes from.
	FromSource bool
	Reads      bool // the provider says what it publishes, so a check is a request to it
}

// Event is something that happened.
type Event interface{ event() }

type (
	// Configure replaces the services. Waits, blocks and requests in flight go on.
	Configure struct{ Services []Service }
	// Seen is a new state of the WAN.
	Seen struct{ State wan.State }
	// NewResolvers means that other servers are asked where a provider is.
	NewResolvers struct{}
	// Done is the outcome of a Job. An Err that is no *Fault means that the
	// program stopped waiting for the answer.
	Done struct {
		Job
		Results []Result
		Err     error
		Unasked bool // it ended before anything was asked of anybody
		Left    int  // requests that left, with those to which they were redirected
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

func (Configure) event()    {}
func (Seen) event()         {}
func (NewResolvers) event() {}
func (Done) event()         {}
func (Tick) event()         {}
func (Poke) event()         {}
func (Resume) event()       {}
func (Stop) event()         {}

// Plan is what is to be done now: first the saving, then Jobs.
type Plan struct {
	Save   bool // Engine.Records, durably
	Jobs   []Job
	Looks  []Look
	Checks []Check
	Cancel []string  // services, and keys of looks and checks, whose request in flight is of no more use
	Wake   time.Time // when to step again if nothing else happens; zero for never
	Permit Permit    // for Reserve
}

// Job is a request for the provider of a service.
type Job struct {
	Service string
	Account string
	Login   string
	Config  string
	Request Request
}

// Engine takes every decision. It does no I/O and knows no clock: the same
// events at the same times lead to the same plans.
type Engine struct {
	services []*service
	looks    []*look
	records  map[string]persist.Record // of services that are not configured
	saved    time.Time                 // when, by the clock of the records: see Stamp
	began    time.Time                 // this process
	passed   time.Duration             // known to lie between the two
	trusted  bool                      // the wall clock is right
	aged     bool                      // what is stored looks younger than it is
	shut     string                    // why nothing may be sent at all
	state    wan.State
	lines    map[string]line // by device
	chooseAt time.Time       // when an address is not waited for any longer; zero for none
	seen     bool
	moved    time.Time // when the way to all providers last changed
	stopped  bool
	dirty    map[string]bool
	checks   int // made so far
	random   *rand.Rand
	ledger   ledger
}

// service is a Service and what has become of it.
type service struct {
	Self
	*Terms   // shared by services that have the same ones
	rec      persist.Record
	sees     [2]*view // by wan.Family
	flight   *Request
	last     time.Time // when the last request left
	stored   bool      // rec says more than the configuration
	fresh    fresh     // with the last Configure
	gaveUp   bool      // on the last request, before its answer
	misses   int       // attempts in a row that reached nobody
	unsent   bool      // the last request never reached the provider; its intent is open
	relented time.Time // when a changed configuration last ended a wait
	flaps    int
	hold     *hold // nil for none
	told     []telling

	check  *Check // in flight
	passes map[part]pass
}

// view is what the WAN is to services with one policy, for one family.
type view struct {
	wan.Choice            // to publish
	own        wan.Choice // Choice, but for what is seen from outside
	from       string     // where the provider takes the address of the connection: see standing
	asks       *look      // who is to say which address it is
	until      time.Time  // the confirmed address is waited for; zero if it is not
}

// hold is a time before which no request leaves.
type hold struct {
	until  time.Time
	kind   Kind
	why    string
	v4, v6 netip.Addr // what was sent, if anything was
	kept   bool       // from before this process
}

func (s *service) held() hold {
	if s.hold == nil {
		return hold{}
	}
	return *s.hold
}

// ours reports whether the wait is our own caution, not anybody's demand.
func (h hold) ours() bool { return h.kind == Transient || h.kind == Unconfirmed || h.kind == Suspect }

// demands reports whether the provider wants the wait after such a fault,
// whatever the user mends.
func (k Kind) demands() bool { return k == Throttled || k == Spent }

// cautious is the least time between two requests of which the first did not
// end well, whatever has changed since but the configuration.
const cautious = time.Minute

// NewEngine makes an engine that goes on from stored records. saved is the
// clock of the records when they were stored; no time counts as passed since
// then before a Clocked says so. seed makes waits differ between routers.
func NewEngine(records map[string]persist.Record, saved time.Time, seed uint64) *Engine {
	e := &Engine{records: map[string]persist.Record{}, saved: saved}
	maps.Copy(e.records, records)
	e.random = rand.New(rand.NewPCG(seed, 0))
	return e
}

// Shut keeps everything from being sent, until the user has acted: why ends
// with what he can do.
func (e *Engine) Shut(why string) { e.shut = why }

// Records are what a later process has to know, by service, until the next step.
func (e *Engine) Records() iter.Seq2[string, persist.Record] {
	return func(yield func(string, persist.Record) bool) {
		for name, r := range e.records {
			if !yield(name, r) {
				return
			}
		}
		for _, s := range e.services {
			if s.stored && !yield(s.Name, s.rec) {
				return
			}
		}
	}
}

// Step takes in one event and says what to do.
func (e *Engine) Step(now time.Time, ev Event) Plan {
	e.dirty = map[string]bool{}
	if e.began.IsZero() {
		e.begin(now)
	}
	var permit Permit
	var abandoned []string
	switch ev := ev.(type) {
	case Configure:
		abandoned = e.configure(now, ev.Services)
	case Seen:
		e.see(now, ev.State)
	case NewResolvers:
		e.rerouted(now)
	case Done:
		e.done(now, ev)
	case Looked:
		e.looked(now, ev)
	case Checked:
		e.checked(now, ev)
	case Poke:
		e.poke(now, ev.Services)
	case Resume:
		e.resume(now, ev.Service)
	case Reserve:
		permit = e.reserve(now, ev)
	case Heard:
		e.heard(now, ev)
	case Clocked:
		e.clocked(ev)
	case Stop:
		e.stopped = true
	case Tick:
	}
	if !e.chooseAt.IsZero() && !e.chooseAt.After(now) {
		e.choose(now)
	}
	p := e.plan(now)
	p.Permit, p.Cancel = permit, append(abandoned, p.Cancel...)
	return p
}

func (e *Engine) see(now time.Time, state wan.State) {
	rerouted := !slices.Equal(e.state.Routes, state.Routes)
	e.follow(now, state)
	e.state, e.seen = state, true
	e.choose(now)
	if rerouted {
		e.rerouted(now)
	}
}

// rerouted ends the waits for what could not be reached: there is another way.
func (e *Engine) rerouted(now time.Time) {
	e.moved = now
	for _, s := range e.services {
		if s.held().kind == Unreachable {
			s.hold = nil
		}
	}
	for _, l := range e.looks {
		if l.fault != nil && l.fault.Kind == Unreachable {
			l.next = time.Time{}
		}
	}
}

// unreached is the wait after so many attempts that reached nobody, of which
// the last left by a way that may have changed meanwhile.
func (e *Engine) unreached(failures int, left time.Time) time.Duration {
	if e.moved.After(left) {
		failures = 1
	}
	return jitter(soon(failures), e.random.Float64())
}

// kept is what is published. An IPv6 address stays so while it is good: a
// device may have several, in the order of their arrival.
func (s *service) kept(f wan.Family) netip.Addr {
	for _, name := range s.Hosts {
		if a, _ := published(s.rec.Hosts.At(name), f); a.IsValid() {
			return a
		}
	}
	return netip.Addr{}
}

func (e *Engine) poke(now time.Time, names []string) {
	for _, s := range e.services {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		switch held := s.held(); {
		case held.kind == Unreachable, held.kind == Clock, held.ours() && now.Sub(s.last) >= cautious:
			s.hold = nil
		}
		s.hurry(now)
		s.doubt(now)
	}
}

// find returns the service with a name, or nil.
func (e *Engine) find(name string) *service {
	i := slices.IndexFunc(e.services, func(s *service) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return e.services[i]
}

// Service returns the service with a name, and whether there is one.
func (e *Engine) Service(name string) (Service, bool) {
	s := e.find(name)
	if s == nil {
		return Service{}, false
	}
	return s.configured(), true
}

// Services returns all of them, in the order of the configuration.
func (e *Engine) Services() (list []Service) {
	for _, s := range e.services {
		list = append(list, s.configured())
	}
	return list
}

func (s *service) configured() Service { return Service{s.Self, *s.Terms} }

// relent ends our own caution, for what failed was another configuration; with
// one that keeps changing, once in the least time between two requests of which
// the first failed. The provider's demands stay.
func (e *Engine) relent(now time.Time, s *service) {
	if s.hold == nil || s.hold.kind.demands() {
		return
	}
	if again := s.relented.Add(cautious); !s.relented.IsZero() && again.After(now) {
		s.hold.until = earlier(s.hold.until, again)
		if !s.rec.NotBefore.IsZero() {
			s.rec.NotBefore = stamp(e.Stamp(s.hold.until).Add(time.Second - 1))
		}
		return
	}
	s.hold, s.relented = nil, now
	s.unwait()
	s.rec.Failures, s.misses, s.rec.Error = 0, 0, ""
}

// unwait forgets a wait that is stored.
func (s *service) unwait() {
	s.rec.NotBefore, s.rec.Waiting, s.rec.Throttled, s.rec.Spent = time.Time{}, "", false, false
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
