package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wandns/updater"
	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// five is a router with a service at each provider, called like it.
type five struct {
	*router
	sims map[string]updatertest.Service
	wan  atomic.Pointer[netip.Addr] // where the providers see requests come from
	at   string                     // the address of wan0
}

// newFive makes a router whose configuration has a wrong secret for one of the
// providers, or for none.
func newFive(t *testing.T, premium bool, wrong string) *five {
	t.Helper()
	f := &five{router: newRouter(t), sims: map[string]updatertest.Service{}}
	freedns := updatertest.NewFreeDNS("jane", secret, "home")
	freedns.AddUser("jane", secret, premium)
	text := fmt.Sprintf("state_dir = %q\nrun_dir = %q\nlog_level = \"debug\"\n", f.path("state"), f.path("run"))
	for _, s := range []updatertest.Service{
		f.sim, freedns, updatertest.NewHostway("jane", secret, "home.hostway.example"),
		updatertest.NewHostUp(secret, "hostup.example"), updatertest.NewSonic("jane", secret, "sonic.example"),
	} {
		f.sims[s.Provider()] = s
		s.SetSource(f.seen)
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		text += fmt.Sprintf("[[service]]\nname = %q\nprovider = %q\nhostnames = %q\nserver = %q\n",
			s.Provider(), s.Provider(), s.Hosts()[0], server.URL)
		fields := s.Fields()
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			value := fields[key]
			if s.Provider() == wrong && slices.Contains([]string{"password", "api_key", "apikey"}, key) {
				value = "wrong"
			}
			text += fmt.Sprintf("%s = %q\n", key, value)
		}
	}
	f.do(os.WriteFile(f.config, []byte(text), 0o600))
	return f
}

func (f *five) seen(*http.Request) netip.Addr {
	if a := f.wan.Load(); a != nil {
		return *a
	}
	return netip.Addr{}
}

// move gives the router another IPv4 address.
func (f *five) move(addr string) {
	f.t.Helper()
	a := netip.MustParseAddr(addr)
	f.wan.Store(&a)
	f.do(wantest.AddAddr("wan0", addr+"/32"))
	if f.at == "" {
		f.do(wantest.AddDefault("wan0", "", 0))
	} else {
		f.do(wantest.DelAddr("wan0", f.at+"/32"))
	}
	f.at = addr
}

// follow waits until every service but these has published an address and is
// done.
func (f *five) follow(addr string, but ...string) {
	f.t.Helper()
	f.until("all at "+addr, func(st updater.Status) bool {
		return len(st.Services) == len(f.sims) && !slices.ContainsFunc(st.Services, func(s updater.ServiceStatus) bool {
			return !slices.Contains(but, s.Name) && (s.State != updater.OK || !has(s, addr))
		})
	})
}

func has(s updater.ServiceStatus, addr string) bool {
	return slices.ContainsFunc(s.Records, func(r updater.RecordStatus) bool { return r.Published == addr })
}

// of is the status of a service once it is neither looked up nor asked.
func (f *five) of(name string) (status updater.ServiceStatus) {
	f.t.Helper()
	f.until(name+" at rest", func(st updater.Status) bool {
		i := slices.IndexFunc(st.Services, func(s updater.ServiceStatus) bool { return s.Name == name })
		if i < 0 {
			return false
		}
		status = st.Services[i]
		return status.State != updater.Verifying && status.State != updater.Sending
	})
	return status
}

// lawful checks that no provider's rule was broken.
func (f *five) lawful() {
	f.t.Helper()
	for name, s := range f.sims {
		for _, e := range s.Violations() {
			f.t.Errorf("%s: %s", name, e)
		}
	}
}

// calls are the requests that a provider got since there were so many.
func (f *five) calls(name string, since int) (list []string) {
	for _, e := range f.sims[name].Ledger()[since:] {
		list = append(list, e.Method+" "+e.Path)
	}
	return list
}

func (f *five) count() map[string]int {
	n := map[string]int{}
	for name, s := range f.sims {
		n[name] = len(s.Ledger())
	}
	return n
}

