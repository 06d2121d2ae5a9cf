package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wandns/updater"
	"wandns/updater/http1"
)

// sent is a request as a server saw it.
type sent struct {
	method, uri, body string
	header            http.Header
}

func (s sent) String() string { return s.method + " " + s.uri + " " + s.body }

// script is a server that gives one answer after the other, the last one for
// ever, and keeps what it was sent.
type script struct {
	url  string
	sent []sent
}

type line struct {
	status int
	body   string
	header http.Header
}

func serve(t *testing.T, lines ...line) *script {
	t.Helper()
	sc := &script{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		one := lines[min(len(sc.sent), len(lines)-1)]
		sc.sent = append(sc.sent, sent{r.Method, r.URL.RequestURI(), string(body), r.Header})
		maps.Copy(w.Header(), one.header)
		w.WriteHeader(one.status)
		_, _ = io.WriteString(w, one.body)
	}))
	t.Cleanup(s.Close)
	sc.url = s.URL
	return sc
}

func settings(server string, values map[string]string) updater.Settings {
	return updater.Settings{
		Values: values, Server: server,
		Agent:  updater.Agent{Version: "1.2.3", Model: "mipsle", Contact: "packager@wandns.invalid"},
		Client: updater.NewClient(updater.ClientConfig{Secrets: []string{canary}}),
	}
}

// kindOf is 0 for no error.
func kindOf(t *testing.T, err error) updater.Kind {
	t.Helper()
	if err == nil {
		return 0
	}
	f, ok := errors.AsType[*updater.Fault](err)
	if !ok {
		t.Fatalf("%T is no *Fault: %v", err, err)
	}
	if f.Detail == "" || strings.Contains(f.Error(), canary) || strings.ContainsAny(f.Error(), "\n\x00") || len(f.Error()) > 800 {
		t.Errorf("unfit to be shown: %q", f.Error())
	}
	return f.Kind
}

func wants(t *testing.T, name string, err error, kind updater.Kind, says string) {
	t.Helper()
	if got := kindOf(t, err); got != kind || err != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %v (kind %d), want kind %d with %q", name, err, got, kind, says)
	}
}

func TestWireFaults(t *testing.T) {
	const page = "<!DOCTYPE HTML>\n<html><head><TITLE>Guest\nnetwork " + canary + "</TITLE></head></html>"
	for _, c := range []struct {
		name  string
		line  line
		kind  updater.Kind
		after time.Duration
		says  string
	}{
		{"message", line{404, `{"message":"Not Found","result":404}`, nil}, updater.Refused, 0, `it failed: Test says "Not Found" (404)`},
		{"problem", line{400, `{"type":"about:blank","title":"Bad","detail":"no such zone","status":400}`, nil}, updater.Refused, 0, `"no such zone" (400)`},
		{"error in an object", line{422, `{"error":{"message":"too long"}}`, nil}, updater.Refused, 0, `"too long"`},
		{"other types", line{409, `{"message":["a"],"title":17}`, nil}, updater.Refused, 0, `"17"`},
		{"commas after the last", line{400, "{\"message\":\"a,}\\\",]\" , \"x\":[1, ] ,\n}", nil}, updater.Refused, 0, `a,}\",]`},
		{"byte order mark", line{400, "\ufeff{\"message\":\"no\"}", nil}, updater.Refused, 0, `"no"`},
		{"secret", line{400, `{"message":"key ` + canary + ` is bad"}`, nil}, updater.Refused, 0, "key *** is bad"},
		{"escaped secret", line{400, `{"message":"key \u0063` + canary[1:] + ` is bad"}`, nil}, updater.Refused, 0, "key *** is bad"},
		{"401", line{401, `{"message":"who?"}`, nil}, updater.Blocked, 0, "(401); log in better"},
		{"403", line{403, "forbidden", nil}, updater.Blocked, 0, `"forbidden" (403); log in better`},
		{"403 page", line{403, page, nil}, updater.Suspect, 0, `a web page called "Guest network ***" (403)`},
		{"404 text", line{404, "404 page <b>not</b> found", nil}, updater.Suspect, 0, `"404 page not found"`},
		{"half a tag", line{404, "a < b", nil}, updater.Suspect, 0, `"a"`},
		{"half an object", line{404, `{"message":"` + canary, nil}, updater.Suspect, 0, "makes no sense (404)"},
		{"200 page", line{200, page, nil}, updater.Unconfirmed, 0, "login page"},
		{"200 page without a title", line{200, "<html><title>", nil}, updater.Unconfirmed, 0, "with a web page (200)"},
		{"200", line{200, `{}`, nil}, updater.Unconfirmed, 0, "makes no sense (200)"},
		{"200 null", line{200, `null`, nil}, updater.Unconfirmed, 0, `"null" (200)`},
		{"204", line{204, "", nil}, updater.Unconfirmed, 0, "gave no reason (204)"},
		{"500", line{500, "", nil}, updater.Transient, 0, "gave no reason (500)"},
		{"502 page", line{502, page, nil}, updater.Transient, 0, "(502)"},
		{"408", line{408, "", nil}, updater.Transient, 0, "(408)"},
		{"429", line{429, "", nil}, updater.Throttled, 0, "(429)"},
		{"429 and when", line{429, `{"detail":"slow"}`, http.Header{"Retry-After": {"90"}}}, updater.Throttled, 90 * time.Second, `"slow" (429) and asks to be left alone for 1m30s`},
		{"503 and when", line{503, "", http.Header{"Retry-After": {"7"}}}, updater.Throttled, 7 * time.Second, "7s"},
		{"huge", line{200, strings.Repeat("x", 70<<10), nil}, updater.Unconfirmed, 0, "64 KiB"},
		{"deep", line{400, strings.Repeat("[", 60<<10), nil}, updater.Suspect, 0, "makes no sense"},
		{"noise", line{400, "\xff\xfe\x00\x01", nil}, updater.Suspect, 0, "makes no sense"},
	} {
		sc := serve(t, c.line)
		w := wire{Settings: settings(sc.url, nil), title: "Test", login: "log in better"}
		r, err := w.ask(t.Context(), http.MethodGet, "/x?y=z", nil)
		if err == nil {
			err = w.fault("it failed", r.Status, r)
		}
		wants(t, c.name, err, c.kind, c.says)
		if f, _ := errors.AsType[*updater.Fault](err); f.RetryAfter != c.after {
			t.Errorf("%s: retry after %v, want %v", c.name, f.RetryAfter, c.after)
		}
	}
}

