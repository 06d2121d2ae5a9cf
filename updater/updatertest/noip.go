package updatertest

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Entry is a request in the ledger.
type Entry struct {
	At        time.Time
	Hosts     []string
	MyIP      string
	Source    string // of the connection, where there is no MyIP
	Agent     string
	Answer    string
	Violation string // the provider's rule that the request broke, if any
}

func (e Entry) String() string {
	s := fmt.Sprintf("%s myip=%s%s -> %q", strings.Join(e.Hosts, ","), e.MyIP, e.Source, e.Answer)
	if e.Violation != "" {
		s += " VIOLATION: " + e.Violation
	}
	return s
}

// Record is what the simulated DNS holds for a name.
type Record struct{ V4, V6 netip.Addr }

// NoIP is a No-IP with one account. Its zero faults are those of the
// document; Next scripts others.
type NoIP struct {
	User, Password string
	Groups         map[string][]string // names that stand for several hosts

	// NAT is where connections seem to come from, as a provider beyond a NAT
	// sees them; invalid if there is none.
	NAT netip.Addr

	// OnEntry, if set, is called after each request.
	OnEntry func(Entry)

	mu      sync.Mutex
	hosts   map[string]Record
	script  []Fault
	ledger  []Entry
	until   time.Time // silence after 911
	stopped string    // the account error that forbids further requests
	nohosts map[string]bool
	changed chan struct{} // closed and replaced at each entry
}

// Fault scripts one answer. The text is sent as it is, except for the words
// below, which name a behaviour.
type Fault string

// Behaviours.
const (
	Normal   Fault = "normal"    // as if nothing had been scripted
	Cut      Fault = "cut"       // close the connection, nothing done
	CutAfter Fault = "cut-after" // carry it out, then close the connection
	Slow     Fault = "slow"      // never answer
	Huge     Fault = "huge"      // a megabyte
	HTML     Fault = "html"      // a login page
	Empty    Fault = "empty"
	Wrong    Fault = "wrong" // good, with another address
	Error500 Fault = "500"
	Error401 Fault = "401"
	Redirect Fault = "redirect" // to another host
	Echo     Fault = "echo"     // the request's credentials, as some error pages do
)

// NewNoIP makes a No-IP whose account has these hosts.
func NewNoIP(user, password string, hosts ...string) *NoIP {
	s := &NoIP{User: user, Password: password, hosts: map[string]Record{}, nohosts: map[string]bool{}, changed: make(chan struct{})}
	for _, h := range hosts {
		s.hosts[h] = Record{}
	}
	return s
}

// Next scripts the answers to the next requests.
func (s *NoIP) Next(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults...)
}

// Forgive makes the account as good as new: support has lifted its block.
func (s *NoIP) Forgive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped, s.until, s.nohosts = "", time.Time{}, map[string]bool{}
}

// Add adds a host to the account.
func (s *NoIP) Add(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[host] = Record{}
	delete(s.nohosts, host)
}

// Ledger returns every request so far.
func (s *NoIP) Ledger() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ledger)
}

// Changed returns a channel that is closed at the next request.
func (s *NoIP) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Violations returns the requests that broke a rule.
func (s *NoIP) Violations() []Entry {
	return slices.DeleteFunc(s.Ledger(), func(e Entry) bool { return e.Violation == "" })
}

// Lookup is what DNS says of a name.
func (s *NoIP) Lookup(host string) (Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.hosts[host]
	return r, ok
}

// No-IP's two forms of the User-Agent: hardware and software.
var agentForm = regexp.MustCompile(`^\S+ \S+-\S+/\S+ [^@ ]+@[^@ ]+$`)

