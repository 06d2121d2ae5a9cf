package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

const goodUCI = `
config wandns 'global'
	option state_dir '/etc/wandns/state'
	option run_dir '/var/run/wandns2'
	option log_level 'debug'

config service 'home'
	option provider 'noip'
	list hostnames 'home.example.com'
	list hostnames 'Group1'
	option username 'user@example.com'
	option password 'canary'
`

// writeUCI makes a file that only its owner can read.
func writeUCI(t *testing.T, text string) string {
	t.Helper()
	return writeFile(t, "wandns", text)
}

func mustLoadUCI(t *testing.T, text string) *config {
	t.Helper()
	cfg, err := loadConfig(writeUCI(t, text))
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return cfg
}

func mistakesInUCI(t *testing.T, text string) string {
	t.Helper()
	file := writeUCI(t, text)
	if _, err := loadConfig(file); err != nil {
		return strings.ReplaceAll(err.Error(), file+": ", "")
	}
	return ""
}

func TestBothLanguagesSayTheSame(t *testing.T) {
	toml, uci := mustLoad(t, strings.NewReplacer("/tmp/state", "/etc/wandns/state", "/tmp/run", "/var/run/wandns2").Replace(goodConfig)), mustLoadUCI(t, goodUCI)
	if tomlText(toml.sections()) != tomlText(uci.sections()) {
		t.Errorf("TOML says\n%s\nUCI says\n%s", toml, uci)
	}
	if a, b := toml.accounts(""), mustLoadUCI(t, strings.ReplaceAll(uci.String(), "***", "canary")).accounts(""); a[0].Account != b[0].Account || a[0].Config != b[0].Config || a[0].Login != b[0].Login {
		t.Error("what is known of an account is forgotten when its configuration is written in UCI")
	}
}

func TestTheEffectiveUCIIsUCI(t *testing.T) {
	for _, extra := range []string{"", "\toption family 'ipv6'\n\toption ipv6_suffix '::1'\n\toption ipv6_lan 'br-lan'\n\toption device eth0\n", "\toption web_url4 'http://a.example/ https://b.example/?it'\\''s'\n\toption allow_private 1\n"} {
		first := mustLoadUCI(t, goodUCI+extra)
		second := mustLoadUCI(t, first.String())
		if first.String() != second.String() || !strings.HasPrefix(first.String(), "config wandns 'global'\n") || strings.Contains(first.String(), "canary") {
			t.Errorf("%s\nis read as\n%s", first, second)
		}
	}
}

func TestTruthInUCI(t *testing.T) {
	for word, want := range map[string]bool{
		"1": true, "on": true, "true": true, "yes": true, "enabled": true, "0": false, "off": false, "false": false, "no": false, "disabled": false,
		"": true, // as if it were not there
	} {
		cfg := mustLoadUCI(t, goodUCI+fmt.Sprintf("\toption enabled '%s'\n", word))
		if got := cfg.Services[0].Enabled; got != want {
			t.Errorf("enabled is %t for %q", got, word)
		}
		cfg = mustLoadUCI(t, goodUCI+fmt.Sprintf("config wandns 'global'\n\toption enabled '%s'\n", word))
		if got := cfg.Services[0].Enabled; got != want {
			t.Errorf("all are enabled is %t for %q", got, word)
		}
		if word == "" {
			continue
		}
		cfg = mustLoadUCI(t, goodUCI+fmt.Sprintf("\toption myipv6 '%s'\n", word))
		if got := cfg.Services[0].Values["myipv6"]; got != fmt.Sprint(want) {
			t.Errorf("myipv6 is %q for %q", got, word)
		}
	}
	if got := mistakesInUCI(t, goodUCI+"\toption enabled 'perhaps'\n"); got != `line 13, service "home", enabled: "perhaps" is not one of 1, 0` {
		t.Errorf("%q", got)
	}
}

