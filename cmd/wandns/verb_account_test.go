package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"wandns/updater"
	"wandns/updater/http1"
)

// allround is a provider that has every ability, and keeps what it is told.
type allround struct {
	records map[string]string
	keys    map[string]updater.Key
	client  bool
	offline bool
	login   string             // user and password that were given
	fault   *updater.Fault     // of every call
	dir     string             // of the state and the control socket; empty for a new one
	echo    string             // the words of every answer
	only    [2]bool            // the families of the service; none for both
	server  string             // of the service
	on      func(updater.Way)  // called with the way of every request
	made    []updater.Settings // for every time that the provider was made
}

func (a *allround) did(ctx context.Context) (string, error) {
	if a.on != nil {
		a.on(updater.WayOf(ctx))
	}
	// Others' words are taken over as every provider does it.
	client := updater.NewClient(updater.ClientConfig{})
	if last := len(a.made) - 1; last >= 0 && a.made[last].Client != nil {
		client = a.made[last].Client
	}
	if a.fault != nil {
		fault := *a.fault
		fault.Detail = client.Excerpt(fault.Detail)
		return "", &fault
	}
	return client.Excerpt(a.echo), nil
}

func (a *allround) Update(context.Context, updater.Request) ([]updater.Result, error) {
	return nil, a.fault
}
func (*allround) RecordTypes() []string { return []string{"A", "AAAA", "TXT", "MX"} }

func (a *allround) SetRecord(ctx context.Context, r updater.Record) (string, error) {
	answer, err := a.did(ctx)
	if err == nil {
		a.records[r.Name+" "+r.Type] = strings.Trim(fmt.Sprintf("%s %d %s %d", r.Value, r.Preference, r.Replace, r.TTL), " ")
	}
	return answer, err
}

func (a *allround) DeleteRecord(ctx context.Context, r updater.Record) (string, error) {
	delete(a.records, r.Name+" "+r.Type)
	return a.did(ctx)
}

func (a *allround) Hosts(ctx context.Context) ([]updater.Published, error) {
	_, err := a.did(ctx)
	var list []updater.Published
	for _, name := range slices.Sorted(maps.Keys(a.records)) {
		list = append(list, updater.Published{Host: name, V4: netip.MustParseAddr("84.0.0.2")})
	}
	return list, err
}

func (a *allround) Attach(ctx context.Context, host string) error {
	a.records[host] = ""
	_, err := a.did(ctx)
	return err
}

func (a *allround) Detach(ctx context.Context, host string) error {
	delete(a.records, host)
	_, err := a.did(ctx)
	return err
}

func (a *allround) CreateClient(ctx context.Context) error {
	a.client = true
	_, err := a.did(ctx)
	return err
}

func (a *allround) ShowClient(ctx context.Context) (updater.ClientInfo, error) {
	hosts, err := a.Hosts(ctx)
	return updater.ClientInfo{Key: "router-1", Offline: a.offline, Hosts: hosts}, err
}

func (a *allround) DeleteClient(ctx context.Context) error {
	a.client = false
	_, err := a.did(ctx)
	return err
}

func (a *allround) Offline(ctx context.Context, _ []string) (string, error) {
	a.offline = true
	return a.did(ctx)
}

func (a *allround) Online(ctx context.Context, _ updater.Request) (string, error) {
	a.offline = false
	return a.did(ctx)
}
func (a *allround) Ping(ctx context.Context) (string, error) { return a.did(ctx) }

func (a *allround) MyIP(ctx context.Context) (netip.Addr, error) {
	_, err := a.did(ctx)
	if updater.WayOf(ctx).Only == updater.OnlyIPv6 {
		return netip.Addr{}, &updater.Fault{Kind: updater.Unreachable, Detail: "there is no way over IPv6"}
	}
	return netip.MustParseAddr("84.0.0.2"), err
}

func (a *allround) EnableKey(ctx context.Context, id string, enabled bool) (updater.Key, error) {
	k := a.keys[id]
	k.Enabled = enabled
	a.keys[id] = k
	_, err := a.did(ctx)
	return k, err
}

func (a *allround) KeyLog(ctx context.Context, _ string) ([]updater.KeyEvent, error) {
	_, err := a.did(ctx)
	return []updater.KeyEvent{{At: "2026-11-22T10:00:00Z", New: "84.0.0.2", Agent: "curl", Status: "ok"}}, err
}

func (a *allround) SignIn(username, password string) updater.Keys {
	a.login = username + ":" + password
	return allroundKeys{a}
}

