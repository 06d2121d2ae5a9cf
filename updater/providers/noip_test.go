package providers

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"wandns/updater"
)

var (
	v4 = netip.MustParseAddr("84.0.0.2")
	v6 = netip.MustParseAddr("2a00:1:2:3::1")
)

const canary = "canary-7f3a"

// exchange sends one request to a server that answers as it is told.
func exchange(t *testing.T, req updater.Request, status int, body string) (*http.Request, []updater.Result, error) {
	t.Helper()
	var got *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	defer s.Close()
	p := noip().New(updater.Settings{
		Values: map[string]string{"username": "jürgen@example.com", "password": canary + "€"}, Server: s.URL,
		Agent:  updater.Agent{Version: "1.2.3", Model: "mipsle", Contact: "packager@wandns.invalid"},
		Client: updater.NewClient(updater.ClientConfig{}),
	})
	results, err := p.Update(t.Context(), req)
	return got, results, err
}

func TestNoIPRequest(t *testing.T) {
	cases := []struct {
		name string
		req  updater.Request
		want string
	}{
		{"one host", updater.Request{Hosts: []string{"home.example.com"}, V4: v4}, "hostname=home.example.com&myip=84.0.0.2"},
		{"hosts and a group", updater.Request{Hosts: []string{"home.example.com", "group1", "all.ddnskey.com"}, V4: v4}, "hostname=home.example.com,group1,all.ddnskey.com&myip=84.0.0.2"},
		{"both families", updater.Request{Hosts: []string{"home.example.com"}, V4: v4, V6: v6}, "hostname=home.example.com&myip=84.0.0.2,2a00:1:2:3::1"},
		{"IPv6 only", updater.Request{Hosts: []string{"home.example.com"}, V6: v6}, "hostname=home.example.com&myip=2a00:1:2:3::1"},
		{"the connection's", updater.Request{Hosts: []string{"home.example.com"}, V4: netip.MustParseAddr("192.168.1.2"), From: "here"}, "hostname=home.example.com"},
	}
	for _, c := range cases {
		r, _, _ := exchange(t, c.req, http.StatusOK, "911")
		if r.Method != http.MethodGet || r.URL.Path != "/nic/update" || r.URL.RawQuery != c.want {
			t.Errorf("%s: %s %s?%s, want ?%s", c.name, r.Method, r.URL.Path, r.URL.RawQuery, c.want)
		}
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("jürgen@example.com:"+canary+"€"))
		if got := r.Header.Get("Authorization"); got != basic {
			t.Errorf("%s: Authorization %q, want %q", c.name, got, basic)
		}
		if got := r.UserAgent(); got != "wandns Router-mipsle/1.2.3 packager@wandns.invalid" || !regexp.MustCompile(`^\S+ \S+-\S+/\S+ \S+@\S+$`).MatchString(got) {
			t.Errorf("%s: User-Agent %q", c.name, got)
		}
	}
}

func TestNoIPUsesItsOwnServer(t *testing.T) {
	if got := noip().Server; got != "https://dynupdate.no-ip.com" {
		t.Errorf("server = %s", got)
	}
}

