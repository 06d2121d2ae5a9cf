package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty is a terminal: what a person types and sees at one end, and the
// program's end.
type pty struct {
	t     *testing.T
	tty   *os.File
	typed *os.File
	seen  chan string // everything so far, after each piece
}

func newPTY(t *testing.T) *pty {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pty{t, tty, os.NewFile(uintptr(fd), "ptmx"), make(chan string, 100)}
	t.Cleanup(func() { p.typed.Close(); tty.Close() })
	go func() {
		var all bytes.Buffer
		b := make([]byte, 1024)
		for {
			n, err := p.typed.Read(b)
			all.Write(b[:n])
			if err != nil {
				close(p.seen)
				return
			}
			p.seen <- all.String()
		}
	}()
	return p
}

// until waits for a text and returns everything that was seen.
func (p *pty) until(text string) string {
	p.t.Helper()
	late := time.After(patience)
	all := ""
	for {
		select {
		case s, ok := <-p.seen:
			if all = s; strings.Contains(all, text) {
				return all
			}
			if !ok {
				p.t.Fatalf("the terminal ended without %q", text)
			}
		case <-late:
			p.t.Fatalf("%q did not appear, only %q", text, all)
		}
	}
}

func (p *pty) types(s string) {
	p.t.Helper()
	if _, err := p.typed.WriteString(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pty) echoes() bool {
	p.t.Helper()
	t, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return t.Lflag&unix.ECHO != 0
}

func TestAPasswordIsNotEchoed(t *testing.T) {
	p := newPTY(t)
	c := &cli{stdin: p.tty, stderr: p.tty}
	type answers struct {
		user, password string
		err            error
	}
	done := make(chan answers)
	go func() {
		var a answers
		if a.user, a.err = c.line("User: "); a.err == nil {
			a.password, a.err = c.password("Password: ")
		}
		done <- a
	}()
	p.until("User: ")
	p.types("jane\n")
	p.until("Password: ")
	if p.echoes() {
		t.Error("the terminal echoes while the password is asked for")
	}
	p.types("canary pass\n")
	if got := <-done; got != (answers{"jane", "canary pass", nil}) {
		t.Errorf("answers = %+v", got)
	}
	fmt.Fprintln(p.tty, "that is all")
	if all := p.until("that is all"); strings.Contains(all, "canary") || !strings.Contains(all, "jane") {
		t.Errorf("the terminal shows %q", all)
	}
	if !p.echoes() {
		t.Error("the terminal does not echo again")
	}
}

func TestE2EEchoComesBackAfterCtrlC(t *testing.T) {
	if os.Getenv("WANDNS_TEST_PROMPT") != "" {
		_, err := (&cli{stdin: os.Stdin, stderr: os.Stderr}).password("Password: ")
		t.Fatal(err)
	}
	for name, end := range map[string]func(*pty, *exec.Cmd){
		"Ctrl-C":  func(p *pty, _ *exec.Cmd) { p.types("canary\x03") },
		"SIGTERM": func(_ *pty, cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPTY(t)
			cmd := exec.Command(os.Args[0], "-test.run=^TestE2EEchoComesBackAfterCtrlC$")
			cmd.Env = append(os.Environ(), "WANDNS_TEST_PROMPT=1")
			cmd.Stdin, cmd.Stdout, cmd.Stderr = p.tty, p.tty, p.tty
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			p.until("Password: ")
			if p.echoes() {
				t.Error("the terminal echoes while the password is asked for")
			}
			end(p, cmd)
			_ = cmd.Wait()
			status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !status.Signaled() {
				t.Errorf("it ended with %v, not by the signal", cmd.ProcessState)
			}
			if !p.echoes() {
				t.Error("the terminal does not echo again")
			}
		})
	}
}

func TestOnlyYesDeletes(t *testing.T) {
	for typed, want := range map[string]bool{"y": true, "YES ": true, "": false, "n": false, "yesterday": false, "\x04": false} {
		p := newPTY(t)
		c := &cli{stdin: p.tty, stderr: p.tty}
		if !c.atTerminal() {
			t.Fatal("the terminal is taken for none")
		}
		done := make(chan bool)
		go func() {
			yes, _ := c.confirm("Delete it?")
			done <- yes
		}()
		p.until("Delete it? [y/N] ")
		p.types(typed + "\n")
		if got := <-done; got != want {
			t.Errorf("%q means %t", typed, got)
		}
	}
}

func TestAnswersAreReadLineByLine(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"jane\r\nsecret\n", []string{"jane", "secret"}},
		{"jane\nsecret", []string{"jane", "secret"}},
		{"\nsecret\n", []string{"", "secret"}},
		{strings.Repeat("x", maxAnswer+1), nil},
		{"", nil},
	} {
		r := strings.NewReader(tt.in)
		var got []string
		for range 2 {
			line, err := readLine(r)
			if err != nil {
				break
			}
			got = append(got, line)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%.20q is read as %.40q, want %q", tt.in, got, tt.want)
		}
	}
}

// A signal that was waited for during a prompt is the program's own again.
func TestAPromptGivesSignalsBack(t *testing.T) {
	p := newPTY(t)
	restore, err := silence(int(p.tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	restore()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGHUP)
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(patience):
		t.Error("the signal did not arrive")
	}
}
