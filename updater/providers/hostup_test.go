package providers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"wandns/updater"
)

const (
	upHost  = "home.example.com"
	token   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	token2  = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
	upName  = upHost + " A"
	configs = "/api/v2/domains/dom_01/dyndns"
	one     = configs + "/ddns_01"
)

// The requests, and the answers as the document has them.
func update(token string, status int, body string) turn {
	return turn{want: "GET /api/dyndns/update?hostname=home.example.com&token=" + token + "&ip=84.0.0.2", status: status, body: body}
}

func domains() turn {
	return turn{
		want: "GET /api/v2/domains?limit=20&name=example.com", status: 200,
		body: `{"data":[{"id":"dom_00","name":"example.com.au"},{"id":"dom_01","name":"Example.com","serviceStatus":"active"}],"hasMore":false,"nextCursor":null}`,
	}
}

func config(host, recordType, token, enabled string) string {
	if token != "null" {
		token = `"` + token + `"`
	}
	return fmt.Sprintf(`{"id":"ddns_01","hostname":%q,"recordType":%q,"token":%s,"lastIp":"203.0.113.45","lastUpdatedAt":"2026-04-27T12:00:00.000Z","updateCount":12,"enabled":%s,"createdAt":"2026-04-20T08:00:00.000Z","updatedAt":null}`,
		host, recordType, token, enabled)
}

func listed(list ...string) turn {
	return turn{want: "GET " + configs, status: 200, body: `{"available":true,"reason":null,"configs":[` + strings.Join(list, ",") + `],"actions":{"canManage":{"allowed":true,"reason":null}}}`}
}

func created(status int, body string) turn {
	return turn{want: "POST " + configs + ` {"hostname":"home.example.com","recordType":"A"}`, status: status, body: body}
}

func rfc7807(status int, code, more string) string {
	return fmt.Sprintf(`{"type":"https://developer.hostup.se/errors/%s","title":"Validation failed","status":%d,"detail":"The request body failed validation.","code":%q,"instance":"/api/v2/orders","requestId":"req_01","timestamp":"2026-04-27T12:34:56.000Z"%s,"extensions":{}}`,
		code, status, code, more)
}

const fieldErrors = `,"errors":[{"pointer":"/hostname","detail":"must be below the domain","code":"invalid"}]`

func onHostUp(t *testing.T, values map[string]string, turns ...turn) *hostUp {
	t.Helper()
	headers := map[string]string{"Accept": "application/json", "Authorization": "Bearer key-" + canary}
	return stage(t, hostup(), values, headers, turns...).(*hostUp)
}

func byTokens() map[string]string { return map[string]string{"token4": token} }

func byKey() map[string]string {
	return map[string]string{"api_key": "key-" + canary, "domain": "example.com"}
}

// outcome is what an Update came to, as a text.
func outcomeOf(results []updater.Result, err error) (updater.Kind, string) {
	said := ""
	kind := faultKind(err)
	if err != nil {
		said = err.Error()
	}
	for _, r := range results {
		said += r.Answer
		if r.Fault != nil {
			kind = r.Fault.Kind
			said += r.Fault.Error()
		}
	}
	return kind, said
}

