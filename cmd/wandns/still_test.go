package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wandns/wan"
	"wandns/wan/wantest"
)

// While nothing changes, the daemon does nothing at all: it holds no timer,
// makes no call, and the runtime's own watch looks around once a minute, which
// wakes it twice. `make bench` counts for five minutes.
func TestE2EIdleSleeps(t *testing.T) {
	tools(t, "strace")
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	trace := r.path("trace")
	r.under = []string{"strace", "-f", "-D", "-qq", "-o", trace}
	r.on()
	r.requests(1)
	var calls []byte
	var woken int
	for end := time.Now().Add(patience); ; {
		r.settle()
		before, err := os.ReadFile(trace)
		r.do(err)
		asleep := r.wakeups()
		time.Sleep(5 * time.Second)
		woken = r.wakeups() - asleep
		calls, err = os.ReadFile(trace)
		r.do(err)
		calls = calls[len(before):]
		if !bytes.Contains(calls, []byte("ECANCELED")) || time.Now().After(end) {
			break
		} // else somebody set the machine's clock, which it must notice
	}
	if woken > 2 {
		t.Errorf("woken %d times while nothing changed", woken)
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

// settle waits until the kernel has done with new devices and no thread of the
// daemon was woken for two seconds.
func (r *router) settle() {
	r.t.Helper()
	const pause = 2 * time.Second
	woken, since := -1, time.Now()
	for end := time.Now().Add(patience); time.Since(since) < pause; time.Sleep(50 * time.Millisecond) {
		s, err := wan.Read()
		r.do(err)
		tentative := slices.ContainsFunc(s.Addrs, func(a wan.Addr) bool { return a.Flags&wan.Tentative != 0 })
		if n := r.wakeups(); n != woken || tentative {
			woken, since = n, time.Now()
		}
		if time.Now().After(end) {
			r.t.Fatal("the daemon finds no rest")
		}
	}
}

// wakeups counts how often any thread of the daemon was woken. To be put off
// the processor for others is none.
func (r *router) wakeups() (n int) {
	r.t.Helper()
	for _, b := range r.threads("status") {
		for line := range strings.Lines(b) {
			var v int
			if after, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
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
