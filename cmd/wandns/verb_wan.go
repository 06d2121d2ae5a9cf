package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"wandns/updater"
	"wandns/wan"
)

func setupWAN(flags *flag.FlagSet) func(*cli, []string) int {
	asJSON := flags.Bool("json", false, "print JSON")
	watch := flags.Bool("watch", false, "print again at every change, until interrupted")
	return func(c *cli, _ []string) int {
		views, code := c.wanViews()
		if code != exitDone {
			return code
		}
		show := func(s wan.State) error {
			if *asJSON {
				return json.NewEncoder(c.stdout).Encode(wanDescription(s, views))
			}
			c.printWAN(s, views)
			return nil
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		netifd := wan.NewNetifd()
		netifd.Want(netifd.Here() || asksNetworks(views))
		if !*watch {
			s, err := lookOnce(ctx, netifd)
			if err == nil {
				err = show(s)
			}
			if err != nil {
				return c.fail(exitFailed, "the WAN could not be read: %v", err)
			}
			return exitDone
		}
		first := true
		for s := range wan.Watch(ctx, newLog(c.stdout, c.stderr, "info"), netifd, nil) {
			if !first && !*asJSON {
				fmt.Fprint(c.stdout, "\n--- changed ---\n\n")
			}
			first = false
			if err := show(s); err != nil {
				return c.fail(exitFailed, "%v", err)
			}
		}
		return exitDone
	}
}

// answerTime is how long routers may take to answer a solicitation: half a
// second by RFC 4861, section 6.2.6.
const answerTime = 600 * time.Millisecond

// lookOnce reads the WAN, and hears the routers if they answer in time.
func lookOnce(ctx context.Context, netifd *wan.Netifd) (wan.State, error) {
	s, err := wan.Read()
	if err != nil {
		return s, err
	}
	ctx, stop := context.WithTimeout(ctx, answerTime)
	defer stop()
	for s = range wan.Watch(ctx, newLog(io.Discard, io.Discard, "error"), netifd, nil) {
		if !s.Expects() {
			break
		}
	}
	return s, nil
}

// wanView is a question to the WAN: what would be published under a policy?
type wanView struct {
	name     string // of the services that ask
	policy   wan.Policy
	source   updater.Source
	families [2]bool
}

// ordinary reports a service's view that can differ from the default one only
// by the address which the service keeps.
func (v wanView) ordinary() bool {
	p := v.policy
	p.Keep = netip.Addr{}
	return v.name != "" && v.source == updater.AutoSource && p == wan.Policy{}
}

// wanViews are the default policy and that of every service which has another,
// or which keeps an address. A configuration that was not asked for by name
// need not exist.
func (c *cli) wanViews() ([]wanView, int) {
	views := []wanView{{families: [2]bool{true, true}}}
	cfg, err := loadConfig(c.config)
	if err != nil {
		if c.configGiven {
			explain(c.stderr, err)
			return nil, exitConfig
		}
		return views, exitDone
	}
	for _, s := range cfg.Services {
		s.Policy.Keep = published(cfg.RunDir, s.Name)
		if s.Policy != (wan.Policy{}) || s.Source != updater.AutoSource {
			views = append(views, wanView{s.Name, s.Policy, s.Source, s.Families})
		}
	}
	return views, exitDone
}

func asksNetworks(views []wanView) bool {
	return slices.ContainsFunc(views, func(v wanView) bool { return v.policy.Interface != "" })
}

// published is the IPv6 address that a daemon keeps for a service.
func published(runDir, service string) netip.Addr {
	st, err := readStatus(runDir)
	if err != nil {
		return netip.Addr{}
	}
	for _, s := range st.Services {
		for _, r := range s.Records {
			if a, err := netip.ParseAddr(r.Published); err == nil && s.Name == service && a.Is6() {
				return a
			}
		}
	}
	return netip.Addr{}
}

type wanJSON struct {
	Devices    []deviceJSON     `json:"devices"`
	Routes     []routeJSON      `json:"routes"`
	Prefixes   []netip.Prefix   `json:"prefixes"` // delegated
	Routers    []routerJSON     `json:"routers"`
	Advertised []advertisedJSON `json:"advertised"`
	Ignored    int              `json:"ignored"`  // router advertisements that were no good, or not in all
	Deaf       bool             `json:"deaf"`     // router advertisements cannot be heard
	Networks   []networkJSON    `json:"networks"` // of netifd
	Choices    []choiceJSON     `json:"choices"`
}

type routerJSON struct {
	Device   string     `json:"device"`
	Address  netip.Addr `json:"address"`
	Lifetime uint32     `json:"lifetime"` // seconds; 0 if it is no default router
}

type advertisedJSON struct {
	Device    string       `json:"device"`
	Prefix    netip.Prefix `json:"prefix"`
	Router    netip.Addr   `json:"router"`
	Preferred *uint32      `json:"preferred"` // seconds; null for ever
	Valid     *uint32      `json:"valid"`
}

type networkJSON struct {
	Network string `json:"network"`
	Device  string `json:"device"` // empty while it is not up
	Up      bool   `json:"up"`
}

type deviceJSON struct {
	Device    string        `json:"device"`
	Up        bool          `json:"up"`
	Carrier   bool          `json:"carrier"`
	Default4  bool          `json:"default4"`
	Default6  bool          `json:"default6"`
	Addresses []addressJSON `json:"addresses"`
}

type addressJSON struct {
	Address   netip.Prefix `json:"address"`
	Flags     []string     `json:"flags"`
	Preferred *uint32      `json:"preferred"` // seconds; null for ever
	Valid     *uint32      `json:"valid"`
}

type routeJSON struct {
	Family   string `json:"family"`
	Device   string `json:"device"`
	Gateway  string `json:"gateway"`
	Source   string `json:"source"` // the only prefix it serves; empty for any
	Metric   uint32 `json:"metric"`
	LinkDown bool   `json:"linkdown"`
	Leaving  bool   `json:"leaving"` // its router advertised that it goes away
}

type choiceJSON struct {
	Service string        `json:"service"` // empty for the default policy
	Type    string        `json:"type"`
	Address string        `json:"address"` // empty if nothing can be published
	Prefix  string        `json:"prefix"`  // what the provider gave, for services that publish that
	Outside bool          `json:"outside"` // others say it, whom a running daemon asks
	Device  string        `json:"device"`
	Reason  string        `json:"reason"`
	Refused []refusalJSON `json:"refused"`
}

type refusalJSON struct {
	Address netip.Addr `json:"address"`
	Device  string     `json:"device"`
	Reason  string     `json:"reason"`
}

func wanDescription(s wan.State, views []wanView) wanJSON {
	out := wanJSON{
		Devices: []deviceJSON{}, Routes: []routeJSON{}, Prefixes: append([]netip.Prefix{}, s.Delegated...),
		Routers: []routerJSON{}, Advertised: []advertisedJSON{}, Ignored: s.Ignored, Deaf: s.Deaf, Networks: []networkJSON{}, Choices: []choiceJSON{},
	}
	for _, n := range s.Networks {
		out.Networks = append(out.Networks, networkJSON{n.Name, n.Device, n.Up})
	}
	for _, d := range s.Devices {
		one := deviceJSON{Device: d.Name, Up: d.Up, Carrier: d.Carrier, Addresses: []addressJSON{}}
		one.Default4, one.Default6 = s.Holds(d.Name)
		for _, a := range s.Addrs {
			if a.Device == d.Name {
				one.Addresses = append(one.Addresses, addressJSON{a.Prefix, append([]string{}, a.Names()...), lifetime(a.Preferred), lifetime(a.Valid)})
			}
		}
		out.Devices = append(out.Devices, one)
	}
	for _, r := range s.Routes {
		out.Routes = append(out.Routes, routeJSON{r.Family.String(), r.Device, addrText(r.Gateway), prefixText(r.Source), r.Metric, r.LinkDown, r.Leaving})
	}
	for _, r := range s.Routers {
		out.Routers = append(out.Routers, routerJSON{r.Device, r.Addr, r.Lifetime})
	}
	for _, a := range s.Advertised {
		out.Advertised = append(out.Advertised, advertisedJSON{a.Device, a.Prefix, a.Router, lifetime(a.Preferred), lifetime(a.Valid)})
	}
	for _, v := range views {
		for _, f := range wan.Families() {
			if !v.families[f] {
				continue
			}
			c, outside := v.choose(s, f)
			if first, _ := views[0].choose(s, f); v.ordinary() && c.Addr == first.Addr {
				continue // as that one says
			}
			one := choiceJSON{v.name, f.RecordType(), addrText(c.Addr), prefixText(c.Prefix), outside, c.Device, c.Reason, []refusalJSON{}}
			for _, r := range wan.Explain(s, f, v.policy) {
				one.Refused = append(one.Refused, refusalJSON{r.Addr, r.Device, r.Reason})
			}
			out.Choices = append(out.Choices, one)
		}
	}
	return out
}

// choose answers a question, or leaves it to others who see the router.
func (v wanView) choose(s wan.State, f wan.Family) (c wan.Choice, outside bool) {
	own, outside := v.source.Choose(s, f, v.policy)
	if !outside {
		return own, false
	}
	c = wan.Choose(s, f, v.policy)
	c.Addr, c.Device = netip.Addr{}, own.Device
	c.Reason = cmp.Or(updater.Behind("it", own), c.Reason)
	return c, true
}

func lifetime(seconds uint32) *uint32 {
	if seconds == wan.Forever {
		return nil
	}
	return &seconds
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

func (c *cli) printWAN(s wan.State, views []wanView) {
	w := wanDescription(s, views)
	t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "DEVICE\tLINK\tADDRESS\tPREFERRED\tVALID\tFLAGS\n")
	for _, d := range w.Devices {
		link := "up"
		switch {
		case !d.Up:
			link = "down"
		case !d.Carrier:
			link = "no carrier"
		}
		for _, a := range d.Addresses {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", d.Device, link, a.Address, seconds(a.Preferred), seconds(a.Valid), strings.Join(a.Flags, " "))
		}
	}
	t.Flush()
	fmt.Fprintln(c.stdout)
	if len(w.Routes) == 0 {
		fmt.Fprintln(c.stdout, "There is no default route.")
	}
	for _, r := range w.Routes {
		line := fmt.Sprintf("%s default route by %s", r.Family, r.Device)
		if r.Gateway != "" {
			line += " to " + r.Gateway
		}
		if r.Source != "" {
			line += " for packets from " + r.Source
		}
		line += fmt.Sprintf(", metric %d", r.Metric)
		if r.LinkDown {
			line += ", link down"
		}
		if r.Leaving {
			line += ", the router is going away"
		}
		fmt.Fprintln(c.stdout, line)
	}
	for _, p := range w.Prefixes {
		fmt.Fprintf(c.stdout, "Delegated prefix %s\n", p)
	}
	for _, r := range w.Routers {
		role := fmt.Sprintf("default router for %d s", r.Lifetime)
		if r.Lifetime == 0 {
			role = "no default router"
		}
		fmt.Fprintf(c.stdout, "Router %s on %s, %s\n", r.Address, r.Device, role)
	}
	for _, a := range w.Advertised {
		fmt.Fprintf(c.stdout, "Advertised prefix %s on %s, preferred %s, valid %s\n", a.Prefix, a.Device, seconds(a.Preferred), seconds(a.Valid))
	}
	if w.Ignored > 0 {
		fmt.Fprintf(c.stdout, "%d router advertisements were malformed, forged or too many; what is wrong in them is ignored.\n", w.Ignored)
	}
	if w.Deaf {
		fmt.Fprintln(c.stdout, "Router advertisements cannot be heard without CAP_NET_RAW; run this as root to see them.")
	}
	for _, n := range w.Networks {
		if n.Up {
			fmt.Fprintf(c.stdout, "Network %s is on %s\n", n.Network, n.Device)
		} else {
			fmt.Fprintf(c.stdout, "Network %s is down\n", n.Network)
		}
	}
	for _, choice := range w.Choices {
		who := ""
		if choice.Service != "" {
			who = " for " + choice.Service
		}
		fmt.Fprintln(c.stdout)
		switch {
		case choice.Outside:
			fmt.Fprintf(c.stdout, "%s%s: the address that the internet sees, for which a running daemon asks: %s.\n", choice.Type, who, choice.Reason)
		case choice.Address == "":
			fmt.Fprintf(c.stdout, "%s%s: nothing to publish: %s.\n", choice.Type, who, choice.Reason)
		default:
			fmt.Fprintf(c.stdout, "%s%s: %s, because %s.\n", choice.Type, who, choice.Address, choice.Reason)
		}
		for _, r := range choice.Refused {
			fmt.Fprintf(c.stdout, "  not %s on %s: %s\n", r.Address, r.Device, r.Reason)
		}
	}
}

func seconds(s *uint32) string {
	if s == nil {
		return "forever"
	}
	return fmt.Sprintf("%d s", *s)
}
