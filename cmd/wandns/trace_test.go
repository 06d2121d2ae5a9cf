//go:build amd64 || arm64

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is a system call that leaves something behind, or sends something.
type call struct {
	done bool // it has been carried out; else it is about to be
	nr   uint64
	args [6]uint64
	path string // of the file, or what the descriptor is
}

func (c call) String() string {
	when := "before"
	if c.done {
		when = "after"
	}
	return fmt.Sprintf("%s %s %s", when, lasting[c.nr], c.path)
}

// lasting are the calls of a Go program that may leave something behind. The
// second list takes a path, the first a descriptor.
var lasting = map[uint64]string{
	unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "pwrite", unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_FSYNC: "fsync",
	unix.SYS_FDATASYNC: "fdatasync", unix.SYS_FLOCK: "flock", unix.SYS_CONNECT: "connect", unix.SYS_SENDTO: "sendto", unix.SYS_CLOSE: "close",

	unix.SYS_OPENAT: "openat", unix.SYS_MKDIRAT: "mkdirat", unix.SYS_UNLINKAT: "unlinkat", unix.SYS_RENAMEAT: "renameat",
}

var byPath = []uint64{unix.SYS_OPENAT, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT}

// trace runs a program to its end and shows each of its lasting calls, those
// of all threads in one order, before and after. The program is killed at once
// where at returns false. A ptracer sees what strace's own counters, which are
// each thread's, do not.
func trace(t testing.TB, cmd *exec.Cmd, at func(call) bool) (exit int) {
	t.Helper()
	runtime.LockOSThread() // the kernel takes orders from the thread that started the program
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	main := cmd.Process.Pid
	defer cmd.Process.Release()
	known := map[int]bool{}
	open := map[int]call{} // by thread
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatalf("wait for %d: %v", main, err)
		}
		if !ws.Stopped() {
			if tid == main {
				return ws.ExitStatus() // -1 if it was killed
			}
			continue
		}
		deliver := 0
		switch sig := ws.StopSignal(); {
		case !known[tid]: // the end of exec, or of clone
			known[tid] = true
			if tid == main {
				err = unix.PtraceSetOptions(tid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL)
			}
		case sig == unix.SIGTRAP|0x80:
			c, ok := look(tid, main, open)
			if ok && !at(c) {
				err = unix.Kill(main, unix.SIGKILL)
			}
		case sig != unix.SIGTRAP:
			deliver = int(sig)
		}
		if err == nil {
			err = unix.PtraceSyscall(tid, deliver)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // a killed thread is gone
			t.Fatalf("trace %d: %v", tid, err)
		}
	}
}

// look reads which call a thread stands before or after.
func look(tid, main int, open map[int]call) (call, bool) {
	var info struct { // struct ptrace_syscall_info
		op   uint8
		_    [3]uint8
		_    uint32
		_, _ uint64
		nr   uint64
		args [6]uint64
		_    uint64
	}
	const getSyscallInfo, entry = 0x420e, 1
	if _, _, e := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0); e != 0 {
		return call{}, false
	}
	if info.op != entry {
		c, ok := open[tid]
		delete(open, tid)
		c.done = true
		return c, ok
	}
	if lasting[info.nr] == "" {
		return call{}, false
	}
	c := call{nr: info.nr, args: info.args}
	if slices.Contains(byPath, info.nr) {
		at := info.args[1]
		if info.nr == unix.SYS_RENAMEAT {
			at = info.args[3]
		}
		b := make([]byte, 512)
		n, _ := unix.PtracePeekData(tid, uintptr(at), b)
		name, _, _ := bytes.Cut(b[:n], []byte{0})
		c.path = string(name)
	} else {
		c.path, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", main, int32(info.args[0])))
		c.path = strings.TrimSuffix(c.path, " (deleted)")
	}
	open[tid] = c
	return c, true
}
