package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// luci is a router's folder /etc as rpcd sees it, and a server that is not the
// provider's.
type luci struct {
	*testing.T
	etc   string
	evil  string
	asked atomic.Int32
}

func newLuCI(t *testing.T, config string) *luci {
	t.Helper()
	l := &luci{T: t, etc: filepath.Join(t.TempDir(), "etc")}
	for _, dir := range []string{"config", "wandns", "ssl", "elsewhere"} {
		if err := os.MkdirAll(filepath.Join(l.etc, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			l.asked.Add(1)
			c.Close()
		}
	}()
	l.evil = "http://" + server.Addr().String()
	l.put("config/wandns", config)
	return l
}

func (l *luci) path(name string) string { return filepath.Join(l.etc, name) }

func (l *luci) put(name, text string) {
	l.Helper()
	if err := os.WriteFile(l.path(name), []byte(l.fill(text)), 0o600); err != nil {
		l.Fatal(err)
	}
}

func (l *luci) read(name string) string {
	l.Helper()
	b, err := os.ReadFile(l.path(name))
	if err != nil {
		l.Fatal(err)
	}
	return string(b)
}

// fill puts the folder for ETC and the server for EVIL.
func (l *luci) fill(text string) string {
	return strings.NewReplacer("ETC", l.etc, "EVIL", l.evil).Replace(text)
}

type reply struct {
	Mistakes []rpcMistake `json:"mistakes"`
	Request  []string     `json:"request"`
	said
}

func (l *luci) call(method, args string) (r reply, raw string) {
	l.Helper()
	code, out, stderr := plugin(l.T, l.fill(args), "--config", l.path("config/wandns"), "call", method)
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitDone || stderr != "" {
		l.Fatalf("%s %s: exit %d, %s%s", method, args, code, out, stderr)
	}
	if strings.Contains(out, "canary") {
		l.Errorf("%s %s tells a secret: %s", method, args, out)
	}
	return r, out
}

const trusting = `config wandns 'global'
	option enabled '1'

config service 'home'
	option provider 'noip'
	list hostnames 'home.example.com'
	option username 'me@example.com'
	option password 'canary-home'

config service 'own'
	option provider 'noip'
	list hostnames 'own.example.com'
	option username 'me@example.com'
	option password 'canary-own'
	option server 'https://dns.example.com'
	option ca_file 'ETC/ssl/own.pem'

config service 'filed'
	option provider 'noip'
	list hostnames 'filed.example.com'
	option username 'me@example.com'
	option password_file 'ETC/wandns/filed.secret'

config service 'far'
	option provider 'noip'
	list hostnames 'far.example.com'
	option username 'me@example.com'
	option password_file 'ETC/elsewhere/far.secret'

config service 'wrong'
	option provider 'noip'
	list hostnames 'wrong.example.com'
	option username 'me@example.com'
	option password 'canary-wrong'
	option server 'dns.example.com'

config service 'lost'
	option enabled '0'
	list hostnames 'lost.example.com'
	option username 'me@example.com'
	option password 'canary-lost'

config service 'tok'
	option provider 'hostup'
	list hostnames 'tok.example.com'
	option token4 'canary-tok'

config service 'url'
	option provider 'hostup'
	list hostnames 'url.example.com'
	option domain 'example.com'
	option api_key 'canary-url'
	option update_url 'https://up.example.com/?t={token}&i={ip}'
`

func newTrusting(t *testing.T) *luci {
	l := newLuCI(t, trusting)
	l.put("wandns/filed.secret", "canary-filed\n")
	l.put("wandns/free.secret", "canary-free\n")
	l.put("elsewhere/far.secret", "canary-far\n")
	l.put("elsewhere/shadow", "canary-shadow\n")
	ca, err := os.ReadFile(writeCA(t))
	if err != nil {
		t.Fatal(err)
	}
	l.put("ssl/own.pem", string(ca))
	l.put("ssl/other.pem", string(ca))
	for name, to := range map[string]string{"wandns/link": "elsewhere/shadow", "ssl/same": "wandns/filed.secret"} {
		if err := os.Symlink(l.path(to), l.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// sent is a draft: the service, and what it has besides names and a user.
func sent(service, more string) string {
	return fmt.Sprintf(`{"service":%q,"values":{"provider":"noip","hostnames":["%[1]s.example.com"],"username":"me@example.com"%s},"drop":[]}`, service, more)
}

// keyed is a draft at the provider that has an update URL.
func keyed(service, more string) string {
	return fmt.Sprintf(`{"service":%q,"values":{"provider":"hostup","hostnames":["%[1]s.example.com"]%s},"drop":[]}`, service, more)
}

// A secret goes to whom it was given for. Who may write in LuCI can give another,
// but cannot have one that he does not know sent to where he listens.
func TestSecretsGoNowhereElse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, draft, key, says string }{
		{"another server", sent("home", `,"server":"EVIL"`), "password", "has to be typed again, since provider or where it goes changed: it was given for https://dynupdate.no-ip.com"},
		{"a server in capitals", strings.ReplaceAll(sent("home", `,"server":"EVIL"`), "http", "HTTP"), "password", "typed again"},
		{"no encryption any more", sent("own", `,"server":"http://dns.example.com","ca_file":"ETC/ssl/own.pem"`), "password", "typed again"},
		{"another port", sent("own", `,"server":"https://dns.example.com:444","ca_file":"ETC/ssl/own.pem"`), "password", "typed again"},
		{"another authority", sent("own", `,"server":"https://dns.example.com","ca_file":"ETC/ssl/other.pem"`), "password", "it was given for "},
		{"another authority for the provider's own", sent("home", `,"ca_file":"ETC/ssl/other.pem"`), "password", "it was given for "},
		{"no authority", sent("own", `,"server":"https://dns.example.com"`), "password", "it was given for "},
		{"the provider's own server again", sent("own", `,"ca_file":"ETC/ssl/own.pem"`), "password", "typed again"},
		{"another provider with such a key", `{"service":"home","values":{"provider":"freedns.io","hostnames":["home.example.com"],"username":"u"},"drop":[]}`, "password", "typed again"},
		{"a server that was wrong", sent("wrong", ``), "password", "typed again"},
		{"a server that was wrong is mended", sent("wrong", `,"server":"https://dns.example.com"`), "password", "typed again"},
		{"a provider that was missing", sent("lost", ``), "password", "typed again"},
		{"while it is paused", sent("home", `,"server":"EVIL","enabled":"0"`), "password", "typed again"},
		{"its file to another server", sent("filed", `,"server":"EVIL","password_file":"ETC/wandns/filed.secret"`), "password_file", "service filed"},
		{"its file, which is not sent", sent("filed", `,"server":"EVIL"`), "password", "is missing"},
		{"its file, far away", sent("far", `,"server":"EVIL"`), "password_file", "typed again"},
		{"a far file to a far place", sent("far", `,"server":"EVIL","password_file":"ETC/elsewhere/far.secret"`), "password_file", "below /etc/wandns or /etc/ssl"},
		{"a new service with another's file", sent("new", `,"server":"EVIL","password_file":"ETC/wandns/filed.secret"`), "password_file", "service filed"},
		{"a new service at another provider with another's file", `{"service":"new","values":{"provider":"freedns.io","hostnames":["a.freedns.io"],"username":"u","password_file":"ETC/wandns/filed.secret"},"drop":[]}`, "password_file", "service filed"},
		{"another's file by its other name", sent("new", `,"server":"EVIL","password_file":"ETC/ssl/same"`), "password_file", ""},
		{"another's file by its other name, at another provider", `{"service":"new","values":{"provider":"freedns.io","hostnames":["a.freedns.io"],"username":"u","password_file":"ETC/ssl/same"},"drop":[]}`, "password_file", "no link"},
		{"nobody's file", sent("new", `,"server":"EVIL","password_file":"ETC/wandns/free.secret"`), "password_file", "the provider's own server only"},
		{"nobody's file and an authority", sent("new", `,"ca_file":"ETC/ssl/own.pem","password_file":"ETC/wandns/free.secret"`), "password_file", "the provider's own server only"},
		{"a file in place of a secret", sent("home", `,"server":"EVIL","password_file":"ETC/wandns/free.secret"`), "password_file", "the provider's own server only"},
		{"a file elsewhere", sent("new", `,"password_file":"ETC/elsewhere/shadow"`), "password_file", "below /etc/wandns or /etc/ssl"},
		{"a file elsewhere, from within", sent("new", `,"password_file":"ETC/wandns/../elsewhere/shadow"`), "password_file", "below /etc/wandns or /etc/ssl"},
		{"a link to elsewhere", sent("new", `,"password_file":"ETC/wandns/link"`), "password_file", "link"},
		{"a relative path", sent("new", `,"password_file":"wandns/free.secret"`), "password_file", "below /etc/wandns or /etc/ssl"},
		{"a list of paths", sent("new", `,"password_file":["ETC/wandns/free.secret","x"]`), "password_file", ""},
		{"an authority elsewhere", sent("home", `,"ca_file":"ETC/elsewhere/shadow"`), "ca_file", "below /etc/wandns or /etc/ssl"},
		{"another update URL", keyed("tok", `,"update_url":"EVIL/?t={token}&i={ip}"`), "token4", "typed again, since provider or where it goes changed: it was given for https://cloud.hostup.se"},
		{"another path of an update URL", keyed("url", `,"domain":"example.com","update_url":"https://up.example.com/mine?t={token}&i={ip}"`), "api_key", "it was given for https://cloud.hostup.se and https://up.example.com/?t="},
		{"no update URL", keyed("url", `,"domain":"example.com"`), "api_key", "typed again"},
		{"an update URL that is a list", keyed("tok", `,"update_url":["EVIL/?t={token}&i={ip}"]`), "token4", "typed again"},
		{"an update URL and an authority", keyed("url", `,"domain":"example.com","ca_file":"ETC/ssl/own.pem","update_url":"https://up.example.com/?t={token}&i={ip}"`), "api_key", "typed again"},
		{"a file to another update URL", keyed("new", `,"token4_file":"ETC/wandns/free.secret","update_url":"EVIL/?t={token}&i={ip}"`), "token4_file", "own server only"},
		{"another's file to an update URL", keyed("new", `,"token4_file":"ETC/wandns/filed.secret","update_url":"EVIL/?t={token}&i={ip}"`), "token4_file", "service filed"},
		{"a key that nobody knows", sent("home", `,"state_dir":"/usr/sbin","update_url":"EVIL"`), "state_dir", "not a service's key"},
		{"a key that is no name", sent("home", `,"a'\nconfig b":"c"`), "a'\nconfig b", "unknown"},
		{"a key that breaks the line", sent("home", `,"":"c"`), "", "unknown"},
		{"a new line", sent("home", `,"device":"x'\n\toption server 'EVIL"`), "device", "control character"},
		{"a new line in a list", `{"service":"home","values":{"provider":"noip","hostnames":["home.example.com","x'\n\toption server 'EVIL"],"username":"u"},"drop":[]}`, "hostnames", "control character"},
		{"a name that breaks the line", sent(`x' \noption server 'EVIL`, ``), "name", "letters, digits and _ only"},
		{"the section of the whole", sent("global", ``), "name", "is not global"},
		{"a long line", sent("home", `,"device":"`+strings.Repeat("'", 2000)+`"`), "", "too oddly"},
		{"another kind of value", sent("home", `,"server":{"a":"EVIL"}`), "server", "wrong kind"},
		{"a number in a list", sent("home", `,"server":[1]`), "server", "wrong kind"},
		{"several servers", sent("home", `,"server":["EVIL","EVIL"]`), "password", "typed again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newTrusting(t)
			before := l.read("config/wandns")
			for _, method := range []string{"rehearse", "save"} {
				got, raw := l.call(method, tt.draft)
				found := slices.ContainsFunc(got.Mistakes, func(m rpcMistake) bool { return m.Key == tt.key && strings.Contains(m.Text, l.fill(tt.says)) })
				if !found || len(got.Request) > 0 {
					t.Errorf("%s says %s, want %s: %s", method, raw, tt.key, tt.says)
				}
			}
			if after := l.read("config/wandns"); after != before {
				t.Errorf("saved\n%s", after)
			}
			if n := l.asked.Load(); n > 0 {
				t.Errorf("%d connections to another server", n)
			}
		})
	}
}

// What goes nowhere else than before can be saved, and the rest of the file stays
// as it is.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, draft, gone, come string }{
		{"another name", strings.Replace(sent("home", ``), "home.example.com", "h.example.com", 1), "\tlist hostnames 'home.example.com'\n", "\tlist hostnames 'h.example.com'\n"},
		{"paused", sent("home", `,"enabled":"0"`), "", "\toption enabled '0'\n"},
		{"another secret for another server", sent("home", `,"server":"EVIL","password":"it's"`), "\toption password 'canary-home'\n", "\toption server 'EVIL'\n|\toption password 'it'\\''s'\n"},
		{"the same server in other words", sent("own", `,"server":"HTTPS://dns.Example.com:443/","ca_file":"ETC/ssl/own.pem"`), "", "'HTTPS://dns.Example.com:443/'"},
		{"the provider's own server by name", sent("home", `,"server":"https://dynupdate.no-ip.com"`), "", "\toption server 'https://dynupdate.no-ip.com'\n"},
		{"another device with an update URL", keyed("url", `,"domain":"example.com","device":"wan","update_url":"https://up.example.com/?t={token}&i={ip}"`), "", "\toption device 'wan'\n"},
		{"another token for another update URL", keyed("tok", `,"token4":"typed","update_url":"EVIL/?t={token}&i={ip}"`), "\toption token4 'canary-tok'\n", "'typed'"},
		{"its own file", sent("filed", `,"device":"wan","password_file":"ETC/wandns/filed.secret"`), "", "\toption device 'wan'\n"},
		{"its own far file", sent("far", `,"device":"wan"`), "", "\toption device 'wan'\n"},
		{"a secret in place of a far file", sent("far", `,"password":"typed"`), "\toption password_file 'ETC/elsewhere/far.secret'\n", "\toption password 'typed'\n"},
		{"a file in place of a secret", sent("home", `,"password_file":"ETC/wandns/free.secret"`), "\toption password 'canary-home'\n", "\toption password_file 'ETC/wandns/free.secret'\n"},
		{"a new one with another's file", sent("new", `,"password_file":"ETC/wandns/filed.secret"`), "", "\nconfig service 'new'\n"},
		{"a new one with its own secret", sent("new", `,"server":"EVIL","password":"typed"`), "", "\nconfig service 'new'\n|'typed'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newTrusting(t)
			want := l.read("config/wandns")
			if got, raw := l.call("save", tt.draft); len(got.Mistakes) > 0 || got.Code != exitDone || !strings.Contains(got.Text, "service wandns reload") {
				t.Fatalf("said %s", raw)
			}
			after := l.read("config/wandns")
			rest := after
			for s := range strings.SplitSeq(tt.come, "|") {
				if s = l.fill(s); !strings.Contains(after, s) {
					t.Errorf("%s did not come:\n%s", s, after)
				}
			}
			if gone := l.fill(tt.gone); gone != "" && strings.Contains(after, gone) {
				t.Errorf("%s is still there:\n%s", gone, after)
			}
			for line := range strings.Lines(want) {
				if !strings.Contains(rest, line) && !strings.Contains(l.fill(tt.gone), strings.TrimSpace(line)) && !strings.Contains(line, "filed.secret") && !strings.Contains(line, "option server 'https://dns.example.com'") {
					t.Errorf("%q is gone:\n%s", line, after)
				}
			}
			if info, err := os.Stat(l.path("config/wandns")); err != nil || info.Mode() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			l.tidy()
		})
	}
}

