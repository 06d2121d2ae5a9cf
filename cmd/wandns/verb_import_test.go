package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"wandns/openwrt/uci"
)

func TestImports(t *testing.T) {
	for _, i := range importers() {
		t.Run(i.name, func(t *testing.T) {
			golden, err := os.ReadFile("testdata/import/" + i.name + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			code, out, stderr := typed("import", i.name, "testdata/import/"+i.name+".in")
			if code != exitDone || stderr != "" || out != string(golden) {
				t.Errorf("%d, %s\nprinted\n%s\nwant\n%s", code, stderr, out, golden)
			}
			cfg := mustLoadUCI(t, strings.Replace(out, "'/etc/ddns-ca.pem'", uci.Quote(writeCA(t)), 1))
			if n := strings.Count("\n"+out, "\nconfig service "); len(cfg.Services) != n || n == 0 {
				t.Errorf("%d services are loaded, %d are printed", len(cfg.Services), n)
			}
			for line := range strings.Lines(out) {
				if strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "# \t") && strings.Contains(strings.ReplaceAll(line, "# lines of canary", ""), "canary") {
					t.Errorf("a comment tells a secret: %s", line)
				}
			}
		})
	}
}

// oneDDNS is what a service with one more option becomes.
func oneDDNS(t *testing.T, lines string) string {
	t.Helper()
	_, out, stderr := typed("import", "ddns-scripts", writeFile(t, "ddns", "config service 'a'\n\toption service_name 'no-ip.com'\n\toption domain 'a.example.com'\n\toption username 'u'\n\toption password 'p'\n"+lines))
	if stderr != "" {
		t.Fatal(stderr)
	}
	return out
}

