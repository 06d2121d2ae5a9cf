package main

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// A transcript is what a user types, after a dollar sign, and what wandns
// prints; [N] is an exit code other than 0. What follows <<< is standard input,
// a line that begins with # is the provider's next answer, after which it
// forgives everything.
// WANDNS_UPDATE=1 writes what is printed now.
func TestE2EVerbTranscripts(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	plus := updatertest.NewNoIP("user@example.com", secret, "home.example.com", "nas.example.com")
	plus.Paid = true
	premium := updatertest.NewFreeDNS("jane", secret, "home", "nas")
	premium.AddUser("jane", secret, true)
	for name, sim := range map[string]updatertest.Service{
		"noip":            plus,
		"freedns.io":      premium,
		"freedns.io-free": updatertest.NewFreeDNS("jane", secret, "home", "nas"),
		"hostway":         updatertest.NewHostway("jane", secret, "home.example.com", "nas.example.com"),
		"hostup":          updatertest.NewHostUp(secret, "example.com"),
		"sonic":           updatertest.NewSonic("jane", secret, "example.com", "example.org"),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", "verbs", name+".txt")
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r.serve(t, sim)
			got := r.replay(string(want), sim)
			if os.Getenv("WANDNS_UPDATE") == "1" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s has become\n%s", file, got)
			}
			for _, v := range sim.Violations() {
				t.Error(v)
			}
		})
	}
}

// serve makes the configuration that of a simulator's first account.
func (r *router) serve(t *testing.T, sim updatertest.Service) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sim.SetSource(func(*http.Request) netip.Addr { return netip.MustParseAddr("84.0.0.2") })
	server := &http.Server{Handler: sim, ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { server.Close() })
	text := fmt.Sprintf("state_dir = %q\nrun_dir = %q\n[[service]]\nname = \"home\"\nprovider = %q\nserver = \"http://%s\"\nhostnames = %q\n",
		t.TempDir(), t.TempDir(), sim.Provider(), l.Addr(), sim.Hosts()[0])
	fields := sim.Fields()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		text += fmt.Sprintf("%s = %q\n", name, fields[name])
	}
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var (
	aTime = regexp.MustCompile(`20\d\d-\d\d-\d\d[T ][0-9:.]+Z?`)
	aKey  = regexp.MustCompile(`\b[0-9a-f]{40,64}\b`)
	aPort = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

// replay types the lines of a transcript again.
func (r *router) replay(transcript string, sim updatertest.Service) string {
	var b strings.Builder
	gap, forgive := "", func() {}
	for line := range strings.Lines(transcript) {
		if fault, ok := strings.CutPrefix(line, "# "); ok {
			sim.Next(updatertest.Fault(strings.TrimSpace(fault)))
			b.WriteString(gap + line)
			gap, forgive = "", sim.Forgive
		}
		typed, ok := strings.CutPrefix(line, "$ wandns ")
		if !ok {
			continue
		}
		b.WriteString(gap + line)
		gap = "\n"
		typed, in, _ := strings.Cut(strings.TrimSpace(typed), " <<< ")
		cmd := r.command(strings.Fields(typed)...)
		cmd.Stdin = strings.NewReader(strings.ReplaceAll(in, " ", "\n") + "\n")
		out, _ := cmd.CombinedOutput()
		if strings.Contains(string(out), secret) {
			r.t.Errorf("%sprints a secret:\n%s", line, out)
		}
		forgive()
		b.Write(out)
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			fmt.Fprintf(&b, "[%d]\n", code)
		}
	}
	text := aKey.ReplaceAllString(aTime.ReplaceAllString(b.String(), "TIME"), "KEY")
	return strings.ReplaceAll(aPort.ReplaceAllString(text, "SERVER"), r.config, "FILE")
}

func TestE2EAPersonDeletesAKey(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	sim := updatertest.NewSonic("jane", secret, "example.com", "example.org")
	r.serve(t, sim)
	for _, answer := range []string{"n", "y"} {
		p := newPTY(t)
		cmd := r.command("key", "home", "delete", "example.org")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = p.tty, p.tty, p.tty
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p.until("Delete the key example.org at Sonic.net? [y/N] ")
		p.types(answer + "\n")
		said := "nothing was deleted"
		if answer == "y" {
			said = "example.org is deleted"
			p.until("User name at Sonic.net: ")
			p.types("jane\n")
			p.until("Password of jane at Sonic.net (it is not kept): ")
			p.types(secret + "\n")
		}
		if all := p.until(said); strings.Contains(all, secret) {
			t.Errorf("the terminal shows %q", all)
		}
		_ = cmd.Wait()
		if gone := sim.Key("example.org") == ""; gone != (answer == "y") {
			t.Errorf("after %q the key is gone: %t", answer, gone)
		}
	}
}
