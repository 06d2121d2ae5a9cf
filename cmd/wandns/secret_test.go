package main

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"wandns/persist"
	"wandns/updater"
	"wandns/updater/providers"
	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// Every provider's secrets, through every way in which an answer may go wrong:
// they are in no log, status, check, reply of the control socket, list of
// processes or output of a verb.
func TestE2ESecretsOfEveryProviderAreNowhere(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	sims := map[string]func() updatertest.Service{
		"noip":       func() updatertest.Service { return updatertest.NewNoIP("user@example.com", secret, "home.example.com") },
		"freedns.io": func() updatertest.Service { return updatertest.NewFreeDNS("jane", secret, "home") },
		"hostway":    func() updatertest.Service { return updatertest.NewHostway("jane", secret, "home.example.com") },
		"hostup":     func() updatertest.Service { return updatertest.NewHostUp(secret, "example.com") },
		"sonic":      func() updatertest.Service { return updatertest.NewSonic("jane", secret, "example.com") },
	}
	for _, spec := range providers.All() {
		if sims[spec.Name] == nil {
			t.Fatalf("%s has no simulator here", spec.Name)
		}
		t.Run(spec.Name, func(t *testing.T) {
			for _, fault := range []updatertest.Fault{
				updatertest.Echo, updatertest.Normal, updatertest.CutAfter, updatertest.Huge, updatertest.HTML, updatertest.Error401, updatertest.Error429,
				"", "%s", "good %s", `{"error":"%s"}`, updatertest.Status(403, "%s"), updatertest.Status(409, `{"message":"%s"}`), updatertest.Status(500, "<p>%s"),
			} {
				sim := sims[spec.Name]()
				r.do(os.RemoveAll(r.path("state")), os.RemoveAll(r.path("run")))
				r.serve(t, sim)
				r.own()
				secrets := secretsOf(spec, sim.Fields())
				if strings.Contains(string(fault), "%s") {
					fault = updatertest.Fault(strings.ReplaceAll(string(fault), "%s", strings.Join(secrets, " ")))
				}
				sim.Next(fault, fault, fault)
				r.exposed(t, string(fault), secrets)
			}
		})
	}
}

// A secret that is a word, or a part of many, is struck out of the words of
// others: ours, and what was parsed, are as they are with any other one.
func TestE2EASecretDamagesNothingOfOurs(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	sims := map[string]func(secret string) updatertest.Service{
		"noip": func(secret string) updatertest.Service {
			return updatertest.NewNoIP("user@example.com", secret, "home.example.com")
		},
		"hostway": func(secret string) updatertest.Service {
			return updatertest.NewHostway("jane", secret, "home.example.com", "h1.example.org")
		},
		"sonic": func(secret string) updatertest.Service { return updatertest.NewSonic("jane", secret, "example.com") },
	}
	const neutral = "Xq7-Zw9-Kv3"
	for provider, sim := range sims {
		t.Run(provider, func(t *testing.T) {
			for _, fault := range []updatertest.Fault{updatertest.Normal, updatertest.Error401} {
				want := ""
				for _, secret := range []string{neutral, "password", "a", "p", "good", "nochg"} {
					r.do(os.RemoveAll(r.path("state")), os.RemoveAll(r.path("run")))
					s := sim(secret)
					r.serve(t, s)
					r.own()
					if fault != updatertest.Normal {
						s.Next(fault, fault, fault)
					}
					got := r.everything(s, fault)
					if secret == neutral {
						want = got
					} else if got != want {
						t.Fatalf("%s, with the secret %q:\n%s\nwant\n%s", fault, secret, got, want)
					}
					if strings.Contains(got, neutral) {
						t.Fatal("the secret is shown")
					}
				}
			}
		})
	}
}

// theirs are the words of others, and what differs from time to time.
var theirs = regexp.MustCompile(`process \d+|just now|[0-9]+ min ago|(said |says |"last_answer": ?|"answer": |answered with a web page called )"(\\.|[^"\\])*"|"(pid|visible_after)": ?[0-9.]+|127\.0\.0\.1:\d+|20\d\d-\d\d-\d\d[T ][0-9:.]+Z?|in [0-9hms ]+|[0-9]+ ?(s|seconds|minutes|min)\b`)

