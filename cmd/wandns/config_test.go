package main

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wandns/updater"
	"wandns/updater/providers"
)

const goodConfig = `
state_dir = "/tmp/state"
run_dir = "/tmp/run"
log_level = "debug"

[[service]]
name = "home"
provider = "noip"
hostnames = ["home.example.com", "Group1"]
username = "user@example.com"
password = "canary"
`

// writeConfig makes a file that only its owner can read.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	return writeFile(t, "wandns.toml", text)
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func mustLoad(t *testing.T, text string) *config {
	t.Helper()
	cfg, err := loadConfig(writeConfig(t, text))
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return cfg
}

// mistakesIn is what is wrong with a configuration, a line for each mistake,
// without the name of the file.
func mistakesIn(t *testing.T, text string) string {
	t.Helper()
	file := writeConfig(t, text)
	cfg, err := loadConfig(file)
	if err == nil {
		return ""
	}
	if cfg != nil {
		t.Error("a configuration and an error")
	}
	return strings.ReplaceAll(err.Error(), file+": ", "")
}

func writeCA(t *testing.T) string {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return writeFile(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
}

func TestAGoodConfigurationIsUnderstood(t *testing.T) {
	cfg := mustLoad(t, goodConfig)
	if cfg.StateDir != "/tmp/state" || cfg.RunDir != "/tmp/run" || cfg.LogLevel != "debug" || len(cfg.Warnings) > 0 {
		t.Errorf("global keys: %+v", cfg)
	}
	s := cfg.Services[0]
	want := serviceConfig{
		Name: "home", Enabled: true, Hosts: []string{"home.example.com", "group1"}, Families: [2]bool{true, true},
		outlet:   outlet{Values: map[string]string{"username": "user@example.com", "password": "canary"}},
		switched: true,
	}
	name := s.Spec.Name
	if s.Spec = nil; name != "noip" || !reflect.DeepEqual(s, want) {
		t.Errorf("service of %s = %+v, want %+v", name, s, want)
	}
}

func TestWhatIsNotConfiguredHasItsDefault(t *testing.T) {
	cfg := mustLoad(t, "[[service]]\nname='h'\nprovider='noip'\nhostnames='home.example.com'\nusername='u'\npassword='p'")
	if cfg.StateDir != "/etc/wandns" || cfg.RunDir != "/var/run/wandns" || cfg.LogLevel != "info" {
		t.Errorf("global keys: %+v", cfg)
	}
	if s := cfg.Services[0]; !s.Enabled || s.Families != [2]bool{true, true} || s.Policy.AllowPrivate || s.Policy.Device != "" {
		t.Errorf("service: %+v", s)
	}
}

func TestEnabledSwitchesServicesOff(t *testing.T) {
	for _, tt := range []struct {
		global, service string
		want            bool
	}{
		{"", "", true},
		{"enabled = true", "enabled = true", true},
		{"enabled = false", "enabled = true", false},
		{"enabled = true", "enabled = false", false},
		{"enabled = 0", "", false},
		{"", "enabled = 'off'", false},
		{"enabled = 1", "enabled = 'yes'", true},
	} {
		cfg := mustLoad(t, tt.global+goodConfig+tt.service)
		if got := cfg.Services[0].Enabled; got != tt.want {
			t.Errorf("enabled = %t with %q and %q", got, tt.global, tt.service)
		}
	}
}

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	got := mistakesIn(t, `log_level = "loud"
state_dir = "state"

[[service]]
name      = "home"
provider  = "noip"
hostnames = ["home.example.com", "HOME.example.com", "http://x"]
username  = "user:1"
pasword   = "canary"
family    = "v4"
refresh   = "25d"

[[service]]
name      = "home"
provider  = "no-ip"
source    = "dns"

[[service]]
provider  = "noip"
hostnames = ["work.example.com"]
username  = "user"
password  = ["canary"]
enabled   = "perhaps"

[other]
`)
	want := `line 1, log_level: "loud" is not one of debug, info, warn, error
line 2, state_dir: "state" is not a full path; begin it with /
line 4, service "home", password: is missing; it is the password of the account, group or DDNS key
line 7, service "home", hostnames: holds "home.example.com" twice
line 7, service "home", hostnames: "http://x" is neither a host name nor the name of a group
line 8, service "home", username: must not contain a colon
line 9, service "home", pasword: is unknown; did you mean password?
line 10, service "home", family: "v4" is not one of ipv4, ipv6, both
line 11, service "home", refresh: is not supported by this version; leave it out
line 13, service "home", username: is missing; it is the account's e-mail address, a group's name, or a DDNS key's user
line 13, service "home", password: is missing; it is the password of the account, group or DDNS key
line 13, service "home", hostnames: is missing; list the names to keep up to date, as in ["home.example.com"]
line 13, service "home", name: another service is called "home" already; give each its own name
line 15, service "home", provider: there is no provider "no-ip"; did you mean noip?
line 16, service "home", source: "dns" is not one of auto, device, web, provider
line 18, service number 3, name: is missing; give the service one, such as "home"
line 22, service number 3, password: takes one value, not a list
line 23, service number 3, enabled: "perhaps" is not one of true, false
line 25, [other]: there is no such table; services are [[service]], and global keys stand above the first one`
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(g):
			t.Errorf("missing: %s", w[i])
		case i >= len(w):
			t.Errorf("too much: %s", g[i])
		case g[i] != w[i]:
			t.Errorf("got:  %s\nwant: %s", g[i], w[i])
		}
	}
}

