package providers

import (
	"net/netip"
	"testing"

	"wandns/updater"
)

// A refused login is that of the services which use it, whatever else the
// account has; a refused account is all of theirs.
func TestWhetherARefusalConcernsTheLoginOrTheAccount(t *testing.T) {
	v4 := netip.MustParseAddr("84.0.0.2")
	answered := func(status int, body string) reply {
		return reply{Answer: updater.Answer{Status: status, Body: body}, JSON: parse(body)}
	}
	problem := func(status int, code string) *updater.Fault {
		return hostUpProblem(wire{title: "HostUp"}, "nothing was done", answered(status, rfc7807(status, code, "")))
	}
	token := func(status int, body string) *updater.Fault {
		return readHostUp(wire{title: "HostUp"}, upHost, v4, answered(status, body)).fault
	}
	word := func(w string) *updater.Fault {
		f, _ := noIPVerdict(w)
		return &f
	}
	status := func(code int) *updater.Fault {
		return wire{title: "Sonic.net"}.fault("nothing was done", code, answered(code, `{"message":"no"}`))
	}
	client := func(status int) *updater.Fault {
		_, err := onHostway(t, getHosts().answer(status, "")).Hosts(t.Context())
		f, _ := err.(*updater.Fault) //nolint:errorlint // the contract is a *Fault itself
		return f
	}
	for _, c := range []struct {
		name  string
		fault *updater.Fault
		login bool
	}{
		{"badauth", word("badauth"), true},
		{"abuse", word("abuse"), false},
		{"badagent", word("badagent"), false},
		{"!donator", word("!donator"), false},
		{"badsys", word("badsys"), false},
		{"401 without a word", unknownAnswer("No-IP", updater.Answer{Status: 401}), true},
		{"401", status(401), true},
		{"403", status(403), true},
		{"Hostway 401", client(401), true},
		{"Hostway 403", client(403), false},
		{"Hostway 404", client(404), false},
		{"HostUp's token", token(401, "badauth"), true},
		{"HostUp's token, without a word", token(401, ""), true},
		{"HostUp's abuse", token(200, "abuse"), false},
		{"HostUp shuts out", token(200, "good 127.0.0.1"), false},
		{"HostUp's key", problem(401, "unauthorized"), true},
		{"HostUp's scopes", problem(403, "forbidden"), true},
		{"HostUp's account", problem(403, "account_inactive"), false},
		{"HostUp's verification", problem(403, "verification_failed"), false},
		{"freedns.io password", freeDNSRefusal("Invalid username or password"), true},
		{"freedns.io ban", freeDNSRefusal("Your login has been suspended for abuse"), false},
	} {
		if f := c.fault; f == nil || f.Kind != updater.Blocked || f.Login != c.login {
			t.Errorf("%s: %+v, want Login %t", c.name, f, c.login)
		}
	}
}
