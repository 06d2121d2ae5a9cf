package updater_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wandns/updater"
)

// moved is a network on which http says that the service has moved to https,
// where secure is what there is.
func moved(asked *atomic.Int32, secure func() (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, _, address string) (net.Conn, error) {
		if strings.HasSuffix(address, ":443") {
			return secure()
		}
		asked.Add(1)
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			_, _ = there.Read(make([]byte, 4<<10))
			_, _ = io.WriteString(there, "HTTP/1.1 301 Moved Permanently\r\nLocation: https://dynupdate.test/\r\n\r\n")
		}()
		return here, nil
	}
}

func refuses(err error) func() (net.Conn, error) {
	return func() (net.Conn, error) { return nil, err }
}

// strangers are what may be wrong with the server to which a request is
// redirected before anything is sent there.
func strangers(t *testing.T) map[string]func() (net.Conn, error) {
	t.Helper()
	stranger := secured(t, time.Now().Add(time.Hour), nil)
	return map[string]func() (net.Conn, error){
		"another's certificate": func() (net.Conn, error) { return net.Dial("tcp", stranger.Listener.Addr().String()) },
		"nobody":                refuses(&net.OpError{Op: "dial", Err: errors.New("connection refused")}),
		"not in the DNS":        refuses(&net.DNSError{Name: "dynupdate.test", Err: "no such host", IsNotFound: true}),
		"the DNS is silent":     refuses(&net.DNSError{Name: "dynupdate.test", Err: "i/o timeout", IsTimeout: true}),
		"of the other family":   refuses(&net.AddrError{Err: "no suitable address found", Addr: "dynupdate.test"}),
		"no TLS": func() (net.Conn, error) {
			here, there := net.Pipe()
			go func() {
				_, _ = there.Read(make([]byte, 4<<10))
				_, _ = io.WriteString(there, "HTTP/1.1 400 Bad Request\r\n\r\n")
				there.Close()
			}()
			return here, nil
		},
	}
}

// A request that left has left, whatever is wrong with the server to which it
// is redirected.
func TestARedirectDoesNotUndoWhatLeft(t *testing.T) {
	for name, secure := range strangers(t) {
		var asked atomic.Int32
		_, fault := getBy(t, updater.ClientConfig{Dial: moved(&asked, secure)}, "http://dynupdate.test/", updater.Way{Only: updater.OnlyIPv4})
		if fault == nil || fault.Kind != updater.Transient || asked.Load() != 1 || !strings.HasPrefix(fault.Detail, "the request was sent to dynupdate.test, which redirected it; then ") || strings.Contains(fault.Detail, "nothing") {
			t.Errorf("%s: asked %d times, %v", name, asked.Load(), fault)
		}
	}
	var asked atomic.Int32
	_, fault := get(t, updater.ClientConfig{Dial: moved(&asked, refuses(errors.New("asked"))), CAFile: "/nowhere/ca.pem"}, "http://dynupdate.test/")
	if fault == nil || fault.Kind != updater.Transient || !strings.Contains(fault.Detail, "which redirected it; then ca_file") {
		t.Errorf("a ca_file that is not there: %v", fault)
	}
	over := secured(t, time.Now().Add(-time.Hour), nil)
	_, fault = get(t, updater.ClientConfig{Dial: moved(&asked, func() (net.Conn, error) { return net.Dial("tcp", over.Listener.Addr().String()) }), CAFile: authority(t, over)}, "http://dynupdate.test/")
	if fault == nil || fault.Kind != updater.Transient || !strings.Contains(fault.Detail, "redirected it; then the certificate of dynupdate.test is not valid on") || strings.Contains(fault.Detail, "nothing") {
		t.Errorf("a certificate that is over: %v", fault)
	}
	// The second request left too.
	_, fault = get(t, updater.ClientConfig{Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			b := make([]byte, 4<<10)
			if n, _ := there.Read(b); bytes.Contains(b[:n], []byte("GET /again")) {
				return
			}
			_, _ = io.WriteString(there, "HTTP/1.1 307 Temporary Redirect\r\nLocation: /again\r\n\r\n")
		}()
		return here, nil
	}}, "http://dynupdate.test/")
	if fault == nil || fault.Kind != updater.Unconfirmed {
		t.Errorf("an answer that did not come after a redirect: %v", fault)
	}
}

// It counts for the quotas, and is not repeated in a hurry.
func TestARedirectedRequestCounts(t *testing.T) {
	for name, secure := range strangers(t) {
		if name == "another's certificate" {
			continue // by a kernel's clock
		}
		bubble(t, func(t *testing.T) {
			var asked atomic.Int32
			h := newHouse(t, "home.example.com")
			h.boot(h.accountBy(moved(&asked, secure), "home.example.com"))
			h.see("84.0.0.2")
			time.Sleep(20 * time.Second)
			st := h.service()
			if st.State != updater.Waiting || st.Sent != 1 || st.SentToday != 1 || asked.Load() != 1 {
				t.Errorf("%s: asked %d times, status %+v", name, asked.Load(), st)
			}
			time.Sleep(10 * time.Minute)
			if st := h.service(); asked.Load() > 4 || st.Sent != int(asked.Load()) {
				t.Errorf("%s: asked %d times in ten minutes, status %+v", name, asked.Load(), st)
			}
			h.off()
		})
	}
}

func TestARedirectShowsNoSecret(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+strings.Repeat("x", 110)+canary+".test/", http.StatusFound)
	})
	_, fault := get(t, updater.ClientConfig{Secrets: []string{canary}}, s.URL)
	if fault == nil || strings.Contains(fault.Detail, canary[:4]) || !strings.Contains(fault.Detail, "***") || len(fault.Detail) > 300 {
		t.Errorf("fault = %v", fault)
	}
}
