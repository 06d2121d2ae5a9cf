package providers

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"wandns/updater"
)

// The document's own values; the key is the canary in most tests.
const (
	sonicKey = "4d6fbf2f9ab0fa11697470918d37625851fc0c51"
	ok200    = `{"message":"OK","result":200}`
)

func sonicAt(url, key, ttl string) *sonicNet {
	return sonic().New(settings(url, map[string]string{"userid": "12345", "apikey": key, "ttl": ttl})).(*sonicNet)
}

func signedIn(url string) *sonicKeys {
	return sonicAt(url, "", "").SignIn("notarealuser", "notarealpassword").(*sonicKeys)
}

// sentJSON compares a request with that of the document, whose members have
// no order.
func sentJSON(t *testing.T, name string, got sent, methodAndPath, body string) {
	t.Helper()
	var a, b map[string]any
	if json.Unmarshal([]byte(got.body), &a) != nil || json.Unmarshal([]byte(body), &b) != nil {
		t.Fatalf("%s: no JSON in %v", name, got)
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if got.method+" "+got.uri != methodAndPath || string(x) != string(y) {
		t.Errorf("%s: %v, want %s %s", name, got, methodAndPath, body)
	}
	if h := got.header; h.Get("Content-Type") != "application/json" || h.Get("Accept") != "application/json" || h.Get("Authorization") != "" || h.Get("User-Agent") == "" {
		t.Errorf("%s: header %v", name, h)
	}
}

func TestSonicUpdate(t *testing.T) {
	for _, c := range []struct {
		name, ttl string
		req       updater.Request
		want      string
	}{
		{"A", "", updater.Request{V4: v4}, `"value":"84.0.0.2","type":"A","ttl":300}`},
		{"AAAA", "7200", updater.Request{V6: v6}, `"value":"2a00:1:2:3::1","type":"AAAA","ttl":7200}`},
	} {
		sc := serve(t, line{200, ok200, nil})
		c.req.Hosts = []string{"foo.example.com"}
		results, err := sonicAt(sc.url, sonicKey, c.ttl).Update(t.Context(), c.req)
		if err != nil || len(results) != 1 || results[0].Fault != nil || results[0].V4 != c.req.V4 || results[0].V6 != c.req.V6 || results[0].Answer != "OK" {
			t.Errorf("%s: %+v, %v", c.name, results, err)
		}
		sentJSON(t, c.name, sc.sent[0], "PUT /dyndns/host", `{"userid":"12345","apikey":"`+sonicKey+`","hostname":"foo.example.com",`+c.want)
	}
}

func TestSonicAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   updater.Kind
		says   string
	}{
		{"success", 200, ok200, 0, ""},
		{"result in quotes", 200, `{"message":"OK","result":"200"}`, 0, ""},
		{"comma after the last", 200, "{\"message\":\"OK\",\"result\":200,\n}", 0, ""},
		{"no message", 200, `{"result":200}`, 0, ""},
		{"created", 201, `{"result":201}`, 0, ""},
		{"no result", 200, `{"message":"OK"}`, updater.Unconfirmed, `"OK" (200)`},
		{"empty result", 200, `{"message":"OK","result":""}`, updater.Unconfirmed, ""},
		{"no number", 200, `{"message":"OK","result":true}`, updater.Unconfirmed, ""},
		{"an object", 200, `{"message":"OK","result":{"code":200}}`, updater.Unconfirmed, ""},
		{"a list", 200, `[` + ok200 + `]`, updater.Unconfirmed, "makes no sense"},
		{"status says no", 500, ok200, updater.Transient, "(500)"},
		{"login page", 200, "<html><title>Hotel</title>", updater.Unconfirmed, "Hotel"},
		{"empty", 200, "", updater.Unconfirmed, "gave no reason (200)"},
		{"huge", 200, `{"result":200,"x":"` + strings.Repeat("a", 65<<10), updater.Unconfirmed, "64 KiB"},
		{"not found", 200, `{"message":"Not Found :  the information you requested was not found.","result":404}`, updater.Refused, `foo.example.com was not updated: Sonic.net says "Not Found : the information you requested was not found." (404); check that the key`},
		{"not found twice", 404, `{"message":"Not Found","result":"404"}`, updater.Refused, "Not Found"},
		{"key", 401, `{"message":"bad key ` + canary + `","result":401}`, updater.Blocked, `"bad key ***" (401); correct userid and apikey`},
		{"key by result", 200, `{"message":"denied","result":"403"}`, updater.Blocked, "(403)"},
		{"value", 400, `{"message":"bad value","result":400}`, updater.Refused, "bad value"},
		{"404 page", 404, "<html></html>", updater.Suspect, "a web page (404)"},
		{"401 of a proxy", 401, "<html></html>", updater.Suspect, "login page"},
		{"fault by result", 200, `{"message":"oops","result":500}`, updater.Transient, "oops"},
		{"too often", 429, "", updater.Throttled, ""},
		{"result beyond", 200, `{"result":99999999999999999999}`, updater.Unconfirmed, ""},
	} {
		sc := serve(t, line{c.status, c.body, nil})
		results, err := sonicAt(sc.url, canary, "").Update(t.Context(), updater.Request{Hosts: []string{"foo.example.com"}, V4: v4})
		if len(results) == 1 && results[0].Fault != nil {
			err = results[0].Fault
		}
		if done := len(results) == 1 && results[0].V4 == v4; done != (c.kind == 0) {
			t.Errorf("%s: %+v", c.name, results)
		}
		wants(t, c.name, err, c.kind, c.says)
	}
}

