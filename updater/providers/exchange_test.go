package providers_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wandns/updater"
	"wandns/updater/providers"
)

// said is a connection to a server that says the same whatever it is asked.
type said struct{ *bytes.Reader }

func (said) Write(b []byte) (int, error)      { return len(b), nil }
func (said) Close() error                     { return nil }
func (said) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (said) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (said) SetDeadline(time.Time) error      { return nil }
func (said) SetReadDeadline(time.Time) error  { return nil }
func (said) SetWriteDeadline(time.Time) error { return nil }

const (
	user   = "jane"
	secret = "s3cr3t/Pä<ss&+ 9"
)

// values of a service whose every secret is the secret.
func values(provider string) map[string]string {
	return map[string]map[string]string{
		"noip":       {"username": user, "password": secret},
		"freedns.io": {"username": user, "password": secret, "plan": "premium"},
		"hostway":    {"username": user, "password": secret, "client_key": "router"},
		"hostup":     {"api_key": secret, "domain": "example.com"},
		"sonic":      {"userid": user, "apikey": secret},
	}[provider]
}

// forms are those of the secret that a server may repeat.
func forms(secret string) []string {
	asJSON, _ := json.Marshal(secret)
	return []string{
		base64.StdEncoding.EncodeToString([]byte(user + ":" + secret)), url.QueryEscape(secret), url.PathEscape(secret),
		html.EscapeString(secret), strings.Trim(string(asJSON), `"`), secret,
	}
}

// spoken is a provider whose server gives these answers, one after the other
// and the last for ever.
func spoken(t *testing.T, spec *updater.Spec, values map[string]string, secrets []string, answers ...[]byte) updater.Provider {
	t.Helper()
	n := 0
	client := updater.NewClient(updater.ClientConfig{Secrets: secrets, Dial: func(context.Context, string, string) (net.Conn, error) {
		n++
		if n > 50 {
			t.Fatal("it asks for ever")
		}
		return said{bytes.NewReader(answers[min(n, len(answers))-1])}, nil
	}})
	return spec.New(updater.Settings{Values: values, Server: "http://service.test", Client: client})
}

// wants is what an update is to publish.
func wants(spec *updater.Spec) updater.Request {
	host := "home.example.com"
	if spec.Name == "freedns.io" {
		host = "home.freedns.io"
	}
	r := updater.Request{Hosts: []string{host}, V4: netip.MustParseAddr("84.0.0.2")}
	if !spec.IPv4Only && !spec.Limits.OneFamily {
		r.V6 = netip.MustParseAddr("2a00:1:2:3::1")
	}
	return r
}

// all does what a provider can do, and returns everything that may be shown of
// it, and the results of the update.
func all(ctx context.Context, p updater.Provider, req updater.Request) (shown []string, results []updater.Result) {
	show := func(err error, texts ...any) {
		if fault, ok := errors.AsType[*updater.Fault](err); ok {
			texts = append(texts, fault.Detail, fault.Next)
		} else if err != nil {
			texts = append(texts, err)
		}
		for _, t := range texts {
			shown = append(shown, fmt.Sprint(t))
		}
	}
	results, err := p.Update(ctx, req)
	show(err)
	for _, r := range results {
		show(nil, strconv.Quote(r.Answer))
		if r.Fault != nil {
			show(r.Fault)
		}
	}
	host := req.Hosts[0]
	if p, ok := p.(updater.Reader); ok {
		list, err := p.Published(ctx, req.Hosts)
		show(err, list)
	}
	for _, recordType := range []string{"A", "TXT"} {
		r := updater.Record{Name: host, Type: recordType, Value: "84.0.0.2", Preference: -1}
		if p, ok := p.(updater.RecordSetter); ok {
			answer, err := p.SetRecord(ctx, r)
			show(err, strconv.Quote(answer))
		}
		if p, ok := p.(updater.RecordDeleter); ok {
			answer, err := p.DeleteRecord(ctx, r)
			show(err, strconv.Quote(answer))
		}
	}
	if p, ok := p.(updater.HostBook); ok {
		list, err := p.Hosts(ctx)
		show(err, list)
		show(p.Attach(ctx, host))
		show(p.Detach(ctx, host))
	}
	if p, ok := p.(updater.Clients); ok {
		show(p.CreateClient(ctx))
		info, err := p.ShowClient(ctx)
		show(err, info)
		show(p.DeleteClient(ctx))
	}
	if p, ok := p.(updater.Presence); ok {
		answer, err := p.Offline(ctx, req.Hosts)
		show(err, strconv.Quote(answer))
		answer, err = p.Online(ctx, req)
		show(err, strconv.Quote(answer))
	}
	keys, _ := p.(updater.Keys)
	if p, ok := p.(updater.KeyHolder); ok {
		keys = p.SignIn(user, secret)
	}
	if keys != nil {
		list, err := keys.Keys(ctx)
		key, errCreate := keys.CreateKey(ctx, host, "A")
		for _, k := range append(list, key) {
			k.Secret = ""
			show(nil, k)
		}
		show(err)
		show(errCreate)
		show(keys.DeleteKey(ctx, "ddns_1"))
	}
	if p, ok := p.(updater.KeySwitch); ok {
		k, err := p.EnableKey(ctx, "ddns_1", true)
		k.Secret = ""
		show(err, k)
		log, err := p.KeyLog(ctx, "ddns_1")
		show(err, log)
	}
	if p, ok := p.(updater.Pinger); ok {
		answer, err := p.Ping(ctx)
		show(err, strconv.Quote(answer))
	}
	if p, ok := p.(updater.AddressProber); ok {
		_, err := p.MyIP(ctx)
		show(err)
	}
	return shown, results
}

