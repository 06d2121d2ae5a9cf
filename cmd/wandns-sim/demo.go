package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"wandns/updater"
	"wandns/updater/updatertest"
	"wandns/wan"
	"wandns/wan/wantest"
)

// isolated marks the process that shows address changes in a network of its own.
const isolated = "WANDNS_DEMO_ISOLATED"

// demo shows the daemon at work and tells what happens.
type demo struct {
	stage
	sims   []updatertest.Service
	wandns string // the binary
	dir    string
	config string
	at     *services
	asked  chan struct{} // a provider was asked since the last look

	daemon *exec.Cmd
	said   sync.WaitGroup // the daemon's output is read to its end
}

// runDemo shows this machine's own network first. As root it goes on in a
// network namespace, where addresses can be changed.
func runDemo(ctx context.Context, sims []updatertest.Service, wandns string, stay bool) (err error) {
	dir, err := os.MkdirTemp("", "wandns-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{sims: sims, wandns: wandns, dir: dir, config: filepath.Join(dir, "wandns.toml"), asked: make(chan struct{}, 1)}
	var sites []site
	var zones updatertest.Zones
	for _, s := range sims {
		sites, zones = append(sites, site{"127.0.0.1:0", s}), append(zones, s)
		s.SetSource(seen)
		s.OnEntry(func(e updatertest.Entry) {
			d.exchange(s.Provider(), e)
			select {
			case d.asked <- struct{}{}:
			default:
			}
		})
	}
	if d.at, err = serve(ctx, sites, zones, "127.0.0.1:0"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.at.stop()) }()
	defer d.off()
	if err := d.configure(false); err != nil {
		return err
	}
	if os.Getenv(isolated) != "" {
		return d.changes(ctx)
	}

	d.title("This machine's network, as wandns sees it")
	d.show("wan")
	d.title("wandns runs; the five providers and the name server are simulated")
	d.note("private addresses are allowed here, to have something to show")
	if err := errors.Join(d.configure(true), d.on()); err != nil {
		return err
	}
	d.watch(ctx)
	d.show("status")
	if os.Geteuid() != 0 || stay {
		d.title("Change an address of this machine and watch; Ctrl-C ends it")
		for d.settle(ctx) {
			d.resolve(ctx)
		}
		return nil
	}
	d.off()
	return d.isolate(ctx)
}

