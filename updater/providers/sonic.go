package providers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"wandns/updater"
	"wandns/updater/http1"
	"wandns/wan"
)

// Sonic.net's API, as documented at public-api.sonic.net/dyndns: JSON in
// bodies, judged by the HTTP status and by the result in the answer.

func sonic() *updater.Spec {
	return &updater.Spec{
		Name:   "sonic",
		Title:  "Sonic.net",
		URL:    "https://www.sonic.com",
		Server: "https://public-api.sonic.net",
		Fields: []updater.Field{
			// Not required: it takes a service to make them with.
			{Name: "userid", Identity: true, Help: "user ID that comes with the API key", Example: "12345"},
			{
				Name: "apikey", Secret: true, Identity: true, // an account has one for each domain
				Help: "API key of the domain, which wandns key makes", Example: "4d6fbf2f9ab0fa11697470918d37625851fc0c51",
			},
			{Name: "ttl", Check: checkSonicTTL, Help: "time to live of the records in seconds, 1 to 1209600; 300 if left out", Example: "300"},
		},
		Limits:    updater.Limits{HostsPerRequest: 1, OneFamily: true},
		CheckHost: checkSonicHost,
		CheckValues: func(values map[string]string, _ []string) (key, why string) {
			for _, pair := range [][2]string{{"userid", "apikey"}, {"apikey", "userid"}} {
				if values[pair[0]] == "" && values[pair[1]] != "" {
					return pair[0], "is missing; it comes with the " + pair[1]
				}
			}
			return "", ""
		},
		New: func(s updater.Settings) updater.Provider {
			return &sonicNet{wire{
				Settings: s, title: "Sonic.net", accept: "application/json",
				login: "correct userid and apikey, or make another key with wandns key",
			}}
		},
	}
}

const maxSonicTTL = 1209600

func checkSonicTTL(v string) string {
	if n, err := strconv.Atoi(v); err != nil || n < 1 || n > maxSonicTTL {
		return fmt.Sprintf("%q is no number of seconds from 1 to %d", v, maxSonicTTL)
	}
	return ""
}

func checkSonicHost(h string) string {
	const complaint = "is not the full name of a host, like home.example.com"
	if !strings.Contains(h, ".") {
		return complaint
	}
	return checkName(h, complaint)
}

type sonicNet struct{ wire }

var (
	_ updater.RecordSetter  = (*sonicNet)(nil)
	_ updater.KeyHolder     = (*sonicNet)(nil)
	_ updater.Pinger        = (*sonicNet)(nil)
	_ updater.AddressProber = (*sonicNet)(nil)
)

// sonicRecord is what a record is set with. The document calls one of the
// types AAA, which no DNS has.
type sonicRecord struct {
	UserID   string `json:"userid"`
	APIKey   string `json:"apikey"`
	Hostname string `json:"hostname"`
	Value    string `json:"value,omitempty"`
	Type     string `json:"type"`
	TTL      int    `json:"ttl"`
}

// Update publishes one address for one name.
func (s *sonicNet) Update(ctx context.Context, req updater.Request) ([]updater.Result, error) {
	return each(req, func(host string, addr netip.Addr) (string, error) {
		return s.put(ctx, host+" was not updated", sonicRecord{Hostname: host, Type: wan.Of(addr).RecordType(), Value: addr.String()})
	})
}

func (*sonicNet) RecordTypes() []string { return []string{"A", "AAAA", "TXT"} }

// SetRecord adds or changes a record. An A record without a value gets the
// address from which the request comes.
func (s *sonicNet) SetRecord(ctx context.Context, r updater.Record) (string, error) {
	if r.Type == "AAA" {
		r.Type = "AAAA"
	}
	switch why := checkSonicHost(r.Name); {
	case why != "":
		return "", refuse("", "%q %s", r.Name, why)
	case !slices.Contains(s.RecordTypes(), r.Type):
		return "", refuse("choose A, AAAA or TXT", "Sonic.net sets no %s records", r.Type)
	case r.Value == "" && r.Type == "A":
		ctx = overFamily(ctx, r.Type)
	case r.Value == "":
		return "", refuse("add the value", "a record of type %s needs a value", r.Type)
	case r.TTL < 0 || r.TTL > maxSonicTTL:
		return "", refuse("choose one from 1 to 1209600 seconds", "%d is no TTL that Sonic.net accepts", r.TTL)
	case r.Replace != "":
		return "", refuse("leave out what is to be replaced", "Sonic.net replaces the record of the type whatever it is")
	}
	if r.Value != "" {
		if err := checkAddress(r.Type, r.Value); err != nil {
			return "", err
		}
	}
	return s.put(ctx, "the "+r.Type+" record of "+r.Name+" was not set", sonicRecord{Hostname: r.Name, Type: r.Type, Value: r.Value, TTL: r.TTL})
}

func (s *sonicNet) put(ctx context.Context, outcome string, r sonicRecord) (string, error) {
	if s.Values["apikey"] == "" {
		return "", &updater.Fault{
			Kind: updater.Blocked, Detail: outcome + ": there is no API key in the configuration",
			Next: "make one with wandns key, and set userid and apikey",
		}
	}
	const byDefault = 300 // theirs, two hours, is long for an address that changes
	ttl, _ := strconv.Atoi(s.Values["ttl"])
	r.UserID, r.APIKey, r.TTL = s.Values["userid"], s.Values["apikey"], cmp.Or(r.TTL, ttl, byDefault)
	a, err := s.ask(ctx, http1.MethodPut, "/dyndns/host", r)
	if err != nil {
		return "", err
	}
	if fault := judgeSonic(s.wire, outcome, a); fault != nil {
		if fault.Kind == updater.Refused {
			fault.Next = "check that the key is of this name's domain"
		}
		return "", fault
	}
	return a.words(), nil
}

