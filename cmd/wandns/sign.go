package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// signName is locked by the daemon for as long as it lives. So everybody can
// see whether it does, and under which number: in a jail it does not know its
// own.
const signName = "lock"

// signIn returns the locked file, or nil where there can be none. Whoever can
// read the file can keep it from being locked, so then there is another.
func signIn(runDir string) *os.File {
	path := filepath.Join(runDir, signName)
	f, err := lockNew(path)
	if err != nil { // or looking would end the lock
		if pid, unseen := signed(runDir); pid == 0 && unseen == nil && os.Remove(path) == nil {
			f, err = lockNew(path)
		}
	}
	if err != nil {
		return nil
	}
	return f
}

func lockNew(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	if err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		f.Close()
	}
	return f, err
}

// signed returns the process that holds the lock: 0 for none, and -1 for one
// that cannot be seen from here.
func signed(runDir string) (pid int, err error) {
	f, err := os.OpenFile(filepath.Join(runDir, signName), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_RDLCK} // which only the daemon's would be in the way of
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil || lock.Type == unix.F_UNLCK {
		return 0, err
	}
	if lock.Pid <= 0 {
		return -1, nil
	}
	return int(lock.Pid), nil
}