// seen is where a provider on the internet would see a request come from.
func seen(*http.Request) netip.Addr {
	if s, err := wan.Read(); err == nil {
		if c := wan.Choose(s, wan.IPv4, wan.Policy{AllowPrivate: true}); c.Addr.IsValid() {
			return c.Addr
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// isolate runs the second act in a network namespace.
func (d *demo) isolate(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, os.Args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), isolated+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	wantest.Isolate(cmd)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	if err = cmd.Run(); ctx.Err() == nil {
		return err
	}
	return nil
}

// changes plays what happens to a router.
func (d *demo) changes(ctx context.Context) error {
	d.title("Now a router in a network namespace, whose addresses change")
	if err := errors.Join(wantest.Up("lo"), wantest.Veth("wan0", "isp0")); err != nil {
		return err
	}
	wantest.CloseResolvers()
	if err := d.on(); err != nil {
		return err
	}
	acts := []struct {
		what string
		do   func() error
		show []string // verbs, where no request is expected
	}{
		{"the provider gives it an IPv4 address", func() error {
			return errors.Join(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
		}, nil},
		{"an IPv6 address comes; it must pass duplicate address detection first", func() error {
			return errors.Join(wantest.AddAddr("wan0", "2a00:1:2:3::2/64"), wantest.AddDefault("wan0", "fe80::1", 1024))
		}, nil},
		{"it reconnects with another IPv4 address", func() error {
			return renumber("84.0.0.2/32", "84.0.7.77/32")
		}, nil},
		{"killed and started again, wandns repeats nothing", func() error {
			d.kill()
			return d.on()
		}, []string{"status"}},
		{"what else a provider offers", func() error { return nil }, []string{"providers", "client hostway show"}},
		{"it reconnects behind carrier-grade NAT: that address is not published", func() error {
			return renumber("84.0.7.77/32", "100.64.3.4/32")
		}, []string{"wan"}},
	}
	for _, a := range acts {
		d.title(strings.ToUpper(a.what[:1]) + a.what[1:])
		if err := a.do(); err != nil {
			return err
		}
		if a.show == nil {
			d.watch(ctx)
		} else if !wait(ctx, 2*time.Second) {
			return nil
		}
		for _, verb := range a.show {
			d.show(strings.Fields(verb)...)
		}
		if !wait(ctx, 2*time.Second) {
			return nil
		}
	}
	// More often would be taken for a line that flaps, and be slowed down.
	d.title("And a new address every 70 seconds; Ctrl-C ends it")
	last := "100.64.3.4/32"
	for n := 0; ctx.Err() == nil; n++ {
		next := fmt.Sprintf("84.0.1.%d/32", n%250+2)
		if err := renumber(last, next); err != nil {
			return err
		}
		last = next
		minute, cancel := context.WithTimeout(ctx, 70*time.Second)
		for d.settle(minute) {
			d.resolve(ctx)
		}
		cancel()
	}
	return nil
}

// renumber gives the WAN another address, as a point-to-point link does.
func renumber(from, to string) error {
	return errors.Join(wantest.AddAddr("wan0", to), wantest.DelAddr("wan0", from))
}

// wait reports whether the time passed before the end.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (d *demo) configure(private bool) error {
	var b bytes.Buffer
	// What it does is told by the simulators.
	fmt.Fprintf(&b, "state_dir = %q\nrun_dir = %q\nlog_level = \"error\"\n\n", filepath.Join(d.dir, "state"), filepath.Join(d.dir, "run"))
	for i, s := range d.sims {
		printConfig(&b, s, d.at.web[i], fmt.Sprintf("allow_private = %t", private))
	}
	return os.WriteFile(d.config, b.Bytes(), 0o600)
}

// on starts the daemon.
func (d *demo) on() error {
	cmd := exec.Command(d.wandns, "run", "--config", d.config)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return err
	}
	d.daemon = cmd
	d.said.Go(func() { d.listen(out) })
	return nil
}

func (d *demo) off()  { d.end(syscall.SIGTERM) }
func (d *demo) kill() { d.end(syscall.SIGKILL) }

func (d *demo) end(s syscall.Signal) {
	if d.daemon == nil {
		return
	}
	_ = d.daemon.Process.Signal(s) // it may have ended by itself
	d.said.Wait()
	_ = d.daemon.Wait()
	d.daemon = nil
}

// watch shows what comes of a change, if anything does.
func (d *demo) watch(ctx context.Context) {
	soon, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if !d.settle(soon) && ctx.Err() == nil {
		d.note("no provider was asked")
	}
	if ctx.Err() == nil {
		d.resolve(ctx)
	}
}

// settle waits until a provider is asked, for a start or a change, and then
// until all have answered. It reports whether that came before the end.
func (d *demo) settle(ctx context.Context) bool {
	select {
	case <-d.asked:
	case <-ctx.Done():
		return false
	}
	for {
		select {
		case <-d.asked:
		case <-ctx.Done():
			return false
		case <-time.After(300 * time.Millisecond):
			if !slices.ContainsFunc(d.status(), func(s updater.ServiceStatus) bool { return s.State == updater.Sending || s.State == updater.Verifying }) {
				return true
			}
		}
	}
}

func (d *demo) status() []updater.ServiceStatus {
	var st updater.Status
	if b, err := os.ReadFile(filepath.Join(d.dir, "run", "status.json")); err == nil {
		_ = json.Unmarshal(b, &st) // it stays empty
	}
	return st.Services
}

// show runs a verb of the binary and prints what it prints.
func (d *demo) show(args ...string) {
	d.print("\n$ wandns %s\n", strings.Join(args, " "))
	out, err := exec.Command(d.wandns, append(args, "--config", d.config)...).CombinedOutput()
	d.text("", string(out))
	if err != nil {
		d.print("%v\n", err)
	}
	select {
	case <-d.asked: // by that verb
	default:
	}
}