// tidy finds what lies where nothing may.
func (l *luci) tidy() {
	l.Helper()
	list, err := os.ReadDir(l.path("config"))
	if err != nil || len(list) != 1 {
		l.Errorf("the folder holds %v, %v", list, err)
	}
}

// Neither two steps nor a takeover lead to what one may not.
func TestSecretsGoNowhereElseInSteps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		steps []string // method and arguments
		fails bool     // the last step, else the secret is gone
	}{
		{"delete and add", []string{`remove {"service":"home"}`, "save " + sent("home", `,"server":"EVIL"`)}, true},
		{"delete and add with the file", []string{`remove {"service":"filed"}`, "save " + sent("filed", `,"server":"EVIL","password_file":"ETC/wandns/filed.secret"`)}, true},
		{"the file at the provider's first", []string{"save " + sent("new", `,"password_file":"ETC/wandns/free.secret"`), "save " + sent("new", `,"server":"EVIL","password_file":"ETC/wandns/free.secret"`)}, true},
		{"paused first", []string{`enable {"service":"home","enabled":false}`, "save " + sent("home", `,"server":"EVIL","enabled":"0"`)}, true},
		{"another secret first", []string{"save " + sent("home", `,"server":"EVIL","password":"typed"`), "save " + sent("home", `,"server":"EVIL"`)}, false},
		{"and back again", []string{"save " + sent("home", `,"server":"EVIL","password":"typed"`), "save " + sent("home", ``)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newTrusting(t)
			l.put("config/wandns", strings.ReplaceAll(trusting, "option provider", "option enabled '1'\n\toption provider"))
			for i, step := range tt.steps {
				method, args, _ := strings.Cut(step, " ")
				got, raw := l.call(method, args)
				if fails := got.Code != exitDone; fails != (tt.fails && i == len(tt.steps)-1) {
					t.Errorf("%s: %s", step, raw)
				}
			}
			if after := l.read("config/wandns"); !tt.fails && strings.Contains(after, "canary-home") {
				t.Errorf("it has become\n%s", after)
			}
		})
	}
}

