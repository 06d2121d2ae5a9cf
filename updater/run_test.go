package updater_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wandns/persist"
	"wandns/updater"
	"wandns/updater/providers"
	"wandns/updater/updatertest"
	"wandns/wan"
)

// The tests of this file run the real runner, engine, client, provider and
// store against the simulator, in a synctest bubble: hours pass in no time.

const canary = "canary-7f3a"

// pipes is a network of in-memory connections to one server.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// house is everything around a runner.
type house struct {
	t        *testing.T
	sim      updatertest.Service
	net      *pipes
	wan      chan wan.State
	commands chan updater.Command
	dir      string
	store    *persist.Store
	stop     context.CancelFunc
	ended    chan struct{}
	cut      bool                                  // the network is down
	journal  func(updater.Journal) updater.Journal // if set, what stands before the store
	clock    func() updater.Reading
	steps    chan struct{}

	mu     sync.Mutex
	status updater.Status
	writes atomic.Int32
	log    bytes.Buffer
}

func (h *house) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(b)
}

func newHouse(t *testing.T, hosts ...string) *house {
	return houseOf(t, updatertest.NewNoIP("user@example.com", canary, hosts...))
}

func houseOf(t *testing.T, sim updatertest.Service) *house {
	h := &house{t: t, sim: sim, net: &pipes{make(chan net.Conn), make(chan struct{})}, dir: t.TempDir()}
	began := time.Now()
	h.clock = func() updater.Reading { // right, of a machine that stays on
		return updater.Reading{Wall: began.AddDate(30, 0, 0), Synced: true, Boot: "first", Up: time.Since(began)}
	}
	server := &http.Server{Handler: h.sim, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() { _ = server.Serve(h.net) }() // ends with Close
	t.Cleanup(func() { server.Close() })
	return h
}

func (h *house) account(hosts ...string) updater.Account {
	return h.accountBy(func(ctx context.Context, network, address string) (net.Conn, error) {
		if h.cut {
			return nil, errors.New("network is unreachable")
		}
		return h.net.dial(ctx, network, address)
	}, hosts...)
}

// accountBy is an account on another network.
func (h *house) accountBy(dial func(ctx context.Context, network, address string) (net.Conn, error), hosts ...string) updater.Account {
	spec, _ := providers.Find("noip")
	nobody := func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("network is unreachable")
	}
	return carried(updater.Service{
		Self:  updater.Self{Name: "home", Hosts: hosts, Account: "a", Config: "c"},
		Terms: updater.Terms{Provider: spec.Name, Title: spec.Title, Families: [2]bool{true, true}, Limits: spec.Limits, Enabled: true},
	}, updater.Carrier{
		Client: updater.NewClient(updater.ClientConfig{Dial: nobody}),
		Provider: spec.New(updater.Settings{
			Values: h.sim.Fields(), Server: "http://dynupdate.test",
			Agent: updater.Agent{Version: "1.0.0", Model: "test", Contact: "packager@wandns.invalid"}, Client: updater.NewClient(updater.ClientConfig{Dial: dial, Secrets: []string{canary}}),
		}),
	})
}

func carried(s updater.Service, by updater.Carrier) updater.Account {
	return updater.Account{Service: s, Carry: func() updater.Carrier { return by }}
}

// by changes what carries an account's requests.
func by(a updater.Account, change func(*updater.Carrier)) updater.Account {
	c := a.Carry()
	change(&c)
	return carried(a.Service, c)
}

// boot starts the daemon; off stops it.
func (h *house) boot(accounts ...updater.Account) {
	h.t.Helper()
	store, records, err := persist.Open(h.dir, h.dir+"-spare")
	if err != nil {
		h.t.Fatal(err)
	}
	h.store, h.wan, h.commands, h.ended = store, make(chan wan.State, 1), make(chan updater.Command), make(chan struct{})
	var ctx context.Context
	ctx, h.stop = context.WithCancel(context.Background())
	var journal updater.Journal = store
	if h.journal != nil {
		journal = h.journal(store)
	}
	r := &updater.Runner{
		Engine: updater.NewEngine(records, store.Clock(), 1), Journal: journal, WAN: h.wan, Commands: h.commands,
		Log: slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Publish: func(b []byte) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.writes.Add(1)
			if bytes.Contains(b, []byte(canary)) {
				h.t.Errorf("the secret is in the status: %s", b)
			}
			h.status = updater.Status{} // the one before is somebody's
			return json.Unmarshal(b, &h.status)
		},
	}
	r.Clock = updater.NewTimekeeper(store.Moment(), h.clock)
	r.Clock.Steps = h.steps
	go func() {
		r.Run(ctx, accounts)
		close(h.ended)
	}()
}

