package updater_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wandns/updater"
	"wandns/updater/http1"
)

func get(t *testing.T, c updater.ClientConfig, url string) (updater.Answer, *updater.Fault) {
	t.Helper()
	return getBy(t, c, url, updater.Way{})
}

func getBy(t *testing.T, c updater.ClientConfig, url string, w updater.Way) (updater.Answer, *updater.Fault) {
	t.Helper()
	req, err := http1.NewRequest(http1.MethodGet, url+"?token="+canary, "")
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("user", canary)
	answer, err := updater.NewClient(c).Do(updater.By(t.Context(), w), req)
	if err == nil {
		return answer, nil
	}
	var fault *updater.Fault
	if !errors.As(err, &fault) {
		t.Fatalf("%T is no *Fault: %v", err, err)
	}
	if strings.Contains(fault.Error(), canary) || strings.Contains(fault.Error(), "token") {
		t.Errorf("the error shows the query: %v", fault)
	}
	return answer, fault
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestRedirects(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer secure.Close()
	var target string
	reached := false
	other := server(t, func(http.ResponseWriter, *http.Request) { reached = true })
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/end" {
			http.Redirect(w, r, target, http.StatusFound)
		} else if _, password, _ := r.BasicAuth(); password != canary {
			t.Error("the credentials were lost on the way")
		}
	})
	cases := []struct {
		name, to string
		kind     updater.Kind
		why      string
	}{
		{"same server", "/end", 0, ""},
		{"other port", other.URL, updater.Transient, "127.0.0.1"},
		{"other host", "http://portal.invalid/login?" + canary, updater.Transient, "portal.invalid"},
		{"circle", "/", updater.Transient, "circle"},
	}
	for _, c := range cases {
		target = c.to
		_, fault := get(t, updater.ClientConfig{}, s.URL)
		if c.kind == 0 && fault != nil || c.kind != 0 && (fault == nil || fault.Kind != c.kind || !strings.Contains(fault.Detail, c.why)) {
			t.Errorf("%s: %v", c.name, fault)
		}
	}
	if reached {
		t.Error("the other server was asked")
	}
}

func TestRedirectToPlainTextIsRefused(t *testing.T) {
	plain := server(t, func(http.ResponseWriter, *http.Request) { t.Error("the request left unencrypted") })
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL, http.StatusMovedPermanently)
	}))
	defer s.Close()
	_, fault := get(t, updater.ClientConfig{CAFile: authority(t, s)}, s.URL)
	if fault == nil || fault.Kind != updater.Transient || !strings.Contains(fault.Detail, "unencrypted") {
		t.Errorf("fault = %v", fault)
	}
}

func TestHideLeavesTheClientAlone(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a new secret+word, "+canary) })
	client := updater.NewClient(updater.ClientConfig{Secrets: []string{canary}})
	for range 2 {
		req, err := http1.NewRequest(http1.MethodGet, s.URL, "")
		if err != nil {
			t.Fatal(err)
		}
		a, err := client.Do(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Excerpt(a.Body); got != "a new secret+word, ***" {
			t.Errorf("excerpt: %s", got)
		}
		if got := a.Hide("secret", "", "secret word").Excerpt(a.Body + " secret"); got != "a new ***, *** ***" {
			t.Errorf("with more secrets: %s", got)
		}
	}
}

func authority(t *testing.T, s *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestCertificates(t *testing.T) {
	asked := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ca := authority(t, s)

	if _, fault := get(t, updater.ClientConfig{CAFile: ca}, s.URL); fault != nil || asked != 1 {
		t.Errorf("with its authority: %v, asked %d times", fault, asked)
	}
	if _, fault := get(t, updater.ClientConfig{}, s.URL); fault == nil || fault.Kind != updater.Unreachable || !strings.Contains(fault.Detail, "could not prove who it is") {
		t.Errorf("unknown authority: %v", fault)
	}
	wrong := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	if _, fault := get(t, updater.ClientConfig{CAFile: ca}, wrong); fault == nil || fault.Kind != updater.Unreachable {
		t.Errorf("wrong name: %v", fault)
	}
	if _, fault := get(t, updater.ClientConfig{CAFile: filepath.Join(t.TempDir(), "none")}, s.URL); fault == nil || !strings.Contains(fault.Next, "ca_file") {
		t.Errorf("ca_file that is not there: %v", fault)
	}
	s.TLS.MaxVersion = tls.VersionTLS11
	if _, fault := get(t, updater.ClientConfig{CAFile: ca}, s.URL); fault == nil {
		t.Error("TLS 1.1 was accepted")
	}
	if asked != 1 {
		t.Errorf("%d requests reached the server, want 1", asked)
	}
}

func TestAnswersThatAreTooMuch(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("compression was offered: %s", r.Header.Get("Accept-Encoding"))
		}
		switch r.URL.Path {
		case "/exact":
			io.WriteString(w, strings.Repeat("x", 64<<10))
		case "/more":
			io.WriteString(w, strings.Repeat("x", 64<<10+1))
		case "/endless":
			for { // until the client leaves
				if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
					return
				}
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(make([]byte, 10<<20))
			z.Close()
		case "/header":
			w.Header().Set("X-Long", strings.Repeat("x", 1<<18))
		case "/short":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "good")
		}
	})
	for path, want := range map[string]updater.Kind{"/exact": 0, "/more": updater.Unconfirmed, "/endless": updater.Unconfirmed, "/bomb": 0, "/header": updater.Unconfirmed, "/short": updater.Unconfirmed} {
		answer, fault := get(t, updater.ClientConfig{}, s.URL+path)
		if want == 0 && fault != nil || want != 0 && (fault == nil || fault.Kind != want) {
			t.Errorf("%s: %v, want kind %v", path, fault, want)
		}
		if len(answer.Body) > 64<<10 {
			t.Errorf("%s: %d bytes were kept", path, len(answer.Body))
		}
	}
}

