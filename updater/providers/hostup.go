package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"wandns/updater"
	"wandns/updater/http1"
	"wandns/wan"
)

// HostUp has an update URL, which wants a token, and an API for its tokens:
// each serves one name and one family. The API is documented at
// developer.hostup.se; the URL is only known from public scripts, so it is a
// setting.

const (
	hostUpServer = "https://cloud.hostup.se"
	hostUpUpdate = hostUpServer + "/api/dyndns/update?hostname={host}&token={token}&ip={ip}"
)

func hostup() *updater.Spec {
	return &updater.Spec{
		Name:   "hostup",
		Title:  "HostUp",
		URL:    "https://hostup.se",
		Server: hostUpServer,
		Fields: []updater.Field{
			{
				Name: "token4", Secret: true, Identity: true, Check: checkToken,
				Help: "token of the name's A configuration; without api_key", Example: "0123456789abcdef",
			},
			{
				Name: "token6", Secret: true, Identity: true, Check: checkToken,
				Help: "token of the name's AAAA configuration; without api_key", Example: "0123456789abcdef",
			},
			{
				Name: "api_key", Secret: true, Check: checkToken,
				Help: "API key with the scopes read:domains and write:domains, in place of tokens", Example: "secret",
			},
			{
				Name: "domain", Identity: true, Check: checkFQDN,
				Help: "domain at HostUp that holds the names; with api_key", Example: "example.com",
			},
			{
				Name: "update_url", Target: true, Check: checkUpdateURL,
				Help: "update URL with {host}, {token} and {ip} in their places; server replaces its scheme and host", Example: hostUpUpdate,
			},
		},
		Limits:      updater.Limits{HostsPerRequest: 1, OneFamily: true},
		FamiliesOf:  hostUpFamilies,
		CheckHost:   checkFQDN,
		CheckValues: checkHostUp,
		New:         newHostUp,
	}
}

// hostUpFamilies are those that there are tokens for.
func hostUpFamilies(values map[string]string) [2]bool {
	v4, v6 := values["token4"] != "", values["token6"] != ""
	none := !v4 && !v6 // with api_key they are found or made
	return [2]bool{v4 || none, v6 || none}
}

func checkToken(v string) string {
	if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "must not contain spaces or special characters"
	}
	return ""
}

func checkUpdateURL(v string) string {
	for _, part := range []string{"{token}", "{ip}"} {
		if !strings.Contains(v, part) {
			return "lacks " + part + ", in place of which it is sent"
		}
	}
	u, err := url.Parse(fill(v, "host", netip.IPv6Unspecified(), "token"))
	if err != nil || u.Host == "" || checkToken(v) != "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || strings.Contains(originOf(v), "{") {
		return "is not a URL such as " + hostUpUpdate
	}
	if !updater.IsASCII(u.Host) {
		return updater.ForeignHost
	}
	return ""
}

// fill writes an update URL.
func fill(template, host string, addr netip.Addr, token string) string {
	return strings.NewReplacer("{host}", url.QueryEscape(host), "{token}", url.QueryEscape(token), "{ip}", url.QueryEscape(addr.String())).Replace(template)
}

// originOf returns the scheme and authority of a URL.
func originOf(s string) string {
	start := strings.Index(s, "://") + len("://")
	if end := strings.IndexAny(s[start:], "/?#"); end >= 0 {
		return s[:start+end]
	}
	return s
}