func (h *house) off() {
	h.stop()
	<-h.ended
	if err := h.store.Close(); err != nil {
		h.t.Error(err)
	}
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if strings.Contains(h.log.String(), canary) {
		h.t.Errorf("the secret is in the log:\n%s", h.log.String())
	}
}

func (h *house) see(addrs ...string) {
	h.wan <- updater.WANWith(addrs...)
	synctest.Wait()
}

func (h *house) service() updater.ServiceStatus {
	if all := h.services(); len(all) > 0 {
		return all[0]
	}
	return updater.ServiceStatus{}
}

func (h *house) services() []updater.ServiceStatus {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status.Services
}

// expect checks the state and how many requests there have been.
func (h *house) expect(state updater.State, requests int) {
	h.t.Helper()
	st := h.service()
	ledger := h.sim.Ledger()
	if st.State != state || len(ledger) != requests {
		h.t.Fatalf("state %s (%s) after %d requests, want %s after %d\n%v", st.State, st.Reason, len(ledger), state, requests, ledger)
	}
	if v := h.sim.Violations(); len(v) > 0 {
		h.t.Fatalf("rules were broken: %v", v)
	}
}

func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestPublishesOnceOverRestarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		a := h.account("home.example.com")
		h.boot(a)
		h.see("84.0.0.2", "2a00:1:2:3::1")
		h.expect(updater.OK, 1)
		if e := h.sim.Ledger()[0]; e.Value != "84.0.0.2,2a00:1:2:3::1" || e.Agent != "wandns Router-test/1.0.0 packager@wandns.invalid" {
			t.Errorf("request = %+v", e)
		}
		h.off()
		for range 3 {
			time.Sleep(24 * time.Hour)
			h.boot(a)
			h.see("84.0.0.2", "2a00:1:2:3::1")
			h.expect(updater.OK, 1)
			h.off()
		}
	})
}

func TestAsksAgainAfterExactlyThirtyMinutes(t *testing.T) {
	for _, code := range []updatertest.Fault{"911", "dnserr"} {
		bubble(t, func(t *testing.T) {
			h := newHouse(t, "home.example.com")
			h.sim.Next(code, code)
			h.boot(h.account("home.example.com"))
			h.see("84.0.0.2")
			h.expect(updater.Waiting, 1)
			time.Sleep(30*time.Minute - time.Nanosecond)
			h.see("84.0.0.3") // not even a new address hurries it
			h.expect(updater.Waiting, 1)
			time.Sleep(time.Nanosecond)
			h.expect(updater.Waiting, 2)
			time.Sleep(30 * time.Minute)
			h.expect(updater.OK, 3)
			l := h.sim.Ledger()
			if d := l[1].At.Sub(l[0].At); d != 30*time.Minute {
				t.Errorf("asked again after %s", d)
			}
			h.off()
		})
	}
}

func TestThirtyMinutesHoldOverAReboot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		h.sim.Next("911")
		a := h.account("home.example.com")
		h.boot(a)
		h.see("84.0.0.2")
		h.expect(updater.Waiting, 1)
		h.off()
		time.Sleep(10 * time.Minute)
		h.boot(a)
		h.see("84.0.0.2")
		time.Sleep(20*time.Minute - time.Second)
		h.expect(updater.Waiting, 1)
		time.Sleep(2 * time.Second)
		h.expect(updater.OK, 2)
		h.off()
	})
}

// A corrected configuration is tried at once, over a restart too, and not
// before the provider lets it.
func TestCorrectedConfigurationIsTriedAtOnce(t *testing.T) {
	for _, c := range []struct {
		fault updatertest.Fault
		state updater.State
		sent  int
	}{{updatertest.Error500, updater.OK, 2}, {"911", updater.Waiting, 1}} {
		for _, restart := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				h := newHouse(t, "home.example.com")
				h.sim.Next(c.fault)
				a := h.account("home.example.com")
				h.boot(a)
				h.see("84.0.0.2")
				h.expect(updater.Waiting, 1)
				a.Config = "corrected"
				if restart {
					h.off()
					h.boot(a)
					h.see("84.0.0.2")
				} else {
					h.commands <- updater.Command{With: []updater.Account{a}}
				}
				h.expect(c.state, c.sent)
				h.off()
			})
		}
	}
}

