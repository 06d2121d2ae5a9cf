package main

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"wandns/updater"
	"wandns/wan/wantest"
)

// Flash that fails under the daemon: it goes on, says so, repeats nothing when
// it is started again, and all is well once the flash is.
func TestE2EFlashThatFails(t *testing.T) {
	tools(t, "strace")
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	// Mounts are this thread's, and of what it starts.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	r := newRouter(t)
	r.do(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	dir, temp := r.path("state"), r.path("state/state.db.tmp")
	inject := func(call string) []string {
		return []string{"strace", "-f", "-D", "-qq", "-o", "/dev/null", "-P", temp, "-e", "trace=" + call, "-e", "inject=" + call + ":error=EIO"}
	}
	nothing := func() {}
	for _, c := range []struct {
		name, says  string
		fault, heal func()
		under       []string // a program that runs the daemon, and spoils its calls
	}{
		{name: "full", says: "no space left", fault: func() {
			f, err := os.Create(r.path("state/fill"))
			r.do(err)
			defer f.Close()
			for err == nil {
				_, err = f.Write(make([]byte, 4096))
			}
		}, heal: func() { r.do(os.Remove(r.path("state/fill"))) }},
		{name: "read-only", says: "read-only file system", fault: func() {
			r.do(unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		}, heal: func() { r.do(unix.Mount("", dir, "", unix.MS_REMOUNT, "")) }},
		{name: "gone", says: "no such file", fault: func() {
			r.do(unix.Unmount(dir, unix.MNT_DETACH), os.Remove(dir))
		}, heal: func() { r.do(os.MkdirAll(dir, 0o700)) }},
		{name: "EIO from write", says: "input/output error", fault: nothing, heal: nothing, under: inject("write")},
		{name: "EIO from fsync", says: "input/output error", fault: nothing, heal: nothing, under: inject("fsync")},
		{name: "EIO from rename", says: "input/output error", fault: nothing, heal: nothing, under: inject("renameat")},
	} {
		r.do(os.RemoveAll(r.path("run")), os.MkdirAll(dir, 0o700), unix.Mount("tmpfs", dir, "tmpfs", 0, "size=128k,mode=0700"))
		r.do(wantest.ReplaceAddr("wan0", "84.0.0.2/32"), wantest.ReplaceDefault("wan0", "", 0))
		published := func(addr string) func(updater.Status) bool {
			return func(st updater.Status) bool {
				return len(st.Services) == 1 && st.Services[0].State == updater.OK && len(st.Services[0].Records) == 1 && st.Services[0].Records[0].Published == addr
			}
		}
		if c.under == nil {
			r.on()
			r.until("the first address", published("84.0.0.2"))
			c.fault()
			r.do(wantest.AddAddr("wan0", "84.0.0.3/32"), wantest.DelAddr("wan0", "84.0.0.2/32"))
		} else {
			r.do(wantest.AddAddr("wan0", "84.0.0.3/32"), wantest.DelAddr("wan0", "84.0.0.2/32"))
			r.under = c.under
			r.on()
			r.under = nil
		}
		st := r.until("the address", published("84.0.0.3"))
		if len(st.Problems) != 1 || !strings.Contains(st.Problems[0], c.says) || !strings.Contains(st.Problems[0], "free or repair state_dir") {
			t.Errorf("%s: problems = %q", c.name, st.Problems)
		}
		n := len(r.sim.Ledger())
		r.kill()
		c.heal()
		r.on() // puts on flash what was spared
		st = r.until("the address after a restart", published("84.0.0.3"))
		if len(st.Problems) != 0 {
			t.Errorf("%s, healed: problems = %q", c.name, st.Problems)
		}
		r.kill()
		r.do(os.RemoveAll(r.path("run"))) // a reboot
		r.on()
		r.until("the address after a reboot", published("84.0.0.3"))
		if after := len(r.sim.Ledger()); after != n {
			t.Errorf("%s: %d requests were repeated", c.name, after-n)
		}
		r.term()
		r.do(wantest.DelAddr("wan0", "84.0.0.3/32"))
		_ = unix.Unmount(dir, unix.MNT_DETACH) // "gone" is
	}
}