func TestNamesInUCI(t *testing.T) {
	const rest = "config service 'x'\n\toption provider 'noip'\n\toption username 'u'\n\toption password 'p'\n"
	for _, tt := range []struct{ lines, want, wrong string }{
		{"list hostnames 'a.example.com'", "a.example.com", ""},
		{"list hostnames 'a.example.com'\n\tlist hostnames B.example.com", "a.example.com b.example.com", ""},
		{"option hostnames 'a.example.com'", "a.example.com", ""},
		{"option hostnames ' a.example.com  b.example.com '", "a.example.com b.example.com", ""},
		{"option hostnames 'a.example.com\n\tb.example.com'", "a.example.com b.example.com", ""},
		{"option hostnames 'a.example.com'\n\tlist hostnames 'b.example.com'", "a.example.com b.example.com", ""},
		{"option hostnames 'a.example.com,b.example.com'", "", "a line list hostnames for each name"},
		{"list hostnames 'a.example.com b.example.com'", "", "a line list hostnames for each name"},
		{"option hostnames ' '", "", "add at least one name"},
		{"option hostnames ''", "", "list hostnames 'home.example.com'"},
	} {
		text := rest + "\t" + tt.lines + "\n"
		if tt.wrong != "" {
			if got := mistakesInUCI(t, text); !strings.Contains(got, tt.wrong) || strings.Contains(got, "[") {
				t.Errorf("%q: mistakes = %q, want %q", tt.lines, got, tt.wrong)
			}
			continue
		}
		if got := strings.Join(mustLoadUCI(t, text).Services[0].Hosts, " "); got != tt.want {
			t.Errorf("%q is read as %q, want %q", tt.lines, got, tt.want)
		}
	}
}

func TestMistakesInUCI(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"an unknown key", goodUCI + "\toption passwort 'x'\n", `line 13, service "home", passwort: is unknown; did you mean password?`},
		{"an unknown value", goodUCI + "\toption family 'ipv5'\n", `line 13, service "home", family: "ipv5" is not one of`},
		{"a list for one value", goodUCI + "\tlist username 'x'\n", `line 11, service "home", username: takes one value`},
		{"a control character", goodUCI + "\toption device 'a\nb'\n", `line 13, service "home", device: holds a control character`},
		{"an anonymous service", strings.Replace(goodUCI, " 'home'", "", 1), "line 7, service number 1, name: is missing; write it into the first line: config service 'home'"},
		{"a name as an option", goodUCI + "\toption name 'x'\n", `line 13, service "home", name: stands in a service's first line`},
		{"only a name as an option", strings.Replace(goodUCI, " 'home'", "", 1) + "\toption name 'x'\n", "line 13, service number 1, name: stands in a service's first line"},
		{"a misspelt section", goodUCI + "config servic 'b'\n", "line 13, config servic: there is no such section; did you mean: config service 'home'"},
		{"a misspelt global section", goodUCI + "config wandsn 'main'\n", "line 13, config wandsn: there is no such section; did you mean: config wandns 'global'"},
		{"a section of another program", goodUCI + "config interface 'wan'\n", "line 13, config interface: there is no such section; the sections are"},
		{"ddns-scripts", "config ddns 'global'\n", "line 1, config ddns: there is no such section; this one belongs to ddns-scripts, and wandns import"},
		{"a global section of another name", strings.Replace(goodUCI, "'global'", "'main'", 1), "line 2, config wandns: is called otherwise"},
		{"a global section without one", strings.Replace(goodUCI, "'global'", "", 1), "line 2, config wandns: is called otherwise"},
		{"a global key in a service", goodUCI + "\toption run_dir '/x'\n", "line 13, service \"home\", run_dir: is not a service's key; write it below config wandns 'global'"},
		{"a service's key in the global section", "config wandns 'global'\n\toption family 'ipv4'\n" + goodUCI, "line 2, family: belongs to a service; write it after a line config service 'home'"},
		{"a line that is none", goodUCI + "optoin a 'b'\n", "line 13, syntax: this is no line of a UCI file"},
		{"an apostrophe", goodUCI + "\toption device 'it's'\n", `line 13, syntax: a quote has no end`},
		{"a broken line of a key that is needed", strings.Replace(goodUCI, "'user@", "a '", 1), "line 11, syntax: there is one word too many"},
		{"a broken first line", goodUCI + "confg service 'b'\n\toption provider 'noip'\n\toption usrname 'x'\n", "line 13, syntax: this is no line of a UCI file"},
		{"a name that UCI cannot have", goodUCI + "config service my home\n\toption provider 'noip'\n", "line 13, syntax: "},
		{"one name twice", goodUCI + "\tlist hostnames 'group1'\n", `line 9, service "home", hostnames: holds "group1" twice`},
		{"TOML", goodConfig, "line 2, syntax: this is TOML; give the file a name that ends in .toml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := mistakesInUCI(t, tt.text)
			if !strings.HasPrefix(got, tt.want) || strings.Contains(got, "canary") || strings.Contains(got, "\n") {
				t.Errorf("mistakes = %q, want one that begins with %q", got, tt.want)
			}
		})
	}
	got := mistakesInUCI(t, "config servic 'a'\n"+goodUCI+"\toption family '4'\nbroken\n\toption x 'y'\n")
	if lines := strings.Split(got, "\n"); len(lines) != 4 {
		t.Errorf("mistakes = %q, want four", lines)
	}
}

