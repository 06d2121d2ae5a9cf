package providers

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"wandns/updater"
)

func freeDNSAt(url, plan string) *freeDNSAccount {
	return freeDNS().New(settings(url, map[string]string{"username": "jo & co", "password": canary, "plan": plan})).(*freeDNSAccount)
}

func TestFreeDNSUpdate(t *testing.T) {
	for _, c := range []struct {
		host string
		req  updater.Request
		want string
	}{
		{"foo.freedns.io", updater.Request{V4: v4}, "host=foo&password=" + canary + "&record=A&username=jo+%26+co&value=84.0.0.2"},
		{"Foo", updater.Request{V6: v6}, "host=foo&password=" + canary + "&record=AAAA&username=jo+%26+co&value=2a00%3A1%3A2%3A3%3A%3A1"},
	} {
		sc := serve(t, line{200, "OK " + canary, nil})
		c.req.Hosts = []string{c.host}
		results, err := freeDNSAt(sc.url, "").Update(t.Context(), c.req)
		if err != nil || len(results) != 1 || results[0].Fault != nil || results[0].Host != c.host || results[0].V4 != c.req.V4 || results[0].V6 != c.req.V6 || results[0].Answer != "OK ***" {
			t.Errorf("%s: %+v, %v", c.host, results, err)
		}
		if got := sc.sent[0]; len(sc.sent) != 1 || got.String() != "POST /request "+c.want {
			t.Errorf("%s: %v, want %s", c.host, sc.sent, c.want)
		} else if h := got.header; h.Get("Content-Type") != "application/x-www-form-urlencoded" || h.Get("Authorization") != "" || h.Get("User-Agent") == "" {
			t.Errorf("%s: header %v", c.host, h)
		}
	}
}

func TestFreeDNSAnswers(t *testing.T) {
	const page = "<!doctype html><title>Welcome</title><form>"
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   updater.Kind
		says   string
	}{
		{"success", 200, "200 OK", 0, ""},
		{"success with nothing", 200, "", 0, ""},
		{"success with tags", 200, "<p>Record <b>updated</b></p>", 0, ""},
		{"success in other words", 200, "error? limit? password?", 0, ""},
		{"success in JSON", 200, `{"message":"OK",}`, 0, ""},
		{"login page", 200, page, updater.Unconfirmed, `foo was not updated: freedns.io answered with a web page called "Welcome" (200); check server`},
		{"no success", 204, "", updater.Unconfirmed, "gave no reason"},
		{"huge", 200, strings.Repeat("a", 65<<10), updater.Unconfirmed, "64 KiB"},

		{"login", 401, "Invalid username or password", updater.Blocked, `foo was not updated: freedns.io says "Invalid username or password" (401); correct username and password`},
		{"login in tags", 401, "<b>Login</b> failed", updater.Blocked, `"Login failed"`},
		{"login with the secret", 401, "wrong password " + canary, updater.Blocked, "wrong password ***"},
		{"account", 401, "Account suspended", updater.Blocked, "support"},
		{"quota", 401, "Only 2 updates per day for free accounts", updater.Spent, "check plan"},
		{"quota of 24 hours", 401, "limit of 2 in 24 hours reached", updater.Spent, ""},
		{"quota of the hour", 401, "You can send up to 60 requests per hour", updater.Throttled, ""},
		{"plan", 401, "Only permitted for Premium accounts", updater.Refused, "Premium account"},
		{"host", 401, "The host does not belong to this user, log in to add it", updater.Suspect, "has the host"},
		{"either", 401, "Invalid username, password or host", updater.Suspect, ""},
		{"anything", 401, "Unauthorized", updater.Suspect, `"Unauthorized"`},
		{"nothing", 401, "", updater.Suspect, "gave no reason (401)"},
		{"page", 401, page, updater.Suspect, "login page"},
		{"other type", 401, `{"message":["x"],"error":5}`, updater.Suspect, `"5"`},

		{"403", 403, "password", updater.Transient, "(403)"},
		{"404", 404, `{"message":"no"}`, updater.Transient, "(404)"},
		{"400", 400, "bad", updater.Transient, "(400)"},
		{"429", 429, "", updater.Throttled, ""},
		{"503", 503, page, updater.Transient, "(503)"},
	} {
		sc := serve(t, line{c.status, c.body, nil})
		results, err := freeDNSAt(sc.url, "").Update(t.Context(), updater.Request{Hosts: []string{"foo"}, V4: v4})
		named := c.kind == updater.Refused || c.kind == updater.Suspect || c.kind == updater.Spent
		if named != (len(results) == 1 && results[0].Fault != nil) {
			t.Errorf("%s: results %+v", c.name, results)
		} else if named {
			err = results[0].Fault
			if results[0].V4.IsValid() {
				t.Errorf("%s: confirmed all the same", c.name)
			}
		}
		wants(t, c.name, err, c.kind, c.says)
	}
}