func TestHostUpAnswersOfTheUpdateURL(t *testing.T) {
	const ok = updater.Kind(0)
	for _, c := range []struct {
		name   string
		status int
		body   string
		header string
		want   updater.Kind
		says   string
	}{
		{name: "good", body: "good 84.0.0.2\n"},
		{name: "good and no more", body: "good"},
		{name: "nochg", body: "nochg 84.0.0.2"},
		{name: "mapped", body: "good ::ffff:84.0.0.2"},
		{name: "another address", body: "good 9.9.9.9", want: updater.Unconfirmed, says: `the A record of home.example.com was not updated to 84.0.0.2: HostUp answered "good 9.9.9.9"`},
		{name: "loopback", body: "good 127.0.0.1", want: updater.Blocked, says: "shuts out"},
		{name: "good denied by its status", status: 500, body: "good", want: updater.Transient},
		{name: "badauth", body: "badauth", want: updater.Blocked, says: "does not accept its token; correct token4"},
		{name: "401", status: 401, want: updater.Blocked, says: "does not accept its token"},
		{name: "403", status: 403, want: updater.Blocked, says: "correct token4"},
		{name: "nohost", body: "nohost", want: updater.Refused, says: "HostUp does not accept the name (nohost); correct hostnames"},
		{name: "notfqdn", status: 400, body: "notfqdn", want: updater.Refused, says: "HostUp"},
		{name: "abuse", body: "abuse", want: updater.Blocked, says: "ask HostUp's support"},
		{name: "911", status: 500, body: "911", want: updater.Throttled},
		{name: "dnserr", body: "dnserr", want: updater.Throttled},
		{name: "problem 400", status: 400, body: rfc7807(400, "invalid_request", fieldErrors), want: updater.Refused, says: `code invalid_request, /hostname: "must be below the domain"`},
		{name: "problem 401", status: 401, body: rfc7807(401, "unauthorized", ""), want: updater.Blocked},
		{name: "problem 403", status: 403, body: rfc7807(400, "account_inactive", ""), want: updater.Blocked, says: "account is not active"},
		{name: "problem 404", status: 404, body: rfc7807(404, "not_found", ""), want: updater.Suspect, says: "set update_url"},
		{name: "problem 429", status: 429, body: rfc7807(429, "rate_limited", ""), header: "Retry-After: 77", want: updater.Throttled, says: "1m17s"},
		{name: "problem 500", status: 500, body: rfc7807(400, "invalid_request", ""), want: updater.Transient},
		{name: "problem 502", status: 502, body: rfc7807(502, "upstream_timeout", ""), want: updater.Transient},
		{name: "problem with 200", body: rfc7807(400, "invalid_request", fieldErrors), want: updater.Refused, says: "/hostname"},
		{name: "gone", status: 410, want: updater.Suspect, says: "set update_url"},
		{name: "not there, with a page", status: 404, body: "<html><title>Not found</title>", want: updater.Suspect, says: "set update_url"},
		{name: "login page", body: "<html><title>Hotel</title>", want: updater.Unconfirmed, says: "login page"},
		{name: "empty", want: updater.Unconfirmed},
		{name: "JSON that is no problem", body: `{"ok":true}`, want: updater.Unconfirmed},
		{name: "huge", body: strings.Repeat("good ", 1<<18), want: updater.Unconfirmed},
		{name: "503", status: 503, header: "Retry-After: 30", want: updater.Throttled},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := update(token, max(c.status, 0), c.body)
			if c.status == 0 {
				at.status = 200
			}
			at.header = c.header
			results, err := onHostUp(t, byTokens(), at).Update(t.Context(), updater.Request{Hosts: []string{upHost}, V4: v4})
			kind, said := outcomeOf(results, err)
			if kind != c.want || !strings.Contains(said, c.says) {
				t.Errorf("%v %q, want %v with %q", kind, said, c.want, c.says)
			}
			if c.want == ok && (len(results) != 1 || results[0].V4 != v4 || results[0].Unchanged != strings.HasPrefix(c.body, "nochg") || results[0].Tokens != nil) {
				t.Errorf("results = %+v", results)
			}
			if c.want != ok && len(results) > 0 && results[0].V4.IsValid() {
				t.Errorf("confirmed: %+v", results)
			}
		})
	}
}

