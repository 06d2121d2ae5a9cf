package providers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"wandns/updater"
)

// turn is a request that has to come, and the answer to it.
type turn struct {
	want   string // method, target and body
	status int
	body   string
	header string // name and value
}

// stage serves these turns and fails the test for any other request, in
// number, order or form. It returns a provider that asks there.
func stage(t *testing.T, spec *updater.Spec, values, headers map[string]string, turns ...turn) updater.Provider {
	t.Helper()
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got := strings.TrimSpace(r.Method + " " + r.URL.RequestURI() + " " + string(body))
		if n >= len(turns) {
			t.Errorf("request %d is %s, want none", n+1, got)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		at := turns[n]
		n++
		if got != at.want {
			t.Errorf("request %d is\n%s, want\n%s", n, got, at.want)
		}
		if media := r.Header.Get("Content-Type"); (media == "application/json") != (len(body) > 0) {
			t.Errorf("%s has Content-Type %q", got, media)
		}
		signed := strings.HasPrefix(r.URL.Path, "/api/v2/") || strings.HasPrefix(r.URL.Path, "/ddns/") // others need no credentials
		for name, value := range headers {
			if got := r.Header.Get(name); signed && got != value || !signed && got != "" {
				t.Errorf("%s: %q, want %q", name, got, value)
			}
		}
		if r.UserAgent() != "wandns Router-mipsle/1.2.3 packager@wandns.invalid" {
			t.Errorf("User-Agent %q", r.UserAgent())
		}
		if name, value, ok := strings.Cut(at.header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(at.status)
		io.WriteString(w, at.body)
	}))
	t.Cleanup(func() {
		s.Close()
		if n < len(turns) {
			t.Errorf("request %d never came: %s", n+1, turns[n].want)
		}
	})
	return spec.New(updater.Settings{
		Values: values, Server: s.URL,
		Agent:  updater.Agent{Version: "1.2.3", Model: "mipsle", Contact: "packager@wandns.invalid"},
		Client: updater.NewClient(updater.ClientConfig{}),
	})
}

func faultKind(err error) updater.Kind {
	if f, ok := errors.AsType[*updater.Fault](err); ok && f != nil {
		return f.Kind
	}
	return 0
}

const hostwayClient = "/ddns/clients/home-1"

// onHostway is the stage for Hostway with its documents' headers.
func onHostway(t *testing.T, turns ...turn) *hostWay {
	t.Helper()
	return stage(t, hostway(),
		map[string]string{"username": "user", "password": "pass", "client_key": "home-1"},
		map[string]string{"Authorization": "Basic dXNlcjpwYXNz", "Accept": "application/json"}, turns...).(*hostWay)
}

// The requests, and the answers as the document has them.
func action(status int) turn {
	return turn{want: "POST " + hostwayClient + `/action {"updateIP":"default"}`, status: status}
}

func setClient(offline string, status int) turn {
	return turn{
		want: "PUT " + hostwayClient + ` {"offline":` + offline + `}`, status: status,
		header: "Location: http://api.invalid" + hostwayClient,
		body:   `{"offline":false,"hosts":{"href":"http://api.invalid/ddns/clients/home-1/hosts","rel":"related"}}`,
	}
}

func getClient(offline string) turn {
	return turn{want: "GET " + hostwayClient, status: 200, body: `{"offline":` + offline + `,"hosts":{"rel":"related","href":"http://api.invalid/ddns/clients/home-1/hosts"}}`}
}

func getHosts(pairs ...string) turn {
	var list []string
	for _, p := range pairs {
		host, addr, _ := strings.Cut(p, " ")
		list = append(list, `{"hostname":"`+host+`","ipAddress":"`+addr+`","links":[{"rel":"self","href":"http://api.invalid/x"}]}`)
	}
	return turn{want: "GET " + hostwayClient + "/hosts", status: 200, body: `{"hosts":[` + strings.Join(list, ",") + `]}`}
}

func attach(host string, status int) turn {
	return turn{want: "PUT " + hostwayClient + "/hosts/" + host + " {}", status: status, header: "Location: http://api.invalid/x"}
}

