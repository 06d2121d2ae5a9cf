package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wandns/wan/wantest"
)

// While nothing changes, the daemon does nothing at all: it holds no timer,
// makes no call, and the runtime's own watch looks around once a minute, which
// takes two switches. `make bench` counts them for five minutes.
func TestE2EIdleSleeps(t *testing.T) {
	tools(t, "strace")
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	trace := r.path("trace")
	r.under = []string{"strace", "-f", "-D", "-qq", "-o", trace}
	r.on()
	r.requests(1)
	r.settle()
	var calls []byte
	var woken int
	for tries := 0; tries == 0 || tries < 3 && bytes.Contains(calls, []byte("ECANCELED")); tries++ { // somebody set the machine's clock, which it must notice
		before, err := os.ReadFile(trace)
		r.do(err)
		switches := r.wakeups()
		time.Sleep(30 * time.Second)
		woken = r.wakeups() - switches
		calls, err = os.ReadFile(trace)
		r.do(err)
		calls = calls[len(before):]
	}
	if woken > 2 {
		t.Errorf("%d context switches in 30 idle seconds", woken)
	}
	own := regexp.MustCompile(`^\d+ +(<\.\.\. )?(futex|epoll_pwait|nanosleep)\b`) // the runtime's
	for line := range bytes.Lines(calls) {
		if !own.Match(line) {
			t.Errorf("while nothing changed: %s", line)
		}
	}
	if d := r.timer(); d >= 0 {
		t.Errorf("a timer wakes it after %v", d)
	}
	r.only(1)
}

// settle waits until no thread of the daemon has run for a while: the kernel
// still announces what it does to new devices.
func (r *router) settle() {
	r.t.Helper()
	for settled, end := -1, time.Now().Add(patience); settled != r.wakeups() && time.Now().Before(end); {
		settled = r.wakeups()
		time.Sleep(3 * time.Second)
	}
}

// wakeups counts how often any thread of the daemon was put on a processor.
func (r *router) wakeups() (n int) {
	r.t.Helper()
	for _, b := range r.threads("status") {
		for line := range strings.Lines(b) {
			var v int
			if _, after, ok := strings.Cut(line, "voluntary_ctxt_switches:"); ok { // nonvoluntary too
				_, err := fmt.Sscan(after, &v)
				r.do(err)
			}
			n += v
		}
	}
	return n
}

// timer is when the runtime wants to be woken by the kernel, where its last
// idle thread waits; negative if never.
func (r *router) timer() time.Duration {
	r.t.Helper()
	for _, b := range r.threads("syscall") {
		var nr, fd, events, size, timeout uint64
		if _, err := fmt.Sscan(b, &nr, &fd, &events, &size, &timeout); err == nil && nr == unix.SYS_EPOLL_PWAIT {
			return time.Duration(int32(timeout)) * time.Millisecond
		}
	}
	r.t.Fatal("no thread waits for the kernel")
	return 0
}

// threads returns a file of /proc for each thread of the daemon.
func (r *router) threads(name string) (all []string) {
	r.t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/%s", r.daemon.Process.Pid, name))
	if err != nil || len(files) == 0 {
		r.t.Fatal("no threads", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		r.do(err)
		all = append(all, string(b))
	}
	return all
}
