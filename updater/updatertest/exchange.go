package updatertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// exchange is a request under way.
type exchange struct {
	r       *http.Request
	body    []byte
	from    netip.Addr // where it comes from
	entry   Entry
	secrets []string
}

// breaks notes the first rule that the request breaks.
func (x *exchange) breaks(format string, args ...any) {
	if x.entry.Violation == "" {
		x.entry.Violation = fmt.Sprintf(format, args...)
	}
}

func (x *exchange) lawful() bool { return x.entry.Violation == "" }

// hide keeps what is said of the request in the ledger free of a secret.
func (x *exchange) hide(secret string) {
	if secret != "" {
		x.secrets = append(x.secrets, secret, url.QueryEscape(secret))
	}
}

func (x *exchange) redact(s string) string {
	for _, secret := range x.secrets {
		s = strings.ReplaceAll(s, secret, "***")
	}
	return s
}

// headers allows those that any client may send, and these.
func (x *exchange) headers(allowed ...string) {
	allowed = append(allowed, "Accept", "Accept-Encoding", "Connection", "Content-Length", "User-Agent")
	for _, name := range slices.Sorted(maps.Keys(x.r.Header)) {
		switch {
		case !slices.Contains(allowed, name):
			x.breaks("header %s", name)
		case len(x.r.Header[name]) > 1:
			x.breaks("header %s twice", name)
		}
	}
}

// query reads the URL's parameters; others than these are not allowed.
func (x *exchange) query(allowed ...string) url.Values {
	return x.values("parameter", x.r.URL.RawQuery, allowed)
}

// bare allows no body.
func (x *exchange) bare() {
	if len(x.body) > 0 {
		x.breaks("a body")
	}
}

// form reads a body of form fields; others than these are not allowed.
func (x *exchange) form(allowed ...string) url.Values {
	x.content("application/x-www-form-urlencoded")
	return x.values("field", string(x.body), allowed)
}

func (x *exchange) values(what, encoded string, allowed []string) url.Values {
	v, err := url.ParseQuery(encoded)
	if err != nil {
		x.breaks("%ss that cannot be read", what)
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		switch {
		case !slices.Contains(allowed, name):
			x.breaks("unknown %s %s", what, name)
		case len(v[name]) > 1:
			x.breaks("%s %s twice", what, name)
		}
	}
	return v
}

// content wants the body to be of a type.
func (x *exchange) content(want string) {
	if got := x.media(); got != want {
		x.breaks("content type %q", got)
	}
}

func (x *exchange) media() string {
	media, params, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	charset, given := params["charset"]
	if err != nil || given && !strings.EqualFold(charset, "utf-8") {
		return x.r.Header.Get("Content-Type")
	}
	return media
}

// object reads a body that is a JSON object of these members.
func (x *exchange) object(into any, allowed ...string) {
	x.content("application/json")
	var members map[string]json.RawMessage
	if err := json.Unmarshal(x.body, &members); err != nil || members == nil {
		x.breaks("a body that is no JSON object")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(allowed, name) {
			x.breaks("unknown member %s", name)
		}
	}
	if err := json.Unmarshal(x.body, into); err != nil {
		x.breaks("a member of the wrong type")
	}
}

// path takes the URL's path apart, unescaped.
func (x *exchange) path() []string {
	var segments []string
	for s := range strings.SplitSeq(strings.TrimPrefix(x.r.URL.EscapedPath(), "/"), "/") {
		plain, err := url.PathUnescape(s)
		if err != nil || plain == "" {
			x.breaks("path %s", x.r.URL.Path)
		}
		segments = append(segments, plain)
	}
	return segments
}

// stray notes a request for what the document does not offer.
func (x *exchange) stray() { x.breaks("%s %s is not in the document", x.r.Method, x.r.URL.Path) }

// object is an answer in JSON.
func object(status int, v any) reply {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // every answer is made of plain values
	}
	return reply{status, map[string]string{"Content-Type": "application/json"}, string(b)}
}