func TestHostUpWaitsUntilTheLimitResets(t *testing.T) {
	for header, want := range map[string][2]time.Duration{
		"X-RateLimit-Reset: " + time.Now().Add(10*time.Minute).UTC().Format("2006-01-02T15:04:05.000Z"): {9 * time.Minute, 10 * time.Minute},
		"X-RateLimit-Reset: 1999-01-01T00:00:00Z":                                                       {0, 0},
		"X-RateLimit-Reset: soon":                                                                       {0, 0},
		"Retry-After: 61":                                                                               {61 * time.Second, 61 * time.Second},
	} {
		at := update(token, 429, "")
		at.header = header
		_, err := onHostUp(t, byTokens(), at).Update(t.Context(), updater.Request{Hosts: []string{upHost}, V4: v4})
		f, _ := errors.AsType[*updater.Fault](err)
		if faultKind(err) != updater.Throttled || f.RetryAfter < want[0] || f.RetryAfter > want[1] {
			t.Errorf("%s: %v, after %v", header, err, f.RetryAfter)
		}
	}
}

func TestHostUpURL(t *testing.T) {
	h := onHostUp(t, map[string]string{"token6": "a+b/c", "update_url": "https://other.invalid/up/{host}?auth={token}&addr={ip}"},
		turn{want: "GET /up/home.example.com?auth=a%2Bb%2Fc&addr=2a00%3A1%3A2%3A3%3A%3A1", status: 200, body: "good 2A00:1:2:3:0::1"})
	if results, err := h.Update(t.Context(), updater.Request{Hosts: []string{upHost}, V6: v6}); err != nil || results[0].V6 != v6 {
		t.Errorf("results = %+v, %v", results, err)
	}
	own := hostup().New(updater.Settings{Server: hostUpServer, Values: map[string]string{"update_url": "https://other.invalid/{host}{token}{ip}"}}).(*hostUp)
	if own.url != "https://other.invalid/{host}{token}{ip}" {
		t.Errorf("update_url became %s", own.url)
	}
	for u, good := range map[string]bool{
		hostUpUpdate: true, "http://h/?t={token}&i={ip}": true, "https://h/{token}": false, "h/{token}{ip}": false, "https:///{token}{ip}": false,
		"https://{host}.x/{token}{ip}": false, "ftp://h/{token}{ip}": false, "https://b\u00fccher.x/{token}{ip}": false, "https://u:p@h/{token}{ip}": false, "https://h/%zz{token}{ip}": false, "https://h/?{token}&{ip} x": false, "": false,
	} {
		if why := checkUpdateURL(u); (why == "") != good {
			t.Errorf("update_url %q: %q", u, why)
		}
	}
}

func TestHostUpSettings(t *testing.T) {
	for _, c := range []struct{ values, hosts, key string }{
		{"token4", "a.b", ""},
		{"token4 token6", "a.b", ""},
		{"token4", "a.b c.b", "token4"},
		{"api_key domain", "example.com www.example.com", ""},
		{"api_key domain", "www.example.com badexample.com", "hostnames"},
		{"", "a.b", "token4"},
		{"api_key", "a.b", "domain"},
		{"domain", "a.b", "api_key"},
		{"token6 api_key domain", "example.com", "token6"},
		{"token4 domain", "example.com", "domain"},
	} {
		values := map[string]string{}
		for name := range strings.FieldsSeq(c.values) {
			values[name] = "example.com"
		}
		if key, why := checkHostUp(values, strings.Fields(c.hosts)); key != c.key || (key == "") != (why == "") {
			t.Errorf("%s for %s: %s %s, want %s", c.values, c.hosts, key, why, c.key)
		}
		if got, want := hostUpFamilies(values), [2]bool{values["token6"] == "" || values["token4"] != "", values["token4"] == "" || values["token6"] != ""}; got != want {
			t.Errorf("%s: families %v, want %v", c.values, got, want)
		}
	}
	for v, good := range map[string]bool{token: true, "a b": false, "a\nb": false, "ä": false} {
		if why := checkToken(v); (why == "") != good {
			t.Errorf("token %q: %q", v, why)
		}
	}
}

