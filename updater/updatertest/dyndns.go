package updatertest

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// ban is what answers in the words of dyndns2 forbid from then on.
type ban struct {
	until   time.Time       // silence after 911
	stopped string          // the error that forbids further requests
	logins  map[string]bool // that are not to be used again, after badauth
	hosts   map[string]bool // that are not to be asked for again
}

// note remembers what an answer to a login forbids.
func (b *ban) note(answer, login string) {
	for line := range strings.Lines(answer) {
		switch word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(line)), " "); word {
		case "911", "dnserr":
			b.until = time.Now().Add(30 * time.Minute)
		case "badauth":
			if b.logins == nil {
				b.logins = map[string]bool{}
			}
			b.logins[login] = true
		case "abuse", "badagent", "!donator":
			b.stopped = word
		}
	}
}

// word is what a login is told from now on, or "".
func (b *ban) word(login string) string {
	if b.stopped == "" && b.logins[login] {
		return "badauth"
	}
	return b.stopped
}

func (b *ban) refuse(host string) {
	if b.hosts == nil {
		b.hosts = map[string]bool{}
	}
	b.hosts[host] = true
}

// forbids says why a request may not be made, or "".
func (b *ban) forbids(hosts []string, login string) string {
	if word := b.word(login); word != "" {
		return "a request after " + word
	}
	if time.Now().Before(b.until) {
		return fmt.Sprintf("a request %s too early", time.Until(b.until))
	}
	for _, h := range hosts {
		if b.hosts[h] {
			return "a request for " + h + " after nohost"
		}
	}
	return ""
}

// with sets the address of its family; an invalid one changes nothing.
func (r Record) with(a netip.Addr) Record {
	switch {
	case a.Is4():
		r.V4 = a
	case a.Is6():
		r.V6 = a
	}
	return r
}

// addrs are the addresses as dyndns2 writes them.
func (r Record) addrs() string { return r.join(r.V4.String(), r.V6.String()) }

func (r Record) types() string { return r.join("A", "AAAA") }

func (r Record) join(v4, v6 string) string {
	switch {
	case !r.V6.IsValid() && !r.V4.IsValid():
		return ""
	case !r.V6.IsValid():
		return v4
	case !r.V4.IsValid():
		return v6
	}
	return v4 + "," + v6
}

// parseAddr reads an address that can stand in a record.
func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err == nil && (a.Zone() != "" || a.Is4In6()) {
		err = fmt.Errorf("%s cannot stand in a record", s)
	}
	return a, err
}
