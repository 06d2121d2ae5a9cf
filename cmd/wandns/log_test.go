package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wandns/updater"
	"wandns/wan/wantest"
)

func TestALogLineIsPlain(t *testing.T) {
	for _, tt := range []struct {
		name     string
		write    func(*lines)
		out, err string
	}{
		{"information", func(l *lines) { l.Info("it works") }, "it works\n", ""},
		{"warning", func(l *lines) { l.Warn("look here") }, "", "look here\n"},
		{"error", func(l *lines) { l.Error("it failed") }, "", "it failed\n"},
		{"below the level", func(l *lines) { l.Debug("details") }, "", ""},
		{"attributes", func(l *lines) { l.Info("sent", "hosts", 2, "address", "84.0.0.2") }, "sent hosts=2 address=84.0.0.2\n", ""},
		{"an error as attribute", func(l *lines) { l.Warn("failed", "error", errors.New("no route")) }, "", "failed error=no route\n"},
		{"an empty attribute", func(l *lines) { l.Info("sent", "answer", "", "n", 0) }, "sent n=0\n", ""},
		{"a service", func(l *lines) { l.Info("sent", "service", "home", "n", 1) }, "home: sent n=1\n", ""},
		{"per cent signs", func(l *lines) { l.Info("100%s") }, "100%s\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, err bytes.Buffer
			tt.write(newLog(&out, &err, "info"))
			if out.String() != tt.out || err.String() != tt.err {
				t.Errorf("out = %q, err = %q; want %q and %q", &out, &err, tt.out, tt.err)
			}
		})
	}
}

func TestTheLogLevelChangesWhileRunning(t *testing.T) {
	var out bytes.Buffer
	log := newLog(&out, &out, "info")
	log.Debug("one")
	log.limit("debug")
	log.Debug("two")
	log.limit("error")
	log.Warn("three")
	log.Error("four")
	if got := out.String(); got != "two\nfour\n" {
		t.Errorf("log = %q", got)
	}
}

// torn hands every byte on by itself, so that unguarded lines would mix.
type torn struct{ bytes.Buffer }

func (w *torn) Write(p []byte) (int, error) {
	for _, c := range p {
		w.WriteByte(c)
	}
	return len(p), nil
}

func TestLinesOfManyGoroutinesStayWhole(t *testing.T) {
	var both torn
	log := newLog(&both, &both, "info")
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			for range 100 {
				log.Info(strings.Repeat(name, 50), "service", name)
				log.Warn(strings.Repeat(name, 50), "service", name)
			}
		})
	}
	wg.Wait()
	n := 0
	for line := range strings.Lines(both.String()) {
		n++
		if name := line[:1]; line != name+": "+strings.Repeat(name, 50)+"\n" {
			t.Fatalf("line %d is %q", n, line)
		}
	}
	if n != 800 {
		t.Errorf("%d lines, want 800", n)
	}
}

// A usual boot: the daemon is there before the line, addresses are checked for
// duplicates, and two services of one account take turns. On a router what
// goes to the standard error are errors.
func TestE2EABootIsNoError(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	for range 10 { // until a machine that is busy gave it the time
		r := newRouter(t, "home.example.com", "nas.example.com")
		text := fmt.Sprintf("state_dir = %q\nrun_dir = %q\n", r.path("state"), r.path("run"))
		for _, name := range []string{"home", "nas"} {
			text += fmt.Sprintf("[[service]]\nname = %q\nprovider = \"noip\"\nhostnames = [\"%s.example.com\"]\nusername = %q\npassword = %q\nserver = %q\n",
				name, name, r.sim.User, secret, r.url)
		}
		r.write("wandns.toml", text)
		var slow bool
		for range 2 { // the second time nothing is to be sent
			began := time.Now()
			out, failures := r.boot()
			slow = slow || time.Since(began) > 8*time.Second // it may speak of what takes ten
			if failures != "" && !slow {
				t.Errorf("errors:\n%s", failures)
			}
			last := map[string]string{}
			for line := range strings.Lines(out) {
				service, _, _ := strings.Cut(line, ":")
				last[service] = line
			}
			for _, name := range []string{"home", "nas"} {
				if !strings.Contains(last[name], "published") {
					t.Errorf("the last line about %s is %q:\n%s", name, last[name], out)
				}
			}
			r.do(wantest.DelLink("wan0"), wantest.DelLink("wan1"), wantest.Veth("wan0", "isp0"), wantest.Veth("wan1", "isp1"))
		}
		if l := r.sim.Ledger(); len(l) > 4 || len(r.sim.Violations()) > 0 {
			t.Errorf("requests: %v", l)
		}
		if !slow || t.Failed() {
			return
		}
		r.do(wantest.DelLink("wan0"), wantest.DelLink("wan1"))
	}
}

// boot runs the daemon until all is published over a line that comes up.
func (r *router) boot() (out, failures string) {
	r.t.Helper()
	var stdout, stderr bytes.Buffer
	daemon := r.command("run")
	daemon.Stdout, daemon.Stderr = &stdout, &stderr
	r.do(daemon.Start())
	r.until("the daemon is up", func(st updater.Status) bool { return st.PID == daemon.Process.Pid && r.seen(st) })
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddAddr("wan0", "2a00:1:2:3::1/64")) // which is tentative
	r.until("an address without a route", func(st updater.Status) bool { return st.Services[1].State == updater.NoAddress })
	r.do(wantest.AddDefault("wan0", "", 0), wantest.AddDefault("wan0", "::", 0))
	r.until("all is published", func(st updater.Status) bool {
		ok := true
		for _, s := range st.Services {
			ok = ok && s.State == updater.OK && len(s.Records) == 2
			for _, rec := range s.Records {
				ok = ok && rec.Published == rec.Wanted
			}
		}
		return ok
	})
	r.do(daemon.Process.Signal(syscall.SIGTERM), daemon.Wait())
	return stdout.String(), stderr.String()
}
