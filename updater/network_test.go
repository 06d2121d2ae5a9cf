package updater_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wandns/persist"
	"wandns/updater"
	"wandns/updater/http1"
	"wandns/wan"
)

// What a network may do to a request, by net.Pipe in a synctest bubble: the
// minutes that it takes pass in no time. heard is what the server does once it
// has read the request.
type outage struct {
	name    string
	refused bool
	early   func(net.Conn) // instead of reading the request
	heard   func(net.Conn)
	kind    updater.Kind
	says    string
	took    time.Duration
}

var outages = []outage{
	{name: "no connection", refused: true, kind: updater.Unreachable, says: "could not be reached"},
	{name: "closed amid the request", early: func(c net.Conn) { _, _ = c.Read(make([]byte, 10)); c.Close() }, kind: updater.Unconfirmed, says: "may have landed"},
	{name: "closed after the request", heard: func(c net.Conn) { c.Close() }, kind: updater.Unconfirmed, says: "may have landed"},
	{name: "closed in the status line", heard: says("HTTP/1.1 20"), kind: updater.Unconfirmed, says: "may have landed"},
	{name: "closed in the headers", heard: says("HTTP/1.1 200 OK\r\nContent-Type: te"), kind: updater.Unconfirmed, says: "may have landed"},
	{name: "closed in the body", heard: says("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\ngood 84.0"), kind: updater.Unconfirmed, says: "may have landed"},
	{name: "closed in a chunk", heard: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\ngood 84.0"), kind: updater.Unconfirmed, says: "may have landed"},
	{name: "not HTTP", heard: says("SSH-2.0-OpenSSH_9.2\r\n"), kind: updater.Unconfirmed, says: "may have landed"},
	{name: "two lengths", heard: says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ngood!"), kind: updater.Unconfirmed, says: "may have landed"},
	{name: "silence instead of reading", early: func(net.Conn) {}, kind: updater.Unconfirmed, says: "within 30 seconds", took: 30 * time.Second},
	{name: "silence after the request", heard: func(net.Conn) {}, kind: updater.Unconfirmed, says: "within 30 seconds", took: 30 * time.Second},
	{name: "headers byte by byte", heard: drips("HTTP/1.1 200 OK\r\n", "X: y\r\n"), kind: updater.Unconfirmed, says: "within 30 seconds", took: 30 * time.Second},
	{name: "body byte by byte", heard: drips("HTTP/1.1 200 OK\r\n\r\n", "good"), kind: updater.Unconfirmed, says: "within 30 seconds", took: 30 * time.Second},
	{name: "100 MB", heard: floods("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", 100<<20), kind: updater.Unconfirmed, says: "more than 64 KiB"},
	{name: "100 MB of headers", heard: floods("HTTP/1.1 200 OK\r\nX: ", 100<<20), kind: updater.Unconfirmed, says: "may have landed"},
	{name: "interim answers for ever", heard: repeats("HTTP/1.1 103 Early Hints\r\n\r\n"), kind: updater.Unconfirmed, says: "may have landed"},
}

func says(s string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, s); c.Close() }
}

func drips(start, more string) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, start)
		for i := 0; err == nil; i++ {
			time.Sleep(time.Second)
			_, err = c.Write([]byte{more[i%len(more)]})
		}
	}
}

func floods(start string, n int) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, start)
		chunk := bytes.Repeat([]byte{'x'}, 32<<10)
		for left := n; left > 0 && err == nil; left -= len(chunk) {
			_, err = c.Write(chunk)
		}
		c.Close()
	}
}

func repeats(s string) func(net.Conn) {
	return func(c net.Conn) {
		for range 100_000 {
			if _, err := io.WriteString(c, s); err != nil {
				return
			}
		}
		c.Close()
	}
}

func TestWhatANetworkDoesToARequest(t *testing.T) {
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				began := time.Now()
				_, fault := get(t, updater.ClientConfig{Dial: o.network(t).dial}, "http://dynupdate.test/")
				if fault == nil || fault.Kind != o.kind || !strings.Contains(fault.Detail, o.says) {
					t.Errorf("fault = %v, want kind %v: %s", fault, o.kind, o.says)
				}
				if took := time.Since(began); took != o.took {
					t.Errorf("it took %v, want %v", took, o.took)
				}
			})
		})
	}
}

