package updater_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"wandns/updater"
)

// issuer is a certificate with its key.
type issuer struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// issue makes a certificate that is valid from one day, counted from today, to
// another. Without by it is its own; one of the same name may share a key.
func issue(t *testing.T, name string, from, to int, ca bool, by *issuer, key *ecdsa.PrivateKey) *issuer {
	t.Helper()
	var err error
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, IsCA: ca, BasicConstraintsValid: true,
		NotBefore: time.Now().AddDate(0, 0, from), NotAfter: time.Now().AddDate(0, 0, to),
	}
	if !ca {
		template.IPAddresses, template.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{name}
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{cert, key}
}

// with serves the certificates, the first of which is its own.
func with(t *testing.T, asked *int, leaf *issuer, more ...*issuer) *httptest.Server {
	t.Helper()
	c := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leaf.key}
	for _, i := range more {
		c.Certificate = append(c.Certificate, i.Raw)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { *asked++ }))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func bundleOf(t *testing.T, all ...*issuer) string {
	t.Helper()
	var text []byte
	for _, i := range all {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Raw})...)
	}
	file := filepath.Join(t.TempDir(), "bundle")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Whose certificate is over decides who is to blame: the clock only for the
// server's own.
func TestWhichCertificateOfAChainIsOver(t *testing.T) {
	root := issue(t, "Root", -900, 900, true, nil, nil)
	oldRoot := issue(t, "Old Root", -900, -10, true, nil, nil)
	newRoot := issue(t, "Old Root", -900, 900, true, nil, oldRoot.key)
	cross := issue(t, "Old Root", -900, 900, true, root, oldRoot.key)
	lateRoot := issue(t, "Late Root", 10, 900, true, nil, nil)
	middle := issue(t, "Middle", -90, 90, true, root, nil)
	oldMiddle := issue(t, "Old Middle", -90, -10, true, root, nil)
	leaf := func(from, to int, by *issuer) *issuer { return issue(t, "home.test", from, to, false, by, nil) }
	other := issue(t, "Other Root", -900, 900, true, nil, nil)

	date := oldRoot.NotAfter.Format(time.DateOnly)
	for _, c := range []struct {
		name   string
		server []*issuer
		bundle []*issuer
		ca     []*issuer
		kind   updater.Kind
		says   string
	}{
		{"all is well", []*issuer{leaf(-9, 9, middle), middle}, []*issuer{root}, nil, 0, ""},
		{"the server's own", []*issuer{leaf(-30, -9, middle), middle}, []*issuer{root}, nil, updater.Clock, "is not valid on"},
		{"the server's own, not yet", []*issuer{leaf(20000, 20090, middle), middle}, []*issuer{root}, nil, updater.Clock, "is not valid on"}, // as in 1970
		{"one that it sends along", []*issuer{leaf(-9, 9, oldMiddle), oldMiddle}, []*issuer{root}, nil, updater.Unreachable, `the certificate of "CN=Old Middle" that it sent along expired on ` + date},
		{"one that it sends along, and its own", []*issuer{leaf(-30, -9, oldMiddle), oldMiddle}, []*issuer{root}, nil, updater.Clock, "is not valid on"},
		{"an authority", []*issuer{leaf(-9, 9, oldRoot)}, []*issuer{root, oldRoot}, nil, updater.Unreachable, `the certificate authority "CN=Old Root" of this router expired on ` + date + ", so nothing was sent; update ca-bundle"},
		{"an authority that is sent along too", []*issuer{leaf(-9, 9, oldRoot), oldRoot}, []*issuer{oldRoot}, nil, updater.Unreachable, `"CN=Old Root" of this router expired on ` + date + ", so nothing was sent; update ca-bundle"},
		{"an authority of ca_file", []*issuer{leaf(-9, 9, oldRoot)}, []*issuer{root}, []*issuer{oldRoot}, updater.Unreachable, "so nothing was sent; update ca_file"},
		{"an authority beside a ca_file", []*issuer{leaf(-9, 9, oldRoot)}, []*issuer{oldRoot}, []*issuer{root}, updater.Unreachable, "so nothing was sent; update ca-bundle"},
		{"an authority, not yet", []*issuer{leaf(-9, 9, lateRoot)}, []*issuer{lateRoot}, nil, updater.Clock, "is not valid on"},
		{"an authority, and the server's own", []*issuer{leaf(-30, -20, oldRoot)}, []*issuer{oldRoot}, nil, updater.Clock, "is not valid on"},
		{"an authority that is renewed", []*issuer{leaf(-9, 9, oldRoot)}, []*issuer{oldRoot, newRoot}, nil, 0, ""},
		{"an authority that another one vouches for", []*issuer{leaf(-9, 9, oldRoot), cross}, []*issuer{oldRoot, root}, nil, 0, ""},
		{"not even of those", []*issuer{leaf(-9, 9, middle), middle}, []*issuer{other}, nil, updater.Unreachable, `its certificates lead to "CN=Root", whom this router does not trust`},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			s := with(t, &asked, c.server[0], c.server[1:]...)
			t.Setenv("SSL_CERT_FILE", bundleOf(t, c.bundle...))
			t.Setenv("SSL_CERT_DIR", "")
			config := updater.ClientConfig{}
			if c.ca != nil {
				config.CAFile = bundleOf(t, c.ca...)
			}
			_, fault := get(t, config, s.URL)
			switch {
			case c.kind == 0 && (fault != nil || asked != 1):
				t.Errorf("asked %d times, %v", asked, fault)
			case c.kind != 0 && (fault == nil || fault.Kind != c.kind || !strings.Contains(fault.Error(), c.says) || asked != 0):
				t.Errorf("asked %d times, %v %v, want %v %q", asked, fault.Kind, fault, c.kind, c.says)
			}
		})
	}
}

