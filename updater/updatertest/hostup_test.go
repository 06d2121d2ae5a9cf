package updatertest_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"wandns/updater/updatertest"
)

const (
	hostupKey  = "\nAuthorization: Bearer key"
	hostupRead = "\nAuthorization: Bearer reader"
	hostupBase = "/api/v2/domains"
)

func newHostUp() *updatertest.HostUp {
	s := updatertest.NewHostUp("key", "example.com", "example.net", "elsewhere.example")
	s.AddKey("reader", updatertest.ReadDomains)
	s.Delegate("elsewhere.example")
	return s
}

// hostupIDs returns the domain's path, and a configuration's if there is one.
func hostupIDs(t *testing.T, s *updatertest.HostUp, domain string) (path, config, token string) {
	t.Helper()
	var domains struct{ Data []struct{ ID string } }
	if err := json.Unmarshal(send(t, s, "GET "+hostupBase+"?name="+domain+hostupKey, "").Body.Bytes(), &domains); err != nil || len(domains.Data) != 1 {
		t.Fatalf("%s: %v, %v", domain, domains, err)
	}
	path = hostupBase + "/" + domains.Data[0].ID + "/dyndns"
	var list struct {
		Configs []struct{ ID, Token string }
	}
	if err := json.Unmarshal(send(t, s, "GET "+path+hostupKey, "").Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Configs) > 0 {
		config, token = path+"/"+list.Configs[0].ID, list.Configs[0].Token
	}
	return path, config, token
}