func TestWireRequests(t *testing.T) {
	sc := serve(t, line{status: 200})
	w := wire{Settings: settings(sc.url, nil), accept: "application/json", sign: func(r *http1.Request) { r.Header.Set("X-Api-Key", "k") }}
	for _, c := range []struct {
		method string
		body   any
		want   string
		media  []string
	}{
		{http.MethodGet, nil, "GET /p?q=1 ", nil},
		{http.MethodPost, map[string][]string{}, "POST /p?q=1 {}", []string{"application/json"}},
		{http.MethodPut, map[string]bool{"offline": true}, `PUT /p?q=1 {"offline":true}`, []string{"application/json"}},
	} {
		if _, err := w.ask(t.Context(), c.method, "/p?q=1", c.body); err != nil {
			t.Fatal(err)
		}
		got := sc.sent[len(sc.sent)-1]
		h := got.header
		if got.String() != c.want || !slices.Equal(h["Content-Type"], c.media) || h.Get("Accept") != "application/json" ||
			h.Get("X-Api-Key") != "k" || h.Get("User-Agent") != "wandns Router-mipsle/1.2.3 packager@wandns.invalid" {
			t.Errorf("%s with %v, want %s", got, h, c.want)
		}
	}
	_, err := w.ask(t.Context(), http.MethodPut, "/", make(chan int))
	wants(t, "no JSON", err, updater.Refused, "cannot be written")
	w.Server = "http://[::1"
	_, err = w.ask(t.Context(), http.MethodGet, "/", nil)
	wants(t, "no server", err, updater.Blocked, "correct server")
}

// What a redirect makes of a request is a look at a page, whose 200 says
// nothing about the update.
func TestWireFollowsNoRedirectToAPage(t *testing.T) {
	for status, followed := range map[int]bool{301: false, 302: false, 303: false, 307: true, 308: true} {
		sc := serve(t, line{status, "", http.Header{"Location": {"/other"}}}, line{status: 200, body: "ok"})
		w := wire{Settings: settings(sc.url, nil), title: "Test"}
		_, err := w.ask(t.Context(), http.MethodPost, "/request", map[string]int{"a": 1})
		if !followed {
			wants(t, fmt.Sprint(status), err, updater.Transient, "login page")
		} else if err != nil || sc.sent[1].String() != `POST /other {"a":1}` {
			t.Errorf("%d: %v, %v", status, err, sc.sent)
		}
	}
}

