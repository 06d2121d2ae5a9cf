package updater

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"time"

	"wandns/persist"
	"wandns/wan"
)

// Journal keeps records durably; package persist has one.
type Journal interface {
	// Save replaces what was kept by records, and returns when they will
	// survive a power cut, or why not.
	Save(now persist.Moment, records iter.Seq2[string, persist.Record]) error
	// Trouble says what is wrong with the journal since it was opened.
	Trouble() error
}

// Account is a service with what makes the Carrier of a request: months pass
// between two of them, and a thousand carriers would take a megabyte.
type Account struct {
	Service
	Carry func() Carrier
	// Wrong is why the configuration of the service cannot be used, the next
	// step last; empty if it can be. A service that runs then goes on as it is;
	// another one is as the rest says or, without Carry, only shown.
	Wrong string
}

// Carrier carries a service's requests.
type Carrier struct {
	Provider Provider
	Client   *Client // for looks and checks
	// NotInDNS tells names that are the provider's own; nil if none is.
	NotInDNS func(host string) bool
}

// Command asks the running daemon for something.
type Command struct {
	Event Event     // Poke, Resume, Reserve or Configure
	With  []Account // for Configure: the new services
	// Unnamed: there is one more, whose name cannot be read. Those that run and
	// are not in With go on.
	Unnamed bool
	Reply   chan<- []Reply // receives one reply per service; nil to be told nothing
	Permit  chan<- Permit  // for Reserve: receives the answer
	// Problems are what the user should know about the configuration, until
	// the next Command that says something of it.
	Problems []string
}

// flight is what takes time: a service's request, a look or a check.
type flight struct {
	key    string // of the look or check, or the service's name
	cancel context.CancelFunc
}

// outcome is what became of a flight.
type outcome struct {
	*flight
	event Event
}

// Reply says what a service will do.
type Reply struct {
	Service string `json:"service"`
	Outlook string `json:"outlook"`
}

// Log takes lines for a person, each with the service it is about, if any, as
// an attribute.
type Log interface {
	wan.Log
	Info(msg string, attrs ...any)
	Error(msg string, attrs ...any)
}

// Runner is the shell around the engine: its only goroutines, timers, journal
// calls and provider calls.
type Runner struct {
	Engine   *Engine
	Journal  Journal
	WAN      <-chan wan.State
	Commands <-chan Command
	Log      Log
	Version  string
	PID      int
	// Publish stores the status: JSON, only called when it changed.
	Publish func([]byte) error
	// Measure, if set, stores the same as metrics, if anybody wants them,
	// after Publish, and when the run ends.
	Measure func(metrics func() []byte) error
	// Once ends the run when nothing is due at this moment.
	Once bool
	// Clock says how far the wall clock can be relied on; nil for the
	// kernel's, if nothing was stored before.
	Clock *Timekeeper
	// DNS tells when other servers are asked for names; nil if nobody does.
	DNS <-chan struct{}
	// Toil, if set, is called when many requests leave together, and Rest when
	// nothing has happened for a moment.
	Toil, Rest func()
	// Stirred tells that others did something that Rest should follow.
	Stirred <-chan struct{}
	// Problems are those with the configuration, as in Command.
	Problems []string

	carry   map[string]func() Carrier // by service
	flights map[string]*flight        // the latest
	began   time.Time
	saveAt  time.Time // when to repeat a save that failed; zero if none did
	done    chan outcome
	running int
	toiling bool
	seen    bool // the WAN was read
	wake    time.Time
	permit  Permit // of the last step
	seed    maphash.Seed
	shown   uint64    // the sum of what was published last
	logged  []logged  // by service
	sayAt   time.Time // when the log has more to say; zero for never
	trouble string    // with the journal
	kept    []problem // services that go on as they were configured before
	faulty  []faulty
	faults  map[string]int // since the start, by service
	unsaid  string         // why the metrics could not be written
}

// once bounds the waits that a single pass sits out.
const once = 10 * time.Second

