// Command wandns-sim is the five providers and a name server on loopback, for
// `make run`, end-to-end tests and trying things. It is never installed on a
// router.
//
// Each provider has an address of its own, since a configuration's server
// replaces scheme and authority but leaves the path:
//
//	wandns-sim -config > services.toml
//	wandns-sim -faults noip:911,normal -faults sonic:500
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"wandns/updater/updatertest"
)

func main() {
	runtime.LockOSThread() // what this process starts ends with this thread
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "wandns-sim:", err)
		os.Exit(1)
	}
}

func run() error {
	addresses := map[string]*string{
		"noip":       flag.String("noip", "127.0.0.1:8245", "serve No-IP at `ADDRESS`; empty: not at all, as with the others"),
		"freedns.io": flag.String("freedns", "127.0.0.1:8246", "serve freedns.io at `ADDRESS`"),
		"hostway":    flag.String("hostway", "127.0.0.1:8247", "serve Hostway at `ADDRESS`"),
		"hostup":     flag.String("hostup", "127.0.0.1:8248", "serve HostUp at `ADDRESS`"),
		"sonic":      flag.String("sonic", "127.0.0.1:8249", "serve Sonic.net at `ADDRESS`"),
	}
	detect := flag.String("detect", "127.0.0.1:8250", "serve No-IP's address detection at `ADDRESS`")
	dns := flag.String("dns", "127.0.0.1:5353", "answer DNS queries for every name at `ADDRESS`")
	host := flag.String("at", "", "serve the providers at `HOST` in place of loopback")
	user := flag.String("user", "user@example.com", "user name of the accounts that have one")
	password := flag.String("password", "secret", "password of the accounts, and HostUp's API key")
	hosts := flag.String("hosts", "home.example.com", "hosts of the No-IP account, separated by commas")
	var faults []string
	flag.Func("faults", "answers to a provider's first requests, as `PROVIDER:FAULT,...`: normal, 911, badauth, 401, 429, 500, html, huge, slow, cut, cut-after, ...; may be repeated", func(v string) error {
		faults = append(faults, v)
		return nil
	})
	forgive := flag.Duration("forgive", 0, "lift every block after `TIME`, as support does when the user asks; 0: never")
	config := flag.Bool("config", false, "print the services of a configuration for these accounts, and end")
	demo := flag.String("demo", "", "show how `WANDNS` (the binary) keeps names up to date")
	stay := flag.Bool("stay", false, "with -demo: stay in this network, show no address change")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()

	if *host != "" {
		for _, address := range append(slices.Collect(maps.Values(addresses)), detect) {
			move(address, *host)
		}
	}
	noip := updatertest.NewNoIP(*user, *password, strings.Split(*hosts, ",")...)
	freedns := updatertest.NewFreeDNS(*user, *password, "home")
	all := []updatertest.Service{
		noip,
		freedns,
		updatertest.NewHostway(*user, *password, "home.hostway.example"),
		updatertest.NewHostUp(*password, "hostup.example"),
		updatertest.NewSonic(*user, *password, "sonic.example"),
	}
	if err := script(all, faults); err != nil {
		return err
	}
	if *config {
		for _, s := range all {
			printConfig(os.Stdout, s, *addresses[s.Provider()])
		}
		return nil
	}
	if *demo != "" {
		freedns.AddUser(*user, *password, true)
		return runDemo(ctx, all, *demo, *stay)
	}
	sites := []site{{*detect, noip.Detector()}}
	var zones updatertest.Zones
	for _, s := range all {
		s.OnEntry(func(e updatertest.Entry) { fmt.Printf("%-10s  %s\n", s.Provider(), e) })
		sites = append(sites, site{*addresses[s.Provider()], s})
		zones = append(zones, s)
	}
	at, err := serve(ctx, sites, zones, *dns)
	if err != nil {
		return err
	}
	for i, s := range all {
		fmt.Printf("%-10s  http://%s\n", s.Provider(), at.web[i+1])
	}
	fmt.Printf("%-10s  http://%s\nname server at %s; Ctrl-C ends it\n", "detection", at.web[0], at.dns)
	if *forgive > 0 {
		go func() {
			for range time.Tick(*forgive) {
				for _, s := range all {
					s.Forgive()
				}
			}
		}()
	}
	<-ctx.Done()
	return at.stop()
}

// move replaces loopback in an address.
func move(address *string, host string) {
	if at, port, _ := net.SplitHostPort(*address); at == "127.0.0.1" {
		*address = net.JoinHostPort(host, port)
	}
}

// script hands out the faults.
func script(all []updatertest.Service, faults []string) error {
	for _, f := range faults {
		name, list, _ := strings.Cut(f, ":")
		i := slices.IndexFunc(all, func(s updatertest.Service) bool { return s.Provider() == name })
		if i < 0 {
			return fmt.Errorf("-faults %s: there is no provider %q", f, name)
		}
		for word := range strings.SplitSeq(list, ",") {
			all[i].Next(updatertest.Fault(word))
		}
	}
	return nil
}

// printConfig prints a service of the daemon's configuration.
func printConfig(w io.Writer, s updatertest.Service, address string, more ...string) {
	fmt.Fprintf(w, "[[service]]\nname = %q\nprovider = %q\nhostnames = [\"%s\"]\nserver = %q\n",
		s.Provider(), s.Provider(), strings.Join(s.Hosts(), `", "`), "http://"+address)
	fields := s.Fields()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(w, "%s = %q\n", name, fields[name])
	}
	for _, line := range more {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
}

// site is a handler and where it is to be served; nowhere if that is empty.
type site struct {
	address string
	http.Handler
}

// services are the simulated services at work.
type services struct {
	web  []string // addresses, in the order of the sites
	dns  string
	stop func() error
}

// serve starts the simulators' listeners.
func serve(ctx context.Context, sites []site, zone updatertest.Zone, dns string) (_ *services, err error) {
	var lc net.ListenConfig
	at := &services{}
	var stops []func() error
	at.stop = func() error {
		var all []error
		for _, stop := range stops {
			all = append(all, stop())
		}
		return errors.Join(all...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, at.stop())
		}
	}()
	for _, s := range sites {
		if s.address == "" {
			at.web = append(at.web, "(off)")
			continue
		}
		l, err := lc.Listen(ctx, "tcp", s.address)
		if err != nil {
			return nil, err
		}
		server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = server.Serve(l) }() // ends with Close
		stops = append(stops, server.Close)
		at.web = append(at.web, l.Addr().String())
	}
	packets, err := lc.ListenPacket(ctx, "udp", dns)
	if err != nil {
		return nil, err
	}
	connections, err := lc.Listen(ctx, "tcp", packets.LocalAddr().String())
	if err != nil {
		return nil, errors.Join(err, packets.Close())
	}
	stops = append(stops, updatertest.ServeDNS(zone, packets, connections))
	at.dns = packets.LocalAddr().String()
	return at, nil
}