// A path that holds a secret by mistake is not shown, nor one that leads nowhere.
func TestPathsThatAreNone(t *testing.T) {
	t.Parallel()
	l := newTrusting(t)
	l.put("config/wandns", "config wandns 'global'\n\toption enabled '1'\n\nconfig service 'home'\n\toption enabled '0'\n\toption provider 'noip'\n\tlist hostnames 'home.example.com'\n\toption username 'me'\n\toption password_file 'PATH'\n\toption ca_file 'PATH'\n")
	template := l.read("config/wandns")
	for path, shown := range map[string]bool{
		"ETC/wandns/free.secret": true, "ETC/ssl/own.pem": true,
		"canary": false, "/canary": false, "ETC/wandns/canary": false, "ETC/wandns/../wandns/free.secret": false, "ETC/elsewhere/shadow": false, "ETC/wandns": false, "": false,
	} {
		l.put("config/wandns", strings.ReplaceAll(template, "PATH", path))
		_, raw := l.call("config", `{}`)
		var got struct {
			Services []rpcService `json:"services"`
		}
		if err := json.Unmarshal([]byte(raw), &got); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"password_file", "ca_file"} {
			if _, there := got.Services[0].Values[key]; there != shown || slices.Contains(got.Services[0].Secrets, key) == shown && path != "" {
				t.Errorf("%s %s: %+v", key, path, got.Services[0])
			}
		}
		_, out, stderr := typed("check", "--config", l.path("config/wandns"))
		if strings.Contains(out+stderr, "canary") {
			t.Errorf("%s: check prints\n%s%s", path, out, stderr)
		}
	}
}

