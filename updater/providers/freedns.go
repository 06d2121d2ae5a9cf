package providers

import (
	"context"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"wandns/updater"
	"wandns/updater/http1"
	"wandns/wan"
)

// freedns.io's API, as documented at freedns.io/api and in the samples that it
// names: one form, POSTed to /request, for one record of one host.

const freeDNSZone = ".freedns.io"

func freeDNS() *updater.Spec {
	limits := updater.Limits{PerHour: 60, PerDay: 2, HostsPerRequest: 1, OneFamily: true}
	return &updater.Spec{
		Name:   "freedns.io",
		Title:  "freedns.io",
		URL:    "https://freedns.io",
		Server: "https://freedns.io",
		Fields: []updater.Field{
			{Name: "username", Required: true, Identity: true, Help: "account's user name", Example: "user"},
			{Name: "password", Required: true, Secret: true, Help: "account's password", Example: "secret"},
			{
				Name: "plan", Check: oneOf("free", "premium"), Example: "premium",
				Help: "account's plan: free, with 2 changes of a host a day, or premium, with 15 and CNAME, TXT and MX records; free if left out",
			},
		},
		Limits: limits,
		LimitsOf: func(values map[string]string) updater.Limits {
			l := limits
			if values["plan"] == "premium" {
				l.PerDay = 15
			}
			return l
		},
		CheckHost: checkFreeDNSHost,
		DNSName:   func(host string) string { return freeDNSLabel(host) + freeDNSZone },
		New: func(s updater.Settings) updater.Provider {
			return &freeDNSAccount{wire{Settings: s, title: "freedns.io"}}
		},
	}
}

// freeDNSLabel is what freedns.io calls a host: foo for foo.freedns.io.
func freeDNSLabel(host string) string {
	return strings.TrimSuffix(strings.ToLower(host), freeDNSZone)
}

func checkFreeDNSHost(h string) string {
	label := freeDNSLabel(h)
	if strings.Contains(label, ".") {
		return "is not below freedns.io, where all its names are; write foo or foo.freedns.io"
	}
	return checkName(label, "is no name that freedns.io can have")
}

type freeDNSAccount struct{ wire }

var (
	_ updater.RecordSetter  = (*freeDNSAccount)(nil)
	_ updater.RecordDeleter = (*freeDNSAccount)(nil)
)

// Update publishes one address for one name.
func (f *freeDNSAccount) Update(ctx context.Context, req updater.Request) ([]updater.Result, error) {
	return each(req, func(host string, addr netip.Addr) (string, error) {
		return f.request(ctx, host+" was not updated", host, wan.Of(addr).RecordType(), url.Values{"value": {addr.String()}})
	})
}

func (*freeDNSAccount) RecordTypes() []string { return []string{"A", "AAAA", "CNAME", "TXT", "MX"} }

// SetRecord adds or changes a record. An A or AAAA record without a value gets
// the address from which the request comes.
func (f *freeDNSAccount) SetRecord(ctx context.Context, r updater.Record) (string, error) {
	if err := f.checkRecord(r); err != nil {
		return "", err
	}
	form := url.Values{}
	switch {
	case r.Value == "" && !isAddress(r.Type):
		return "", refuse("add the value", "a %s record needs a value", r.Type)
	case r.Value == "":
		ctx = overFamily(ctx, r.Type)
	case r.Type == "TXT":
		form.Set("value", unquoted(r.Value))
	default:
		if err := checkAddress(r.Type, r.Value); err != nil {
			return "", err
		}
		form.Set("value", r.Value)
	}
	switch {
	case r.TTL != 0:
		return "", refuse("leave out the TTL", "freedns.io chooses the TTL itself")
	case r.Type != "MX" && r.Replace != "":
		return "", refuse("leave out what is to be replaced", "a host has only one %s record", r.Type)
	case r.Type == "MX" && r.Preference > 65535:
		return "", refuse("choose a lower one", "%d is no preference: they end at 65535", r.Preference)
	}
	if r.Type == "MX" && r.Preference >= 0 {
		form.Set("preference", strconv.Itoa(r.Preference))
	}
	if r.Replace != "" {
		form.Set("replace", r.Replace)
	}
	return f.request(ctx, "the "+r.Type+" record of "+r.Name+" was not set", r.Name, r.Type, form)
}

