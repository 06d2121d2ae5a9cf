package main

import (
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// BenchmarkPeers runs wandns and its peers on the same work and writes a table
// to WANDNS_BENCH. They are started as `make bench-peers` does it: the program
// that it built, Debian's inadyn and ddclient, and the ddns-go that DDNS_GO
// names, if any.
//
// BENCH_CHANGES says how many changes of address are measured, within
// BENCH_LIMIT for each program, and BENCH_IDLE for how long nothing happens.
func BenchmarkPeers(b *testing.B) {
	tools(b, "inadyn", "ddclient", "strace")
	if !wantest.InNamespace(b) {
		return
	}
	g := newRig(b)
	g.changes()
	g.memory()
	g.verbs()
	g.services()
	g.addresses()
	g.idle()
	g.flash()
	b.ReportMetric(float64(len(g.rows)), "rows")
	file := os.Getenv("WANDNS_BENCH")
	if file == "" {
		b.Fatal("WANDNS_BENCH names no file")
	}
	g.check(os.WriteFile(file, []byte(g.table()), 0o644))
}

// peer is a program that keeps names at an address.
type peer struct {
	name    string
	periods [2]time.Duration // it looks for another address this often: at best, and by default
	rest    time.Duration    // between two requests when addresses come and go
	config  func(work) string
	command func(work) []string
	once    string        // what makes it end after an update
	pause   time.Duration // that it keeps between two of them
}

// work is what a program is to do.
type work struct {
	*peer
	dir, ca  string // a folder of its own; the authorities to trust
	server   string // of the provider
	tls      bool
	services int
}

func (w work) path(name string) string { return filepath.Join(w.dir, name) }

// each makes the text of every service from its number.
func (w work) each(text func(i int) string) string {
	var b strings.Builder
	for i := range w.services {
		b.WriteString(text(i))
	}
	return b.String()
}

func (w work) scheme() string {
	if w.tls {
		return "https"
	}
	return "http"
}

func peers() []*peer {
	all := []*peer{{
		name: "wandns",
		rest: 2 * time.Second,
		config: func(w work) string {
			return fmt.Sprintf("state_dir = %q\nrun_dir = %q\n", w.path("state"), w.path("run")) + w.each(func(i int) string {
				return fmt.Sprintf("[[service]]\nname = \"s%d\"\nprovider = \"noip\"\nhostnames = [\"h%[1]d.example.com\"]\nusername = \"u%[1]d@example.com\"\npassword = \"secret\"\nserver = \"%s://%s\"\n", i, w.scheme(), w.server)
			})
		},
		command: func(w work) []string { return []string{"../../bin/wandns", "run", "--config", w.path("conf.toml")} },
		once:    "--once",
	}, {
		name:    "inadyn",
		periods: [2]time.Duration{time.Second, 2 * time.Minute},
		config: func(w work) string {
			return fmt.Sprintf("period = %d\niface = wan0\nca-trust-file = %q\n", w.periods[0]/time.Second, w.ca) + w.each(func(i int) string {
				return fmt.Sprintf("custom s:%d {\nhostname = h%[1]d.example.com\nusername = u%[1]d\npassword = secret\nssl = %t\nddns-server = %s\nddns-path = \"/nic/update?hostname=%%h&myip=%%i\"\nddns-response = good\n}\n", i, w.tls, w.server)
			})
		},
		command: func(w work) []string {
			return []string{"inadyn", "-f", w.path("conf.toml"), "--cache-dir=" + w.path("state"), "--no-pidfile", "-C", "-n"}
		},
		once: "-1",
	}, {
		name:    "ddclient",
		periods: [2]time.Duration{time.Minute, 5 * time.Minute},
		config: func(w work) string {
			return fmt.Sprintf("use=if, if=wan0\nssl=%s\nssl_ca_file=%s\n", map[bool]string{false: "no", true: "yes"}[w.tls], w.ca) + w.each(func(i int) string {
				return fmt.Sprintf("protocol=dyndns2, server=%s, login=u%d, password=secret h%[2]d.example.com\n", w.server, i)
			})
		},
		command: func(w work) []string {
			return []string{"ddclient", "-file", w.path("conf.toml"), "-cache", w.path("state/cache"), "-foreground", fmt.Sprintf("-daemon=%d", w.periods[0]/time.Second)}
		},
		once:  "-daemon=0",
		pause: 31 * time.Second,
	}}
	if file := os.Getenv("DDNS_GO"); file != "" {
		all = append(all, &peer{
			name:    "ddns-go",
			periods: [2]time.Duration{10 * time.Second, 5 * time.Minute},
			config: func(w work) string {
				return "dnsconf:\n" + w.each(func(i int) string {
					return fmt.Sprintf("- ipv4: {enable: true, gettype: netInterface, netinterface: wan0, domains: [h%d.example.com]}\n  dns: {name: callback, id: '%s://%s/nic/update?myip=#{ip}'}\n", i, w.scheme(), w.server)
				}) + "notallowwanaccess: true\n"
			},
			command: func(w work) []string {
				return []string{file, "-noweb", "-dns", "127.0.0.53", "-c", w.path("conf.toml"), "-f", fmt.Sprint(int(w.periods[0] / time.Second))}
			},
		})
	}
	return all
}

// rig is the network of all programs, and the provider, which takes whatever
// comes. An arrival is when it has read a request.
type rig struct {
	testing.TB
	peers    []*peer
	dir, ca  string
	servers  map[bool]string // by whether it is TLS
	arrivals chan arrival
	address  int // the last one
	rows     []row
}

type arrival struct {
	at   time.Time
	addr string
}

func newRig(t testing.TB) *rig {
	g := &rig{TB: t, peers: peers(), dir: t.TempDir(), servers: map[bool]string{}, arrivals: make(chan arrival, 1<<14)}
	g.check(wantest.Veth("wan0", "isp0"), wantest.AddAddr("wan0", g.wan()+"/32"), wantest.AddDefault("wan0", "", 0))
	wantest.CloseResolvers()
	provider := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := arrival{time.Now(), r.FormValue("myip")}
		g.arrivals <- a
		fmt.Fprintln(w, "good", a.addr)
	})
	plain, secure := httptest.NewServer(provider), httptest.NewTLSServer(provider)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	g.servers[false], g.servers[true] = plain.Listener.Addr().String(), secure.Listener.Addr().String()
	g.resolver("127.0.0.53:53")
	// Every program has to read the same authorities, those of the machine.
	bundle, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	g.check(err)
	g.ca = filepath.Join(g.dir, "ca.pem")
	g.check(os.WriteFile(g.ca, append(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})...), 0o600))
	return g
}

