package updater

import (
	"testing"
)

func TestMetrics(t *testing.T) {
	st := Status{
		Version: `1.0"rc\1`, PID: 7, Clock: "waiting", Problems: []string{"canary"},
		WAN: []WANStatus{{Device: "pppoe-wan", Default4: true}},
		Services: []ServiceStatus{{
			Name: "home", Provider: "freedns.io", State: Waiting, Reason: "canary", LastAnswer: "canary", LastError: "canary",
			Next: "2026-11-21T10:00:00Z", Sent: 41, SentToday: 2,
			Records: []RecordStatus{
				{Hostname: "home.example.com", Type: "A", Wanted: "84.0.0.2", Published: "84.0.0.2", Since: "2026-11-21T09:00:00Z"},
				{Hostname: "home.example.com", Type: "AAAA", Wanted: "2a00::1"},
			},
		}, {Name: "off", Provider: "noip", State: Disabled}},
	}
	got := string(metrics(st, true, map[string]Limits{"home": {PerHour: 60, PerDay: 2}}, map[string]int{"home": 3}))
	const want = `# HELP wandns_up Whether the daemon runs; one that was killed could not say so.
# TYPE wandns_up gauge
wandns_up 1
# HELP wandns_build_info The version.
# TYPE wandns_build_info gauge
wandns_build_info{version="1.0\"rc\\1"} 1
# HELP wandns_clock_ok Whether nothing waits for the clock to be set.
# TYPE wandns_clock_ok gauge
wandns_clock_ok 0
# HELP wandns_problems What is wrong with the state or the configuration; wandns status tells.
# TYPE wandns_problems gauge
wandns_problems 1
# HELP wandns_wan_default_route Whether a device holds a default route.
# TYPE wandns_wan_default_route gauge
wandns_wan_default_route{device="pppoe-wan",family="ipv4"} 1
wandns_wan_default_route{device="pppoe-wan",family="ipv6"} 0
# HELP wandns_service_state 1 for the state that a service is in.
# TYPE wandns_service_state gauge
wandns_service_state{service="home",provider="freedns.io",state="ok"} 0
wandns_service_state{service="home",provider="freedns.io",state="sending"} 0
wandns_service_state{service="home",provider="freedns.io",state="verifying"} 0
wandns_service_state{service="home",provider="freedns.io",state="waiting"} 1
wandns_service_state{service="home",provider="freedns.io",state="blocked"} 0
wandns_service_state{service="home",provider="freedns.io",state="no-address"} 0
wandns_service_state{service="home",provider="freedns.io",state="clock"} 0
wandns_service_state{service="home",provider="freedns.io",state="disabled"} 0
wandns_service_state{service="off",provider="noip",state="ok"} 0
wandns_service_state{service="off",provider="noip",state="sending"} 0
wandns_service_state{service="off",provider="noip",state="verifying"} 0
wandns_service_state{service="off",provider="noip",state="waiting"} 0
wandns_service_state{service="off",provider="noip",state="blocked"} 0
wandns_service_state{service="off",provider="noip",state="no-address"} 0
wandns_service_state{service="off",provider="noip",state="clock"} 0
wandns_service_state{service="off",provider="noip",state="disabled"} 1
# HELP wandns_record_current Whether a name has the address that it should have.
# TYPE wandns_record_current gauge
wandns_record_current{service="home",hostname="home.example.com",type="A"} 1
wandns_record_current{service="home",hostname="home.example.com",type="AAAA"} 0
# HELP wandns_record_published_timestamp_seconds When the provider confirmed a name's address.
# TYPE wandns_record_published_timestamp_seconds gauge
wandns_record_published_timestamp_seconds{service="home",hostname="home.example.com",type="A"} 1795251600
# HELP wandns_next_attempt_timestamp_seconds When a service tries again, if it waits.
# TYPE wandns_next_attempt_timestamp_seconds gauge
wandns_next_attempt_timestamp_seconds{service="home"} 1795255200
# HELP wandns_requests_total Requests to the provider, ever.
# TYPE wandns_requests_total counter
wandns_requests_total{service="home"} 41
wandns_requests_total{service="off"} 0
# HELP wandns_requests_today Requests to the provider on the day (UTC) of the last change.
# TYPE wandns_requests_today gauge
wandns_requests_today{service="home"} 2
wandns_requests_today{service="off"} 0
# HELP wandns_request_faults_total Requests to the provider that failed, since the start.
# TYPE wandns_request_faults_total counter
wandns_request_faults_total{service="home"} 3
wandns_request_faults_total{service="off"} 0
# HELP wandns_quota What the provider allows: requests in an hour, changes of a name in a day.
# TYPE wandns_quota gauge
wandns_quota{service="home",per="hour"} 60
wandns_quota{service="home",per="day"} 2
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