func (t turn) answer(status int, body string) turn {
	t.status, t.body = status, body
	return t
}

func TestHostwayUpdate(t *testing.T) {
	const (
		one   = "home.example.com"
		two   = "www.example.com"
		here  = one + " 84.0.0.2"
		login = "<html><title>Welcome</title><form></form></html>"
	)
	before, after := getHosts(one+" 84.0.0.1", two+" 84.0.0.1"), getHosts(here, two+" 84.0.0.2")
	gone := getHosts().answer(404, "")
	cases := []struct {
		name  string
		turns []turn
		kinds []updater.Kind // of one and two; none for a fault of all
		all   updater.Kind
		says  string
	}{
		{name: "known and attached", turns: []turn{before, action(204), getHosts(here, "WWW.example.com. 84.0.0.2")}, kinds: []updater.Kind{0, 0}},
		{name: "200 is as good as 204", turns: []turn{before, action(200), getHosts(here, two+" 84.0.0.2", "other.example.com 9.9.9.9")}, kinds: []updater.Kind{0, 0}},
		{
			name: "everything is new",
			turns: []turn{
				gone, setClient("false", 201), getHosts(), attach(one, 201), attach(two, 201), action(204), after,
			},
			kinds: []updater.Kind{0, 0},
		},
		{
			name:  "a host is new",
			turns: []turn{getHosts(here), attach(two, 201), action(204), after},
			kinds: []updater.Kind{0, 0},
		},
		{
			name:  "a host does not exist",
			turns: []turn{getHosts(two + " "), attach(one, 404), action(204), getHosts(two + " 84.0.0.2")},
			kinds: []updater.Kind{updater.Refused, 0}, says: "has no host home.example.com",
		},
		{
			name:  "a host belongs to another",
			turns: []turn{getHosts(two + " "), attach(one, 403), action(204), getHosts(two + " 84.0.0.2")},
			kinds: []updater.Kind{updater.Refused, 0}, says: "does not let this user have home.example.com",
		},
		{
			name:  "a host's name is refused",
			turns: []turn{getHosts(two + " "), attach(one, 400).answer(400, `{"message":"no such zone"}`), action(204), getHosts(two + " 84.0.0.2")},
			kinds: []updater.Kind{updater.Refused, 0}, says: `says "no such zone"`,
		},
		{
			name:  "no host exists",
			turns: []turn{getHosts(), attach(one, 404), attach(two, 404)},
			kinds: []updater.Kind{updater.Refused, updater.Refused}, says: "has no host home.example.com",
		},
		{
			name:  "one host fails now, the other goes on",
			turns: []turn{getHosts(), attach(one, 500), attach(two, 201), action(204), getHosts(two + " 84.0.0.2")},
			kinds: []updater.Kind{updater.Transient, 0}, says: "500",
		},
		{
			name:  "attached and still not there",
			turns: []turn{getHosts(here), attach(two, 201), action(204), getHosts(here)},
			kinds: []updater.Kind{0, updater.Unconfirmed},
		},
		{
			name:  "past a NAT",
			turns: []turn{before, action(204), getHosts(one+" 9.9.9.9", two+" 9.9.9.9"), getClient("false")},
			kinds: []updater.Kind{updater.Unconfirmed, updater.Unconfirmed}, says: "the address 9.9.9.9, which it saw the request come from, and not 84.0.0.2; make requests",
		},
		{
			name:  "taken offline",
			turns: []turn{before, action(204), getHosts(one+" 203.0.113.1", two+" 203.0.113.1"), getClient(`"true"`)},
			kinds: []updater.Kind{updater.Transient, updater.Transient}, says: "because this client is offline",
		},
		{
			name:  "another address, and the client cannot be read",
			turns: []turn{before, action(204), getHosts(one+" 9.9.9.9", two+" 84.0.0.2"), getClient("").answer(500, "")},
			kinds: []updater.Kind{updater.Unconfirmed, 0}, says: "9.9.9.9",
		},
		{
			name:  "no address",
			turns: []turn{before, action(204), getHosts().answer(200, `{"hosts":[{"hostname":"home.example.com","ipAddress":null},{"hostname":"www.example.com","ipAddress":"::1"}]}`)},
			kinds: []updater.Kind{updater.Unconfirmed, updater.Unconfirmed}, says: "does not say which address",
		},
		{name: "registered in vain", turns: []turn{gone, setClient("false", 201), before, action(404)}, all: updater.Blocked, says: `no client "home-1"`},
		{name: "registered in vain, hosts", turns: []turn{gone, setClient("false", 200), gone}, all: updater.Blocked, says: `no client "home-1"`},
		{name: "gone before the action", turns: []turn{before, action(404), setClient("false", 201), getHosts(), attach(one, 201), attach(two, 201), action(204), after}, kinds: []updater.Kind{0, 0}},
		{name: "gone after the action", turns: []turn{before, action(204), gone, setClient("false", 201), before, action(204), after}, kinds: []updater.Kind{0, 0}},
		{name: "client not found while registering", turns: []turn{gone, setClient("false", 404)}, all: updater.Blocked},
		{name: "client key refused", turns: []turn{gone, setClient("false", 400).answer(400, "")}, all: updater.Blocked, says: "choose another client_key"},
		{name: "another's client", turns: []turn{getHosts().answer(403, "")}, all: updater.Blocked, says: `does not let this user have client "home-1"`},
		{name: "wrong password", turns: []turn{getHosts().answer(401, "")}, all: updater.Blocked, says: "user name and password"},
		{name: "wrong password, with a page", turns: []turn{before, action(401).answer(401, login)}, all: updater.Blocked, says: "user name and password"},
		{name: "password changed while attaching", turns: []turn{getHosts(), attach(one, 401)}, all: updater.Blocked},
		{name: "a proxy's 403", turns: []turn{before, action(403).answer(403, login)}, all: updater.Suspect},
		{name: "throttled", turns: []turn{before, {want: action(0).want, status: 503, header: "Retry-After: 600"}}, all: updater.Throttled},
		{name: "throttled while attaching", turns: []turn{getHosts(), attach(one, 429)}, all: updater.Throttled},
		{name: "broken", turns: []turn{before, action(500)}, all: updater.Transient, says: "the hosts were not updated"},
		{name: "strange status", turns: []turn{before, action(418)}, all: updater.Suspect},
		{name: "login page instead of the action", turns: []turn{before, action(200).answer(200, login)}, all: updater.Unconfirmed, says: "login page"},
		{name: "login page instead of the hosts", turns: []turn{before, action(204), getHosts().answer(200, login)}, all: updater.Unconfirmed, says: "login page"},
		{name: "no hosts at all", turns: []turn{before, action(204), getHosts().answer(200, "")}, all: updater.Unconfirmed},
		{name: "204 for the hosts", turns: []turn{before, action(204), getHosts().answer(204, "")}, all: updater.Unconfirmed},
		{name: "hosts of a strange shape", turns: []turn{before, action(204), getHosts().answer(200, `{"hosts":"none"}`)}, all: updater.Unconfirmed},
		{name: "a list of its own", turns: []turn{before, action(204), getHosts().answer(200, `[]`)}, all: updater.Unconfirmed},
		{name: "null", turns: []turn{before, action(204), getHosts().answer(200, `null`)}, all: updater.Unconfirmed},
		{name: "cut short", turns: []turn{before, action(204), getHosts().answer(200, `{"hosts":[{"hostname"`)}, all: updater.Unconfirmed},
		{name: "huge", turns: []turn{before, action(204), getHosts().answer(200, strings.Repeat(" ", 1<<20))}, all: updater.Unconfirmed, says: "64 KiB"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := onHostway(t, c.turns...)
			req := updater.Request{Hosts: []string{one, two}, V4: v4}
			results, err := h.Update(t.Context(), req)
			if c.kinds == nil {
				if faultKind(err) != c.all || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("error = %v, want %v with %q", err, c.all, c.says)
				}
				return
			}
			if err != nil || len(results) != 2 {
				t.Fatalf("results = %+v, error %v", results, err)
			}
			said := ""
			for i, r := range results {
				got := updater.Kind(0)
				if r.Fault != nil {
					got = r.Fault.Kind
					said += r.Fault.Error()
				}
				if got != c.kinds[i] || r.Host != req.Hosts[i] || (got == 0) != (r.V4 == v4) || r.V4.IsValid() && r.V4 != v4 {
					t.Errorf("result %d = %+v (%v), want kind %v", i, r, r.Fault, c.kinds[i])
				}
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("says %q, want %q in it", said, c.says)
			}
		})
	}
}

