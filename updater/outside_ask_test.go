package updater

import (
	"net/netip"
	"testing"

	"wandns/wan"
)

func TestAddressesInPages(t *testing.T) {
	for _, tt := range []struct{ body, v4, v6 string }{
		{"84.1.2.3", "84.1.2.3", ""},
		{" \r\n84.1.2.3\r\n", "84.1.2.3", ""},
		{"\ufeff84.1.2.3", "84.1.2.3", ""},
		{"2a00:1:2:3::1\n", "", "2a00:1:2:3::1"},
		{"2A00:0001:2:3::1", "", "2a00:1:2:3::1"},
		{`{"ip":"84.1.2.3"}`, "84.1.2.3", ""},
		{`{"ip":"2a00:1::1","v4":"84.1.2.3"}`, "84.1.2.3", "2a00:1::1"},
		{"<html><head><title>Current IP Check</title></head><body>Current IP Address: 84.1.2.3</body></html>", "84.1.2.3", ""},
		{"Current IP Address:84.1.2.3.", "84.1.2.3", ""},
		{"Your IP: 2a00:1::1.", "", "2a00:1::1"},
		{"fl=1\nh=ip.example.com\nip=84.1.2.3\nts=1700000000.123\nuag=x/1.2.3.4\n", "84.1.2.3", ""},
		{"84.1.2.3, 10.0.0.1", "84.1.2.3", ""},
		{"10.0.0.1, 84.1.2.3", "84.1.2.3", ""},
		{"84.1.2.3:51234", "84.1.2.3", ""},
		{"::ffff:84.1.2.3", "84.1.2.3", ""},
		{"h=84.9.9.9\nip=84.1.2.3", "84.1.2.3", ""}, // 84.9.9.9 is the server
		{"", "", ""},
		{"192.168.1.2 100.64.0.1 127.0.0.1 0.0.0.0", "", ""},
		{"fe80::1 fd00::1 ::1 2001:db8::1", "", ""},
		{"84.1.2", "", ""},
		{"84.1.2.3.4", "", ""},
		{"084.1.2.3", "", ""},
		{"v84.1.2.3", "", ""},
		{"84.1.2.3-rc1", "", ""},
		{"84.1.2.3/24", "", ""},
		{`<meta http-equiv=refresh content="0;url=http://84.1.2.3/login">`, "", ""},
		{`<FORM action=x>84.1.2.3</FORM>`, "", ""},
		{"12:34:56 cafe:babe", "", ""},
	} {
		for f, want := range []string{wan.IPv4: tt.v4, wan.IPv6: tt.v6} {
			a, ok := readAddr(tt.body, wan.Family(f), "84.9.9.9")
			if text(a) != want || ok != (want != "") {
				t.Errorf("%q: %s %s, %t; want %q", tt.body, wan.Family(f), a, ok, want)
			}
		}
	}
}

func FuzzReadAddr(f *testing.F) {
	f.Add("Current IP Address: 84.1.2.3", false)
	f.Add("{\"ip\":\"2a00:1::1\"}", true)
	f.Fuzz(func(t *testing.T, body string, six bool) {
		family := wan.IPv4
		if six {
			family = wan.IPv6
		}
		a, ok := readAddr(body, family, "")
		if reachable, _ := wan.Reachable(a); ok != a.IsValid() || ok && (!reachable || wan.Of(a) != family) {
			t.Errorf("%q: %s", body, a)
		}
	})
}

func TestOurOutsidersAreManyAndEncrypted(t *testing.T) {
	for f, urls := range outsiders {
		if len(urls) <= mostAsked {
			t.Errorf("%s: only %d", wan.Family(f), len(urls))
		}
		for _, u := range urls {
			if _, err := netip.ParseAddr(u); err == nil || u[:8] != "https://" {
				t.Errorf("%s", u)
			}
		}
	}
}
