package updater

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"wandns/persist"
	"wandns/wan"
)

// State is what a service is doing.
type State string

// The states, as in status.json.
const (
	OK        State = "ok"         // what is published is what is wanted
	Sending   State = "sending"    // a request is in flight
	Verifying State = "verifying"  // what is published is being looked up
	Waiting   State = "waiting"    // for a retry, a quota or a floor
	NeedsUser State = "blocked"    // for the user
	NoAddress State = "no-address" // nothing on the WAN can be published
	BadClock  State = "clock"      // for a plausible clock
	Disabled  State = "disabled"   // by the configuration
)

// Status is the content of status.json. It holds no secrets.
type Status struct {
	Version  string          `json:"version"`
	PID      int             `json:"pid"`
	Clock    string          `json:"clock"` // "ok" or "waiting"
	Problems []string        `json:"problems,omitempty"`
	WAN      []WANStatus     `json:"wan"`
	Ignored  int             `json:"ignored_ras,omitempty"` // malformed or forged router advertisements
	Services []ServiceStatus `json:"services"`
}

// WANStatus is a device that holds a default route or that a service uses.
type WANStatus struct {
	Device   string         `json:"device"`
	Default4 bool           `json:"default4"`
	Default6 bool           `json:"default6"`
	IPv4     []netip.Addr   `json:"ipv4"`
	IPv6     []netip.Addr   `json:"ipv6"`
	Omitted  int            `json:"omitted,omitempty"` // addresses beyond the first of a family
	Prefixes []netip.Prefix `json:"prefixes"`          // delegated
}

// ServiceStatus is what is known of one service.
type ServiceStatus struct {
	Name       string         `json:"name"`
	Provider   string         `json:"provider"`
	State      State          `json:"state"`
	Reason     string         `json:"reason"` // a plain sentence, the next step last
	Next       string         `json:"next"`   // RFC 3339; empty if nothing is planned
	Records    []RecordStatus `json:"records"`
	LastAnswer string         `json:"last_answer"`
	LastError  string         `json:"last_error"`
	Sent       int            `json:"sent"`       // requests ever
	SentToday  int            `json:"sent_today"` // requests since midnight UTC
}

// RecordStatus is one DNS record. Addresses that do not exist are empty.
type RecordStatus struct {
	Hostname  string `json:"hostname"`
	Type      string `json:"type"`
	Wanted    string `json:"wanted"`
	Published string `json:"published"`
	Since     string `json:"since"` // when Published was confirmed, RFC 3339
}

// json encodes the services one by one, for encoding/json keeps the room that
// it once took.
func (st Status) json() ([]byte, error) {
	services := st.Services
	st.Services = []ServiceStatus{}
	b, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	b = bytes.TrimSuffix(b, []byte("]}"))
	b = slices.Grow(b, 400*len(services))
	for i, s := range services {
		one, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, one...)
	}
	return append(b, "]}\n"...), nil
}

// Status describes the moment. Version, PID and Problems are the caller's.
func (e *Engine) Status(now time.Time) Status {
	st := Status{Clock: "ok", WAN: e.wanStatus(), Ignored: e.state.Ignored, Services: make([]ServiceStatus, 0, len(e.services))}
	for _, s := range e.services {
		one := e.serviceStatus(now, s)
		if e.awaitsClock(now, s, one.State) {
			st.Clock = "waiting"
		}
		st.Services = append(st.Services, one)
	}
	return st
}

func (e *Engine) serviceStatus(now time.Time, s *service) ServiceStatus {
	st := ServiceStatus{
		Name: s.Name, Provider: s.Provider, Records: []RecordStatus{},
		LastAnswer: s.rec.Answer, LastError: s.rec.Error, Sent: s.rec.Sent,
	}
	if s.rec.Day == now.UTC().Format(time.DateOnly) {
		st.SentToday = s.rec.SentToday
	}
	for _, name := range s.Hosts {
		h := s.rec.Hosts.At(name)
		for _, f := range wan.Families() {
			has, since := published(h, f)
			wanted := s.sees[f].Addr
			if s.sees[f].from != "" {
				wanted = netip.Addr{} // the provider's to say
				if !s.lacks(name, f).IsValid() {
					wanted = has
				}
			}
			if !s.Families[f] || !wanted.IsValid() && !has.IsValid() {
				continue
			}
			r := RecordStatus{Hostname: name, Type: f.RecordType(), Wanted: text(wanted), Published: text(has)}
			if found, ok := s.shows(name, f); ok {
				r.Published = text(found)
			} else if has.IsValid() {
				r.Since = since.UTC().Format(time.RFC3339)
			}
			st.Records = append(st.Records, r)
		}
	}
	st.State, st.Reason, st.Next = e.situation(now, s)
	return st
}

