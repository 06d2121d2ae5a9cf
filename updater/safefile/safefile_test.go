package safefile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wandns/updater/safefile"
)

func TestRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("abc\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	f, err := safefile.Read(t.Context(), path, 4)
	if err != nil || f.Text != "abc\n" || f.Mode != 0o640 || f.UID != os.Getuid() || f.GID != os.Getgid() {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestWhatIsNoFileOfAnybodysIsNotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		unix.Mkfifo(in("fifo"), 0o600),
		os.WriteFile(in("large"), make([]byte, 5), 0o600),
		os.Symlink(in("fifo"), in("link")),
		os.Mkdir(in("folder"), 0o700),
		os.WriteFile(in("small"), nil, 0o600),
		os.Symlink(in("small"), in("followed")),
	); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		in("fifo"):                      "no regular file",
		in("link"):                      "no regular file",
		in("folder"):                    "directory",
		in("large"):                     "larger",
		"/dev/zero":                     "no regular file",
		"/proc/self/pagemap":            "kernel",
		"/proc/self/environ":            "kernel",
		"/sys/kernel/profiling":         "kernel",
		in("small") + "/x":              "not a directory",
		in(strings.Repeat("x", 300)):    "too long",
		"/proc/self/fd/" + "4294967295": "no such file",
	} {
		for _, read := range []func(context.Context, string, int64) (safefile.File, error){safefile.Read, safefile.ReadNoFollow, safefile.ReadForRoot} {
			f, err := read(t.Context(), path, 4)
			if err == nil || f.Text != "" || strings.Contains(err.Error(), dir) {
				t.Errorf("%s: %q, %v", path, f.Text, err)
			}
			if !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "symbolic link") && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v, want %q", path, err, want)
			}
		}
	}
	if _, err := safefile.ReadNoFollow(t.Context(), in("followed"), 4); err == nil {
		t.Error("a link was followed")
	}
	if _, err := safefile.Read(t.Context(), in("followed"), 4); err != nil {
		t.Error(err)
	}
	if _, err := safefile.ReadForRoot(t.Context(), in("followed"), 4); err != nil {
		t.Error(err)
	}
}

func TestWhoStopsWaitingIsNotHeldUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("enough"))
	cancel()
	if _, err := safefile.Read(ctx, os.DevNull, 1); err == nil {
		t.Error("read")
	}
}

// Another text when it may be another file; nothing is opened.
func TestLook(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	seen := map[string]bool{}
	for _, do := range []func() error{
		func() error { return nil },
		func() error { return os.WriteFile(path, nil, 0o600) },
		func() error { return os.WriteFile(path, []byte("a"), 0o600) },
		func() error { return os.Chmod(path, 0o640) },
		func() error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		func() error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)) },
		func() error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		now := safefile.Look(t.Context(), path)
		if seen[now] || now != safefile.Look(t.Context(), path) || strings.Contains(now, path) {
			t.Errorf("it looks like %q", now)
		}
		seen[now] = true
	}
}
