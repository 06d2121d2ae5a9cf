package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"wandns/updater"
	"wandns/wan/wantest"
)

func TestE2EMetrics(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	global := func(lines string) {
		r.configure([]string{"home.example.com"})
		b, err := os.ReadFile(r.config)
		r.do(err, os.WriteFile(r.config, []byte(lines+string(b)), 0o600))
	}
	one, two := r.path("run/one.prom"), r.path("run/two.prom")
	has := func(path string, wants ...string) {
		t.Helper()
		r.until(path+" has "+strings.Join(wants, ", "), func(updater.Status) bool {
			b, err := os.ReadFile(path)
			if strings.Contains(string(b), secret) {
				t.Fatalf("the secret is in the metrics:\n%s", b)
			}
			for _, want := range wants {
				if !strings.Contains(string(b), "\n"+want+"\n") {
					return false
				}
			}
			return err == nil
		})
	}
	gone := func(path string) {
		t.Helper()
		r.until(path+" is gone", func(updater.Status) bool {
			_, err := os.Stat(path)
			return os.IsNotExist(err)
		})
	}

	global("metrics_file = \"" + one + "\"\n")
	r.sim.Next("911")
	r.on()
	has(one, "wandns_up 1", `wandns_service_state{service="home",provider="noip",state="no-address"} 1`)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	has(one, `wandns_wan_default_route{device="wan0",family="ipv4"} 1`, `wandns_request_faults_total{service="home"} 1`, `wandns_record_current{service="home",hostname="home.example.com",type="A"} 0`)

	global("metrics_file = \"" + two + "\"\n")
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	has(two, `wandns_requests_total{service="home"} 1`)
	gone(one)
	r.term()
	has(two, "wandns_up 0")
	r.on()
	has(two, "wandns_up 1")
	global("")
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	gone(two)
}