func TestNoIPAnswers(t *testing.T) {
	const (
		ok  = updater.Kind(0)
		bad = updater.Blocked
	)
	cases := []struct {
		name   string
		hosts  int
		both   bool
		status int
		body   string
		kinds  []updater.Kind // per host; none for a fault of all
		all    updater.Kind
		says   string
	}{
		{name: "good", body: "good 84.0.0.2", kinds: []updater.Kind{ok}},
		{name: "good with line ends", body: "\r\n good 84.0.0.2 \r\n\r\n", kinds: []updater.Kind{ok}},
		{name: "upper case", body: "GOOD 84.0.0.2", kinds: []updater.Kind{ok}},
		{name: "no address", body: "good", kinds: []updater.Kind{ok}},
		{name: "tab", body: "nochg\t84.0.0.2", kinds: []updater.Kind{ok}},
		{name: "nochg", body: "nochg 84.0.0.2", kinds: []updater.Kind{ok}},
		{name: "both", both: true, body: "good 84.0.0.2,2a00:1:2:3::1", kinds: []updater.Kind{ok}},
		{name: "both, other spelling", both: true, body: "good 2A00:0001:2:3:0::1, 84.0.0.2", kinds: []updater.Kind{ok}},
		{name: "more than was sent", body: "good 84.0.0.2,2a00::9", kinds: []updater.Kind{ok}},
		{name: "one of two addresses", both: true, body: "good 84.0.0.2", kinds: []updater.Kind{updater.Unconfirmed}, says: "84.0.0.2,2a00:1:2:3::1 was sent"},
		{name: "another address", body: "good 9.9.9.9", kinds: []updater.Kind{updater.Unconfirmed}, says: "9.9.9.9"},
		{name: "nochg with another address", body: "nochg 9.9.9.9", kinds: []updater.Kind{updater.Unconfirmed}},
		{name: "loopback", body: "good 127.0.0.1", kinds: []updater.Kind{bad}, says: "shuts out this program"},
		{name: "nohost", body: "nohost", kinds: []updater.Kind{updater.Refused}, says: "h0.example.com is not"},
		{name: "notfqdn", body: "notfqdn", kinds: []updater.Kind{updater.Refused}},
		{name: "badauth", body: "badauth", kinds: []updater.Kind{bad}, says: "user name and password"},
		{name: "badauth with 401", status: 401, body: "badauth\r\n", kinds: []updater.Kind{bad}},
		{name: "abuse with 401", status: 401, body: "abuse", kinds: []updater.Kind{bad}, says: "abuse"},
		{name: "911 with 500", status: 500, body: "911", kinds: []updater.Kind{updater.Throttled}},
		{name: "badagent", body: "BadAgent", kinds: []updater.Kind{bad}, says: "newer wandns"},
		{name: "not a donor", body: "!donator", kinds: []updater.Kind{bad}, says: "plan"},
		{name: "fault", body: "911", kinds: []updater.Kind{updater.Throttled}},
		{name: "dns fault", body: "dnserr", kinds: []updater.Kind{updater.Throttled}},

		{name: "line by line", hosts: 3, body: "good 84.0.0.2\r\nnohost\r\nnochg 84.0.0.2\r\n", kinds: []updater.Kind{ok, updater.Refused, ok}},
		{name: "said once for all", hosts: 3, body: "badauth", kinds: []updater.Kind{bad, bad, bad}},
		{name: "said once after a success", hosts: 3, body: "good 84.0.0.2\nabuse", kinds: []updater.Kind{ok, bad, bad}},
		{name: "fault said once", hosts: 2, body: "911", kinds: []updater.Kind{updater.Throttled, updater.Throttled}},
		{name: "fault for one", hosts: 2, body: "good 84.0.0.2\n911", kinds: []updater.Kind{ok, updater.Throttled}},
		{name: "nohost is never for all", hosts: 2, body: "nohost", kinds: []updater.Kind{updater.Refused, updater.Unconfirmed}},
		{name: "fewer lines than hosts", hosts: 3, body: "good 84.0.0.2", kinds: []updater.Kind{ok, updater.Unconfirmed, updater.Unconfirmed}},
		{name: "abuse beyond the hosts", body: "good 84.0.0.2\nnohost\nabuse", kinds: []updater.Kind{bad}, says: "abuse"},
		{name: "more lines than hosts", body: "good 84.0.0.2\ngood 84.0.0.2", kinds: []updater.Kind{ok}},
		{name: "one strange line", hosts: 2, body: "good 84.0.0.2\nwhat?", kinds: []updater.Kind{ok, updater.Unconfirmed}},

		{name: "empty", body: "", all: updater.Unconfirmed, says: "empty"},
		{name: "spaces", body: " \r\n \n", all: updater.Unconfirmed, says: "empty"},
		{name: "login page", body: "<html>goods</html>", all: updater.Unconfirmed, says: "login page"},
		{name: "good inside a word", body: "goods 84.0.0.2", all: updater.Unconfirmed},
		{name: "good inside a sentence", body: "ERROR good luck", all: updater.Unconfirmed},
		{name: "good whatever its status", status: 500, body: "good 84.0.0.2", kinds: []updater.Kind{ok}},
		{name: "bare good denied by its status", status: 500, body: "good", all: updater.Transient, says: "500"},
		{name: "full stop", body: "BadAuth.", kinds: []updater.Kind{bad}},
		{name: "colon and text", body: "badauth: wrong password", kinds: []updater.Kind{bad}},
		{name: "byte order mark", body: "\ufeffbadauth", kinds: []updater.Kind{bad}},
		{name: "badsys", body: "badsys", kinds: []updater.Kind{bad}},
		{name: "badrequest", status: 400, body: "badrequest", kinds: []updater.Kind{updater.Refused}},
		{name: "servererror", body: "servererror", kinds: []updater.Kind{updater.Transient}},
		{name: "wait", body: "w30m", kinds: []updater.Kind{updater.Throttled}},
		{name: "a word with w", body: "welcome 84.0.0.2", all: updater.Unconfirmed},
		{name: "401 without a word", status: 401, body: "", all: bad, says: "HTTP 401"},
		{name: "401 with a page", status: 401, body: "<html>Unauthorized</html>", all: bad},
		{name: "403", status: 403, body: "Forbidden", all: updater.Transient, says: "403"},
		{name: "503", status: 503, body: "", all: updater.Transient},
		{name: "429", status: 429, body: "", all: updater.Transient},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			req := updater.Request{V4: v4}
			for i := range max(c.hosts, 1) {
				req.Hosts = append(req.Hosts, "h"+string(rune('0'+i))+".example.com")
			}
			if c.both {
				req.V6 = v6
			}
			if c.status == 0 {
				c.status = http.StatusOK
			}
			_, results, err := exchange(t, req, c.status, c.body)
			if c.kinds == nil {
				fault, isFault := err.(*updater.Fault) //nolint:errorlint // the contract is a *Fault itself
				if !isFault || fault.Kind != c.all || !strings.Contains(fault.Error(), c.says) {
					t.Fatalf("error = %v, results %+v; want %v with %q", err, results, c.all, c.says)
				}
				return
			}
			if err != nil || len(results) != len(req.Hosts) {
				t.Fatalf("results = %+v, error %v", results, err)
			}
			for i, want := range c.kinds {
				r := results[i]
				got := ok
				if r.Fault != nil {
					got = r.Fault.Kind
				} else if r.V4 != req.V4 || r.V6 != req.V6 {
					got = updater.Unconfirmed
				}
				if got != want || r.Host != req.Hosts[i] {
					t.Errorf("result %d = %+v (%v), want %v", i, r, r.Fault, want)
				}
				if want == updater.Throttled && r.Fault.RetryAfter != 30*time.Minute {
					t.Errorf("asks again after %v", r.Fault.RetryAfter)
				}
				if want != ok && r.Fault != nil && !strings.Contains(r.Fault.Error(), c.says) {
					t.Errorf("says %q, want %q in it", r.Fault, c.says)
				}
			}
		})
	}
}

