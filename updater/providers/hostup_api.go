package providers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"wandns/updater"
	"wandns/updater/http1"
)

// hostUpAPI is version 2 of HostUp's API for the tokens of one domain. Its
// answers hold tokens, so nothing of them is quoted but messages.
type hostUpAPI struct {
	wire
	domain string
}

// token finds the token of a name and record type, or has one made.
func (h hostUpAPI) token(ctx context.Context, host, recordType string) (string, error) {
	k, err := h.CreateKey(ctx, host, recordType)
	switch {
	case err != nil:
		return "", err
	case !k.Enabled:
		return "", refuse("wandns key SERVICE enable "+k.ID+" ends that", "the %s token of %s is disabled at HostUp", k.Type, k.Host)
	case k.Secret == "":
		return "", &updater.Fault{Kind: updater.Blocked, Login: true, Detail: fmt.Sprintf("HostUp does not show the %s token of %s to this API key", k.Type, k.Host), Next: "give the key the scope write:domains"}
	}
	return k.Secret, nil
}

// Published tells the addresses that were last set with the keys.
func (h hostUpAPI) Published(ctx context.Context, hosts []string) ([]updater.Published, error) {
	keys, err := h.Keys(ctx)
	if err != nil {
		return nil, err
	}
	var list []updater.Published
	for _, host := range hosts {
		p := updater.Published{Host: host}
		for _, k := range keys {
			a := parseAddr(k.Address)
			switch {
			case !strings.EqualFold(k.Host, host) || !a.IsValid():
			case k.Type == "A" && a.Is4():
				p.V4 = a
			case k.Type == "AAAA" && a.Is6():
				p.V6 = a
			}
		}
		if p.V4.IsValid() || p.V6.IsValid() {
			list = append(list, p)
		}
	}
	return list, nil
}

// Keys lists the domain's keys.
func (h hostUpAPI) Keys(ctx context.Context) ([]updater.Key, error) {
	_, keys, err := h.list(ctx)
	return keys, err
}

// CreateKey makes a key, unless there is one for the same name and type:
// HostUp does not say what it would make of two. An empty type is A.
func (h hostUpAPI) CreateKey(ctx context.Context, host, recordType string) (updater.Key, error) {
	if recordType == "" {
		recordType = "A"
	}
	switch {
	case h.domain != "" && !under(host, h.domain):
		return updater.Key{}, refuse("correct the name", "%s is neither %s nor below it", host, h.domain)
	case recordType != "A" && recordType != "AAAA":
		return updater.Key{}, refuse("choose A or AAAA", "HostUp has no keys for %q records", recordType)
	}
	path, keys, err := h.list(ctx)
	if err != nil {
		return updater.Key{}, err
	}
	same := func(k updater.Key) bool { return strings.EqualFold(k.Host, host) && k.Type == recordType }
	if i := slices.IndexFunc(keys, same); i >= 0 {
		return keys[i], nil
	}
	outcome := fmt.Sprintf("no %s token was made for %s", recordType, host)
	r, err := h.call(ctx, outcome, http1.MethodPost, path, map[string]string{"hostname": host, "recordType": recordType})
	if err != nil {
		return updater.Key{}, err
	}
	k, ok := keyOf(r, r.JSON)
	if !ok || !same(k) {
		return updater.Key{}, h.fault(outcome, r.Status, r)
	}
	return k, nil
}

// EnableKey lets a key be used, or not; its token stays.
func (h hostUpAPI) EnableKey(ctx context.Context, id string, enabled bool) (updater.Key, error) {
	outcome := "the key was not changed"
	r, err := h.key(ctx, outcome, http1.MethodPatch, id, "", map[string]bool{"enabled": enabled})
	if err != nil {
		return updater.Key{}, err
	}
	k, ok := keyOf(r, r.JSON)
	if !ok || k.ID != id || k.Enabled != enabled {
		return updater.Key{}, h.fault(outcome, r.Status, r)
	}
	return k, nil
}

// DeleteKey deletes a key and its log.
func (h hostUpAPI) DeleteKey(ctx context.Context, id string) error {
	_, err := h.key(ctx, "the key was not deleted", http1.MethodDelete, id, "", nil)
	return err
}

// KeyLog tells what was done with a key.
func (h hostUpAPI) KeyLog(ctx context.Context, id string) ([]updater.KeyEvent, error) {
	const outcome = "the log could not be read"
	r, err := h.key(ctx, outcome, http1.MethodGet, id, "/logs", nil)
	if err != nil {
		return nil, err
	}
	logs, ok := r.JSON.array("logs")
	if !ok {
		return nil, h.fault(outcome, r.Status, r)
	}
	var events []updater.KeyEvent
	for _, o := range logs {
		text := func(key string) string { return r.Excerpt(o.text(key)) }
		ip := func(key string) string { return r.shown(o.text(key), isIP) }
		events = append(events, updater.KeyEvent{
			At: r.shown(o.text("createdAt"), isTime), Old: ip("oldIp"), New: ip("newIp"), Source: ip("sourceIp"),
			Agent: text("userAgent"), Status: text("status"), Error: text("errorMessage"),
		})
	}
	return events, nil
}

// key makes a request about one key.
func (h hostUpAPI) key(ctx context.Context, outcome, method, id, path string, body any) (reply, error) {
	if !isID(id) {
		return reply{}, refuse("wandns key SERVICE list shows those that are", "%.64q is no key of HostUp", id)
	}
	keys, err := h.path(ctx)
	if err != nil {
		return reply{}, err
	}
	return h.call(ctx, outcome, method, keys+"/"+id+path, body)
}