// A session that may only read has no method that takes the name of a file, but
// check, which opens none and cannot tell whether there is one.
func TestReadersOpenNothing(t *testing.T) {
	t.Parallel()
	l := newTrusting(t)
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	for _, dir := range []string{"wandns", "ssl", "elsewhere"} {
		if _, err := unix.InotifyAddWatch(watch, l.path(dir), unix.IN_OPEN|unix.IN_ACCESS); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"ETC/wandns/NAME", "ETC/ssl/NAME", "ETC/elsewhere/NAME"} {
		for _, key := range []string{"password_file", "ca_file"} {
			draft := sent("new", fmt.Sprintf(`,%q:%q`, key, path))
			said := map[string]bool{}
			for _, name := range []string{"free.secret", "own.pem", "shadow", "link", "same", "nothing"} {
				_, raw := l.call("check", strings.ReplaceAll(draft, "NAME", name))
				said[raw] = true
			}
			if len(said) != 1 {
				t.Errorf("%s %s: check tells %v", key, path, said)
			}
		}
	}
	if n, _ := unix.Read(watch, make([]byte, 4096)); n > 0 {
		t.Error("check opened a file")
	}
	l.call("save", sent("new", `,"password_file":"ETC/wandns/free.secret"`))
	if n, _ := unix.Read(watch, make([]byte, 4096)); n <= 0 {
		t.Error("save opened none, so this test sees nothing")
	}
}