func TestHostUpFindsAndMakesTokens(t *testing.T) {
	mine := config(upHost, "A", token, "true")
	stored := map[string]string{upName: token}
	const forgotten = ""
	for _, c := range []struct {
		name  string
		kept  map[string]string
		turns []turn
		want  updater.Kind
		says  string
		keeps map[string]string
	}{
		{name: "kept", kept: stored, turns: []turn{update(token, 200, "good 84.0.0.2")}},
		{name: "found", turns: []turn{domains(), listed(config(upHost, "AAAA", token2, "true"), config("HOME.example.com", "a", token, "true")), update(token, 200, "nochg 84.0.0.2")}, keeps: stored},
		{name: "made", turns: []turn{domains(), listed(config("www.example.com", "A", token2, "true")), created(201, mine), update(token, 200, "good")}, keeps: stored},
		{name: "another type is no matter", turns: []turn{domains(), listed(`{"id":"x","hostname":"?","recordType":"TXT"}`), created(200, mine), update(token, 200, "good")}, keeps: stored},
		{name: "made and then cut off", turns: []turn{domains(), listed(), created(201, mine), update(token, 503, "")}, want: updater.Transient, keeps: stored},
		{name: "made and then throttled", turns: []turn{domains(), listed(), created(201, mine), {want: update(token, 0, "").want, status: 429, header: "Retry-After: 9"}}, want: updater.Throttled, keeps: stored},
		{name: "replaced", kept: stored, turns: []turn{update(token, 200, "badauth"), domains(), listed(config(upHost, "A", token2, "true")), update(token2, 200, "good 84.0.0.2")}, keeps: map[string]string{upName: token2}},
		{name: "deleted", kept: stored, turns: []turn{update(token, 401, ""), domains(), listed(), created(201, config(upHost, "A", token2, "true")), update(token2, 200, "good 84.0.0.2")}, keeps: map[string]string{upName: token2}},
		{name: "nohost, and another token", kept: stored, turns: []turn{update(token, 200, "nohost"), domains(), listed(config(upHost, "A", token2, "true")), update(token2, 200, "good")}, keeps: map[string]string{upName: token2}},
		{name: "refused twice", kept: stored, turns: []turn{update(token, 200, "badauth"), domains(), listed(config(upHost, "A", token2, "true")), update(token2, 200, "badauth")}, want: updater.Blocked, says: "badauth", keeps: map[string]string{upName: forgotten}},
		{name: "refused and the same", kept: stored, turns: []turn{update(token, 200, "badauth"), domains(), listed(mine)}, want: updater.Blocked, says: "wandns key SERVICE list", keeps: map[string]string{upName: forgotten}},
		{name: "refused as soon as found", turns: []turn{domains(), listed(mine), update(token, 200, "badauth")}, want: updater.Blocked, keeps: map[string]string{upName: forgotten}},
		{name: "refused, then no answer", kept: stored, turns: []turn{update(token, 200, "badauth"), domains().answer(500, "")}, want: updater.Transient, keeps: map[string]string{upName: forgotten}},
		{name: "disabled", kept: stored, turns: []turn{update(token, 200, "badauth"), domains(), listed(config(upHost, "A", token, "false"))}, want: updater.Refused, says: "disabled at HostUp; wandns key SERVICE enable ddns_01", keeps: map[string]string{upName: forgotten}},
		{name: "token hidden", turns: []turn{domains(), listed(config(upHost, "A", "null", "true"))}, want: updater.Blocked, says: "scope write:domains"},
		{name: "token of a new one hidden", turns: []turn{domains(), listed(), created(201, config(upHost, "A", "null", "true"))}, want: updater.Blocked, says: "scope write:domains"},
		{name: "no such domain", turns: []turn{domains().answer(200, `{"data":[{"id":"dom_9","name":"x.example.com"}],"hasMore":false}`)}, want: updater.Blocked, says: "has no domain example.com; correct domain"},
		{
			name: "on the second page",
			turns: []turn{
				domains().answer(200, `{"data":[],"hasMore":true,"nextCursor":"c&1"}`),
				{want: "GET /api/v2/domains?cursor=c%261&limit=20&name=example.com", status: 200, body: domains().body},
				listed(mine), update(token, 200, "good"),
			}, keeps: stored,
		},
		{name: "pages in a circle", turns: []turn{domains().answer(200, `{"data":[],"hasMore":true,"nextCursor":"c"}`), {want: "GET /api/v2/domains?cursor=c&limit=20&name=example.com", status: 200, body: `{"data":[],"hasMore":true,"nextCursor":"c"}`}}, want: updater.Blocked},
		{name: "an ID that is a path", turns: []turn{domains().answer(200, `{"data":[{"id":"../x","name":"example.com"}]}`)}, want: updater.Blocked},
		{name: "elsewhere", turns: []turn{domains(), listed().answer(200, `{"available":false,"reason":"Domain uses external name servers","configs":[]}`)}, want: updater.Blocked, says: `("Domain uses external name servers"); let the domain use HostUp's name servers`},
		{name: "API key refused", turns: []turn{domains().answer(401, rfc7807(400, "invalid_request", fieldErrors))}, want: updater.Blocked, says: "api_key"},
		{name: "no scope", turns: []turn{domains(), listed(), created(403, rfc7807(403, "forbidden", ""))}, want: updater.Blocked, says: "write:domains"},
		{name: "not verified", turns: []turn{domains(), listed(), created(403, rfc7807(403, "verification_failed", ""))}, want: updater.Blocked, says: "complete the verification"},
		{name: "field errors", turns: []turn{domains(), listed(), created(400, rfc7807(400, "invalid_request", fieldErrors))}, want: updater.Refused, says: `/hostname: "must be below the domain"`},
		{name: "made by somebody else meanwhile", turns: []turn{domains(), listed(), created(409, rfc7807(409, "conflict", ""))}, want: updater.Transient},
		{name: "domain gone", turns: []turn{domains(), listed().answer(404, rfc7807(404, "domain_not_found", ""))}, want: updater.Refused, says: "domain_not_found"},
		{name: "throttled", turns: []turn{{want: domains().want, status: 429, body: rfc7807(400, "invalid_request", ""), header: "Retry-After: 9"}}, want: updater.Throttled},
		{name: "upstream", turns: []turn{domains(), listed().answer(502, rfc7807(502, "upstream_error", ""))}, want: updater.Transient},
		{name: "page", turns: []turn{domains().answer(200, "<html><title>Hotel</title>")}, want: updater.Unconfirmed, says: "login page"},
		{name: "empty", turns: []turn{domains(), listed().answer(200, "")}, want: updater.Unconfirmed},
		{name: "no list of domains", turns: []turn{domains().answer(200, `{"data":{"id":"dom_01"}}`)}, want: updater.Unconfirmed},
		{name: "no list of tokens", turns: []turn{domains(), listed().answer(200, `{"available":true}`)}, want: updater.Unconfirmed},
		{name: "tokens of a strange shape", turns: []turn{domains(), listed().answer(200, `{"available":true,"configs":["a"]}`)}, want: updater.Unconfirmed},
		{name: "a token that cannot be read", turns: []turn{domains(), listed(`{"id":"a/b","hostname":"home.example.com","recordType":"A"}`)}, want: updater.Unconfirmed},
		{name: "made for another", turns: []turn{domains(), listed(), created(201, config("www.example.com", "A", token, "true"))}, want: updater.Unconfirmed},
		{name: "made, and cut short", turns: []turn{domains(), listed(), created(201, mine[:90])}, want: updater.Unconfirmed, says: "no A token was made"},
		{name: "huge", turns: []turn{domains(), listed().answer(200, strings.Repeat(" ", 1<<20))}, want: updater.Unconfirmed},
		{name: "a problem that says success", turns: []turn{domains().answer(200, rfc7807(403, "forbidden", ""))}, want: updater.Blocked},
	} {
		t.Run(c.name, func(t *testing.T) {
			results, err := onHostUp(t, byKey(), c.turns...).Update(t.Context(), updater.Request{Hosts: []string{upHost}, V4: v4, Tokens: c.kept})
			kind, said := outcomeOf(results, err)
			if kind != c.want || !strings.Contains(said, c.says) {
				t.Errorf("%v %q, want %v with %q", kind, said, c.want, c.says)
			}
			var keeps map[string]string
			if len(results) == 1 {
				keeps = results[0].Tokens
			}
			if fmt.Sprint(keeps) != fmt.Sprint(c.keeps) {
				t.Errorf("keeps %v, want %v", keeps, c.keeps)
			}
			if c.want == 0 && (len(results) != 1 || results[0].V4 != v4) || c.want != 0 && len(results) > 0 && results[0].V4.IsValid() {
				t.Errorf("results = %+v", results)
			}
		})
	}
}