// leaked returns the part of the secret that is in a text.
func leaked(text string) string {
	for _, form := range forms(secret) {
		part := form[:4]
		if i := strings.Index(base64.StdEncoding.EncodeToString([]byte(user+":")), part); i == 0 {
			part = form[:12]
		}
		if strings.Contains(text, part) {
			return part
		}
	}
	return ""
}

// A server that repeats a secret, whole or not, in any place and form.
func TestNoAnswerShowsAPartOfASecret(t *testing.T) {
	for _, spec := range providers.All() {
		for _, status := range []string{"200 OK", "400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "500 Oops"} {
			for _, body := range []string{
				"%s", strings.Repeat("x", 79) + "%s", "good %s", "nochg %s", "w30m%s", "<p>%s", "<b>x</b> %s\r\n%s", "<html><title>%s",
				`{"message":"%s"}`, `{"detail":"` + strings.Repeat("x", 110) + `%s"}`, `{"result":400,"message":"%s"}`, `{"status":400,"code":"%s","errors":[{"pointer":"%s","detail":"%s"}]}`,
				`{"hosts":[{"hostname":"%s","ipAddress":"%s"}],"offline":"%s"}`, `{"data":[{"id":"dom_1","name":"example.com"}],"hasMore":"%s"}`,
				`{"result":200,"data":{"%s":{"userid":"%s","key":"x"}}}`, `{"result":200,"userid":"%s","apikey":"x","ip":"%s"}`, `{"logs":[{"createdAt":"%s","oldIp":"%s","userAgent":"%s"}]}`,
			} {
				for _, form := range forms(secret) {
					said := strings.ReplaceAll(body, "%s", form)
					for _, cut := range []int{0, 1, len(form) / 2} { // where the server breaks off
						answer := fmt.Appendf(nil, "HTTP/1.1 %s\r\nX: %s\r\n\r\n%s", status, url.QueryEscape(form), said[:max(0, len(said)-cut)])
						shown, _ := all(t.Context(), spoken(t, spec, values(spec.Name), forms(secret), answer), wants(spec))
						for _, text := range shown {
							if part := leaked(text); part != "" {
								t.Fatalf("%s, %s: %q, less %d, shows %q: %s", spec.Name, status, said, cut, part, text)
							}
						}
					}
				}
			}
		}
	}
}