func TestMuteWireQuotesMessagesOnly(t *testing.T) {
	for body, want := range map[string]string{
		"apikey=new-key":                              "makes no sense",
		`{"apikey":"new-key"}`:                        "makes no sense",
		`["new-key"]`:                                 "makes no sense",
		"<html><title>new-key</title></html>":         "a web page (400)",
		`{"apikey":"new-key","message":"bad pa ss"}`:  `"bad ***"`,
		`{"message":"bad pa+ss, that is pa\u0020ss"}`: `"bad ***, that is ***"`,
	} {
		sc := serve(t, line{status: 400, body: body})
		w := wire{Settings: settings(sc.url, nil), title: "Test", secrets: []string{"pa", "pa ss"}, mute: true}
		r, err := w.ask(t.Context(), http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.fault("it failed", r.Status, r).Error(); !strings.Contains(got, want) || strings.Contains(got, "new-key") {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestObject(t *testing.T) {
	o := parse(`{"s":"a","n":7,"ns":" 200 ","f":1.5,"b":true,"z":null,"o":{"k":"v",},"l":[{"k":1},2,null,{"k":3},],"e":[ ],}`)
	for key, want := range map[string]string{"s": "a", "n": "7", "f": "1.5", "b": "true", "z": "", "o": "", "l": "", "none": ""} {
		if got := o.text(key); got != want {
			t.Errorf("text(%s) = %q, want %q", key, got, want)
		}
	}
	for key, want := range map[string]int{"n": 7, "ns": 200, "f": -1, "s": -1, "z": -1, "none": -1} {
		if got, ok := o.number(key); ok != (want >= 0) || ok && got != want {
			t.Errorf("number(%s) = %d, %t", key, got, ok)
		}
	}
	if got := o.object("o").text("k"); got != "v" || o.object("l") != nil || o.object("none") != nil {
		t.Errorf("object(o).k = %q", got)
	}
	if l := o.list("l"); len(l) != 2 || l[0].text("k") != "1" || l[1].text("k") != "3" || o.list("o") != nil {
		t.Errorf("list(l) = %v", l)
	}
	for key, want := range map[string]bool{"e": true, "z": true, "l": false, "o": false, "s": false, "none": false} {
		if o.empty(key) != want {
			t.Errorf("empty(%s) = %t", key, !want)
		}
	}
	for _, bad := range []string{"", "null", "[]", "7", `"a"`, "{", "{,}x", `{"a":1,,}`, `{"a" 1}`} {
		if o := parse(bad); o != nil {
			t.Errorf("parse(%s) = %v", bad, o)
		}
	}
}

func TestEach(t *testing.T) {
	refused := &updater.Fault{Kind: updater.Refused, Detail: "refused"}
	spent := &updater.Fault{Kind: updater.Spent, Detail: "spent"}
	down := &updater.Fault{Kind: updater.Unreachable, Detail: "down"}
	for _, c := range []struct {
		name  string
		both  bool
		hosts string
		errs  []error
		want  string
		err   error
	}{
		{"one", false, "a", nil, "a 84.0.0.2 ok ", nil},
		{"refused", false, "a", []error{refused}, "a - refused", nil},
		{"all of them", true, "a b", nil, "a 84.0.0.2 2a00:1:2:3::1 ok |b 84.0.0.2 2a00:1:2:3::1 ok ", nil},
		{"the other name goes on", true, "a b", []error{nil, spent}, "a 84.0.0.2 ok spent|b 84.0.0.2 2a00:1:2:3::1 ok ", nil},
		{"down", true, "a b", []error{down}, "", down},
		{"down after a success", true, "a b", []error{nil, down}, "a 84.0.0.2 ok down", nil},
		{"down for the second", false, "a b", []error{nil, down}, "a 84.0.0.2 ok ", nil},
		{"stopped", false, "a", []error{context.Canceled}, "", context.Canceled},
	} {
		req := updater.Request{Hosts: strings.Fields(c.hosts), V4: v4}
		if c.both {
			req.V6 = v6
		}
		results, err := each(req, func(string, netip.Addr) (string, error) {
			if len(c.errs) == 0 {
				return "ok", nil
			}
			err := c.errs[0]
			c.errs = c.errs[1:]
			return "ok", err
		})
		var got []string
		for _, r := range results {
			said := updater.Request{V4: r.V4, V6: r.V6}.Addrs(" ")
			if said == "" {
				said = "-"
			} else {
				said += " " + r.Answer
			}
			s := r.Host + " " + said + " "
			if r.Fault != nil {
				s += r.Fault.Detail
			}
			got = append(got, s)
		}
		if s := strings.Join(got, "|"); s != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v; want %q, %v", c.name, s, err, c.want, c.err)
		}
	}
}

func FuzzWire(f *testing.F) {
	f.Add(401, `{"message":"`+canary+`",}`, true)
	f.Add(200, "<html><title>"+canary+"</title>", false)
	f.Add(500, canary+"<", false)
	f.Fuzz(func(t *testing.T, status int, body string, mute bool) {
		r := reply{updater.Answer{Status: status, Body: body}.Hide(canary), parse(body), mute}
		fault := wire{title: "Test"}.fault("it failed", status, r)
		kindOf(t, fault)
		if fault.Kind == 0 || fault.Kind == updater.Blocked && status != 401 && status != 403 {
			t.Errorf("%d is %v", status, fault.Kind)
		}
	})
}
