package updatertest

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Service is a simulated provider.
type Service interface {
	http.Handler
	Zone
	// Provider is its name in the configuration.
	Provider() string
	// Fields are what the configuration of its first account says besides
	// the names, and Hosts the names that such a configuration may use.
	Fields() map[string]string
	Hosts() []string
	// Next scripts the answers to the next requests.
	Next(faults ...Fault)
	// Forgive makes its accounts as good as new: support has lifted its blocks.
	Forgive()
	// Ledger returns every request so far, Violations those that broke a rule.
	Ledger() []Entry
	Violations() []Entry
	// Changed returns a channel that is closed at the next request.
	Changed() <-chan struct{}
	// OnEntry has f called after each request; f must not call the service.
	OnEntry(f func(Entry))
	// SetSource has f tell where a request comes from; by default it is the
	// connection's other end, and 192.0.2.1 of one in memory.
	SetSource(f func(*http.Request) netip.Addr)
}

// Entry is a request in the ledger. No secret is in it.
type Entry struct {
	At           time.Time
	Method, Path string // without the query
	Hosts        []string
	Type         string // of the record
	Value        string // what the request wants there, as it was sent
	Agent        string
	Status       int    // 0 if no answer was given
	Answer       string // its beginning
	Violation    string // the provider's rule that the request broke, if any
}

func (e Entry) String() string {
	words := []string{e.Method, e.Path}
	if len(e.Hosts) > 0 {
		words = append(words, strings.Join(e.Hosts, ","))
	}
	for _, w := range []string{e.Type, e.Value} {
		if w != "" {
			words = append(words, w)
		}
	}
	s := fmt.Sprintf("%s -> %d %#q", strings.Join(words, " "), e.Status, e.Answer)
	if e.Violation != "" {
		s += " VIOLATION: " + e.Violation
	}
	return s
}

// base is what all simulators have: the ledger and the script.
type base struct {
	mu      sync.Mutex // guards everything of the simulator
	script  []Fault
	ledger  []Entry
	changed chan struct{} // closed and replaced at each entry
	onEntry func(Entry)
	source  func(*http.Request) netip.Addr
}

// protocol is what a simulator adds.
type protocol interface {
	// understand fills in the entry, with the rule that the request breaks,
	// and returns what carries the request out.
	understand(x *exchange) (do func() reply)
	// scripted is the provider's own way of a fault, if it has one.
	scripted(f Fault, x *exchange) (reply, bool)
}

func (b *base) Next(faults ...Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.script = append(b.script, faults...)
}

// Forgive has nothing to do where the provider never blocks.
func (b *base) Forgive() {}

func (b *base) Ledger() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ledger)
}

func (b *base) Violations() []Entry {
	return slices.DeleteFunc(b.Ledger(), func(e Entry) bool { return e.Violation == "" })
}

func (b *base) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

func (b *base) OnEntry(f func(Entry)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.onEntry = f
}

func (b *base) SetSource(f func(*http.Request) netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.source = f
}

// serve answers one request.
func (b *base) serve(w http.ResponseWriter, r *http.Request, p protocol) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	b.mu.Lock()
	defer b.mu.Unlock()
	x := &exchange{r: r, body: body, from: connected(r)}
	x.entry = Entry{At: time.Now(), Method: r.Method, Path: r.URL.Path, Agent: r.UserAgent()}
	if b.source != nil {
		x.from = b.source(r)
	}
	if err != nil {
		x.breaks("a body that cannot be read")
	}
	if _, password, ok := r.BasicAuth(); ok {
		x.hide(password)
	}
	x.hide(r.Header.Get("Authorization"))
	fault := Normal
	if len(b.script) > 0 {
		fault, b.script = b.script[0], b.script[1:]
	}
	do := p.understand(x)
	a, own := p.scripted(fault, x)
	switch {
	case own:
	case fault == Wrong:
		x.from = elsewhere
		a = do()
	case fault == Normal, fault == CutAfter, fault == SlowAfter:
		a = do()
	default:
		a = fault.reply(x)
	}
	silent := fault == Cut || fault == CutAfter || fault == Slow || fault == SlowAfter
	b.enter(x, a, silent)
	switch {
	case fault == Slow, fault == SlowAfter:
		b.mu.Unlock()
		<-r.Context().Done()
		b.mu.Lock()
	case silent:
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
	default:
		a.send(w)
	}
}

func (b *base) enter(x *exchange, a reply, silent bool) {
	e := x.entry
	e.Answer = a.body
	if !silent {
		e.Status = a.status
	}
	e.Answer, e.Violation = x.redact(e.Answer), x.redact(e.Violation)
	e.Answer = e.Answer[:min(len(e.Answer), 200)]
	b.ledger = append(b.ledger, e)
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
	if b.onEntry != nil {
		b.onEntry(e)
	}
}

// connected is where a connection comes from.
func connected(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrFrom4([4]byte{192, 0, 2, 1})
	}
	return at.Addr().Unmap().WithZone("")
}

// reply is what a simulator says.
type reply struct {
	status int
	header map[string]string
	body   string
}

func (a reply) send(w http.ResponseWriter) {
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(cmp.Or(a.status, http.StatusOK))
	if a.status != http.StatusNoContent {
		_, _ = io.WriteString(w, a.body)
	}
}
