package updatertest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"wandns/updater/updatertest"
)

func TestNoIP(t *testing.T) {
	const (
		agent = "\nUser-Agent: wandns Router-x/1 packager@wandns.invalid"
		basic = "\nAuthorization: Basic dXNlcjpzZWNyZXQ=" // user:secret
		byKey = "\nAuthorization: Basic a2V5OnNlY3JldA==" // key:secret
	)
	get := func(query string) string { return "GET /nic/update?" + query + agent + basic }
	var s *updatertest.NoIP
	newSim := func() updatertest.Service {
		s = updatertest.NewNoIP("user", "secret", "home.example.com", "nas.example.com", "web.example.com")
		s.Groups = map[string][]string{"group1": {"nas.example.com", "web.example.com"}}
		s.AddKey("key", "secret", "home.example.com", "nas.example.com")
		return s
	}
	paid := func() updatertest.Service { newSim(); s.Paid = true; return s }

	t.Run("addresses", func(t *testing.T) {
		play(t, newSim,
			step{raw: get("hostname=home.example.com&myip=1.2.3.4"), status: 200, want: "good 1.2.3.4\r\n"},
			step{raw: get("hostname=home.example.com&myip=1.2.3.4"), status: 200, want: "nochg 1.2.3.4\r\n"},
			step{raw: get("hostname=home.example.com"), status: 200, want: "good 84.0.0.2\r\n"},
			step{raw: get("hostname=home.example.com"), from: "[2a00::1]:40000", status: 200, want: "good 2a00::1\r\n"},
			step{raw: get("hostname=home.example.com,group1&myip=84.0.0.2,2a00::1"), status: 200, want: "nochg 84.0.0.2,2a00::1\r\ngood 84.0.0.2,2a00::1\r\n"},
			step{raw: get("hostname=home.example.com&myip=84.0.0.3&myipv6=2a00::3"), status: 200, want: "good 84.0.0.3,2a00::3\r\n"},
			step{raw: get("hostname=home.example.com&myipv6=2a00::4"), status: 200, want: "good 2a00::4\r\n"},
		)
		expect(t, s, "home.example.com", "84.0.0.3 2a00::4 - -")
		expect(t, s, "web.example.com", "84.0.0.2 2a00::1 - -")
	})
	t.Run("keys", func(t *testing.T) {
		key := func(query string) string { return "GET /nic/update?" + query + agent + byKey }
		play(t, newSim,
			step{raw: key("hostname=all.ddnskey.com&myip=84.0.0.5"), status: 200, want: "good 84.0.0.5\r\n"},
			step{raw: key("hostname=home.example.com&myip=84.0.0.5"), status: 200, want: "nochg"},
			step{raw: key("hostname=web.example.com&myip=84.0.0.5"), status: 200, want: "nohost"},
			step{raw: key("hostname=web.example.com&myip=84.0.0.5"), status: 200, broken: "after nohost"},
			step{raw: get("hostname=all.ddnskey.com&myip=84.0.0.5"), status: 200, want: "nohost"},
		)
		expect(t, s, "nas.example.com", "84.0.0.5 - - -")
		expect(t, s, "web.example.com", "- - - -")
	})
	t.Run("offline", func(t *testing.T) {
		play(t, paid,
			step{raw: get("hostname=home.example.com&myip=84.0.0.2"), status: 200, want: "good"},
			step{raw: get("hostname=home.example.com&offline=YES"), status: 200, want: "good"},
			step{raw: get("hostname=home.example.com&offline=YES"), status: 200, want: "nochg"},
		)
		expect(t, s, "home.example.com", "- - - -")
		play(t, paid,
			step{raw: get("hostname=home.example.com&myip=84.0.0.2&offline=YES"), status: 200, want: "good"},
			step{raw: get("hostname=home.example.com&myip=84.0.0.2&offline=NO"), status: 200, want: "good"},
			step{raw: get("hostname=home.example.com&offline=maybe"), status: 200, broken: "neither YES nor NO"},
		)
		expect(t, s, "home.example.com", "84.0.0.2 - - -")
		play(t, newSim,
			step{raw: get("hostname=home.example.com&offline=YES"), status: 200, want: "!donator"},
			step{raw: get("hostname=home.example.com&myip=84.0.0.2"), status: 200, want: "good"},
			step{raw: get("hostname=home.example.com&offline=NO"), status: 200, want: "!donator", broken: "after !donator"},
		)
	})
	t.Run("rules", func(t *testing.T) {
		play(t, newSim,
			step{raw: "GET /nic/update?hostname=home.example.com" + basic + "\nUser-Agent: Go-http-client/1.1", status: 200, broken: "user agent"},
			step{raw: get("myip=84.0.0.2"), status: 200, broken: "no hostname"},
			step{raw: get("hostname=home.example.com&myip="), status: 200, broken: "empty address"},
			step{raw: get("hostname=home.example.com&myip=home"), status: 200, broken: "an address that is none"},
			step{raw: get("hostname=home.example.com&system=dyndns"), status: 200, broken: "unknown parameter system"},
			step{raw: "POST /nic/update?hostname=home.example.com" + agent + basic, status: 200, broken: "POST"},
			step{raw: "GET /update?hostname=home.example.com" + agent + basic, status: 404, broken: "GET /update"},
			step{raw: get("hostname=none.example.com"), status: 200, want: "nohost"},
			step{raw: get("hostname=none.example.com"), status: 200, want: "nohost", broken: "after nohost"},
			step{raw: "GET /nic/update?hostname=home.example.com" + agent, status: 401, want: "badauth"},
			step{raw: "GET /nic/update?hostname=home.example.com" + agent, status: 401, want: "badauth", broken: "after badauth"},
			step{raw: get("hostname=home.example.com"), status: 200, want: "nochg"}, // another login
		)
	})
	t.Run("silence", func(t *testing.T) {
		play(t, func() updatertest.Service { newSim(); s.Next("911", updatertest.Normal, "abuse"); return s },
			step{raw: get("hostname=home.example.com"), status: 200, want: "911"},
			step{raw: get("hostname=home.example.com"), after: 30*time.Minute - time.Second, status: 200, broken: "1s too early"},
			step{raw: get("hostname=home.example.com"), after: time.Second, status: 200, want: "abuse"},
			step{raw: get("hostname=home.example.com"), after: time.Hour, status: 200, want: "abuse", broken: "after abuse"},
		)
	})
	t.Run("detection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			newSim()
			steps := []struct {
				raw, want string
				after     time.Duration
				broken    bool
			}{
				{"GET /", "84.0.0.2", 0, false},
				{"GET /", "84.0.0.2", 10 * time.Minute, false},
				{"GET /", "84.0.0.2", 9 * time.Minute, true},
				{"GET /?x", "84.0.0.2", time.Hour, true},
			}
			for i, c := range steps {
				time.Sleep(c.after)
				w := send(t, s.Detector(), c.raw, "")
				if e := s.Ledger()[i]; w.Body.String() != c.want || (e.Violation != "") != c.broken {
					t.Errorf("%d: %q, %v", i, w.Body.String(), e)
				}
			}
			s.Next("abuse")
			send(t, s, get("hostname=home.example.com"), "")
			time.Sleep(time.Hour)
			send(t, s.Detector(), "GET /", "")
			if l := s.Violations(); len(l) != 3 || l[2].Violation != "a request after abuse" {
				t.Errorf("violations = %v", l)
			}
			s.Forgive()
			time.Sleep(time.Hour)
			send(t, s.Detector(), "GET /", "")
			send(t, s, get("hostname=home.example.com"), "")
			if l := s.Violations(); len(l) != 3 {
				t.Errorf("violations after forgiveness = %v", l)
			}
		})
	})
}