// Each case adds one line, which is the twelfth, to goodConfig.
func TestAMistakeNamesItsLineAndKey(t *testing.T) {
	empty := writeFile(t, "empty", "\n")
	ca := writeCA(t)
	for _, tt := range []struct {
		name, line string
		key, says  string
	}{
		{"unknown key", `frobnicate = 1`, "frobnicate", "unknown"},
		{"unknown key, misspelt", `familly = "ipv4"`, "familly", "did you mean family?"},
		{"unknown key, nearly a provider's", `usernam = "x"`, "usernam", "did you mean username?"},
		{"family", `family = "ipv5"`, "family", "ipv4, ipv6"},
		{"family as a list", `family = ["ipv4", "ipv6"]`, "family", "not a list"},
		{"family empty", `family = ""`, "family", "empty"},
		{"source", `source = "dns"`, "source", "device"},
		{"source empty", `source = ""`, "source", "empty"},
		{"truth", `allow_private = "perhaps"`, "allow_private", "true, false"},
		{"truth as a float", `allow_private = 1.0`, "allow_private", "wrong kind"},
		{"device too long", `device = "sixteen-letters-"`, "device", "network device"},
		{"device with a slash", `device = "eth0/1"`, "device", "network device"},
		{"device with a space", `device = "eth 0"`, "device", "network device"},
		{"device empty", `device = ""`, "device", "empty"},
		{"server without scheme", `server = "example.com"`, "server", "https://"},
		{"server of another scheme", `server = "ftp://example.com"`, "server", "https://"},
		{"server with a path", `server = "https://example.com/nic/update"`, "server", "path"},
		{"server with credentials", `server = "https://user:canary@example.com"`, "server", "without path, user"},
		{"server with a query", `server = "https://example.com?a=b"`, "server", "https://"},
		{"server with a fragment", `server = "https://example.com#a"`, "server", "https://"},
		{"server without host", `server = "https://"`, "server", "https://"},
		{"server that is no URL", `server = "https://exa mple.com"`, "server", "https://"},
		{"server in another alphabet", `server = "https://bücher.example"`, "server", "xn--"},
		{"server with a letter that only looks like ASCII", `server = "https://ban\u212A.example"`, "server", "xn--"},
		{"server as a number", `server = 8080`, "server", "https://"},
		{"ca_file missing", `ca_file = "/nonexistent/ca.pem"`, "ca_file", "names a file that could not be read: file does not exist"},
		{"ca_file is a directory", `ca_file = "/"`, "ca_file", ""},
		{"ca_file is not PEM", `ca_file = "` + empty + `"`, "ca_file", "PEM"},
		{"two secrets", `password_file = "` + ca + `"`, "password_file", "given as well"},
		{"interface with a strange name", `interface = "wan 6"`, "interface", "cannot be the name of a network"},
		{"interface as a list", `interface = ["wan"]`, "interface", "one value"},
		{"ipv6_suffix that is a whole address", `ipv6_suffix = "2a00::1"`, "ipv6_suffix", "the end of an IPv6 address"},
		{"ipv6_suffix of IPv4", `ipv6_suffix = "10.0.0.1"`, "ipv6_suffix", "::1234"},
		{"ipv6_suffix of nothing", `ipv6_suffix = "::"`, "ipv6_suffix", "::1234"},
		{"ipv6_mac", `ipv6_mac = "00:11:22:33:44"`, "ipv6_mac", "not a MAC address"},
		{"web_url4 with credentials", `web_url4 = "https://user:canary@example.com"`, "web_url4", "without user"},
		{"web_url4 of another scheme", `web_url4 = "ftp://example.com"`, "web_url4", "https://"},
		{"web_url4 that is no URL", `web_url4 = ["https://example.com", "exa mple.com"]`, "web_url4", "https://"},
		{"web_url4 with a port that is none", `web_url4 = "https://example.com:0"`, "web_url4", "https://"},
		{"web_url4 in another alphabet", `web_url4 = "https://bücher.example/ip"`, "web_url4", "xn--"},
		{"web_url4 as a number", `web_url4 = 4`, "web_url4", "in quotes"},
		{"web_url6 of nothing", `web_url6 = []`, "web_url6", "empty"},
		{"web_url6 twice", `web_url6 = ["https://example.com", "https://example.com"]`, "web_url6", "twice"},
		{"refresh", `refresh = "25d"`, "refresh", "not supported"},
		{"offline_on_stop", `offline_on_stop = true`, "offline_on_stop", "not supported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := mistakesIn(t, goodConfig+tt.line+"\n")
			if want := `line 12, service "home", ` + tt.key + ": "; !strings.HasPrefix(got, want) || !strings.Contains(got, tt.says) || strings.Contains(got, "\n") {
				t.Errorf("mistakes = %q, want one that begins with %q and says %q", got, want, tt.says)
			}
			if strings.Contains(got, "canary") {
				t.Errorf("%q holds the secret", got)
			}
		})
	}
}

