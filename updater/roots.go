package updater

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
	"weak"

	"wandns/updater/safefile"
)

// bundle has the system's authorities in one file, on OpenWrt as on most
// systems. On OpenWrt it lies in the folder that crypto/x509 would read as
// well, to have them all twice.
const bundle = "/etc/ssl/certs/ca-certificates.crt"

// What is read of authorities, in bytes.
const (
	mostBundle = 4 << 20
	mostCAFile = 256 << 10
)

// trust holds the authorities in use, by bundles or ca_file. They take a
// megabyte to read and may not be needed again for months: requests at the same
// time share them, and when the last is over the collector takes them.
//
//nolint:gochecknoglobals // for all clients, as crypto/x509 has its own for ever
var trust = struct {
	sync.Mutex
	pools map[string]weak.Pointer[x509.CertPool]
}{pools: map[string]weak.Pointer[x509.CertPool]{}}

// authorities returns whom to trust: the system's, and those of file if there
// is one. The bundles are what they were before. Nobody waits for the files of
// others.
func authorities(ctx context.Context, file, bundles string) (*x509.CertPool, error) {
	key := cmp.Or(bundles, file)
	trust.Lock()
	pool := trust.pools[key].Value()
	trust.Unlock()
	if pool != nil {
		return pool, nil
	}
	pool, err := readAuthorities(ctx, file)
	if err == nil {
		trust.Lock()
		defer trust.Unlock()
		maps.DeleteFunc(trust.pools, func(_ string, p weak.Pointer[x509.CertPool]) bool { return p.Value() == nil })
		trust.pools[key] = weak.Make(pool)
	}
	return pool, err
}

// mostProven bounds the authorities, and the sessions, that are remembered.
const mostProven = 4

// known holds the authorities by which servers have proved who they are, while
// the files that they come from stay as they are: most requests go to where the
// last one went, and need not read all the others.
//
//nolint:gochecknoglobals // for all clients
var known struct {
	sync.Mutex
	roots map[string][]*x509.Certificate // by bundles
}

// proven returns the authorities that are known from these bundles, or nil.
func proven(bundles string) *x509.CertPool {
	known.Lock()
	defer known.Unlock()
	if len(known.roots[bundles]) == 0 {
		return nil
	}
	pool := x509.NewCertPool()
	for _, root := range known.roots[bundles] {
		pool.AddCert(root)
	}
	return pool
}

// prove remembers by whom a server has proved who it is.
func prove(bundles string, chains [][]*x509.Certificate) {
	if bundles == "" {
		return
	}
	known.Lock()
	defer known.Unlock()
	roots := known.roots[bundles]
	for _, chain := range chains {
		root := chain[len(chain)-1]
		if slices.ContainsFunc(roots, root.Equal) {
			continue
		}
		if len(roots) == mostProven { // some may be of no more use
			roots = nil
		}
		roots = append(roots, root)
	}
	if known.roots == nil || len(known.roots) == mostProven && known.roots[bundles] == nil {
		known.roots = map[string][]*x509.Certificate{}
	}
	known.roots[bundles] = roots
}

// bundles tells one state of the files with the authorities from another. It is
// empty for whole folders of them.
func bundles(file string) string {
	if os.Getenv("SSL_CERT_DIR") != "" {
		return ""
	}
	var all []byte
	for _, name := range []string{cmp.Or(os.Getenv("SSL_CERT_FILE"), bundle), file} {
		info, err := os.Stat(name)
		switch {
		case name == "":
			continue
		case err != nil:
			return ""
		}
		inode := info.Sys().(*syscall.Stat_t).Ino //nolint:forcetypeassert // on Linux it always is
		all = fmt.Appendf(all, "%s %d %d %d\n", name, inode, info.Size(), info.ModTime().UnixNano())
	}
	return string(all)
}

// readAuthorities heeds the variables that crypto/x509 does.
func readAuthorities(ctx context.Context, file string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	err := add(ctx, pool, cmp.Or(os.Getenv("SSL_CERT_FILE"), bundle), mostBundle)
	folders := os.Getenv("SSL_CERT_DIR")
	if err != nil && folders == "" {
		folders = filepath.Dir(bundle) // one file each, by OpenWrt's ca-certificates
	}
	for _, folder := range filepath.SplitList(folders) {
		entries, _ := os.ReadDir(folder) // none is one way of having nothing
		for _, e := range entries {
			_ = add(ctx, pool, filepath.Join(folder, e.Name()), mostBundle) // it may be something else
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // not all could be read
	}
	if file != "" {
		if err := add(ctx, pool, file, mostCAFile); err != nil {
			return nil, &Fault{Kind: Transient, Detail: fmt.Sprintf("ca_file cannot be used: %v", err), Next: "correct ca_file"}
		}
		return pool, nil
	}
	if pool.Equal(x509.NewCertPool()) {
		return nil, &Fault{Kind: Transient, Detail: "no certificate authority is installed, so no server can prove who it is", Next: "install ca-bundle, then run: wandns update"}
	}
	return pool, nil
}

func add(ctx context.Context, pool *x509.CertPool, file string, most int64) error {
	f, err := safefile.Read(ctx, file, most)
	if err == nil && !pool.AppendCertsFromPEM([]byte(f.Text)) {
		err = errors.New("it holds no certificate in PEM form")
	}
	return err
}

// expired returns what an error of a handshake means if it is a certificate that
// is over though the server's own is not, which shows that the clock is right.
func (c *Client) expired(ctx context.Context, host string, err error, roots *x509.CertPool) error {
	var v *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &v) || !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		return err
	}
	cert := invalid.Cert
	if cert.Equal(v.UnverifiedCertificates[0]) || time.Now().Before(cert.NotBefore) {
		return err
	}
	name, of := cert.Subject.String(), "authority %q of this router"
	next := "update ca-bundle"
	switch own := x509.NewCertPool(); {
	case !holds(roots, cert):
		name, of, next = c.Excerpt(name), "of %q that it sent along", "it has to be renewed there, unless this router's clock is wrong"
	case add(ctx, own, c.caFile, mostCAFile) == nil && holds(own, cert):
		next = "update ca_file"
	}
	return &Fault{Kind: Unreachable, Detail: fmt.Sprintf("%s could not prove who it is, since the certificate "+of+" expired on %s", host, name, cert.NotAfter.Format(time.DateOnly)), Next: next}
}

// holds reports whether a certificate is one of a pool: then it is all of its
// chain.
func holds(pool *x509.CertPool, c *x509.Certificate) bool {
	chains, err := c.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: c.NotAfter, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil && len(chains[0]) == 1
}
