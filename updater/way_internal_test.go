package updater

import (
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"wandns/wan"
)

func TestWayOfAService(t *testing.T) {
	state := WANWith("84.0.0.2", "2a00:1:2:3::1")
	state.Devices = append(state.Devices, wan.Device{Name: "br-lan", Up: true, Carrier: true})
	state.Addrs = append(state.Addrs, wan.Addr{Device: "br-lan", Prefix: netip.MustParsePrefix("2a00:1:2:4::1/64"), Preferred: wan.Forever, Valid: wan.Forever})
	v4, v6 := netip.MustParseAddr("84.0.0.2"), netip.MustParseAddr("2a00:1:2:3::1")
	for _, c := range []struct {
		name     string
		policy   wan.Policy
		families [2]bool
		want     Way
	}{
		{"as the kernel routes", wan.Policy{}, [2]bool{true, true}, Way{}},
		{"pinned", wan.Policy{Device: "wan0"}, [2]bool{true, true}, Way{Device: "wan0", V4: v4, V6: v6}},
		{"one family", wan.Policy{Device: "wan0"}, [2]bool{false, true}, Way{Device: "wan0", V6: v6}},
		{"a LAN host's address is no source", wan.Policy{Device: "wan0", Host: netip.MustParseAddr("::10"), LAN: "br-lan"}, [2]bool{true, true}, Way{Device: "wan0", V4: v4}},
	} {
		service := home()
		service.Policy, service.Families = c.policy, c.families
		s := begin(t, service)
		s.step(Seen{state})
		if got := s.job().Request.Way; got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// What was confirmed before is still the source of the other family.
func TestWayKeepsTheSourceOfWhatIsNotSent(t *testing.T) {
	service := home()
	service.Policy.Device = "wan0"
	s := begin(t, service)
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(good(s.job()))
	s.step(Seen{WANWith("84.0.0.2", "2a00:1:2:3::1")})
	if w := s.sends("home.example.com 2a00:1:2:3::1").Request.Way; !w.V4.IsValid() || !w.V6.IsValid() {
		t.Errorf("way = %+v", w)
	}
}

func TestKernelRefusesTheMark(t *testing.T) {
	dir := t.TempDir()
	refused := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread has given up its privileges
		var none [2]unix.CapUserData
		err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0])
		if err == nil {
			_, err = (&net.Dialer{ControlContext: takeWay(dir)}).DialContext(By(t.Context(), Way{Device: "lo"}), "tcp", "198.51.100.1:80")
		}
		refused <- err
	}()
	if err := <-refused; err == nil || !strings.Contains(err.Error(), "it cannot be marked for mwan3 with 0x3f00 (operation not permitted)") {
		t.Errorf("err = %v", err)
	}
}
