package updatertest_test

import (
	"bufio"
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wandns/updater/updatertest"
)

// step is a request as it goes over the wire, without the protocol's version,
// Host and Content-Length, and what must come of it.
type step struct {
	raw    string
	status int
	want   string // in the body or a header
	broken string // in the violation; empty for a request that breaks no rule
	from   string
	after  time.Duration // since the one before
}

// play takes a service through the steps in a bubble: days pass in no time.
func play(t *testing.T, make func() updatertest.Service, steps ...step) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := make()
		for i, c := range steps {
			time.Sleep(c.after)
			w := send(t, s, c.raw, c.from)
			l := s.Ledger()
			if len(l) != i+1 {
				t.Fatalf("%d requests in the ledger, want %d", len(l), i+1)
			}
			e := l[i]
			got := w.Body.String() + fmt.Sprint(w.Header())
			if w.Code != c.status || !strings.Contains(got, c.want) || (e.Violation == "") != (c.broken == "") || !strings.Contains(e.Violation, c.broken) {
				t.Errorf("%d: %s\nis answered %d %s\nwith the violation %q; want %d %q and %q", i, c.raw, w.Code, got, e.Violation, c.status, c.want, c.broken)
			}
			if e.Status != w.Code || !e.At.Equal(time.Now()) || !strings.HasPrefix(c.raw, e.Method+" "+e.Path) {
				t.Errorf("%d: entry = %+v", i, e)
			}
		}
	})
}

// send makes a request from an address.
func send(t *testing.T, h http.Handler, raw, from string) *httptest.ResponseRecorder {
	t.Helper()
	head, body, _ := strings.Cut(raw, "\n\n")
	line, headers, _ := strings.Cut(head, "\n")
	if headers != "" {
		headers += "\n"
	}
	wire := fmt.Sprintf("%s HTTP/1.1\nHost: api.test\nAccept: */*\n%sContent-Length: %d\n\n", line, headers, len(body))
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(wire, "\n", "\r\n") + body)))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	r.RemoteAddr = cmp.Or(from, "84.0.0.2:40000")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// expect compares what DNS says with "A AAAA CNAME TXT MX...", a dash for
// nothing.
func expect(t *testing.T, z updatertest.Zone, host, want string) {
	t.Helper()
	r, ok := z.Lookup(host)
	words := []string{"-", "-", cmp.Or(r.CNAME, "-"), cmp.Or(r.TXT, "-")}
	if r.V4.IsValid() {
		words[0] = r.V4.String()
	}
	if r.V6.IsValid() {
		words[1] = r.V6.String()
	}
	for _, mx := range r.MX {
		words = append(words, fmt.Sprintf("%d %s", mx.Preference, mx.Host))
	}
	got := strings.Join(words, " ")
	if !ok {
		got = "unknown"
	}
	if got != want {
		t.Errorf("%s is %s, want %s", host, got, want)
	}
}
