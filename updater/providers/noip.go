package providers

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"wandns/updater"
	"wandns/updater/http1"
)

// No-IP's update protocol, as documented at noip.com/integrate (request,
// response) and developer.noip.com.

const (
	noIPServer = "https://dynupdate.no-ip.com"
	noIPHosts  = 20 // in a request
)

func noip() *updater.Spec {
	return &updater.Spec{
		Name:   "noip",
		Title:  "No-IP",
		URL:    "https://www.noip.com",
		Server: noIPServer,
		Fields: []updater.Field{
			{
				Name: "username", Required: true, Identity: true, Check: checkBasicUser,
				Help:    "account's e-mail address, a group's name, or a DDNS key's user",
				Example: "user@example.com",
			},
			{
				Name: "password", Required: true, Secret: true, Check: checkBasicText,
				Help: "password of the account, group or DDNS key", Example: "secret",
			},
			{
				Name: "myipv6", Check: oneOf("true", "false"), Example: "true",
				Help: "choice to send the IPv6 address as a parameter of its own beside the IPv4 one; false if left out",
			},
		},
		Limits:      updater.Limits{HostsPerRequest: noIPHosts},
		TakesSource: true,
		CheckHost:   checkNoIPHost,
		NotInDNS:    func(host string) bool { return strings.EqualFold(host, noIPAll) },
		New:         newNoIP,
	}
}

// noIPAll stands for all hosts of a DDNS key.
const noIPAll = "all.ddnskey.com"

// checkBasicUser knows RFC 7617: a colon would end the user name.
func checkBasicUser(v string) string {
	if strings.Contains(v, ":") {
		return "must not contain a colon"
	}
	return checkBasicText(v)
}

func checkBasicText(v string) string {
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "must not contain control characters"
	}
	return ""
}

// checkNoIPHost accepts names of hosts and of groups: what cannot be either
// would only be taken apart at the comma or refused.
func checkNoIPHost(h string) string {
	return checkName(h, "is neither a host name nor the name of a group")
}

type noIP struct{ wire }

// noIPItself is No-IP at its own server, beside which there is another that
// tells addresses.
type noIPItself struct{ *noIP }

var (
	_ updater.Presence      = (*noIP)(nil)
	_ updater.AddressProber = noIPItself{}
)

func newNoIP(s updater.Settings) updater.Provider {
	n := &noIP{wire{Settings: s, title: "No-IP", sign: func(r *http1.Request) {
		r.SetBasicAuth(s.Values["username"], s.Values["password"])
	}}}
	if s.Server == noIPServer || s.Server == "" {
		return noIPItself{n}
	}
	return n
}

// Update publishes for all names with one request. Without any address No-IP
// takes that of the connection. An IPv6 address on its own goes into myip
// whatever myipv6 says: that of the connection is an IPv4 one.
func (n *noIP) Update(ctx context.Context, req updater.Request) ([]updater.Result, error) {
	q := url.Values{}
	switch {
	case req.From != "":
	case n.Values["myipv6"] == "true" && req.V4.IsValid() && req.V6.IsValid():
		q = url.Values{"myip": {req.V4.String()}, "myipv6": {req.V6.String()}}
	default:
		q.Set("myip", req.Addrs(","))
	}
	r, err := n.update(ctx, req.Hosts, q)
	if err != nil {
		return nil, err
	}
	return readNoIP(req, r.Answer)
}

func (n *noIP) update(ctx context.Context, hosts []string, q url.Values) (reply, error) {
	q.Set("hostname", strings.Join(hosts, ","))
	// Both are legal in a query (RFC 3986, section 3.4), and No-IP's own
	// examples leave commas as they are.
	return n.ask(ctx, http1.MethodGet, "/nic/update?"+strings.NewReplacer("%2C", ",", "%3A", ":").Replace(q.Encode()), nil)
}

// Offline makes names show what their owner chose for that at No-IP. Any
// update ends it.
func (n *noIP) Offline(ctx context.Context, hosts []string) (string, error) {
	return presence(hosts, func(some []string) ([]updater.Result, error) {
		r, err := n.update(ctx, some, url.Values{"offline": {"YES"}})
		if err != nil {
			return nil, err
		}
		return readNoIPPresence(some, r.Answer)
	})
}

