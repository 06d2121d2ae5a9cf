//go:build amd64 || arm64

package main

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wandns/persist"
	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// killing is one way to an update, to be killed at each of its steps.
type killing struct {
	name   string
	first  bool                // nothing was published before
	daemon bool                // it goes on until TERM comes, amid the request
	fault  updatertest.Fault   // what the provider does
	spoil  func(*router) error // what happened to the files
}

var usual = killing{name: "the address changes"}

// TestE2EKilledAnywhere kills the program before and after every call that may
// leave something behind, and looks at what the next start makes of it. Unless
// WANDNS_SOAK is set, only the usual way is killed everywhere, the others at every second place.
func TestE2EKilledAnywhere(t *testing.T) { usual.anywhere(t) }

func TestE2EKilledAnywhereAtTheFirstStart(t *testing.T) {
	killing{name: "the first start", first: true}.anywhere(t)
}

func TestE2EKilledAnywhereWhenStopped(t *testing.T) {
	killing{name: "the daemon is told to stop amid its request", daemon: true}.anywhere(t)
}

func TestE2EKilledAnywhereWithoutAnAnswer(t *testing.T) {
	killing{name: "the answer is lost", fault: updatertest.CutAfter}.anywhere(t)
}

func TestE2EKilledAnywhereWhenTold911(t *testing.T) {
	killing{name: "the provider wants silence", fault: "911"}.anywhere(t)
}

func TestE2EKilledAnywhereWithADamagedStore(t *testing.T) {
	killing{name: "the store is damaged", first: true, spoil: func(r *router) error {
		return os.Truncate(r.path("state/state.db"), 1000)
	}}.anywhere(t)
}

func TestE2EKilledAnywhereAfterTheFlashWasFull(t *testing.T) {
	killing{name: "the flash was full before", spoil: func(r *router) error {
		return os.Rename(r.path("state/state.db"), r.path("run/unsaved.db"))
	}}.anywhere(t)
}

func (k killing) anywhere(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	x := newExecution(t)
	stride := 1
	if k.name != usual.name && os.Getenv("WANDNS_SOAK") == "" {
		stride = 2
	}
	at, repeats := 1, 0
	for ; !t.Failed(); at += stride {
		killed, repeated := x.kill(k, at)
		if !killed {
			break
		}
		if repeated {
			repeats++
		}
	}
	t.Logf("%s: killed up to place %d; %d kills left a request whose outcome could not be known, each was repeated once", k.name, at-stride, repeats)
	if repeats == 0 {
		t.Error("no kill hit a request")
	}
}

// execution is a router that is killed again and again.
type execution struct {
	*router
	sim      atomic.Pointer[updatertest.NoIP]
	conns    sync.WaitGroup // to it
	settled  []byte         // state.db where 84.0.0.2 is published
	expected string         // the address that is to be published now
}

func newExecution(t testing.TB) *execution {
	x := &execution{router: newRouter(t), expected: "84.0.0.3"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	x.do(err)
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != drained {
				x.sim.Load().ServeHTTP(w, r)
			}
		}),
		ConnState: func(_ net.Conn, to http.ConnState) {
			switch to {
			case http.StateNew:
				x.conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				x.conns.Done()
			case http.StateActive, http.StateIdle:
			}
		},
	}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { server.Close() })
	x.url = "http://" + l.Addr().String()
	x.configure([]string{"home.example.com"})
	x.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	x.provider()
	if code, out := x.say("run", "--once"); code != exitDone {
		t.Fatalf("exit code %d: %s", code, out)
	}
	x.settled, err = os.ReadFile(x.path("state/state.db"))
	x.do(err, wantest.AddAddr("wan0", x.expected+"/32"), wantest.DelAddr("wan0", "84.0.0.2/32"))
	return x
}

const drained = "/drained"

// drain waits until the provider has seen all that a killed program sent:
// connections are accepted in turn.
func (x *execution) drain() {
	x.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(x.url + drained)
	x.do(err)
	x.do(resp.Body.Close())
	x.conns.Wait()
}

// provider is a new one, with nothing in its ledger.
func (x *execution) provider(faults ...updatertest.Fault) *updatertest.NoIP {
	sim := updatertest.NewNoIP(x.router.sim.User, secret, "home.example.com")
	sim.Next(faults...)
	x.sim.Store(sim)
	return sim
}

// prepare makes the files as they are before the update.
func (x *execution) prepare(k killing) {
	x.t.Helper()
	for _, dir := range []string{x.path("state"), x.path("run")} {
		x.do(os.RemoveAll(dir), os.Mkdir(dir, 0o700))
	}
	if !k.first || k.spoil != nil {
		x.do(os.WriteFile(x.path("state/state.db"), x.settled, 0o600))
	}
	if k.spoil != nil {
		x.do(k.spoil(x.router))
	}
}