// Whatever a secret is, an answer means the same, and what is shown of it is
// whole but for the secret.
func TestASecretChangesNoMeaning(t *testing.T) {
	for _, spec := range providers.All() {
		for _, body := range []string{
			"good 84.0.0.2", "nochg 84.0.0.2", "good", "badauth", "abuse", "nohost", "911", "w30m",
			"Wrong username or password", "You can send up to 60 requests per hour.", "no such host", "the account is blocked", "Premium only",
			`{"result":200}`, `{"result":400,"message":"no"}`, `{"message":"too many"}`,
			`{"hosts":[{"hostname":"h1.example.org","ipAddress":"84.0.0.2"}],"offline":"false"}`,
			`{"data":[{"id":"dom_1","name":"example.com"}],"available":true,"configs":[{"id":"ddns_1","hostname":"home.example.com","recordType":"A","token":"0123456789abcdef","lastIp":"84.0.0.2","lastUpdatedAt":"2026-11-22T10:00:00Z"}],` +
				`"logs":[{"createdAt":"2026-11-22T10:00:00Z","oldIp":"84.0.0.1","newIp":"84.0.0.2","sourceIp":"84.0.0.2"}]}`,
			`{"result":200,"data":{"h1.example.org":{"userid":"12345","key":"k"}},"userid":"12345","apikey":"k","ip":"84.0.0.2"}`,
		} {
			for _, status := range []string{"200 OK", "401 Unauthorized", "403 Forbidden", "404 Not Found", "503 Oops"} {
				answer := fmt.Appendf(nil, "HTTP/1.1 %s\r\n\r\n%s", status, body)
				do := func(secret string) (whole string, kinds []updater.Kind) {
					v := values(spec.Name)
					for _, f := range spec.Fields {
						if f.Secret && v[f.Name] != "" {
							v[f.Name] = secret
						}
					}
					shown, results := all(t.Context(), spoken(t, spec, v, []string{secret}, answer), wants(spec))
					for _, r := range results {
						if r.Fault != nil {
							kinds = append(kinds, r.Fault.Kind)
						}
					}
					return unquoted(strings.Join(shown, "\n")), kinds
				}
				whole, kinds := do("a neutral one")
				for _, secret := range []string{"password", "a", "p", "1", ".", "good", "nochg", "12345", "example", "h1.example.org"} {
					got, gotKinds := do(secret)
					if got != whole || !slices.Equal(gotKinds, kinds) {
						t.Errorf("%s, %s %s, with the secret %q: %v\n%s\nwant %v\n%s", spec.Name, status, body, secret, gotKinds, got, kinds, whole)
					}
				}
			}
		}
	}
}

// unquoted leaves the words of a server out of what is shown.
func unquoted(s string) string {
	return regexp.MustCompile(`"(\\.|[^"\\])*"`).ReplaceAllString(s, "…")
}

// Any answers, through all that a provider can do: it ends, no secret of which
// the server sends the whole, or breaks off amid it, is shown, and nothing is
// confirmed that was not sent.
func FuzzExchange(f *testing.F) {
	for i := range providers.All() {
		for _, seed := range []string{
			"HTTP/1.1 200 OK\r\n\r\ngood 84.0.0.2\r\nnochg \x01", "HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nbadauth \x01", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
			"HTTP/1.1 301 Moved\r\nLocation: http://\x02/\r\n\r\n", "HTTP/1.1 307 Again\r\nLocation: /\x02\r\n\r\n\x00HTTP/1.1 403 No\r\n\r\n<html><title>\x04</title>",
			"HTTP/1.1 200 OK\r\n\r\n{\"hosts\":[{\"hostname\":\"home.example.com\",\"ipAddress\":\"84.0.0.2\"}],\"offline\":false}",
			"HTTP/1.1 200 OK\r\n\r\n{\"data\":[{\"id\":\"dom_1\",\"name\":\"example.com\"}],\"available\":true,\"configs\":[{\"id\":\"ddns_1\",\"hostname\":\"home.example.com\",\"recordType\":\"A\",\"token\":\"tok\",\"lastIp\":\"84.0.0.2\"}]}\x00HTTP/1.1 200 OK\r\n\r\ngood 84.0.0.2",
			"HTTP/1.1 200 OK\r\n\r\n{\"result\":200,\"data\":{\"home.example.com\":{\"userid\":\"1\",\"key\":\"k\"}},\"ip\":\"84.0.0.2\",\"message\":\"\x05\"}",
			"HTTP/1.1 409 No\r\n\r\n{\"status\":409,\"detail\":\"\x01\",\"code\":\"\x01\",\"errors\":[{\"pointer\":\"\x01\"}]}", "HTTP/1.1 429 Slow\r\nRetry-After: 5\r\n\r\n\x03",
		} {
			f.Add(byte(i), uint8(i), []byte(seed))
		}
	}
	specs := providers.All()
	f.Fuzz(func(t *testing.T, which, cut uint8, text []byte) {
		if leaked(string(text)) != "" {
			return // not the secret but its beginning, by itself
		}
		spec := specs[int(which)%len(specs)]
		for i, form := range forms(secret) {
			text = bytes.ReplaceAll(text, []byte{byte(i + 1)}, []byte(form))
		}
		text = text[:max(0, len(text)-int(cut))]
		req := wants(spec)
		began := time.Now()
		shown, results := all(t.Context(), spoken(t, spec, values(spec.Name), forms(secret), bytes.Split(text, []byte{0})...), req)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
		for _, s := range shown {
			if part := leaked(s); part != "" {
				t.Errorf("%s shows %q: %s", spec.Name, part, s)
			}
		}
		for _, r := range results {
			if r.V4.IsValid() && r.V4 != req.V4 || r.V6.IsValid() && r.V6 != req.V6 || r.Host != req.Hosts[0] {
				t.Errorf("%s confirms %+v for %+v", spec.Name, r, req)
			}
		}
	})
}