// network is one with this outage.
func (o outage) network(t *testing.T) *pipes {
	p := &pipes{make(chan net.Conn), make(chan struct{})}
	var served sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	served.Go(func() {
		for {
			c, err := p.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			served.Go(func() {
				if o.early != nil {
					o.early(c)
				} else if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					o.heard(c)
				}
			})
		}
	})
	if o.refused {
		p.Close()
	}
	t.Cleanup(func() {
		if !o.refused {
			p.Close()
		}
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		served.Wait()
	})
	return p
}

// The names of one service wait, those of another do not, whatever the network
// does to the first one's requests.
func TestADeadProviderDelaysNoOther(t *testing.T) {
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := newHouse(t, "home.example.com", "other.example.com")
				a, b := (&house{t: t, sim: h.sim, net: o.network(t)}).account("home.example.com"), h.account("other.example.com")
				a.Name, a.Account = "dead", "dead"
				h.boot(a, b)
				for _, addr := range []string{"84.0.0.2", "84.0.0.3"} {
					h.see(addr)
					synctest.Wait()
					if r, _ := h.sim.Lookup("other.example.com"); r.V4.String() != addr {
						t.Errorf("other.example.com = %v, want %s", r.V4, addr)
					}
					time.Sleep(10 * time.Minute)
				}
				h.off()
			})
		})
	}
}

// A reset, which is not an end: by a real socket, at every stage.
func TestResets(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\ngood 84.0.0.2\r\n"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, said := range []int{-1, 0, 5, 20, 40, len(answer) - 5} {
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			if said >= 0 {
				_, _ = http.ReadRequest(bufio.NewReader(c))
				_, _ = io.WriteString(c, answer[:said])
				time.Sleep(10 * time.Millisecond) // a reset overtakes what was sent
			}
			c.Close()
		}()
		_, fault := get(t, updater.ClientConfig{}, "http://"+l.Addr().String())
		if fault == nil || fault.Kind != updater.Unconfirmed && (said >= 0 || fault.Kind != updater.Unreachable) {
			t.Errorf("reset after %d bytes of the answer: %v", said, fault)
		}
	}
}

// A redirect that would make another request of it: its page's 200 is no success.
func TestRedirectOfAPost(t *testing.T) {
	for code, want := range map[int]updater.Kind{
		http.StatusMovedPermanently: updater.Transient, http.StatusFound: updater.Transient, http.StatusSeeOther: updater.Transient,
		http.StatusTemporaryRedirect: 0, http.StatusPermanentRedirect: 0,
	} {
		got := ""
		s := server(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/end" {
				http.Redirect(w, r, "/end", code)
				return
			}
			b, _ := io.ReadAll(r.Body)
			got = r.Method + " " + string(b)
		})
		req, err := http1.NewRequest(http1.MethodPost, s.URL, "ip=84.0.0.2")
		if err != nil {
			t.Fatal(err)
		}
		_, err = updater.NewClient(updater.ClientConfig{}).Do(t.Context(), req)
		fault, _ := errors.AsType[*updater.Fault](err)
		if want != 0 && (fault == nil || fault.Kind != want || got != "") || want == 0 && (err != nil || got != "POST ip=84.0.0.2") {
			t.Errorf("%d: %v; the page got %q", code, err, got)
		}
	}
}

// A store that could not be put on flash at the start is tried again a minute
// later, although nothing else happens.
func TestTroubleAtTheStartIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := t.TempDir()
		store, _, err := persist.Open(filepath.Join("/dev/null", "state"), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		var status atomic.Value
		journal := &journalWith{Store: store}
		ctx, stop := context.WithCancel(t.Context())
		r := &updater.Runner{
			Engine: updater.NewEngine(nil, time.Time{}, 1), Journal: journal, WAN: make(chan wan.State),
			Log: slog.New(slog.DiscardHandler), Publish: func(b []byte) error { status.Store(b); return nil },
		}
		ended := make(chan struct{})
		go func() { r.Run(ctx, nil); close(ended) }()
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if saves, b := journal.saves.Load(), status.Load().([]byte); saves != 0 || !bytes.Contains(b, []byte("nothing will survive")) {
			t.Errorf("%d saves, status = %s", saves, b)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if saves := journal.saves.Load(); saves != 1 {
			t.Errorf("%d saves after a minute", saves)
		}
		stop()
		<-ended
	})
}

type journalWith struct {
	*persist.Store
	saves atomic.Int32
}

func (j *journalWith) Save(now persist.Moment, records iter.Seq2[string, persist.Record]) error {
	j.saves.Add(1)
	return j.Store.Save(now, records)
}