func TestE2EFiveFollowOneAddress(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	f := newFive(t, true, "")
	f.do(wantest.AddAddr("wan0", "2a00:1:2:3::1/64", "nodad"), wantest.AddDefault("wan0", "::", 1024))
	f.move("84.0.0.2")
	f.on()
	f.follow("84.0.0.2")
	f.follow("2a00:1:2:3::1", "hostway")
	resolve := func(v4 map[string]string) {
		t.Helper()
		for name, s := range f.sims {
			want := updatertest.Record{V4: netip.MustParseAddr(v4[name])}
			if name != "hostway" {
				want.V6 = netip.MustParseAddr("2a00:1:2:3::1")
			}
			if got, _ := s.Lookup(s.Hosts()[0]); got.V4 != want.V4 || got.V6 != want.V6 {
				t.Errorf("%s resolves to %v and %v, want %v and %v", s.Hosts()[0], got.V4, got.V6, want.V4, want.V6)
			}
		}
	}
	at := map[string]string{}
	for name := range f.sims {
		at[name] = "84.0.0.2"
	}
	resolve(at)
	const client = "/ddns/clients/router-1"
	if got, want := f.calls("hostway", 0), []string{
		"GET " + client + "/hosts", "GET " + client + "/hosts", "PUT " + client, "GET " + client + "/hosts",
		"PUT " + client + "/hosts/home.hostway.example", "POST " + client + "/action", "GET " + client + "/hosts",
	}; !slices.Equal(got, want) {
		t.Errorf("Hostway was asked %q", got)
	}

	f.kill()
	f.on()
	before := f.count()
	f.move("84.0.0.3")
	f.follow("84.0.0.3", "hostway")
	for name := range at {
		if name != "hostway" {
			at[name] = "84.0.0.3"
		}
	}
	resolve(at)
	s := f.of("hostway")
	next, err := time.Parse(time.RFC3339, s.Next)
	if left := time.Until(next); s.State != updater.Waiting || !strings.Contains(s.Reason, "Hostway wants 5 minutes") || err != nil || left < 3*time.Minute || left > 5*time.Minute+2*time.Second {
		t.Errorf("Hostway's floor: %+v", s)
	}
	if got := f.calls("hostup", before["hostup"]); !slices.Equal(got, []string{"GET /api/dyndns/update"}) {
		t.Errorf("with its keys in the store, HostUp was asked %q", got)
	}
	f.lawful()
	f.quiet()
}

// quiet checks that no secret is in what a person sees, and HostUp's tokens
// only in the store.
func (f *five) quiet() {
	f.t.Helper()
	for _, verb := range []string{"status", "status --json", "update", "check", "wan", "providers", "key hostup list", "key hostup list --json", "probe sonic ip"} {
		f.exit(strings.Fields(verb)...)
	}
	shown, err := f.command("key", "hostup", "list", "--show-secrets").Output()
	f.do(err)
	tokens := aKey.FindAllString(string(shown), -1)
	if len(tokens) != 2 {
		f.t.Fatalf("HostUp's keys: %s", shown)
	}
	f.term()
	state, err := os.ReadFile(f.path("state/state.db"))
	f.do(err)
	public, err := os.ReadFile(f.path("run/status.json"))
	f.do(err)
	f.out.Write(public)
	for _, token := range tokens {
		if !bytes.Contains(state, []byte(token)) {
			f.t.Errorf("a token of HostUp is not in the store")
		}
	}
	for _, canary := range append(tokens, secret, f.sims["sonic"].Fields()["apikey"]) {
		if i := strings.Index(f.out.String(), canary); i >= 0 {
			f.t.Errorf("a secret is in the output: %s", f.out.String()[max(0, i-200):i+20])
		}
	}
	if bytes.Contains(state, []byte(secret)) {
		f.t.Error("a password is in the store")
	}
}

// A secret that a provider refuses is nobody else's matter.
func TestE2EFiveBlocksAreApart(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	for _, wrong := range []string{"noip", "freedns.io", "hostway", "hostup", "sonic"} {
		t.Run(wrong, func(t *testing.T) {
			f := newFive(t, true, wrong)
			f.move("84.0.0.2")
			f.on()
			f.follow("84.0.0.2", wrong)
			f.until(wrong+" is blocked", func(updater.Status) bool { return f.of(wrong).State == updater.NeedsUser })
			if s := f.of(wrong); !strings.Contains(s.Reason, "wandns resume "+wrong) {
				t.Errorf("reason = %s", s.Reason)
			}
			before := len(f.sims[wrong].Ledger())
			f.move("84.0.0.3")
			f.follow("84.0.0.3", wrong, "hostway")
			if more := f.calls(wrong, before); len(more) > 0 {
				t.Errorf("a blocked account was used: %q", more)
			}
			f.lawful()
		})
	}
}

