package main

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"wandns/persist"
	"wandns/updater"
	"wandns/wan/wantest"
)

// answering is a control socket in dir that permits as it is told, one request
// after the other, and hands on what was asked.
func answering(t *testing.T, dir string, permits ...updater.Permit) <-chan updater.Event {
	t.Helper()
	l, err := listenControl(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	commands, asked := make(chan updater.Command), make(chan updater.Event, len(permits))
	go serveControl(t.Context(), l, commands, func() []string { return []string{"home"} }, newLog(io.Discard, io.Discard, "error"))
	go func() {
		for _, p := range permits {
			c := <-commands
			asked <- c.Event
			c.Permit <- p
		}
	}()
	return asked
}

func TestAVerbObeysTheDaemon(t *testing.T) {
	tomorrow := time.Now().Add(24 * time.Hour)
	for _, tt := range []struct {
		name    string
		permits []updater.Permit
		code    int
		says    string
	}{
		{"it may", []updater.Permit{{}}, exitDone, ""},
		{"in a moment", []updater.Permit{{Until: time.Now().Add(time.Second), Why: "another request is on its way"}, {}}, exitDone, ""},
		{"tomorrow", []updater.Permit{{Until: tomorrow, Why: "home.example.com has had its changes of the day"}}, exitRefused, "wandns: nothing was sent: home.example.com has had its changes of the day; try again at " + tomorrow.Local().Format(time.DateTime) + "\n"},
		{"blocked", []updater.Permit{{Why: "the account is blocked; then run: wandns resume home"}}, exitRefused, "wandns: nothing was sent: the account is blocked; then run: wandns resume home\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAllround()
			a.dir = t.TempDir()
			asked := answering(t, a.dir, tt.permits...)
			code, _, stderr := a.order(t, "", "record", "home", "set", "HOME.example.com.", "A", "84.0.0.2")
			if code != tt.code || stderr != tt.says {
				t.Errorf("exits with %d and says %q, want %d and %q", code, stderr, tt.code, tt.says)
			}
			if sent := len(a.records) > 0; sent != (tt.code == exitDone) {
				t.Errorf("sent: %t", sent)
			}
			for range tt.permits {
				ev, ok := (<-asked).(updater.Reserve)
				if !ok || ev.Service != "home" || strings.Join(ev.Hosts, " ") != "home.example.com" || ev.Changes != 1 {
					t.Errorf("asked for %+v", ev)
				}
			}
		})
	}
}

func TestEveryRequestIsReserved(t *testing.T) {
	for typed, want := range map[string]int{"probe home ip": 2, "probe home ping": 1, "host home list": 1} {
		a := newAllround()
		a.dir = t.TempDir()
		sent := 0
		a.on = func(updater.Way) { sent++ }
		asked := answering(t, a.dir, make([]updater.Permit, want)...)
		if code, _, stderr := a.order(t, "", strings.Fields(typed)...); code != exitDone || sent != want {
			t.Errorf("%s exits with %d after %d requests, want %d: %s", typed, code, sent, want, stderr)
		}
		for range want {
			if ev := (<-asked).(updater.Reserve); len(ev.Hosts) != 0 || ev.Changes != 0 {
				t.Errorf("%s asked for %+v", typed, ev)
			}
		}
	}
}

func TestAVerbWithoutADaemonAsksTheStore(t *testing.T) {
	a := newAllround()
	a.dir = t.TempDir()
	if code, _, stderr := a.order(t, "", "host", "home", "list"); code != exitDone {
		t.Errorf("exits with %d and says %q", code, stderr)
	}
	store, _, err := persist.Open(a.dir, a.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	code, _, stderr := a.order(t, "", "host", "home", "list")
	if code != exitFailed || !strings.HasPrefix(stderr, "wandns: nothing was sent: ") {
		t.Errorf("with the store in other hands it exits with %d and says %q", code, stderr)
	}
}

// A daemon of an older version answers what it does not know.
func TestAVerbAndADaemonThatDiffer(t *testing.T) {
	a := newAllround()
	a.dir = t.TempDir()
	l, err := listenControl(t.Context(), a.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go serveControl(t.Context(), l, nil, func() []string { return nil }, newLog(io.Discard, io.Discard, "error"))
	code, _, stderr := a.order(t, "", "host", "home", "list")
	if code != exitFailed || !strings.Contains(stderr, `no service "home"`) || len(a.records) != 0 {
		t.Errorf("exits with %d and says %q", code, stderr)
	}
}

func TestE2EDaemonPermits(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.on()
	for name, ok := range map[string]bool{"home": true, "other": false} {
		reply, err := askDaemon(t.Context(), r.path("run"), controlRequest{Reserve: &reservation{Service: name, Hosts: []string{"home.example.com"}, Changes: 1}})
		if err != nil || (reply.Permit != nil) != ok || (reply.Error == "") != ok {
			t.Errorf("for %s it answers %+v, %v", name, reply, err)
		}
	}
	if err := os.Remove(r.path("run/" + socketName)); err != nil {
		t.Fatal(err)
	}
	if _, err := askDaemon(t.Context(), r.path("run"), controlRequest{Verb: "update"}); err != errNoDaemon { //nolint:errorlint // itself
		t.Errorf("without its socket: %v", err)
	}
}
