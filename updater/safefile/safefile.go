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
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// File is a regular file as it was when it was read.
type File struct {
	Text     string
	Mode     fs.FileMode // permissions
	UID, GID int         // its owner
}

// Read reads a file of at most most bytes, through symbolic links. It returns
// when ctx is done, even if the file lies on a server that does not answer. It is
// safe for concurrent use. Errors do not name the file, for a secret may stand in
// its place; fs.ErrNotExist and fs.ErrPermission are told apart with errors.Is.
func Read(ctx context.Context, path string, most int64) (File, error) {
	return shared(ctx, call{path, most, 0})
}

// ReadNoFollow is Read of a file in a folder of another user: a symbolic link is
// an error.
func ReadNoFollow(ctx context.Context, path string, most int64) (File, error) {
	return shared(ctx, call{path, most, unix.O_NOFOLLOW})
}

type call struct {
	path  string
	most  int64
	flags int
}

type result struct {
	file File
	err  error
	done chan struct{}
}

// reading holds the calls under way: of those that hang in the kernel there is
// one for a file, however often it is tried.
//
//nolint:gochecknoglobals // the threads that hang are the process's
var reading struct {
	sync.Mutex
	calls map[call]*result
}

func shared(ctx context.Context, c call) (File, error) {
	if ctx.Done() == nil {
		return c.read()
	}
	if err := context.Cause(ctx); err != nil {
		return File{}, err
	}
	reading.Lock()
	r := reading.calls[c]
	if r == nil {
		r = &result{done: make(chan struct{})}
		if reading.calls == nil {
			reading.calls = map[call]*result{}
		}
		reading.calls[c] = r
		go func() {
			r.file, r.err = c.read()
			reading.Lock()
			delete(reading.calls, c)
			reading.Unlock()
			close(r.done)
		}()
	}
	reading.Unlock()
	select {
	case <-r.done:
		return r.file, r.err
	case <-ctx.Done():
		return File{}, context.Cause(ctx)
	}
}

func (c call) read() (File, error) {
	f, err := os.OpenFile(c.path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|c.flags, 0)
	if errors.Is(err, unix.ELOOP) {
		return File{}, errors.New("it is a symbolic link")
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
	return File{text.String(), info.Mode().Perm(), int(s.Uid), int(s.Gid)}, nil
}

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
	}, int64(system.Type)) {
		return errors.New("the kernel makes it up, and it is no file of anybody's")
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
