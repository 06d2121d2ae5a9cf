package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"wandns/updater"
	"wandns/updater/http1"
	"wandns/wan"
)

// rehearsed are the requests that an outlet's first update would begin with.
func rehearsed(o outlet, limits updater.Limits, req updater.Request) (all []*http1.Request) {
	if limits.HostsPerRequest > 0 {
		req.Hosts = req.Hosts[:min(len(req.Hosts), limits.HostsPerRequest)]
	}
	if limits.OneFamily {
		req.V6 = netip.Addr{}
	}
	ctx := updater.Rehearse(context.Background(), func(r *http1.Request) { all = append(all, r) })
	_, _ = o.carrier().Provider.Update(ctx, req) // says that nothing was sent
	return all
}

// What is shown of a request before it is sent is all of it but the secret,
// whatever that is.
func TestARehearsalHidesTheSecretAndNothingElse(t *testing.T) {
	for provider, c := range map[string]struct{ config, want string }{
		"noip":       {"username='user'\npassword='%s'", "GET http://s.test/nic/update?hostname=a.example.com&myip=84.0.0.2,2a00:1::1|Authorization: Basic ***|User-Agent: AGENT"},
		"freedns.io": {"username='user'\npassword='%s'", "POST http://s.test/request|User-Agent: AGENT|Content-Type: application/x-www-form-urlencoded|host=a&password=***&record=A&username=user&value=84.0.0.2"},
		"hostway":    {"username='user'\npassword='%s'\nclient_key='k'", "GET http://s.test/ddns/clients/k/hosts|Authorization: Basic ***|User-Agent: AGENT"},
		"hostup":     {"token4='%s'", "GET http://s.test/api/dyndns/update?hostname=a.example.com&token=***&ip=84.0.0.2|User-Agent: AGENT"},
		"sonic":      {"userid='user'\napikey='%s'", `PUT http://s.test/dyndns/host|User-Agent: AGENT|Content-Type: application/json|{"userid":"user","apikey":"***","hostname":"a.example.com","value":"84.0.0.2","type":"A","ttl":300}`},
	} {
		host := "a.example.com"
		if provider == "freedns.io" {
			host = "a.freedns.io"
		}
		for _, secret := range []string{"password", "a", "e", "*", "GET", "84.0.0.2", "user", "a-long-one"} {
			s := mustLoad(t, "[[service]]\nname='home'\nprovider='"+provider+"'\nserver='http://s.test'\nhostnames='"+host+"'\n"+strings.ReplaceAll(c.config, "%s", secret)+"\n").Services[0]
			req := updater.Request{Hosts: []string{host}, V4: netip.MustParseAddr("84.0.0.2"), V6: netip.MustParseAddr("2a00:1::1")}
			var got []string
			for _, r := range rehearsed(s.masked(), s.limits(), req) {
				for _, line := range shown(r) {
					if strings.HasPrefix(line, "User-Agent: ") {
						line = "User-Agent: AGENT"
					}
					got = append(got, line)
				}
			}
			if got := strings.Join(got, "|"); got != c.want {
				t.Errorf("%s, with the secret %q: %s\nwant %s", provider, secret, got, c.want)
			}
		}
	}
}