func TestStopsForGood(t *testing.T) {
	for _, code := range []updatertest.Fault{"badauth", "abuse", "badagent", "!donator", "nohost", updatertest.Error401, "good 127.0.0.1"} {
		bubble(t, func(t *testing.T) {
			h := newHouse(t, "home.example.com")
			h.sim.Next(code)
			a := h.account("home.example.com")
			h.boot(a)
			h.see("84.0.0.2")
			h.expect(updater.NeedsUser, 1)
			time.Sleep(100 * 24 * time.Hour)
			h.see("84.0.0.3")
			h.expect(updater.NeedsUser, 1)
			h.off()
			h.boot(a)
			h.see("84.0.0.4")
			time.Sleep(100 * 24 * time.Hour)
			h.expect(updater.NeedsUser, 1)
			if r := h.service().Reason; !strings.HasSuffix(r, ", then run: wandns resume home") {
				t.Errorf("%s: reason %q does not end with the next step", code, r)
			}

			h.sim.Forgive()
			reply := make(chan []updater.Reply, 1)
			h.commands <- updater.Command{Event: updater.Resume{Service: "home"}, Reply: reply}
			if r := <-reply; len(r) != 1 || r[0].Service != "home" {
				t.Errorf("reply = %+v", r)
			}
			h.expect(updater.OK, 2)
			h.off()
		})
	}
}

func TestStrangeAnswersAreRetriedSlowly(t *testing.T) {
	for _, fault := range []updatertest.Fault{
		updatertest.Empty, updatertest.HTML, updatertest.Huge, updatertest.Wrong, updatertest.Cut, updatertest.CutAfter,
		updatertest.Slow, updatertest.Error500, updatertest.Redirect, updatertest.Echo, "goods 84.0.0.2", "nochg 9.9.9.9", "good\n\x00\x1b[31m",
	} {
		bubble(t, func(t *testing.T) {
			h := newHouse(t, "home.example.com", "nas.example.com")
			h.sim.Next(fault, fault, fault)
			h.boot(h.account("home.example.com", "nas.example.com"))
			h.see("84.0.0.2")
			time.Sleep(6 * time.Minute)
			time.Sleep(12*time.Minute + time.Minute)
			time.Sleep(38*time.Minute + time.Minute)
			want := 4
			if fault == "good\n\x00\x1b[31m" {
				want = 2 // the first name was confirmed, the other needs one more try at most
			}
			l := h.sim.Ledger()
			if len(l) < want || len(l) > 4 {
				t.Errorf("%s: %d requests, want %d: %v", fault, len(l), want, l)
			}
			for i := 1; i < len(l); i++ {
				if gap := l[i].At.Sub(l[i-1].At); gap < 5*time.Minute {
					t.Errorf("%s: request %d came %s after the one before", fault, i, gap)
				}
			}
			if st := h.service(); st.State != updater.OK {
				t.Errorf("%s: in the end %+v", fault, st)
			}
			h.off()
		})
	}
}

func TestNetworkThatIsDownIsTriedSoonAndOnEveryChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		h.cut = true
		h.boot(h.account("home.example.com"))
		h.see("84.0.0.2")
		time.Sleep(20 * time.Minute)
		h.expect(updater.Waiting, 0)
		h.cut = false
		h.see("84.0.0.3")
		h.expect(updater.OK, 1)
		h.off()
	})
}

func TestOneSlowServiceDelaysNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com", "other.example.com")
		h.sim.Next(updatertest.Slow)
		a, b := h.account("home.example.com"), h.account("other.example.com")
		b.Name, b.Account = "other", "b"
		h.boot(a)
		h.see("84.0.0.2")
		h.commands <- updater.Command{With: []updater.Account{a, b}}
		synctest.Wait()
		if r, _ := h.sim.Lookup("other.example.com"); r.V4.String() != "84.0.0.2" {
			t.Errorf("other.example.com = %v while the first service waits for its answer", r)
		}
		h.off()
	})
}