// What a server writes into its certificate is shown without secrets.
func TestACertificateShowsNoSecret(t *testing.T) {
	root := issue(t, "Root", -90, 90, true, nil, nil)
	stranger := issue(t, strings.Repeat("x", 40)+canary, -90, 90, true, nil, nil)
	name := strings.Repeat("x.", 50) + canary + ".test"
	leaf := issue(t, name, -9, 9, false, root, nil)
	t.Setenv("SSL_CERT_FILE", bundleOf(t, root))
	for what, chain := range map[string]*issuer{"a stranger's": issue(t, "home.test", -9, 9, false, stranger, nil), "another's": leaf} {
		asked := 0
		s := with(t, &asked, chain)
		url := s.URL
		if chain == leaf {
			url = strings.Replace(url, "127.0.0.1", "localhost", 1)
		}
		_, fault := get(t, updater.ClientConfig{Secrets: []string{canary}}, url)
		if fault == nil || fault.Kind != updater.Unreachable || strings.Contains(fault.Detail, canary[:5]) || !strings.Contains(fault.Detail, "***") {
			t.Errorf("%s: %v", what, fault)
		}
	}
}

// Files with authorities may be anything: none is waited for, and what one
// service names is not in the way of others.
func TestAuthoritiesThatAreNoFiles(t *testing.T) {
	good := secured(t, time.Now().Add(time.Hour), func(http.ResponseWriter, *http.Request) {})
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	ca := authority(t, good)
	for _, c := range []struct{ name, system, folder, file, want string }{
		{"a pipe as ca_file", ca, "", pipe, "ca_file cannot be used: it is no regular file; correct ca_file"},
		{"a device as ca_file", ca, "", "/dev/zero", "ca_file cannot be used: it is no regular file; correct ca_file"},
		{"a large file as ca_file", ca, "", large, "ca_file cannot be used: it is larger than 256 KiB; correct ca_file"},
		{"the kernel's memory as ca_file", ca, "", "/proc/self/pagemap", "ca_file cannot be used: the kernel makes it up"},
		{"a folder as ca_file", ca, "", dir, "ca_file cannot be used: it is a directory"},
		{"a pipe as bundle", pipe, dir, "", "no certificate authority is installed"},
		{"a pipe in the folder", ca, dir, "", ""},
		{"a ca_file", ca, "", ca, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("SSL_CERT_FILE", c.system)
			t.Setenv("SSL_CERT_DIR", c.folder)
			runtime.GC() // nobody uses those of the last case
			_, fault := get(t, updater.ClientConfig{CAFile: c.file}, good.URL)
			if (fault == nil) != (c.want == "") || fault != nil && !strings.Contains(fault.Error(), c.want) {
				t.Errorf("fault = %v, want %q", fault, c.want)
			}
		})
	}
}
