package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"wandns/updater"
	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// outsiders serves two outside services on loopback.
func (r *router) outsiders(says string) (list []*updatertest.Outside, urls []string) {
	r.t.Helper()
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			r.t.Fatal(err)
		}
		o := updatertest.NewOutside(says)
		server := &http.Server{Handler: o, ReadHeaderTimeout: patience}
		go func() { _ = server.Serve(l) }() // ends with Close
		r.t.Cleanup(func() { server.Close() })
		list, urls = append(list, o), append(urls, "http://"+l.Addr().String()+"/")
	}
	return list, urls
}

func TestE2EBehindCGNAT(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	out, urls := r.outsiders("84.0.0.9\n")
	asked := func() (n int) {
		for _, o := range out {
			n += len(o.Ledger())
			if v := o.Violations(); len(v) > 0 {
				t.Fatalf("an outside service was told too much: %v", v)
			}
		}
		return n
	}
	r.configure([]string{"home.example.com"}, fmt.Sprintf("web_url4 = [%q, %q]", urls[0], urls[1]))
	r.do(wantest.AddAddr("wan0", "100.64.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.on()
	if l := r.requests(1); l[0].Value != "84.0.0.9" || asked() != 2 {
		t.Fatalf("%v after %d questions", l, asked())
	}
	const warning = "84.0.0.9 is the address of your provider's NAT, since wan0 has only 100.64.0.2 (carrier-grade NAT, RFC 6598), so nothing can connect in; ask your provider for a public IPv4 address"
	if st := r.state(updater.OK); st.Reason != warning {
		t.Errorf("status = %+v", st)
	}
	if _, text := r.say("status"); !strings.Contains(text, warning) {
		t.Errorf("wandns status says\n%s", text)
	}
	if _, text := r.say("wan"); !strings.Contains(text, "A: the address that the internet sees, for which a running daemon asks: it is the address of your provider's NAT") || asked() != 2 {
		t.Errorf("after %d questions wandns wan says\n%s", asked(), text)
	}

	// Every address is another WAN, and asked about after a growing pause.
	for i := range 30 {
		r.do(wantest.AddAddr("wan0", fmt.Sprintf("100.64.1.%d/32", i+1)), wantest.DelAddr("wan0", before(i)))
	}
	r.until("the last address was asked about", func(st updater.Status) bool {
		return strings.Contains(st.Services[0].Reason, "100.64.1.30 ") && st.Services[0].State == updater.OK
	})
	if n := asked(); n > 2*5 {
		t.Errorf("%d questions about 30 addresses", n)
	}
	r.only(1)

	n := asked()
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.DelAddr("wan0", "100.64.1.30/32"))
	if l := r.requests(2); l[1].Value != "84.0.0.2" || asked() != n {
		t.Errorf("with a public address: %v after %d more questions", l, asked()-n)
	}
	if st := r.state(updater.OK); st.Reason != "" {
		t.Errorf("status = %+v", st)
	}
}

// before is the address that stands before the i-th change.
func before(i int) string {
	if i == 0 {
		return "100.64.0.2/32"
	}
	return fmt.Sprintf("100.64.1.%d/32", i)
}

func TestE2ETheProviderTakesTheAddress(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.sim.SetSource(func(*http.Request) netip.Addr { return netip.MustParseAddr("84.0.0.9") })
	r.configure([]string{"home.example.com"}, `source = "provider"`, `family = "ipv4"`)
	r.do(errors.Join(wantest.AddAddr("wan0", "100.64.0.2/32"), wantest.AddDefault("wan0", "", 0)))
	r.on()
	if l := r.requests(1); l[0].Value != "" || l[0].Answer != "good 84.0.0.9\r\n" {
		t.Fatalf("request %v", l[0])
	}
	st := r.state(updater.OK)
	if rec := st.Records[0]; rec.Published != "84.0.0.9" || rec.Wanted != "84.0.0.9" || !strings.Contains(st.Reason, "nothing can connect in") {
		t.Errorf("status = %+v", st)
	}
	for _, end := range []func(){r.term, r.kill} {
		end()
		r.on()
		r.state(updater.OK)
		r.only(1)
	}
	r.do(wantest.AddAddr("wan0", "100.64.0.3/32"), wantest.DelAddr("wan0", "100.64.0.2/32"))
	r.requests(2)
}