type allroundKeys struct{ *allround }

func (a allroundKeys) Keys(ctx context.Context) ([]updater.Key, error) {
	_, err := a.did(ctx)
	var list []updater.Key
	for _, id := range slices.Sorted(maps.Keys(a.keys)) {
		list = append(list, a.keys[id])
	}
	return list, err
}

func (a allroundKeys) CreateKey(ctx context.Context, host, recordType string) (updater.Key, error) {
	k := updater.Key{ID: "k" + fmt.Sprint(len(a.keys)), Host: host, Type: recordType, User: "12345", Secret: "canary-of-" + host, Enabled: true}
	_, err := a.did(ctx)
	if err == nil {
		a.keys[k.ID] = k
	}
	return k, err
}

func (a allroundKeys) DeleteKey(ctx context.Context, id string) error {
	delete(a.keys, id)
	_, err := a.did(ctx)
	return err
}

func newAllround() *allround {
	return &allround{records: map[string]string{}, keys: map[string]updater.Key{}}
}

// order is wandns with these arguments, on the service home at the provider.
func (a *allround) order(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	fmt.Fprint(out, stdin)
	out.Close()
	var o, e bytes.Buffer
	dir := cmp.Or(a.dir, t.TempDir())
	spec := &updater.Spec{
		Name: "allround", Title: "Allround",
		Fields: []updater.Field{{Name: "password", Secret: true}},
		New: func(s updater.Settings) updater.Provider {
			a.made = append(a.made, s)
			return a
		},
	}
	cfg := &config{StateDir: dir, RunDir: dir, Services: []serviceConfig{{
		Name: "home", Enabled: true, Families: [2]bool{true, true}, Hosts: []string{"home.example.com"},
		outlet: outlet{Spec: spec, Server: a.server, Values: map[string]string{"password": "canary-configured"}},
	}}}
	if a.only != [2]bool{} {
		cfg.Services[0].Families = a.only
	}
	i := slices.IndexFunc(accountVerbs(), func(v accountVerb) bool { return v.name == args[0] })
	v := accountVerbs()[i]
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	w := v.declare(flags)
	rest, err := parse(flags, args[1:])
	if err != nil {
		t.Fatal(err)
	}
	c := &cli{stdin: in, stdout: &o, stderr: &e}
	_, act, err := v.understand(flags, w, rest)
	if err != nil {
		return exitUsage, "", err.Error()
	}
	run := &errand{cli: c, wish: w, verb: v, action: act}
	if !run.find(cfg, rest[0]) {
		t.Fatalf("there is no service %q", rest[0])
	}
	code = run.run()
	return code, o.String(), e.String()
}

// Whoever writes a script need not know which actions ask.
func TestEveryAccountVerbTakesYes(t *testing.T) {
	for _, v := range accountVerbs() {
		if _, help, _ := typed(v.name, "--help"); strings.Count(help, "--yes") != 1 {
			t.Errorf("%s explains --yes otherwise than once:\n%s", v.name, help)
		}
		for _, a := range v.actions {
			args := slices.Concat([]string{"home", a.name}, strings.Fields(a.example), []string{"--yes"})
			flags := flag.NewFlagSet("", flag.ContinueOnError)
			flags.SetOutput(io.Discard)
			w := v.declare(flags)
			rest, err := parse(flags, args)
			if err == nil {
				_, _, err = v.understand(flags, w, rest)
			}
			if err != nil || !w.yes {
				t.Errorf("%s %q: %v", v.name, args, err)
			}
		}
	}
}