// Each case replaces one line of goodConfig.
func TestAWrongValueNamesItsLineAndKey(t *testing.T) {
	empty := writeFile(t, "empty", "\n")
	control := writeFile(t, "control", "one\ntwo\n")
	for _, tt := range []struct{ name, old, line, where, says string }{
		{"unknown provider", `provider = "noip"`, `provider = "dyndns"`, `line 8, service "home", provider: `, "noip"},
		{"misspelt provider", `provider = "noip"`, `provider = "no-ip"`, `line 8, service "home", provider: `, "did you mean noip?"},
		{"no provider", `provider = "noip"`, ``, `line 6, service "home", provider: `, "missing"},
		{"empty provider", `provider = "noip"`, `provider = ""`, `line 8, service "home", provider: `, "empty"},
		{"no name", `name = "home"`, ``, `line 6, service number 1, name: `, "missing"},
		{"empty name", `name = "home"`, `name = ""`, `line 7, service number 1, name: `, "empty"},
		{"name with a space", `name = "home"`, `name = "my home"`, `line 7, service "my home", name: `, "letters"},
		{"name with a slash", `name = "home"`, `name = "a/b"`, `line 7, service "a/b", name: `, "letters"},
		{"name as a list", `name = "home"`, `name = ["a", "b"]`, `line 7, service number 1, name: `, "list"},
		{"no user", `username = "user@example.com"`, ``, `line 6, service "home", username: `, "missing"},
		{"user with a colon", `username = "user@example.com"`, `username = "a:b"`, `line 10, service "home", username: `, "colon"},
		{"no password", `password = "canary"`, ``, `line 6, service "home", password: `, "missing"},
		{"empty password", `password = "canary"`, `password = ""`, `line 11, service "home", password: `, "empty"},
		{"password over two lines", `password = "canary"`, `password = "canary\n"`, `line 11, service "home", password: `, "control"},
		{"password_file missing", `password = "canary"`, `password_file = "/nonexistent/s"`, `line 11, service "home", password_file: `, "does not exist"},
		{"password_file is a directory", `password = "canary"`, `password_file = "/"`, `line 11, service "home", password_file: `, "directory"},
		{"password_file empty", `password = "canary"`, `password_file = "` + empty + `"`, `line 11, service "home", password_file: `, "that is empty"},
		{"password_file of two lines", `password = "canary"`, `password_file = "` + control + `"`, `line 11, service "home", password_file: `, "more than one line"},
		{"no names", `hostnames = ["home.example.com", "Group1"]`, ``, `line 6, service "home", hostnames: `, "missing"},
		{"empty list of names", `hostnames = ["home.example.com", "Group1"]`, `hostnames = []`, `line 9, service "home", hostnames: `, ""},
		{"an empty name", `hostnames = ["home.example.com", "Group1"]`, `hostnames = ["a", ""]`, `line 9, service "home", hostnames: `, "empty"},
		{"a name twice", `hostnames = ["home.example.com", "Group1"]`, `hostnames = ["b.a", "B.A"]`, `line 9, service "home", hostnames: `, "twice"},
		{"names with a comma", `hostnames = ["home.example.com", "Group1"]`, `hostnames = "a.a,b.b"`, `line 9, service "home", hostnames: `, `"a.a,b.b"`},
		{"names in lists", `hostnames = ["home.example.com", "Group1"]`, `hostnames = [["a"]]`, `line 9, service "home", hostnames: `, "list of names"},
		{"relative state_dir", `state_dir = "/tmp/state"`, `state_dir = "state"`, `line 2, state_dir: `, "full path"},
		{"relative run_dir", `run_dir = "/tmp/run"`, `run_dir = "./run"`, `line 3, run_dir: `, "full path"},
		{"log level", `log_level = "debug"`, `log_level = "verbose"`, `line 4, log_level: `, "debug, info"},
		{"unknown global key", `log_level = "debug"`, `loglevel = "debug"`, `line 4, loglevel: `, "did you mean log_level?"},
		{"global truth", `log_level = "debug"`, `enabled = "perhaps"`, `line 4, enabled: `, "true, false"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(goodConfig, tt.old+"\n") {
				t.Fatalf("goodConfig has no line %q", tt.old)
			}
			got := mistakesIn(t, strings.Replace(goodConfig, tt.old+"\n", tt.line+"\n", 1))
			if !strings.HasPrefix(got, tt.where) || !strings.Contains(got, tt.says) || strings.Contains(got, "\n") {
				t.Errorf("mistakes = %q, want one that begins with %q and says %q", got, tt.where, tt.says)
			}
			if strings.Contains(got, "canary") {
				t.Errorf("%q holds the secret", got)
			}
		})
	}
}

