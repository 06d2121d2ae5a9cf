// Command wandns-sim is a No-IP and a name server on loopback, for `make run`,
// end-to-end tests and trying things. It is never installed on a router.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
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
	listen := flag.String("listen", "127.0.0.1:8245", "serve No-IP's update protocol at `ADDRESS`")
	dnsListen := flag.String("dns", "127.0.0.1:5353", "answer DNS queries at `ADDRESS`")
	user := flag.String("user", "user@example.com", "user name of the account")
	password := flag.String("password", "secret", "password of the account")
	hosts := flag.String("hosts", "home.example.com,nas.example.com", "hosts of the account, separated by commas")
	faults := flag.String("faults", "", "answers to the first requests, separated by commas: normal, 911, badauth, abuse, html, huge, slow, cut, ...")
	demo := flag.String("demo", "", "show how `WANDNS` (the binary) keeps names up to date")
	stay := flag.Bool("stay", false, "with -demo: stay in this network, show no address change")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()

	sim := updatertest.NewNoIP(*user, *password, strings.Split(*hosts, ",")...)
	for f := range strings.SplitSeq(*faults, ",") {
		if f != "" {
			sim.Next(updatertest.Fault(f))
		}
	}
	if *demo != "" {
		return runDemo(ctx, sim, *demo, *stay)
	}
	sim.OnEntry(func(e updatertest.Entry) { fmt.Println(e) })
	s, err := serve(ctx, sim, *listen, *dnsListen)
	if err != nil {
		return err
	}
	fmt.Printf("No-IP at http://%s, name server at %s; Ctrl-C ends it\n", s.web, s.dns)
	<-ctx.Done()
	return s.stop()
}

// services are the simulated services at work.
type services struct {
	web, dns string // addresses
	stop     func() error
}

// serve starts the simulator's listeners.
func serve(ctx context.Context, sim *updatertest.NoIP, web, dns string) (*services, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", web)
	if err != nil {
		return nil, err
	}
	packets, err := lc.ListenPacket(ctx, "udp", dns)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	connections, err := lc.Listen(ctx, "tcp", packets.LocalAddr().String())
	if err != nil {
		return nil, errors.Join(err, l.Close(), packets.Close())
	}
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	stopDNS := updatertest.ServeDNS(sim, packets, connections)
	return &services{l.Addr().String(), packets.LocalAddr().String(), func() error {
		return errors.Join(server.Close(), stopDNS())
	}}, nil
}