func TestSonicRecords(t *testing.T) {
	who := `{"userid":"12345","apikey":"` + sonicKey + `","hostname":"foo.example.com",`
	for _, c := range []struct {
		r    updater.Record
		want string
	}{
		{updater.Record{Type: "A", Value: "209.204.190.64", TTL: 1}, `"value":"209.204.190.64","type":"A","ttl":1}`},
		{updater.Record{Type: "A"}, `"type":"A","ttl":60}`},
		{updater.Record{Type: "AAA", Value: "2a00::1"}, `"value":"2a00::1","type":"AAAA","ttl":60}`},
		{updater.Record{Type: "TXT", Value: `a "b" & <c>`, Preference: 10}, `"value":"a \"b\" & <c>","type":"TXT","ttl":60}`},
	} {
		sc := serve(t, line{200, ok200, nil})
		c.r.Name = "foo.example.com"
		answer, err := sonicAt(sc.url, sonicKey, "60").SetRecord(t.Context(), c.r)
		if err != nil || answer != "OK" {
			t.Fatalf("%+v: %q, %v", c.r, answer, err)
		}
		sentJSON(t, c.r.Type, sc.sent[0], "PUT /dyndns/host", who+c.want)
	}
	sc := serve(t, line{200, ok200, nil})
	for says, r := range map[string]updater.Record{
		"not the full name":         {Name: "foo", Type: "A", Value: "84.0.0.2"},
		"sets no MX records":        {Name: "foo.example.com", Type: "MX", Value: "mx"},
		"needs a value":             {Name: "foo.example.com", Type: "AAA"},
		"1209601 is no TTL":         {Name: "foo.example.com", Type: "TXT", Value: "x", TTL: 1209601},
		"-1 is no TTL":              {Name: "foo.example.com", Type: "TXT", Value: "x", TTL: -1},
		"what is to be replaced":    {Name: "foo.example.com", Type: "TXT", Value: "x", Replace: "y"},
		`an AAAA record can have`:   {Name: "foo.example.com", Type: "AAAA", Value: "84.0.0.2"},
		`"x" is no address that an`: {Name: "foo.example.com", Type: "A", Value: "x"},
	} {
		_, err := sonicAt(sc.url, sonicKey, "").SetRecord(t.Context(), r)
		wants(t, says, err, updater.Refused, says)
	}
	_, err := sonicAt(sc.url, "", "").SetRecord(t.Context(), updater.Record{Name: "foo.example.com", Type: "A"})
	wants(t, "no key", err, updater.Blocked, "make one with wandns key")
	if len(sc.sent) != 0 {
		t.Errorf("sent all the same: %v", sc.sent)
	}
	if _, ok := any(sonicAt("", "", "")).(updater.RecordDeleter); ok {
		t.Error("Sonic.net deletes no records")
	}
}

