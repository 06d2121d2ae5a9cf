package updater_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"wandns/updater"
	"wandns/updater/http1"
)

// answering is a network on which everybody who is asked says one thing. It
// keeps the requests and where they went.
type answering struct {
	says  string
	asked []*http.Request
	sent  []string // the bodies
	at    []string
}

func (a *answering) dial(_ context.Context, _, address string) (net.Conn, error) {
	here, there := net.Pipe()
	a.at = append(a.at, address)
	go func() {
		defer there.Close()
		r, err := http.ReadRequest(bufio.NewReader(there))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(r.Body)
		a.asked, a.sent = append(a.asked, r), append(a.sent, string(body))
		_, _ = io.WriteString(there, a.says)
	}()
	return here, nil
}

func (a *answering) post(t *testing.T, url string) (updater.Answer, error) {
	t.Helper()
	req, err := http1.NewRequest(http1.MethodPost, url, "ip=84.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	return updater.NewClient(updater.ClientConfig{Dial: a.dial}).Do(t.Context(), req)
}

func TestAnswersOfManyKinds(t *testing.T) {
	const early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	cases := []struct {
		name, says, body string
		status           int
	}{
		{"with a length", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood, and more", "good", 200},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\ngood", "good", 200},
		{"in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n2\r\nod\r\n0\r\n\r\n", "good", 200},
		{"of 1996", "HTTP/1.0 200 OK\r\n\r\ngood", "good", 200},
		{"after others", early + "HTTP/1.1 200 OK\r\n\r\ngood", "good", 200},
		{"without a body", "HTTP/1.1 204 No Content\r\n\r\n", "", 204},
		{"a redirect to nowhere", "HTTP/1.1 302 Found\r\n\r\ngood", "good", 302},
	}
	for _, c := range cases {
		a := &answering{says: c.says}
		if got, err := a.post(t, "http://dynupdate.test/"); err != nil || got.Status != c.status || got.Body != c.body {
			t.Errorf("%s: %d %q, %v; want %d %q", c.name, got.Status, got.Body, err, c.status, c.body)
		}
		if len(a.asked) != 1 || !a.asked[0].Close || a.asked[0].Header.Get("Accept-Encoding") != "" {
			t.Errorf("%s: it asked %+v", c.name, a.asked)
		}
	}
}

// The body goes along, or nothing does.
func TestRedirectOfABody(t *testing.T) {
	a := &answering{says: "HTTP/1.1 307 Temporary Redirect\r\nLocation: /again\r\n\r\n"}
	if _, err := a.post(t, "http://dynupdate.test/"); err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("err = %v", err)
	}
	if len(a.sent) != 2 || a.sent[0] != a.sent[1] || a.asked[1].Method != http.MethodPost || a.asked[1].URL.Path != "/again" {
		t.Errorf("it sent %q by %+v", a.sent, a.asked)
	}
	a = &answering{says: "HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"}
	if _, err := a.post(t, "http://dynupdate.test/"); err == nil || !strings.Contains(err.Error(), "login page") || len(a.sent) != 1 {
		t.Errorf("err = %v; it sent %q", err, a.sent)
	}
}

func TestWhereARequestGoes(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.test:3128")
	for url, want := range map[string]string{
		"http://dynupdate.test":           "dynupdate.test:80",
		"http://dynupdate.test:8080/x?y":  "dynupdate.test:8080",
		"http://[2001:db8::1]/":           "[2001:db8::1]:80",
		"https://router_1.dynupdate.test": "router_1.dynupdate.test:443",
		"http://xn--Bcher-kva.test/":      "xn--bcher-kva.test:80",
	} {
		a := &answering{says: "HTTP/1.1 200 OK\r\n\r\ngood"}
		_, _ = a.post(t, url) // TLS fails
		if len(a.at) != 1 || a.at[0] != want {
			t.Errorf("%s: it went to %q, want %q", url, a.at, want)
		}
	}
}

func TestHostInAnotherAlphabetIsNotAskedFor(t *testing.T) {
	for _, url := range []string{"http://b\u00fccher.test/", "http://ban\u212a.test/"} { // the Kelvin sign has a small letter in ASCII
		a := &answering{says: "HTTP/1.1 200 OK\r\n\r\ngood"}
		if _, err := a.post(t, url); err == nil || !strings.Contains(err.Error(), "xn--") || len(a.at) != 0 {
			t.Errorf("%s: err = %v; it went to %q", url, err, a.at)
		}
	}
}

func TestHeaderWithAControlCharacterIsNotSent(t *testing.T) {
	a := &answering{says: "HTTP/1.1 200 OK\r\n\r\ngood"}
	req, err := http1.NewRequest(http1.MethodGet, "http://dynupdate.test/", "")
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+canary+"\r\nHost: other.test")
	_, err = updater.NewClient(updater.ClientConfig{Dial: a.dial}).Do(t.Context(), req)
	if fault, known := errors.AsType[*updater.Fault](err); !known || fault.Kind != updater.Unreachable || strings.Contains(err.Error(), canary) || len(a.at) != 0 {
		t.Errorf("err = %v; it went to %q", err, a.at)
	}
}