// situation says what a service does and why; of several truths the one that
// concerns the user most.
func (e *Engine) situation(now time.Time, s *service) (state State, reason, next string) {
	req, due := e.due(s)
	at := e.earliest(s, req)
	if at.After(now) {
		next = shown(now, at).Format(time.RFC3339)
	}
	switch {
	case !s.Enabled:
		return Disabled, "", ""
	case e.shut != "":
		return NeedsUser, e.shut, ""
	case s.rec.Blocked != "":
		return NeedsUser, s.rec.Blocked + s.resumeHint(), ""
	case s.flight != nil:
		return Sending, s.flight.says(s.Title), ""
	case s.check != nil && !s.check.Quiet:
		return Verifying, s.looksUp(), ""
	case due && at.After(now) && s.held().kind == Clock:
		return BadClock, s.hold.why + "; it goes on by itself when the clock is right", next
	case due && s.held().until.After(now):
		return Waiting, s.hold.why + "; it tries again by itself", next
	case due && at.After(now) && s.replaces(req) && s.flaps > 1 && !e.allowance(s, req.Hosts).After(s.last.Add(flap(s.flaps))):
		return Waiting, "the address keeps changing; the newest is sent after a pause", next
	case due && e.ledger.hostFree(s, req.Hosts[0], 1).After(now):
		return Waiting, s.spentWords(req.Hosts[0]) + "; the newest address is sent when the next is allowed", next
	case due && s.Limits.counted() && e.ledger.free(s).After(now):
		return Waiting, s.limitWords() + "; the newest address is sent then", next
	case due && at.After(now):
		return Waiting, "the last request left a moment ago; the next one follows", next
	case due && e.stopped:
		return Waiting, "wandns is stopping; start it again", ""
	case due:
		return Waiting, fmt.Sprintf("another request is on its way; %s is sent after it", req.Addrs(" and ")), ""
	}
	for _, name := range s.Hosts {
		if why := s.rec.Hosts.At(name).Refused; why != "" {
			return NeedsUser, why + s.resumeHint(), ""
		}
	}
	if six := s.sees[wan.IPv6]; six.until.After(now) {
		return Waiting, six.Reason, shown(now, six.until).Format(time.RFC3339)
	}
	if why := e.absent(s); why != "" {
		return s.absence(now, why)
	}
	evidence, next := s.evidence(now)
	return OK, cmp.Or(s.stale(), s.hidden(), evidence), next
}

// shown is a time of this process by the clock as it is now, which may have
// been set since.
func shown(now, at time.Time) time.Time { return now.Add(at.Sub(now)).UTC() }

// says describes a request in flight.
func (r Request) says(title string) string {
	if r.From != "" {
		return fmt.Sprintf("connecting from %s, an address that %s shall take as it sees it", r.Addrs(""), title)
	}
	return fmt.Sprintf("sending %s to %s", r.Addrs(" and "), title)
}

// absence tells nothing to publish from nothing known yet.
func (s *service) absence(now time.Time, why string) (state State, reason, next string) {
	l := s.awaits()
	if l == nil {
		return NoAddress, why, ""
	}
	at := l.earliest()
	if at.After(now) {
		next = shown(now, at).Format(time.RFC3339)
	}
	switch {
	case l.fault != nil && l.fault.Kind == Clock:
		return BadClock, l.choice().Reason + "; it goes on by itself when the clock is right", next
	case l.fault != nil:
		return Waiting, l.choice().Reason + "; it asks again by itself", next
	case next != "" && !l.flight:
		return Waiting, "the WAN keeps changing; after a pause it asks outside how the internet sees it", next
	}
	return Sending, l.choice().Reason, ""
}