// Each step is typed after those before it.
func TestAccountVerbsAreCarriedOut(t *testing.T) {
	a := newAllround()
	const login = "jane\ncanary-password\n"
	for _, step := range []struct {
		typed, stdin string
		code         int
		out, stderr  string
	}{
		{typed: "record home set nas.example.com a 203.0.113.7 --ttl 60", out: "nas.example.com A is 203.0.113.7\n"},
		{typed: "record home set home.example.com AAAA 2001:db8::1", out: "home.example.com AAAA is 2001:db8::1\nThe daemon keeps home.example.com too. It leaves this as it is until the WAN's address changes, and then publishes that one; take the name out of hostnames to prevent it.\n"},
		{typed: "record home set nas.example.com A", out: "nas.example.com A is the address of this connection\n"},
		{typed: "record home set nas.example.com CNAME x.example.com", code: exitRefused, stderr: "wandns: Allround takes no CNAME records; use one of A, AAAA, TXT, MX\n"},
		{typed: "record home delete nas.example.com A", code: exitUsage, stderr: "wandns: nothing was deleted, since nobody can be asked; add --yes\n"},
		{typed: "record home delete nas.example.com A --yes", out: "nas.example.com A is deleted\n"},
		{typed: "record home delete home.example.com AAAA --yes --json", out: `{
  "action": "record delete",
  "answer": "",
  "name": "home.example.com",
  "note": "The daemon keeps home.example.com too. It leaves this as it is until the WAN's address changes, and then publishes that one; take the name out of hostnames to prevent it.",
  "provider": "allround",
  "service": "home",
  "type": "AAAA",
  "value": ""
}
`},
		{typed: "client home create", out: "this router is registered\n"},
		{typed: "host home list", out: "no hosts\n"},
		{typed: "host home list --json", out: "{\n  \"action\": \"host list\",\n  \"answer\": \"\",\n  \"hosts\": [],\n  \"note\": \"\",\n  \"provider\": \"allround\",\n  \"service\": \"home\"\n}\n"},
		{typed: "host home attach home.example.com", out: "home.example.com is attached\n"},
		{typed: "host home list", out: "HOSTNAME          IPV4      IPV6\nhome.example.com  84.0.0.2  -\n"},
		{typed: "presence home offline", out: "home.example.com: offline\nThe daemon sends the WAN's address again when it changes, which may end this (it does at No-IP); set enabled to false to prevent that. Back online: wandns presence home online\n"},
		{typed: "client home show", out: "key      router-1\noffline  yes\nHOSTNAME          IPV4      IPV6\nhome.example.com  84.0.0.2  -\n"},
		{typed: "host home detach home.example.com", out: "home.example.com is detached\nThe daemon attaches home.example.com again when the WAN's address changes; take it out of hostnames to prevent that.\n"},
		{typed: "client home delete --yes", out: "this router is no longer registered\nThe daemon registers it again when the WAN's address changes; set enabled to false to prevent that.\n"},
		{typed: "probe home ping", out: "Allround is there\n"},
		{typed: "probe home ip", out: "FAMILY  ADDRESS   REASON\nipv4    84.0.0.2  -\nipv6    -         there is no way over IPv6\n"},
		{typed: "key home list", code: exitUsage, stderr: "wandns: Allround wants the account's user name and password (standard input ended before an answer); type them, or give them as two lines of standard input\n"},
		{typed: "key home list", stdin: "jane\n\n", code: exitUsage, stderr: "wandns: Allround wants the account's user name and password (it is empty); type them, or give them as two lines of standard input\n"},
		{typed: "key home create home.example.com a", stdin: login, out: "there is a key for home.example.com\n" +
			"ID  HOST              TYPE  USER   SECRET  ENABLED  ADDRESS  UPDATED\n" +
			"k0  home.example.com  A     12345  ***     yes      -        -\n" +
			"The key itself is shown by: wandns key home list --show-secrets\n"},
		{typed: "key home disable k0", out: "ID  HOST              TYPE  USER   SECRET  ENABLED  ADDRESS  UPDATED\nk0  home.example.com  A     12345  ***     no       -        -\n"},
		{typed: "key home log k0", out: "AT                    OLD  NEW       SOURCE  STATUS  ERROR  AGENT\n2026-11-22T10:00:00Z  -    84.0.0.2  -       ok      -      curl\n"},
		{typed: "key home list --user jane --show-secrets", stdin: "canary-password\n", out: "ID  HOST              TYPE  USER   SECRET                      ENABLED  ADDRESS  UPDATED\n" +
			"k0  home.example.com  A     12345  canary-of-home.example.com  no       -        -\n"},
		{typed: "key home delete k0 --yes", stdin: login, out: "k0 is deleted\n"},
		{typed: "key home list", stdin: login, out: "no keys\n"},
	} {
		code, out, stderr := a.order(t, step.stdin, strings.Fields(step.typed)...)
		if code != step.code || out != step.out || stderr != step.stderr {
			t.Errorf("wandns %s\nexits with %d, want %d\nprints %s\nwant   %s\nsays   %s\nwant   %s", step.typed, code, step.code, out, step.out, stderr, step.stderr)
		}
	}
	if a.login != "jane:canary-password" {
		t.Errorf("signed in as %s", a.login)
	}
	if len(a.records) != 0 || a.client {
		t.Errorf("left over: %v, registered: %t", a.records, a.client)
	}
}

