package main

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"wandns/updater"
	"wandns/updater/safefile"
)

// mostFiles is several times what a thousand services need at once.
const mostFiles = 512

// limit keeps a daemon's memory from other processes of its user and from dumps,
// for it holds the secrets, and its files few.
func limit() {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) == nil && r.Max > mostFiles {
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: mostFiles, Max: mostFiles})
	}
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// harden gives up for good what a daemon that is not root does not need once it
// listens to routers: its capabilities, writing elsewhere than into the folders,
// and most of the kernel's calls. What the kernel does not know stays as it was.
func harden(log *lines, folders ...string) {
	if os.Geteuid() == 0 {
		return
	}
	err := errors.New("a file hangs") // and with it the thread, for which the others would wait
	if !safefile.Pending() {
		err = forAll(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
		if err == nil {
			log.Debug("confined to its folders", "error", within(folders))
		}
		if keepsCapabilities() {
			log.Debug("capabilities are kept: mwan3 or an old kernel takes them")
		} else {
			var none [2]unix.CapUserData
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			err = errors.Join(err, forAll(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)))) //nolint:gosec // a call of the kernel
		}
	}
	log.Debug("capabilities are given up", "error", err)
	log.Debug("the kernel's other calls are shut", "error", filter())
}

// forAll makes a call in every thread.
func forAll(call, a, b uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall(call, a, b, 0); errno != 0 {
		return errno
	}
	return nil
}

// keepsCapabilities reports that sockets are yet to be marked for mwan3, or to be
// bound to devices before Linux 5.7.
func keepsCapabilities() bool {
	_, err := os.Stat(updater.MWAN3)
	return err == nil || olderKernel(5, 7)
}

// within lets files be written below folders only, and none be executed, if the
// kernel has Landlock. What is mounted over a folder later counts as elsewhere.
func within(folders []string) error {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return errno
	}
	may := uint64(unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE)
	not := uint64(unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM)
	if abi >= 2 {
		not |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		may |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 5 {
		not |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	rules := unix.LandlockRulesetAttr{Handled_access_fs: may | not}
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules.Handled_access_fs), 0) //nolint:gosec // a call of the kernel
	if errno != 0 {
		return errno
	}
	defer func() { _ = unix.Close(int(set)) }()
	for _, folder := range folders {
		fd, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // nor can it be written to
		}
		below := unix.LandlockPathBeneathAttr{Allowed_access: may, Parent_fd: int32(fd)}
		_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, set, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&below)), 0, 0, 0) //nolint:gosec // a call of the kernel
		_ = unix.Close(fd)
		if errno != 0 {
			return errno
		}
	}
	return forAll(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0)
}

// filter shuts all calls of the kernel but those of allowedCalls, in every
// thread and for good. A later kernel's, which the runtime or a library may try,
// seem not to be there; others are not permitted.
func filter() error {
	const (
		load, equal, least, end = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, unix.BPF_RET | unix.BPF_K
		number, machine         = 0, 4 // in struct seccomp_data
		newest                  = 424  // from here on all machines count alike
	)
	calls := slices.Concat(allowedCalls, callsOfMachine)
	program := []unix.SockFilter{
		{Code: load, K: machine},
		{Code: equal, K: auditArch[runtime.GOARCH], Jt: 1},
		{Code: end, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: load, K: number},
	}
	for i, call := range calls {
		program = append(program, unix.SockFilter{Code: equal, K: uint32(call), Jt: uint8(len(calls) - i + 2)})
	}
	program = append(program,
		unix.SockFilter{Code: least, K: firstCall + newest, Jt: 1},
		unix.SockFilter{Code: end, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		unix.SockFilter{Code: end, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		unix.SockFilter{Code: end, K: unix.SECCOMP_RET_ALLOW},
	)
	all := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&all))) //nolint:gosec // a call of the kernel
	if errno != 0 {
		return errno
	}
	if thread != 0 {
		return errors.New("thread " + strconv.Itoa(int(thread)) + " has a filter of its own")
	}
	return nil
}