// kill runs an update up to its n-th place, and then starts anew. It reports
// whether there is such a place, and whether the request had to be repeated.
func (x *execution) kill(k killing, n int) (killed, repeated bool) {
	x.t.Helper()
	x.prepare(k)
	var faults []updatertest.Fault
	if k.fault != "" {
		faults = append(faults, k.fault)
	}
	sim := x.provider(faults...)
	cmd := x.command("run", "--once")
	if k.daemon {
		cmd = x.command("run")
		sim.OnEntry(func(updatertest.Entry) { _ = cmd.Process.Signal(syscall.SIGTERM) })
	}
	place := ""
	trace(x.t, cmd, func(c call) bool {
		if n--; n == 0 {
			place = strings.ReplaceAll(c.String(), x.dir, "")
		}
		return n != 0
	})
	x.drain()
	rec, known := x.stored(place, k)
	sent, open := len(sim.Ledger()), rec.Intent != nil
	done := rec.Hosts.Of("home.example.com").V4 == netip.MustParseAddr(x.expected) && !open
	held := rec.NotBefore.After(time.Now())
	if !known && !k.first {
		x.t.Errorf("%s, killed %s: what was confirmed is lost", k.name, place)
	}
	if sent > 1 || sent == 1 && !open && !done && !held {
		x.t.Errorf("%s, killed %s: %d requests, and the store has %+v", k.name, place, sent, rec)
	}

	want := 1
	if done || held {
		want = 0
	}
	later := x.provider()
	for range 2 {
		if code, out := x.say("run", "--once"); code != exitDone && !held {
			x.t.Errorf("%s, killed %s: the next start ends with %d: %s", k.name, place, code, out)
		}
	}
	a, _ := sim.Lookup("home.example.com")
	b, _ := later.Lookup("home.example.com")
	if got := len(later.Ledger()); got != want || !held && x.expected != a.V4.String() && x.expected != b.V4.String() {
		x.t.Errorf("%s, killed %s: %d requests before, then %d, want %d; published %v, then %v; stored %+v", k.name, place, sent, got, want, a, b, rec)
	}
	return place != "", open && sent == 1
}

// stored is what a killed program left of the service.
func (x *execution) stored(place string, k killing) (persist.Record, bool) {
	x.t.Helper()
	dir := filepath.Join(x.t.TempDir(), "copy")
	x.do(os.CopyFS(dir, os.DirFS(x.path("state"))))
	s, all, err := persist.Open(dir, x.path("run"))
	x.do(err)
	defer s.Close()
	if err := s.Trouble(); err != nil && k.spoil == nil {
		x.t.Errorf("%s, killed %s: %v", k.name, place, err)
	}
	rec := all["home"]
	h, ok := rec.Hosts.Of("home.example.com"), rec.Hosts.Has("home.example.com")
	return rec, ok && (h.V4.String() == "84.0.0.2" || h.V4.String() == x.expected)
}

// What the request is about is on flash before the request leaves.
func TestE2EIntentIsDurableBeforeTheRequest(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	x := newExecution(t)
	x.prepare(usual)
	sim := x.provider()
	var steps []string
	trace(t, x.command("run", "--once"), func(c call) bool {
		step := strings.ReplaceAll(c.String(), x.dir, "")
		switch before := len(sim.Ledger()) == 0; {
		case c.done && strings.Contains(c.path, "/state") && slices.Contains([]uint64{unix.SYS_WRITE, unix.SYS_FSYNC, unix.SYS_RENAMEAT}, c.nr):
			steps = append(steps, step)
		case !c.done && c.nr == unix.SYS_CONNECT && before:
			steps = append(steps, "the request")
		}
		return true
	})
	published := []string{"after write /state/state.db.tmp", "after fsync /state/state.db.tmp", "after renameat /state/state.db", "after fsync /state"}
	if want := slices.Concat(published, []string{"the request"}, published); !slices.Equal(steps, want) {
		t.Errorf("steps:\n%s\nwant:\n%s", strings.Join(steps, "\n"), strings.Join(want, "\n"))
	}
}

// BenchmarkFlashPerUpdate counts what one change of address writes to flash.
func BenchmarkFlashPerUpdate(b *testing.B) {
	if !wantest.InNamespace(b) {
		return
	}
	x := newExecution(b)
	x.prepare(usual)
	x.provider()
	var bytes, syncs uint64
	trace(b, x.command("run", "--once"), func(c call) bool {
		if c.done && strings.HasPrefix(c.path, x.path("state")) {
			switch c.nr {
			case unix.SYS_WRITE:
				bytes += c.args[2]
			case unix.SYS_FSYNC:
				syncs++
			}
		}
		return true
	})
	b.ReportMetric(float64(bytes), "bytes/update")
	b.ReportMetric(float64(syncs), "fsyncs/update")
}
