package updatertest_test

import (
	"fmt"
	"testing"
	"time"

	"wandns/updater/updatertest"
)

func freePost(fields string) string {
	return "POST /request\nContent-Type: application/x-www-form-urlencoded\n\n" + fields
}

func TestFreeDNS(t *testing.T) {
	const me = "username=user&password=secret&host=foo"
	const boss = "username=boss&password=secret&host=bar"
	newSim := func() updatertest.Service {
		s := updatertest.NewFreeDNS("user", "secret", "foo", "fox.freedns.io")
		s.AddUser("boss", "secret", true, "bar")
		return s
	}
	t.Run("addresses", func(t *testing.T) {
		var s updatertest.Service
		play(t, func() updatertest.Service { s = newSim(); return s },
			step{raw: freePost(me + "&record=A&value=84.0.0.9"), status: 200, want: "OK"},
			step{raw: freePost(me + "&record=A&value=84.0.0.9"), status: 200}, // no change
			step{raw: freePost(me + "&record=A"), status: 200},                // the source; the second change
			step{raw: freePost(me + "&record=A&value=84.0.0.2"), status: 200}, // no change
			step{raw: freePost(me + "&record=AAAA&value=2a00::1"), status: 401, want: "2 updates per day", broken: "2 changes of foo"},
			step{raw: freePost("username=user&password=secret&host=fox&record=AAAA"), from: "[2a00::7]:40000", status: 200},
			step{raw: freePost(me + "&record=AAAA&value=2a00::1"), after: 24 * time.Hour, status: 200},
			step{raw: freePost(me + "&record=A&value=&delete=1"), status: 200},
			step{raw: freePost(me + "&record=A&value=84.0.0.2"), after: 23 * time.Hour, status: 401, broken: "2 changes of foo"},
		)
		expect(t, s, "foo.freedns.io", "- 2a00::1 - -")
		expect(t, s, "fox.freedns.io", "- 2a00::7 - -")
		expect(t, s, "other.freedns.io", "unknown")
	})
	t.Run("refusals", func(t *testing.T) {
		play(t, newSim,
			step{raw: freePost("username=user&password=wrong&host=foo&record=A&value=84.0.0.9"), status: 401, want: "Wrong username or password"},
			step{raw: freePost("username=user&password=secret&host=bar&record=A&value=84.0.0.9"), status: 401, want: "bar does not exist"},
			step{raw: freePost(me + "&record=TXT&value=hello"), status: 401, want: "Premium"},
			step{raw: freePost(me + "&record=A&value=2a00::1"), status: 401, want: "not a valid A address"},
			step{raw: freePost(me + "&record=AAAA"), status: 401, want: "not a valid AAAA address"}, // over IPv4
		)
	})
	t.Run("premium", func(t *testing.T) {
		var s updatertest.Service
		steps := []step{
			{raw: freePost(boss + "&record=TXT&value=two+words"), status: 200},
			{raw: freePost(boss + "&record=CNAME&value=www.example.com"), status: 200},
			{raw: freePost(boss + "&record=MX&value=a.example.com"), status: 200},
			{raw: freePost(boss + "&record=MX&value=b.example.com&preference=5"), status: 200},
			{raw: freePost(boss + "&record=MX&value=b.example.com&preference=5"), status: 200}, // no change
			{raw: freePost(boss + "&record=MX&value=c.example.com"), status: 200},
			{raw: freePost(boss + "&record=MX&value=d.example.com"), status: 200},
			{raw: freePost(boss + "&record=MX&value=e.example.com"), status: 401, want: "4 MX"},
			{raw: freePost(boss + "&record=MX&value=e.example.com&replace=d.example.com&preference=20"), status: 200},
			{raw: freePost(boss + "&record=MX&value=e.example.com&replace=d.example.com"), status: 401, want: "does not exist"},
			{raw: freePost(boss + "&record=MX&value=a.example.com&delete=1"), status: 200},
			{raw: freePost(boss + "&record=CNAME&value=&delete=1"), status: 200},
		}
		for n := range 6 { // to the fifteenth change
			steps = append(steps, step{raw: freePost(fmt.Sprintf("%s&record=A&value=84.0.0.%d", boss, n+1)), status: 200})
		}
		steps = append(steps, step{raw: freePost(boss + "&record=A&value=84.0.0.99"), status: 401, want: "15", broken: "15 changes"})
		play(t, func() updatertest.Service { s = newSim(); return s }, steps...)
		expect(t, s, "bar.freedns.io", "84.0.0.6 - - two words 5 b.example.com 10 c.example.com 20 e.example.com")
	})
	t.Run("rules", func(t *testing.T) {
		bad := func(fields, broken string) step {
			return step{raw: freePost(fields), status: 401, broken: broken}
		}
		play(t, newSim,
			bad("username=user&password=secret&host=foo.freedns.io&record=A&value=84.0.0.9", "not only the label"),
			bad("username=user&password=secret&record=A&value=84.0.0.9", "mandatory"),
			bad(me+"&record=A&value=", "empty value"),
			bad(me+"&record=CNAME", "empty value"),
			bad(me+"&record=SRV&value=x", "record"),
			bad(me+"&record=A&delete=1", "without a value"),
			bad(me+"&record=A&delete=true&value=", "delete is not 1"),
			bad(me+"&record=A&delete=1&value=84.0.0.9", "with a value"),
			bad(me+"&record=MX&delete=1&value=", "empty value"),
			bad(me+`&record=TXT&value="x"`, "quotes"),
			bad(me+"&record=A&value=84.0.0.9&preference=1", "preference"),
			bad(me+"&record=A&value=84.0.0.9&ttl=60", "unknown field ttl"),
			bad(me+"&record=A&record=A", "record twice"),
			step{raw: "GET /request?" + me + "&record=A", status: 404, broken: "unknown parameter"},
			step{raw: "POST /request\nContent-Type: application/json\n\n{}", status: 401, broken: "content type"},
			step{raw: "POST /request\nContent-Type: application/x-www-form-urlencoded\nAuthorization: Basic eA==\n\n" + me + "&record=A", status: 401, broken: "header Authorization"},
			step{raw: "POST /requests\nContent-Type: application/x-www-form-urlencoded\n\n" + me + "&record=A", status: 404, broken: "POST /requests"},
		)
	})
	t.Run("sixty an hour", func(t *testing.T) {
		var steps []step
		for n := range 60 {
			fields := me + "&record=A"
			if n%2 > 0 {
				fields = boss + "&record=A" // all users count together
			}
			steps = append(steps, step{raw: freePost(fields), status: 200})
		}
		steps = append(steps,
			step{raw: freePost(me + "&record=A&value=84.0.0.2"), from: "84.0.0.3:40000", status: 200},
			step{raw: freePost(me + "&record=A"), after: time.Hour, status: 200},
		)
		for range 59 {
			steps = append(steps, step{raw: freePost(me + "&record=A"), status: 200})
		}
		steps = append(steps,
			step{raw: freePost(me + "&record=A"), status: 403, want: "blocked", broken: "61 requests"},
			step{raw: freePost(me + "&record=A"), after: 48 * time.Hour, status: 403, broken: "blocked"},
		)
		play(t, newSim, steps...)
	})
}