func TestEveryOptionOfDDNSScriptsIsCarriedOverOrNamed(t *testing.T) {
	plain := oneDDNS(t, "")
	for _, tt := range []struct{ option, value, want string }{
		{"enabled", "1", "\toption enabled '1'"},
		{"service_name", "other.example", "# NOT POSSIBLE: wandns has no provider for \"other.example\""},
		{"service_name", "no-ip.pl", "# NOT POSSIBLE: wandns has no provider for \"no-ip.pl\""}, // not No-IP
		{"username", "user", "\toption username 'user'"},
		{"password", "word", "\toption password 'word'"},
		{"domain", "b.example.com", "\tlist hostnames 'b.example.com'"},
		{"domain", "b@example.com", "\tlist hostnames 'b.example.com'"},
		{"domain", "@example.com", "\tlist hostnames 'example.com'"},
		{"use_ipv6", "1", "\toption family 'ipv6'"},
		{"ip_network", "wan2", "\toption interface 'wan2'"},
		{"ip_source", "network", ""},
		{"ip_source", "web", "\toption source 'web'"},
		{"ip_source", "interface", "\toption device 'eth1'"},
		{"ip_source", "script", "# NOT POSSIBLE: ip_script: "},
		{"ip_source", "other", "# NOT POSSIBLE: ip_source: "},
		{"ip_source", "web'\n\toption ip_url 'http://checkip.dyndns.com", "# ip_url: not needed: "},
		{"ip_source", "web'\n\toption ip_url 'http://ip.example.com", "\tlist web_url4 'http://ip.example.com'"},
		{"ip_source", "web'\n\toption bind_network 'wan2", "\toption interface 'wan2'"},
		{"ip_source", "interface'\n\toption ip_interface 'eth3", "\toption device 'eth3'"},
		{"ip_source", "interface'\n\toption ip_interface '@vpn", "\toption interface 'vpn'"},
		{"ip_url", "http://ip.example.com", "# ip_url: not needed: "},
		{"ip_interface", "eth0", "# ip_interface: not needed: "},
		{"ip_script", "/bin/ip", "# ip_script: not needed: "},
		{"bind_network", "wan", ""},
		{"bind_network", "wan2", "# bind_network: not possible: "},
		{"cacert", "/etc/own.pem", "\toption ca_file '/etc/own.pem'"},
		{"cacert", "/etc/ssl/certs", "# cacert: not needed: "},
		{"cacert", "IGNORE", "# cacert: not possible: "},
		{"update_url", "http://example.com", "# NOT POSSIBLE: update_url: "},
		{"update_script", "/usr/lib/ddns/x.sh", "# NOT POSSIBLE: update_script: "},
		{"interface", "wan", "# interface: not needed: "},
		{"lookup_host", "a.example.com", "# lookup_host: not needed: "},
		{"param_enc", "x", "# param_enc: not possible: "},
		{"param_opt", "x", "# param_opt: not possible: "},
		{"use_https", "1", "# use_https: not needed: "},
		{"check_interval", "10", "# check_interval: not needed: "},
		{"check_unit", "minutes", "# check_unit: not needed: "},
		{"check_interval_min", "5", "# check_interval_min: not needed: "},
		{"force_interval", "72", "# force_interval: not needed: "},
		{"force_unit", "hours", "# force_unit: not needed: "},
		{"retry_interval", "60", "# retry_interval: not needed: "},
		{"retry_unit", "seconds", "# retry_unit: not needed: "},
		{"retry_max_count", "5", "# retry_max_count: not needed: "},
		{"retry_count", "5", "# retry_count: not needed: "},
		{"dns_server", "9.9.9.9", "# dns_server: not needed: "},
		{"force_dnstcp", "1", "# force_dnstcp: not needed: "},
		{"force_ipversion", "1", "# force_ipversion: not needed: "},
		{"proxy", "p.example.com:1", "# proxy: not possible: "},
		{"user_agent", "x", "# user_agent: not possible: "},
		{"is_glue", "1", "# is_glue: not needed: "},
		{"use_api_check", "1", "# use_api_check: not needed: "},
		{"use_syslog", "2", "# use_syslog: not needed: "},
		{"use_logfile", "1", "# use_logfile: not needed: "},
		{"record_id", "1", "# record_id: not needed: "},
		{"rec_id", "1", "# rec_id: not needed: "},
		{"zone", "1", "# zone: not possible: "},
		{"record", "1", "# record: not possible: "},
		{"ip_dynamic", "1", "# ip_dynamic: not possible: "},
		{"misspelt", "1", "# misspelt: not an option of ddns-scripts"},
	} {
		out := oneDDNS(t, fmt.Sprintf("\toption %s '%s'\n", tt.option, tt.value))
		if !strings.Contains(out, "\n"+tt.want) || tt.want == "" && out != plain {
			t.Errorf("option %s '%s' becomes\n%s\nwant %q", tt.option, tt.value, out, tt.want)
		}
	}
	for _, name := range []string{"ddns_dateformat", "ddns_rundir", "ddns_logdir", "ddns_loglines", "use_curl", "url", "cacert", "services_url"} {
		if out := oneDDNS(t, "config ddns 'global'\n\toption "+name+" 'x'\n"); !strings.Contains(out, "\n# "+name+": not needed: ") {
			t.Errorf("%s is not named in\n%s", name, out)
		}
	}
	if out := oneDDNS(t, "config ddns 'global'\n\toption upd_privateip '1'\n"); !strings.Contains(out, "\toption allow_private '1'\n") {
		t.Errorf("upd_privateip is lost in\n%s", out)
	}
	if out := oneDDNS(t, "\toption ip_source 'web'\nconfig ddns 'global'\n\toption upd_privateip '1'\n"); !strings.Contains(out, "\nconfig service 'a'\n") || !strings.Contains(out, "\n# upd_privateip: not needed: ") {
		t.Errorf("with an address from outside upd_privateip makes\n%s", out)
	}
	if _, out, _ := typed("import", "ddns-scripts", writeFile(t, "ddns", "config service 'a'\n\toption service_name 'no-ip.com'\n\toption lookup_host 'b.example.com'\n")); !strings.Contains(out, "\tlist hostnames 'b.example.com'\n") {
		t.Errorf("a lookup_host alone makes\n%s", out)
	}
}