func (t turn) at(path string) turn {
	t.want += path
	return t
}

func TestHostwayNeedsAnIPv4Address(t *testing.T) {
	if _, err := onHostway(t).Update(t.Context(), updater.Request{Hosts: []string{"a.example.com"}, V6: v6}); faultKind(err) != updater.Refused {
		t.Errorf("error = %v", err)
	}
}

// What follows a request that was carried out cannot be "nothing was sent".
func TestHostwayLostAfterTheAction(t *testing.T) {
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, `{"hosts":[{"hostname":"a.example.com"}]}`)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		s.Listener.Close()
	}))
	defer s.Close()
	h := hostway().New(updater.Settings{Server: s.URL, Values: map[string]string{"client_key": "k"}, Client: updater.NewClient(updater.ClientConfig{})})
	if _, err := h.Update(t.Context(), updater.Request{Hosts: []string{"a.example.com"}, V4: v4}); faultKind(err) != updater.Unconfirmed || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("error = %v", err)
	}
}

func TestHostwayShapes(t *testing.T) {
	for body, want := range map[string]int{
		`{}`: 0, `{"hosts":null}`: 0, `{"hosts":[]}`: 0, `{"hosts":{"rel":"related","href":"http://api.invalid/x"}}`: 0,
		`{"hosts":{"hostname":"home.example.com","ipAddress":"84.0.0.2"}}`:                     1,
		`{"hosts":[{"hostname":"home.example.com","ipAddress":"84.0.0.2","new":{"a":[1]}},7]}`: 1,
		`{"hosts":[{"hostname":"a.example.com"},{"hostname":"b.example.com"}]}`:                2,
		`{"hosts":7}`: -1, `{"hosts":[`: -1, ``: -1,
	} {
		got, err := onHostway(t, getHosts().answer(200, body)).Hosts(t.Context())
		if (err != nil) != (want < 0) || err == nil && len(got) != want {
			t.Errorf("%s: %+v, %v; want %d", body, got, err, want)
		}
	}
	for text, want := range map[string]bool{`true`: true, `"true"`: true, `1`: true, `"1"`: true, `"True"`: true, `false`: false, `"false"`: false, `0`: false, `null`: false} {
		got, err := onHostway(t, getClient(text), getHosts()).ShowClient(t.Context())
		if err != nil || got.Offline != want || got.Key != "home-1" {
			t.Errorf("offline %s: %+v, %v", text, got, err)
		}
	}
	if _, err := onHostway(t, getClient(`"maybe"`)).ShowClient(t.Context()); faultKind(err) != updater.Unconfirmed {
		t.Errorf("offline maybe: %v", err)
	}
}

