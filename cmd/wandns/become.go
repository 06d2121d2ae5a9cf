package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"wandns/updater"
)

// become starts this program again, as the same process, as another user who
// may hear router advertisements and nothing else. So no thread can be left
// behind as root, and whatever is read from the network, or of the
// configuration, is read by that user. Of a process that is that user already
// it does nothing.
func become(user, file string, cfg *config, once bool) error {
	uid, gid, err := lookUp(user)
	switch {
	case err != nil:
		return err
	case os.Geteuid() == uid:
		return writable(user, cfg.StateDir, cfg.RunDir)
	case os.Geteuid() != 0:
		return errors.New("only root can; start it as root, or without --user")
	}
	if err := readable(file, uid, gid); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for dir, mode := range map[string]os.FileMode{cfg.StateDir: 0o700, cfg.RunDir: 0o755} {
		if err := give(dir, mode, uid, gid); err != nil {
			return err
		}
	}
	closeInherited()
	runtime.LockOSThread() // whose credentials the new program has
	if err := confine(uid, gid, needed()); err != nil {
		return err
	}
	if !once {
		// That lasts until the new program listens, which then reads the
		// configuration anew.
		signal.Ignore(syscall.SIGHUP)
	}
	return fmt.Errorf("start again: %w", syscall.Exec(self, os.Args, os.Environ())) //nolint:gosec // this program
}

// closeInherited leaves the next program no file of who started this one, but
// for its input and output.
func closeInherited() {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	list, _ := os.ReadDir("/proc/self/fd") // before Linux 5.11
	for _, f := range list {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// writable reports a directory that this user cannot use: without a lock in it
// a second daemon would not be noticed.
func writable(user string, dirs ...string) error {
	for _, dir := range dirs {
		if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
			return fmt.Errorf("it may not write to %s (%w); run: chown -R %s %[1]s", dir, err, user)
		}
	}
	return nil
}

// readable reports a configuration that a user may not read.
func readable(file string, uid, gid int) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	may := os.FileMode(0o004)
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) == uid {
		may = 0o400
	} else if ok && int(s.Gid) == gid {
		may = 0o040
	}
	if info.Mode()&may == 0 {
		return fmt.Errorf("it may not read %s; run: chgrp %d %[1]s; chmod 640 %[1]s", file, gid)
	}
	return nil
}

// give makes a directory for a user, unless there is one.
func give(dir string, mode os.FileMode, uid, gid int) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return err
	}
	return os.Chown(dir, uid, gid)
}

// lookUp finds a user in /etc/passwd, where OpenWrt has all of them.
func lookUp(user string) (uid, gid int, err error) {
	text, _, err := readSmall("/etc/passwd")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(text) {
		f := strings.Split(line, ":")
		if len(f) < 4 || f[0] != user {
			continue
		}
		uid, err = strconv.Atoi(f[2])
		if err == nil {
			gid, err = strconv.Atoi(f[3])
		}
		return uid, gid, err
	}
	return 0, 0, errors.New("there is no such user; add it, or start without --user")
}

// needed are the capabilities to keep. Before Linux 5.17 marking packets, which
// gets them past mwan3, takes more.
func needed() []int {
	if _, err := os.Stat(updater.MWAN3); err == nil && olderKernel(5, 17) {
		return []int{unix.CAP_NET_RAW, unix.CAP_NET_ADMIN}
	}
	return []int{unix.CAP_NET_RAW}
}

// olderKernel reports a kernel that is older.
func olderKernel(major, minor int) bool {
	var u unix.Utsname
	return unix.Uname(&u) == nil && older(unix.ByteSliceToString(u.Release[:]), major, minor)
}

func older(release string, major, minor int) bool {
	x, rest, _ := strings.Cut(release, ".")
	y, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(x)
	b, errB := strconv.Atoi(y)
	return errA == nil && errB == nil && (a < major || a == major && b < minor)
}

// confine makes of this thread one of a user that has some capabilities and,
// like everything that it starts, cannot get others.
func confine(uid, gid int, keep []int) error {
	for c := 0; unix.Prctl(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0) == nil; c++ {
		if slices.Contains(keep, c) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fmt.Errorf("drop a capability: %w", err)
		}
	}
	err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0)
	if err == nil {
		err = syscall.Setgroups(nil)
	}
	if err == nil {
		err = syscall.Setgid(gid)
	}
	if err == nil {
		err = syscall.Setuid(uid)
	}
	if err != nil {
		return fmt.Errorf("change the user: %w", err)
	}
	var set [2]unix.CapUserData
	for _, c := range keep {
		set[0].Permitted |= 1 << c
	}
	set[0].Effective, set[0].Inheritable = set[0].Permitted, set[0].Permitted
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &set[0]); err != nil {
		return fmt.Errorf("keep a capability: %w", err)
	}
	for _, c := range keep {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c), 0, 0); err != nil {
			return fmt.Errorf("pass a capability on: %w", err)
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
