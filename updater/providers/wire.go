package providers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"wandns/updater"
	"wandns/updater/http1"
	"wandns/wan"
)

// wire is how a provider is spoken to: each of its requests is one call of
// ask, and each answer that is no success becomes a fault by its status.
type wire struct {
	updater.Settings
	title   string               // of the provider
	accept  string               // the media type it answers with, if it cares
	sign    func(*http1.Request) // adds credentials that travel in the header
	login   string               // what the user can do when they are refused
	secrets []string             // to strike out besides those of the configuration
	mute    bool                 // its answers hold secrets that nobody knows yet: only messages are quoted
}

// reply is an answer, read loosely.
type reply struct {
	updater.Answer
	JSON object // nil if the body is no JSON object
	mute bool
}

// ask sends a request: path begins with a slash and may hold a query; body is
// nil, url.Values for a form, or what shall be JSON. An error is a *Fault or
// the context's.
func (w wire) ask(ctx context.Context, method, path string, body any) (reply, error) {
	send, media := "", ""
	switch b := body.(type) {
	case nil:
	case url.Values:
		send, media = b.Encode(), "application/x-www-form-urlencoded"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return reply{}, &updater.Fault{Kind: updater.Refused, Detail: "the request to " + w.title + " cannot be written"}
		}
		send, media = string(text), "application/json"
	}
	r, err := http1.NewRequest(method, w.Server+path, send)
	if err != nil {
		return reply{}, &updater.Fault{Kind: updater.Blocked, Detail: "the address of the server cannot be used", Next: "correct server"}
	}
	r.Header.Set("User-Agent", agent(w.Agent))
	if w.accept != "" {
		r.Header.Set("Accept", w.accept)
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	if w.sign != nil {
		w.sign(r)
	}
	a, err := w.Client.Do(ctx, r)
	if err != nil {
		return reply{}, err
	}
	return reply{a.Hide(w.secrets...), parse(a.Body), w.mute}, nil
}

// fault is what an answer means that is no success. The outcome is a clause
// that says what did not come about; status is the answer's own, or what its
// body says in place of it.
func (w wire) fault(outcome string, status int, r reply) *updater.Fault {
	f := &updater.Fault{Kind: updater.Unconfirmed, Detail: fmt.Sprintf("%s: %s %s", outcome, w.title, r.quoted(status))}
	refusal := status/100 == 4
	switch {
	case status == http1.StatusTooManyRequests, r.RetryAfter > 0:
		f.Kind, f.RetryAfter = updater.Throttled, r.RetryAfter
		if r.RetryAfter > 0 {
			f.Detail += fmt.Sprintf(" and asks to be left alone for %s", r.RetryAfter.Round(time.Second))
		}
	case status/100 == 5, status == http1.StatusRequestTimeout, status == http1.StatusTooEarly:
		f.Kind = updater.Transient
	case r.page():
		if refusal {
			f.Kind = updater.Suspect
		}
		f.Next = "check server, and whether the network has a login page"
	case status == http1.StatusUnauthorized, status == http1.StatusForbidden:
		f.Kind, f.Login, f.Next = updater.Blocked, true, w.login
	case refusal && r.JSON != nil:
		f.Kind = updater.Refused
	case refusal:
		f.Kind = updater.Suspect // it may be anybody's word
	}
	return f
}

// quoted tells what was answered.
func (r reply) quoted(status int) string {
	switch words := r.words(); {
	case r.page() && words == "":
		return fmt.Sprintf("answered with a web page (%d)", status)
	case r.page():
		return fmt.Sprintf("answered with a web page called %q (%d)", words, status)
	case words != "":
		return fmt.Sprintf("says %q (%d)", words, status)
	case r.Body == "":
		return fmt.Sprintf("gave no reason (%d)", status)
	}
	return fmt.Sprintf("gave an answer that makes no sense (%d)", status)
}

// words are what the answer says to a person, without secrets.
func (r reply) words() string {
	if r.JSON == nil { // of a text, parts are taken
		r.Body = r.Strike(r.Body)
	}
	return r.Excerpt(r.says())
}

// says returns what the answer says to a person: its message, its text, or the
// title of a page.
func (r reply) says() string {
	switch text := strings.TrimSpace(strings.TrimPrefix(r.Body, "\ufeff")); {
	case r.JSON != nil:
		return r.JSON.message()
	case r.mute, strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		return ""
	case r.page():
		_, rest, _ := cutFold(text, "<title>")
		title, _, _ := cutFold(rest, "</title>")
		return title
	default:
		return plain(text)
	}
}

// shown returns a text of the answer: as it is, if it is what it should be, so
// that it is nobody's words.
func (r reply) shown(s string, is func(string) bool) string {
	if is(s) {
		return s
	}
	return r.Excerpt(s)
}

