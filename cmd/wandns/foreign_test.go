package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wandns/updater"
	"wandns/wan/wantest"
)

// notFiles lays what somebody may name as a file, and is none that can be read:
// pipes nobody writes to, devices that do not end, and what the kernel makes up,
// gigabytes of it.
func notFiles(t testing.TB) []string {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	_, err := new(net.ListenConfig).Listen(t.Context(), "unix", in("socket"))
	if err := errors.Join(err, unix.Mkfifo(in("fifo"), 0o666), os.Symlink(in("fifo"), in("link")), os.Mkdir(in("folder"), 0o755),
		os.Symlink(in("loop"), in("loop")), os.WriteFile(in("large"), nil, 0o644), os.Truncate(in("large"), 1<<33)); err != nil {
		t.Fatal(err)
	}
	return []string{in("fifo"), in("link"), in("socket"), in("folder"), in("loop"), in("large"), "/dev/zero", "/proc/self/pagemap", "/proc/self/mem", "/proc/kmsg", "/dev/kmsg"}
}

// within runs a verb and returns what it said, how long it took and how much
// memory, in KiB.
func (r *router) within(args ...string) (code int, said string, memory int64) {
	r.t.Helper()
	cmd := r.command(args...)
	end := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	out, err := cmd.CombinedOutput()
	if !end.Stop() {
		r.t.Fatalf("wandns %s does not end: %s", strings.Join(args, " "), out)
	}
	if cmd.ProcessState == nil {
		r.t.Fatal(err)
	}
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return cmd.ProcessState.ExitCode(), string(out), int64(usage.Maxrss) //nolint:unconvert // not on every processor
}

const modest = 64 << 10 // KiB, of a test's program

// What is named as a file and is none is a mistake, soon and in little memory.
func TestE2EWhatIsNoFile(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	config := r.config
	for _, path := range notFiles(t) {
		for key, place := range map[string]string{"password": "password_file = %q", "ca_file": "password = \"x\"\nca_file = %q"} {
			r.services(config, []string{"home.example.com"}, fmt.Sprintf(place, path))
			for _, verb := range [][]string{{"check"}, {"run", "--once"}, {"record", "home", "set", "home.example.com", "A", "84.0.0.1"}, {"import", "inadyn", path}} {
				code, said, memory := r.within(verb...)
				if code == exitDone || memory > modest || strings.Contains(said, "panic") {
					t.Errorf("%s as %s: %s: exit %d, %d KiB: %s", path, key, verb[0], code, memory, said)
				}
			}
		}
		r.config = path
		for _, verb := range [][]string{{"check"}, {"run"}, {"run", "--once"}, {"status"}, {"update"}, {"client", "home", "create"}, {"run", "--adopted", filepath.Dir(path)}} {
			code, said, memory := r.within(verb...)
			if code == exitDone || memory > modest || strings.Contains(said, "panic") {
				t.Errorf("%s as the configuration: %s: exit %d, %d KiB: %s", path, verb[0], code, memory, said)
			}
		}
		r.config = config
	}
}

// A daemon lives on, and hears, whatever is named to it however often.
func TestE2EReloadsOfWhatIsNoFile(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	adopted := r.path("adopted")
	r.do(os.Mkdir(adopted, 0o755))
	for _, from := range []string{r.config, filepath.Join(adopted, "wandns")} {
		r.services(from, []string{"home.example.com"}, withPassword)
		if from == r.config {
			r.up("run")
		} else { // in UCI by its name
			r.do(os.Rename(r.config, r.config+".toml"))
			r.config += ".toml"
			r.services(filepath.Join(adopted, "last"), []string{"home.example.com"}, withPassword)
			r.up("run", "--adopted", adopted)
		}
		r.all(1)
		for _, path := range notFiles(t) {
			r.services(from, []string{"home.example.com", "nas.example.com"}, withPassword, fmt.Sprintf("password_file = %q", path))
			for range 4 { // more than 33 in all
				r.reload()
				r.hear("configuration reloaded")
			}
			st := r.until("the service is faulty", func(st updater.Status) bool {
				return len(st.Services) == 2 && serviceNamed(st, "nas").State == updater.NeedsUser
			})
			if serviceNamed(st, "home").State != updater.OK {
				t.Errorf("%s: %+v", path, st)
			}
			r.do(os.Remove(from), os.Symlink(path, from))
			r.reload()
			r.hear("could not be read")
			r.do(os.Remove(from))
			r.services(from, []string{"home.example.com"}, withPassword)
			r.reload()
			r.hear("configuration reloaded")
			r.until("the sound configuration is in force", func(st updater.Status) bool { return len(st.Services) == 1 && len(st.Problems) == 0 })
		}
		if rss, _ := r.memory(); rss > modest {
			t.Errorf("the daemon has %d KiB", rss)
		}
		r.term()
	}
}

// A server of files that does not answer holds up no start, no reload and no
// end.
func TestE2EFileServerThatHangs(t *testing.T) {
	tools(t, "sh")
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	hung := hungFolder(t)
	lines := []string{withPassword}
	hosts := []string{"home.example.com"}
	for i := range 40 {
		hosts = append(hosts, fmt.Sprintf("h%d.example.com", i))
		lines = append(lines, fmt.Sprintf("password_file = %q", filepath.Join(hung, fmt.Sprint("secret", i))))
	}
	r.services(r.config, hosts, lines...)
	if code, out, _ := r.within("check"); code != exitConfig || !strings.Contains(out, "its file system does not answer") {
		t.Errorf("check: exit %d, %s", code, out)
	}
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.up("run")
	r.until("the sound service is published", func(st updater.Status) bool { return serviceNamed(st, "home").State == updater.OK })
	r.reload()
	r.hear("configuration reloaded")
	r.until("all services are known", func(st updater.Status) bool { return len(st.Services) == 41 })
	if threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", r.daemon.Process.Pid)); err != nil || len(threads) > 24 {
		t.Errorf("%d threads, %v", len(threads), err)
	}
	r.reload()
	began := time.Now()
	r.term()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s to end", took)
	}
}

// hungFolder is one on a server that never answers.
func hungFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Mount("hung", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd))
	}
	if err != nil {
		why := fmt.Sprintf("no file system can be made to hang here: %v", err)
		if os.Getenv("WANDNS_CI") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	t.Cleanup(func() { // and all that hang fail
		_ = errors.Join(unix.Close(fd), unix.Unmount(dir, unix.MNT_DETACH))
	})
	return dir
}