func TestFreeDNSPausesAnHour(t *testing.T) {
	sc := serve(t, line{401, "more than 60 requests an hour", nil})
	_, err := freeDNSAt(sc.url, "").Update(t.Context(), updater.Request{Hosts: []string{"foo"}, V4: v4})
	wants(t, "hour", err, updater.Throttled, "")
	if f, _ := errors.AsType[*updater.Fault](err); f.RetryAfter != time.Hour {
		t.Errorf("asks again after %v", f.RetryAfter)
	}
}

func TestFreeDNSRecords(t *testing.T) {
	const mx = -1
	for _, c := range []struct {
		name   string
		remove bool
		r      updater.Record
		want   string // parameters besides username and password
	}{
		{"A", false, updater.Record{Name: "foo", Type: "A", Value: "84.0.0.2", Preference: mx}, "host=foo&record=A&value=84.0.0.2"},
		{"A of the connection", false, updater.Record{Name: "foo", Type: "A"}, "host=foo&record=A"},
		{"AAAA", false, updater.Record{Name: "foo.freedns.io", Type: "AAAA", Value: "2a00::1"}, "host=foo&record=AAAA&value=2a00%3A%3A1"},
		{"CNAME", false, updater.Record{Name: "foo", Type: "CNAME", Value: "www.example.com"}, "host=foo&record=CNAME&value=www.example.com"},
		{"TXT", false, updater.Record{Name: "foo", Type: "TXT", Value: `"v=spf1 -all"`}, "host=foo&record=TXT&value=v%3Dspf1+-all"},
		{"TXT with a quote", false, updater.Record{Name: "foo", Type: "TXT", Value: `say "hi"`}, "host=foo&record=TXT&value=say+%22hi%22"},
		{"MX", false, updater.Record{Name: "foo", Type: "MX", Value: "mx.example.com", Preference: mx}, "host=foo&record=MX&value=mx.example.com"},
		{"MX first", false, updater.Record{Name: "foo", Type: "MX", Value: "mx.example.com"}, "host=foo&preference=0&record=MX&value=mx.example.com"},
		{"MX replaced", false, updater.Record{Name: "foo", Type: "MX", Value: "mx2.example.com", Preference: 5, Replace: "mx.example.com"}, "host=foo&preference=5&record=MX&replace=mx.example.com&value=mx2.example.com"},
		{"no A", true, updater.Record{Name: "foo", Type: "A", Value: "84.0.0.2"}, "delete=1&host=foo&record=A&value="},
		{"no AAAA", true, updater.Record{Name: "foo", Type: "AAAA"}, "delete=1&host=foo&record=AAAA&value="},
		{"no CNAME", true, updater.Record{Name: "foo", Type: "CNAME", Value: "x"}, "delete=1&host=foo&record=CNAME&value="},
		{"no TXT", true, updater.Record{Name: "foo", Type: "TXT"}, "delete=1&host=foo&record=TXT&value="},
		{"no MX", true, updater.Record{Name: "foo", Type: "MX", Value: "mx.example.com"}, "delete=1&host=foo&record=MX&value=mx.example.com"},
	} {
		sc := serve(t, line{200, "done", nil})
		f := freeDNSAt(sc.url, "premium")
		do := f.SetRecord
		if c.remove {
			do = f.DeleteRecord
		}
		if answer, err := do(t.Context(), c.r); err != nil || answer != "done" || len(sc.sent) != 1 {
			t.Errorf("%s: %q, %v, %v", c.name, answer, err, sc.sent)
			continue
		}
		got, _ := url.ParseQuery(sc.sent[0].body)
		if got.Get("username") != "jo & co" || got.Get("password") != canary || sc.sent[0].method+sc.sent[0].uri != http.MethodPost+"/request" {
			t.Errorf("%s: %v", c.name, sc.sent[0])
		}
		got.Del("username")
		got.Del("password")
		if got.Encode() != c.want {
			t.Errorf("%s: %s, want %s", c.name, got.Encode(), c.want)
		}
	}
}

