package http1_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"wandns/updater/http1"
)

func request(t *testing.T, method, url, body string) *http1.Request {
	t.Helper()
	r, err := http1.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBytes(t *testing.T) {
	r := request(t, http1.MethodPost, "https://user:x@Router_1.Test:8443/a%2Fb?c=d%0d#e", "ip=84.0.0.2")
	r.Header.Set("user-agent", "wandns \xe4")
	r.SetBasicAuth("jane", "a:\r\nb")
	const want = "POST /a%2Fb?c=d%0d HTTP/1.1\r\nHost: router_1.test:8443\r\nConnection: close\r\nContent-Length: 11\r\n" +
		"Authorization: Basic amFuZTphOg0KYg==\r\nUser-Agent: wandns \xe4\r\n\r\nip=84.0.0.2"
	b, err := r.Bytes()
	if err != nil || string(b) != want {
		t.Errorf("%q, %v; want %q", b, err, want)
	}
	read, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(read.Body)
	if user, password, _ := read.BasicAuth(); user != "jane" || password != "a:\r\nb" || string(body) != "ip=84.0.0.2" {
		t.Errorf("net/http reads %q %q %q", user, password, body)
	}
}

func TestRequestLineAndHost(t *testing.T) {
	for url, want := range map[string]string{
		"http://a.test":                   "GET / HTTP/1.1\r\nHost: a.test\r\n",
		"http://a.test?b":                 "GET /?b HTTP/1.1\r\nHost: a.test\r\n",
		"http://a.test:/":                 "GET / HTTP/1.1\r\nHost: a.test\r\n",
		"http://A.test:80/b c":            "GET /b%20c HTTP/1.1\r\nHost: a.test:80\r\n",
		"http://[2001:DB8::1]:8080/":      "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n",
		"http://[fe80::1%25br-lan]/":      "GET / HTTP/1.1\r\nHost: [fe80::1]\r\n",
		"http://[fe80::1%25br-lan]:8080/": "GET / HTTP/1.1\r\nHost: [fe80::1]:8080\r\n",
	} {
		b, err := request(t, http1.MethodGet, url, "").Bytes()
		if err != nil || string(b) != want+"Connection: close\r\n\r\n" {
			t.Errorf("%s: %q, %v; want %q", url, b, err, want)
		}
	}
	for _, r := range []*http1.Request{request(t, http1.MethodDelete, "http://a.test", ""), request(t, http1.MethodGet, "http://a.test", "x")} {
		if b, err := r.Bytes(); err != nil || !strings.Contains(string(b), fmt.Sprintf("\r\nContent-Length: %d\r\n", len(r.Body))) {
			t.Errorf("%q, %v", b, err)
		}
	}
}

// A value must not begin another field or request.
func TestControlCharactersAreNotSent(t *testing.T) {
	for _, c := range []string{"\r\n", "\n", "\r", "\x00", "\x7f", "\x1b"} {
		for where, put := range map[string]func(*http1.Request){
			"method": func(r *http1.Request) { r.Method += c },
			"query":  func(r *http1.Request) { r.URL.RawQuery = secret + c },
			"host":   func(r *http1.Request) { r.URL.Host += c },
			"name":   func(r *http1.Request) { r.Header["X"+c] = []string{secret} },
			"value":  func(r *http1.Request) { r.Header.Set("Authorization", "Bearer "+secret+c+"X: y") },
		} {
			r := request(t, http1.MethodGet, "http://a.test/", "")
			put(r)
			if b, err := r.Bytes(); err == nil || b != nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%q in the %s: %q, %v", c, where, b, err)
			}
		}
		if _, err := http1.NewRequest(http1.MethodGet, "http://a.test/?"+secret+c, ""); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q in the address: %v", c, err)
		}
	}
}

func TestASpaceInTheAddressIsNotSent(t *testing.T) {
	for _, address := range []string{"http://a.test/?x y", "http://a.test/?x HTTP/1.1"} {
		if b, err := request(t, http1.MethodGet, address, "").Bytes(); err == nil {
			t.Errorf("%s becomes %q", address, b)
		}
	}
	if b, err := request(t, http1.MethodGet, "http://a.test/x y", "").Bytes(); err != nil || !strings.HasPrefix(string(b), "GET /x%20y HTTP/1.1\r\n") {
		t.Errorf("%q, %v", b, err)
	}
}

func TestParseTime(t *testing.T) {
	want := time.Date(1994, time.November, 6, 8, 49, 37, 0, time.UTC)
	for _, s := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
		if got, err := http1.ParseTime(s); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", s, got, err)
		}
		if other, err := http.ParseTime(s); err != nil || !other.Equal(want) {
			t.Errorf("net/http reads %s as %s, %v", s, other, err)
		}
	}
	for _, s := range []string{"", "0", "120", "Sun, 06 Nov 1994 08:49:37 +0000", "1994-11-06T08:49:37Z", "Sun, 32 Nov 1994 08:49:37 GMT"} {
		if got, err := http1.ParseTime(s); err == nil {
			t.Errorf("%q: %s", s, got)
		}
	}
}

// Names stand for what they do in net/http.
func TestNames(t *testing.T) {
	for ours, theirs := range map[any]any{
		http1.MethodGet: http.MethodGet, http1.MethodPost: http.MethodPost, http1.MethodPut: http.MethodPut,
		http1.MethodPatch: http.MethodPatch, http1.MethodDelete: http.MethodDelete,
		http1.StatusOK: http.StatusOK, http1.StatusCreated: http.StatusCreated, http1.StatusNoContent: http.StatusNoContent,
		http1.StatusMovedPermanently: http.StatusMovedPermanently, http1.StatusFound: http.StatusFound,
		http1.StatusSeeOther: http.StatusSeeOther, http1.StatusNotModified: http.StatusNotModified,
		http1.StatusTemporaryRedirect: http.StatusTemporaryRedirect, http1.StatusPermanentRedirect: http.StatusPermanentRedirect,
		http1.StatusBadRequest: http.StatusBadRequest, http1.StatusUnauthorized: http.StatusUnauthorized,
		http1.StatusForbidden: http.StatusForbidden, http1.StatusNotFound: http.StatusNotFound,
		http1.StatusRequestTimeout: http.StatusRequestTimeout, http1.StatusConflict: http.StatusConflict,
		http1.StatusGone: http.StatusGone, http1.StatusTooEarly: http.StatusTooEarly, http1.StatusTooManyRequests: http.StatusTooManyRequests,
	} {
		if ours != theirs {
			t.Errorf("%v, want %v", ours, theirs)
		}
	}
}