// saveAgain is how soon a failed save is repeated.
const saveAgain = time.Minute

// moment is how long nothing happens before the Runner rests; after what others
// did it is a lull, so that a storm of that costs little.
const (
	moment = 30 * time.Millisecond
	lull   = time.Second
)

// grace is how long a request in flight may take once the daemon must stop.
const grace = 4 * time.Second

// Run works for accounts until ctx is done. A request in flight is then
// finished, or given up after a few seconds; its outcome is recorded.
func (r *Runner) Run(ctx context.Context, accounts []Account) Status {
	r.done, r.seed = make(chan outcome), maphash.MakeSeed()
	r.flights, r.faults = map[string]*flight{}, map[string]int{}
	jobs, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()

	if err := r.Journal.Trouble(); err != nil {
		r.trouble, r.saveAt = err.Error(), time.Now().Add(saveAgain)
		r.Log.Error(r.trouble)
	}
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	calm := time.NewTimer(0)
	calm.Stop()
	defer calm.Stop()
	calming := false
	r.began = time.Now()
	if r.Clock == nil {
		r.Clock = NewTimekeeper(persist.Moment{}, ReadClock(""))
	}
	step := func(events ...Event) {
		now := time.Now()
		if news, ok := r.Clock.News(false); ok {
			at := 0
			if _, reload := events[0].(Configure); reload {
				at = 1 // for the services that r.carry has
			}
			events = slices.Insert(events, at, Event(news))
		}
		r.step(jobs, now, events...)
		at := r.wake
		if at.IsZero() || !r.sayAt.IsZero() && r.sayAt.Before(at) {
			at = r.sayAt
		}
		if at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(at.Sub(now))
		}
		if r.Rest != nil && r.running == 0 {
			calm.Reset(moment)
			calming = true
		}
	}

	r.step(jobs, r.began, r.configure(accounts, false))
	news, _ := r.Clock.News(false)
	step(news)
	stop, states := ctx.Done(), r.WAN
	stopping := false
	var giveUp <-chan time.Time
	for {
		select {
		case s, ok := <-states:
			if !ok {
				states = nil
				continue
			}
			r.seen = true
			step(Seen{s})
		case d := <-r.done:
			if events := r.outcomes(d); len(events) > 0 {
				step(events...)
			}
		case c := <-r.Commands:
			if c.With != nil {
				c.Event, r.shown = r.configure(c.With, c.Unnamed), 0
			}
			if c.With != nil || len(c.Problems) > 0 {
				r.Problems = c.Problems
			}
			step(c.Event)
			r.reply(c)
		case <-timer.C:
			step(Tick{})
		case <-r.Stirred:
			if r.Rest != nil && !calming {
				calm.Reset(lull)
				calming = true
			}
		case <-calm.C:
			calming = false
			if r.running == 0 {
				r.toiling = false
				r.Rest()
			}
		case <-r.Clock.Steps:
			news, _ := r.Clock.News(true)
			step(news)
		case <-r.DNS:
			r.Log.Debug("other DNS servers are asked from now on")
			step(NewResolvers{})
		case <-giveUp:
			cancel()
		case <-stop:
			stopping, stop, states = true, nil, nil
			step(Stop{})
			giveUp = time.After(grace)
		}
		if r.running == 0 && (stopping || r.Once && r.seen && r.idle()) {
			if !r.saveAt.IsZero() {
				r.save(time.Now())
			}
			st := r.status(time.Now())
			if r.Once {
				r.tell(time.Now().Add(time.Hour), st.Services) // what is still wrong will last
			}
			r.measure(st, false)
			return st
		}
	}
}

// idle reports that nothing will happen soon.
func (r *Runner) idle() bool { return r.wake.IsZero() || time.Until(r.wake) > once }

