package updatertest_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"wandns/updater/updatertest"
)

type fixed map[string]updatertest.Record

func (f fixed) Lookup(host string) (updatertest.Record, bool) { r, ok := f[host]; return r, ok }

func TestDNS(t *testing.T) {
	long := strings.Repeat("x", 300)
	zones := updatertest.Zones{
		fixed{
			"home.example.com":  {V4: netip.MustParseAddr("84.0.0.2"), V6: netip.MustParseAddr("2a00::1"), TXT: long, TTL: 300},
			"both.example.com":  {V4: netip.MustParseAddr("84.0.0.3")},
			"alias.example.com": {CNAME: "home.example.com"},
			"loop.example.com":  {CNAME: "loop.example.com"},
		},
		fixed{
			"mail.example.net": {MX: []updatertest.MX{{5, "a.example.net"}, {10, "b.example.net"}}, TXT: "hello"},
			"both.example.com": {V4: netip.MustParseAddr("84.0.0.4")},
		},
	}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections, err := net.Listen("tcp", packets.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	stop := updatertest.ServeDNS(zones, packets, connections)
	defer stop()
	cases := []struct {
		name  string
		qtype uint16
		want  string
		rcode int
	}{
		{"HOME.example.com.", dns.TypeA, "HOME.example.com. 300 IN A 84.0.0.2", 0},
		{"home.example.com.", dns.TypeAAAA, "home.example.com. 300 IN AAAA 2a00::1", 0},
		{"home.example.com.", dns.TypeTXT, `home.example.com. 300 IN TXT "` + long[:255] + `" "` + long[255:] + `"`, 0},
		{"home.example.com.", dns.TypeMX, "", 0},
		{"both.example.com.", dns.TypeA, "both.example.com. 60 IN A 84.0.0.3", 0},
		{"alias.example.com.", dns.TypeA, "alias.example.com. 60 IN CNAME home.example.com.|home.example.com. 300 IN A 84.0.0.2", 0},
		{"alias.example.com.", dns.TypeCNAME, "alias.example.com. 60 IN CNAME home.example.com.", 0},
		{"mail.example.net.", dns.TypeMX, "mail.example.net. 60 IN MX 5 a.example.net.|mail.example.net. 60 IN MX 10 b.example.net.", 0},
		{"none.example.net.", dns.TypeA, "", dns.RcodeNameError},
	}
	for _, c := range cases {
		m, err := dns.Exchange(new(dns.Msg).SetQuestion(c.name, c.qtype), packets.LocalAddr().String())
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, rr := range m.Answer {
			got = append(got, strings.ReplaceAll(rr.String(), "\t", " "))
		}
		if strings.Join(got, "|") != c.want || m.Rcode != c.rcode {
			t.Errorf("%s %s: %q (%d), want %q (%d)", c.name, dns.TypeToString[c.qtype], got, m.Rcode, c.want, c.rcode)
		}
	}
	if m, err := dns.Exchange(new(dns.Msg).SetQuestion("loop.example.com.", dns.TypeA), packets.LocalAddr().String()); err != nil || len(m.Answer) > 8 {
		t.Errorf("an alias of itself: %v, %v", m, err)
	}
}