func noIPAt(url, myipv6 string) *noIP {
	return noip().New(settings(url, map[string]string{"username": "user@example.com", "password": canary, "myipv6": myipv6})).(*noIP)
}

func TestNoIPv6Parameter(t *testing.T) {
	for _, c := range []struct {
		option string
		req    updater.Request
		want   string
	}{
		{"true", updater.Request{V4: v4, V6: v6}, "&myip=84.0.0.2&myipv6=2a00:1:2:3::1"},
		{"true", updater.Request{V4: v4}, "&myip=84.0.0.2"},
		{"true", updater.Request{V6: v6}, "&myip=2a00:1:2:3::1"},
		{"false", updater.Request{V4: v4, V6: v6}, "&myip=84.0.0.2,2a00:1:2:3::1"},
	} {
		sc := serve(t, line{200, "good 84.0.0.2,2a00:1:2:3::1", nil})
		c.req.Hosts = []string{"all.ddnskey.com"}
		results, err := noIPAt(sc.url, c.option).Update(t.Context(), c.req)
		if err != nil || results[0].Fault != nil || results[0].V4 != c.req.V4 || results[0].V6 != c.req.V6 {
			t.Errorf("%+v: %+v, %v", c.req, results, err)
		}
		if got := sc.sent[0].uri; got != "/nic/update?hostname=all.ddnskey.com"+c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestNoIPPresence(t *testing.T) {
	const offline, online = "/nic/update?hostname=a.example.com,group1&offline=YES", "/nic/update?hostname=a.example.com,group1"
	for _, c := range []struct {
		name   string
		req    *updater.Request // nil to go offline
		status int
		body   string
		uri    string
		answer string
		kind   updater.Kind
		says   string
	}{
		{"offline", nil, 200, "good 0.0.0.0\r\nnochg\r\n", offline, "a.example.com: good 0.0.0.0\ngroup1: nochg", 0, ""},
		{"online", &updater.Request{V4: v4}, 200, "good 84.0.0.2\nnochg 84.0.0.2", online + "&myip=84.0.0.2", "a.example.com: good 84.0.0.2\ngroup1: nochg 84.0.0.2", 0, ""},
		{"online by the connection", &updater.Request{}, 200, "good 84.0.0.9\ngood 84.0.0.9", online, "a.example.com: good 84.0.0.9\ngroup1: good 84.0.0.9", 0, ""},
		{"online with another address", &updater.Request{V4: v4}, 200, "good 84.0.0.2\ngood 9.9.9.9", online + "&myip=84.0.0.2", "a.example.com: good 84.0.0.2\ngroup1: good 9.9.9.9", updater.Unconfirmed, "9.9.9.9"},
		{"online, one word strange", &updater.Request{V4: v4}, 200, "good 84.0.0.2\nwhat?", online + "&myip=84.0.0.2", "a.example.com: good 84.0.0.2\ngroup1: what?", updater.Unconfirmed, `group1 (it said "what?")`},
		{"plan", nil, 200, "!donator", offline, "a.example.com: !donator\ngroup1: !donator", updater.Refused, "a.example.com stays as it is: only Enhanced and No-IP Plus accounts can be offline (!donator); upgrade"},
		{"half", nil, 200, "good\nnohost", offline, "a.example.com: good\ngroup1: nohost", updater.Refused, "group1 is not a host or group"},
		{"one line", nil, 200, "good", offline, "a.example.com: good", updater.Unconfirmed, "group1"},
		{"ignored", nil, 200, "good 127.0.0.1\ngood", offline, "a.example.com: good 127.0.0.1\ngroup1: good", updater.Unconfirmed, "a.example.com"},
		{"login", nil, 401, "badauth", offline, "a.example.com: badauth\ngroup1: badauth", updater.Blocked, "correct username"},
		{"fault", nil, 200, "911", offline, "a.example.com: 911\ngroup1: 911", updater.Throttled, "30 minutes"},
		{"denied by the status", nil, 500, "good\ngood", offline, "", updater.Transient, "500"},
		{"page", nil, 200, "<html>" + canary, offline, "", updater.Unconfirmed, "login page"},
		{"empty", nil, 200, "", offline, "", updater.Unconfirmed, "empty"},
	} {
		sc := serve(t, line{c.status, c.body, nil})
		n := noIPAt(sc.url, "")
		hosts := []string{"a.example.com", "group1"}
		var answer string
		var err error
		if c.req == nil {
			answer, err = n.Offline(t.Context(), hosts)
		} else {
			c.req.Hosts = hosts
			answer, err = n.Online(t.Context(), *c.req)
		}
		wants(t, c.name, err, c.kind, c.says)
		if user, password, _ := sc.sent[0].basic(); len(sc.sent) != 1 || sc.sent[0].uri != c.uri || answer != c.answer || user != "user@example.com" || password != canary {
			t.Errorf("%s: %v %q, want %s %q", c.name, sc.sent, answer, c.uri, c.answer)
		}
	}
}

func (s sent) basic() (user, password string, ok bool) {
	return (&http.Request{Header: s.header}).BasicAuth()
}

func TestNoIPPresenceOfManyNames(t *testing.T) {
	hosts := make([]string, 45)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("h%02d", i)
	}
	good := line{200, strings.Repeat("good\n", 20), nil}
	sc := serve(t, good, good, line{200, strings.Repeat("good\n", 5), nil})
	answer, err := noIPAt(sc.url, "").Offline(t.Context(), hosts)
	if err != nil || len(sc.sent) != 3 || strings.Count(answer, ": good") != 45 || !strings.Contains(sc.sent[2].uri, "hostname=h40,h41,h42,h43,h44&") {
		t.Errorf("%d requests, %v, %s", len(sc.sent), err, answer)
	}
	sc = serve(t, good, line{503, "", nil})
	answer, err = noIPAt(sc.url, "").Offline(t.Context(), hosts)
	wants(t, "half of them", err, updater.Transient, "503")
	if len(sc.sent) != 2 || strings.Count(answer, ": good") != 20 {
		t.Errorf("%d requests, %s", len(sc.sent), answer)
	}
}

func TestNoIPAddress(t *testing.T) {
	for _, c := range []struct {
		name string
		only updater.Only
		line line
		want string
		kind updater.Kind
	}{
		{"IPv4", 0, line{200, "84.0.0.2", nil}, "84.0.0.2", 0},
		{"line end", updater.OnlyIPv4, line{200, " 84.0.0.2\r\n", nil}, "84.0.0.2", 0},
		{"IPv6 by the wrong family", updater.OnlyIPv4, line{200, "2a00::1", nil}, "", updater.Unconfirmed},
		{"page", 0, line{200, "<html>84.0.0.2", nil}, "", updater.Unconfirmed},
		{"empty", 0, line{200, "", nil}, "", updater.Unconfirmed},
		{"fault", 0, line{500, "84.0.0.2", nil}, "", updater.Transient},
	} {
		sc := serve(t, c.line)
		s := settings(noIPServer, map[string]string{"username": "user", "password": canary})
		s.Client = updater.NewClient(updater.ClientConfig{Secrets: []string{canary}, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(sc.url, "http://"))
		}})
		a, err := newNoIP(s).(updater.AddressProber).MyIP(updater.By(t.Context(), updater.Way{Only: c.only}))
		wants(t, c.name, err, c.kind, noProbe)
		if want, _ := netip.ParseAddr(c.want); a != want {
			t.Errorf("%s: %v", c.name, a)
		}
		if got := sc.sent[0]; got.String() != "GET / " || got.header.Get("Authorization") != "" || got.header.Get("User-Agent") == "" {
			t.Errorf("%s: %v %v", c.name, got, got.header)
		}
	}
}