func isTime(s string) bool {
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

func isName(s string) bool { return checkFQDN(s) == "" }

func isIP(s string) bool { return parseAddr(s).IsValid() }

// page reports a web page, which no provider answers with: a login page of the
// network, or a proxy's complaint.
func (r reply) page() bool {
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<body", "<form", "<script"} {
		if _, _, found := cutFold(r.Body, tag); found && r.JSON == nil {
			return true
		}
	}
	return false
}

// cutFold is strings.Cut for a separator in lower case, whatever case s has.
func cutFold(s, sep string) (before, after string, found bool) {
	for i := range len(s) - len(sep) + 1 {
		if strings.EqualFold(s[i:i+len(sep)], sep) {
			return s[:i], s[i+len(sep):], true
		}
	}
	return s, "", false
}

// plain takes the tags out of a text.
func plain(s string) string {
	var b strings.Builder
	for {
		text, rest, tag := strings.Cut(s, "<")
		b.WriteString(text)
		_, after, closed := strings.Cut(rest, ">")
		if !tag || !closed {
			return b.String()
		}
		b.WriteByte(' ')
		s = after
	}
}

// object is a JSON object of which nobody knows for sure what its members are:
// providers differ from their own documents there.
type object map[string]json.RawMessage

// parse reads a JSON object, with or without commas after the last members;
// nil if it is none.
func parse(s string) object {
	s = strings.TrimPrefix(s, "\ufeff")
	var o object
	if json.Unmarshal([]byte(s), &o) == nil || json.Unmarshal(strict(s), &o) == nil {
		return o
	}
	return nil
}

// strict leaves out the commas that stand before a closing bracket.
func strict(s string) []byte {
	var out []byte
	quoted, escaped := false, false
	for i := range len(s) {
		c := s[i]
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case !quoted && c == ',':
			if rest := strings.TrimLeft(s[i+1:], " \t\r\n"); rest != "" && (rest[0] == '}' || rest[0] == ']') {
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

// text returns a member that is a string, number or truth value.
func (o object) text(key string) string {
	raw := o[key]
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) == nil {
		return s
	}
	if raw[0] == '{' || raw[0] == '[' {
		return ""
	}
	return string(raw)
}

// number returns a member that is a whole number or the text of one.
func (o object) number(key string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(o.text(key)))
	return n, err == nil
}

// object returns a member that is an object, or nil.
func (o object) object(key string) object {
	var m object
	_ = json.Unmarshal(o[key], &m) // it stays nil
	return m
}

// list returns the objects of a member that is a list.
func (o object) list(key string) []object {
	var raw []json.RawMessage
	_ = json.Unmarshal(o[key], &raw) // it stays nil
	var list []object
	for _, r := range raw {
		var m object
		if json.Unmarshal(r, &m) == nil && m != nil {
			list = append(list, m)
		}
	}
	return list
}

// empty reports a member that holds nothing, however that is written.
func (o object) empty(key string) bool {
	var list []json.RawMessage
	err := json.Unmarshal(o[key], &list)
	return err == nil && len(list) == 0 || string(o[key]) == `""`
}

// message returns what an object says to a person (RFC 9457 and its like).
func (o object) message() string {
	for _, key := range []string{"detail", "message", "title", "error", "error_description"} {
		if s := o.text(key); s != "" {
			return s
		}
	}
	return o.object("error").text("message")
}

// each publishes for a provider that takes one name and one address at a time.
// The engine asks for no more than that; should it, they go one by one until
// one fault concerns them all.
func each(req updater.Request, send func(host string, addr netip.Addr) (answer string, err error)) ([]updater.Result, error) {
	var results []updater.Result
	for _, host := range req.Hosts {
		r := updater.Result{Host: host}
		for _, f := range wan.Families() {
			addr := req.Addr(f)
			if !addr.IsValid() || r.Fault != nil {
				continue
			}
			answer, err := send(host, addr)
			fault, known := errors.AsType[*updater.Fault](err)
			switch {
			case err == nil && f == wan.IPv4:
				r.Answer, r.V4 = answer, addr
			case err == nil:
				r.Answer, r.V6 = answer, addr
			case known && (ofName(fault) || r.V4.IsValid()):
				r.Fault = fault
			case known && len(results) > 0:
				return results, nil
			default:
				return nil, err
			}
		}
		if results = append(results, r); r.Fault != nil && !ofName(r.Fault) {
			break
		}
	}
	return results, nil
}

// ofName reports a fault that need not concern other names.
func ofName(f *updater.Fault) bool {
	return f.Kind == updater.Refused || f.Kind == updater.Suspect || f.Kind == updater.Spent
}
