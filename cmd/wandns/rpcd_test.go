package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// plugin is wandns as rpcd starts it: by a script that names it as its
// interpreter, with standard input left open.
func plugin(t *testing.T, input string, args ...string) (code int, out, stderr string) {
	t.Helper()
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer w.Close()
	if _, err := w.WriteString(input); err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	for _, v := range verbs() {
		if v.name == "rpcd" {
			code = v.run(&cli{stdin: in, stdout: &o, stderr: &e}, append([]string{"/usr/libexec/rpcd/wandns"}, args...))
		}
	}
	return code, o.String(), e.String()
}

// A transcript is a method and its arguments, after a dollar sign, and the
// JSON that rpcd gets. After "< FILE" the configuration is that one.
// WANDNS_UPDATE=1 writes what is printed now.
func TestRPCDAnswers(t *testing.T) {
	const file = "testdata/rpcd/calls.txt"
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "wandns")
	now := regexp.MustCompile(`"now": \d+`)
	var b strings.Builder
	gap := ""
	for line := range strings.Lines(string(want)) {
		line = strings.TrimSuffix(line, "\n")
		call, isCall := strings.CutPrefix(line, "$ ")
		from, isFile := strings.CutPrefix(line, "< ")
		if !isCall && !isFile {
			continue
		}
		b.WriteString(gap + line + "\n")
		gap = "\n"
		switch {
		case isFile:
			data, err := os.ReadFile(filepath.Join("testdata/rpcd", from))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(config, data, 0o600); err != nil {
				t.Fatal(err)
			}
		case isCall:
			method, input, _ := strings.Cut(call, " ")
			code, out, stderr := plugin(t, input, "--config", config, "--ddns", "testdata/rpcd/ddns.uci", "call", method)
			if strings.Contains(out+stderr, "canary") {
				t.Errorf("%s tells a secret", line)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, []byte(out), "", "  "); err != nil || code != exitDone && code != exitUsage {
				t.Errorf("%s prints no JSON: %v, exit code %d\n%s", line, err, code, out)
			}
			b.WriteString(now.ReplaceAllString(pretty.String(), `"now": 0`) + stderr)
		}
	}
	got := strings.ReplaceAll(b.String(), dir, "DIR")
	if os.Getenv("WANDNS_UPDATE") == "1" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != string(want) {
		t.Errorf("%s has become\n%s", file, got)
	}
}

// What LuCI's own tests compare its calls and translations with.
func TestRPCDList(t *testing.T) {
	for name, args := range map[string][]string{"list.json": {"list"}, "providers.json": {"call", "providers"}} {
		file := filepath.Join("testdata/rpcd", name)
		code, out, stderr := plugin(t, "{}", args...)
		var got bytes.Buffer
		if err := json.Indent(&got, []byte(out), "", "  "); err != nil || code != exitDone {
			t.Fatalf("exit %d, %v: %s%s", code, err, out, stderr)
		}
		if os.Getenv("WANDNS_UPDATE") == "1" {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s has become\n%s", file, got.String())
		}
	}
}

// Before a service is saved it is shown what it would send, which is not sent.
func TestE2ERehearsal(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	sim := updatertest.NewHostway("jane", secret, "home.example.com")
	r.serve(t, sim)
	toml, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	server := regexp.MustCompile(`http://[0-9.:]+`).FindString(string(toml))
	config := filepath.Join(t.TempDir(), "wandns")
	if err := os.WriteFile(config, []byte("config wandns 'global'\n\toption enabled '1'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	draft, err := json.Marshal(map[string]any{"service": "home", "drop": []string{}, "values": map[string]any{
		"provider": "hostway", "hostnames": []string{"home.example.com"}, "username": "jane", "password": secret, "client_key": "router-1", "server": server,
	}})
	if err != nil {
		t.Fatal(err)
	}
	code, out, stderr := plugin(t, string(draft), "--config", config, "call", "rehearse")
	if code != exitDone || strings.Contains(out, secret) {
		t.Fatalf("exit %d: %s%s", code, out, stderr)
	}
	var got rpcRehearsal
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Mistakes) > 0 || got.Address != "84.0.0.2" || len(got.Request) < 2 || got.Asked != "host list" || got.Answer == nil {
		t.Errorf("rehearsed: %s", out)
	}
	if sent := sim.Ledger(); len(sent) != 1 || !strings.Contains(sent[0].String(), "GET /ddns/clients/router-1/hosts") {
		t.Errorf("sent: %v", sent)
	}
	if after, err := os.ReadFile(config); err != nil || strings.Contains(string(after), "home") {
		t.Errorf("the configuration has become %q, %v", after, err)
	}
}