// While the provider is wrong nobody can tell which keys are its own.
func TestKeysOfAnUnknownProviderAreLeftAlone(t *testing.T) {
	got := mistakesIn(t, strings.Replace(goodConfig, `"noip"`, `"nobody"`, 1)+"client_key = 'x'\ntoken_file = 'y'\nfamilly = 'ipv4'\n")
	if n := strings.Count(got, "\n") + 1; n != 2 || !strings.Contains(got, "familly") {
		t.Errorf("mistakes = %q, want those of provider and familly", got)
	}
}

func TestAFileThatIsNoConfigurationIsRefused(t *testing.T) {
	dir := t.TempDir()
	garbage := make([]byte, 1<<20)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(garbage); i++ {
		garbage[i] = byte(r.Uint32())
	}
	for _, tt := range []struct{ name, file, says string }{
		{"missing", filepath.Join(dir, "none.toml"), "there is no configuration"},
		{"a directory", dir, "directory"},
		{"not TOML by its name", writeFile(t, "wandns.conf", goodConfig), ".toml"},
		{"UCI in a .toml", writeConfig(t, "config service 'home'\n\toption enabled '1'\n"), "line 1"},
		{"1 MB of garbage", writeConfig(t, string(garbage)), "larger than"},
		{"1 MB of zeros", writeConfig(t, strings.Repeat("\x00", 1<<20)), ""},
		{"1 MB of one key", writeConfig(t, strings.Repeat("a", 1<<20)), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := loadConfig(tt.file)
			if cfg != nil || err == nil {
				t.Fatalf("config = %v, error = %v", cfg, err)
			}
			if got := err.Error(); !strings.Contains(got, tt.says) || !strings.Contains(got, tt.file) || len(got) > 500 {
				t.Errorf("error = %.1000q, want one about %s that says %q", got, tt.file, tt.says)
			}
		})
	}
}