func TestHostUpManagement(t *testing.T) {
	probe := newHostUp()
	path, _, _ := hostupIDs(t, probe, "example.com")
	other, _, _ := hostupIDs(t, probe, "elsewhere.example")
	send(t, probe, "POST "+path+hostupKey+asJSON+`{"hostname":"home.example.com","recordType":"A"}`, "")
	_, config, token := hostupIDs(t, probe, "example.com") // the same in every run of these requests
	post := func(body string) string { return "POST " + path + hostupKey + asJSON + body }
	const home = `{"hostname":"home.example.com","recordType":"A"}`
	fresh := func() updatertest.Service { return newHostUp() }

	t.Run("domains", func(t *testing.T) {
		play(t, fresh,
			step{raw: "GET " + hostupBase + hostupKey, status: 200, want: `"hasMore":false,"nextCursor":null`},
			step{raw: "GET " + hostupBase + "?limit=2" + hostupKey, status: 200, want: `"hasMore":true,"nextCursor":"dom_01hxa3b4c5d6e7f8g9h0j10002"`},
			step{raw: "GET " + hostupBase + "?limit=2&cursor=dom_01hxa3b4c5d6e7f8g9h0j10002" + hostupKey, status: 200, want: `[{"id":"dom_01hxa3b4c5d6e7f8g9h0j10003","name":"elsewhere.example","serviceStatus":"active"}],"hasMore":false`},
			step{raw: "GET " + hostupBase + "?name=example.net" + hostupRead, status: 200, want: `[{"id":"dom_01hxa3b4c5d6e7f8g9h0j10002","name":"example.net","serviceStatus":"active"}]`},
			step{raw: "GET " + hostupBase + "?name=home.example.net" + hostupKey, status: 200, want: `{"data":[],"hasMore":false,"nextCursor":null}`},
			step{raw: "GET " + hostupBase + "?limit=1001" + hostupKey, status: 400, want: "invalid_request", broken: "limit 1001"},
			step{raw: "GET " + hostupBase + "?page=2" + hostupKey, status: 400, broken: "unknown parameter page"},
			step{raw: "GET " + hostupBase, status: 401, want: `"code":"unauthorized"`, broken: "no API key"},
			step{raw: "GET " + hostupBase + "\nAuthorization: Bearer wrong", status: 401, want: "unauthorized"},
		)
	})
	t.Run("configurations", func(t *testing.T) {
		play(t, fresh,
			step{raw: "GET " + path + hostupKey, status: 200, want: `"available":true,"configs":[],"reason":null`},
			step{raw: "GET " + hostupBase + hostupKey, status: 200},
			step{raw: post(home), status: 201, want: `"hostname":"home.example.com","recordType":"A","token":"`},
			step{raw: post(home), status: 409, want: `application/problem+json`},
			step{raw: post(`{"hostname":"home.example.com","recordType":"AAAA"}`), status: 201, want: `"lastIp":null,"lastUpdatedAt":null,"updateCount":0,"enabled":true`},
			step{raw: post(`{"hostname":"home.example.net","recordType":"A"}`), status: 400, want: `"errors":[{"pointer":"/hostname"`},
			step{raw: post(`{"hostname":"home.example.com","recordType":"TXT"}`), status: 400, want: `"errors":[{"pointer":"/recordType"`},
			step{raw: post(`{"recordType":"A"}`), status: 400, want: `"missing_required"`, broken: "hostname is missing"},
			step{raw: post(`{"hostname":"nas.example.com","recordType":"A","ttl":60}`), status: 400, want: "invalid_request", broken: "unknown member ttl"},
			step{raw: "POST " + path + hostupKey + "\n\n" + home, status: 400, broken: "content type"},
			step{raw: "POST " + path + hostupRead + asJSON + home, status: 403, want: `"code":"forbidden"`},
			step{raw: "GET " + path + hostupRead, status: 200, want: `"token":null`},
			step{raw: "GET " + other + hostupKey, status: 200, want: `"available":false`},
			step{raw: "POST " + other + hostupKey + asJSON + `{"hostname":"home.elsewhere.example","recordType":"A"}`, status: 403},
			step{raw: "GET " + hostupBase + "/dom_none/dyndns" + hostupKey, status: 404, want: `"code":"not_found"`},
			step{raw: "PUT " + path + hostupKey + asJSON + "{}", status: 404, broken: "not in the document"},
			step{raw: "GET /api/v1/domains" + hostupKey, status: 404, broken: "not in the document"},
		)
	})
	t.Run("pause and delete", func(t *testing.T) {
		var s *updatertest.HostUp
		play(t, func() updatertest.Service {
			s = newHostUp()
			hostupIDs(t, s, "example.com")
			hostupIDs(t, s, "elsewhere.example")
			send(t, s, post(home), "")
			return &forgetful{s, len(s.Ledger())}
		},
			step{raw: "GET /api/dyndns/update?hostname=home.example.com&token=" + token + "&ip=84.0.0.9", status: 200, want: "good 84.0.0.9"},
			step{raw: "GET /api/dyndns/update?hostname=home.example.com&token=" + token + "&ip=84.0.0.9", status: 200, want: "nochg 84.0.0.9"},
			step{raw: "PATCH " + config + hostupKey + asJSON + `{"enabled":false}`, status: 200, want: `"lastIp":"84.0.0.9","lastUpdatedAt":"2000-01-01T00:00:00.000Z","updateCount":1,"enabled":false`},
			step{raw: "GET /api/dyndns/update?hostname=home.example.com&token=" + token + "&ip=84.0.0.8", status: 401, want: "badauth"},
			step{raw: "GET /api/dyndns/update?hostname=home.example.com&token=" + token + "&ip=84.0.0.8", status: 401, broken: "after badauth"},
			step{raw: "PATCH " + config + hostupKey + asJSON + `{"enabled":true}`, status: 200, want: `"enabled":true`},
			step{raw: "GET /api/dyndns/update?hostname=home.example.com&token=" + token + "&ip=84.0.0.8", status: 200, want: "good 84.0.0.8"},
			step{raw: "GET " + config + "/logs" + hostupRead, status: 200, want: `{"logs":[{"oldIp":"84.0.0.9","newIp":"84.0.0.8","sourceIp":"84.0.0.2","userAgent":"","status":"success","errorMessage":null`},
			step{raw: "PATCH " + config + hostupKey + asJSON + `{"enabled":true,"hostname":"x"}`, status: 400, broken: "unknown member hostname"},
			step{raw: "PATCH " + config + hostupKey + asJSON + `{}`, status: 400, want: `"/enabled"`, broken: "enabled is missing"},
			step{raw: "DELETE " + config + hostupRead, status: 403},
			step{raw: "DELETE " + config + hostupKey, status: 204},
			step{raw: "DELETE " + config + hostupKey, status: 404},
			step{raw: "GET " + config + "/logs" + hostupKey, status: 404},
			step{raw: "GET /api/dyndns/update?hostname=home.example.com&token=" + token + "&ip=84.0.0.8", status: 401, want: "badauth"},
		)
		expect(t, s, "home.example.com", "84.0.0.8 - - -")
		expect(t, s, "nas.example.com", "unknown")
	})
	t.Run("rate limit", func(t *testing.T) {
		play(t, func() updatertest.Service { s := newHostUp(); s.PerMinute = 2; return s },
			step{raw: "GET " + hostupBase + hostupKey, status: 200, want: "X-Ratelimit-Remaining:[1]"},
			step{raw: "GET " + hostupBase + hostupKey, after: 10 * time.Second, status: 200, want: "X-Ratelimit-Reset:[2000-01-01T00:01:00.000Z]"},
			step{raw: "GET " + hostupBase + hostupRead, status: 200},
			step{raw: "GET " + hostupBase + hostupKey, status: 429, want: "Retry-After:[50]"},
			step{raw: "GET " + hostupBase + hostupKey, after: 49 * time.Second, status: 429, want: "Retry-After:[1]", broken: "1s before the end of Retry-After"},
			step{raw: "GET " + hostupBase + hostupKey, after: time.Second, status: 200},
		)
		play(t, func() updatertest.Service { s := newHostUp(); s.Next(updatertest.Error429, "500", "401"); return s },
			step{raw: "GET " + hostupBase + hostupKey, status: 429, want: `"code":"rate_limited"`},
			step{raw: "GET " + hostupBase + hostupKey, after: 2 * time.Minute, status: 500, want: `"code":"internal_error"`},
			step{raw: "GET " + hostupBase + hostupKey, status: 401, want: `"code":"unauthorized"`},
		)
	})
}