// Every other call, with each status that the documents give it.
func TestHostwayCalls(t *testing.T) {
	const host = "a.example.com"
	del := turn{want: "DELETE " + hostwayClient + "/hosts/" + host}
	end := turn{want: "DELETE " + hostwayClient}
	gone := getClient("").answer(404, "")
	hosts := []string{host}
	call := map[string]func(h *hostWay) error{
		"attach": func(h *hostWay) error { return h.Attach(t.Context(), host) },
		"detach": func(h *hostWay) error { return h.Detach(t.Context(), host) },
		"create": func(h *hostWay) error { return h.CreateClient(t.Context()) },
		"delete": func(h *hostWay) error { return h.DeleteClient(t.Context()) },
		"list":   func(h *hostWay) error { _, err := h.Hosts(t.Context()); return err },
		"show":   func(h *hostWay) error { _, err := h.ShowClient(t.Context()); return err },
		"published": func(h *hostWay) error {
			got, err := h.Published(t.Context(), hosts)
			if len(got) > 1 || len(got) == 1 && got[0] != (updater.Published{Host: host, V4: v4}) {
				t.Errorf("published %+v", got)
			}
			return err
		},
		"offline": func(h *hostWay) error { _, err := h.Offline(t.Context(), hosts); return err },
		"online":  func(h *hostWay) error { _, err := h.Online(t.Context(), updater.Request{Hosts: hosts}); return err },
		"online here": func(h *hostWay) error {
			_, err := h.Online(t.Context(), updater.Request{Hosts: hosts, V4: v4})
			return err
		},
	}
	const ok = updater.Kind(0)
	for _, c := range []struct {
		call  string
		turns []turn
		want  updater.Kind
		says  string
	}{
		{"attach", []turn{attach(host, 201)}, ok, ""},
		{"attach", []turn{attach(host, 200)}, ok, ""},
		{"attach", []turn{attach(host, 401)}, updater.Blocked, "user name"},
		{"attach", []turn{attach(host, 403)}, updater.Refused, "does not let"},
		{"attach", []turn{attach(host, 404)}, updater.Refused, "create it at Hostway first"},
		{"attach", []turn{attach(host, 200).answer(200, "<html>")}, updater.Unconfirmed, "a.example.com was not attached"},
		{"detach", []turn{del.answer(204, "")}, ok, ""},
		{"detach", []turn{del.answer(401, "")}, updater.Blocked, ""},
		{"detach", []turn{del.answer(403, "")}, updater.Refused, ""},
		{"detach", []turn{del.answer(404, "")}, updater.Refused, "a.example.com was not detached: Hostway does not have it"},
		{"create", []turn{gone, setClient("false", 201)}, ok, ""},
		{"create", []turn{getClient("true")}, ok, ""},
		{"create", []turn{gone, setClient("false", 401)}, updater.Blocked, ""},
		{"create", []turn{getClient("").answer(403, "")}, updater.Blocked, "client_key"},
		{"delete", []turn{end.answer(204, "")}, ok, ""},
		{"delete", []turn{end.answer(404, "")}, updater.Blocked, "wandns client SERVICE create"},
		{"delete", []turn{end.answer(403, "")}, updater.Blocked, ""},
		{"list", []turn{getHosts(host + " 84.0.0.2")}, ok, ""},
		{"list", []turn{gone.at("/hosts")}, updater.Blocked, "no client"},
		{"show", []turn{getClient("true"), getHosts()}, ok, ""},
		{"show", []turn{gone}, updater.Blocked, "no client"},
		{"published", []turn{getHosts(host+" 84.0.0.2", "b.example.com 84.0.0.3")}, ok, ""},
		{"published", []turn{gone.at("/hosts")}, ok, ""},
		{"published", []turn{gone.at("/hosts").answer(500, "")}, updater.Transient, ""},
		{"offline", []turn{getClient("false"), setClient("true", 200), getClient("true")}, ok, ""},
		{"offline", []turn{getClient("false"), setClient("true", 200), getClient("false")}, updater.Unconfirmed, "still says offline=false"},
		{"offline", []turn{gone}, updater.Blocked, "no client"},
		{"offline", []turn{getClient("false"), setClient("true", 403)}, updater.Blocked, ""},
		{"online", []turn{getClient("true"), setClient("false", 200), getClient("false")}, ok, ""},
		{"online here", []turn{getClient("true"), setClient("false", 200), getClient("false"), getHosts(host + " 84.0.0.2")}, ok, ""},
		{"online here", []turn{getClient("true"), setClient("false", 200), getClient("false"), getHosts(host + " 9.9.9.9"), getClient("false")}, updater.Unconfirmed, "9.9.9.9"},
	} {
		err := call[c.call](onHostway(t, c.turns...))
		if faultKind(err) != c.want || (err == nil) != (c.want == ok) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s (%d): %v, want %v with %q", c.call, c.turns[len(c.turns)-1].status, err, c.want, c.says)
		}
	}
}