// everything is what the verbs print of a service that has an answer.
func (r *router) everything(sim updatertest.Service, fault updatertest.Fault) string {
	r.t.Helper()
	r.on()
	r.until("an answer", func(st updater.Status) bool {
		s := st.Services[0]
		return (s.Sent == 1 || s.LastError != "") && s.State != updater.Sending && s.State != updater.Verifying
	})
	var all strings.Builder
	for _, verb := range [][]string{
		{"check"},
		{"status"},
		{"status", "--json"},
		{"host", "home", "list"},
		{"host", "home", "list", "--json"},
		{"host", "home", "attach", "h1.example.org", "--json"},
		{"client", "home", "show", "--json"},
		{"probe", "home", "ip", "--json"},
		{"presence", "home", "offline", "--json"},
		{"record", "home", "set", "home.example.com", "A", "84.0.0.9", "--json"},
	} {
		sim.Forgive()
		if fault != updatertest.Normal {
			sim.Next(fault)
		}
		code, out := r.say(verb...)
		fmt.Fprintf(&all, "%q exits with %d\n%s", verb, code, out)
	}
	r.term()
	return regexp.MustCompile(` +|-{2,}`).ReplaceAllString(theirs.ReplaceAllString(all.String(), "…"), " ")
}

// own puts the files of a configuration where this router has them, and makes
// the daemon talkative.
func (r *router) own() {
	r.t.Helper()
	b, err := os.ReadFile(r.config)
	r.do(err)
	lines := strings.SplitN(string(b), "\n", 3)
	r.do(os.WriteFile(r.config, fmt.Appendf(nil, "state_dir = %q\nrun_dir = %q\nlog_level = \"debug\"\n%s", r.path("state"), r.path("run"), lines[2]), 0o600))
}

// secretsOf are a configuration's secrets in the forms that are sent.
func secretsOf(spec *updater.Spec, fields map[string]string) (secrets []string) {
	for _, f := range spec.Fields {
		if v := fields[f.Name]; f.Secret && v != "" {
			secrets = append(secrets, v, url.QueryEscape(v))
			if user, ok := fields["username"]; ok {
				secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(user+":"+v)))
			}
		}
	}
	slices.Sort(secrets)
	return slices.Compact(secrets)
}

// exposed runs the daemon until it has an answer, asks it everything, and
// looks for the secrets in all that it says.
func (r *router) exposed(t *testing.T, fault string, secrets []string) {
	t.Helper()
	r.out.Reset()
	r.on()
	r.until("an answer", func(st updater.Status) bool {
		s := st.Services[0]
		return (s.Sent == 1 || s.LastError != "") && s.State != updater.Sending && s.State != updater.Verifying
	})
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.daemon.Process.Pid))
	r.do(err)
	r.out.Write(cmdline)
	for _, verb := range [][]string{
		{"status"},
		{"status", "--json"},
		{"update"},
		{"resume", "home"},
		{"check"},
		{"wan", "--json"},
		{"key", "home", "list"},
		{"host", "home", "list"},
		{"client", "home", "show"},
		{"probe", "home", "ping"},
		{"presence", "home", "online"},
		{"record", "home", "set", "home.example.com", "A", "84.0.0.9"},
	} {
		r.exit(verb...)
	}
	for _, request := range []string{`{"verb":"resume","services":["home"]}`, `{"verb":"%s"}`, `{"verb":"update","services":["%s"]}`, `%s`} {
		r.out.WriteString(r.control(strings.ReplaceAll(request, "%s", "nothing")))
	}
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	r.exit("update")
	r.term()
	status, err := os.ReadFile(r.path("run/status.json"))
	r.do(err)
	r.out.Write(status)
	for _, s := range append(r.tokens(), secrets...) {
		if i := strings.Index(r.out.String(), s); i >= 0 {
			t.Fatalf("%.80s: the secret %s is in the output: %s", fault, s, r.out.String()[max(0, i-300):i+len(s)])
		}
	}
	state, err := os.ReadFile(r.path("state/state.db"))
	r.do(err)
	for _, s := range secrets {
		if strings.Contains(string(state), s) {
			t.Fatalf("%.80s: the secret %s is in the state", fault, s)
		}
	}
}

// tokens are the secrets that the provider gave: the store has them, and
// nothing else may.
func (r *router) tokens() (tokens []string) {
	r.t.Helper()
	dir := filepath.Join(r.t.TempDir(), "copy")
	r.do(os.CopyFS(dir, os.DirFS(r.path("state"))))
	s, all, err := persist.Open(dir, r.t.TempDir())
	r.do(err)
	defer s.Close()
	for _, rec := range all {
		for _, token := range rec.Tokens {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// control sends a line to the daemon and returns what it answers.
func (r *router) control(line string) string {
	r.t.Helper()
	c, err := net.Dial("unix", r.path("run/control.sock"))
	r.do(err)
	defer c.Close()
	_, err = fmt.Fprintln(c, line)
	r.do(err)
	b := make([]byte, 64<<10)
	n, _ := c.Read(b) // a bad request is answered by hanging up
	return string(b[:n])
}