// forgetful hides the requests that prepared a service.
type forgetful struct {
	*updatertest.HostUp
	before int
}

func (f *forgetful) Ledger() []updatertest.Entry { return f.HostUp.Ledger()[f.before:] }

func TestHostUpUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newHostUp()
		tokens := map[string]string{}
		for _, record := range []string{"A", "AAAA"} {
			path, _, _ := hostupIDs(t, s, "example.net")
			var c struct{ Token string }
			if err := json.Unmarshal(send(t, s, "POST "+path+hostupKey+asJSON+`{"hostname":"www.example.net","recordType":"`+record+`"}`, "").Body.Bytes(), &c); err != nil || len(c.Token) != 64 {
				t.Fatalf("%+v, %v", c, err)
			}
			tokens[record] = c.Token
		}
		steps := []struct {
			query, from string
			status      int
			want        string
			broken      bool
		}{
			{"hostname=www.example.net&ip=84.0.0.9&token=" + tokens["A"], "", 200, "good 84.0.0.9", false},
			{"hostname=www.example.net&token=" + tokens["A"], "", 200, "good 84.0.0.2", false},
			{"hostname=www.example.net&ip=2a00::1&token=" + tokens["AAAA"], "", 200, "good 2a00::1", false},
			{"hostname=www.example.net&token=" + tokens["AAAA"], "[2a00::1]:40000", 200, "nochg 2a00::1", false},
			{"hostname=www.example.net&token=" + tokens["AAAA"], "", 400, "badrequest", true},
			{"hostname=www.example.net&ip=2a00::1&token=" + tokens["A"], "", 400, "badrequest", true},
			{"hostname=www.example.net&ip=&token=" + tokens["A"], "", 400, "badrequest", true},
			{"hostname=www&ip=84.0.0.9&token=" + tokens["A"], "", 400, "notfqdn", false},
			{"hostname=nas.example.net&ip=84.0.0.9&token=" + tokens["A"], "", 404, "nohost", false},
			{"hostname=nas.example.net&ip=84.0.0.9&token=" + tokens["A"], "", 404, "nohost", true},
			{"hostname=www.example.net&ip=84.0.0.9&token=0123", "", 401, "badauth", false},
			{"hostname=www.example.net&ip=84.0.0.9&token=0123", "", 401, "badauth", true},
			{"hostname=www.example.net&ip=84.0.0.9", "", 401, "badauth", true},
			{"hostname=www.example.net&myip=84.0.0.9&token=" + tokens["A"], "", 400, "abuse", true},
		}
		for _, c := range steps {
			w := send(t, s, "GET /api/dyndns/update?"+c.query, c.from)
			l := s.Ledger()
			if e := l[len(l)-1]; w.Code != c.status || w.Body.String() != c.want || (e.Violation != "") != c.broken {
				t.Errorf("%s: %d %q, %v; want %d %q", c.query, w.Code, w.Body.String(), e, c.status, c.want)
			}
		}
		expect(t, s, "www.example.net", "84.0.0.2 2a00::1 - -")
		send(t, s, "GET /api/dyndns/update?hostname=www.example.net&token="+tokens["A"]+hostupKey, "")
		if v := s.Violations(); v[len(v)-1].Violation != "header Authorization" {
			t.Errorf("the API key was sent to the update URL: %v", v[len(v)-1])
		}
	})
}