// The bubble's clock starts in the year 2000, as a router's without a battery
// may, and the certificate begins ten minutes later.
func TestClockThatIsWrong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), DNSNames: []string{"dynupdate.test"}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(10 * time.Minute), NotAfter: time.Now().AddDate(1, 0, 0),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		ca := filepath.Join(h.dir, "ca.pem")
		if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		secure := &pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: h.sim, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		go func() { // ends with Close
			_ = server.Serve(tls.NewListener(secure, &tls.Config{
				Certificates:           []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
				SessionTicketsDisabled: true, // a pipe holds nothing: neither side would hear the other's refusal
			}))
		}()
		defer server.Close()
		spec, _ := providers.Find("noip")
		a := by(h.account("home.example.com"), func(c *updater.Carrier) {
			c.Provider = spec.New(updater.Settings{
				Values: map[string]string{"username": "user@example.com", "password": canary}, Server: "https://dynupdate.test",
				Agent:  updater.Agent{Version: "1.0.0", Model: "test", Contact: "packager@wandns.invalid"},
				Client: updater.NewClient(updater.ClientConfig{CAFile: ca, Dial: secure.dial}),
			})
		})
		h.clock = func() updater.Reading { return updater.Reading{Wall: time.Now()} }
		h.boot(a)
		h.see("84.0.0.2")
		h.expect(updater.BadClock, 0)
		time.Sleep(10*time.Minute - time.Second)
		h.expect(updater.BadClock, 0)
		time.Sleep(16 * time.Second)
		h.expect(updater.OK, 1)
		h.off()
	})
}

// A reconnect in the middle of a request: the connection is dead, and nobody
// will say so for half a minute.
func TestNewAddressDoesNotWaitForADeadRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		h.sim.Next(updatertest.Slow)
		h.boot(h.account("home.example.com"))
		h.see("84.0.0.2")
		time.Sleep(time.Second)
		h.see()
		h.see("84.0.0.9")
		time.Sleep(time.Second)
		h.expect(updater.OK, 2)
		if r, _ := h.sim.Lookup("home.example.com"); r.V4.String() != "84.0.0.9" {
			t.Errorf("published %v", r.V4)
		}
		h.off()
	})
}

// lingering gives its outcome late.
type lingering struct{ updater.Provider }

func (l lingering) Update(ctx context.Context, req updater.Request) ([]updater.Result, error) {
	results, err := l.Provider.Update(ctx, req)
	time.Sleep(10 * time.Second)
	return results, err
}

func TestServiceThatIsBackIsNotAnsweredByItsFormerRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		h.sim.Next(updatertest.Slow)
		a := by(h.account("home.example.com"), func(c *updater.Carrier) { c.Provider = lingering{c.Provider} })
		h.boot(a)
		h.see("84.0.0.2")
		for _, with := range [][]updater.Account{{}, {a}} {
			time.Sleep(time.Second)
			h.commands <- updater.Command{With: with}
		}
		time.Sleep(9 * time.Second)
		h.expect(updater.Sending, 2)
		time.Sleep(time.Hour)
		h.expect(updater.OK, 2)
		h.off()
	})
}

func TestStopFinishesTheRequestInFlight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		a := h.account("home.example.com")
		h.sim.Next(updatertest.Slow)
		h.boot(a)
		h.see("84.0.0.2")
		before := time.Now()
		h.off()
		if took := time.Since(before); took != 4*time.Second {
			t.Errorf("a silent provider kept the daemon for %s", took)
		}
		store, left, err := persist.Open(h.dir, h.dir+"-spare")
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if left["home"].Intent == nil {
			t.Errorf("the open request is forgotten: %+v", left)
		}
	})
}

func TestIdleWritesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		h.boot(h.account("home.example.com"))
		h.see("84.0.0.2")
		h.expect(updater.OK, 1)
		h.mu.Lock()
		writes, logged := h.writes.Load(), h.log.Len()
		h.mu.Unlock()
		for range 100 {
			time.Sleep(24 * time.Hour)
			h.see("84.0.0.2")
		}
		h.mu.Lock()
		if h.writes.Load() != writes+1 || h.log.Len() != logged { // sent_today ends with the day
			t.Errorf("%d status writes and %d bytes of log while nothing changed", h.writes.Load()-writes, h.log.Len()-logged)
		}
		h.mu.Unlock()
		h.off()
	})
}

func TestFlappingWANIsLoggedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		h.boot(h.account("home.example.com"))
		for i := range 200 {
			h.see(fmt.Sprintf("84.0.0.%d", i+1))
			h.see()
			time.Sleep(20 * time.Millisecond)
		}
		h.see("84.1.0.1")
		time.Sleep(time.Hour)
		h.expect(updater.OK, len(h.sim.Ledger()))
		h.off()
		if n := strings.Count(h.log.String(), "\n"); n > 40 {
			t.Errorf("%d lines of log for %d requests:\n%s", n, len(h.sim.Ledger()), h.log.String())
		}
	})
}

func TestSameFaultIsLoggedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		h.sim.Next(updatertest.Error500, updatertest.Error500, updatertest.Error500, updatertest.Error500)
		h.boot(h.account("home.example.com"))
		h.see("84.0.0.2")
		time.Sleep(2 * time.Hour)
		h.off()
		if n := strings.Count(h.log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings, want 1:\n%s", n, h.log.String())
		}
	})
}

// failing is a journal on a disk that is full until it is freed.
type failing struct {
	freed atomic.Bool
	saves atomic.Int32
}

func (f *failing) Save(persist.Moment, iter.Seq2[string, persist.Record]) error {
	f.saves.Add(1)
	if f.freed.Load() {
		return nil
	}
	return errors.New("no space left on device")
}

func (f *failing) Trouble() error { return nil }

func TestFullDiskIsReportedAndSurvived(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		states := make(chan wan.State, 1)
		var status atomic.Value
		journal := &failing{}
		ctx, stop := context.WithCancel(t.Context())
		r := &updater.Runner{
			Engine: updater.NewEngine(nil, time.Time{}, 1), Journal: journal,
			WAN: states, Log: slog.New(slog.DiscardHandler), Publish: func(b []byte) error { status.Store(b); return nil },
		}
		ended := make(chan struct{})
		go func() { r.Run(ctx, []updater.Account{h.account("home.example.com")}); close(ended) }()
		states <- updater.WANWith("84.0.0.2")
		synctest.Wait()
		if b := status.Load().([]byte); !bytes.Contains(b, []byte("no space left on device")) || len(h.sim.Ledger()) != 1 {
			t.Errorf("status = %s, ledger = %v", b, h.sim.Ledger())
		}
		saves := journal.saves.Load()
		for range 50 { // the WAN moves on, without anything new to keep
			states <- updater.WANWith("84.0.0.2")
			synctest.Wait()
		}
		if more := journal.saves.Load() - saves; more != 0 {
			t.Errorf("%d attempts to save within a moment", more)
		}
		journal.freed.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if more, b := journal.saves.Load()-saves, status.Load().([]byte); more != 1 || bytes.Contains(b, []byte("no space")) {
			t.Errorf("%d saves once there was space, status = %s", more, b)
		}
		time.Sleep(24 * time.Hour)
		if more := journal.saves.Load() - saves - 1; more != 0 {
			t.Errorf("%d saves while nothing changed", more)
		}
		stop()
		<-ended
	})
}

// A new address every ten minutes, an unreliable service and a reboot now and
// then: the rules are kept, and in the end the name is right.
func TestHostileDays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		a := h.account("home.example.com")
		h.boot(a)
		faults := []updatertest.Fault{updatertest.Normal, updatertest.Error500, updatertest.Normal, updatertest.Cut, "911", updatertest.Normal, updatertest.CutAfter, updatertest.Normal}
		addr := ""
		const changes = 3 * 24 * 6
		for i := range changes {
			if i%7 == 0 {
				h.sim.Next(faults[i/7%len(faults)])
			}
			addr = fmt.Sprintf("84.%d.%d.2", i>>8&0xff, i&0xff)
			h.see(addr)
			time.Sleep(10 * time.Minute)
			if i%40 == 39 {
				h.off()
				h.boot(a)
				h.see(addr)
			}
		}
		time.Sleep(25 * time.Hour)
		h.expect(updater.OK, len(h.sim.Ledger()))
		if r, _ := h.sim.Lookup("home.example.com"); r.V4.String() != addr {
			t.Errorf("published %v, want %s", r.V4, addr)
		}
		t.Logf("%d requests in %d address changes", len(h.sim.Ledger()), changes)
		h.off()
	})
}
