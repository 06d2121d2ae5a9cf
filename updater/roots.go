package updater

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"weak"
)

// bundle has the system's authorities in one file, on OpenWrt as on most
// systems. On OpenWrt it lies in the folder that crypto/x509 would read as
// well, to have them all twice.
const bundle = "/etc/ssl/certs/ca-certificates.crt"

// trust holds the authorities in use, by ca_file. They take a megabyte to read
// and may not be needed again for months: requests at the same time share
// them, and when the last is over the collector takes them.
//
//nolint:gochecknoglobals // for all clients, as crypto/x509 has its own for ever
var trust = struct {
	sync.Mutex
	pools map[string]weak.Pointer[x509.CertPool]
}{pools: map[string]weak.Pointer[x509.CertPool]{}}

// authorities returns whom to trust: the system's, and those of file if there
// is one.
func authorities(file string) (*x509.CertPool, error) {
	trust.Lock()
	defer trust.Unlock()
	if pool := trust.pools[file].Value(); pool != nil {
		return pool, nil
	}
	pool, err := readAuthorities(file)
	if err == nil {
		trust.pools[file] = weak.Make(pool)
	}
	return pool, err
}

// readAuthorities heeds the variables that crypto/x509 does.
func readAuthorities(file string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	err := add(pool, cmp.Or(os.Getenv("SSL_CERT_FILE"), bundle))
	folders := os.Getenv("SSL_CERT_DIR")
	if err != nil && folders == "" {
		folders = filepath.Dir(bundle) // one file each, by OpenWrt's ca-certificates
	}
	for _, folder := range filepath.SplitList(folders) {
		entries, _ := os.ReadDir(folder) // none is one way of having nothing
		for _, e := range entries {
			_ = add(pool, filepath.Join(folder, e.Name())) // it may be something else
		}
	}
	if file != "" {
		if err := add(pool, file); err != nil {
			return nil, &Fault{Kind: Transient, Detail: Excerpt(fmt.Sprintf("ca_file cannot be used: %v", err)), Next: "correct ca_file"}
		}
		return pool, nil
	}
	if pool.Equal(x509.NewCertPool()) {
		return nil, &Fault{Kind: Transient, Detail: "no certificate authority is installed, so no server could prove who it is and nothing was sent", Next: "install ca-bundle, then run: wandns update"}
	}
	return pool, nil
}

func add(pool *x509.CertPool, file string) error {
	pem, err := os.ReadFile(file)
	if err == nil && !pool.AppendCertsFromPEM(pem) {
		err = fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return err
}
