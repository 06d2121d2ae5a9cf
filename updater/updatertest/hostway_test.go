package updatertest_test

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"wandns/updater/updatertest"
)

const (
	hostwayUser = "\nAuthorization: Basic dXNlcjpzZWNyZXQ=" // user:secret
	asJSON      = "\nContent-Type: application/json\n\n"
)

func TestHostway(t *testing.T) {
	const client = "/ddns/clients/router-1"
	var s *updatertest.Hostway
	newSim := func() updatertest.Service {
		s = updatertest.NewHostway("user", "secret", "home.example.com", "nas.example.com", "theirs.example.com")
		s.Disown("theirs.example.com")
		s.Disown("their-router")
		return s
	}
	put := func(offline string) string {
		return "PUT " + client + hostwayUser + asJSON + `{"offline": ` + offline + `}`
	}
	action := "POST " + client + "/action" + hostwayUser + asJSON + `{"updateIP": "default"}`
	get := func(path string) string { return "GET " + client + path + hostwayUser }

	t.Run("a client's life", func(t *testing.T) {
		play(t, newSim,
			step{raw: get(""), status: 404},
			step{raw: get("/hosts"), status: 404},
			step{raw: action, status: 404},
			step{raw: "PUT " + client + "/hosts/home.example.com" + hostwayUser, status: 404},
			step{raw: put("false"), status: 201, want: "http://api.test/ddns/clients/router-1"},
			step{raw: get(""), status: 200, want: `{"hosts":{"href":"http://api.test/ddns/clients/router-1/hosts","rel":"related"},"offline":false}`},
			step{raw: get("/hosts"), status: 200, want: `{"hosts":[]}`},
			step{raw: "PUT " + client + "/hosts/home.example.com" + hostwayUser, status: 201, want: "http://api.test/ddns/clients/router-1/hosts/home.example.com"},
			step{raw: "PUT " + client + "/hosts/nas.example.com" + hostwayUser + asJSON + "{ }", status: 201},
			step{raw: "PUT " + client + "/hosts/none.example.com" + hostwayUser, status: 404},
			step{raw: get("/hosts"), status: 200, want: `"hostname":"home.example.com","ipAddress":""`},
			step{raw: action, status: 204},
			step{raw: get("/hosts"), status: 200, want: `{"hostname":"home.example.com","ipAddress":"84.0.0.2","links":[{"href":"http://api.test/ddns/clients/router-1/hosts/home.example.com","rel":"self"}]}`},
			step{raw: "DELETE " + client + "/hosts/nas.example.com" + hostwayUser, status: 204},
			step{raw: "DELETE " + client + "/hosts/nas.example.com" + hostwayUser, status: 404},
			step{raw: action, from: "84.0.0.3:40000", after: 5 * time.Minute, status: 204},
			step{raw: "DELETE " + client + hostwayUser, status: 204},
			step{raw: get(""), status: 404},
		)
		expect(t, s, "home.example.com", "84.0.0.3 - - -")
		expect(t, s, "nas.example.com", "84.0.0.2 - - -")
	})
	t.Run("offline", func(t *testing.T) {
		play(t, newSim,
			step{raw: put("false"), status: 201},
			step{raw: "PUT " + client + "/hosts/home.example.com" + hostwayUser, status: 201},
			step{raw: put("true"), status: 200, want: `"offline":true`},
			step{raw: action, status: 204}, // an offline client stays so
			step{raw: get("/hosts"), status: 200, want: "192.0.2.254"},
			step{raw: put("false"), from: "84.0.0.4:40000", status: 200},
			step{raw: get("/hosts"), status: 200, want: "84.0.0.4"},
			step{raw: put("false"), from: "84.0.0.5:40000", status: 200}, // it was not offline
			step{raw: get("/hosts"), status: 200, want: "84.0.0.4"},
		)
	})
	t.Run("refusals and rules", func(t *testing.T) {
		play(t, newSim,
			step{raw: "GET " + client, status: 401, want: "Basic", broken: "no basic"},
			step{raw: "GET " + client + "\nAuthorization: Basic dXNlcjp3cm9uZw==", status: 401},
			step{raw: "GET /ddns/clients/their-router" + hostwayUser, status: 403},
			step{raw: put("false"), status: 201},
			step{raw: "PUT " + client + "/hosts/theirs.example.com" + hostwayUser, status: 403},
			step{raw: put(`"true"`), status: 400, broken: "wrong type"},
			step{raw: "PUT " + client + hostwayUser + asJSON + "{}", status: 400, broken: "offline is missing"},
			step{raw: "PUT " + client + hostwayUser + asJSON + `{"offline":true,"ip":"84.0.0.2"}`, status: 400, broken: "unknown member ip"},
			step{raw: "PUT " + client + hostwayUser + "\n\n" + `{"offline":true}`, status: 400, broken: "content type"},
			step{raw: "PUT " + client + "/hosts/home.example.com" + hostwayUser + asJSON + `{"a":1}`, status: 400, broken: "unknown member a"},
			step{raw: "POST " + client + "/action" + hostwayUser + asJSON + `{"updateIP":"84.0.0.2"}`, status: 400, broken: "updateIP"},
			step{raw: action, from: "[2a00::1]:40000", status: 400, broken: "IPv6"},
			step{raw: action, status: 204},
			step{raw: action, after: 4 * time.Minute, status: 400, broken: "an action 4m0s after"},
			step{raw: "GET " + client + "/action" + hostwayUser, status: 404, broken: "not in the document"},
			step{raw: "GET /ddns/clients" + hostwayUser, status: 404, broken: "not in the document"},
			step{raw: get("?x=1"), status: 400, broken: "unknown parameter x"},
			step{raw: get("") + "\nX-API: 1", status: 400, broken: "header X-Api"},
		)
	})
	t.Run("source", func(t *testing.T) {
		play(t, func() updatertest.Service {
			s := newSim()
			s.SetSource(func(*http.Request) netip.Addr { return netip.MustParseAddr("84.0.0.8") })
			s.Next(updatertest.Normal, updatertest.Normal, updatertest.Normal, updatertest.Normal, updatertest.Wrong)
			return s
		},
			step{raw: put("false"), status: 201},
			step{raw: "PUT " + client + "/hosts/home.example.com" + hostwayUser, status: 201},
			step{raw: action, status: 204},
			step{raw: get("/hosts"), status: 200, want: "84.0.0.8"},
			step{raw: action, after: time.Hour, status: 204},
			step{raw: get("/hosts"), status: 200, want: "9.9.9.9"},
		)
	})
}
