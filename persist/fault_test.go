package persist

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// flash is a directory of a file system of its own, which a fault befalls.
type flash struct {
	t          *testing.T
	dir, spare string
}

func (f flash) do(errs ...error) {
	f.t.Helper()
	if err := errors.Join(errs...); err != nil {
		f.t.Fatal(err)
	}
}

// newFlash makes the thread of this test, which ends with it, see a mount that
// nobody else does.
func newFlash(t *testing.T) flash {
	t.Helper()
	f := flash{t, filepath.Join(t.TempDir(), "state"), t.TempDir()}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		if os.Getenv("WANDNS_CI") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	f.do(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		os.Mkdir(f.dir, 0o700), unix.Mount("tmpfs", f.dir, "tmpfs", 0, "size=128k,mode=0700"))
	top := f.dir
	t.Cleanup(func() { _ = unix.Unmount(top, unix.MNT_DETACH) })
	f.dir = filepath.Join(top, "wandns")
	f.do(os.Mkdir(f.dir, 0o700))
	return f
}

func (f flash) open() opened {
	f.t.Helper()
	return mustOpenBoth(f.t, f.dir, f.spare)
}

func (f flash) holds(when string, s opened, want int) {
	f.t.Helper()
	if s.records["home"].Sent != want {
		f.t.Errorf("%s: %+v; want %d", when, s.records, want)
	}
}

func (f flash) file(name string) string { return filepath.Join(f.dir, name) }

var faults = map[string]struct {
	fault, heal func(flash)
	want        error
}{
	"full": {
		func(f flash) {
			fill, err := os.Create(f.file("fill"))
			f.do(err)
			defer fill.Close()
			for err == nil {
				_, err = fill.Write(make([]byte, 4096))
			}
		},
		func(f flash) { f.do(os.Remove(f.file("fill"))) },
		unix.ENOSPC,
	},
	"read-only": {
		func(f flash) {
			f.do(unix.Mount(f.dir, f.dir, "", unix.MS_BIND, ""), unix.Mount("", f.dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		},
		func(f flash) { f.do(unix.Unmount(f.dir, unix.MNT_DETACH)) },
		unix.EROFS,
	},
	"another's": {
		func(f flash) {
			f.do(os.Chmod(f.spare, 0o777), os.Chmod(filepath.Dir(f.dir), 0o711), os.Chmod(f.dir, 0o555), os.Chmod(f.file(fileName), 0o644))
			for dir := filepath.Dir(f.spare); dir != "/"; dir = filepath.Dir(dir) { // the test's own
				info, err := os.Stat(dir)
				f.do(err, os.Chmod(dir, info.Mode()|0o011))
			}
			f.do(unix.Setfsuid(65534)) // this thread alone
		},
		func(f flash) { f.do(unix.Setfsuid(0), os.Chmod(f.dir, 0o700)) },
		unix.EACCES,
	},
	"removed": {
		func(f flash) { f.do(os.Rename(f.dir, f.dir+".away")) },
		func(f flash) { f.do(os.RemoveAll(f.dir), os.Rename(f.dir+".away", f.dir)) },
		unix.ENOENT,
	},
	"a file": {
		func(f flash) { f.do(os.Rename(f.dir, f.dir+".away"), os.WriteFile(f.dir, nil, 0o600)) },
		func(f flash) { f.do(os.RemoveAll(f.dir), os.Rename(f.dir+".away", f.dir)) },
		unix.ENOTDIR,
	},
	"taken where the file is made": {
		func(f flash) { f.do(os.MkdirAll(f.file(fileName+tempEnd+"/below"), 0o700)) },
		func(f flash) { f.do(os.RemoveAll(f.file(fileName + tempEnd))) },
		unix.EEXIST,
	},
}

// Flash that fails: nothing on it is eaten, nothing is lost by a restart, and
// nothing by a reboot once it works again.
func TestFlashThatFails(t *testing.T) {
	for name, c := range faults {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", name, restart), func(t *testing.T) {
				f := newFlash(t)
				s := f.open()
				mustSave(t, s, map[string]Record{"home": sample(1)})
				before, err := os.ReadFile(f.file(fileName))
				f.do(err)

				c.fault(f)
				if err := s.Save(Moment{Time: time.Now()}, maps.All(map[string]Record{"home": sample(2)})); !errors.Is(err, c.want) {
					t.Errorf("Save: %v, want %v", err, c.want)
				}
				if restart {
					f.do(s.Close())
					s = f.open()
					f.holds("after a restart", s, 2)
				}
				if after, err := os.ReadFile(f.file(fileName)); err == nil && !bytes.Equal(after, before) && name != "removed" { // which a start makes anew
					t.Error("the file that was there is gone")
				}
				c.heal(f)
				if after, err := os.ReadFile(f.file(fileName)); err != nil || !bytes.Equal(after, before) {
					t.Errorf("the file that was there is gone: %v", err)
				}
				f.do(s.Save(Moment{Time: time.Now()}, maps.All(map[string]Record{"home": sample(2)})))
				if err := s.Trouble(); err != nil {
					t.Errorf("healed, there is still trouble: %v", err)
				}
				f.do(s.Close(), os.RemoveAll(f.spare), os.Mkdir(f.spare, 0o700))
				s = f.open()
				defer s.Close()
				f.holds("after a reboot", s, 2)
				if s.Trouble() != nil {
					t.Error(s.Trouble())
				}
			})
		}
	}
}

