package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wandns/updater"
	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// strain is what the daemon occupies at a moment.
type strain struct{ rss, threads, files int }

func (r *router) strain() strain {
	r.t.Helper()
	count := func(dir string) int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", r.daemon.Process.Pid, dir))
		r.do(err)
		return len(entries)
	}
	rss, _ := r.memory()
	return strain{rss, count("task"), count("fd")}
}

// typical is the median of each.
func typical(all []strain) strain {
	median := func(of func(strain) int) int {
		var list []int
		for _, s := range all {
			list = append(list, of(s))
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	return strain{
		median(func(s strain) int { return s.rss }),
		median(func(s strain) int { return s.threads }),
		median(func(s strain) int { return s.files }),
	}
}

// TestE2ESoak is bad weather for a while, or as long as WANDNS_SOAK says: addresses that
// change, providers that fail in every way and come back as others, reloads,
// and people. The daemon must not be any larger in the second half. The
// providers' rules are no matter here: the answer to a request that a new
// address cuts short is not heard.
func TestE2ESoak(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	rounds, length := 200, 24*time.Hour
	if s := os.Getenv("WANDNS_SOAK"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		rounds, length = math.MaxInt, d
	}
	r := newRouter(t)
	var sims sync.Map // by user
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r.do(err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, _, _ := req.BasicAuth()
		if sim, ok := sims.Load(user); ok {
			sim.(http.Handler).ServeHTTP(w, req)
		}
	})}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { server.Close() })
	r.url = "http://" + l.Addr().String()
	faults := []updatertest.Fault{
		updatertest.Normal, updatertest.Cut, updatertest.CutAfter, updatertest.Slow, updatertest.Huge, updatertest.HTML, updatertest.Empty, updatertest.Wrong,
		updatertest.Error500, updatertest.Error401, updatertest.Error429, updatertest.Redirect, updatertest.Echo, "911", "abuse", "nohost", "badagent",
	}

	r.do(wantest.AddDefault("wan0", "", 0))
	r.configure([]string{"home.example.com"})
	sims.Store(r.sim.User, r.sim)
	r.on()
	var all []strain
	requests, before := 0, ""
	for n, end := 0, time.Now().Add(length); n < rounds && time.Now().Before(end); n++ {
		// Another account at another provider, which fails in its own way.
		user := fmt.Sprintf("user%d@example.com", n%50)
		r.sim = updatertest.NewNoIP(user, secret, "home.example.com")
		r.sim.Next(faults[n%len(faults)])
		sims.Store(user, r.sim)
		asked := r.sim.Changed()
		r.configure([]string{"home.example.com"})
		r.do(r.daemon.Process.Signal(syscall.SIGHUP))
		addr := fmt.Sprintf("84.0.%d.%d/32", n/250%250, n%250+2)
		r.do(wantest.AddAddr("wan0", addr))
		if before != "" {
			r.do(wantest.DelAddr("wan0", before))
		}
		before = addr
		if n%10 == 9 {
			r.do(wantest.Down("isp0"), wantest.Up("isp0"))
		}
		select {
		case <-asked:
		case <-time.After(time.Second): // it may not hurry
		}
		switch rand.IntN(3) {
		case 0:
			r.exit("update")
		case 1:
			r.sim.Forgive()
			r.exit("resume", "home")
		case 2:
			r.exit("status")
		}
		for range len(r.out.lines) {
			<-r.out.lines
		}
		r.out.Reset()
		requests += len(r.sim.Ledger())
		all = append(all, r.strain())
	}
	all = all[len(all)/10:] // the first requests make it what it is
	a, b := typical(all[:len(all)/2]), typical(all[len(all)/2:])
	t.Logf("%d requests, %d reloads; at first %+v, later %+v", requests, len(all), a, b)
	if b.rss > a.rss+a.rss/10+1024 || b.threads > a.threads+2 || b.files > a.files+2 {
		t.Errorf("it has grown: %+v, then %+v", a, b)
	}
	if requests < len(all)/2 {
		t.Errorf("%d requests in %d rounds: the test tests less than it says", requests, len(all))
	}
	r.until("it is well", func(st updater.Status) bool { return len(st.Services) == 1 })
	r.end(syscall.SIGQUIT) // prints what every goroutine does
	if n := strings.Count(r.out.String(), "\ngoroutine "); n == 0 || n > 40 {
		t.Errorf("%d goroutines at the end:\n%s", n, r.out.String())
	} else {
		t.Logf("%d goroutines at the end", n)
	}
}