// checkHostUp finds exactly one of the two ways complete.
func checkHostUp(values map[string]string, hosts []string) (key, why string) {
	token := ""
	for _, name := range []string{"token4", "token6"} {
		if token == "" && values[name] != "" {
			token = name
		}
	}
	domain := values["domain"]
	switch {
	case token != "" && values["api_key"] != "":
		return token, "and api_key are two ways to the same; keep one of them"
	case token != "" && domain != "":
		return "domain", "is for api_key, not for tokens; remove it"
	case token != "" && len(hosts) > 1:
		return token, "is for one name only; make a service for each, or use api_key and domain"
	case token != "":
		return "", ""
	case values["api_key"] == "" && domain == "":
		return "token4", "is missing; give token4 or token6 for one name, or api_key and domain for any number"
	case values["api_key"] == "":
		return "api_key", "is missing; domain needs it"
	case domain == "":
		return "domain", "is missing; it is the domain at HostUp that holds the names"
	}
	for _, h := range hosts {
		if !under(h, domain) {
			return "hostnames", fmt.Sprintf("%q is neither %s nor below it", h, domain)
		}
	}
	return "", ""
}

func under(host, domain string) bool {
	host, domain = strings.ToLower(host), strings.ToLower(domain)
	return host == domain || strings.HasSuffix(host, "."+domain)
}

type hostUp struct {
	hostUpAPI
	public wire   // the update URL's
	url    string // template
}

var (
	_ updater.Reader    = (*hostUp)(nil)
	_ updater.Keys      = (*hostUp)(nil)
	_ updater.KeySwitch = (*hostUp)(nil)
)

func newHostUp(s updater.Settings) updater.Provider {
	template := cmp.Or(s.Values["update_url"], hostUpUpdate)
	if s.Server != hostUpServer {
		template = s.Server + strings.TrimPrefix(template, originOf(template))
	}
	public := s
	public.Server = "" // the template has it
	api := wire{
		Settings: s, title: "HostUp", accept: "application/json", mute: true, login: "check api_key, its scopes read:domains and write:domains, and domain",
		sign: func(r *http1.Request) { r.Header.Set("Authorization", "Bearer "+s.Values["api_key"]) },
	}
	return &hostUp{hostUpAPI{api, s.Values["domain"]}, wire{Settings: public, title: "HostUp"}, template}
}

// Update sends one request per name and family. What it learns on the way is
// in the Results, also of those that fail.
func (h *hostUp) Update(ctx context.Context, req updater.Request) ([]updater.Result, error) {
	var results []updater.Result
	for _, host := range req.Hosts {
		r := updater.Result{Host: host, Unchanged: true}
		for _, f := range wan.Families() {
			if !req.Addr(f).IsValid() || r.Fault != nil {
				continue
			}
			err := h.publish(ctx, req, &r, f)
			if fault, known := errors.AsType[*updater.Fault](err); known {
				r.Fault, r.Unchanged = fault, false
			} else if err != nil {
				return nil, err
			}
		}
		if r.Fault != nil && !ofName(r.Fault) { // it concerns the other names too
			if len(results) == 0 && r.Tokens == nil && !r.V4.IsValid() {
				return nil, r.Fault
			}
			return append(results, r), nil
		}
		results = append(results, r)
	}
	return results, nil
}

func tokenField(f wan.Family) string {
	return [...]string{wan.IPv4: "token4", wan.IPv6: "token6"}[f]
}

// publish brings one name to one address. A kept token that is refused may
// have been replaced at HostUp, so another is looked for, once.
func (h *hostUp) publish(ctx context.Context, req updater.Request, r *updater.Result, f wan.Family) error {
	if h.Values["api_key"] == "" {
		token := h.Values[tokenField(f)]
		if token == "" {
			return refuse("give "+tokenField(f)+", or set family", "there is no token for the %s record of %s", f.RecordType(), r.Host)
		}
		_, err := h.send(ctx, r, f, req.Addr(f), token)
		return err
	}
	name := r.Host + " " + f.RecordType()
	keep := func(token string) {
		if r.Tokens == nil {
			r.Tokens = map[string]string{}
		}
		r.Tokens[name] = token
	}
	kept := req.Tokens[name]
	var refusal error
	if kept != "" {
		refused, err := h.send(ctx, r, f, req.Addr(f), kept)
		if !refused {
			return err
		}
		keep("")
		refusal = err
	}
	api := h.hostUpAPI
	api.secrets = slices.Collect(maps.Values(req.Tokens))
	token, err := api.token(ctx, r.Host, f.RecordType())
	if err != nil {
		return err
	}
	if token == kept {
		return refusal
	}
	keep(token)
	refused, err := h.send(ctx, r, f, req.Addr(f), token)
	if refused {
		keep("")
	}
	return err
}

