package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"wandns/updater"
	"wandns/wan/wantest"
)

// On no machine is a call allowed that would give it away.
func TestCallsThatAreNeverAllowed(t *testing.T) {
	files, err := filepath.Glob("seccomp*.go")
	if err != nil || len(files) < 6 {
		t.Fatal(files, err)
	}
	var ours []string
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`unix\.SYS_(\w+)`).FindAllSubmatch(b, -1) {
			ours = append(ours, strings.ToLower(string(m[1])))
		}
	}
	for never := range strings.FieldsSeq("execve execveat ptrace process_vm_readv process_vm_writev mount umount2 pivot_root chroot unshare setns init_module finit_module bpf " +
		"kexec_load reboot swapon settimeofday clock_settime clock_adjtime setuid setgid setresuid setgroups capset chown fchown fchownat lchown chmod fchmod fchmodat link linkat symlink symlinkat " +
		"mknod mknodat keyctl add_key perf_event_open userfaultfd io_uring_setup open_by_handle_at prctl seccomp socketpair") {
		if slices.Contains(ours, never) {
			t.Errorf("%s is allowed", never)
		}
	}
	if n := len(allowedCalls) + len(callsOfMachine); n > 250 || auditArch[runtime.GOARCH] == 0 {
		t.Errorf("%d calls do not fit, or %s has no name", n, runtime.GOARCH)
	}
}

// hardened is what the test's program does as a daemon that is hardened: it
// tries what it may not do, and then says what came of it.
func hardened() {
	limit()
	dir := os.Args[2]
	harden(newLog(os.Stdout, os.Stderr, "debug"), filepath.Join(dir, "may"))
	_, landlock := os.Stat(filepath.Join(dir, "landlock"))
	errs := map[string]error{}
	call := func(name string, number, a, b, c uintptr) {
		if _, _, errno := syscall.Syscall(number, a, b, c); errno != 0 {
			errs[name] = errno
		}
	}
	path, _ := unix.BytePtrFromString("/bin/true")
	call("execve", unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)), 0, 0)
	call("ptrace", unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0)
	call("mount", unix.SYS_MOUNT, 0, 0, 0)
	call("setuid", unix.SYS_SETUID, 0, 0, 0)
	call("prctl", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1, 0)
	_, errs["packet socket"] = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	_, errs["raw socket"] = unix.Socket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6)
	call("a later call", 0xfff+firstCall, 0, 0, 0)
	errs["program"] = exec.Command("/bin/true").Run()
	if landlock == nil {
		errs["file elsewhere"] = os.WriteFile(filepath.Join(dir, "elsewhere", "file"), nil, 0o600)
		errs["file that is there"] = os.WriteFile(filepath.Join(dir, "elsewhere", "there"), nil, 0o600)
		errs["removal"] = os.Remove(filepath.Join(dir, "elsewhere", "there"))
	}
	for name, err := range errs {
		fmt.Printf("%s: %v\n", name, err)
	}
	may := filepath.Join(dir, "may", "file")
	err := errors.Join(os.WriteFile(may, []byte("x"), 0o600), os.Rename(may, may+"2"), os.Remove(may+"2"))
	_, read := os.ReadFile(filepath.Join(dir, "elsewhere", "there"))
	fmt.Printf("allowed: %v\n", errors.Join(err, read))
}