// Ping asks whether the service is there.
func (s *sonicNet) Ping(ctx context.Context) (string, error) {
	const outcome = "the service is not there"
	r, err := s.ask(ctx, http1.MethodGet, "/dyndns/ping", nil)
	if err != nil {
		return "", err
	}
	if fault := judgeSonic(s.wire, outcome, r); fault != nil {
		return "", fault
	}
	return r.words(), nil
}

// MyIP asks which address the connection comes from.
func (s *sonicNet) MyIP(ctx context.Context) (netip.Addr, error) {
	r, err := s.ask(ctx, http1.MethodGet, "/dyndns/ip", nil)
	if err != nil {
		return netip.Addr{}, err
	}
	if fault := judgeSonic(s.wire, noProbe, r, "ip"); fault != nil {
		return netip.Addr{}, fault
	}
	return s.seen(ctx, r.JSON.text("ip"), r)
}

// SignIn manages the keys of an account.
func (s *sonicNet) SignIn(username, password string) updater.Keys {
	k := &sonicKeys{s.wire, sonicLogin{Username: username, Password: password}}
	k.secrets, k.mute = []string{password}, true
	k.login = "type the user name and password of the Sonic.net account again"
	return k
}

// sonicKeys is the part of the API that takes the account's own password.
type sonicKeys struct {
	wire
	account sonicLogin
}

type sonicLogin struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Hostname string `json:"hostname,omitempty"`
	APIKey   string `json:"apikey,omitempty"`
}

// Keys lists the keys. Their list may hold more than keys, and be a list or
// nothing when there are none.
func (k *sonicKeys) Keys(ctx context.Context) ([]updater.Key, error) {
	const outcome = "the keys were not listed"
	r, err := k.ask(ctx, http1.MethodPost, "/dyndns/list_api_key", k.account)
	if err != nil {
		return nil, err
	}
	if fault := judgeSonic(k.wire, outcome, r, "data"); fault != nil {
		return nil, fault
	}
	data := r.JSON.object("data")
	if data == nil && !r.JSON.empty("data") {
		return nil, k.fault(outcome, r.Status, r)
	}
	var keys []updater.Key
	for _, host := range slices.Sorted(maps.Keys(data)) {
		one := data.object(host)
		if secret := one.text("key"); secret != "" {
			r.Answer = r.Hide(secret)
			name := r.shown(host, isName)
			keys = append(keys, updater.Key{ID: name, Host: name, Enabled: true, User: r.shown(cmp.Or(one.text("userid"), data.text("userid")), isNumber), Secret: secret})
		}
	}
	return keys, nil
}

// CreateKey makes a key for a name and all below it; it serves every type.
func (k *sonicKeys) CreateKey(ctx context.Context, host, _ string) (updater.Key, error) {
	if why := checkSonicHost(host); why != "" {
		return updater.Key{}, refuse("", "%q %s", host, why)
	}
	outcome := "no key for " + host + " was made"
	body := k.account
	body.Hostname = host
	r, err := k.ask(ctx, http1.MethodPost, "/dyndns/api_key", body)
	if err != nil {
		return updater.Key{}, err
	}
	if fault := judgeSonic(k.wire, outcome, r, "userid", "apikey"); fault != nil {
		if fault.Kind == updater.Refused {
			fault.Next = "name a domain of this account"
		}
		return updater.Key{}, fault
	}
	key := updater.Key{ID: host, Host: host, Enabled: true, User: r.shown(r.JSON.text("userid"), isNumber), Secret: r.JSON.text("apikey")}
	if key.User == "" || key.Secret == "" {
		return updater.Key{}, &updater.Fault{
			Kind: updater.Unconfirmed, Next: "look for it with: wandns key list",
			Detail: "a key for " + host + " may have been made, but Sonic.net's answer does not hold it",
		}
	}
	return key, nil
}

// DeleteKey deletes the key of a name. Sonic.net wants to be told the key too.
func (k *sonicKeys) DeleteKey(ctx context.Context, id string) error {
	keys, err := k.Keys(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(key updater.Key) bool { return strings.EqualFold(key.ID, id) })
	if i < 0 {
		return refuse("see: wandns key list", "this account has no key for %q", id)
	}
	body, w := k.account, k.wire
	body.Hostname, body.APIKey = keys[i].Host, keys[i].Secret
	w.secrets = append(slices.Clip(w.secrets), body.APIKey)
	r, err := w.ask(ctx, http1.MethodDelete, "/dyndns/api_key", body)
	if err != nil {
		return err
	}
	if fault := judgeSonic(w, "the key of "+keys[i].Host+" was not deleted", r); fault != nil {
		return fault
	}
	return nil
}

// judgeSonic returns nil for a success: an HTTP status and a result of 200.
// Where the document shows answers without a result, what was wanted stands
// for it.
func judgeSonic(w wire, outcome string, r reply, wanted ...string) *updater.Fault {
	result, ok := r.JSON.number("result")
	switch {
	case ok && result/100 != 2:
		return w.fault(outcome, result, r)
	case r.Status/100 != 2, !ok && r.JSON["result"] != nil, !ok && len(wanted) == 0:
		return w.fault(outcome, r.Status, r)
	}
	for _, key := range wanted {
		if r.JSON[key] == nil {
			return w.fault(outcome, r.Status, r)
		}
	}
	return nil
}