// spentWords explains that a name has had its changes.
func (s *service) spentWords(host string) string {
	return fmt.Sprintf("%s allows %d changes of a name in 24 hours, and %s has had them", s.Title, s.Limits.PerDay, host)
}

// limitWords explains why the provider takes no request now.
func (s *service) limitWords() string {
	if s.Limits.PerHour == 0 {
		return fmt.Sprintf("%s wants %g minutes between two updates", s.Title, s.Limits.Floor.Minutes())
	}
	return fmt.Sprintf("%s allows %d requests in an hour, and this router has made them", s.Title, s.Limits.PerHour)
}

// stale explains why an address that is published is neither confirmed nor
// replaced, while the other family is well.
func (s *service) stale() string {
	for _, f := range wan.Families() {
		c := s.sees[f]
		if !s.Families[f] || c.Addr.IsValid() {
			continue
		}
		for _, name := range s.Hosts {
			if a, _ := published(s.rec.Hosts.At(name), f); a.IsValid() {
				return fmt.Sprintf("%s still has the %s record %s: %s", name, f.RecordType(), a, c.Reason)
			}
		}
	}
	return ""
}

// published is what the provider confirmed of one family, or the DNS showed,
// and when.
func published(h *persist.Host, f wan.Family) (netip.Addr, time.Time) {
	if f == wan.IPv4 {
		return h.V4, h.Since4
	}
	return h.V6, h.Since6
}

// stoodAt is where the router stood when the provider took the address itself.
func stoodAt(h *persist.Host, f wan.Family) string {
	if f == wan.IPv4 {
		return h.From4
	}
	return h.From6
}

func (s *service) resumeHint() string { return ", then run: wandns resume " + s.Name }

// absent explains why a service has no address at all to publish.
func (e *Engine) absent(s *service) string {
	if !e.seen {
		return "the WAN has not been read yet; wait a moment"
	}
	why := ""
	for _, f := range wan.Families() {
		c := s.sees[f]
		switch {
		case !s.Families[f]:
		case c.Addr.IsValid():
			return ""
		case why == "", len(c.Refused) > 0 && !strings.Contains(why, "cannot be published"):
			why = c.Reason
		}
	}
	return why
}

// listed bounds the addresses of a family that the status names per device.
const listed = 32

func (e *Engine) wanStatus() []WANStatus {
	list := []WANStatus{}
	delegated := false // the kernel does not say which default route a prefix came by
	for _, d := range e.state.Devices {
		w := WANStatus{Device: d.Name, IPv4: []netip.Addr{}, IPv6: []netip.Addr{}, Prefixes: []netip.Prefix{}}
		w.Default4, w.Default6 = e.state.Holds(d.Name)
		if !w.Default4 && !w.Default6 && !e.uses(d.Name) {
			continue
		}
		for _, a := range e.state.Addrs {
			ip := a.Prefix.Addr()
			switch {
			case a.Device != d.Name || ip.IsLinkLocalUnicast():
			case ip.Is4() && len(w.IPv4) < listed:
				w.IPv4 = append(w.IPv4, ip)
			case ip.Is6() && len(w.IPv6) < listed:
				w.IPv6 = append(w.IPv6, ip)
			default:
				w.Omitted++
			}
		}
		if w.Default6 && !delegated {
			w.Prefixes, delegated = append(w.Prefixes, e.state.Delegated...), true
		}
		list = append(list, w)
	}
	return list
}

func (e *Engine) uses(device string) bool {
	for _, s := range e.services {
		if pinned, _ := e.state.Pinned(s.Policy); pinned == device {
			return true
		}
	}
	return false
}

func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// Outlook says in one line what a service will do next: the answer to
// `wandns update`.
func (s ServiceStatus) Outlook() string {
	switch s.State {
	case OK:
		var all []string
		for _, r := range s.Records {
			if r.Published != "" {
				all = append(all, r.Hostname+" is "+r.Published)
			}
		}
		return "nothing to send: " + strings.Join(all, ", ")
	case Waiting, BadClock:
		if s.Next != "" {
			return "waits until " + s.Next + ": " + s.Reason
		}
	case Disabled:
		return "is switched off; set enabled to true to use it"
	case Sending, Verifying, NeedsUser, NoAddress:
	}
	return s.Reason
}
