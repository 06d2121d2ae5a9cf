package updater

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"wandns/wan"
)

// Source says where a service's addresses come from.
type Source uint8

// The sources.
const (
	AutoSource     Source = iota // the WAN's devices; behind a NAT as WebSource
	DeviceSource                 // the WAN's devices
	WebSource                    // whoever tells outside how he sees this router
	ProviderSource               // the provider takes the address of the connection
)

func (s Source) String() string { return [...]string{"auto", "device", "web", "provider"}[s] }

// Choose picks the WAN's own address of one family. If the one to publish is
// somebody else's to say, outside reports so, and the own one, public or not,
// only shows that there is a way to him.
func (s Source) Choose(state wan.State, f wan.Family, p wan.Policy) (own wan.Choice, outside bool) {
	p.AllowPrivate = p.AllowPrivate || s >= WebSource
	own = wan.Choose(state, f, p)
	if s != AutoSource || own.Addr.IsValid() || f == wan.IPv6 && p.Host.IsValid() {
		return own, s >= WebSource && own.Addr.IsValid()
	}
	p.AllowPrivate = true
	if hidden := wan.Choose(state, f, p); hidden.Addr.IsValid() && !state.OnLAN(f, p, hidden.Addr) {
		return hidden, true
	}
	return own, false
}

// Behind says what an address is that the world sees instead of the own one;
// nothing if the own one can be reached.
func Behind(seen string, own wan.Choice) string {
	who, next := wan.NAT(own.Addr)
	if who == "" {
		return ""
	}
	_, why := wan.Reachable(own.Addr)
	return fmt.Sprintf("%s is the address of %s, since %s has only %s (%s), so nothing can connect in; %s", seen, who, own.Device, own.Addr, why, next)
}

// Look is the question how the world sees this router.
type Look struct {
	Key     string // equal for services that share it
	Service string // one of them
	Family  wan.Family
	URLs    []string // the user's; empty for those of this program
	Way     Way
}

// Looked is the outcome of a Look. An Err that is no *Fault means that the
// program stopped waiting for the answer.
type Looked struct {
	Key  string
	Addr netip.Addr
	Err  error
}

func (Looked) event() {}

// again is the time between two looks while nothing seems to change: behind
// another router that is the only way to notice.
const again = 10 * time.Minute

// look is a Look and what became of it.
type look struct {
	Look
	own      wan.Choice // the address at this end; invalid while there is none
	stand    string     // where the router stands: see standing
	addr     netip.Addr // what the world sees; invalid if that is not known
	fault    *Fault     // of the last attempt
	failures int        // in a row
	next     time.Time  // not before
	last     time.Time  // when the last attempt left
	flaps    int
	moved    bool // the WAN is another one than at the last attempt
	flight   bool
	void     bool // what is in flight asks about a WAN that is gone
}

// standing describes by which way requests of one family leave: with another
// one the world may see another address.
func standing(s wan.State, f wan.Family, own wan.Choice) string {
	stand := own.Addr.String() + " " + own.Device
	for _, r := range s.Routes {
		if r.Family == f && r.Device == own.Device && r.Gateway.IsValid() {
			return stand + " " + r.Gateway.String()
		}
	}
	return stand
}

// connection tells apart the times between which a device was gone, or its
// link was down: it may have come back behind another NAT.
func connection(s wan.State, device string) string {
	i := slices.IndexFunc(s.Devices, func(d wan.Device) bool { return d.Name == device })
	if i < 0 {
		return ""
	}
	return fmt.Sprintf(" %d %t", s.Devices[i].Index, s.Devices[i].Carrier)
}

func (s *service) lookKey(f wan.Family) string {
	return strings.Join(append([]string{"outside", f.String(), "by", s.Policy.Device, "or", s.Policy.Interface, s.Trust}, s.URLs[f]...), " ")
}

