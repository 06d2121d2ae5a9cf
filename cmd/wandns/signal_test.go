package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wandns/updater"
	"wandns/wan/wantest"
)

// turnstile holds whoever opens a file until it is turned: a lease on it. The
// channel tells that somebody stands there.
func (r *router) turnstile(file string) (turn func(), waits <-chan os.Signal) {
	r.t.Helper()
	io := make(chan os.Signal, 1)
	signal.Notify(io, unix.SIGIO)
	f, err := os.Open(file)
	r.do(err)
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		r.t.Fatalf("lease %s: %v", file, err)
	}
	return func() {
		signal.Stop(io)
		f.Close()
	}, io
}

// hear waits until a daemon says something.
func (r *router) hear(says string) {
	r.t.Helper()
	late := time.After(patience)
	for {
		select {
		case line, ok := <-r.out.lines:
			r.out.WriteString(line + "\n")
			if strings.Contains(line, says) {
				return
			}
			if !ok {
				r.t.Fatalf("it ended without saying %q:\n%s", says, r.out.String())
			}
		case <-late:
			r.t.Fatalf("it does not say %q:\n%s", says, r.out.String())
		}
	}
}

// A signal that comes before the daemon is up is not lost, and no SIGHUP ends
// it: it reads the configuration that may just be changing.
func TestE2ESignalAmidTheStart(t *testing.T) {
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	turn, waits := r.turnstile(r.config)
	r.launch()
	<-waits
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	turn()
	r.hear("configuration reloaded")
	r.state(updater.NoAddress)
	r.term()

	turn, waits = r.turnstile(r.config)
	r.launch()
	<-waits
	if err := r.end(syscall.SIGTERM); err == nil || err.Error() != "signal: terminated" {
		r.t.Errorf("it ended with %v", err)
	}
	turn()
}

// The same for a daemon that starts itself again as another user: amid the
// first start, between the two, and amid the second.
func TestE2ESignalAmidTheStartAsAnotherUser(t *testing.T) {
	tools(t, "sh")
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	gid := r.toBeNobody()
	password := r.path("password")
	r.do(os.WriteFile(password, []byte("x"), 0o640))
	r.configure([]string{"home.example.com"}, fmt.Sprintf("server = %q", r.url),
		"[[service]]", "name = \"other\"", "enabled = false", "provider = \"noip\"", "hostnames = [\"other.example.com\"]",
		"username = \"user\"", fmt.Sprintf("password_file = %q", password))
	r.do(os.Chmod(r.config, 0o640), os.Chown(r.config, 0, gid), os.Chown(password, 0, gid))

	turn, waits := r.turnstile(password)
	r.launch()
	<-waits // it has read the configuration, and a file that this names
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	// In the second program's place comes one that gets a signal at once.
	between := fmt.Sprintf("#!/bin/sh\nkill -HUP $$\necho between\nexec %s \"$@\"\n", r.path("program"))
	r.do(os.Link(r.path("wandns"), r.path("program")), os.Remove(r.path("wandns")), os.WriteFile(r.path("wandns"), []byte(between), 0o755), os.Chmod(r.path("wandns"), 0o755))
	again, waits := r.turnstile(r.config)
	turn()
	r.hear("between")
	<-waits
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	again()
	r.hear("configuration reloaded")
	r.state(updater.NoAddress)
}

// toBeNobody lets daemons be started by root and go on as nobody, and puts the
// program and the configuration where that user finds them.
func (r *router) toBeNobody() (gid int) {
	r.t.Helper()
	_, gid, err := lookUp("nobody")
	if uids, err := os.ReadFile("/proc/self/uid_map"); err != nil || !strings.Contains(string(uids), " 4294967295\n") {
		if os.Getenv("WANDNS_CI") == "1" {
			r.t.Fatalf("only root can become another user: %s, %v", uids, err)
		}
		r.t.Skip("only root can become another user")
	}
	program, failed := os.ReadFile(os.Args[0])
	r.do(err, failed, os.WriteFile(r.path("wandns"), program, 0o755), os.Chmod(r.path("wandns"), 0o755))
	for dir := r.dir; dir != os.TempDir(); dir = filepath.Dir(dir) {
		r.do(os.Chmod(dir, 0o755))
	}
	r.under = []string{"sh", "-c", `shift; exec "$0" "$@" --user nobody`, r.path("wandns")}
	return gid
}
