package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"wandns/updater"
	"wandns/wan/wantest"
)

// As on OpenWrt, the kernel does not act on advertisements: odhcp6c does, a
// moment after the daemon has heard them too.
func TestE2EWithdrawnPrefixIsLeftBeforeTheKernelActs(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.Sysctl("net/ipv6/conf/wan0/accept_ra", "0"), wantest.AddDefault("wan0", "::", 512),
		wantest.AddAddr("wan0", "2a00:1:1::9/64", "nodad", "preferred_lft", "3600", "valid_lft", "7200"))
	r.on()
	if l := r.requests(1); l[0].Value != "2a00:1:1::9" {
		t.Fatalf("first %v", l[0])
	}
	r.do(wantest.AddAddr("wan0", "2a00:1:2::9/64", "nodad", "preferred_lft", "1800", "valid_lft", "7200"))
	r.until("wan0 can hear", func(updater.Status) bool {
		_, out := r.say("wan")
		return regexp.MustCompile(`wan0 +up +fe80:\S+ +forever +forever +permanent\n`).MatchString(out)
	})
	r.only(1)

	r.do(wantest.Advertise("isp0", "2a00:1:1::/64", 0, 2*time.Hour))
	l := r.requests(2)
	if l[1].Value != "2a00:1:2::9" {
		t.Fatalf("then %v", l[1])
	}
	if s := r.state(updater.OK); s.Records[0].Published != "2a00:1:2::9" {
		t.Errorf("status %+v", s)
	}

	// Forged: it comes from beyond the link.
	forged, err := wantest.Advertisement("2a00:1:2::/64", 0, 2*time.Hour)
	r.do(err, wantest.Send("isp0", 254, forged))
	r.until("the forged one is counted", func(st updater.Status) bool { return st.Ignored == 1 })
	r.only(2)
}

func TestE2EWANExplainsEveryAddress(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "100.64.0.2/24"), wantest.AddAddr("wan1", "84.0.0.2/24"), wantest.AddDefault("wan0", "100.64.0.1", 10),
		wantest.AddAddr("wan0", "2a00:1::2/64", "nodad"), wantest.AddAddr("wan0", "fd00::2/64", "nodad"), wantest.AddAddr("wan1", "2a00:2::2/64", "nodad"),
		wantest.AddDefault("wan0", "::", 10), wantest.AddDefault("wan1", "::", 20))
	code, out := r.say("wan")
	for _, want := range []string{
		"A: the address that the internet sees, for which a running daemon asks: it is the address of your provider's NAT, since wan0 has only 100.64.0.2 (carrier-grade NAT, RFC 6598), so nothing can connect in",
		"not 100.64.0.2 on wan0: carrier-grade NAT, RFC 6598",
		"not 84.0.0.2 on wan1: wan1 holds no IPv4 default route",
		"AAAA: 2a00:1::2, because wan0 holds the IPv6 default route (metric 10)",
		"not fd00::2 on wan0: unique local, RFC 4193",
		"not 2a00:2::2 on wan1: another default route comes before that of wan1",
	} {
		if code != exitDone || !strings.Contains(out, want) {
			t.Errorf("exit %d, missing %q in\n%s", code, want, out)
		}
	}
	_, out = r.say("wan", "--json")
	var w wanJSON
	r.do(json.Unmarshal([]byte(out), &w))
	if len(w.Choices) != 2 || w.Choices[1].Address != "2a00:1::2" || w.Choices[1].Prefix != "2a00:1::/64" {
		t.Errorf("choices %s", fmt.Sprint(w.Choices))
	}
}

func TestE2EWANHearsTheRouter(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	var gateway string
	r.until("isp0 can speak", func(updater.Status) bool {
		_, out := r.say("wan")
		if m := regexp.MustCompile(`isp0 +up +(fe80:\S+)/64 +forever +forever +permanent\n`).FindStringSubmatch(out); m != nil {
			gateway = m[1]
		}
		return gateway != ""
	})
	r.do(wantest.Sysctl("net/ipv6/conf/wan0/accept_ra", "0"), wantest.AddDefault("wan0", gateway, 512))
	r.until("the router", func(updater.Status) bool {
		said := make(chan error, 1)
		time.AfterFunc(answerTime/4, func() { said <- wantest.Advertise("isp0", "2a00:1::/64", time.Hour, 2*time.Hour) })
		_, out := r.say("wan")
		r.do(<-said)
		return strings.Contains(out, "Router "+gateway+" on wan0, default router for 1") &&
			strings.Contains(out, "Advertised prefix 2a00:1::/64 on wan0, preferred 35")
	})
}