// Once it is hardened a daemon can neither start a program nor get anything
// back, in any thread.
func TestE2EHardened(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.toBeNobody()
	uid, gid, err := lookUp("nobody")
	r.do(err)
	want := []string{
		"execve: operation not permitted", "ptrace: operation not permitted", "mount: operation not permitted", "setuid: operation not permitted",
		"prctl: operation not permitted", "packet socket: operation not permitted", "raw socket: operation not permitted", "a later call: function not implemented", "program: ", "allowed: <nil>",
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION); errno == 0 {
		r.write("landlock", "")
		r.do(os.Chmod(r.path("landlock"), 0o644))
		want = append(want, "file elsewhere: open", "file that is there: open", "removal: remove")
	} else { // it goes on without
		want = append(want, "confined to its folders error="+errno.Error())
	}
	for _, dir := range []string{"may", "elsewhere"} {
		r.do(os.Mkdir(r.path(dir), 0o755), os.Chown(r.path(dir), uid, gid))
	}
	r.do(os.WriteFile(r.path("elsewhere/there"), nil, 0o644), os.Chown(r.path("elsewhere/there"), uid, gid))
	cmd := exec.Command(r.path("wandns"), "x", r.dir)
	cmd.Env = append(os.Environ(), beHardened+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	out, err := cmd.CombinedOutput()
	r.do(err)
	for _, line := range want {
		if !strings.Contains(string(out), "\n"+line) {
			t.Errorf("no %q in:\n%s", line, out)
		}
	}
}

// Whoever starts the daemon leaves no file in it, and it is kept from dumps.
func TestE2EInheritedFiles(t *testing.T) {
	tools(t, "sh")
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	gid := r.toBeNobody()
	r.do(os.Chown(r.config, 0, gid), os.Chmod(r.config, 0o640), os.WriteFile(r.path("roots"), []byte("x"), 0o600))
	r.under = []string{"sh", "-c", `exec 3<"$0" 7<"$0" 9>>"$0"; p=$1; shift 2; exec "$p" "$@" --user nobody`, r.path("roots"), r.path("wandns")}
	r.on()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", r.daemon.Process.Pid))
	r.do(err)
	for _, f := range files {
		if to, _ := os.Readlink(f); strings.HasSuffix(to, "/roots") {
			t.Errorf("%s is still %s", f, to)
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", r.daemon.Process.Pid))
	r.do(err)
	for _, want := range []string{`Max open files +512 +512`, `Max core file size +0 +0`} {
		if !regexp.MustCompile(want).Match(limits) {
			t.Errorf("no %s in %s", want, limits)
		}
	}
	info, err := os.Stat(fmt.Sprintf("/proc/%d/mem", r.daemon.Process.Pid)) // root's, if nobody may look into it
	r.do(err)
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || len(files) == 0 || s.Uid != 0 {
		t.Errorf("its memory is of user %d; it has %d files", s.Uid, len(files))
	}
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.state(updater.OK)
}

// What a hardened daemon may no more write to it does not try: the metrics stay
// where they are until the next start.
func TestE2EMetricsInAnotherFolderNeedARestart(t *testing.T) {
	tools(t, "sh")
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	gid := r.toBeNobody()
	uid, _, err := lookUp("nobody")
	r.do(err, os.Mkdir(r.path("other"), 0o755), os.Chown(r.path("other"), uid, gid))
	measure := func(file string) {
		r.configure([]string{"home.example.com"})
		b, err := os.ReadFile(r.config)
		r.do(err, os.WriteFile(r.config, append(fmt.Appendf(nil, "metrics_file = %q\n", file), b...), 0o640))
		r.do(os.Chown(r.config, 0, gid), os.Chmod(r.config, 0o640))
	}
	has := func(file, want string) {
		t.Helper()
		r.until(file+" has "+want, func(updater.Status) bool {
			b, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(b), "\n"+want+"\n")
		})
	}
	one, two, other := r.path("run/one.prom"), r.path("run/two.prom"), r.path("other/wandns.prom")
	measure(one)
	r.on()
	has(one, "wandns_up 1")
	measure(other)
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	r.hear("a metrics_file in another folder changes with the next start only")
	r.hear("configuration reloaded")
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	has(one, `wandns_requests_total{service="home"} 1`)
	measure(two) // another file, the same folder
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	has(two, "wandns_up 1")
	measure(other)
	r.term()
	if strings.Contains(r.out.String(), "could not be written") {
		t.Errorf("it tries in vain:\n%s", r.out.String())
	}
	r.on()
	has(other, "wandns_up 1")
}

// Of what the daemon does nothing is shut: each call would have a reason of its
// own to fail.
func TestE2EHardenedDaemonIsNotHeldUp(t *testing.T) {
	tools(t, "sh", "strace")
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	gid := r.toBeNobody()
	r.secure("")
	b, err := os.ReadFile(r.config)
	r.do(err, os.WriteFile(r.config, append(fmt.Appendf(nil, "metrics_file = %q\n", r.path("state/metrics.prom")), b...), 0o640))
	r.do(os.Chown(r.config, 0, gid), os.Chmod(r.config, 0o640), os.Chmod(r.path("ca.pem"), 0o644))
	trace := r.path("trace")
	r.under = []string{"sh", "-c", `shift; exec strace -ff -qq -o ` + trace + ` "$0" "$@" --user nobody`, r.path("wandns")}
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.launch()
	r.requests(1)
	r.do(wantest.AddAddr("wan0", "84.0.0.3/32"), wantest.DelAddr("wan0", "84.0.0.2/32"))
	r.requests(2)
	if code, out := r.say("update"); code != exitDone {
		t.Errorf("update: %d, %s", code, out)
	}
	pid := r.status().PID
	r.do(syscall.Kill(pid, syscall.SIGHUP))
	r.hear("configuration reloaded")
	if _, err := os.Stat(r.path("state/metrics.prom")); err != nil {
		t.Error(err)
	}
	r.do(syscall.Kill(pid, syscall.SIGTERM))
	r.hear("wandns stopped")
	files, err := filepath.Glob(trace + ".*") // one of each thread, or calls would be torn apart
	r.do(err)
	shut := false
	for _, file := range files {
		b, err := os.ReadFile(file)
		r.do(err)
		for line := range strings.Lines(string(b)) {
			shut = shut || strings.HasPrefix(line, "seccomp(SECCOMP_SET_MODE_FILTER")
			if regexp.MustCompile(`= -1 (EPERM|ENOSYS)`).MatchString(line) && !regexp.MustCompile(`^(epoll_ctl|rt_sigreturn|socket\(AF_INET6, SOCK_RAW)`).MatchString(line) {
				t.Errorf("refused: %s", line)
			}
		}
	}
	if !shut {
		t.Error("it has no filter")
	}
}