func TestImportSaysWhatItCannotRead(t *testing.T) {
	for _, tt := range []struct {
		name, program, text string
		code                int
		says                string
	}{
		{"an unknown program", "inadin", "", exitUsage, "choose from: ddns-scripts, inadyn, ddclient"},
		{"an empty file", "ddns-scripts", "", exitConfig, "holds no service"},
		{"a broken line", "ddns-scripts", "config service a\n\toption password 'it's CANARY'\n", exitConfig, "line 2"},
		{"another file", "ddns-scripts", "config interface 'wan'\n", exitConfig, "/etc/config/ddns"},
		{"inadyn 1", "inadyn", "--username x\n--password CANARY\n", exitConfig, "line 1: this is no option of inadyn 2"},
		{"no brace", "inadyn", "provider x\nusername = y\npassword = CANARY\n", exitConfig, "line 1: a provider is written like"},
		{"no end", "inadyn", "provider x {\npassword = CANARY\n", exitConfig, "line 1: this section has no end"},
		{"no closing quote", "inadyn", "provider x {\npassword = \"CANARY\n}\n", exitConfig, "line 2: a quote has no end"},
		{"no end of a list", "inadyn", "provider x {\nhostname = { CANARY\n", exitConfig, "line 2: this option has no end"},
		{"too many words", "ddclient", "ssl=yes\nlogin=x a.example.com user my CANARY\n", exitConfig, "line 2: this is no line of ddclient"},
		{"a last backslash", "ddclient", "ssl=yes\nlogin=x, password=CANARY \\\n", exitConfig, "line 2: the last line goes on"},
		{"a password within quotes", "ddclient", "login=\"x password=CANARY y\" a.example.com\n", exitConfig, "line 1: this is no line of ddclient"},
		{"a zero byte", "ddclient", "a.example.com\x00CANARY\n", exitConfig, "a zero byte"},
		{"no host", "ddclient", "login=x, password=CANARY\n", exitConfig, "holds no service"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, stderr := typed("import", tt.program, writeFile(t, "f", tt.text))
			if code != tt.code || out != "" || !strings.Contains(stderr, tt.says) || strings.Contains(stderr, "CANARY") {
				t.Errorf("%d, %s%s, want %d and %q", code, out, stderr, tt.code, tt.says)
			}
		})
	}
	if code, _, stderr := typed("import", "inadyn"); code != exitUsage || !strings.Contains(stderr, "FILE") {
		t.Errorf("%d, %s", code, stderr)
	}
	if code, _, stderr := typed("import", "inadyn", t.TempDir()+"/none"); code != exitFailed || !strings.Contains(stderr, "there is no file") {
		t.Errorf("%d, %s", code, stderr)
	}
}

func TestDdclientPasswords(t *testing.T) {
	for line, want := range map[string]string{
		"password=a b.example.com":                       "a",
		"password = a b.example.com":                     "a",
		"password='a b' b.example.com":                   "a b",
		"password='it's' b.example.com":                  "it's",
		"login=u password=a#b,c b.example.com":           "a#b,c",
		"b.example.com user a":                           "a",
		"# password=x\npassword=a b.example.com":         "a",
		"password=a\nb.example.com":                      "a",
		"password=x\npassword=a \\\n  \\\nb.example.com": "a",
	} {
		m, err := fromDdclient("protocol=noip, login=u\n" + line + "\n")
		if err != nil || len(m.services) != 1 {
			t.Errorf("%q: %v", line, err)
			continue
		}
		if o, _ := m.services[0].find("password"); strings.Join(o.values, "|") != want {
			t.Errorf("%q is read as %q, want %q", line, o.values, want)
		}
	}
}

// Whatever is imported, what is printed is a configuration.
func FuzzImport(f *testing.F) {
	for i, from := range importers() {
		data, err := os.ReadFile("testdata/import/" + from.name + ".in")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, string(data))
	}
	f.Fuzz(func(t *testing.T, i int, data string) {
		if i < 0 || i >= len(importers()) || strings.Contains(data, "\x00") || strings.Contains(data, "_file") {
			return
		}
		m, err := importers()[i].read(data)
		if err != nil {
			return
		}
		sections, mistakes := parseUCI(m.text("fuzz"))
		for _, s := range sections {
			for _, o := range s.keys {
				if o.name == "ca_file" {
					return // the validation would read it
				}
			}
		}
		v := &validator{mistakes: mistakes, config: &config{UCI: true}}
		v.sections(sections)
		for _, m := range v.mistakes {
			if m.section != "file" {
				t.Errorf("%v for %q", m, data)
			}
		}
	})
}
