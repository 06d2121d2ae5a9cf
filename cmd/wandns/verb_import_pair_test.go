package main

import (
	"strings"
	"testing"
)

// luciSection is one of ddns-scripts as LuCI writes it.
func luciSection(name, host, more string) string {
	return "\nconfig service '" + name + "'\n\toption service_name 'no-ip.com'\n\toption lookup_host '" + host + "'\n\toption domain '" + host +
		"'\n\toption username 'me@example.com'\n\toption password 'canary'\n" + more
}

const (
	pairFour = "\toption enabled '1'\n\toption use_ipv6 '0'\n\toption interface 'wan'\n\toption ip_source 'network'\n\toption ip_network 'wan'\n"
	pairSix  = "\toption enabled '1'\n\toption use_ipv6 '1'\n\toption interface 'wan6'\n\toption ip_source 'network'\n\toption ip_network 'wan6'\n"
)

// ddns-scripts needs two sections for the two families of a name.
func TestPairsOfDDNSScriptsBecomeOneService(t *testing.T) {
	const one = "'myddns' both"
	const two = "'myddns_ipv4' ipv4, 'myddns_ipv6' ipv6"
	for _, tt := range []struct{ name, four, six, want, key string }{
		{"wan and wan6", pairFour, pairSix, one, ""},
		{"their defaults", "", "\toption use_ipv6 '1'\n", one, ""},
		{"one says so", "\toption ip_network 'wan'\n", "\toption use_ipv6 '1'\n", one, ""},
		{"the same network", "\toption ip_network 'wanb'\n", "\toption use_ipv6 '1'\n\toption ip_network 'wanb'\n", one, "\toption interface 'wanb'\n"},
		{"the same device", "\toption ip_source 'interface'\n\toption ip_interface 'eth1'\n", "\toption use_ipv6 '1'\n\toption ip_source 'interface'\n\toption ip_interface 'eth1'\n", one, "\toption device 'eth1'\n"},
		{"both from outside", "\toption ip_source 'web'\n\toption ip_url 'https://4.example.com'\n", "\toption use_ipv6 '1'\n\toption ip_source 'web'\n\toption ip_url 'https://6.example.com'\n", one, "\tlist web_url4 'https://4.example.com'\n\tlist web_url6 'https://6.example.com'\n"},
		{"other networks", "\toption ip_network 'wan'\n", "\toption use_ipv6 '1'\n\toption ip_network 'henet'\n", two, "\toption interface 'henet'\n"},
		{"other networks, the other way", "\toption ip_network 'wanb'\n", "\toption use_ipv6 '1'\n", two, "\toption interface 'wanb'\n"},
		{"other sources", "", "\toption use_ipv6 '1'\n\toption ip_source 'web'\n", two, ""},
		{"one is switched off", pairFour, strings.Replace(pairSix, "enabled '1'", "enabled '0'", 1), two, ""},
		{"another password", pairFour, pairSix + "\toption password 'another'\n", two, ""},
		{"another user", pairFour, pairSix + "\toption username 'another'\n", two, ""},
		{"another name", pairFour, pairSix + "\toption domain 'b.example.com'\n", two, ""},
		{"another provider", pairFour, pairSix + "\toption service_name 'freedns.io'\n", two, ""},
		{"another authority", pairFour, pairSix + "\toption cacert '/etc/own.pem'\n", two, ""},
		{"the same family", pairFour, "\toption enabled '1'\n", "'myddns_ipv4' ipv4, # 'myddns_ipv6' ipv4", ""},
		{"the same script", pairFour + "\toption ip_source 'script'\n", pairSix + "\toption ip_source 'script'\n", "# 'myddns_ipv4' ipv4, # 'myddns_ipv6' ipv6", ""},
	} {
		for _, order := range []string{"four first", "six first"} {
			t.Run(tt.name+", "+order, func(t *testing.T) {
				four, six := luciSection("myddns_ipv4", "a.example.com", tt.four), luciSection("myddns_ipv6", "a.example.com", tt.six)
				want := tt.want
				if order == "six first" {
					four, six = six, four
					if a, b, ok := strings.Cut(want, ", "); ok {
						want = b + ", " + a
					}
					if tt.name == "the same family" {
						want = "'myddns_ipv6' ipv4, # 'myddns_ipv4' ipv4"
					}
				}
				code, out, stderr := typed("import", "ddns-scripts", writeFile(t, "ddns", four+six))
				if code != exitDone {
					t.Fatal(stderr)
				}
				var got []string
				for text := range strings.SplitSeq(out, "config service ") {
					name, rest, _ := strings.Cut(text, "\n")
					if !strings.HasPrefix(name, "'") {
						continue
					}
					family := "both"
					if _, f, ok := strings.Cut(rest, "option family '"); ok {
						family, _, _ = strings.Cut(f, "'")
					}
					got = append(got, name+" "+family)
				}
				all := strings.Join(got, ", ")
				for i, refused := range strings.Split(want, ", ") {
					if name, ok := strings.CutPrefix(refused, "# "); ok && !strings.Contains(out, "# config service "+strings.Fields(name)[0]) {
						t.Errorf("service %d is not refused", i)
					}
				}
				if all != strings.ReplaceAll(want, "# ", "") || !strings.Contains(out, tt.key) {
					t.Errorf("it becomes %s, want %s and %q\n%s", all, want, tt.key, out)
				}
				if want == one && (strings.Count(out, "# lookup_host:") != 1 || !strings.Contains(out, "\n# family: both; it was myddns_ipv4 for IPv4 and myddns_ipv6 for IPv6\n") || tt.key == "" && strings.Contains(out, "option interface")) {
					t.Errorf("it says\n%s", out)
				}
			})
		}
	}
}

func TestStem(t *testing.T) {
	for _, tt := range [][3]string{
		{"myddns_ipv4", "myddns_ipv6", "myddns"},
		{"home4", "home6", "home"},
		{"home_v4", "home_v6", "home"},
		{"a_4", "a_6", "a"},
		{"ipv4", "ipv6", "ipv4"},
		{"home", "home6", "home"},
		{"a4", "b6", "a4"},
		{"home4", "home7", "home4"},
		{"service", "service", "service"},
	} {
		if got := stem(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s and %s are %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
}