// Hosts and keys stay in their places in the path.
func TestHostwayEscapes(t *testing.T) {
	h := onHostway(t, turn{want: "DELETE " + hostwayClient + "/hosts/..%2F..%2Fx%3Fy", status: 204})
	if err := h.Detach(t.Context(), "../../x?y"); err != nil {
		t.Error(err)
	}
	for key, good := range map[string]bool{"home-1": true, "a.b_c~D": true, "": false, "..": false, ".": false, "a/b": false, "a b": false, "ä": false, "a%2f": false, strings.Repeat("a", 65): false} {
		if why := checkClientKey(key); (why == "") != good {
			t.Errorf("client_key %q: %q", key, why)
		}
	}
}

func TestHostwaySpec(t *testing.T) {
	s := hostway()
	if s.Server != "https://cprest-vip.hostway.com" || !s.IPv4Only || !s.FromSource || s.Limits.Floor != 5*time.Minute {
		t.Errorf("spec = %+v", s)
	}
	for h, good := range map[string]bool{"home.example.com": true, "home": false, "a,b.c": false, ".example.com": false} {
		if why := s.CheckHost(h); (why == "") != good {
			t.Errorf("%s: %q", h, why)
		}
	}
}

// Its source may become the address, so a request leaves by IPv4 only.
func TestHostwayLeavesByIPv4(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Listener.Close()
	var err error
	if s.Listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp6", "[::1]:0"); err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.Close()
	h := hostway().New(updater.Settings{Server: s.URL, Values: map[string]string{"client_key": "k"}, Client: updater.NewClient(updater.ClientConfig{})}).(*hostWay)
	if _, err := h.Hosts(t.Context()); faultKind(err) != updater.Unreachable {
		t.Errorf("an IPv6 server was asked: %v", err)
	}
}