func TestAccountVerbsOfWhatIsTypedWrong(t *testing.T) {
	for _, tt := range []struct{ typed, says string }{
		{"record home", "set, delete"},
		{"record home replace x A", `no action "replace"`},
		{"record home set x", "NAME TYPE [VALUE]"},
		{"record home set x A 1.2.3.4 y", "NAME TYPE [VALUE]"},
		{"record home set x A 2001:db8::1", "no IPv4 address"},
		{"record home set x AAAA 1.2.3.4", "no IPv6 address"},
		{"record home set x AAAA ::ffff:1.2.3.4", "no IPv6 address"},
		{"record home set x TXT", "needs a VALUE"},
		{"record home set x A 1.2.3.4 --preference 5", "for MX"},
		{"record home set x MX mail.example.com --preference 65536", "0 to 65535"},
		{"record home set x A 1.2.3.4 --ttl -1", "seconds"},
		{"record home delete x TXT --ttl 5", "no option --ttl"},
		{"record home delete x MX --yes", "needs the VALUE"},
		{"host home attach", "HOST"},
		{"host home list x", "nothing more"},
		{"key home create x TXT", "not one of A, AAAA"},
		{"client home remove", "create, show, delete"},
		{"presence home away", "offline, online"},
	} {
		a := newAllround()
		code, out, stderr := a.order(t, "", strings.Fields(tt.typed)...)
		if code != exitUsage || out != "" || !strings.Contains(stderr, tt.says) || len(a.made) != 0 {
			t.Errorf("wandns %s exits with %d, prints %q and says %q, want %q", tt.typed, code, out, stderr, tt.says)
		}
	}
}

func TestAFaultHasItsExitCodeAndItsReason(t *testing.T) {
	for kind, want := range map[updater.Kind]int{
		updater.Unreachable: exitFailed, updater.Transient: exitFailed, updater.Clock: exitFailed,
		updater.Unconfirmed: exitUnconfirmed,
		updater.Refused:     exitRefused, updater.Blocked: exitRefused, updater.Suspect: exitRefused,
		updater.Spent: exitRefused, updater.Throttled: exitRefused,
	} {
		a := newAllround()
		a.fault = &updater.Fault{Kind: kind, Detail: "it went wrong", Next: "do this", RetryAfter: 90 * time.Second}
		code, out, stderr := a.order(t, "", "host", "home", "list")
		if code != want || out != "" || stderr != "wandns: it went wrong; do this; try again in 1m30s\n" {
			t.Errorf("%v exits with %d, want %d, prints %q and says %q", kind, code, want, out, stderr)
		}
	}
}

// Whatever a server repeats, nothing secret is printed.
func TestAccountVerbsPrintNoSecret(t *testing.T) {
	for _, v := range accountVerbs() {
		for _, act := range v.actions {
			for _, more := range []string{"", "--json", "fault"} {
				if v.name+act.name == "presenceonline" {
					continue // reads the WAN
				}
				a := newAllround()
				a.echo = "good canary-configured\x1b[2J\nsecond line"
				if act.asks(a) {
					a.echo += " canary-password"
				}
				a.keys["x"] = updater.Key{ID: "x", Host: "x.example.com", Secret: "canary-of-x", User: "12345"}
				if more == "fault" {
					a.fault, more = &updater.Fault{Kind: updater.Refused, Detail: a.echo}, ""
				}
				typed := []string{v.name, "home", act.name}
				for range strings.FieldsSeq(act.args) {
					typed = append(typed, "x")
				}
				switch {
				case v.name == "record":
					typed = append(typed[:3], "x", "TXT", "text")
				case act.name == "create" && v.name == "key":
					typed[4] = "A"
				}
				if act.deletes != "" {
					typed = append(typed, "--yes")
				}
				if more != "" {
					typed = append(typed, more)
				}
				code, out, stderr := a.order(t, "jane\ncanary-password\n", typed...)
				all := out + stderr
				if code == exitUsage || strings.Contains(all, "canary-password") || strings.Contains(all, "canary-configured") || strings.ContainsRune(all, '\x1b') {
					t.Errorf("%q exits with %d and prints\n%s", typed, code, all)
				}
				if act.name == "list" && v.name == "key" && strings.Contains(all, "canary-of-x") {
					t.Errorf("%q prints a key:\n%s", typed, all)
				}
				if more == "--json" && code == exitDone && !json.Valid([]byte(out)) {
					t.Errorf("%q prints no JSON:\n%s", typed, out)
				}
			}
		}
	}
}