// The rights are to methods of ours, each of which is there, and to the names of
// the LAN's hosts.
func TestRights(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../openwrt/luci-app-wandns/root/usr/share/rpcd/acl.d/luci-app-wandns.json")
	if err != nil {
		t.Fatal(err)
	}
	var acl map[string]map[string]json.RawMessage
	if err := json.Unmarshal(b, &acl); err != nil || len(acl) != 1 {
		t.Fatal(err, acl)
	}
	rights := acl["luci-app-wandns"]
	methods := map[string]string{}
	for _, m := range rpcMethods() {
		methods[m.name] = m.args
	}
	for _, mode := range []string{"read", "write"} {
		var of map[string]map[string][]string
		if err := json.Unmarshal(rights[mode], &of); err != nil {
			t.Fatal(err)
		}
		if mode == "read" {
			if got := of["ubus"]["luci-rpc"]; !slices.Equal(got, []string{"getHostHints"}) {
				t.Errorf("luci-rpc: %v", got)
			}
			delete(of["ubus"], "luci-rpc")
		}
		if len(of) != 1 || len(of["ubus"]) != 1 {
			t.Errorf("%s: %v", mode, of)
		}
		for _, name := range of["ubus"]["wandns"] {
			args, there := methods[name]
			if !there {
				t.Errorf("there is no method %s, or it has two rights", name)
			}
			if mode == "read" && name != "check" && args != "{}" {
				t.Errorf("%s takes %s from a session that may only read", name, args)
			}
			delete(methods, name)
		}
	}
	if len(methods) > 0 {
		t.Errorf("nobody may call %v", methods)
	}
}