func TestASecretMayBeInAFile(t *testing.T) {
	for _, tt := range []struct{ name, holds, want string }{
		{"plain", "canary", "canary"},
		{"with a line end", "canary\n", "canary"},
		{"from Windows", "canary\r\n", "canary"},
		{"with spaces", " can ary \n", " can ary "},
		{"not ASCII", "canáry✓\n", "canáry✓"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := mustLoad(t, strings.Replace(goodConfig, `password = "canary"`, fmt.Sprintf("password_file = %q", writeFile(t, "s", tt.holds)), 1))
			if got := cfg.Services[0].Values["password"]; got != tt.want {
				t.Errorf("password = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAConfigurationThatOthersCanReadIsWarnedAbout(t *testing.T) {
	secret := writeFile(t, "s", "canary")
	for _, tt := range []struct {
		name string
		text string
		mode os.FileMode
		want int
	}{
		{"private", goodConfig, 0o600, 0},
		{"for all", goodConfig, 0o644, 1},
		{"for a group", goodConfig, 0o640, 1},
		{"for all, without a secret", strings.Replace(goodConfig, `password = "canary"`, fmt.Sprintf("password_file = %q", secret), 1), 0o644, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := writeConfig(t, tt.text)
			if err := os.Chmod(file, tt.mode); err != nil {
				t.Fatal(err)
			}
			cfg, err := loadConfig(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(cfg.Warnings) != tt.want {
				t.Errorf("warnings = %q, want %d", cfg.Warnings, tt.want)
			}
			for _, w := range cfg.Warnings {
				if !strings.Contains(w, "chmod 600 "+file) {
					t.Errorf("%q does not say what to do", w)
				}
			}
		})
	}
}

func TestTheEffectiveConfigurationIsOneAgain(t *testing.T) {
	everything := goodConfig + `
device = "pppoe-wan"
family = "ipv6"
source = "device"
allow_private = true
server = "https://127.0.0.1:8443/"
ca_file = "` + writeCA(t) + `"

[[service]]
name = "office"
enabled = false
provider = "noip"
hostnames = "office.example.com"
username = "Zoë \"\\ü\" 'x' # {}"
password_file = "` + writeFile(t, "s", "canary\n") + `"
family = "ipv4"
source = "web"
web_url4 = ["https://one.example.com/?a=b", "http://two.lan"]
interface = "wan_6"
`
	for _, tt := range []struct{ name, toml string }{
		{"small", goodConfig},
		{"everything", everything},
		{"switched off", "enabled = false\n" + everything},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := mustLoad(t, tt.toml)
			text := first.String()
			if strings.Contains(text, "canary") {
				t.Errorf("a secret stands in\n%s", text)
			}
			second := mustLoad(t, text)
			if again := second.String(); again != text {
				t.Errorf("printed\n%s\nand then\n%s", text, again)
			}
			for _, cfg := range []*config{first, second} {
				cfg.off, cfg.disabled = false, false
				for i := range cfg.Services {
					cfg.Services[i].Spec, cfg.Services[i].switched = nil, true
					cfg.Services[i].Values["password"] = "***"
				}
			}
			if !reflect.DeepEqual(first, second) {
				t.Errorf("read\n%+v\nand then\n%+v", first, second)
			}
		})
	}
}

// of is the account of a service with these keys.
func of(t *testing.T, keys map[string]string) updater.Account {
	t.Helper()
	var b strings.Builder
	b.WriteString("[[service]]\n")
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		fmt.Fprintf(&b, "%s = %s\n", name, keys[name])
	}
	cfg := mustLoad(t, b.String())
	return cfg.accounts("")[0]
}

func TestChangesOfTheConfigurationAreNoticed(t *testing.T) {
	base := map[string]string{
		"name": `"home"`, "provider": `"noip"`, "hostnames": `["a.example.com", "b.example.com"]`,
		"username": `"user"`, "password": `"secret"`,
	}
	first := of(t, base)
	if again := of(t, base); again.Account != first.Account || again.Config != first.Config {
		t.Errorf("the same configuration gives %s/%s and %s/%s", first.Account, first.Config, again.Account, again.Config)
	}
	changes := []struct {
		key, value      string
		account, config bool // is it another one
	}{
		{"name", `"office"`, false, false},
		{"source", `"auto"`, false, false},
		{"source", `"device"`, false, true},
		{"source", `"web"`, false, true},
		{"source", `"provider"`, false, true},
		{"web_url4", `"https://ip.example.com"`, false, true},
		{"web_url6", `"https://ip.example.com"`, false, true},
		{"enabled", "true", false, false},
		{"enabled", "false", false, true},
		{"hostnames", `["a.example.com"]`, false, true},
		{"hostnames", `["a.example.com", "c.example.com"]`, false, true},
		{"family", `"both"`, false, false},
		{"family", `"ipv4"`, false, true},
		{"family", `"ipv6"`, false, true},
		{"device", `"eth1"`, false, true},
		{"interface", `"wan6"`, false, true},
		{"ipv6_suffix", `"::10"`, false, true},
		{"ipv6_mac", `"00:11:22:33:44:55"`, false, true},
		{"allow_private", "false", false, false},
		{"allow_private", "true", false, true},
		{"ca_file", fmt.Sprintf("%q", writeCA(t)), false, true},
		{"server", `"https://127.0.0.1:8443"`, true, true},
		{"username", `"user2"`, true, true},
		{"password", `"secret2"`, false, true},
		{"myipv6", `"true"`, false, true},
	}
	// There is no other provider yet that takes the same keys, and ipv6_lan is
	// nothing without a host.
	tried := map[string]bool{"provider": true, "ipv6_lan": true}
	seen := map[string]string{}
	for _, tt := range changes {
		tried[tt.key] = true
		keys := maps.Clone(base)
		keys[tt.key] = tt.value
		got := of(t, keys)
		if (got.Account != first.Account) != tt.account {
			t.Errorf("%s = %s: another account is %t, want %t", tt.key, tt.value, !tt.account, tt.account)
		}
		if (got.Config != first.Config) != tt.config {
			t.Errorf("%s = %s: another configuration is %t, want %t", tt.key, tt.value, !tt.config, tt.config)
		}
		if other := seen[got.Config]; tt.config && other != "" {
			t.Errorf("%s = %s gives the same configuration as %s", tt.key, tt.value, other)
		}
		seen[got.Config] = tt.key + " = " + tt.value
	}
	common := map[string]string{"name": `"home"`, "hostnames": `["a.example.com"]`}
	for _, tt := range []struct {
		provider, with string // besides the key
		key            string
		account        bool
	}{
		{"hostup", "", "token4", true},
		{"hostup", "", "token6", true},
		{"hostup", "domain", "api_key", false},
		{"hostup", "api_key", "domain", true},
		{"hostup", "token4", "update_url", false},
		{"hostway", "username password", "client_key", true},
	} {
		tried[tt.key] = true
		keys := maps.Clone(common)
		keys["provider"] = strconv.Quote(tt.provider)
		for other := range strings.FieldsSeq(tt.with) {
			keys[other] = `"example.com"`
		}
		values := []string{`"example.com"`, `"a.example.com"`}
		if tt.key == "update_url" {
			values = []string{`"https://a.example/?t={token}&i={ip}"`, `"https://b.example/?t={token}&i={ip}"`}
		}
		keys[tt.key] = values[0]
		before := of(t, keys)
		keys[tt.key] = values[1]
		if after := of(t, keys); (after.Account != before.Account) != tt.account || after.Config == before.Config {
			t.Errorf("%s's %s: another account is %t, want %t; another configuration is %t, want true",
				tt.provider, tt.key, !tt.account, tt.account, after.Config != before.Config)
		}
	}
	for _, k := range serviceKeys {
		if !k.reserved && !tried[k.name] {
			t.Errorf("say here whether a change of %s matters", k.name)
		}
	}
	for _, tt := range []struct {
		provider, host, key, value string
		account                    bool // is it another one
	}{
		{"freedns.io", "foo", "plan", "premium", false},
		{"sonic", "a.example.com", "userid", "2", true},
		{"sonic", "a.example.com", "apikey", "another", true},
		{"sonic", "a.example.com", "ttl", "60", false},
	} {
		tried[tt.key] = true
		spec, _ := providers.Find(tt.provider)
		keys := map[string]string{"name": `"home"`, "provider": strconv.Quote(tt.provider), "hostnames": strconv.Quote(tt.host)}
		for _, f := range spec.Fields {
			if f.Name != tt.key || f.Identity {
				keys[f.Name] = strconv.Quote(f.Example)
			}
		}
		before := of(t, keys)
		keys[tt.key] = strconv.Quote(tt.value)
		if after := of(t, keys); after.Config == before.Config || (after.Account != before.Account) != tt.account {
			t.Errorf("%s's %s: %+v, then %+v", tt.provider, tt.key, before.Service, after.Service)
		}
	}
	for _, spec := range providers.All() {
		for _, f := range spec.Fields {
			if !tried[f.Name] {
				t.Errorf("say here whether a change of %s's %s matters", spec.Name, f.Name)
			}
		}
	}
}

func TestAHostIsKnownByItsNameInTheDNS(t *testing.T) {
	const freedns = "[[service]]\nname = 'home'\nprovider = 'freedns.io'\nusername = 'u'\npassword = 'p'\nhostnames = "
	if got := mustLoad(t, freedns+"['Foo', 'bar.freedns.io']").Services[0].Hosts; !slices.Equal(got, []string{"foo.freedns.io", "bar.freedns.io"}) {
		t.Errorf("hostnames = %q", got)
	}
	for hosts, want := range map[string]string{
		"['foo', 'foo.freedns.io']": `line 6, service "home", hostnames: holds "foo.freedns.io" twice`,
		"['foo.freedns.io', 'foo']": `line 6, service "home", hostnames: holds "foo.freedns.io" twice`,
		"['foo', 'foo']":            `line 6, service "home", hostnames: holds "foo" twice`,
		"['foo.example.com']":       `line 6, service "home", hostnames: "foo.example.com" is not below freedns.io, where all its names are; write foo or foo.freedns.io`,
	} {
		if got := mistakesIn(t, freedns+hosts); got != want {
			t.Errorf("%s: %s\nwant: %s", hosts, got, want)
		}
	}
}

// A token is for one family, so the other is left alone.
func TestFamiliesOfTheFields(t *testing.T) {
	const service = "[[service]]\nname='home'\nprovider='hostup'\nhostnames='a.example.com'\ntoken4='t'\n"
	if got := mustLoad(t, service).Services[0].family(); got != "ipv4" {
		t.Errorf("family = %s", got)
	}
	if got := mistakesIn(t, service+"family='ipv6'\n"); !strings.Contains(got, `line 6, service "home", family: `) {
		t.Errorf("mistakes = %q", got)
	}
}

// Basic authentication may be said back with any of the keys that tell
// accounts apart.
func TestSecretsInBasicForm(t *testing.T) {
	cfg := mustLoad(t, "[[service]]\nname='home'\nprovider='hostway'\nhostnames='a.example.com'\nusername='user'\npassword='pass'\nclient_key='k'\n")
	if got := cfg.Services[0].secrets(); !slices.Contains(got, "dXNlcjpwYXNz") || !slices.Contains(got, "pass") {
		t.Errorf("secrets = %q", got)
	}
}

func TestASecretInAFileIsNoticedLikeOneInTheConfiguration(t *testing.T) {
	file := writeFile(t, "s", "secret\n")
	keys := map[string]string{"name": `"home"`, "provider": `"noip"`, "hostnames": `"a.example.com"`, "username": `"user"`, "password": `"secret"`}
	inline := of(t, keys)
	delete(keys, "password")
	keys["password_file"] = fmt.Sprintf("%q", file)
	if got := of(t, keys); got.Account != inline.Account || got.Config != inline.Config {
		t.Error("the same secret in a file is another configuration")
	}
	if err := os.WriteFile(file, []byte("secret2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := of(t, keys); got.Account != inline.Account || got.Config == inline.Config {
		t.Error("another secret in the same file is no other configuration, or another account")
	}
}

func TestServicesOfOneUserShareTheAccount(t *testing.T) {
	a := of(t, map[string]string{"name": `"a"`, "provider": `"noip"`, "hostnames": `"a.example.com"`, "username": `"user"`, "password": `"one"`})
	b := of(t, map[string]string{"name": `"b"`, "provider": `"noip"`, "hostnames": `"b.example.com"`, "username": `"user"`, "password": `"two"`, "family": `"ipv4"`, "device": `"eth1"`})
	if a.Account != b.Account {
		t.Error("the same user at the same provider has two accounts")
	}
	if a.Config == b.Config {
		t.Error("two services have the same configuration")
	}
}

func TestDigestsHoldNoSecret(t *testing.T) {
	a := of(t, map[string]string{"name": `"a"`, "provider": `"noip"`, "hostnames": `"a.example.com"`, "username": `"user"`, "password": `"canary"`})
	for _, d := range []string{a.Account, a.Config} {
		if !regexp.MustCompile(`^[0-9a-f]{16,}$`).MatchString(d) {
			t.Errorf("digest = %q", d)
		}
	}
}

func TestSecretsAreKnownInEveryFormThatIsSent(t *testing.T) {
	secrets := mustLoad(t, "[[service]]\nname='a'\nprovider='noip'\nhostnames='a.example.com'\nusername='user@example.com'\npassword='pä ss&=/?+'\n").Services[0].secrets()
	client := updater.NewClient(updater.ClientConfig{Secrets: secrets})
	basic := base64.StdEncoding.EncodeToString([]byte("user@example.com:pä ss&=/?+"))
	for _, form := range []string{"pä ss&=/?+", "p%C3%A4+ss%26%3D%2F%3F%2B", basic, url.QueryEscape(basic)} {
		if got := client.Excerpt("a " + form); got != "a ***" {
			t.Errorf("%q is shown as %q", form, got)
		}
	}
	if slices.Contains(secrets, "") || slices.Contains(secrets, "user@example.com") {
		t.Errorf("secrets = %q", secrets)
	}
}

func TestAMistakeIsExplainedWithWhatToDoNext(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{
			"one", &badConfig{"f.toml", []mistake{{3, `service "home"`, "family", "is wrong"}}},
			"f.toml: line 3, service \"home\", family: is wrong\nwandns: 1 mistake in the configuration; ",
		},
		{
			"two", &badConfig{"f.toml", []mistake{{1, "", "enabled", "is wrong"}, {0, "file", "", "is short"}}},
			"f.toml: line 1, enabled: is wrong\nf.toml: file: is short\nwandns: 2 mistakes in the configuration; ",
		},
		{"another error", os.ErrPermission, "wandns: permission denied\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			explain(&b, tt.err)
			if got := b.String(); !strings.HasPrefix(got, tt.want) || !strings.HasSuffix(got, "\n") {
				t.Errorf("explained as %q, want %q", got, tt.want)
			}
			var bad *badConfig
			if errors.As(tt.err, &bad) && !strings.Contains(b.String(), "wandns check --config f.toml") {
				t.Errorf("%q does not say what to do next", &b)
			}
		})
	}
}