// choose decides for every service which address of which family it wants.
func (e *Engine) choose(now time.Time) {
	e.chooseAt = time.Time{}
	here, chosen, none := map[*look]bool{}, map[wish]pick{}, &view{}
	for _, s := range e.services {
		had := s.sees
		s.sees = [2]*view{none, none}
		for _, f := range wan.Families() {
			if e.seen && s.Families[f] {
				e.chooseFor(now, s, f, chosen)
			}
			if l := s.sees[f].asks; l != nil {
				here[l] = true
			}
		}
		moved := had[wan.IPv4].Addr != s.sees[wan.IPv4].Addr || had[wan.IPv6].Addr != s.sees[wan.IPv6].Addr
		if s.held().kind == Unreachable && moved {
			s.hold = nil
		}
	}
	for _, l := range e.looks {
		if !here[l] {
			l.stands(wan.Choice{}, "")
		}
	}
}

// wish is what an address depends on, besides the WAN.
type wish struct {
	policy wan.Policy
	source Source
	family wan.Family
}

// pick is what Source.Choose finds for a wish.
type pick struct {
	*view
	outside bool
}

// chooseFor chooses for one family; equal wishes share a pick.
func (e *Engine) chooseFor(now time.Time, s *service, f wan.Family, chosen map[wish]pick) {
	p, key := s.Policy, s.lookKey(f)
	i := slices.IndexFunc(e.looks, func(l *look) bool { return l.Key == key })
	if f == wan.IPv6 {
		p.Keep = s.kept(f)
		if i >= 0 && e.looks[i].own.Addr.IsValid() {
			p.Keep = e.looks[i].own.Addr
		}
	}
	w := wish{p, s.Source, f}
	is, ok := chosen[w]
	if !ok {
		own, outside := s.Source.Choose(e.state, f, p)
		is = pick{&view{Choice: own, own: own}, outside}
		if outside && s.Source == ProviderSource {
			is.from = standing(e.state, f, own)
		}
		if !outside && f == wan.IPv6 && p.Keep == s.kept(f) {
			e.await(now, is.view, p)
		}
		chosen[w] = is
	}
	s.sees[f] = is.view
	if !is.outside || s.Source == ProviderSource {
		return
	}
	own := is.own
	if i < 0 {
		i = len(e.looks)
		e.looks = append(e.looks, &look{Look: Look{Key: key, Family: f, URLs: s.URLs[f]}})
	}
	l := e.looks[i]
	l.stands(own, standing(e.state, f, own)+connection(e.state, own.Device))
	pinned, _ := e.state.Pinned(s.Policy)
	l.Way = Way{Device: pinned, Only: Over(f)}
	if own.Device == pinned {
		l.Way.from(own.Addr)
	}
	s.sees[f] = &view{Choice: l.choice(), own: own, asks: l}
}

// stands takes in the WAN's own address. What was seen of another WAN is of no
// more use, nor is what is being asked about it.
func (l *look) stands(own wan.Choice, stand string) {
	l.own = own
	if stand == l.stand {
		return
	}
	l.stand, l.addr, l.fault, l.failures, l.next = stand, netip.Addr{}, nil, 0, time.Time{}
	l.moved, l.void = true, l.flight
}

// choice is what the look has found so far.
func (l *look) choice() wan.Choice {
	c := l.own
	own := fmt.Sprintf("%s on %s", c.Addr, c.Device)
	if ok, why := wan.Reachable(c.Addr); !ok {
		own += fmt.Sprintf(" cannot be published (%s)", why)
	}
	c.Addr, c.Reason = l.addr, own+"; asking outside how the internet sees it"
	switch {
	case l.addr.IsValid():
		c.Reason = own + "; the internet sees it as " + l.addr.String()
	case l.fault != nil:
		c.Reason = own + "; nobody outside could say how the internet sees it: " + l.fault.Error()
	}
	return c
}

// earliest is when the next attempt may leave: not while the last result is
// good or its failure fresh, and after a growing pause while the WAN flaps.
func (l *look) earliest() time.Time {
	if l.last.IsZero() {
		return l.next
	}
	return later(l.next, l.last.Add(flap(l.flaps)))
}