func (r *Runner) configure(accounts []Account, all bool) Event {
	before, kept := r.carry, r.kept
	inForce := make([]Account, len(accounts)) // without Carry where there is none
	for i, a := range accounts {
		if a.Wrong == "" {
			inForce[i] = a
		}
	}
	r.kept, r.faulty = nil, nil
	keep := func(a Account, why string) bool {
		if !a.Enabled || slices.ContainsFunc(inForce, a.clashes) {
			return false
		}
		r.kept = append(r.kept, problem{a.Name, a.Name + " goes on as it was configured before, since " + why})
		return true
	}
	for i, a := range accounts {
		if a.Wrong == "" {
			continue
		}
		old := a
		if running, is := r.Engine.Service(a.Name); is {
			old = Account{Service: running, Carry: before[a.Name]}
		}
		if a.Enabled && old.Carry != nil && keep(old, "its configuration cannot be used: "+a.Wrong) {
			inForce[i] = old
			continue
		}
		r.faulty = append(r.faulty, faulty{i, a})
	}
	if all {
		for _, s := range r.Engine.Services() {
			named := slices.ContainsFunc(accounts, func(a Account) bool { return a.Name == s.Name })
			if a := (Account{Service: s, Carry: before[s.Name]}); !named && keep(a, "it may be the one whose name cannot be read") {
				inForce = append(inForce, a)
			}
		}
	}
	for _, k := range kept {
		if slices.ContainsFunc(accounts, func(a Account) bool { return a.Name == k.service && a.Wrong == "" }) {
			r.Log.Info("it goes by its configuration as it is now", "service", k.service)
			if i := slices.IndexFunc(r.logged, func(l logged) bool { return l.name == k.service }); i >= 0 {
				r.logged[i].trouble = trouble{} // to be told again
			}
		}
	}
	for _, k := range r.kept {
		if !slices.Contains(kept, k) {
			r.Log.Error(k.text)
		}
	}
	r.carry = map[string]func() Carrier{}
	services := make([]Service, 0, len(accounts))
	for _, a := range inForce {
		if a.Carry != nil {
			_, a.Reads = a.Carry().Provider.(Reader)
			r.carry[a.Name] = a.Carry
			services = append(services, a.Service)
		}
	}
	return Configure{services}
}

// problem is what the user should know of a service.
type problem struct{ service, text string }

// clashes reports an account that cannot be beside another one: it has the same
// name, or publishes one of the same hosts.
func (a Account) clashes(o Account) bool {
	if o.Carry == nil || a.Name == o.Name {
		return o.Carry != nil
	}
	both := a.Families[wan.IPv4] && o.Families[wan.IPv4] || a.Families[wan.IPv6] && o.Families[wan.IPv6]
	return both && o.Enabled && a.Provider == o.Provider && a.Server == o.Server && slices.ContainsFunc(a.Hosts, func(h string) bool { return slices.Contains(o.Hosts, h) })
}

// outcomes returns an outcome and those that wait behind it: a thousand
// services share the writing of what became of them.
func (r *Runner) outcomes(d outcome) (events []Event) {
	for {
		r.running--
		d.cancel()
		if r.flights[d.key] == d.flight { // or the service was gone, and is back with another
			delete(r.flights, d.key)
			r.explain(d)
			r.count(d)
			events = append(events, d.event)
		}
		select {
		case d = <-r.done:
		default:
			return events
		}
	}
}

// step lets the engine decide about events of one moment and carries out what
// it decided.
func (r *Runner) step(ctx context.Context, now time.Time, events ...Event) {
	var plans []Plan
	save := !r.saveAt.IsZero() && !now.Before(r.saveAt)
	for _, ev := range events {
		plan := r.Engine.Step(now, ev)
		r.wake, r.permit = plan.Wake, plan.Permit
		save = save || plan.Save
		plans = append(plans, plan)
	}
	if save {
		r.save(now)
	}
	if !r.saveAt.IsZero() && (r.wake.IsZero() || r.saveAt.Before(r.wake)) {
		r.wake = r.saveAt
	}
	if !r.wake.IsZero() && !r.Clock.told.Trusted {
		r.wake = earlier(r.wake, nextRead(r.began, now))
	}
	for _, plan := range plans {
		r.carryOut(ctx, plan)
	}
	r.report(now)
}

