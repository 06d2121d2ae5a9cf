package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"wandns/updater"
	"wandns/wan/wantest"
)

// advertised is a prefix in a router advertisement.
type advertised struct {
	prefix    string
	preferred int // seconds
}

// advertise writes radvd's configuration: an advertisement every three or four
// seconds, the most that it permits.
func (r *router) advertise(prefixes ...advertised) {
	r.t.Helper()
	var b strings.Builder
	b.WriteString("interface isp0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 1800;\n")
	for _, p := range prefixes {
		fmt.Fprintf(&b, "prefix %s { AdvPreferredLifetime %d; AdvValidLifetime 7200; };\n", p.prefix, p.preferred)
	}
	b.WriteString("};\n")
	r.write("radvd.conf", b.String())
}

func (r *router) radvd(u *uplink, prefixes ...advertised) *program {
	r.t.Helper()
	r.advertise(prefixes...)
	p := u.start("radvd", "-n", "-C", r.path("radvd.conf"), "-p", r.path("radvd.pid"), "-m", "stderr", "-d", "1")
	p.says("polling for", 1) // a signal before that would end it
	return p
}

// A provider that renumbers by router advertisement, as radvd sends it. The
// test stands in for what hands the LAN its prefix.
func TestE2ERadvdRenumbers(t *testing.T) {
	tools(t, "radvd")
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t, "home.example.com", "nas.example.com")
	r.lan()
	u := newUplink(r)
	r.do(wantest.Sysctl("net/ipv6/conf/all/forwarding", "1"), wantest.Sysctl("net/ipv6/conf/wan0/accept_ra", "2"))
	e := newEar(r)
	r.on()

	wan := func(n int) string { return fmt.Sprintf("2a00:1:%d::/64", n) }
	lan := func(n int) string { return fmt.Sprintf("2a00:2:%d::/64", n) }
	first := func(prefix string) string { return strings.Replace(prefix, "::", "::1", 1) }
	var radvd *program
	const renumberings = 5
	for n := range renumberings {
		if n == 0 {
			radvd = r.radvd(u, advertised{wan(n), 3600})
		} else {
			r.anew()
			r.advertise(advertised{wan(n), 3600}, advertised{wan(n - 1), 0})
			radvd.signal(syscall.SIGHUP)
		}
		e.accepted(wan(n))
		if n > 0 {
			r.do(wantest.ReplaceAddr("lan0", first(lan(n-1)), "nodad", "preferred_lft", "0", "valid_lft", "7200"))
		}
		r.do(wantest.AddAddr("lan0", first(lan(n)), "nodad"))
		r.published(2*n+2, wan(n), lan(n))
	}
	last := wan(renumberings - 1)

	// The same again and again.
	info, heard := r.written(), len(e.usable(last))
	r.until("three more advertisements", func(updater.Status) bool { return len(e.usable(last)) >= heard+3 })
	if now := r.written(); now != info {
		t.Errorf("files were written for repeated advertisements: %s, then %s", info, now)
	}
	r.only(2 * renumberings)

	// The provider's router says goodbye and comes back.
	radvd.end(syscall.SIGTERM)
	r.until("no default route", func(st updater.Status) bool { return len(st.WAN) == 0 })
	r.only(2 * renumberings)
	radvd = r.radvd(u, advertised{last, 3600})
	r.until("the address again", func(st updater.Status) bool { return len(st.WAN) > 0 && quiet(st) })
	r.only(2 * renumberings)

	// Nothing but prefixes that nobody should use any more.
	r.advertise(advertised{last, 0}, advertised{wan(99), 0})
	radvd.signal(syscall.SIGHUP)
	r.until("both prefixes are refused", func(st updater.Status) bool {
		home := st.Services[0]
		return home.Records[0].Wanted == "" && strings.Contains(home.Reason, "deprecated") && strings.Contains(home.Reason, "2a00:1:99:")
	})
	r.only(2 * renumberings)
}