func TestFreeDNSRefusesWhatTheServerWould(t *testing.T) {
	sc := serve(t, line{200, "done", nil})
	for _, c := range []struct {
		plan   string
		remove bool
		r      updater.Record
		says   string
	}{
		{"", false, updater.Record{Name: "foo", Type: "TXT", Value: "x"}, "freedns.io has TXT records for Premium accounts only, and plan is free; set plan to premium if the account is"},
		{"free", true, updater.Record{Name: "foo", Type: "MX", Value: "x"}, "MX records for Premium"},
		{"premium", false, updater.Record{Name: "foo", Type: "CNAME"}, "needs a value"},
		{"premium", true, updater.Record{Name: "foo", Type: "MX"}, "several MX records; add the value of the one to delete"},
		{"premium", false, updater.Record{Name: "foo", Type: "MX", Value: "x", Preference: 65536}, "65536 is no preference"},
		{"premium", false, updater.Record{Name: "foo", Type: "TXT", Value: "x", Replace: "y"}, "only one TXT record"},
		{"", false, updater.Record{Name: "foo", Type: "A", Value: "84.0.0.2", TTL: 60}, "TTL"},
		{"", false, updater.Record{Name: "foo", Type: "A", Value: "2a00::1"}, `"2a00::1" is no address that an A record can have`},
		{"", false, updater.Record{Name: "foo", Type: "AAAA", Value: "::ffff:84.0.0.2"}, "no address"},
		{"", false, updater.Record{Name: "foo", Type: "AAAA", Value: "fe80::1%eth0"}, "no address"},
		{"", false, updater.Record{Name: "foo", Type: "SRV", Value: "x"}, "no SRV records; choose A, AAAA, CNAME, TXT or MX"},
		{"", true, updater.Record{Name: "foo.example.com", Type: "A"}, "not below freedns.io"},
	} {
		f := freeDNSAt(sc.url, c.plan)
		do := f.SetRecord
		if c.remove {
			do = f.DeleteRecord
		}
		_, err := do(t.Context(), c.r)
		wants(t, c.says, err, updater.Refused, c.says)
	}
	// Over a connection by IPv4 it would become an AAAA record's value.
	_, err := freeDNSAt(sc.url, "").SetRecord(t.Context(), updater.Record{Name: "foo", Type: "AAAA"})
	wants(t, "AAAA of the connection", err, updater.Unreachable, "")
	if len(sc.sent) != 0 {
		t.Errorf("sent all the same: %v", sc.sent)
	}
}

func TestFreeDNSSpec(t *testing.T) {
	spec := freeDNS()
	for h, want := range map[string]string{
		"foo": "foo.freedns.io", "foo.freedns.io": "foo.freedns.io", "FOO.FreeDNS.io": "foo.freedns.io", "f-o_o1": "f-o_o1.freedns.io",
		"": "", "freedns.io": "", ".freedns.io": "", "a.foo.freedns.io": "", "foo.example.com": "", "-foo": "", "a b": "", "ä": "", strings.Repeat("a", 64): "",
	} {
		if got := spec.CheckHost(h); (got == "") != (want != "") {
			t.Errorf("CheckHost(%q) = %q", h, got)
		} else if got == "" && spec.DNSName(h) != want {
			t.Errorf("DNSName(%q) = %q", h, spec.DNSName(h))
		}
	}
	for plan, want := range map[string]int{"": 2, "free": 2, "premium": 15} {
		if got := spec.LimitsOf(map[string]string{"plan": plan}); got.PerDay != want || got.PerHour != 60 || got.HostsPerRequest != 1 || !got.OneFamily {
			t.Errorf("plan %q has limits %+v", plan, got)
		}
	}
	if spec.Limits != spec.LimitsOf(nil) || spec.Server != "https://freedns.io" {
		t.Errorf("limits %+v, server %s", spec.Limits, spec.Server)
	}
	if why := spec.Fields[2].Check("Premium"); why != `"Premium" is not one of free, premium` {
		t.Errorf("plan: %s", why)
	}
}

func FuzzReadFreeDNS(f *testing.F) {
	f.Add(401, "wrong password "+canary)
	f.Add(200, "<html>")
	f.Fuzz(func(t *testing.T, status int, body string) {
		r := reply{updater.Answer{Status: status, Body: body}.Hide(canary), parse(body), false}
		answer, err := freeDNSAt("", "").read("foo was not updated", r)
		if kind := kindOf(t, err); kind == 0 && status != 200 || kind == updater.Blocked && status != 401 || strings.Contains(answer, canary) {
			t.Errorf("%d is %q, %v", status, answer, err)
		}
	})
}
