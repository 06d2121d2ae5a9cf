package updater

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestOtherResolversAreNoticed(t *testing.T) {
	auto := filepath.Join(t.TempDir(), "resolv.conf.auto")
	files := []string{"/nowhere/resolv.conf", auto}
	changes, err := resolverChanges(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	heard := func(want ...string) {
		t.Helper()
		select {
		case <-changes:
		case <-time.After(time.Minute):
			t.Fatal("nobody told")
		}
		if got := resolvers(files); !slices.Equal(got, want) {
			t.Fatalf("told of %s, want %s", got, want)
		}
	}
	write(t, auto, "192.0.2.1")
	heard("192.0.2.1")
	write(t, auto, "192.0.2.2")
	heard("192.0.2.2")
	if err := os.WriteFile(auto, []byte("nameserver 192.0.2.3\n"), 0o600); err != nil { // in its place
		t.Fatal(err)
	}
	heard("192.0.2.3")

	// What a link leads to, elsewhere, and another link.
	other, third := filepath.Join(t.TempDir(), "stub"), filepath.Join(t.TempDir(), "stub")
	write(t, other, "192.0.2.4")
	write(t, third, "192.0.2.6")
	if err := errors.Join(os.Remove(auto), os.Symlink(other, auto)); err != nil {
		t.Fatal(err)
	}
	heard("192.0.2.4")
	write(t, other, "192.0.2.5")
	heard("192.0.2.5")
	if err := errors.Join(os.Remove(auto), os.Symlink(third, auto)); err != nil {
		t.Fatal(err)
	}
	heard("192.0.2.6")
}

func TestOtherResolversEndTheWaitForTheNetworkOnly(t *testing.T) {
	for _, k := range []Kind{Unreachable, Transient, Unconfirmed, Throttled, Clock} {
		s := begin(t, home())
		s.step(Seen{WANWith("84.0.0.2")})
		for range 5 {
			s.step(failed(s.job(), k))
			s.wake()
		}
		s.step(failed(s.job(), k))
		s.after(2*time.Second, NewResolvers{})
		if sent := len(s.plan.Jobs) == 1; sent != (k == Unreachable) {
			t.Errorf("%v: sent once others are asked: %t", k, sent)
		}
	}
}

// What fails by a way that changed after it left is soon tried by the new one.
func TestAnotherWayWhileARequestIsUnderWay(t *testing.T) {
	routed := WANWith("84.0.0.2")
	routed.Routes[0].Gateway = netip.MustParseAddr("84.0.0.1")
	for name, ev := range map[string]Event{"resolvers": NewResolvers{}, "routes": Seen{routed}} {
		s := begin(t, home())
		s.step(Seen{WANWith("84.0.0.2")})
		for range 9 {
			s.step(failed(s.job(), Unreachable))
			s.wake()
		}
		job := s.job()
		s.after(time.Second, ev)
		s.silent()
		s.after(time.Second, failed(job, Unreachable))
		if wait := s.wake(); wait > 5*time.Second/2 {
			t.Errorf("other %s: tried after %s", name, wait)
		}
		s.step(failed(s.job(), Unreachable))
		if wait := s.wake(); wait < 5*time.Minute {
			t.Errorf("other %s: tried again after %s", name, wait)
		}
	}
}

func TestOtherResolversAndTheLookOutside(t *testing.T) {
	s := begin(t, from(AutoSource))
	s.step(Seen{cgnat})
	away := func() { s.step(Looked{Key: s.e.looks[0].Key, Err: &Fault{Kind: Unreachable, Detail: "no way"}}) }
	for range 9 {
		away()
		s.wake()
	}
	away()
	s.blind()
	s.after(2*time.Second, NewResolvers{})
	s.look()
	s.after(time.Second, NewResolvers{})
	s.blind()
	away()
	if wait := s.wake(); wait > 5*time.Second/2 {
		t.Errorf("asked after %s", wait)
	}
	s.see("84.0.0.7")
	s.sends("home.example.com 84.0.0.7")
}