// What the flash did not take goes there with the next start: a reboot may
// come before anything else is saved.
func TestStartPutsOnFlashWhatWasSpared(t *testing.T) {
	f := newFlash(t)
	s := f.open()
	full := faults["full"]
	full.fault(f)
	if err := s.Save(Moment{Time: time.Now()}, maps.All(map[string]Record{"home": sample(2)})); err == nil {
		t.Fatal("Save said it was durable")
	}
	f.do(s.Close())
	s = f.open()
	if s.Trouble() == nil {
		t.Error("started on flash that is full: no trouble is reported")
	}
	f.do(s.Close())
	full.heal(f)
	s = f.open()
	if s.Trouble() != nil {
		t.Error(s.Trouble())
	}
	f.do(s.Close(), os.RemoveAll(f.spare)) // a reboot
	s = f.open()
	defer s.Close()
	f.holds("after a reboot", s, 2)
}

// Whatever lies where the state is made or kept is not written through.
func TestWhatIsNoFileIsNotFollowed(t *testing.T) {
	for name, make := range map[string]func(victim, path string) error{
		"symlink":   os.Symlink,
		"hard link": os.Link,
		"fifo":      func(_, path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory": func(_, path string) error { return os.Mkdir(path, 0o700) },
	} {
		for _, at := range []string{fileName, fileName + tempEnd} {
			dir := t.TempDir()
			victim := filepath.Join(dir, "victim")
			if err := errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), make(victim, filepath.Join(dir, at))); err != nil {
				t.Fatal(err)
			}
			opened := time.AfterFunc(5*time.Minute, func() { panic(name + " as " + at + ": the store hangs") })
			s := mustOpen(t, dir)
			mustSave(t, s, map[string]Record{"home": sample(1)})
			opened.Stop()
			if b, err := os.ReadFile(victim); string(b) != "precious" {
				t.Errorf("%s as %s: its target is %q now, %v", name, at, b, err)
			}
			s.Close()
			s = mustOpen(t, dir)
			if s.records["home"].Sent != 1 {
				t.Errorf("%s as %s: %v", name, at, s.records)
			}
		}
	}
}

// Every length and a bit of every byte.
func TestEveryDamageIsNoticed(t *testing.T) {
	dir := t.TempDir()
	mustSave(t, mustOpen(t, dir), map[string]Record{"home": sample(1)})
	good, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(good); err != nil {
		t.Fatal(err)
	}
	for at := range good {
		if _, err := open(good[:at]); err == nil {
			t.Errorf("cut after %d bytes: it opens", at)
		}
		good[at] ^= 1 << (at % 8)
		if _, err := open(good); err == nil || errors.Is(err, ErrNewer) {
			t.Errorf("bit %d of byte %d flipped: %v", at%8, at, err)
		}
		good[at] ^= 1 << (at % 8)
	}
}