func TestSonicProbes(t *testing.T) {
	for _, c := range []struct {
		name string
		line line
		kind updater.Kind
		says string
	}{
		{"pong", line{200, `{"message":"PONG","result":200}`, nil}, 0, ""},
		{"page", line{200, "<html>", nil}, updater.Unconfirmed, "the service is not there"},
		{"down", line{503, "", nil}, updater.Transient, "(503)"},
	} {
		sc := serve(t, c.line)
		answer, err := sonicAt(sc.url, canary, "").Ping(t.Context())
		wants(t, c.name, err, c.kind, c.says)
		if got := sc.sent[0].String(); got != "GET /dyndns/ping " || c.kind == 0 && answer != "PONG" {
			t.Errorf("%s: %s, %q", c.name, got, answer)
		}
	}
	for _, c := range []struct {
		name string
		only updater.Only
		line line
		want string
		kind updater.Kind
		says string
	}{
		{"curl", 0, line{200, `{"ip":"209.204.190.64"}`, nil}, "209.204.190.64", 0, ""},
		{"comma", 0, line{200, "{\n    \"ip\":\"127.0.0.1\",\n}", nil}, "127.0.0.1", 0, ""},
		{"mapped", updater.OnlyIPv4, line{200, `{"ip":"::ffff:84.0.0.2","result":"200"}`, nil}, "84.0.0.2", 0, ""},
		{"IPv6", 0, line{200, `{"ip":"2a00::1"}`, nil}, "2a00::1", 0, ""},
		{"other family", updater.OnlyIPv4, line{200, `{"ip":"2a00::1"}`, nil}, "", updater.Unconfirmed, noProbe},
		{"zone", 0, line{200, `{"ip":"fe80::1%eth0"}`, nil}, "", updater.Unconfirmed, noProbe},
		{"no address", 0, line{200, `{"ip":"x"}`, nil}, "", updater.Unconfirmed, noProbe},
		{"no text", 0, line{200, `{"ip":["1.2.3.4"]}`, nil}, "", updater.Unconfirmed, noProbe},
		{"missing", 0, line{200, `{}`, nil}, "", updater.Unconfirmed, noProbe},
		{"denied", 0, line{200, `{"ip":"1.2.3.4","result":500}`, nil}, "", updater.Transient, noProbe},
		{"down", 0, line{502, `{"ip":"1.2.3.4"}`, nil}, "", updater.Transient, noProbe},
	} {
		sc := serve(t, c.line)
		a, err := sonicAt(sc.url, canary, "").MyIP(updater.By(t.Context(), updater.Way{Only: c.only}))
		wants(t, c.name, err, c.kind, c.says)
		if want, _ := netip.ParseAddr(c.want); a != want || sc.sent[0].String() != "GET /dyndns/ip " {
			t.Errorf("%s: %v, %v", c.name, a, sc.sent)
		}
	}
}