// A name's two families have tokens of their own, and one that fails does not
// take the other's confirmation along.
func TestHostUpBothFamilies(t *testing.T) {
	six := turn{want: "GET /api/dyndns/update?hostname=home.example.com&token=" + token2 + "&ip=2a00%3A1%3A2%3A3%3A%3A1", status: 500}
	h := onHostUp(t, byKey(), update(token, 200, "good"), six)
	results, err := h.Update(t.Context(), updater.Request{Hosts: []string{upHost}, V4: v4, V6: v6, Tokens: map[string]string{upName: token, upHost + " AAAA": token2}})
	if err != nil || results[0].V4 != v4 || results[0].V6.IsValid() || results[0].Fault == nil || results[0].Fault.Kind != updater.Transient {
		t.Errorf("results = %+v, %v", results, err)
	}
	results, err = onHostUp(t, byTokens()).Update(t.Context(), updater.Request{Hosts: []string{upHost}, V6: v6})
	if kind, said := outcomeOf(results, err); kind != updater.Refused || !strings.Contains(said, "give token6") {
		t.Errorf("without a token for IPv6: %v %q", kind, said)
	}
}

func TestHostUpKeys(t *testing.T) {
	mine := config(upHost, "A", token, "true")
	keys := func(h *hostUp) (any, error) { return h.Keys(t.Context()) }
	create := func(host, recordType string) func(h *hostUp) (any, error) {
		return func(h *hostUp) (any, error) { return h.CreateKey(t.Context(), host, recordType) }
	}
	enable := func(id string, enabled bool) func(h *hostUp) (any, error) {
		return func(h *hostUp) (any, error) { return h.EnableKey(t.Context(), id, enabled) }
	}
	del := func(h *hostUp) (any, error) { return nil, h.DeleteKey(t.Context(), "ddns_01") }
	log := func(h *hostUp) (any, error) { return h.KeyLog(t.Context(), "ddns_01") }
	read := func(h *hostUp) (any, error) { return h.Published(t.Context(), []string{upHost, "b.example.com"}) }
	key := updater.Key{ID: "ddns_01", Host: upHost, Type: "A", Secret: token, Enabled: true, Address: "203.0.113.45", Updated: "2026-04-27T12:00:00.000Z"}
	off := key
	off.Enabled = false
	for _, c := range []struct {
		name  string
		call  func(*hostUp) (any, error)
		turns []turn
		want  updater.Kind
		says  string // in the error or the result
	}{
		{"list", keys, []turn{domains(), listed(mine)}, 0, fmt.Sprint([]updater.Key{key})},
		{"list of none", keys, []turn{domains(), listed()}, 0, "[]"},
		{"create", create(upHost, "A"), []turn{domains(), listed(), created(201, mine)}, 0, fmt.Sprint(key)},
		{"create what is there", create(upHost, ""), []turn{domains(), listed(config(upHost, "A", token, "false"))}, 0, fmt.Sprint(off)},
		{"create elsewhere", create("a.example.org", "A"), nil, updater.Refused, "neither example.com nor below"},
		{"create a strange type", create(upHost, "TXT"), nil, updater.Refused, "choose A or AAAA"},
		{"enable", enable("ddns_01", true), []turn{domains(), {want: "PATCH " + one + ` {"enabled":true}`, status: 200, body: mine}}, 0, fmt.Sprint(key)},
		{"disable", enable("ddns_01", false), []turn{domains(), {want: "PATCH " + one + ` {"enabled":false}`, status: 200, body: config(upHost, "A", token, "false")}}, 0, fmt.Sprint(off)},
		{"disable in vain", enable("ddns_01", false), []turn{domains(), {want: "PATCH " + one + ` {"enabled":false}`, status: 200, body: mine}}, updater.Unconfirmed, "was not changed"},
		{"enable none", enable("../x", true), nil, updater.Refused, "wandns key SERVICE list"},
		{"enable an unknown one", enable("ddns_01", true), []turn{domains(), {want: "PATCH " + one + ` {"enabled":true}`, status: 404, body: rfc7807(404, "not_found", "")}}, updater.Refused, "not_found"},
		{"delete", del, []turn{domains(), {want: "DELETE " + one, status: 204}}, 0, ""},
		{"delete an unknown one", del, []turn{domains(), {want: "DELETE " + one, status: 404, body: rfc7807(404, "not_found", "")}}, updater.Refused, "the key was not deleted"},
		{"delete and a page", del, []turn{domains(), {want: "DELETE " + one, status: 200, body: "<html>"}}, updater.Unconfirmed, ""},
		{
			"log", log,
			[]turn{domains(), {want: "GET " + one + "/logs", status: 200, body: `{"logs":[{"oldIp":null,"newIp":"203.0.113.45","sourceIp":"203.0.113.46","userAgent":"curl","status":"failed","errorMessage":"token ` + token + ` is odd","createdAt":"2026-04-27T12:00:00.000Z"}]}`}},
			0,
			fmt.Sprint([]updater.KeyEvent{{At: "2026-04-27T12:00:00.000Z", New: "203.0.113.45", Source: "203.0.113.46", Agent: "curl", Status: "failed", Error: "token *** is odd"}}),
		},
		{"log of a strange shape", log, []turn{domains(), {want: "GET " + one + "/logs", status: 200, body: `{"logs":{}}`}}, updater.Unconfirmed, ""},
		{"published", read, []turn{domains(), listed(mine, config(upHost, "AAAA", token2, "true"), config("c.example.com", "A", token2, "true"))}, 0, "[{home.example.com 203.0.113.45 invalid IP}]"},
		{"published, refused", read, []turn{domains().answer(403, rfc7807(403, "forbidden", ""))}, updater.Blocked, "scopes"},
	} {
		got, err := c.call(onHostUp(t, byKey(), c.turns...))
		said := fmt.Sprint(got)
		if err != nil {
			said = err.Error()
		}
		if faultKind(err) != c.want || (err == nil) != (c.want == 0) || !strings.Contains(said, c.says) {
			t.Errorf("%s: %v, %s; want %v with %s", c.name, err, said, c.want, c.says)
		}
	}
	if _, err := onHostUp(t, byTokens()).Keys(t.Context()); faultKind(err) != updater.Refused || !strings.Contains(err.Error(), "set api_key") {
		t.Errorf("keys without an API key: %v", err)
	}
}