func FuzzReadHostway(f *testing.F) {
	f.Add(`{"hosts":[{"hostname":"home.example.com","ipAddress":"84.0.0.2"}]}`, `{"offline":true}`, 200)
	f.Add(`{"hosts":{"hostname":"home.example.com","ipAddress":"9.9.9.9"}}`, `{"offline":"0"}`, 200)
	f.Add(`<html>`, ``, 404)
	f.Fuzz(func(t *testing.T, hosts, client string, status int) {
		n := 0
		h := hostway().New(updater.Settings{
			Server: "http://hostway.invalid", Values: map[string]string{"client_key": "k"},
			Client: updater.NewClient(updater.ClientConfig{Dial: answering(func(r *http.Request) (int, string) {
				if n++; n > 20 {
					t.Fatal("it does not end")
				}
				switch {
				case strings.HasSuffix(r.URL.Path, "/hosts"):
					return 200, hosts
				case r.Method == http.MethodGet:
					return 200, client
				}
				return 200 + (status&0x7fff)%400, "" // of an action, an attachment and a registration
			})}),
		})
		req := updater.Request{Hosts: []string{"home.example.com", "b.example.com"}, V4: netip.MustParseAddr("84.0.0.2")}
		results, err := h.Update(t.Context(), req)
		if (err == nil) != (len(results) == 2) || err != nil && faultKind(err) == 0 {
			t.Fatalf("%d results, error %v", len(results), err)
		}
		for _, r := range results {
			if r.V4.IsValid() && (r.V4 != req.V4 || !strings.Contains(hosts, "84.0.0.2")) {
				t.Errorf("an address is confirmed that was not read: %+v", r)
			}
		}
	})
}

// answering is a network on which everybody is a server with these answers.
func answering(answer func(*http.Request) (int, string)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			r, err := http.ReadRequest(bufio.NewReader(there))
			if err != nil {
				return
			}
			io.Copy(io.Discard, r.Body)
			status, body := answer(r)
			fmt.Fprintf(there, "HTTP/1.1 %d x\r\nConnection: close\r\n", status)
			if status == http.StatusNoContent || status == http.StatusNotModified {
				body = ""
			}
			fmt.Fprintf(there, "Content-Length: %d\r\n\r\n%s", len(body), body)
		}()
		return here, nil
	}
}