func (s *NoIP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	e := Entry{At: time.Now(), MyIP: q.Get("myip"), Agent: r.UserAgent()}
	if !q.Has("myip") {
		e.Source = s.source(r)
	}
	if q.Get("hostname") != "" {
		e.Hosts = strings.Split(q.Get("hostname"), ",")
	}
	fault := Normal
	if len(s.script) > 0 {
		fault, s.script = s.script[0], s.script[1:]
	}
	status := http.StatusOK
	e.Violation = s.violation(r)
	switch fault {
	case Normal, CutAfter:
		status, e.Answer = s.answer(r, e.Hosts, e.MyIP+e.Source)
	case Huge:
		e.Answer = strings.Repeat("good ", 1<<18)
	case HTML:
		e.Answer = "<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>goods and services</body></html>"
	case Wrong:
		e.Answer = "good 9.9.9.9"
	case Error500:
		status, e.Answer = http.StatusInternalServerError, "<h1>Internal Server Error</h1>"
	case Error401:
		status = http.StatusUnauthorized
		s.stopped = "badauth"
	case Redirect:
		w.Header().Set("Location", "http://portal.invalid/login")
		status = http.StatusFound
	case Echo:
		user, password, _ := r.BasicAuth()
		status, e.Answer = http.StatusBadRequest, fmt.Sprintf("bad request of %s:%s %s", user, password, r.Header.Get("Authorization"))
	case Empty, Cut, Slow:
	default:
		e.Answer = string(fault)
		s.note(e.Answer)
	}
	s.enter(e)
	switch fault {
	case Cut, CutAfter:
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
		return
	case Slow:
		s.mu.Unlock()
		<-r.Context().Done()
		s.mu.Lock()
		return
	default:
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	fmt.Fprint(w, e.Answer)
}

// source is what the document says of a request without myip: the address that
// the connection comes from is taken.
func (s *NoIP) source(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	switch {
	case s.NAT.IsValid():
		return s.NAT.String()
	case err != nil:
		return ""
	}
	return from.Addr().Unmap().String()
}

func (s *NoIP) enter(e Entry) {
	if len(e.Answer) > 200 {
		e.Answer = e.Answer[:200]
	}
	s.ledger = append(s.ledger, e)
	close(s.changed)
	s.changed = make(chan struct{})
	if s.OnEntry != nil {
		s.OnEntry(e)
	}
}

// violation finds the rule that a request breaks.
func (s *NoIP) violation(r *http.Request) string {
	q := r.URL.Query()
	for name := range q {
		if name != "hostname" && name != "myip" && name != "offline" {
			return "unknown parameter " + name
		}
	}
	switch {
	case r.Method != http.MethodGet:
		return "method " + r.Method
	case r.URL.Path != "/nic/update":
		return "path " + r.URL.Path
	case !agentForm.MatchString(r.UserAgent()):
		return fmt.Sprintf("user agent %q", r.UserAgent())
	case q.Get("hostname") == "":
		return "no hostname"
	case q.Has("myip") && q.Get("myip") == "":
		return "empty myip"
	case s.stopped != "":
		return "a request after " + s.stopped
	case time.Now().Before(s.until):
		return fmt.Sprintf("a request %s too early", time.Until(s.until))
	}
	for h := range strings.SplitSeq(q.Get("hostname"), ",") {
		if s.nohosts[h] {
			return "a request for " + h + " after nohost"
		}
	}
	return ""
}

// note remembers what an answer forbids.
func (s *NoIP) note(answer string) {
	for line := range strings.Lines(answer) {
		switch word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(line)), " "); word {
		case "911", "dnserr":
			s.until = time.Now().Add(30 * time.Minute)
		case "badauth", "abuse", "badagent", "!donator":
			s.stopped = word
		}
	}
}

// answer follows the document.
func (s *NoIP) answer(r *http.Request, hosts []string, myip string) (status int, body string) {
	if r.URL.Path != "/nic/update" {
		return http.StatusNotFound, "not found"
	}
	if user, password, ok := r.BasicAuth(); !ok || user != s.User || password != s.Password {
		s.stopped = "badauth"
		return http.StatusUnauthorized, "badauth\r\n"
	}
	if s.stopped != "" {
		return http.StatusOK, s.stopped + "\r\n"
	}
	var sent Record
	for a := range strings.SplitSeq(myip, ",") {
		if ip, err := netip.ParseAddr(a); err != nil {
			continue
		} else if ip.Is4() {
			sent.V4 = ip
		} else {
			sent.V6 = ip
		}
	}
	var lines []string
	for _, h := range hosts {
		lines = append(lines, s.update(h, sent)+" "+myip)
		if strings.HasPrefix(lines[len(lines)-1], "nohost") {
			lines[len(lines)-1] = "nohost"
			s.nohosts[h] = true
		}
	}
	return http.StatusOK, strings.Join(lines, "\r\n") + "\r\n"
}

func (s *NoIP) update(name string, sent Record) string {
	members, group := s.Groups[name]
	if !group {
		if _, ok := s.hosts[name]; !ok {
			return "nohost"
		}
		members = []string{name}
	}
	verdict := "nochg"
	for _, h := range members {
		r := s.hosts[h]
		before := r
		if sent.V4.IsValid() {
			r.V4 = sent.V4
		}
		if sent.V6.IsValid() {
			r.V6 = sent.V6
		}
		if r != before {
			verdict = "good"
		}
		s.hosts[h] = r
	}
	return verdict
}