// list returns the domain's keys and their path.
func (h hostUpAPI) list(ctx context.Context) (path string, keys []updater.Key, err error) {
	if path, err = h.path(ctx); err != nil {
		return "", nil, err
	}
	const outcome = "the tokens could not be read"
	r, err := h.call(ctx, outcome, http1.MethodGet, path, nil)
	if err != nil {
		return "", nil, err
	}
	if r.JSON.text("available") == "false" {
		f := &updater.Fault{Kind: updater.Blocked, Detail: "HostUp offers no dynamic DNS for " + h.domain, Next: "let the domain use HostUp's name servers"}
		if why := r.Excerpt(r.JSON.text("reason")); why != "" {
			f.Detail += fmt.Sprintf(" (%q)", why)
		}
		return "", nil, f
	}
	configs, ok := r.JSON.array("configs")
	if !ok { // a name whose key is not seen would get another one
		return "", nil, h.fault(outcome, r.Status, r)
	}
	for _, o := range configs {
		switch k, ok := keyOf(r, o); {
		case ok:
			keys = append(keys, k)
		case k.Type == "A" || k.Type == "AAAA":
			return "", nil, h.fault(outcome, r.Status, r)
		}
	}
	return path, keys, nil
}

// path finds the domain's ID and returns the path of its keys.
func (h hostUpAPI) path(ctx context.Context) (string, error) {
	const (
		outcome  = "the domain could not be looked up"
		perPage  = "20" // an answer must not be large
		maxPages = 20
	)
	if h.Values["api_key"] == "" {
		return "", refuse("set api_key and domain", "HostUp tells nothing about names without an API key")
	}
	cursor := ""
	for range maxPages {
		q := url.Values{"name": {h.domain}, "limit": {perPage}}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		r, err := h.call(ctx, outcome, http1.MethodGet, "/domains?"+q.Encode(), nil)
		if err != nil {
			return "", err
		}
		domains, ok := r.JSON.array("data")
		if !ok {
			return "", h.fault(outcome, r.Status, r)
		}
		for _, d := range domains {
			if id := d.text("id"); strings.EqualFold(d.text("name"), h.domain) && isID(id) {
				return "/domains/" + id + "/dyndns", nil
			}
		}
		next := r.JSON.text("nextCursor")
		if r.JSON.text("hasMore") != "true" || next == "" || next == cursor {
			break
		}
		cursor = next
	}
	return "", &updater.Fault{Kind: updater.Blocked, Login: true, Detail: "this account at HostUp has no domain " + h.domain, Next: "correct domain or api_key"}
}

// call makes a request and returns an answer that is a success: an object, or
// nothing for 204.
func (h hostUpAPI) call(ctx context.Context, outcome, method, path string, body any) (reply, error) {
	r, err := h.ask(ctx, method, "/api/v2"+path, body)
	if err != nil {
		return reply{}, err
	}
	r.Answer = r.Hide(longWords(r.Body)...)
	switch code, _ := r.JSON.number("status"); {
	case code >= 400:
	case r.Status == http1.StatusNoContent && method == http1.MethodDelete, r.JSON != nil && (r.Status == http1.StatusOK || r.Status == http1.StatusCreated):
		return r, nil
	}
	return reply{}, hostUpProblem(h.wire, outcome, r)
}

// longWords are what may be tokens.
func longWords(s string) []string {
	const long = 32
	words := strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return slices.DeleteFunc(words, func(w string) bool { return len(w) < long })
}

// hostUpProblem is the fault for a problem document (RFC 9457) or anything else that
// is no success. The status decides; the code has more to say.
func hostUpProblem(w wire, outcome string, r reply) *updater.Fault {
	status := r.Status
	if said, ok := r.JSON.number("status"); ok && status/100 == 2 {
		status = said
	}
	f := w.fault(outcome, status, r)
	code := r.JSON.text("code")
	switch {
	case code == "rate_limited":
		f.Kind = updater.Throttled
	case strings.HasPrefix(code, "upstream_"), status == http1.StatusConflict:
		f.Kind = updater.Transient
	case code == "account_inactive":
		f.Kind, f.Login, f.Next = updater.Blocked, false, "look into HostUp's panel why the account is not active"
	case code == "verification_failed":
		f.Kind, f.Login, f.Next = updater.Blocked, false, "complete the verification in HostUp's panel"
	}
	if code != "" {
		f.Detail += ", code " + r.Excerpt(code)
	}
	const most = 5
	fields := r.JSON.list("errors")
	for _, e := range fields[:min(len(fields), most)] {
		f.Detail += fmt.Sprintf(", %s: %q", r.Excerpt(e.text("pointer")), r.Excerpt(e.text("detail")))
	}
	return f
}

// array returns a member that has to be a list of objects, and whether it is.
func (o object) array(key string) ([]object, bool) {
	var list []object
	err := json.Unmarshal(o[key], &list)
	return list, err == nil && list != nil && !slices.ContainsFunc(list, func(m object) bool { return m == nil })
}

// parseAddr returns an address as it is written in DNS, or an invalid one.
func parseAddr(s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}
	}
	return a.Unmap()
}

// keyOf reads a configuration; false if it is none.
func keyOf(r reply, o object) (updater.Key, bool) {
	k := updater.Key{
		ID: o.text("id"), Host: strings.ToLower(o.text("hostname")), Type: strings.ToUpper(o.text("recordType")), Secret: o.text("token"),
		Enabled: o.text("enabled") != "false", Updated: r.shown(o.text("lastUpdatedAt"), isTime),
	}
	if a := parseAddr(o.text("lastIp")); a.IsValid() {
		k.Address = a.String()
	}
	return k, isID(k.ID) && checkFQDN(k.Host) == "" && (k.Type == "A" || k.Type == "AAAA") && checkToken(k.Secret) == ""
}

// isID keeps what is no ID out of paths.
func isID(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}
