// Package safefile reads files that somebody else named, or may have laid where
// they lie. Whatever is there instead, reading it ends: pipes and devices are not
// waited for, what the kernel makes up (procfs and its like) is not read, and no
// more is read than was asked for. It keeps nothing of what it read.
package safefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// File is a regular file as it was when it was read.
type File struct {
	Text     string
	Mode     fs.FileMode // permissions
	UID, GID int         // its owner
	Gone     bool        // it has no name any more, though it may be mounted over one
}

// Read reads a file of at most most bytes, through symbolic links. It returns
// when ctx is done, even if the file lies on a server that does not answer, and
// at once if another call hangs in the same folder. It is safe for concurrent
// use. Errors do not name the file, for a secret may stand in its place;
// fs.ErrNotExist and fs.ErrPermission are told apart with errors.Is.
func Read(ctx context.Context, path string, most int64) (File, error) {
	return timely(ctx, call{path: path, most: most})
}

// ReadNoFollow is Read of a file in a folder of another user: a symbolic link is
// an error.
func ReadNoFollow(ctx context.Context, path string, most int64) (File, error) {
	return timely(ctx, call{path: path, most: most, flags: unix.O_NOFOLLOW})
}

// ReadForRoot is Read, but root follows no symbolic link that another user may have
// laid, nor reads a file that has another name in his folder: it may be one that
// only root can read.
func ReadForRoot(ctx context.Context, path string, most int64) (File, error) {
	return timely(ctx, call{path: path, most: most, careful: os.Geteuid() == 0})
}

// Look returns another text when the file may be another one, or in time the
// error as one.
func Look(ctx context.Context, path string) string {
	f, err := timely(ctx, call{path: path, most: -1})
	if err != nil {
		return err.Error()
	}
	return f.Text
}

type call struct {
	path  string
	most  int64 // negative to look only
	flags int
	since int64 // in seconds

	careful bool
}

// pending are the calls under way. The thread of one that hangs in the kernel is
// lost, so there is one such at most for a folder and moment.
//
//nolint:gochecknoglobals // the threads are the process's
var pending struct {
	sync.Mutex
	calls map[*call]bool
}

var errSilent = errors.New("its file system does not answer")

// Pending reports that a call is under way, or hangs, and a thread with it.
func Pending() bool {
	pending.Lock()
	defer pending.Unlock()
	return len(pending.calls) > 0
}

func timely(ctx context.Context, c call) (File, error) {
	if ctx.Done() == nil {
		return c.read(ctx)
	}
	if err := context.Cause(ctx); err != nil {
		return File{}, err
	}
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // by which other calls began, too
	c.since = int64(now.Sec)                          //nolint:unconvert // not on every processor
	pending.Lock()
	for other := range pending.calls {
		if c.since-other.since > 1 && filepath.Dir(other.path) == filepath.Dir(c.path) {
			pending.Unlock()
			return File{}, errSilent
		}
	}
	if pending.calls == nil {
		pending.calls = map[*call]bool{}
	}
	pending.calls[&c] = true
	pending.Unlock()
	type result struct {
		File
		error
	}
	done := make(chan result, 1)
	go func() {
		f, err := c.read(ctx)
		pending.Lock()
		delete(pending.calls, &c)
		pending.Unlock()
		done <- result{f, err}
	}()
	select {
	case r := <-done:
		return r.File, r.error
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return File{}, errSilent
		}
		return File{}, context.Cause(ctx)
	}
}

func (c call) read(ctx context.Context) (File, error) {
	if c.most < 0 {
		return c.look()
	}
	if c.careful {
		if real := foreign(c.path); real != "" {
			c.path, c.flags = real, unix.O_NOFOLLOW
		} else {
			c.careful = false
		}
	}
	f, err := c.open()
	for errors.Is(err, unix.EAGAIN) && ctx.Done() != nil && ctx.Err() == nil { // who holds a lease on it gives it up first
		time.Sleep(10 * time.Millisecond)
		f, err = c.open()
	}
	if errors.Is(err, unix.ELOOP) {
		return File{}, errLink
	}
	if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) {
		return File{}, errIrregular
	}
	if err != nil {
		return File{}, unnamed(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = c.fits(f, info)
	}
	if err != nil {
		return File{}, unnamed(err)
	}
	var text strings.Builder
	text.Grow(int(info.Size()))
	if _, err := io.Copy(&text, io.LimitReader(f, c.most+1)); err != nil {
		return File{}, unnamed(err)
	}
	if int64(text.Len()) > c.most {
		return File{}, c.tooLarge()
	}
	s := info.Sys().(*syscall.Stat_t) //nolint:forcetypeassert // on Linux it always is
	return File{text.String(), info.Mode().Perm(), int(s.Uid), int(s.Gid), s.Nlink == 0}, nil
}

// foreign returns the path of a file, without root's links, if somebody other than
// root may have laid it or a link on the way to it; else nothing.
func foreign(path string) string {
	at := "/"
	for range 255 {
		name, rest, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
		if name == "" {
			return ""
		}
		next := filepath.Join(at, name) // at is no link
		info, err := os.Lstat(next)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 || info.Mode()&(os.ModeDir|os.ModeSticky|0o002) == os.ModeDir|0o002 { //nolint:forcetypeassert // on Linux it always is
			return filepath.Join(next, rest)
		}
		if at, path = next, rest; info.Mode()&os.ModeSymlink != 0 {
			to, _ := os.Readlink(next)
			if at, path = filepath.Dir(next), to+"/"+rest; filepath.IsAbs(to) {
				at = "/"
			}
		}
	}
	return path
}

func (c call) open() (*os.File, error) {
	return os.OpenFile(c.path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|c.flags, 0)
}

func (c call) look() (File, error) {
	info, err := os.Stat(c.path)
	switch {
	case err != nil:
		return File{}, unnamed(err)
	case info.IsDir():
		return File{Text: "a directory"}, nil
	}
	return File{Text: fmt.Sprint(info.Size(), info.Mode(), info.ModTime())}, nil
}

var errLink = errors.New("it is a symbolic link, or has another name, in a folder of others than root; name the file itself")

var errIrregular = errors.New("it is no regular file")

func (c call) tooLarge() error { return fmt.Errorf("it is larger than %d KiB", c.most>>10) }

// fits finds out what cannot be read before anything of it is.
func (c call) fits(f *os.File, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return errIrregular
	}
	var system unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &system); err != nil {
		return err
	}
	if slices.Contains([]int64{
		unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC,
		unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.BPF_FS_MAGIC, unix.PSTOREFS_MAGIC, unix.SELINUX_MAGIC,
	}, int64(system.Type)) { //nolint:unconvert // not on every processor
		return errors.New("the kernel makes it up, and it is no file of anybody's")
	}
	if c.careful {
		real, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		if s := info.Sys().(*syscall.Stat_t); real != c.path || s.Nlink != 1 { //nolint:forcetypeassert // on Linux it always is
			return errLink
		}
	}
	if info.Size() > c.most {
		return c.tooLarge()
	}
	return nil
}

// unnamed is an error without the path that os adds.
func unnamed(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