// A program that stops is not the provider's fault.
func TestHostUpStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := onHostUp(t, byKey()).Update(ctx, updater.Request{Hosts: []string{upHost}, V4: v4}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

// Tokens that nobody configured are secrets too: whatever the server makes of
// them, they come out nowhere but in Tokens and in Key.Secret.
func TestHostUpTokensAreShownNowhere(t *testing.T) {
	mine := config(upHost, "A", token, "true")
	echoes := []string{
		"good 9.9.9.9 " + token, "what " + token, "<html><title>" + token + "</title>", `{"detail":"` + token + `","code":"` + token + `","errors":[{"pointer":"/` + token + `","detail":"` + token + `"}]}`,
		`{"configs":[{"token":"` + token, `{"available":false,"reason":"` + token + `"}`, strings.Repeat("x", 100) + " " + token, mine,
		"badauth " + token, "nohost?hostname=a&token=" + token,
	}
	before := [][]turn{
		{domains(), listed(), created(201, mine)}, {domains(), listed(mine)}, {domains(), listed()}, {domains()}, nil,
	}
	last := []turn{update(token, 0, ""), update(token, 0, ""), created(0, ""), listed(), domains()}
	tried := 0
	for i, turns := range before {
		for _, echo := range echoes {
			for _, status := range []int{200, 201, 400, 401, 403, 404, 409, 429, 500} {
				var kept map[string]string
				turns := append(slices.Clone(turns), last[i].answer(status, echo))
				if i == 4 { // the kept token meets an API that repeats it
					kept = map[string]string{upName: token}
					turns = append([]turn{update(token, 401, "")}, turns...)
				}
				h := lenient(t, turns)
				results, err := h.Update(t.Context(), updater.Request{Hosts: []string{upHost}, V4: v4, Tokens: kept})
				_, said := outcomeOf(results, err)
				if said == "" && status != 200 && status != 201 {
					t.Errorf("%s with %d: nothing is said", turns[len(turns)-1].want, status)
				}
				for at := 0; at+12 <= len(token); at++ {
					if strings.Contains(said, token[at:at+12]) {
						t.Fatalf("%s with %d %q: %q shows the token", turns[len(turns)-1].want, status, echo, said)
					}
				}
				tried++
			}
		}
	}
	t.Logf("%d answers", tried)
}

// lenient answers as told, and with 500 when the turns are over.
func lenient(t *testing.T, turns []turn) *hostUp {
	t.Helper()
	n := 0
	return hostup().New(updater.Settings{
		Server: "http://hostup.invalid", Values: byKey(),
		Client: updater.NewClient(updater.ClientConfig{Dial: answering(func(*http.Request) (int, string) {
			if n++; n > len(turns) {
				return http.StatusInternalServerError, ""
			}
			return turns[n-1].status, turns[n-1].body
		})}),
	}).(*hostUp)
}

func FuzzReadHostUp(f *testing.F) {
	f.Add("good 84.0.0.2", domains().body, listed().body, config(upHost, "A", token, "true"), 0)
	f.Add("nochg", domains().body, listed(config(upHost, "A", token, "true")).body, "", 0)
	f.Add("badauth", domains().body, `{"configs":null}`, rfc7807(400, "invalid_request", fieldErrors), 200)
	f.Fuzz(func(t *testing.T, answer, data, list, made string, status int) {
		n := 0
		h := hostup().New(updater.Settings{
			Server: "http://hostup.invalid", Values: byKey(),
			Client: updater.NewClient(updater.ClientConfig{Dial: answering(func(r *http.Request) (int, string) {
				if n++; n > 40 {
					t.Error("it does not end")
				}
				switch {
				case r.URL.Path == "/api/dyndns/update":
					return 200 + (status&0x7fff)%400, answer
				case r.URL.Path == "/api/v2/domains":
					return 200, data
				case r.Method == http.MethodPost:
					return 201, made
				}
				return 200, list
			})}),
		}).(*hostUp)
		req := updater.Request{Hosts: []string{upHost}, V4: v4, Tokens: map[string]string{upName: token2}}
		results, err := h.Update(t.Context(), req)
		if (err == nil) != (len(results) == 1) || err != nil && faultKind(err) == 0 {
			t.Fatalf("%d results, error %v", len(results), err)
		}
		for _, r := range results {
			if r.V4.IsValid() && (r.V4 != v4 || r.Fault != nil) || r.V6.IsValid() || !r.V4.IsValid() && r.Fault == nil {
				t.Errorf("result = %+v", r)
			}
		}
		if _, said := outcomeOf(results, err); strings.Contains(said, token2) {
			t.Errorf("%q shows the token", said)
		}
	})
}