// anything is a DNS that has every name: ddns-go does not begin before it finds
// its providers. The others have numbers to go by.
type anything struct{}

func (anything) Lookup(string) (updatertest.Record, bool) {
	return updatertest.Record{V4: netip.AddrFrom4([4]byte{127, 0, 0, 1})}, true
}

func (g *rig) resolver(at string) {
	g.Helper()
	packets, err := net.ListenPacket("udp", at)
	g.check(err)
	connections, err := net.Listen("tcp", at)
	g.check(err)
	stop := updatertest.ServeDNS(anything{}, packets, connections)
	g.Cleanup(func() { g.check(stop()) })
}

func (g *rig) check(errs ...error) {
	g.Helper()
	for _, err := range errs {
		if err != nil {
			g.Fatal(err)
		}
	}
}

// prepare makes the files of a program that has never run.
func (g *rig) prepare(p *peer, tls bool, services int) work {
	g.Helper()
	w := work{p, filepath.Join(g.dir, p.name), g.ca, g.servers[tls], tls, services}
	g.check(os.RemoveAll(w.dir), os.MkdirAll(w.path("state"), 0o700), os.WriteFile(w.path("conf.toml"), []byte(p.config(w)), 0o600))
	return w
}

// start starts a program and returns it with what ends it.
func (g *rig) start(w work) (pid int, end func()) {
	g.Helper()
	for len(g.arrivals) > 0 { // of the program before
		<-g.arrivals
	}
	args := w.command(w)
	cmd := exec.Command(args[0], args[1:]...)
	log, err := os.Create(w.path("log"))
	g.check(err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+g.ca, "SSL_CERT_DIR=") // one file, as on a router
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	g.check(cmd.Start())
	return cmd.Process.Pid, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}
}

// change replaces the WAN's address and says when.
func (g *rig) change() time.Time {
	g.Helper()
	before := g.wan() + "/32"
	g.address++
	began := time.Now()
	g.check(wantest.AddAddr("wan0", g.wan()+"/32"), wantest.DelAddr("wan0", before))
	return began
}

func (g *rig) wan() string {
	return wantest.Nth(netip.MustParsePrefix("84.0.0.0/32"), g.address).Addr().String()
}

// asked waits until the provider has been asked n times for the present
// address, and returns the last time.
func (g *rig) asked(w work, n int) time.Time {
	g.Helper()
	at, missing := g.wait(n, 2*w.periods[0]+20*time.Second)
	if missing > 0 {
		said, _ := os.ReadFile(w.path("log"))
		g.Fatalf("%s has not asked for %s; %d requests are missing:\n%s", w.name, g.wan(), missing, said)
	}
	return at
}

func (g *rig) wait(n int, limit time.Duration) (at time.Time, missing int) {
	end := time.After(limit)
	for n > 0 {
		select {
		case a := <-g.arrivals:
			if a.addr == g.wan() {
				at, n = a.at, n-1
			}
		case <-end:
			return at, n
		}
	}
	return at, 0
}

// settled waits until a program does nothing.
func (g *rig) settled(pid int) {
	g.Helper()
	for before, end := g.tally(pid), time.Now().Add(10*time.Second); time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
		now := g.tally(pid)
		if now.cpu == before.cpu {
			return
		}
		before = now
	}
}

// sample is a start and a change of address.
type sample struct{ cold, reaction, cpu time.Duration }

// sample measures a program that has never run. It publishes what is there,
// and another address at a time that it cannot know.
func (g *rig) sample(p *peer, tls bool) (s sample) {
	g.Helper()
	w := g.prepare(p, tls, 1)
	began := time.Now()
	pid, end := g.start(w)
	defer end()
	s.cold = g.asked(w, 1).Sub(began)
	g.settled(pid)
	time.Sleep(p.rest + rand.N(max(p.periods[0], 100*time.Millisecond)))
	before := g.tally(pid).cpu
	began = g.change()
	s.reaction = g.asked(w, 1).Sub(began)
	g.settled(pid)
	s.cpu = g.tally(pid).cpu - before
	return s
}

// samples takes n of each program, in turn so that the machine is equally busy
// for all, unless that takes a program longer than limit.
func (g *rig) samples(n int, limit time.Duration, tls bool) map[*peer][]sample {
	g.Helper()
	all, took := map[*peer][]sample{}, map[*peer]time.Duration{}
	for range n {
		for _, p := range g.peers {
			if took[p] > limit {
				continue
			}
			began := time.Now()
			all[p] = append(all[p], g.sample(p, tls))
			took[p] += time.Since(began)
		}
	}
	return all
}

// rank returns the value of that rank of all, in percent.
func rank(all []sample, percent int, of func(sample) time.Duration) time.Duration {
	var list []time.Duration
	for _, s := range all {
		list = append(list, of(s))
	}
	slices.Sort(list)
	return list[(len(list)-1)*percent/100]
}