// Online is an update like any other.
func (n *noIP) Online(ctx context.Context, req updater.Request) (string, error) {
	return presence(req.Hosts, func(some []string) ([]updater.Result, error) {
		if req.V4.IsValid() || req.V6.IsValid() {
			req.Hosts = some
			results, err := n.Update(ctx, req)
			for i, r := range results {
				if r.Fault == nil && (r.V4 != req.V4 || r.V6 != req.V6) {
					results[i].Fault = unsure(r)
				}
			}
			return results, err
		}
		r, err := n.update(ctx, some, url.Values{})
		if err != nil {
			return nil, err
		}
		return readNoIPPresence(some, r.Answer)
	})
}

// presence asks for as many names at a time as No-IP takes, and tells what it
// said of each; the first fault is the error.
func presence(hosts []string, ask func([]string) ([]updater.Result, error)) (string, error) {
	var said []string
	var fault error
	for some := range slices.Chunk(hosts, noIPHosts) {
		results, err := ask(some)
		for _, r := range results {
			if r.Answer != "" {
				said = append(said, r.Host+": "+r.Answer)
			}
			if r.Fault != nil && fault == nil {
				fault = r.Fault
			}
		}
		if err != nil {
			return strings.Join(said, "\n"), cmp.Or(fault, err)
		}
	}
	return strings.Join(said, "\n"), fault
}

// MyIP asks No-IP's detection service, which knows no names and no passwords.
func (n noIPItself) MyIP(ctx context.Context) (netip.Addr, error) {
	w := n.wire
	w.sign, w.Server = nil, "http://ip1.dynupdate.no-ip.com"
	if updater.WayOf(ctx).Only == updater.OnlyIPv6 {
		w.Server = "http://ip1.dynupdate6.no-ip.com"
	}
	r, err := w.ask(ctx, http1.MethodGet, "/", nil)
	if err != nil {
		return netip.Addr{}, err
	}
	return w.seen(ctx, r.Body, r)
}

// agent is No-IP's form for devices:
// "Company DeviceName-Model/FirmwareVersionNumber contact".
func agent(a updater.Agent) string {
	return fmt.Sprintf("wandns Router-%s/%s %s", a.Model, a.Version, a.Contact)
}

func noIPVerdict(word string) (f updater.Fault, account bool) { return verdict("No-IP", word) }

// verdict is what an answer other than success means in the dyndns2 protocol,
// by its first word in lower case; a zero Kind for a word that it does not
// have. An error of the account may be said once for all names.
func verdict(title, word string) (f updater.Fault, account bool) {
	const half = 30 * time.Minute
	switch word {
	case "badauth":
		return updater.Fault{Kind: updater.Blocked, Login: true, Detail: title + " does not accept the user name and password (badauth)", Next: "correct username and password"}, true
	case "badagent":
		return updater.Fault{Kind: updater.Blocked, Detail: title + " has shut out this program (badagent)", Next: "look for a newer wandns"}, true
	case "!donator":
		return updater.Fault{Kind: updater.Blocked, Detail: title + " says that a feature in use is not part of this account's plan (!donator)", Next: "upgrade the account or remove the feature"}, true
	case "abuse":
		return updater.Fault{Kind: updater.Blocked, Detail: title + " has blocked this user name (abuse)", Next: "ask " + title + "'s support to lift it"}, true
	case "badsys":
		return updater.Fault{Kind: updater.Blocked, Detail: title + " does not accept what this program asks (badsys)", Next: "look for a newer wandns"}, true
	case "servererror":
		return updater.Fault{Kind: updater.Transient, Detail: title + " has a fault of its own (servererror)"}, true
	case "911":
		return updater.Fault{Kind: updater.Throttled, RetryAfter: half, Detail: title + " has a fault of its own (911) and asks for 30 minutes of silence"}, true
	case "dnserr":
		return updater.Fault{Kind: updater.Throttled, RetryAfter: half, Detail: title + "'s name servers have a fault (dnserr) and need 30 minutes of silence"}, true
	case "nohost":
		return updater.Fault{Kind: updater.Refused, Detail: "is not a host or group of this " + title + " account (nohost)", Next: "correct hostnames or add it at " + title}, false
	case "notfqdn", "numhost", "!yours", "!active", "badrequest":
		return updater.Fault{Kind: updater.Refused, Detail: "is not accepted by " + title + " (" + word + ")", Next: "correct hostnames"}, false
	}
	if d, err := time.ParseDuration(strings.TrimPrefix(word, "w")); err == nil && d > 0 && word[0] == 'w' {
		return updater.Fault{Kind: updater.Throttled, RetryAfter: d, Detail: fmt.Sprintf("%s asks to be left alone for %s", title, d)}, true
	}
	return updater.Fault{}, false
}

