package updatertest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Question is a request in the ledger of an Outside.
type Question struct {
	At        time.Time
	From      string // the connection's other end
	Answer    string
	Violation string // what nobody may tell a stranger, if it was
}

// Outside is a service that tells everybody which address he has: what the test
// says. Next scripts faults; of a text that names none the text is the answer.
type Outside struct {
	mu     sync.Mutex
	says   string
	script []Fault
	ledger []Question
}

// Private is the answer of a service on the wrong side of the NAT.
const Private Fault = "192.168.1.1\n"

// NewOutside makes a service that answers with a text.
func NewOutside(says string) *Outside { return &Outside{says: says} }

// Says changes the answer.
func (s *Outside) Says(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.says = text
}

// Next scripts the answers to the next requests.
func (s *Outside) Next(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults...)
}

// Ledger returns every request so far.
func (s *Outside) Ledger() []Question {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ledger)
}

// Violations returns the requests that told too much.
func (s *Outside) Violations() []Question {
	return slices.DeleteFunc(s.Ledger(), func(q Question) bool { return q.Violation == "" })
}

func (s *Outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault, q := s.ask(r)
	switch fault {
	case Cut, CutAfter:
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
		return
	case Slow:
		<-r.Context().Done()
		return
	case Error500:
		w.WriteHeader(http.StatusInternalServerError)
	case Error401:
		w.WriteHeader(http.StatusUnauthorized)
	case Redirect:
		w.Header().Set("Location", "http://portal.invalid/login")
		w.WriteHeader(http.StatusFound)
	default:
	}
	fmt.Fprint(w, q.Answer)
}

// ask notes a request and what becomes of it.
func (s *Outside) ask(r *http.Request) (Fault, Question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := Normal
	if len(s.script) > 0 {
		fault, s.script = s.script[0], s.script[1:]
	}
	q := Question{At: time.Now(), From: r.RemoteAddr, Answer: s.says}
	switch fault {
	case Normal, CutAfter, Error500, Error401, Redirect:
	case Huge:
		q.Answer = strings.Repeat(s.says+" ", 1<<17)
	case HTML:
		q.Answer = "<!DOCTYPE html>\n<title>Log in</title><form action=\"http://1.1.1.1/\"><input name=\"password\"></form> You are 9.9.9.9"
	case Wrong:
		q.Answer = "9.9.9.9\n"
	case Empty, Cut, Slow:
		q.Answer = ""
	default:
		q.Answer = string(fault)
	}
	for _, name := range []string{"Authorization", "Cookie", "From", "Referer"} {
		if r.Header.Get(name) != "" {
			q.Violation = "header " + name
		}
	}
	if r.Method != http.MethodGet || r.ContentLength > 0 {
		q.Violation = "method " + r.Method
	}
	entry := q
	entry.Answer = entry.Answer[:min(len(entry.Answer), 200)]
	s.ledger = append(s.ledger, entry)
	return fault, q
}
