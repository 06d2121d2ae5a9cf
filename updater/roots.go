package updater

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"weak"
)

// bundle has the system's authorities in one file, on OpenWrt as on most
// systems. On OpenWrt it lies in the folder that crypto/x509 would read as
// well, to have them all twice.
const bundle = "/etc/ssl/certs/ca-certificates.crt"

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
// is one. The bundles are what they were before.
func authorities(file, bundles string) (*x509.CertPool, error) {
	trust.Lock()
	defer trust.Unlock()
	key := cmp.Or(bundles, file)
	if pool := trust.pools[key].Value(); pool != nil {
		return pool, nil
	}
	pool, err := readAuthorities(file)
	if err == nil {
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
		if len(roots) < mostProven && !slices.ContainsFunc(roots, root.Equal) {
			roots = append(roots, root)
		}
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