// carryOut ends and starts what takes time.
func (r *Runner) carryOut(ctx context.Context, plan Plan) {
	for _, name := range plan.Cancel {
		if f := r.flights[name]; f != nil { // or its outcome is known by now
			f.cancel()
		}
	}
	for _, job := range plan.Jobs {
		by := r.carry[job.Service]()
		r.start(ctx, job.Service, func(ctx context.Context) Event { return work(ctx, job, by) })
	}
	for _, l := range plan.Looks {
		client := r.carry[l.Service]().Client
		r.start(ctx, l.Key, func(ctx context.Context) Event {
			addr, err := client.Ask(ctx, l)
			return Looked{l.Key, addr, err}
		})
	}
	for _, c := range plan.Checks {
		by := r.carry[c.Service]()
		r.start(ctx, c.Key, func(ctx context.Context) Event { return verify(ctx, c, by) })
	}
}

// many is how many requests are worth a Toil.
const many = 8

// start does something that takes time; its outcome is an event.
func (r *Runner) start(ctx context.Context, key string, do func(context.Context) Event) {
	if r.running++; r.running == many && !r.toiling && r.Toil != nil {
		r.toiling = true
		r.Toil()
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &flight{key, cancel}
	r.flights[key] = f
	go func() { r.done <- outcome{f, do(ctx)} }()
}

func (r *Runner) save(now time.Time) {
	trouble := ""
	r.saveAt = time.Time{}
	if err := r.Journal.Save(r.Clock.Moment(r.Engine.Stamp(now)), r.Engine.Records()); err != nil {
		r.saveAt = now.Add(saveAgain)
		trouble = fmt.Sprintf("what happened now may be repeated after a reboot: %v", err)
	} else if err := r.Journal.Trouble(); err != nil {
		trouble = err.Error()
	}
	if trouble != r.trouble && trouble != "" {
		r.Log.Error(trouble)
	}
	r.trouble = trouble
}

// work carries out one job and returns its outcome.
func work(ctx context.Context, job Job, by Carrier) Done {
	ctx, n := noted(By(ctx, job.Request.Way))
	results, err := by.Provider.Update(ctx, job.Request)
	for i := range results {
		results[i].Fault = n.judge(results[i].Fault)
	}
	if fault, ok := err.(*Fault); ok { //nolint:errorlint // Update's contract
		err = n.judge(fault)
	}
	return Done{job, results, err, !n.asked.Load(), int(n.left.Load())}
}

func (r *Runner) reply(c Command) {
	if c.Permit != nil {
		c.Permit <- r.permit
	}
	if c.Reply == nil {
		return
	}
	var names []string
	switch ev := c.Event.(type) {
	case Poke:
		names = ev.Services
	case Resume:
		names = []string{ev.Service}
	default:
	}
	replies := []Reply{}
	for _, s := range r.status(time.Now()).Services {
		if len(names) == 0 || slices.Contains(names, s.Name) {
			replies = append(replies, Reply{s.Name, s.Outlook()})
		}
	}
	c.Reply <- replies
}

func (r *Runner) status(now time.Time) Status {
	st := r.Engine.Status(now)
	st.Version, st.PID = r.Version, r.PID
	if r.trouble != "" {
		st.Problems = append(st.Problems, r.trouble)
	}
	st.Problems = append(st.Problems, r.Problems...)
	for _, k := range r.kept {
		st.Problems = append(st.Problems, k.text)
	}
	for _, f := range r.faulty { // in the order of their places
		st.Services = slices.Insert(st.Services, f.place, f.status())
	}
	return st
}

// faulty is a service that cannot be used as it is configured.
type faulty struct {
	place int // among all services
	Account
}

func (f faulty) status() ServiceStatus {
	st := ServiceStatus{Name: f.Name, Provider: f.Provider, State: NeedsUser, Reason: f.Wrong, Records: []RecordStatus{}}
	if !f.Enabled {
		st.State = Disabled
	}
	return st
}