func TestCheckNeverPrintsASecretThatIsNotUCI(t *testing.T) {
	const service = "config service 'home'\n\toption provider 'noip'\n\toption username 'u'\n\tlist hostnames 'a.example.com'\n"
	for _, line := range []string{
		"option password 'it's CANARY'", "option password \"CANARY", "option password my CANARY", "password CANARY", "option password a;CANARY",
		"option password_file 'CANARY'", "list password CANARY", "option password 'CANARY\nCANARY'", "option 'password CANARY'", "option password='CANARY'",
	} {
		for _, text := range []string{service + line + "\n", service + "\toption password 'CANARY'\n" + line + "\n"} {
			if _, out, stderr := typed("check", "--config", writeUCI(t, text)); strings.Contains(out+stderr, "CANARY") {
				t.Errorf("after %q the secret stands in\n%s%s", line, out, stderr)
			}
		}
	}
}

// What is installed sends nothing anywhere. Its example is a comment, which is
// right once the signs are gone.
func TestThePackagedConfigurationIsSafeAndRight(t *testing.T) {
	const file = "../../openwrt/wandns/files/wandns.config"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg := mustLoadUCI(t, string(b))
	if len(cfg.Services) != 0 || !strings.Contains(string(b), "option enabled '0'") || cfg.StateDir != defaultStateDir || cfg.RunDir != defaultRunDir {
		t.Errorf("the packaged configuration is understood as\n%s", cfg)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(readme), "\n    config service")
	example, _, _ = strings.Cut(example, "\n\n")
	if cfg := mustLoadUCI(t, "config service"+example+"\n"); len(cfg.Services) != 1 || cfg.Services[0].Name != "home" {
		t.Errorf("the README's example is understood as\n%s", cfg)
	}
	all := regexp.MustCompile(`(?m)^#(\t|config)`).ReplaceAllString(string(b), "$1")
	for _, without := range []string{`.*password_file.*`, `option password '.*`} {
		text := regexp.MustCompile(without).ReplaceAllString(all, "")
		text = strings.Replace(text, "/etc/wandns/home.secret", writeFile(t, "s", "secret"), 1)
		if cfg := mustLoadUCI(t, text); len(cfg.Services) != 1 || cfg.Services[0].Name != "home" {
			t.Errorf("the example is understood as\n%s", cfg)
		}
	}
}

func FuzzParseUCI(f *testing.F) {
	f.Add(goodUCI)
	f.Add("config ddns\nconfig service\n\tlist hostnames ''\n\toption name 'x'\nconfig wandns\n")
	f.Fuzz(func(t *testing.T, data string) {
		if strings.Contains(data, "_file") {
			return // the validation would read it
		}
		sections, mistakes := parseUCI(data)
		v := &validator{mistakes: mistakes, config: &config{UCI: true}}
		v.sections(sections)
		eachMistakeIsSomewhere(t, v)
	})
}
