package updater_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"wandns/updater"
)

// secured is a server with a certificate of its own, which is valid until then.
func secured(t *testing.T, end time.Time, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: end.AddDate(-1, 0, 0), NotAfter: end,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// The authority is trusted; what is wrong is the certificate's time.
func TestCertificateThatIsOver(t *testing.T) {
	s := secured(t, time.Now().Add(-time.Hour), func(http.ResponseWriter, *http.Request) { t.Error("the request was sent") })
	_, fault := get(t, updater.ClientConfig{CAFile: authority(t, s)}, s.URL)
	if fault == nil || fault.Kind != updater.Clock || !strings.Contains(fault.Detail, "is not valid on") || !strings.Contains(fault.Detail, "nothing was sent") {
		t.Errorf("fault = %v", fault)
	}
}

func TestWhoIsTrusted(t *testing.T) {
	serve := func() *httptest.Server {
		return secured(t, time.Now().Add(time.Hour), func(http.ResponseWriter, *http.Request) {})
	}
	known, mine, stranger := serve(), serve(), serve()
	empty, none := filepath.Join(t.TempDir(), "empty"), filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const nobody, unproven, wrong = "no certificate authority is installed", "could not prove who it is", "ca_file"
	for _, c := range []struct {
		name, system, folder, file string
		to                         *httptest.Server
		want                       string // in the fault, if any
	}{
		{"the system's", authority(t, known), "", "", known, ""},
		{"the system's, with a file", authority(t, known), "", authority(t, mine), known, ""},
		{"the file's", authority(t, known), "", authority(t, mine), mine, ""},
		{"the file's alone", none, none, authority(t, mine), mine, ""},
		{"not in the bundle", authority(t, known), "", "", stranger, unproven},
		{"in a folder", none, filepath.Dir(authority(t, known)), "", known, ""},
		{"in a folder besides the bundle", authority(t, known), filepath.Dir(authority(t, mine)), "", mine, ""},
		{"no bundle", none, none, "", known, nobody},
		{"an empty bundle", empty, none, "", known, nobody},
		{"an empty file", authority(t, known), "", empty, known, wrong},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("SSL_CERT_FILE", c.system)
			t.Setenv("SSL_CERT_DIR", c.folder)
			runtime.GC() // nobody uses those of the last case
			_, fault := get(t, updater.ClientConfig{CAFile: c.file}, c.to.URL)
			switch {
			case c.want == "" && fault != nil:
				t.Error(fault)
			case c.want != "" && (fault == nil || !strings.Contains(fault.Error(), c.want)):
				t.Errorf("fault = %v, want %q", fault, c.want)
			case c.want == nobody && !strings.Contains(fault.Next, "ca-bundle"):
				t.Errorf("it does not say what to do: %v", fault)
			}
		})
	}
}

// Most requests go to where the last one went: they need neither all
// authorities nor a whole handshake.
func TestServerThatIsKnown(t *testing.T) {
	var resumed []bool
	serve := func() *httptest.Server {
		return secured(t, time.Now().Add(time.Hour), func(_ http.ResponseWriter, r *http.Request) { resumed = append(resumed, r.TLS.DidResume) })
	}
	a, b := serve(), serve()
	read := func(name string) []byte {
		pem, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return pem
	}
	all, bundle := read("/etc/ssl/certs/ca-certificates.crt"), filepath.Join(t.TempDir(), "bundle")
	trust := func(servers ...*httptest.Server) {
		text := all
		for _, s := range servers {
			text = append(text, read(authority(t, s))...)
		}
		if err := os.WriteFile(bundle+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(bundle+".new", bundle); err != nil {
			t.Fatal(err)
		}
	}
	trust(a, b)
	t.Setenv("SSL_CERT_FILE", bundle)
	t.Setenv("SSL_CERT_DIR", "")
	took := func(s *httptest.Server, want string) uint64 {
		t.Helper()
		runtime.GC() // nobody uses the authorities any more
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, fault := get(t, updater.ClientConfig{}, s.URL)
		runtime.ReadMemStats(&after)
		if (fault == nil) != (want == "") || fault != nil && !strings.Contains(fault.Error(), want) {
			t.Fatalf("fault = %v, want %q", fault, want)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	first := took(a, "")
	if again := took(a, ""); again > first/2 {
		t.Errorf("the second request took %d KiB, the first %d", again>>10, first>>10)
	}
	took(b, "") // of an authority that was not needed before
	if want := []bool{false, true, false}; !slices.Equal(resumed, want) {
		t.Errorf("resumed = %v, want %v", resumed, want)
	}
	trust(b)
	took(a, "could not prove who it is")
	took(b, "")
	if len(resumed) != 4 {
		t.Errorf("%d requests, want 4", len(resumed))
	}
}
