package main

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"wandns/wan/wantest"
)

// secure has the provider answer by TLS. The system's bundle is Debian's: as
// many authorities as OpenWrt has. More is added to the configuration.
func (r *router) secure(more string) {
	r.t.Helper()
	r.t.Setenv("SSL_CERT_FILE", "")
	r.t.Setenv("SSL_CERT_DIR", "")
	s := httptest.NewTLSServer(r.sim)
	r.t.Cleanup(s.Close)
	ca := r.path("ca.pem")
	r.do(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	r.configure([]string{"home.example.com"}, fmt.Sprintf("server = %q\nca_file = %q\n%s", s.URL, ca, more))
}

// remembers measures the idle daemon, as it is built for routers, in KiB,
// after an update over TLS: its own memory, and with pages of the program that
// the kernel may drop.
func remembers(t *testing.T, more string) (own, rss int) {
	t.Helper()
	r := newRouter(t)
	r.built = built(t)
	r.secure(more)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.on()
	r.requests(1)
	r.settle()
	rss, own = r.memory()
	r.term()
	return own, rss
}

// built is the daemon as the packages have it.
func built(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", "-s", "-C", "../..", runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	name, err := filepath.Abs("../../dist/bin/" + runtime.GOARCH + "/wandns")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// services are a thousand, which have nothing to publish.
func services(enabled bool) string {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "[[service]]\nname = \"s%03d\"\nprovider = \"noip\"\nhostnames = [\"%[1]d.example.com\"]\nusername = \"%[1]d@example.com\"\npassword = \"secret%[1]d\"\nfamily = \"ipv6\"\nenabled = %t\n", i, enabled)
	}
	return b.String()
}

// inadyn, in C, has 3.3 MB of its own.
func TestE2EMemory(t *testing.T) {
	if !wantest.InNamespace(t) {
		return
	}
	const mostOwn, mostMore = 1843, 2048
	var alone int
	for _, c := range []struct{ name, more string }{{"one service", ""}, {"a thousand more, disabled", services(false)}, {"a thousand more", services(true)}} {
		t.Run(c.name, func(t *testing.T) {
			own, rss := remembers(t, c.more)
			for tries := 1; c.more == "" && own > mostOwn && tries < 3; tries++ { // a busy machine has the runtime start more threads
				t.Logf("after an update over TLS the daemon has %d KiB of its own; once more", own)
				own, rss = remembers(t, c.more)
			}
			t.Logf("after an update over TLS the daemon has %d KiB of its own, %d with pages of the program", own, rss)
			if c.more == "" {
				alone = own
			}
			switch {
			case c.more == "" && own > mostOwn:
				t.Errorf("want %d at most", mostOwn)
			case own > alone+mostMore:
				t.Errorf("that is %d more than without, want %d at most", own-alone, mostMore)
			}
		})
	}
}

// Routers renew lifetimes and advertise themselves for ever, some every few
// seconds.
func TestE2EMemoryOfRenewals(t *testing.T) {
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.built = built(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.on()
	r.requests(1)
	for _, dev := range []string{"wan0", "isp0"} { // not for the kernel
		r.do(wantest.Sysctl("net/ipv6/conf/"+dev+"/accept_ra", "0"))
	}
	const times, mostOwn = 1000, 2200
	for what, again := range map[string]func(i int) error{
		"renewals": func(i int) error {
			return wantest.ReplaceAddr("wan0", "84.0.0.2/32", "valid_lft", fmt.Sprint(9000+i), "preferred_lft", "9000")
		},
		"advertisements": func(int) error { return wantest.Advertise("isp0", "2a00:1:2:3::/64", time.Hour, time.Hour) },
	} {
		for i := range times {
			r.do(again(i))
			time.Sleep(5 * time.Millisecond) // each is to be taken in for itself
		}
		_, own := r.memory()
		for end := time.Now().Add(patience); own > mostOwn && time.Now().Before(end); _, own = r.memory() {
			time.Sleep(100 * time.Millisecond)
		}
		t.Logf("after %d %s the daemon has %d KiB of its own", times, what, own)
		if own > mostOwn {
			t.Errorf("want %d at most", mostOwn)
		}
	}
	r.only(1)
	r.term()
}