func TestSonicKeyCalls(t *testing.T) {
	const list = `{"data":{"example.com":{"key":"` + sonicKey + `"}},"message":"OK","result":"200"}`
	sc := serve(
		t,
		line{200, `{"userid":"12345","apikey":"` + sonicKey + `","result":200,"message":"OK"}`, nil},
		line{200, list, nil},
		line{200, list, nil},
		line{200, ok200, nil},
	)
	k := signedIn(sc.url)
	want := updater.Key{ID: "example.com", Host: "example.com", User: "12345", Secret: sonicKey, Enabled: true}
	if key, err := k.CreateKey(t.Context(), "example.com", "A"); err != nil || key != want {
		t.Errorf("created %+v, %v", key, err)
	}
	want.User = ""
	if keys, err := k.Keys(t.Context()); err != nil || !slices.Equal(keys, []updater.Key{want}) {
		t.Errorf("listed %+v, %v", keys, err)
	}
	if err := k.DeleteKey(t.Context(), "Example.com"); err != nil {
		t.Error(err)
	}
	const who = `{"username":"notarealuser","password":"notarealpassword"`
	sentJSON(t, "create", sc.sent[0], "POST /dyndns/api_key", who+`,"hostname":"example.com"}`)
	sentJSON(t, "list", sc.sent[1], "POST /dyndns/list_api_key", who+`}`)
	sentJSON(t, "look up", sc.sent[2], "POST /dyndns/list_api_key", who+`}`)
	sentJSON(t, "delete", sc.sent[3], "DELETE /dyndns/api_key", who+`,"hostname":"example.com","apikey":"`+sonicKey+`"}`)
}

func TestSonicKeyLists(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       []updater.Key
		kind       updater.Kind
	}{
		{"as the document's schema", "{\n\"data\":{\n\"userid\":\"0\",\n\"example.com\":{\n\"key\":\"00000\"\n},\n},\n\"message\":\"OK\",\n\"result\":200\n}", []updater.Key{{ID: "example.com", Host: "example.com", User: "0", Secret: "00000", Enabled: true}}, 0},
		{"sorted, numbers, their own user", `{"data":{"b.com":{"key":7},"a.com":{"key":"x","userid":9},"userid":5},"result":200}`, []updater.Key{{ID: "a.com", Host: "a.com", User: "9", Secret: "x", Enabled: true}, {ID: "b.com", Host: "b.com", User: "5", Secret: "7", Enabled: true}}, 0},
		{"no result", `{"data":{}}`, nil, 0},
		{"empty list", `{"data":[ ],"result":200}`, nil, 0},
		{"null", `{"data":null,"result":200}`, nil, 0},
		{"no key", `{"data":{"a.com":"x","b.com":null,"c.com":["x"],"d.com":{},"e.com":{"key":{}}},"result":200}`, nil, 0},
		{"missing", `{"result":200}`, nil, updater.Unconfirmed},
		{"a text", `{"data":"nothing","result":200}`, nil, updater.Unconfirmed},
		{"a list", `{"data":[{"a.com":{"key":"x"}}],"result":200}`, nil, updater.Unconfirmed},
		{"password", `{"message":"wrong password","result":"401"}`, nil, updater.Blocked},
		{"page", `<html>`, nil, updater.Unconfirmed},
	} {
		sc := serve(t, line{200, c.body, nil})
		keys, err := signedIn(sc.url).Keys(t.Context())
		if kind := kindOf(t, err); kind != c.kind || !slices.Equal(keys, c.want) {
			t.Errorf("%s: %+v, %v", c.name, keys, err)
		}
	}
}

