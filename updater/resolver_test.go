package updater_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wandns/updater"
	"wandns/updater/updatertest"
)

// Names that Go's resolver need not complete.
const there = "dynupdate.example.com."

// Go reads these once, with channels that must not be a bubble's.
func readSystemFiles() { _, _ = net.DefaultResolver.LookupHost(context.Background(), "localhost") }

func resolv(t *testing.T, servers ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "resolv.conf")
	text := ""
	for _, s := range servers {
		text += "nameserver " + s + "\n"
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestHowARequestFindsItsServer(t *testing.T) {
	readSystemFiles()
	right, none := names{strings.TrimSuffix(there, "."): record("192.0.2.80", "2001:db8::80")}, names{}
	const found = "[192.0.2.80 2001:db8::80]"
	with := func(z updatertest.Zone, habits ...updatertest.Habit) nameServer { return nameServer{z, habits} }
	// One that knows nothing of the name and asks nobody.
	lame := with(names{strings.TrimSuffix(there, "."): {TXT: "elsewhere"}}, updatertest.Lame)
	for _, tt := range []struct {
		name    string
		servers map[string]nameServer // of 10.0.0.1 and fd00::1
		void    bool
		slow    time.Duration // the first is
		want    string        // the addresses, or what is said
		took    time.Duration
		asked   string // by UDP and TCP, each twice: for both families
	}{
		{"the first knows", map[string]nameServer{"10.0.0.1": with(right), "fd00::1": with(none)}, false, 0, found, 0, "udp 10.0.0.1"},
		{
			"the first knows that it does not exist",
			map[string]nameServer{"10.0.0.1": with(none), "fd00::1": with(right)},
			false, 0,
			"dynupdate.example.com. was not found in the DNS (no such host)", 0, "udp 10.0.0.1",
		},
		{"the first is not there", map[string]nameServer{"fd00::1": with(right)}, false, 0, found, 0, "udp 10.0.0.1,udp fd00::1"},
		{"the first refuses", map[string]nameServer{"10.0.0.1": with(right, updatertest.Refusing), "fd00::1": with(right)}, false, 0, found, 0, "udp 10.0.0.1,udp fd00::1"},
		{"the first is for others", map[string]nameServer{"10.0.0.1": lame, "fd00::1": with(right)}, false, 0, found, 0, "udp 10.0.0.1,udp fd00::1"},
		{"the first is silent", map[string]nameServer{"fd00::1": with(right)}, true, 0, found, 700 * time.Millisecond, "udp 10.0.0.1,udp fd00::1"},
		{"the first is slow, the second silent", map[string]nameServer{"10.0.0.1": with(right)}, true, 3 * time.Second, found, 3 * time.Second, "udp 10.0.0.1,udp 10.0.0.1,udp fd00::1,udp fd00::1"},
		{"the first is slow, the second does not know", map[string]nameServer{"10.0.0.1": with(right), "fd00::1": with(right, updatertest.Refusing)}, true, 3 * time.Second, found, 3 * time.Second, "udp 10.0.0.1,udp 10.0.0.1,udp fd00::1"},
		{"nothing fits into a packet", map[string]nameServer{"10.0.0.1": with(right, updatertest.Tiny)}, false, 0, found, 0, "tcp 10.0.0.1,udp 10.0.0.1"},
		{"nobody is there", nil, false, 0, "dynupdate.example.com. was not found in the DNS (resolver fd00::1: network is unreachable)", 0, "udp 10.0.0.1,udp fd00::1"},
		{
			"all refuse",
			map[string]nameServer{"10.0.0.1": with(right, updatertest.Refusing), "fd00::1": with(right, updatertest.Refusing)},
			false, 0,
			"dynupdate.example.com. was not found in the DNS (resolver fd00::1: it answers Refused)", 0, "udp 10.0.0.1,udp fd00::1",
		},
		{"nobody answers", nil, true, 0, "the DNS did not say where dynupdate.example.com. is", 6 * time.Second, "udp 10.0.0.1,udp 10.0.0.1,udp fd00::1,udp fd00::1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := &wires{servers: tt.servers, void: tt.void}
				client := updater.NewClient(updater.ClientConfig{Resolv: []string{resolv(t, "10.0.0.1", "fd00::1")}, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := w.dial(ctx, network, address)
					if address == "10.0.0.1:53" {
						time.Sleep(tt.slow)
					}
					return c, err
				}})
				began := time.Now()
				got, err := client.Find(t.Context(), there)
				said := fmt.Sprint(got)
				if fault, ok := errors.AsType[*updater.Fault](err); ok {
					said = fault.Detail
				}
				if took := time.Since(began); said != tt.want || took != tt.took {
					t.Errorf("%s after %s, want %s after %s", said, took, tt.want, tt.took)
				}
				asked := w.log()
				slices.Sort(asked)
				var each []string
				for i := 0; i < len(asked); i += 2 {
					if i+1 == len(asked) || asked[i] != asked[i+1] {
						t.Fatalf("not both families were asked for alike: %s", asked)
					}
					each = append(each, strings.NewReplacer("[", "", "]", "", ":53", "").Replace(asked[i]))
				}
				if s := strings.Join(each, ","); s != tt.asked {
					t.Errorf("asked %s, want %s", s, tt.asked)
				}
				time.Sleep(tt.slow) // its connection
			})
		})
	}
}

func TestAQuestionThatIsGivenUp(t *testing.T) {
	readSystemFiles()
	bubble(t, func(t *testing.T) {
		w := &wires{void: true}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		_, err := w.client(t).Find(ctx, there)
		if took := time.Since(began); !errors.Is(err, context.Canceled) || took != time.Second {
			t.Errorf("%v after %s", err, took)
		}
		synctest.Wait()
	})
}

// The files are read at each question, for look-ups too.
func TestResolversOfTheMoment(t *testing.T) {
	readSystemFiles()
	bubble(t, func(t *testing.T) {
		const host = "home.example.com"
		h := newHouse(t, host)
		zone := updatertest.Domain{Zone: names{host: record(wan4), "dynupdate.example.com": record("192.0.2.80")}, Apex: "example.com", Servers: map[string][]netip.Addr{"ns.example.com": addrs("192.0.2.1")}}
		w := &wires{servers: map[string]nameServer{"10.0.0.1": {zone, nil}, "10.0.0.2": {zone, nil}, "192.0.2.1": {zone, nil}}}
		file := resolv(t, "10.0.0.1")
		client := updater.NewClient(updater.ClientConfig{Dial: w.dial, Resolv: []string{file}})
		find := func(server string) {
			t.Helper()
			if _, err := client.Find(t.Context(), there); err != nil {
				t.Error(err)
			}
			if asked := w.log(); slices.ContainsFunc(asked, func(s string) bool { return s != "udp "+server }) || len(asked) != 2 {
				t.Errorf("asked %s, want %s", asked, server)
			}
		}
		find("10.0.0.1:53")
		if err := os.Rename(resolv(t, "10.0.0.2"), file); err != nil {
			t.Fatal(err)
		}
		find("10.0.0.2:53")
		h.boot(by(h.account(host), func(c *updater.Carrier) { c.Client = client }))
		h.see(wan4)
		h.expect(updater.OK, 0)
		if asked := w.log(); slices.Contains(asked, "udp 10.0.0.1:53") || !slices.Contains(asked, "udp 10.0.0.2:53") {
			t.Errorf("looked up at %s", asked)
		}
		h.off()
	})
}