func TestSuggestionsAreNear(t *testing.T) {
	names := []string{"username", "password", "family", "device", "server"}
	for _, tt := range []struct{ word, want string }{
		{"user_name", "username"},
		{"pasword", "password"},
		{"Password", "password"},
		{"famly", "family"},
		{"devcie", "device"},
		{"family", "family"},
		{"token", ""},
		{"x", ""},
		{"", ""},
	} {
		if got := closest(tt.word, names); got != tt.want {
			t.Errorf("closest to %q is %q, want %q", tt.word, got, tt.want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"ab", "ba", 2}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance from %q to %q = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestWhatDoesNotGoWithASource(t *testing.T) {
	for _, tt := range []struct{ lines, says string }{
		{"source = 'auto'\nweb_url4 = 'https://a.example.com'\nipv6_suffix = '::1'\nallow_private = true", ""},
		{"source = 'web'\nallow_private = false", ""},
		{"source = 'provider'", ""},
		{"source = 'device'\nweb_url4 = 'https://a.example.com'", `line 13, service "home", web_url4: means nothing with source = "device"`},
		{"source = 'provider'\nweb_url6 = 'https://a.example.com'", `web_url6: means nothing with source = "provider"`},
		{"family = 'ipv4'\nweb_url6 = 'https://a.example.com'", `web_url6: means nothing with family = "ipv4"`},
		{"source = 'web'\nipv6_suffix = '::1'", `ipv6_suffix: does not go with source = "web"`},
		{"source = 'provider'\nipv6_mac = '00:11:22:33:44:55'", `ipv6_mac: does not go with source = "provider"`},
		{"source = 'web'\nallow_private = true", `allow_private: does not go with source = "web"`},
	} {
		if got := mistakesIn(t, goodConfig+tt.lines); !strings.Contains(got, tt.says) || (got == "") != (tt.says == "") || strings.Contains(got, "\n") {
			t.Errorf("%s\n-> %q, want %q", tt.lines, got, tt.says)
		}
	}
	v := &validator{}
	v.sourced(section{keys: []option{{name: "source", values: []string{"provider"}}}},
		serviceConfig{Source: updater.ProviderSource, outlet: outlet{Spec: &updater.Spec{Name: "x", Title: "X"}}})
	if len(v.mistakes) != 1 || !strings.Contains(v.mistakes[0].text, "X does not take the address of a connection") {
		t.Errorf("a provider that does not take an address: %v", v.mistakes)
	}
}

func TestTheReferenceHasEveryKeyAndIsRight(t *testing.T) {
	b, err := os.ReadFile("reference.toml")
	if err != nil {
		t.Fatal(err)
	}
	reference := string(b)
	keys := slices.Clone(globalKeys)
	for _, k := range serviceKeys {
		if !k.reserved {
			keys = append(keys, k.name)
		} else if strings.Contains(reference, "\n#"+k.name+" =") {
			t.Errorf("%s is in the reference, but cannot be used", k.name)
		}
	}
	for _, p := range providers.All() {
		if !strings.Contains(reference, `provider = "`+p.Name+`"`) {
			t.Errorf("the reference has no example of %s", p.Name)
		}
		for _, f := range p.Fields {
			if f.Secret {
				keys = append(keys, f.Name+"(_file)?")
			} else {
				keys = append(keys, f.Name)
			}
		}
	}
	for _, k := range append(keys, "password_file") {
		if !regexp.MustCompile(`(?m)^(#\t?)?` + k + ` = `).MatchString(reference) {
			t.Errorf("%s is not in the reference", k)
		}
	}

	plain := mustLoad(t, reference)
	if len(plain.Services) != 1 || plain.StateDir != defaultStateDir || plain.RunDir != defaultRunDir {
		t.Errorf("the reference is understood as\n%s", plain)
	}
	secret, ca := writeFile(t, "s", "secret"), writeCA(t)
	all := regexp.MustCompile(`(?m)^password = .*\n`).ReplaceAllString(reference, "")
	all = regexp.MustCompile(`(?m)^#([a-z_0-9]+ =)`).ReplaceAllString(all, "$1")
	all = regexp.MustCompile(`(?m)^#\t`).ReplaceAllString(all, "\t")
	all = regexp.MustCompile(`"/etc/wandns/[a-z]+\.secret"`).ReplaceAllString(all, fmt.Sprintf("%q", secret))
	all = strings.Replace(all, `"/etc/wandns/ca.pem"`, fmt.Sprintf("%q", ca), 1)
	cfg := mustLoad(t, all)
	if len(cfg.Services) != 7 || cfg.Services[0].Policy.Device != "pppoe-wan" || cfg.Services[0].Values["password"] != "secret" {
		t.Errorf("with every comment in force the reference is understood as\n%s", cfg)
	}
}