// send asks the update URL, and reports whether it does not accept the token.
func (h *hostUp) send(ctx context.Context, r *updater.Result, f wan.Family, addr netip.Addr, token string) (refused bool, err error) {
	w := h.public
	w.secrets, w.login = []string{token}, "wandns key SERVICE list shows what HostUp has"
	if h.Values["api_key"] == "" {
		w.login = "correct " + tokenField(f)
	}
	a, err := w.ask(ctx, http1.MethodGet, fill(h.url, r.Host, addr, token), nil)
	if err != nil {
		return false, err
	}
	v := readHostUp(w, r.Host, addr, a)
	r.Answer = v.answer
	if v.fault != nil {
		return v.refused, v.fault
	}
	r.Unchanged = r.Unchanged && v.unchanged
	if f == wan.IPv4 {
		r.V4 = addr
	} else {
		r.V6 = addr
	}
	return false, nil
}

// updated is what the update URL's answer means.
type updated struct {
	answer    string
	unchanged bool
	refused   bool // the token is not accepted
	fault     *updater.Fault
}

// readHostUp reads the answer: a line as in the dyndns2 protocol, or a problem.
func readHostUp(w wire, host string, addr netip.Addr, a reply) updated {
	line, _, _ := strings.Cut(strings.TrimSpace(a.Body), "\n")
	word := firstWord(line)
	outcome := fmt.Sprintf("the %s record of %s was not updated", wan.Of(addr).RecordType(), host)
	u := updated{answer: a.words()}
	f, _ := verdict(w.title, word)
	switch {
	case word == "good" || word == "nochg":
		u.unchanged = word == "nochg"
		u.fault = confirmHostUp(w, outcome, addr, line, a)
		return u
	case word == "badauth", f.Kind == 0 && a.Status == http1.StatusUnauthorized:
		f = updater.Fault{Kind: updater.Blocked, Login: true, Detail: fmt.Sprintf("%s: %s does not accept its token", outcome, w.title), Next: w.login}
		u.refused = true
	case f.Kind == updater.Refused:
		f.Detail = fmt.Sprintf("%s: %s does not accept the name (%s)", outcome, w.title, word)
		u.refused = true
	case f.Kind != 0:
	default:
		f = *hostUpProblem(w, outcome, a)
		if a.Status == http1.StatusNotFound || a.Status == http1.StatusGone {
			f.Kind, f.Next = updater.Suspect, "look in HostUp's panel for the update URL and set update_url"
		}
		u.refused = a.JSON != nil && (f.Kind == updater.Blocked || ofName(&f))
	}
	u.fault = &f
	return u
}

// confirmHostUp compares the address of a success with the one that was sent. A
// success without an address needs the status to agree.
func confirmHostUp(w wire, outcome string, addr netip.Addr, line string, a reply) *updater.Fault {
	for word := range strings.FieldsSeq(strings.ReplaceAll(line, ",", " ")) {
		said, err := netip.ParseAddr(word)
		switch {
		case err != nil:
			continue
		case said.Unmap() == addr:
			return nil
		case said.IsLoopback():
			return &updater.Fault{Kind: updater.Blocked, Detail: fmt.Sprintf("%s: %s ignored it (%q), which means that it shuts out this program", outcome, w.title, a.Excerpt(line)), Next: "ask " + w.title + "'s support why"}
		}
		return &updater.Fault{Kind: updater.Unconfirmed, Detail: fmt.Sprintf("%s to %s: %s answered %q", outcome, addr, w.title, a.Excerpt(line))}
	}
	if a.Status/100 != 2 {
		return w.fault(outcome, a.Status, a)
	}
	return nil
}