// A server that repeats the password finds it struck out wherever a provider
// quotes it.
func TestAPasswordIsKnownToTheClient(t *testing.T) {
	a := newAllround()
	const password = `canary <"pass">`
	a.order(t, "jane\n"+password+"\n", "key", "home", "list")
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asJSON, _ := json.Marshal(password)
		fmt.Fprintln(w, password, string(asJSON), url.QueryEscape(password), html.EscapeString(password))
	}))
	defer echo.Close()
	struck := 0
	for _, s := range a.made {
		if s.Client == nil {
			continue // only asked what it is able to do
		}
		r, _ := http1.NewRequest(http1.MethodGet, echo.URL, "")
		answer, err := s.Client.Do(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if quoted := answer.Excerpt(answer.Body); quoted == `*** "***" *** ***` {
			struck++
		} else {
			t.Logf("quotes %s", quoted)
		}
	}
	if struck != 1 {
		t.Errorf("%d of %d clients know the password, want one", struck, len(a.made))
	}
}

func TestVerbsLeaveAsTheDaemonDoes(t *testing.T) {
	for _, tt := range []struct {
		typed string
		want  []updater.Only
	}{
		{"probe home ip", []updater.Only{updater.OnlyIPv4, updater.OnlyIPv6}},
		{"record home set x A", []updater.Only{updater.OnlyIPv4}},
		{"record home set x AAAA", []updater.Only{updater.OnlyIPv6}},
		{"record home set x A 84.0.0.2", []updater.Only{updater.EitherFamily}},
	} {
		a := newAllround()
		var got []updater.Only
		a.on = func(w updater.Way) { got = append(got, w.Only) }
		if code, _, stderr := a.order(t, "", strings.Fields(tt.typed)...); code != exitDone || !slices.Equal(got, tt.want) {
			t.Errorf("%s left over %v, want %v; it says %s", tt.typed, got, tt.want, stderr)
		}
	}
}

// A server that is written as an address has no other family, and what is
// published over it need not be of its own.
func TestProbeUsesTheFamilyThatTheServerHas(t *testing.T) {
	six := [2]bool{false, true}
	for _, tt := range []struct {
		server string
		only   [2]bool
		over   []updater.Only
		out    string
	}{
		{"http://127.0.0.1:1", [2]bool{}, []updater.Only{updater.OnlyIPv4}, "ipv4    84.0.0.2  -\n"},
		{"http://127.0.0.1:1", six, []updater.Only{updater.EitherFamily}, "ipv4    84.0.0.2  -\n"},
		{"https://example.com", six, []updater.Only{updater.OnlyIPv6, updater.EitherFamily}, "ipv6    -         there is no way over IPv6\nipv4    84.0.0.2  -\n"},
		{"http://[::1]:1", [2]bool{}, []updater.Only{updater.OnlyIPv6, updater.EitherFamily}, "ipv6    -         there is no way over IPv6\nipv4    84.0.0.2  -\n"},
	} {
		a := newAllround()
		a.server, a.only = tt.server, tt.only
		var got []updater.Only
		a.on = func(w updater.Way) { got = append(got, w.Only) }
		code, out, stderr := a.order(t, "", "probe", "home", "ip")
		if code != exitDone || !slices.Equal(got, tt.over) || !strings.HasSuffix(out, "REASON\n"+tt.out) {
			t.Errorf("%s %v: asked over %v, %s%s", tt.server, tt.only, got, out, stderr)
		}
	}
}

func TestAbilitiesAreFoundByAssertion(t *testing.T) {
	got := abilities(newAllround())
	n := 0
	for _, v := range accountVerbs() {
		n += len(v.actions)
	}
	if len(got) != n || !slices.Contains(got, "presence offline") || !slices.Contains(got, "key log") {
		t.Errorf("abilities = %q", got)
	}
}

func TestHelpExplainsEveryAction(t *testing.T) {
	for _, v := range accountVerbs() {
		_, out, _ := typed(v.name, "--help")
		for _, a := range v.actions {
			for _, want := range []string{"\n  " + strings.TrimSpace(a.name+" "+a.args) + "\n", a.help, a.offer(), strings.TrimSpace("wandns " + v.name + " home " + a.name + " " + a.example)} {
				if !strings.Contains(out, want) {
					t.Errorf("wandns %s --help does not say %q", v.name, want)
				}
			}
		}
	}
}
