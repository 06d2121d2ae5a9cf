package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// isolated marks the process that shows address changes in a network of its own.
const isolated = "WANDNS_DEMO_ISOLATED"

// demo shows the daemon at work and tells what happens.
type demo struct {
	sim    *updatertest.NoIP
	wandns string // the binary
	dir    string
	config string
	at     *services

	mu     sync.Mutex
	daemon *exec.Cmd
	said   sync.WaitGroup // the daemon's output is read to its end
}

// runDemo shows this machine's own network first. As root it goes on in a
// network namespace, where addresses can be changed.
func runDemo(ctx context.Context, sim *updatertest.NoIP, wandns string, stay bool) error {
	dir, err := os.MkdirTemp("", "wandns-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{sim: sim, wandns: wandns, dir: dir, config: filepath.Join(dir, "wandns.toml")}
	if d.at, err = serve(ctx, []site{{"127.0.0.1:0", sim}}, sim, "127.0.0.1:0"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.at.stop()) }()
	sim.OnEntry(func(e updatertest.Entry) {
		d.say("No-IP", "is asked to point %s at %s; it answers %q", strings.Join(e.Hosts, " and "), e.Value, strings.Join(strings.Fields(e.Answer), " "))
	})
	inside := os.Getenv(isolated) != ""
	if err := d.configure(!inside); err != nil {
		return err
	}
	defer d.off()
	if inside {
		return d.changes(ctx)
	}

	d.title("This machine's network, as wandns sees it")
	d.show("wan")
	d.title("wandns runs; No-IP and the name server are simulated")
	d.note("private addresses are allowed here, to have something to show")
	before := len(sim.Ledger())
	if err := d.on(); err != nil {
		return err
	}
	d.settle(ctx, before)
	d.resolve(ctx)
	d.show("status")
	if os.Geteuid() != 0 || stay {
		d.title("Change an address of this machine and watch; Ctrl-C ends it")
		d.follow(ctx)
		return nil
	}
	d.off()
	return d.isolate(ctx)
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
	if err := d.on(); err != nil {
		return err
	}
	acts := []struct {
		what string
		sent bool // a request is expected
		do   func() error
	}{
		{"the provider gives it an IPv4 address", true, func() error {
			return errors.Join(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
		}},
		{"an IPv6 address comes; it must pass duplicate address detection first", true, func() error {
			return errors.Join(wantest.AddAddr("wan0", "2a00:1:2:3::2/64"), wantest.AddDefault("wan0", "fe80::1", 1024))
		}},
		{"it reconnects with another IPv4 address", true, func() error {
			return renumber("84.0.0.2/32", "84.0.7.77/32")
		}},
		{"killed and started again, wandns repeats nothing", false, func() error {
			d.kill()
			return d.on()
		}},
		{"it reconnects behind carrier-grade NAT: that address is not published", false, func() error {
			return renumber("84.0.7.77/32", "100.64.3.4/32")
		}},
	}
	for _, a := range acts {
		d.title(strings.ToUpper(a.what[:1]) + a.what[1:])
		before := len(d.sim.Ledger())
		if err := a.do(); err != nil {
			return err
		}
		if a.sent {
			d.settle(ctx, before)
			d.resolve(ctx)
		} else {
			wait(ctx, 2*time.Second)
			d.show("status")
		}
		if !wait(ctx, 2*time.Second) {
			return nil
		}
	}
	d.title("And a new address every 20 seconds; Ctrl-C ends it")
	last := "100.64.3.4/32"
	for n := 0; wait(ctx, 20*time.Second); n++ {
		next := fmt.Sprintf("84.0.1.%d/32", n%250+2)
		before := len(d.sim.Ledger())
		if err := renumber(last, next); err != nil {
			return err
		}
		last = next
		d.settle(ctx, before)
		d.resolve(ctx)
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
	return os.WriteFile(d.config, fmt.Appendf(nil, `state_dir = %q
run_dir   = %q

[[service]]
name          = "home"
provider      = "noip"
hostnames     = ["home.example.com", "nas.example.com"]
username      = %q
password      = %q
server        = "http://%s"
allow_private = %t
`, filepath.Join(d.dir, "state"), filepath.Join(d.dir, "run"), d.sim.User, d.sim.Password, d.at.web[0], private), 0o600)
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
	d.said.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			d.say("wandns", "%s", lines.Text())
		}
	})
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

// settle waits until a request has been made since there were so many, and
// the daemon had a moment to take in its answer.
func (d *demo) settle(ctx context.Context, before int) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		changed := d.sim.Changed()
		if len(d.sim.Ledger()) > before {
			wait(ctx, 200*time.Millisecond)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			d.note("nothing was sent")
			return
		}
	}
}

// follow tells what the name server says after each request.
func (d *demo) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.sim.Changed():
			d.resolve(ctx)
		}
	}
}

// resolve asks the name server for both names.
func (d *demo) resolve(ctx context.Context) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, d.at.dns)
	}}
	for _, name := range []string{"home.example.com", "nas.example.com"} {
		addrs, err := r.LookupNetIP(ctx, "ip", name+".")
		if err != nil {
			d.say("DNS", "%s has no address", name)
			continue
		}
		d.say("DNS", "%s is %s", name, join(addrs))
	}
}

func join(addrs []netip.Addr) string {
	var all []string
	for _, a := range addrs {
		all = append(all, a.Unmap().String())
	}
	return strings.Join(all, " and ")
}

// show runs a verb of the binary and prints what it prints.
func (d *demo) show(verb string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Printf("$ wandns %s\n", verb)
	out, err := exec.Command(d.wandns, verb, "--config", d.config).CombinedOutput()
	_, _ = os.Stdout.Write(out)
	if err != nil {
		fmt.Println(err)
	}
}

func (d *demo) title(s string) { d.print(os.Stdout, "\n== %s ==\n", s) }
func (d *demo) note(s string)  { d.print(os.Stdout, "   (%s)\n", s) }

func (d *demo) say(who, format string, args ...any) {
	d.print(os.Stdout, "%s  %-6s  %s\n", time.Now().Format("15:04:05.000"), who, fmt.Sprintf(format, args...))
}

func (d *demo) print(w io.Writer, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(w, format, args...)
}