func TestWhetherTheRequestLeft(t *testing.T) {
	fails := func(err error) updater.ClientConfig {
		return updater.ClientConfig{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
	}
	cases := []struct {
		name   string
		config updater.ClientConfig
		want   string
	}{
		{"refused", fails(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), "could not be reached"},
		{"no such name", fails(&net.DNSError{Name: "dynupdate.test", Err: "no such host", IsNotFound: true}), "not found in the DNS"},
	}
	for _, c := range cases {
		if _, fault := get(t, c.config, "http://dynupdate.test/"); fault == nil || fault.Kind != updater.Unreachable || !strings.Contains(fault.Detail, c.want) {
			t.Errorf("%s: %v", c.name, fault)
		}
	}
	s := server(t, func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
	})
	if _, fault := get(t, updater.ClientConfig{}, s.URL); fault == nil || fault.Kind != updater.Unconfirmed || !strings.Contains(fault.Detail, "may have landed") {
		t.Errorf("cut: %v", fault)
	}
}

func TestLoopbackIsReachedWhateverTheDevice(t *testing.T) {
	s := server(t, func(http.ResponseWriter, *http.Request) {})
	if _, fault := getBy(t, updater.ClientConfig{}, s.URL, updater.Way{Device: "no-such-device"}); fault != nil {
		t.Error(fault)
	}
}

func TestDeviceThatIsNotThere(t *testing.T) {
	_, fault := getBy(t, updater.ClientConfig{}, "http://198.51.100.1/", updater.Way{Device: "no-such-device"})
	if fault == nil || fault.Kind != updater.Unreachable || !strings.Contains(fault.Detail, "no-such-device") {
		t.Errorf("fault = %v", fault)
	}
}

func TestRetryAfter(t *testing.T) {
	value := ""
	s := server(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", value) })
	for v, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "99999999": 24 * time.Hour, "99999999999999999999": 24 * time.Hour,
		"-5": 0, "soon": 0, "Mon, 02 Jan 2006 15:04:05 GMT": 0, "Fri, 31 Dec 2100 23:59:59 GMT": 24 * time.Hour,
	} {
		value = v
		if a, fault := get(t, updater.ClientConfig{}, s.URL); fault != nil || a.RetryAfter != want {
			t.Errorf("Retry-After %q: %v, %v; want %v", v, a.RetryAfter, fault, want)
		}
	}
}

// What is to be waited for is by the server's clock, whatever this one says.
func TestRetryAfterADateByAnotherClock(t *testing.T) {
	date := time.Now().AddDate(9, 0, 0)
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
		if r.URL.Path == "/reset" {
			w.Header().Set("X-RateLimit-Reset", date.Truncate(time.Second).Add(time.Hour).Format(time.RFC3339))
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Retry-After", date.Add(time.Hour).UTC().Format(http.TimeFormat))
	})
	for _, path := range []string{"/", "/reset"} {
		if a, fault := get(t, updater.ClientConfig{}, s.URL+path); fault != nil || a.RetryAfter != time.Hour {
			t.Errorf("%s: %s, %v", path, a.RetryAfter, fault)
		}
	}
}
