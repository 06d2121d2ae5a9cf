package providers

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"wandns/updater"
)

// No-IP's update protocol, as documented at noip.com/integrate (request,
// response) and developer.noip.com.

func noip() updater.Spec {
	return updater.Spec{
		Name:   "noip",
		Title:  "No-IP",
		URL:    "https://www.noip.com",
		Server: "https://dynupdate.no-ip.com",
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
		},
		Limits:    updater.Limits{HostsPerRequest: 20},
		CheckHost: checkNoIPHost,
		New: func(s updater.Settings) updater.Provider {
			return &noIP{s, s.Server + "/nic/update"}
		},
	}
}

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
	const complaint = "is neither a host name nor the name of a group"
	switch {
	case len(h) > 253:
		return complaint
	case strings.ContainsFunc(h, func(r rune) bool { return r > unicode.MaxASCII }):
		return complaint + "; write other letters in their xn-- form"
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			return complaint
		}
	}
	return ""
}

type noIP struct {
	updater.Settings
	url string
}

var _ updater.Provider = (*noIP)(nil)

// Update publishes for all names with one request.
func (n *noIP) Update(ctx context.Context, req updater.Request) ([]updater.Result, error) {
	q := url.Values{"hostname": {strings.Join(req.Hosts, ",")}, "myip": {req.Addrs(",")}}
	// Both are legal in a query (RFC 3986, section 3.4), and No-IP's own
	// examples leave commas as they are.
	raw := n.url + "?" + strings.NewReplacer("%2C", ",", "%3A", ":").Replace(q.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, raw, nil)
	if err != nil {
		return nil, &updater.Fault{Kind: updater.Blocked, Detail: "the address of the server cannot be used", Next: "correct server"}
	}
	r.SetBasicAuth(n.Values["username"], n.Values["password"])
	r.Header.Set("User-Agent", agent(n.Agent))
	answer, err := n.Client.Do(r)
	if err != nil {
		return nil, err
	}
	return readNoIP(req, answer)
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
		return updater.Fault{Kind: updater.Blocked, Detail: title + " does not accept the user name and password (badauth)", Next: "correct username and password"}, true
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
		return updater.Fault{Kind: updater.Throttled, RetryAfter: d, Detail: fmt.Sprintf("%s asks to be left alone for %s (%s)", title, d, word)}, true
	}
	return updater.Fault{}, false
}

// readNoIP reads an answer: one line per name in the request's order, of
// which the first word counts. The body decides before the status, which
// services of this kind set as they please; only a success that does not name
// the address needs both.
func readNoIP(req updater.Request, a updater.Answer) ([]updater.Result, error) {
	var lines []string
	for line := range strings.Lines(a.Body) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	understood := false
	var results []updater.Result
	for i, host := range req.Hosts {
		line := ""
		if i < len(lines) {
			line = lines[i]
		} else if len(lines) > 0 {
			if last := lines[len(lines)-1]; saidForAll(last) {
				line = last
			}
		}
		r := readNoIPLine(req, a, host, line)
		understood = understood || r.V4.IsValid() || r.V6.IsValid() || r.Fault != nil
		results = append(results, r)
	}
	if !understood {
		return nil, unknownAnswer("No-IP", a)
	}
	return results, nil
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

// confirmed compares the addresses of a success with those sent. A success
// without an address confirms all of them if the status agrees.
func confirmed(req updater.Request, host, line, quoted string, ok bool) (v4, v6 netip.Addr, f *updater.Fault) {
	var said []netip.Addr
	for _, word := range strings.Fields(strings.ReplaceAll(line, ",", " "))[1:] {
		if a, err := netip.ParseAddr(word); err == nil {
			said = append(said, a.Unmap())
		}
	}
	if len(said) == 0 {
		if !ok {
			return netip.Addr{}, netip.Addr{}, nil
		}
		return req.V4, req.V6, nil
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
	if said[0] == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		return v4, v6, &updater.Fault{
			Kind: updater.Blocked, Next: "ask No-IP's support why",
			Detail: fmt.Sprintf("No-IP ignored the update of %s (%q), which means that it shuts out this program", host, quoted),
		}
	}
	return v4, v6, &updater.Fault{
		Kind:   updater.Unconfirmed,
		Detail: fmt.Sprintf("No-IP answered %q for %s, but %s was sent", quoted, host, req.Addrs(",")),
	}
}

// unknownAnswer is the fault for an answer that follows no rule.
func unknownAnswer(title string, a updater.Answer) *updater.Fault {
	quoted := a.Excerpt(a.Body)
	switch {
	case a.Status == http.StatusUnauthorized:
		return &updater.Fault{Kind: updater.Blocked, Detail: title + " does not accept the user name and password (HTTP 401)", Next: "correct username and password"}
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
