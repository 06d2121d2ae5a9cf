//go:build qemu

package persist

import (
	"fmt"
	"maps"
	"os"
	"testing"
	"time"
)

// TestQEMUFlash runs in a guest, on a flash file system whose power is cut; see
// packaging/flash_test.go, which reads what is printed. It saves until it is
// told that there is no more flash, or never hears of anything again.
func TestQEMUFlash(t *testing.T) {
	dir := os.Getenv("WANDNS_FLASH")
	if dir == "" {
		t.Fatal("WANDNS_FLASH names no directory on flash")
	}
	s, all, err := Open(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Trouble() != nil {
		t.Fatal(s.Trouble())
	}
	n := 0
	for _, r := range all {
		n = max(n, r.Sent)
	}
	for i := max(n-9, 1); i <= n; i++ { // what every service has is of one moment
		if got := all[turn(i)].Sent; got != i {
			t.Fatalf("%s has %d where %d was saved last: %+v", turn(i), got, i, all)
		}
	}
	fmt.Printf("\nopened at %d\n", n)
	for err == nil {
		n++
		all[turn(n)] = sample(n)
		if err = s.Save(Moment{Time: time.Now()}, maps.All(all)); err == nil {
			fmt.Printf("\nsettled %d\n", n)
		}
	}
	fmt.Printf("\nended: %v\n", err)
}

// turn is the service that the n-th save is of.
func turn(n int) string { return fmt.Sprintf("service%d", n%10) }
