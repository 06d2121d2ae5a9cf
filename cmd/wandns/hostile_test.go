package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"wandns/updater"
	"wandns/wan/wantest"
)

// harmful reports what acts on a terminal.
func harmful(out string) bool {
	return strings.ContainsFunc(out, func(r rune) bool {
		return r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x61c || r == 0xfffd)
	})
}

const nasty = "\x1b]0;title\x07\x1b[2J\u009b2J\x9b\u202egpj.exe\u2066\u200f\r\nwandns: PROBLEM\tforged\x00\x7f"

// What the daemon's user may lay into its folder neither acts on root's
// terminal nor adds lines of its own, in any form.
func TestWhatAStatusSaysDoesNotActOnATerminal(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "wandns.toml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "run_dir = %q\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(updater.Status{Version: nasty, Problems: []string{nasty}, WAN: []updater.WANStatus{{Device: nasty, Default4: true}}, Services: []updater.ServiceStatus{
		{Name: nasty, State: nasty, Reason: nasty, Next: nasty, LastAnswer: nasty, Records: []updater.RecordStatus{{Hostname: nasty, Type: nasty, Wanted: nasty, Published: nasty, Since: nasty}}},
		{Name: nasty, State: nasty},
	}})
	if err != nil {
		t.Fatal(err)
	}
	raw := bytes.ReplaceAll(text, []byte(`\ufffd`), []byte{0x9b})
	for _, b := range [][]byte{text, raw, append([]byte("\r\n"), text...), []byte(nasty), []byte(`{"version":1,"` + nasty), []byte(`{"version":{"\u001b":2}}`)} {
		if err := os.WriteFile(filepath.Join(dir, statusName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"status"}, {"status", "--json"}, {"wan"}, {"rpcd", "call", "status"}} {
			_, out, failures := typed(append(args, "--config", file)...)
			if harmful(out + failures) {
				t.Errorf("%v prints %q %q", args, out, failures)
			}
			if strings.Contains(out+failures, "\nwandns: PROBLEM") || args[0] == "status" && len(args) == 1 && strings.Count(out, "\n") > 20 {
				t.Errorf("%v has lines that are not its own: %q", args, out+failures)
			}
			if len(args) == 2 && out != "" {
				var a, b updater.Status
				if err := errors.Join(json.Unmarshal([]byte(out), &a), json.Unmarshal(text, &b)); err != nil || a.Services[0].Reason != b.Services[0].Reason {
					t.Errorf("%v: %v: %q", args, err, out)
				}
			}
		}
	}
}

// Whatever lies where the status, the lock and the socket should, every verb
// ends, soon and in little memory.
func TestE2EHostileRunDir(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	run := r.path("run")
	for _, path := range append(notFiles(t), "/etc/passwd") {
		r.do(os.RemoveAll(run), os.Mkdir(run, 0o777))
		for _, name := range []string{statusName, signName, socketName} {
			if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
				r.do(unix.Mkfifo(filepath.Join(run, name), 0o666))
			} else {
				r.do(os.Symlink(path, filepath.Join(run, name)))
			}
		}
		for _, verb := range [][]string{{"status"}, {"status", "--json"}, {"update"}, {"resume", "home"}, {"client", "home", "create"}} {
			code, said, memory := r.within(verb...)
			if code == exitDone || memory > modest || strings.Contains(said, "root:") {
				t.Errorf("%v with %s: exit %d, %d KiB: %s", verb, path, code, memory, said)
			}
		}
		r.launch() // and it has its own
		r.hear("started")
		if code, out := r.say("update"); code != exitDone {
			t.Errorf("%s: update: exit %d, %s", path, code, out)
		}
		r.term()
	}
}

// Only what listens in the folder is asked, and only if it is the daemon's
// user's; what it answers is bounded.
func TestE2EImpostorOfTheDaemon(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(os.Mkdir(r.path("run"), 0o755))
	socket := r.path("run/" + socketName)
	var mu sync.Mutex
	heard := ""
	listen := func(path string, answer func(net.Conn)) net.Listener {
		l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
		r.do(err)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				b := make([]byte, 1<<10)
				n, _ := c.Read(b)
				mu.Lock()
				heard += string(b[:n])
				mu.Unlock()
				answer(c)
				c.Close()
			}
		}()
		return l
	}
	another := listen(r.path("another.sock"), func(c net.Conn) { _, _ = io.WriteString(c, `{"replies":[]}`) })
	r.do(os.Symlink(r.path("another.sock"), socket))
	code, said, _ := r.within("update")
	mu.Lock()
	if code != exitFailed || heard != "" {
		t.Errorf("by a link: exit %d, %s; the other one heard %q", code, said, heard)
	}
	mu.Unlock()
	another.Close()

	for what, answer := range map[string]func(net.Conn){
		"endless": func(c net.Conn) {
			_, _ = io.WriteString(c, `{"error":"`)
			for b := bytes.Repeat([]byte("x"), 1<<16); ; {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		},
		"nasty": func(c net.Conn) {
			_ = json.NewEncoder(c).Encode(controlReply{Replies: []updater.Reply{{Service: nasty, Outlook: nasty}}})
		},
		"nasty error": func(c net.Conn) { _ = json.NewEncoder(c).Encode(controlReply{Error: nasty}) },
		"no JSON":     func(c net.Conn) { _, _ = io.WriteString(c, nasty) },
	} {
		r.do(os.RemoveAll(socket))
		l := listen(socket, answer)
		_, said, memory := r.within("update")
		if harmful(said) || memory > modest || strings.Contains(said, "\nwandns: PROBLEM") {
			t.Errorf("%s: %d KiB, %q", what, memory, said)
		}
		l.Close()
	}
}

// A lock that everybody may set is not taken for the daemon's, and keeps none
// from being seen.
func TestE2EReadersLock(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.on()
	r.kill()
	f, err := os.Open(r.path("run/" + signName))
	r.do(err)
	defer f.Close()
	r.do(unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}))
	if code, said := r.say("status"); code != exitFailed || !strings.Contains(said, "is not running") {
		t.Errorf("with a reader's lock: exit %d, %s", code, said)
	}
	r.on()
	if code, said := r.say("status"); code != exitDone || !strings.Contains(said, fmt.Sprintf("process %d", r.daemon.Process.Pid)) {
		t.Errorf("started beside a reader's lock: exit %d, %s", code, said)
	}
}