func TestSonicKeyFaults(t *testing.T) {
	const leak = "new-key"
	create := func(k *sonicKeys) error { _, err := k.CreateKey(t.Context(), "example.com", ""); return err }
	remove := func(k *sonicKeys) error { return k.DeleteKey(t.Context(), "example.com") }
	list := line{200, `{"data":{"example.com":{"key":"` + leak + `"}},"result":200}`, nil}
	for _, c := range []struct {
		name  string
		do    func(*sonicKeys) error
		lines []line
		sent  int
		kind  updater.Kind
		says  string
	}{
		{"password", create, []line{{401, `{"message":"notarealpassword is wrong","result":401}`, nil}}, 1, updater.Blocked, `no key for example.com was made: Sonic.net says "*** is wrong" (401); type the user name`},
		{"domain", create, []line{{200, `{"message":"not yours","result":404}`, nil}}, 1, updater.Refused, "name a domain of this account"},
		{"half an answer", create, []line{{200, `{"userid":"1","apikey":"` + leak, nil}}, 1, updater.Unconfirmed, "makes no sense (200)"},
		{"as a form", create, []line{{200, "userid=1&apikey=" + leak, nil}}, 1, updater.Unconfirmed, "makes no sense (200)"},
		{"no key", create, []line{{200, `{"userid":"1","result":200}`, nil}}, 1, updater.Unconfirmed, "was made"},
		{"key of another type", create, []line{{200, `{"userid":"1","apikey":{"key":"` + leak + `"},"result":200}`, nil}}, 1, updater.Unconfirmed, "look for it with: wandns key list"},
		{"list fails", remove, []line{{503, "", nil}}, 1, updater.Transient, "the keys were not listed"},
		{"no such key", remove, []line{{200, `{"data":{},"result":200}`, nil}}, 1, updater.Refused, `no key for "example.com"`},
		{"delete fails", remove, []line{list, {500, `{"message":"could not delete ` + leak + `","result":500}`, nil}}, 2, updater.Transient, `the key of example.com was not deleted: Sonic.net says "could not delete ***"`},
		{"delete is not confirmed", remove, []line{list, {200, "", nil}}, 2, updater.Unconfirmed, "gave no reason"},
		{"no name", func(k *sonicKeys) error { _, err := k.CreateKey(t.Context(), "com", ""); return err }, []line{{200, "", nil}}, 0, updater.Refused, "full name"},
	} {
		sc := serve(t, c.lines...)
		err := c.do(signedIn(sc.url))
		wants(t, c.name, err, c.kind, c.says)
		if len(sc.sent) != c.sent || strings.Contains(err.Error(), leak) || strings.Contains(err.Error(), "notarealpassword") {
			t.Errorf("%s: %d requests, %v", c.name, len(sc.sent), err)
		}
	}
	sc := serve(t, line{302, "", http.Header{"Location": {"/login"}}}, line{200, ok200, nil})
	wants(t, "redirect", create(signedIn(sc.url)), updater.Transient, "redirect")
}

func TestSonicSpec(t *testing.T) {
	spec := sonic()
	for h, good := range map[string]bool{"home.example.com": true, "_acme-challenge.example.com": true, "home": false, "": false, "a..b": false, "a,b.c": false} {
		if got := spec.CheckHost(h) == ""; got != good {
			t.Errorf("CheckHost(%q) = %q", h, spec.CheckHost(h))
		}
	}
	for ttl, good := range map[string]bool{"1": true, "1209600": true, "0": false, "1209601": false, "-5": false, "5m": false, "": false} {
		if got := spec.Fields[2].Check(ttl) == ""; got != good {
			t.Errorf("ttl %q: %q", ttl, spec.Fields[2].Check(ttl))
		}
	}
	for _, c := range [][3]string{{"", "", ""}, {"1", "k", ""}, {"1", "", "apikey"}, {"", "k", "userid"}} {
		if key, why := spec.CheckValues(map[string]string{"userid": c[0], "apikey": c[1]}, nil); key != c[2] || (why == "") != (key == "") {
			t.Errorf("userid %q, apikey %q: %q %q", c[0], c[1], key, why)
		}
	}
	if l := spec.Limits; spec.Server != "https://public-api.sonic.net" || l.HostsPerRequest != 1 || !l.OneFamily {
		t.Errorf("server %s, limits %+v", spec.Server, l)
	}
}

func FuzzJudgeSonic(f *testing.F) {
	f.Add(200, ok200, false)
	f.Add(200, `{"apikey":"`+canary+`","userid":"1"}`, true)
	f.Add(404, `{"result":"200","message":"`+canary+`"}`, true)
	f.Fuzz(func(t *testing.T, status int, body string, wanted bool) {
		r := reply{updater.Answer{Status: status, Body: body}.Hide(canary), parse(body), wanted}
		var members []string
		if wanted {
			members = []string{"userid", "apikey"}
		}
		fault := judgeSonic(signedIn("").wire, "it failed", r, members...)
		if fault == nil {
			if status/100 != 2 || r.JSON == nil {
				t.Errorf("%d with %q is a success", status, body)
			}
			return
		}
		kindOf(t, fault)
	})
}
