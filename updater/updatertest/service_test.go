package updatertest_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wandns/updater/updatertest"
)

const canary = "canary-7f3a+"

// everyService is every simulator, ready for a request that points host at
// 84.0.0.9, or at the source.
func everyService(t *testing.T) []example {
	t.Helper()
	basic := "\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+canary))
	hostway := updatertest.NewHostway("user", canary, "home.example.com")
	send(t, hostway, "PUT /ddns/clients/k"+basic+asJSON+`{"offline":false}`, "")
	send(t, hostway, "PUT /ddns/clients/k/hosts/home.example.com"+basic, "")
	hostup := updatertest.NewHostUp(canary, "example.com")
	bearer := "\nAuthorization: Bearer " + canary
	path := "/api/v2/domains/dom_01hxa3b4c5d6e7f8g9h0j10001/dyndns"
	created := send(t, hostup, "POST "+path+bearer+asJSON+`{"hostname":"home.example.com","recordType":"A"}`, "").Body.String()
	_, token, _ := strings.Cut(created, `"token":"`)
	token = token[:64]
	sonic := updatertest.NewSonic("user", canary, "example.com")
	key := sonic.Key("example.com")
	form := "\nContent-Type: application/x-www-form-urlencoded\n\n"
	return []example{
		{
			updatertest.NewNoIP("user", canary, "home.example.com"), "home.example.com", nil,
			"GET /nic/update?hostname=home.example.com&myip=84.0.0.9\nUser-Agent: wandns Router-x/1 packager@wandns.invalid" + basic,
		},
		{
			updatertest.NewFreeDNS("user", canary, "home"), "home.freedns.io", nil,
			"POST /request" + form + "username=user&password=canary-7f3a%2B&host=home&record=A&value=84.0.0.9",
		},
		{hostway, "home.example.com", nil, "POST /ddns/clients/k/action" + basic + asJSON + `{"updateIP":"default"}`},
		{hostup, "home.example.com", []string{token}, "GET /api/dyndns/update?hostname=home.example.com&ip=84.0.0.9&token=" + token},
		{sonic, "home.example.com", []string{key}, "PUT /dyndns/host" + form + "userid=12345&apikey=" + key + "&hostname=home.example.com&value=84.0.0.9"},
	}
}

type example struct {
	updatertest.Service
	host    string
	secrets []string
	raw     string
}

// line is an in-memory connection that a server accepts once.
type line struct {
	net.Conn
	taken chan struct{}
}

func (l *line) Accept() (net.Conn, error) {
	select {
	case l.taken <- struct{}{}:
		return l.Conn, nil
	default:
		return nil, net.ErrClosed
	}
}
func (l *line) Addr() net.Addr { return l.LocalAddr() }
func (l *line) Close() error   { return nil }

// exchange sends a request through a server in memory and waits half a minute.
func exchange(t *testing.T, h http.Handler, raw string) (status int, body string, err error) {
	t.Helper()
	client, server := net.Pipe()
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(&line{server, make(chan struct{}, 1)}) }()
	defer s.Close()
	defer client.Close()
	head, data, _ := strings.Cut(raw, "\n\n")
	first, headers, _ := strings.Cut(head, "\n")
	wire := fmt.Sprintf("%s HTTP/1.1\nHost: api.test\nConnection: close\n%s\nContent-Length: %d\n\n", first, headers, len(data))
	go func() { _, _ = io.WriteString(client, strings.ReplaceAll(wire, "\n", "\r\n")+data) }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// TestEveryServiceFails plays every fault of every simulator, in a bubble:
// none leaves a goroutine behind or a secret in the ledger.
func TestEveryServiceFails(t *testing.T) {
	const lost = 0
	cases := []struct {
		fault   updatertest.Fault
		status  int // 0: no answer; 2: success
		want    string
		changes bool
	}{
		{updatertest.Normal, 2, "", true},
		{updatertest.Cut, lost, "", false},
		{updatertest.CutAfter, lost, "", true},
		{updatertest.Slow, lost, "", false},
		{updatertest.Huge, 200, strings.Repeat("good ", 1<<18), false},
		{updatertest.HTML, 200, "<!DOCTYPE html>", false},
		{updatertest.Empty, 200, "", false},
		{updatertest.Error500, 500, "", false},
		{updatertest.Error401, 401, "", false},
		{updatertest.Error429, 429, "", false},
		{updatertest.Redirect, 302, "", false},
		{updatertest.Echo, 400, "bad request", false},
		{updatertest.Status(502, "bad gateway"), 502, "bad gateway", false},
		{"some words", 200, "some words", false},
	}
	for n := range everyService(t) {
		for _, c := range cases {
			synctest.Test(t, func(t *testing.T) {
				s := everyService(t)[n]
				before := len(s.Ledger())
				entries := 0
				s.OnEntry(func(updatertest.Entry) { entries++ })
				changed := s.Changed()
				s.Next(c.fault)
				status, body, err := exchange(t, s, s.raw)
				name := s.Provider() + ", " + string(c.fault)
				switch {
				case c.status == lost:
					if err == nil {
						t.Errorf("%s: answered %d %q", name, status, body)
					}
				case err != nil:
					t.Errorf("%s: %v", name, err)
				case status != c.status && (c.status != 2 || status/100 != 2), !strings.Contains(body, c.want):
					t.Errorf("%s: %d %.200q", name, status, body)
				}
				select {
				case <-changed:
				default:
					t.Errorf("%s: the ledger's change was not told", name)
				}
				if r, _ := s.Lookup(s.host); r.V4.IsValid() != c.changes {
					t.Errorf("%s: %s is %s", name, s.host, r.V4)
				}
				l := s.Ledger()
				if len(l) != before+1 || entries != 1 {
					t.Fatalf("%s: ledger = %v after %d calls", name, l, entries)
				}
				e := l[before]
				if e.Violation != "" || len(e.Hosts) != 1 || !strings.HasPrefix(s.host, e.Hosts[0]) {
					t.Errorf("%s: %v", name, e)
				}
				for _, secret := range append(s.secrets, canary, base64.StdEncoding.EncodeToString([]byte("user:"+canary))) {
					if strings.Contains(fmt.Sprintf("%+v %v", l, l), secret) {
						t.Errorf("%s: the ledger has %s: %v", name, secret, l)
					}
				}
			})
		}
	}
}

// TestEveryServiceIsStrict has a request for nothing that there is.
func TestEveryServiceIsStrict(t *testing.T) {
	for _, s := range everyService(t) {
		w := send(t, s, "GET /index.html", "")
		if v := s.Violations(); len(v) != 1 || w.Code/100 != 4 {
			t.Errorf("%s: %d, %v", s.Provider(), w.Code, v)
		}
		if len(s.Hosts()) == 0 || len(s.Fields()) < 2 {
			t.Errorf("%s: configuration %v, %v", s.Provider(), s.Hosts(), s.Fields())
		}
	}
}

func TestForgive(t *testing.T) {
	for _, s := range everyService(t) {
		// What each of them takes amiss, if anything: it never forgets by itself.
		switch s.Provider() {
		case "noip", "hostup":
			s.Next("abuse")
			send(t, s, s.raw, "")
		case "freedns.io":
			for range 61 {
				send(t, s, s.raw, "")
			}
		default:
			continue
		}
		before := len(s.Violations())
		send(t, s, s.raw, "")
		if len(s.Violations()) != before+1 {
			t.Errorf("%s: nothing to forgive: %v", s.Provider(), s.Violations())
		}
		s.Forgive()
		if w := send(t, s, s.raw, ""); w.Code != http.StatusOK || len(s.Violations()) != before+1 {
			t.Errorf("%s: not forgiven: %d, %v", s.Provider(), w.Code, s.Violations())
		}
	}
}

func TestWrongAddress(t *testing.T) {
	for _, s := range everyService(t) {
		s.Next(updatertest.Wrong)
		w := send(t, s, s.raw, "")
		r, _ := s.Lookup(s.host)
		said := strings.Contains(w.Body.String(), "9.9.9.9") || r.V4.String() == "9.9.9.9"
		if w.Code/100 != 2 || said != (s.Provider() != "freedns.io" && s.Provider() != "sonic") {
			t.Errorf("%s: %d %q, published %s", s.Provider(), w.Code, w.Body.String(), r.V4)
		}
	}
}