// readNoIP reads an answer: one line per name in the request's order, of
// which the first word counts. The body decides before the status, which
// services of this kind set as they please; only a success that does not name
// the address needs both.
func readNoIP(req updater.Request, a updater.Answer) ([]updater.Result, error) {
	understood := false
	var results []updater.Result
	for i, line := range noIPLines(a.Body, len(req.Hosts)) {
		r := readNoIPLine(req, a, req.Hosts[i], line)
		understood = understood || r.V4.IsValid() || r.V6.IsValid() || r.Fault != nil
		results = append(results, r)
	}
	if !understood {
		return nil, unknownAnswer("No-IP", a)
	}
	// What puts an end to everything does so on a line for which there is no
	// name, too.
	lines := saidLines(a.Body)
	for _, line := range lines[min(len(req.Hosts), len(lines)):] {
		if f, _ := noIPVerdict(firstWord(line)); f.Kind == updater.Blocked {
			results[len(results)-1].Fault = &f
			break
		}
	}
	return results, nil
}

// saidLines returns the lines of an answer that say something.
func saidLines(body string) (lines []string) {
	for line := range strings.Lines(body) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// noIPLines returns the line for each of n names. What concerns the account may
// be said once, for all that are left.
func noIPLines(body string, n int) []string {
	lines := saidLines(body)
	lines = lines[:min(n, len(lines))]
	rest := ""
	if len(lines) > 0 && saidForAll(lines[len(lines)-1]) {
		rest = lines[len(lines)-1]
	}
	for len(lines) < n {
		lines = append(lines, rest)
	}
	return lines
}

// readNoIPPresence reads the answer to a request that names no address.
func readNoIPPresence(hosts []string, a updater.Answer) ([]updater.Result, error) {
	understood := false
	var results []updater.Result
	for i, line := range noIPLines(a.Body, len(hosts)) {
		r := updater.Result{Host: hosts[i], Answer: a.Excerpt(line)}
		word := firstWord(line)
		f, _ := noIPVerdict(word)
		switch {
		case word == "!donator":
			f = updater.Fault{
				Kind: updater.Refused, Next: "upgrade the account, or do without",
				Detail: hosts[i] + " stays as it is: only Enhanced and No-IP Plus accounts can be offline (!donator)",
			}
		case f.Kind == updater.Refused:
			f.Detail = hosts[i] + " " + f.Detail
		case f.Kind == 0 && (word != "good" && word != "nochg" || a.Status/100 != 2 || strings.Contains(line, "127.0.0.1")):
			f = *unsure(r)
		default:
		}
		understood = understood || f.Kind != updater.Unconfirmed
		if f.Kind != 0 {
			r.Fault = &f
		}
		results = append(results, r)
	}
	if !understood {
		return nil, unknownAnswer("No-IP", a)
	}
	return results, nil
}

func unsure(r updater.Result) *updater.Fault {
	return &updater.Fault{Kind: updater.Unconfirmed, Detail: fmt.Sprintf("No-IP did not confirm what was asked for %s (it said %q)", r.Host, r.Answer)}
}

func saidForAll(line string) bool {
	_, account := noIPVerdict(firstWord(line))
	return account
}

func firstWord(line string) string {
	words := strings.Fields(strings.TrimPrefix(line, "\ufeff"))
	if len(words) == 0 {
		return ""
	}
	return strings.TrimRight(strings.ToLower(words[0]), ".:;,")
}

// readNoIPLine reads the answer for one name. A line that says nothing known
// leaves the result without address and without fault: unconfirmed.
func readNoIPLine(req updater.Request, a updater.Answer, host, line string) updater.Result {
	r := updater.Result{Host: host, Answer: a.Excerpt(line)}
	switch word := firstWord(line); word {
	case "good", "nochg":
		r.V4, r.V6, r.Fault = confirmed(req, host, line, r.Answer, a.Status/100 == 2)
	default:
		if f, _ := noIPVerdict(word); f.Kind != 0 {
			if f.Kind == updater.Refused {
				f.Detail = host + " " + f.Detail
			}
			r.Fault = &f
		}
	}
	return r
}

// confirmed compares the addresses of a success with those sent, if No-IP was
// to be told any. A success without an address confirms all of these if the
// status agrees.
func confirmed(req updater.Request, host, line, quoted string, ok bool) (v4, v6 netip.Addr, f *updater.Fault) {
	var said []netip.Addr
	for _, word := range strings.Fields(strings.ReplaceAll(line, ",", " "))[1:] {
		if a, err := netip.ParseAddr(word); err == nil {
			said = append(said, a.Unmap())
		}
	}
	if len(said) == 0 {
		if !ok || req.From != "" {
			return netip.Addr{}, netip.Addr{}, nil
		}
		return req.V4, req.V6, nil
	}
	if said[0] == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		return v4, v6, &updater.Fault{
			Kind: updater.Blocked, Next: "ask No-IP's support why",
			Detail: fmt.Sprintf("No-IP ignored the update of %s (%q), which means that it shuts out this program", host, quoted),
		}
	}
	sent := req.Addrs(",")
	if req.From != "" && said[0].Is4() == req.V4.IsValid() {
		req.V4, req.V6 = netip.Addr{}, netip.Addr{}
		if said[0].Is4() {
			req.V4 = said[0]
		} else {
			req.V6 = said[0]
		}
	}
	for _, a := range said {
		switch a {
		case req.V4:
			v4 = a
		case req.V6:
			v6 = a
		}
	}
	if v4 == req.V4 && v6 == req.V6 {
		return v4, v6, nil
	}
	return v4, v6, &updater.Fault{
		Kind:   updater.Unconfirmed,
		Detail: fmt.Sprintf("No-IP answered %q for %s, but %s was sent", quoted, host, sent),
	}
}