// Killed at each request of the first round: the provider has carried it out,
// and its answer is lost.
func TestE2EFiveKilledRepeatNothing(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	for nth := range int32(13) {
		t.Run(fmt.Sprint(nth+1), func(t *testing.T) {
			f := newFive(t, true, "")
			f.on()
			pid := f.daemon.Process.Pid
			var seen atomic.Int32
			for _, s := range f.sims {
				s.OnEntry(func(updatertest.Entry) {
					if seen.Add(1) == nth+1 {
						_ = syscall.Kill(pid, syscall.SIGKILL)
					}
				})
			}
			f.move("84.0.0.2")
			f.until("enough requests", func(updater.Status) bool { return seen.Load() > nth })
			f.kill()
			confirmed, before := f.status().Services, f.count()
			f.on()
			f.follow("84.0.0.2", "hostway")
			f.until("Hostway is at rest", func(updater.Status) bool { s := f.of("hostway").State; return s == updater.OK || s == updater.Waiting })
			for _, s := range confirmed {
				if more := f.calls(s.Name, before[s.Name]); has(s, "84.0.0.2") && len(more) > 0 {
					t.Errorf("%s had confirmed it, and was asked %q", s.Name, more)
				}
			}
			for name := range f.sims {
				updates, keys := 0, 0
				for _, e := range f.sims[name].Ledger() {
					if e.Value != "" {
						updates++
					}
					if strings.HasSuffix(e.Path, "/dyndns") && e.Status == http.StatusCreated {
						keys++
					}
				}
				if updates > 2 || keys > 1 {
					t.Errorf("%s: %d updates and %d new keys: %v", name, updates, keys, f.sims[name].Ledger())
				}
			}
			f.lawful()
		})
	}
}

// What a person does beside the daemon counts.
func TestE2EFiveQuotasHoldForPeopleToo(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	f := newFive(t, false, "")
	f.on()
	for _, typed := range []string{"A 84.0.9.9", "AAAA 2a00:1:2:3::9"} {
		if code, out := f.say(strings.Fields("record freedns.io set home " + typed)...); code != exitDone {
			t.Fatalf("%s: %d, %s", typed, code, out)
		}
	}
	f.move("84.0.0.2")
	f.follow("84.0.0.2", "freedns.io")
	s := f.of("freedns.io")
	next, err := time.Parse(time.RFC3339, s.Next)
	if left := time.Until(next); s.State != updater.Waiting || !strings.Contains(s.Reason, "freedns.io allows 2 changes of a name in 24 hours") || err != nil || left < 23*time.Hour || left > 25*time.Hour {
		t.Errorf("freedns.io's quota: %+v", s)
	}
	if _, out := f.say("status"); !strings.Contains(out, "freedns.io: freedns.io allows 2 changes") || !strings.Contains(out, "(next at "+next.Local().Format(time.DateTime)+")") {
		t.Errorf("status says\n%s", out)
	}
	before := f.count()
	for _, tt := range []struct {
		typed string
		code  int
		says  string
	}{
		{"update", exitDone, "freedns.io: waits until " + s.Next},
		{"update hostway", exitDone, "nothing to send"},
		{"resume freedns.io", exitDone, "waits until " + s.Next},
		{"record freedns.io set home A 84.0.0.2", exitRefused, "nothing was sent: freedns.io allows 2 changes"},
		{"host hostway list", exitDone, "home.hostway.example"},
		{"client hostway show", exitDone, "router-1"},
		{"presence hostway offline", exitDone, "offline"},
		{"presence hostway online", exitDone, "84.0.0.2"},
		{"key hostup list", exitDone, "home.hostup.example"},
		{"probe sonic ip", exitDone, "84.0.0.2"},
	} {
		if code, out := f.say(strings.Fields(tt.typed)...); code != tt.code || !strings.Contains(out, tt.says) {
			t.Errorf("%s: %d, %s", tt.typed, code, out)
		}
	}
	if more := f.calls("freedns.io", before["freedns.io"]); len(more) > 0 {
		t.Errorf("freedns.io was asked %q", more)
	}
	f.term()
	f.on()
	if again := f.of("freedns.io"); again.State != updater.Waiting || again.Next == "" {
		t.Errorf("after a restart: %+v", again)
	}
	f.lawful()
}