// Whatever a configuration says, each of its requests is one, goes where the
// service is, and has the secrets nowhere but there; what is shown of it has
// none.
func FuzzUCIToRequest(f *testing.F) {
	f.Add(goodUCI)
	for _, service := range []string{
		"option provider 'noip'\n\tlist hostnames 'a.example.com'\n\toption username 'u\r\nX: y'\n\toption password 'p4ssw0rd\r\nHost: other.test'",
		"option provider 'freedns.io'\n\tlist hostnames 'a'\n\toption username 'u&v'\n\toption password 'p4ssw0rd&host=b'",
		"option provider 'hostway'\n\tlist hostnames 'a.example.com'\n\toption username 'u'\n\toption password 'p4ssw0rd'\n\toption client_key '../x'\n\toption server 'http://u:p@[::1]:8080/x'",
		"option provider 'hostup'\n\tlist hostnames 'a.example.com'\n\toption token4 'p4ssw0rd'\n\toption update_url 'https://elsewhere.test/{host}?{token}&{ip}#{host}'",
		"option provider 'hostup'\n\tlist hostnames 'a.example.com'\n\toption api_key 'p4ssw0rd'\n\toption domain 'example.com'",
		"option provider 'sonic'\n\tlist hostnames 'a.example.com'\n\toption userid '1'\n\toption apikey 'p4ssw0rd\"'\n\toption ttl '60'",
	} {
		f.Add("config wandns 'global'\n\toption enabled '1'\nconfig service 'home'\n\t" + service + "\n")
	}
	f.Fuzz(func(t *testing.T, data string) {
		if strings.Contains(data, "_file") {
			return // the validation would read it
		}
		sections, _ := parseUCI(data)
		v := &validator{config: &config{UCI: true}}
		v.sections(sections)
		for _, s := range v.config.Services {
			if len(s.Mistakes) > 0 || s.Spec.New == nil || len(s.Hosts) == 0 {
				continue
			}
			req := updater.Request{Hosts: s.Hosts}
			if s.Families[wan.IPv4] {
				req.V4 = netip.MustParseAddr("84.0.0.2")
			}
			if s.Families[wan.IPv6] && !s.Spec.IPv4Only {
				req.V6 = netip.MustParseAddr("2a00:1:2:3::1")
			}
			if !req.V4.IsValid() {
				continue
			}
			home, err := url.Parse(cmp.Or(s.Server, s.Spec.Server))
			if err != nil {
				t.Fatalf("the server %q is none: %v", s.Server, err)
			}
			if own := s.Values["update_url"]; own != "" && cmp.Or(s.Server, s.Spec.Server) == s.Spec.Server {
				if home, err = url.Parse(strings.NewReplacer("{host}", "h", "{token}", "t", "{ip}", "i").Replace(own)); err != nil {
					t.Fatalf("update_url %q is none: %v", own, err)
				}
			}
			for _, r := range rehearsed(s.outlet, s.limits(), req) {
				isOneRequest(t, r, home)
			}
			for _, r := range rehearsed(s.masked(), s.limits(), req) {
				all := strings.Join(shown(r), "\n")
				for _, f := range s.Spec.Fields {
					if secret := s.Values[f.Name]; f.Secret && len(secret) > 5 && strings.Contains(all, secret) && !openly(s, secret) {
						t.Errorf("the secret %q is shown: %s", secret, all)
					}
				}
			}
		}
	})
}

// openly reports a secret that stands in what is no secret, too.
func openly(s serviceConfig, secret string) bool {
	all := strings.Join(s.Hosts, " ") + s.Server + s.Spec.Server + "update_url /nic/update /api/dyndns/update User-Agent Content-Type application/x-www-form-urlencoded hostname Authorization Basic password username"
	for _, f := range s.Spec.Fields {
		if !f.Secret {
			all += " " + s.Values[f.Name] + " " + url.QueryEscape(s.Values[f.Name])
		}
	}
	a := agent()
	return strings.Contains(all+a.Version+a.Model+a.Contact+"84.0.0.2 2a00:1:2:3::1 wandns Router-", secret)
}

// isOneRequest reads what would be sent, as a server does.
func isOneRequest(t *testing.T, r *http1.Request, home *url.URL) {
	t.Helper()
	text, err := r.Bytes()
	if err != nil {
		return // it is not sent
	}
	from := bufio.NewReader(bytes.NewReader(text))
	got, err := http.ReadRequest(from)
	if err != nil {
		t.Fatalf("no server can read %q: %v", text, err)
	}
	body, err := io.ReadAll(got.Body)
	if _, more := from.ReadByte(); err != nil || more == nil || string(body) != r.Body {
		t.Errorf("it is more than one request: %q", text)
	}
	if !strings.EqualFold(r.URL.Host, strings.TrimSuffix(home.Host, ":")) || r.URL.Scheme != home.Scheme || r.URL.User != nil {
		t.Errorf("a request for %s goes to %s", home.Host, r.URL.Host)
	}
	if !strings.EqualFold(got.Host, strings.TrimSuffix(home.Host, ":")) && !strings.Contains(home.Host, "%") {
		t.Errorf("a request for %s says that it is for %s", home.Host, got.Host)
	}
	for name, values := range got.Header {
		if !slices.Contains([]string{"Connection", "Content-Length", "User-Agent", "Accept", "Content-Type", "Authorization"}, name) || len(values) > 1 {
			t.Errorf("the header has %s: %q", name, values)
		}
	}
}
