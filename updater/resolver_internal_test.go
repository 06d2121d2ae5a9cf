package updater

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Find finds the addresses of a host as a request does.
func (c *Client) Find(ctx context.Context, host string) ([]netip.Addr, error) {
	finding, cancel := context.WithTimeout(ctx, resolveFor)
	defer cancel()
	found, err := c.resolver(finding).LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, c.classify(ctx, host, err, trip{})
	}
	return found, nil
}

func write(t *testing.T, name string, servers ...string) {
	t.Helper()
	temp := name + ".tmp"
	text := "# Interface wan\nsearch lan\n"
	for _, s := range servers {
		text += "nameserver " + s + "\n"
	}
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, name); err != nil {
		t.Fatal(err)
	}
}

func TestWhichResolversAreAsked(t *testing.T) {
	dir := t.TempDir()
	for i, tt := range []struct {
		first []string // of the file that the router uses; nil without
		gone  bool     // it was replaced, and only a mount shows it
		auto  []string // of the provider's; nil without
		want  string
	}{
		{nil, false, nil, "127.0.0.1 ::1"},
		{[]string{}, false, nil, "127.0.0.1 ::1"},
		{nil, false, []string{"192.0.2.1"}, "192.0.2.1"},
		{[]string{"192.0.2.9"}, false, nil, "192.0.2.9"},
		{[]string{"127.0.0.1"}, false, []string{"192.0.2.1", "2001:db8::1"}, "127.0.0.1 192.0.2.1 2001:db8::1"},
		{[]string{"192.0.2.1"}, false, []string{"192.0.2.1", "fe80::1%pppoe-wan"}, "192.0.2.1 fe80::1%pppoe-wan"},
		{[]string{"192.0.2.9"}, true, []string{"192.0.2.1"}, "192.0.2.1"},
		{[]string{"192.0.2.9"}, true, nil, "127.0.0.1 ::1"},
		{[]string{"127.0.0.1", "::1", "192.0.2.9"}, true, []string{"192.0.2.1"}, "127.0.0.1 ::1 192.0.2.1"},
		{[]string{"127.0.0.53"}, true, []string{}, "127.0.0.53"},
		{[]string{"a.example.com", "192.0.2.1"}, false, []string{"192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"}, "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4"},
	} {
		first, auto := filepath.Join(dir, strconv.Itoa(i)), filepath.Join(dir, strconv.Itoa(i)+".auto")
		if tt.first != nil {
			write(t, first, tt.first...)
		}
		if tt.auto != nil {
			write(t, auto, tt.auto...)
		}
		if tt.gone {
			f, err := os.Open(first)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			write(t, first, "192.0.2.8")
			first = "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
		}
		if got := strings.Join(resolvers([]string{first, auto}), " "); got != tt.want {
			t.Errorf("of %q (gone: %t) and %q: %s, want %s", tt.first, tt.gone, tt.auto, got, tt.want)
		}
	}
}