func whither(s section) string {
	all, _ := destination(s)
	return all
}

// Whatever a writer sends: no stored secret comes back or gets another
// destination, and nothing but the configuration changes.
func FuzzRPCD(f *testing.F) {
	for _, m := range rpcMethods() {
		f.Add(m.name, m.args)
	}
	f.Add("save", sent("home", `,"server":"http://127.0.0.1:9"`))
	f.Add("save", sent("home", `,"server":"http://127.0.0.1:9","password":"typed"`))
	f.Add("save", keyed("tok", `,"update_url":"http://127.0.0.1:9/?t={token}&i={ip}"`))
	f.Add("save", sent("new", `,"password_file":"/etc/wandns/x'\n","ca_file":"/etc/ssl/../passwd"`))
	f.Add("save", `{"service":"home","values":{"provider":"freedns.io","hostnames":["a'\nconfig b"]},"drop":["username"]}`)
	f.Add("enable", `{"service":"own","enabled":false}`)
	f.Add("remove", `{"service":"far"}`)
	f.Add("account", `{"service":"home","verb":"probe","action":"ip","args":[],"options":{"ttl":"1"},"username":"","password":""}`)
	f.Add("takeover", `{"services":["myddns_ipv4"]}`)
	f.Add("update", `{"services":["--help"]}`)
	dir := f.TempDir()
	etc := filepath.Join(dir, "etc")
	config := filepath.Join(etc, "config/wandns")
	ddns, err := os.ReadFile("testdata/rpcd/ddns.uci")
	if err != nil {
		f.Fatal(err)
	}
	stored := strings.NewReplacer("ETC", etc, "dns.example.com'", "127.0.0.1:1'", "'global'\n", "'global'\n\toption state_dir '"+dir+"/state'\n\toption run_dir '"+dir+"/run'\n").Replace(trusting)
	list, _ := parseUCI(stored)
	belongs := map[string]string{}
	for _, s := range list {
		for _, o := range s.keys {
			if text := s.text(o.name); strings.Contains(text, "canary") || o.name == "password_file" {
				belongs[text] = whither(s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, method, args string) {
		for name, text := range map[string]string{"config/wandns": stored, "config/ddns": string(ddns), "elsewhere/far.secret": "canary-far", "wandns/filed.secret": "canary-filed"} {
			if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(etc, name)), 0o700), os.WriteFile(filepath.Join(etc, name), []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		i := slices.IndexFunc(rpcMethods(), func(m rpcMethod) bool { return m.name == method })
		var a rpcArgs
		if i < 0 || json.Unmarshal([]byte(args), &a) != nil {
			return
		}
		r := &rpcd{&cli{config: config, configGiven: true, stdout: io.Discard, stderr: io.Discard}, filepath.Join(etc, "config/ddns"), func(string) error { return nil }}
		var out any
		switch method {
		case "account":
			return // asks providers
		case "rehearse":
			out = r.draft(a, stored, true).mistakes
		default:
			out = rpcMethods()[i].do(r, a)
		}
		b, err := json.Marshal(out)
		if err != nil || strings.Contains(string(b), "canary") && !strings.Contains(args, "canary") {
			t.Errorf("%s %s says %s, %v", method, args, b, err)
		}
		after, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		list, mistakes := parseUCI(string(after))
		if len(mistakes) > 0 {
			t.Errorf("%s %s left %v", method, args, mistakes)
		}
		for _, s := range list {
			for _, o := range s.keys {
				if to, secret := belongs[s.text(o.name)]; secret && whither(s) != to && !strings.Contains(args, s.text(o.name)) {
					t.Errorf("%s %s sends %s to %v", method, args, o.name, whither(s))
				}
			}
		}
		others, err := os.ReadDir(filepath.Join(etc, "config"))
		if err != nil || len(others) != 2 {
			t.Errorf("%s %s left %v, %v", method, args, others, err)
		}
	})
}
