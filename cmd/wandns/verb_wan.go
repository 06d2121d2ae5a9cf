package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

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
		netifd := wan.NewNetifd()
		netifd.Want(netifd.Here() || asksNetworks(views))
		if !*watch {
			s, err := wan.Read()
			if err == nil {
				err = show(netifd.With(s))
			}
			if err != nil {
				return c.fail(exitFailed, "the WAN could not be read: %v", err)
			}
			return exitDone
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		first := true
		for s := range wan.Watch(ctx, newLog(c.stdout, c.stderr, slog.LevelInfo), netifd) {
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

// wanView is a question to the WAN: what would be published under a policy?
type wanView struct {
	name     string // of the services that ask
	policy   wan.Policy
	source   updater.Source
	families [2]bool
}

// wanViews are the default policy and that of every service which has another.
// A configuration that was not asked for by name need not exist.
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
		if s.Policy != (wan.Policy{}) || s.Source != updater.AutoSource {
			views = append(views, wanView{s.Name, s.Policy, s.Source, s.Families})
		}
	}
	return views, exitDone
}

func asksNetworks(views []wanView) bool {
	return slices.ContainsFunc(views, func(v wanView) bool { return v.policy.Interface != "" })
}

type wanJSON struct {
	Devices  []deviceJSON   `json:"devices"`
	Routes   []routeJSON    `json:"routes"`
	Prefixes []netip.Prefix `json:"prefixes"` // delegated
	Networks []networkJSON  `json:"networks"` // of netifd
	Choices  []choiceJSON   `json:"choices"`
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
}

type choiceJSON struct {
	Service string        `json:"service"` // empty for the default policy
	Type    string        `json:"type"`
	Address string        `json:"address"` // empty if nothing can be published
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
	out := wanJSON{Devices: []deviceJSON{}, Routes: []routeJSON{}, Prefixes: append([]netip.Prefix{}, s.Delegated...), Networks: []networkJSON{}, Choices: []choiceJSON{}}
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
		out.Routes = append(out.Routes, routeJSON{r.Family.String(), r.Device, addrText(r.Gateway), prefixText(r.Source), r.Metric, r.LinkDown})
	}
	for _, v := range views {
		for _, f := range wan.Families() {
			if !v.families[f] {
				continue
			}
			c, outside := v.choose(s, f)
			one := choiceJSON{v.name, f.RecordType(), addrText(c.Addr), outside, c.Device, c.Reason, []refusalJSON{}}
			for _, r := range c.Refused {
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
		fmt.Fprintln(c.stdout, line)
	}
	for _, p := range w.Prefixes {
		fmt.Fprintf(c.stdout, "Delegated prefix %s\n", p)
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