func (l *look) start(now time.Time) {
	switch {
	case now.Sub(l.last) >= calm(l.flaps):
		l.flaps = 1
	case l.moved:
		l.flaps++
	}
	l.last, l.moved, l.flight, l.void = now, false, true, false
}

// looked takes in an answer from outside.
func (e *Engine) looked(now time.Time, ev Looked) {
	i := slices.IndexFunc(e.looks, func(l *look) bool { return l.Key == ev.Key && l.flight })
	if i < 0 {
		return
	}
	l := e.looks[i]
	l.flight = false
	if l.void {
		return
	}
	if fault, ok := ev.Err.(*Fault); ok { //nolint:errorlint // as in Done
		ev.Err = e.judged(fault)
	}
	e.take(l, now, ev)
	e.choose(now)
}

func (e *Engine) take(l *look, now time.Time, ev Looked) {
	fault, ok := ev.Err.(*Fault) //nolint:errorlint // as in Done
	if ev.Err != nil && !ok {
		fault = &Fault{Kind: Unreachable, Detail: "the question was given up"}
	}
	if reachable, why := wan.Reachable(ev.Addr); fault == nil && (!reachable || wan.Of(ev.Addr) != l.Family) {
		fault = &Fault{Kind: Transient, Detail: fmt.Sprintf("the answer is no public %s address (%s)", l.Family, why)}
	}
	if l.fault = fault; fault == nil {
		l.addr, l.failures = ev.Addr, 0
		l.next = now.Add(jitter(again, e.random.Float64()))
		return
	}
	l.failures++
	switch fault.Kind {
	case Unreachable:
		l.next = now.Add(e.unreached(l.failures, l.last))
	case Clock:
		l.next = now.Add(clockWait(l.failures))
	default:
		l.next = now.Add(jitter(min(slow(l.failures), time.Hour), e.random.Float64()))
	}
}

// looksFor reports whether a service has use for the answer.
func (s *service) looksFor(l *look) bool {
	return (s.sees[wan.IPv4].asks == l || s.sees[wan.IPv6].asks == l) && s.Enabled && s.rec.Blocked == "" &&
		slices.ContainsFunc(s.Hosts, func(name string) bool { return s.rec.Hosts.At(name).Refused == "" })
}

// look starts the looks that are due and gives up those of no more use.
func (p *Plan) look(e *Engine, now time.Time) {
	for _, l := range e.looks {
		i := slices.IndexFunc(e.services, func(s *service) bool { return e.shut == "" && s.looksFor(l) })
		switch at := l.earliest(); {
		case l.flight && (l.void || i < 0 || e.stopped):
			p.Cancel = append(p.Cancel, l.Key)
		case l.flight, i < 0, e.stopped:
		case at.After(now):
			p.wake(at)
		default:
			l.start(now)
			l.Service = e.services[i].Name
			p.Looks = append(p.Looks, l.Look)
		}
	}
}

// forgetLooks drops what no service can ask any more.
func (e *Engine) forgetLooks() {
	e.looks = slices.DeleteFunc(e.looks, func(l *look) bool {
		return !l.flight && !slices.ContainsFunc(e.services, func(s *service) bool { return s.lookKey(l.Family) == l.Key })
	})
}

// hurry lets a service look now, if it did not a moment ago.
func (s *service) hurry(now time.Time) {
	for _, v := range s.sees {
		if l := v.asks; l != nil && now.Sub(l.last) >= cautious {
			l.next = time.Time{}
		}
	}
}

// awaits returns the look that a service without any address waits for.
func (s *service) awaits() *look {
	for _, v := range s.sees {
		if l := v.asks; l != nil && !l.addr.IsValid() && s.looksFor(l) {
			return l
		}
	}
	return nil
}

// hidden warns of published addresses at which nobody can be reached.
func (s *service) hidden() string {
	for _, f := range wan.Families() {
		seen := s.sees[f].Addr
		switch {
		case s.sees[f].from != "":
			seen = s.kept(f)
		case s.sees[f].asks == nil:
			continue
		}
		if why := Behind(text(seen), s.sees[f].own); why != "" && seen.IsValid() {
			return why
		}
	}
	return ""
}
