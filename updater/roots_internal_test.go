package updater

import (
	"runtime"
	"testing"
)

// The system's bundle lies in a folder of the same certificates, as on a
// router.
func TestAuthoritiesAreReadOnceAndLetGo(t *testing.T) {
	const most = 2 << 20
	t.Setenv("SSL_CERT_FILE", "")
	t.Setenv("SSL_CERT_DIR", "")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := readAuthorities(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took < 100<<10 || took > most {
		t.Errorf("reading the authorities took %d KiB, want %d at most", took>>10, most>>10)
	}

	now := bundles("")
	pool, err := authorities(t.Context(), "", now)
	if again, errAgain := authorities(t.Context(), "", now); err != nil || errAgain != nil || again != pool {
		t.Fatalf("they are read again while they are in use: %v, %v", err, errAgain)
	}
	runtime.GC()
	if trust.pools[now].Value() != nil {
		t.Error("nobody uses the authorities any more, and they are still there")
	}
}
