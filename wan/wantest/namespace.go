package wantest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// marker names, in the environment of a child, the test that it is to run.
const marker = "WANDNS_NAMESPACE"

// Isolate makes cmd start in a new network namespace, and in a new user
// namespace where it is root if this process is not. Only the loopback device
// is there, and it is down.
func Isolate(cmd *exec.Cmd) {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	cmd.SysProcAttr = attr
}

// InNamespace runs the calling test or benchmark again in a new network
// namespace. In that child it returns true. In the parent it returns false
// once the child has passed, and fails the test with the child's output if the
// child failed:
//
//	t.Parallel() // namespaces do not disturb each other
//	if !wantest.InNamespace(t) {
//		return
//	}
//
// A parent benchmark reports what the child measured. Subtests cannot call
// InNamespace; a test that did may have subtests. Without the privilege to
// make a namespace the test is skipped, or fails if WANDNS_CI=1.
func InNamespace(t testing.TB) bool {
	t.Helper()
	name := t.Name()
	if os.Getenv(marker) == name {
		if err := Up("lo"); err != nil {
			t.Fatal(err)
		}
		return true
	}
	if strings.Contains(name, "/") {
		t.Fatalf("%s is a subtest: only a whole test can run in a namespace", name)
	}
	b, bench := t.(*testing.B)
	if bench && b.N > 1 {
		// The run with N=1 did the work; its numbers are all there is.
		reportAgain(b)
		return false
	}

	out, err := again(t, bench)
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES),
		errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.ENOSYS),
		errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOEXEC):
		why := fmt.Sprintf("no network namespace can be made here: %v", err)
		if os.Getenv("WANDNS_CI") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	case err != nil:
		t.Fatalf("in the namespace: %v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP: "+name)):
		t.Skipf("in the namespace:\n%s", out)
	case bench:
		report(b, out)
	case !bytes.Contains(out, []byte("--- PASS: "+name+" ")):
		t.Fatalf("the child did not run the test:\n%s", out)
	case testing.Verbose():
		t.Logf("in the namespace:\n%s", out)
	}
	return false
}

// Beyond moves devices into a namespace of their own and calls setup there. It
// lasts as long as a socket that setup made, or the devices.
func Beyond(setup func() error, devices ...string) error {
	done, here := make(chan error), make(chan int)
	moved := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread is not fit for anything else
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			close(here)
			done <- fmt.Errorf("make a namespace: %w", err)
			return
		}
		here <- unix.Gettid()
		err := <-moved
		if err == nil {
			err = setup()
		}
		done <- err
	}()
	if tid, ok := <-here; ok {
		moved <- move(tid, devices)
	}
	return <-done
}

func move(tid int, devices []string) error {
	for _, d := range devices {
		err := onLink(d, "move", func(l netlink.Link) error { return netlink.LinkSetNsPid(l, tid) })
		if err != nil {
			return err
		}
	}
	return nil
}

// again runs this test binary for one test in a new namespace.
func again(t testing.TB, bench bool) ([]byte, error) {
	only := "^" + t.Name() + "$"
	args := []string{"-test.v", "-test.count=1", "-test.cpu=" + strconv.Itoa(runtime.GOMAXPROCS(0))}
	if bench {
		args = append(args, "-test.run=^$", "-test.bench="+only)
	} else {
		args = append(args, "-test.run="+only)
	}
	// A directory for counters is shared, so that coverage includes the child's.
	for _, name := range []string{"benchtime", "benchmem", "gocoverdir", "short", "timeout"} {
		f := flag.Lookup("test." + name)
		if f == nil || f.Value.String() == f.DefValue {
			continue
		}
		value := f.Value.String()
		if name == "timeout" {
			value = left(t, value)
		}
		args = append(args, "-test."+name+"="+value)
	}
	cmd := exec.Command(os.Args[0], args...)
	Isolate(cmd)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.Env = append(os.Environ(), marker+"="+t.Name())
	// The death signal is tied to the thread that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.CombinedOutput()
}

// left returns how long the child may take so that its own timeout, which
// prints the goroutines that hang, comes before the parent's.
func left(t testing.TB, timeout string) string {
	d, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return timeout
	}
	end, ok := d.Deadline()
	if !ok {
		return timeout
	}
	return max(time.Until(end)-2*time.Second, time.Second).String()
}

var measured = map[string]map[string]float64{}

// report takes the numbers out of a line such as
// "BenchmarkReadState-2  1234  56789 ns/op  12 B/op".
func report(b *testing.B, out []byte) {
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != b.Name() && !strings.HasPrefix(f[0], b.Name()+"-") {
			continue
		}
		numbers := map[string]float64{}
		for i := 2; i+1 < len(f); i += 2 {
			if v, err := strconv.ParseFloat(f[i], 64); err == nil {
				numbers[f[i+1]] = v
			}
		}
		measured[b.Name()] = numbers
		reportAgain(b)
		return
	}
	b.Fatalf("the child measured nothing:\n%s", out)
}

func reportAgain(b *testing.B) {
	b.ReportMetric(0, "ns/op") // the parent's own time says nothing
	for unit, v := range measured[b.Name()] {
		b.ReportMetric(v, unit)
	}
}