// The detection service is spoken to without encryption, so it must not see
// who asks.
func TestNoIPAddressServers(t *testing.T) {
	for only, want := range map[updater.Only]string{
		updater.EitherFamily: "ip1.dynupdate.no-ip.com:80", updater.OnlyIPv4: "ip1.dynupdate.no-ip.com:80", updater.OnlyIPv6: "ip1.dynupdate6.no-ip.com:80",
	} {
		asked := ""
		s := settings(noIPServer, map[string]string{"username": "user", "password": canary})
		s.Client = updater.NewClient(updater.ClientConfig{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			asked = address
			return nil, errors.New("no network here")
		}})
		_, err := newNoIP(s).(updater.AddressProber).MyIP(updater.By(t.Context(), updater.Way{Only: only}))
		wants(t, want, err, updater.Unreachable, "no network here")
		if asked != want {
			t.Errorf("asked %s, want %s", asked, want)
		}
	}
}

// A server of the user's own is sent nothing but updates.
func TestNoIPAddressIsNotAskedOfAnotherServer(t *testing.T) {
	var p updater.Provider = noIPAt("http://127.0.0.1:1", "")
	if _, ok := p.(updater.AddressProber); ok {
		t.Error("it would be asked")
	}
}

func TestNoIPChecks(t *testing.T) {
	spec := noip()
	for h, good := range map[string]bool{"home.example.com": true, "group_1": true, "HOME.example.com": true, "a,b": false, "a b": false, "ä.example.com": false, "x?y": false, strings.Repeat("a", 254): false} {
		if got := spec.CheckHost(h) == ""; got != good {
			t.Errorf("CheckHost(%q) = %q", h, spec.CheckHost(h))
		}
	}
	for v, good := range map[string]bool{"user@example.com": true, "jürgen": true, "a:b": false, "a\nb": false} {
		if got := spec.Fields[0].Check(v) == ""; got != good {
			t.Errorf("username %q: %q", v, spec.Fields[0].Check(v))
		}
	}
	if why := spec.Fields[2].Check("1"); why != `"1" is not one of true, false` {
		t.Errorf("myipv6: %s", why)
	}
	if why := spec.Fields[1].Check("a:b"); why != "" {
		t.Errorf("a colon in the password: %s", why)
	}
}