// unknownAnswer is the fault for an answer that follows no rule.
func unknownAnswer(title string, a updater.Answer) *updater.Fault {
	quoted := a.Excerpt(a.Body)
	switch {
	case a.Status == http1.StatusUnauthorized:
		return &updater.Fault{Kind: updater.Blocked, Login: true, Detail: title + " does not accept the user name and password (HTTP 401)", Next: "correct username and password"}
	case a.RetryAfter > 0:
		return &updater.Fault{Kind: updater.Throttled, RetryAfter: a.RetryAfter, Detail: fmt.Sprintf("%s asks to be left alone for %s (HTTP %d)", title, a.RetryAfter.Round(time.Second), a.Status)}
	case a.Status/100 != 2 && quoted == "":
		return &updater.Fault{Kind: updater.Transient, Detail: fmt.Sprintf("%s answered with HTTP status %d and nothing else", title, a.Status)}
	case a.Status/100 != 2:
		return &updater.Fault{Kind: updater.Transient, Detail: fmt.Sprintf("%s answered with HTTP status %d and %q", title, a.Status, quoted)}
	case quoted == "":
		return &updater.Fault{Kind: updater.Unconfirmed, Detail: title + " sent an empty answer"}
	}
	return &updater.Fault{Kind: updater.Unconfirmed, Detail: fmt.Sprintf("%s sent an answer that is none of its own: %q", title, quoted), Next: "check whether the network has a login page"}
}