// DeleteRecord deletes the record of a type; of the MX records, that with the
// value.
func (f *freeDNSAccount) DeleteRecord(ctx context.Context, r updater.Record) (string, error) {
	if err := f.checkRecord(r); err != nil {
		return "", err
	}
	form := url.Values{"delete": {"1"}, "value": {""}} // the value has to be there, empty or not
	if r.Type == "MX" {
		if r.Value == "" {
			return "", refuse("add the value of the one to delete", "a host may have several MX records")
		}
		form.Set("value", r.Value)
	}
	return f.request(ctx, "the "+r.Type+" record of "+r.Name+" was not deleted", r.Name, r.Type, form)
}

// unquoted takes off the quotes of a zone file: freedns.io adds its own.
func unquoted(s string) string {
	if inner, ok := strings.CutPrefix(s, `"`); ok && strings.HasSuffix(inner, `"`) {
		return strings.TrimSuffix(inner, `"`)
	}
	return s
}

// checkRecord finds what freedns.io would only refuse.
func (f *freeDNSAccount) checkRecord(r updater.Record) error {
	if why := checkFreeDNSHost(r.Name); why != "" {
		return refuse("", "%q %s", r.Name, why)
	}
	switch r.Type {
	case "A", "AAAA":
	case "CNAME", "TXT", "MX":
		if f.Values["plan"] != "premium" {
			return refuse("set plan to premium if the account is", "freedns.io has %s records for Premium accounts only, and plan is free", r.Type)
		}
	default:
		return refuse("choose A, AAAA, CNAME, TXT or MX", "freedns.io has no %s records", r.Type)
	}
	return nil
}

func (f *freeDNSAccount) request(ctx context.Context, outcome, host, recordType string, form url.Values) (string, error) {
	form.Set("username", f.Values["username"])
	form.Set("password", f.Values["password"])
	form.Set("host", freeDNSLabel(host))
	form.Set("record", recordType)
	r, err := f.ask(ctx, http1.MethodPost, "/request", form)
	if err != nil {
		return "", err
	}
	return f.read(outcome, r)
}

// read takes 200 for success, whatever it says: only a page is not its own.
// Every refusal is 401, and only its text tells one from another.
func (f *freeDNSAccount) read(outcome string, r reply) (string, error) {
	if r.Status == http1.StatusOK && !r.page() {
		return r.words(), nil
	}
	fault := f.fault(outcome, r.Status, r)
	switch {
	case r.Status == http1.StatusUnauthorized:
		if !r.page() && r.RetryAfter == 0 {
			detail := fault.Detail
			fault = freeDNSRefusal(r.says())
			fault.Detail = detail
		}
	case fault.Kind == updater.Blocked, fault.Kind == updater.Refused, fault.Kind == updater.Suspect:
		fault.Kind = updater.Transient
	}
	return "", fault
}

// freeDNSRefusal guesses what a refusal is about. No list of the texts is
// public, so what is not clear is left to the next answer to repeat. Quotas
// come first: their texts speak of accounts and updates too.
func freeDNSRefusal(text string) *updater.Fault {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(strings.ToLower(text), w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("hour") && !has("24"):
		return &updater.Fault{Kind: updater.Throttled, RetryAfter: time.Hour, Next: "let nothing else ask freedns.io so often"}
	case has("quota", "limit", "per day", "daily", "today", "tomorrow", "too many", "updates"):
		return &updater.Fault{Kind: updater.Spent, Next: "wait a day, and check plan"}
	case has("premium"):
		return &updater.Fault{Kind: updater.Refused, Next: "use a Premium account for this"}
	case has("host", "domain", "record", "value"):
		return &updater.Fault{Kind: updater.Suspect, Next: "check that this account has the host"}
	case has("blocked", "banned", "suspended", "deactivated", "abuse"):
		return &updater.Fault{Kind: updater.Blocked, Next: "ask freedns.io's support"}
	case has("password", "username", "user name", "login", "log in", "credential", "authenticat"):
		return &updater.Fault{Kind: updater.Blocked, Login: true, Next: "correct username and password"}
	}
	return &updater.Fault{Kind: updater.Suspect, Next: "check hostnames, username and password"}
}