func FuzzReadNoIP(f *testing.F) {
	f.Add(200, "good 84.0.0.2\nnohost", true)
	f.Add(401, "", false)
	f.Add(200, "good 127.0.0.1", false)
	f.Fuzz(func(t *testing.T, status int, body string, both bool) {
		req := updater.Request{Hosts: []string{"a.example.com", "b.example.com"}, V4: v4}
		if both {
			req.V6 = v6
		}
		results, err := readNoIP(req, updater.Answer{Status: status, Body: body})
		if (err == nil) != (len(results) == 2) {
			t.Fatalf("%d results, error %v", len(results), err)
		}
		for _, r := range results {
			if r.V4.IsValid() && r.V4 != req.V4 || r.V6.IsValid() && r.V6 != req.V6 {
				t.Errorf("an address that was not sent is confirmed: %+v", r)
			}
		}
	})
}

func TestNoIPTakesTheAddressOfTheConnection(t *testing.T) {
	own4, own6 := updater.Request{Hosts: []string{"a.example.com"}, V4: netip.MustParseAddr("192.168.1.2"), From: "here"}, updater.Request{Hosts: []string{"a.example.com"}, V6: v6, From: "here"}
	for _, c := range []struct {
		req    updater.Request
		body   string
		v4, v6 netip.Addr
		kind   updater.Kind
	}{
		{req: own4, body: "good 84.0.0.2", v4: v4},
		{req: own4, body: "nochg 84.0.0.2", v4: v4},
		{req: own4, body: "good 192.168.1.2", v4: own4.V4}, // for the engine to refuse
		{req: own4, body: "good"},
		{req: own4, body: "good 2a00:1:2:3::1", kind: updater.Unconfirmed},
		{req: own4, body: "good 127.0.0.1", kind: updater.Blocked},
		{req: own4, body: "nohost", kind: updater.Refused},
		{req: own6, body: "good 2a00:1:2:3::9", v6: netip.MustParseAddr("2a00:1:2:3::9")},
		{req: own6, body: "good 84.0.0.2", kind: updater.Unconfirmed},
	} {
		_, results, _ := exchange(t, c.req, http.StatusOK, c.body)
		var r updater.Result
		if len(results) == 1 {
			r = results[0]
		}
		if r.V4 != c.v4 || r.V6 != c.v6 || (r.Fault == nil) != (c.kind == 0) || r.Fault != nil && r.Fault.Kind != c.kind {
			t.Errorf("%s: %+v (%v)", c.body, r, r.Fault)
		}
	}
}

func FuzzReadNoIPPresence(f *testing.F) {
	f.Add(200, "good 0.0.0.0\nnohost")
	f.Add(200, "!donator "+canary)
	f.Add(500, "good")
	f.Fuzz(func(t *testing.T, status int, body string) {
		hosts := []string{"a.example.com", "b.example.com"}
		results, err := readNoIPPresence(hosts, updater.Answer{Status: status, Body: body}.Hide(canary))
		kindOf(t, err)
		if (err == nil) != (len(results) == 2) {
			t.Fatalf("%d results, error %v", len(results), err)
		}
		for i, r := range results {
			if r.Fault != nil {
				kindOf(t, r.Fault)
			} else if word := firstWord(r.Answer); status/100 != 2 || word != "good" && word != "nochg" {
				t.Errorf("%q is a success", r.Answer)
			}
			if r.Host != hosts[i] || strings.Contains(r.Answer, canary) {
				t.Errorf("result %+v", r)
			}
		}
	})
}
