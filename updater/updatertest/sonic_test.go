package updatertest_test

import (
	"testing"

	"wandns/updater/updatertest"
)

func TestSonic(t *testing.T) {
	const form = "\nContent-Type: application/x-www-form-urlencoded\n\n"
	const login = "username=notarealuser&password=notarealpassword"
	var s *updatertest.Sonic
	newSim := func() updatertest.Service {
		s = updatertest.NewSonic("notarealuser", "notarealpassword", "example.com")
		return s
	}
	key := newSim().Fields()["apikey"] // the same in every run
	host := "PUT /dyndns/host" + form + "userid=12345&apikey=" + key + "&hostname=foo.example.com"
	hostJSON := func(more string) string {
		return "PUT /dyndns/host" + asJSON + `{"userid":"12345","apikey":"` + key + `","hostname":"foo.example.com"` + more + `}`
	}
	t.Run("records", func(t *testing.T) {
		play(t, newSim,
			step{raw: "GET /dyndns/ping", status: 200, want: `{"message":"PONG","result":200}`},
			step{raw: "PUT /dyndns/ping", status: 200, want: `{"message":"PONG","result":"200"}`},
			step{raw: "POST /dyndns/ping", status: 200},
			step{raw: "GET /dyndns/ip", status: 200, want: `{"ip":"84.0.0.2"}`},
			step{raw: host + "&value=209.204.190.64&type=A", status: 200, want: `{"message":"OK"`},
			step{raw: hostJSON(`,"value":"2a00::1","type":"AAAA","ttl":300`), status: 200},
			step{raw: hostJSON(`,"value":"hello world","type":"TXT"`), status: 200},
			step{raw: "PUT /dyndns/host" + form + "userid=12345&apikey=" + key + "&hostname=example.com&ttl=1209600", status: 200},
		)
		expect(t, s, "foo.example.com", "209.204.190.64 2a00::1 - hello world")
		expect(t, s, "example.com", "84.0.0.2 - - -")
		if r, _ := s.Lookup("example.com"); r.TTL != 1209600 {
			t.Errorf("ttl = %d", r.TTL)
		}
		if r, _ := s.Lookup("foo.example.com"); r.TTL != 7200 {
			t.Errorf("default ttl = %d", r.TTL)
		}
	})
	t.Run("keys", func(t *testing.T) {
		play(t, newSim,
			step{raw: "POST /dyndns/list_api_key" + form + login, status: 200, want: `{"data":{"example.com":{"key":"` + key + `"},"userid":"12345"},"message":"OK","result":200}`},
			step{raw: "POST /dyndns/list_api_key" + asJSON + `{"username":"notarealuser","password":"notarealpassword"}`, status: 200, want: `{"data":{"example.com":{"key":"` + key + `"}},"message":"OK","result":"200"}`},
			step{raw: "POST /dyndns/api_key" + form + login + "&hostname=example.com", status: 200, want: `"apikey":"` + key + `"`},
			step{raw: "POST /dyndns/api_key" + asJSON + `{"username":"notarealuser","password":"notarealpassword","hostname":"example.org"}`, status: 404, want: "Not Found :  the information"},
			step{raw: "POST /dyndns/api_key" + form + "username=notarealuser&password=wrong&hostname=example.com", status: 401, want: "Unauthorized"},
			step{raw: "DELETE /dyndns/api_key" + form + login + "&hostname=example.com&apikey=0000", status: 404},
			step{raw: "DELETE /dyndns/api_key" + form + login + "&hostname=example.com&apikey=" + key, status: 200, want: "OK"},
			step{raw: host, status: 404, want: `"message":"Not Found`},
			step{raw: "POST /dyndns/list_api_key" + form + login, status: 200, want: `{"data":{`},
		)
		if s.Key("example.com") != "" {
			t.Error("the deleted key is still there")
		}
	})
	t.Run("refusals and rules", func(t *testing.T) {
		play(t, newSim,
			step{raw: "PUT /dyndns/host" + form + "userid=12345&apikey=" + key + "&hostname=foo.example.org", status: 404},
			step{raw: "PUT /dyndns/host" + form + "userid=54321&apikey=" + key + "&hostname=foo.example.com", status: 404},
			step{raw: host + "&value=2a00::1", status: 400, want: "invalid value"},
			step{raw: host + "&value=84.0.0.2&type=AAAA", status: 400},
			step{raw: host + "&type=AAAA", status: 400, broken: "no value for AAAA"},
			step{raw: host + "&value=", status: 400, broken: "no value for A"},
			step{raw: host + "&type=AAA&value=2a00::1", status: 400, broken: "type AAA"},
			step{raw: host + "&ttl=0", status: 400, broken: "ttl 0"},
			step{raw: host + "&ttl=1209601", status: 400, broken: "ttl 1209601"},
			step{raw: host + "&zone=x", status: 400, broken: "unknown field zone"},
			step{raw: hostJSON(`,"ip":"84.0.0.2"`), status: 400, broken: "unknown member ip"},
			step{raw: hostJSON(`,"value":["84.0.0.2"]`), status: 400, broken: "neither text nor number"},
			step{raw: "PUT /dyndns/host" + form + "userid=12345&hostname=foo.example.com", status: 400, broken: "apikey is missing"},
			step{raw: "PUT /dyndns/host\n\nuserid=1", status: 400, broken: "content type"},
			step{raw: "PUT /dyndns/host?apikey=x" + form, status: 400, broken: "unknown parameter apikey"},
			step{raw: "GET /dyndns/api_key", status: 404, broken: "not in the document"},
			step{raw: "GET /dyndns/ping\n\nx", status: 400, broken: "a body"},
		)
	})
	t.Run("soft errors", func(t *testing.T) {
		play(t, func() updatertest.Service { newSim(); s.Soft = true; return s },
			step{raw: "PUT /dyndns/host" + form + "userid=12345&apikey=x&hostname=foo.example.com", status: 200, want: `"result":404`},
		)
	})
}
