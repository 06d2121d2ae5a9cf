package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"wandns/updater/providers"
)

// typed runs the program as a user would.
func typed(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

func TestWhatIsTypedIsAnswered(t *testing.T) {
	good := writeConfig(t, goodConfig)
	bad := writeConfig(t, strings.Replace(goodConfig, "noip", "no-ip", 1))
	none := filepath.Join(t.TempDir(), "none.toml")
	idle := writeConfig(t, strings.Replace(goodConfig, "/tmp/run", t.TempDir(), 1))
	for _, tt := range []struct {
		name        string
		args        []string
		code        int
		out, stderr string // contained in it; empty for nothing at all
	}{
		{"nothing", nil, exitUsage, "", "Usage: wandns COMMAND"},
		{"help", []string{"help"}, exitDone, "Usage: wandns COMMAND", ""},
		{"--help", []string{"--help"}, exitDone, "Usage: wandns COMMAND", ""},
		{"-h", []string{"-h"}, exitDone, "Usage: wandns COMMAND", ""},
		{"--version", []string{"--version"}, exitDone, "wandns " + version, ""},
		{"version", []string{"version"}, exitDone, "wandns " + version, ""},
		{"misspelt verb", []string{"chek"}, exitUsage, "", "did you mean: wandns check"},
		{"unknown verb", []string{"frobnicate"}, exitUsage, "", `"frobnicate"`},
		{"empty verb", []string{""}, exitUsage, "", "wandns help"},
		{"verb in capitals", []string{"CHECK"}, exitUsage, "", `"CHECK"`},
		{"unknown option", []string{"check", "--conifg", good}, exitUsage, "", "wandns check --help"},
		{"option of another verb", []string{"check", "--once"}, exitUsage, "", "-once"},
		{"option without its value", []string{"check", "--config"}, exitUsage, "", "-config"},
		{"truth that is none", []string{"providers", "--json=perhaps"}, exitUsage, "", "wandns providers --help"},
		{"an argument too many", []string{"check", "--config", good, "home"}, exitUsage, "", `"home"`},
		{"version with an argument", []string{"version", "x"}, exitUsage, "", `"x"`},
		{"resume without a service", []string{"resume", "--config", idle}, exitUsage, "", "one service"},
		{"resume with two", []string{"resume", "--config", idle, "a", "b"}, exitUsage, "", "one service"},
		{"check of a good file", []string{"check", "--config", good}, exitDone, "[[service]]", ""},
		{"check with one dash", []string{"check", "-config=" + good}, exitDone, "[[service]]", ""},
		{"check of a bad file", []string{"check", "--config", bad}, exitConfig, "", "line 8"},
		{"check of no file", []string{"check", "--config", none}, exitConfig, "", none},
		{"run with a bad file", []string{"run", "--config", bad}, exitConfig, "", "line 8"},
		{"run --once with no file", []string{"run", "--once", "--config", none}, exitConfig, "", none},
		{"wan with a bad file", []string{"wan", "--config", bad}, exitConfig, "", "line 8"},
		{"status without a daemon", []string{"status", "--config", idle}, exitFailed, "", "wandns run"},
		{"update without a daemon", []string{"update", "--config", idle}, exitFailed, "", "wandns run"},
		{"providers", []string{"providers"}, exitDone, "No-IP", ""},
		{"a provider", []string{"providers", "noip"}, exitDone, "username", ""},
		{"an account verb without a service", []string{"host", "--config", good}, exitUsage, "", "list, attach, detach"},
		{"an account verb with a bad file", []string{"host", "--config", bad, "home", "list"}, exitConfig, "", "line 8"},
		{"an account verb of no service", []string{"host", "--config", good, "hme", "list"}, exitUsage, "", "the configuration has home"},
		{"a key before there is a configuration", []string{"key", "--config", none, "sonic", "list"}, exitUsage, "", "Sonic.net wants the account's user name and password"},
		{"an account verb that is not offered", []string{"client", "--config", good, "home", "create"}, exitRefused, "", "No-IP does not offer client create: "},
		{"an unknown provider", []string{"providers", "nopi"}, exitUsage, "", `"nopi"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, stderr := typed(tt.args...)
			if code != tt.code {
				t.Errorf("exit code = %d, want %d", code, tt.code)
			}
			for _, s := range []struct{ name, got, want string }{{"stdout", out, tt.out}, {"stderr", stderr, tt.stderr}} {
				if !strings.Contains(s.got, s.want) || s.want == "" && s.got != "" {
					t.Errorf("%s = %q, want %q in it", s.name, s.got, s.want)
				}
				if s.got != "" && !strings.HasSuffix(s.got, "\n") {
					t.Errorf("%s = %q ends within a line", s.name, s.got)
				}
			}
		})
	}
}

func TestVerbsAreThoseOfTheContract(t *testing.T) {
	contract := []string{
		"run", "check", "status", "update", "resume", "wan", "providers", "record", "host", "key", "client", "presence",
		"probe", "import", "rpcd", "version",
	}
	_, usage, _ := typed("help")
	seen := map[string]bool{}
	for _, v := range verbs() {
		if !slices.Contains(contract, v.name) || seen[v.name] {
			t.Errorf("%s is not in the contract, or there twice", v.name)
		}
		seen[v.name] = true
		if !strings.Contains(usage, "\n  "+v.name+" ") || !strings.Contains(usage, v.help) {
			t.Errorf("%s is not explained by wandns help", v.name)
		}
	}
	for _, name := range []string{"run", "check", "status", "update", "resume", "wan", "providers", "record", "host", "key", "client", "presence", "probe", "version"} {
		if !seen[name] {
			t.Errorf("there is no verb %s", name)
		}
	}
}

func TestEveryVerbHasHelpAndTakesAConfiguration(t *testing.T) {
	for _, v := range verbs() {
		for _, args := range [][]string{{v.name, "--help"}, {v.name, "-h"}, {v.name, "--config", "/nonexistent.toml", "--help"}} {
			code, out, stderr := typed(args...)
			if code != exitDone || stderr != "" {
				t.Errorf("%q exits with %d and says %q", args, code, stderr)
			}
			if !strings.HasPrefix(out, "Usage: wandns "+v.name+" ") || !strings.Contains(out, "-config") || !strings.Contains(out, v.args) {
				t.Errorf("%q prints %q", args, out)
			}
		}
	}
}

// What is printed about providers are verbs that there are, and helps that go
// on from "it is the".
func TestProvidersAreExplained(t *testing.T) {
	for _, spec := range providers.All() {
		_, out, _ := typed("providers", spec.Name)
		_, verbs, _ := strings.Cut(out, "Besides updating: ")
		for verb := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(verbs), "."), ", ") {
			if code, _, said := typed(append(strings.Fields(verb)[1:2], "--help")...); code != exitDone {
				t.Errorf("%s: %s is no verb: %s", spec.Name, verb, said)
			}
		}
		for _, f := range spec.Fields {
			if article, _, _ := strings.Cut(f.Help, " "); article == "a" || article == "an" || article == "the" {
				t.Errorf("%s: %s: it is the %s", spec.Name, f.Name, f.Help)
			}
		}
	}
}

func TestOptionsStandAnywhere(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		rest []string
	}{
		{"before", []string{"--json", "--config", "f", "a", "b"}, []string{"a", "b"}},
		{"between", []string{"a", "--json", "--config=f", "b"}, []string{"a", "b"}},
		{"after", []string{"a", "b", "-config", "f", "-json"}, []string{"a", "b"}},
		{"alone", []string{"--config", "f", "--json"}, nil},
		{"around a dash", []string{"--json", "-", "--config", "f"}, []string{"-"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			flags := flag.NewFlagSet("x", flag.ContinueOnError)
			flags.SetOutput(io.Discard)
			config, asJSON := flags.String("config", "", ""), flags.Bool("json", false, "")
			rest, err := parse(flags, tt.args)
			if err != nil || !reflect.DeepEqual(rest, tt.rest) || *config != "f" || !*asJSON {
				t.Errorf("arguments = %q, config = %q, json = %t, error = %v", rest, *config, *asJSON, err)
			}
		})
	}
	_, before, _ := typed("providers", "--json", "noip")
	_, after, _ := typed("providers", "noip", "--json")
	if before != after || before == "" {
		t.Errorf("--json before gives %q, after %q", before, after)
	}
}

func TestProvidersAreListedWithEveryField(t *testing.T) {
	for _, args := range [][]string{{"providers", "--json"}, {"providers", "noip", "--json"}} {
		code, out, _ := typed(args...)
		var list []providerJSON
		if err := json.Unmarshal([]byte(out), &list); code != exitDone || err != nil {
			t.Fatalf("%q exits with %d and prints what is no JSON: %v", args, code, err)
		}
		if len(args) == 2 && len(list) != len(providers.All()) {
			t.Errorf("%q lists %d providers, want %d", args, len(list), len(providers.All()))
		}
		for _, p := range list {
			spec, ok := providers.Find(p.Name)
			if !ok || p.Title != spec.Title || p.URL != spec.URL || len(p.Fields) != len(spec.Fields) || len(p.Abilities) == 0 {
				t.Errorf("%q prints %+v", args, p)
			}
		}
	}
	for _, spec := range providers.All() {
		_, out, _ := typed("providers", spec.Name)
		var keys []string
		for _, f := range spec.Fields {
			keys = append(keys, f.Name)
			if f.Secret {
				keys = append(keys, f.Name+"_file")
			}
		}
		for _, k := range serviceKeys {
			if !k.reserved {
				keys = append(keys, k.name)
			}
		}
		for _, k := range keys {
			if !strings.Contains(out, k) {
				t.Errorf("wandns providers %s does not print %s", spec.Name, k)
			}
		}
	}
}

func TestCheckPrintsWhatItUnderstood(t *testing.T) {
	file := writeConfig(t, goodConfig)
	_, out, _ := typed("check", "--config", file)
	code, again, _ := typed("check", "--config", writeConfig(t, out))
	if code != exitDone || again != out {
		t.Errorf("check printed\n%s\nwhich check reads (%d) as\n%s", out, code, again)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	code, warned, stderr := typed("check", "--config", file)
	if code != exitDone || warned != out || !strings.Contains(stderr, "chmod 600") {
		t.Errorf("check of a file for all exits with %d and says %q", code, stderr)
	}
}

func TestCheckNeverPrintsASecret(t *testing.T) {
	service := "[[service]]\nname = 'home'\nprovider = 'noip'\nhostnames = 'home.example.com'\nusername = 'user'\n"
	for _, tt := range []struct{ name, lines string }{
		{"good", `password = "CANARY"`},
		{"good, in a file", fmt.Sprintf("password_file = %q", writeFile(t, "s", "CANARY\n"))},
		{"a mistake elsewhere", "password = \"CANARY\"\nfamily = \"v4\""},
		{"a syntax error elsewhere", "password = \"CANARY\"\nfamily = ipv4"},
		{"a list", `password = ["CANARY"]`},
		{"a list in a list", `password = [["CANARY"]]`},
		{"a table", `password = {a = "CANARY"}`},
		{"a table by its key", `password.x = "CANARY"`},
		{"control characters", `password = "CANARY\u0001"`},
		{"several lines", "password = \"\"\"CANARY\nCANARY\"\"\""},
		{"a file of several lines", fmt.Sprintf("password_file = %q", writeFile(t, "s", "CANARY\nCANARY\n"))},
		{"twice", "password = \"CANARY\"\npassword = \"CANARY\""},
		{"and in a file", "password = \"CANARY\"\npassword_file = \"/nonexistent\""},
		{"misspelt key", `pasword = "CANARY"`},
		{"unknown key", `secret = "CANARY"`},
		{"no closing quote", `password = "CANARY`},
		{"no closing single quote", `password = 'CANARY`},
		{"no closing quotes", `password = """CANARY`},
		{"a quote within", `password = "CAN"ARY"`},
		{"a wrong escape", `password = "CANARY\q"`},
		{"without equals sign", `password "CANARY"`},
		{"a colon for the equals sign", `password: CANARY`},
		{"on the next line", "password =\n\"CANARY\""},
		{"without key", `"CANARY"`},
		{"after a number", `password = 12CANARY`},
		{"after a date", `password = 1985-06-18CANARY`},
		{"after a sign", `password = +CANARY`},
		{"in the server", "password = \"x\"\nserver = \"https://user:CANARY@example.com\""},
		{"in the server, not a URL", "password = \"x\"\nserver = \"https://user:CANARY@exa mple.com\""},
		{"in the server, without scheme", "password = \"x\"\nserver = \"user:CANARY@example.com\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, stderr := typed("check", "--config", writeConfig(t, service+tt.lines+"\n"))
			if code != exitDone && code != exitConfig {
				t.Errorf("exit code = %d", code)
			}
			if all := strings.ToUpper(out + stderr); strings.Contains(all, "CANARY") {
				t.Errorf("the secret stands in\n%s%s", out, stderr)
			}
		})
	}
}
