package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"wandns/updater"
	"wandns/updater/updatertest"
)

// stage is where the demo tells people what happens: lines that fit a terminal.
type stage struct{ mu sync.Mutex }

// width is that of a line of text. A table may be wider.
const width = 96

func (s *stage) print(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Printf(format, args...)
}

func (s *stage) title(t string) {
	format := "\n== %s ==\n"
	if info, err := os.Stdout.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" {
		format = "\n\x1b[1m== %s ==\x1b[0m\n"
	}
	s.print(format, t)
}

func (s *stage) note(t string) { s.text("   ", "("+t+")") }

// text prints lines; those that are prose, not a table, are wrapped.
func (s *stage) text(indent, t string) {
	var b strings.Builder
	for line := range strings.Lines(t) {
		b.WriteString(wrap(indent, strings.TrimRight(line, " \n")) + "\n")
	}
	s.print("%s", b.String())
}

// wrap breaks a line between words. Two spaces after the first word are a
// table's, which stays as it is.
func wrap(indent, line string) string {
	line = indent + line
	if strings.Contains(strings.TrimLeft(line, " "), "  ") {
		return line
	}
	var b strings.Builder
	for len(line) > width {
		i := strings.LastIndexByte(line[:width+1], ' ')
		if i <= len(indent)+2 {
			break
		}
		b.WriteString(line[:i] + "\n")
		line = indent + "  " + line[i+1:]
	}
	return b.String() + line
}

// exchange tells what a provider is asked, and its answer.
func (s *stage) exchange(who string, e updatertest.Entry) {
	s.print("%s  %-10s  %-40s  %s\n", e.At.Format("15:04:05.000"), who, question(e), answer(e))
}

// question says what a request wants.
func question(e updatertest.Entry) string {
	hosts := strings.Join(e.Hosts, " and ")
	at, last := path.Split(e.Path)
	switch {
	case e.Value != "":
		return hosts + " = " + strings.ReplaceAll(e.Value, ",", " and ")
	case last == "action":
		return "point my hosts at me"
	case last == "hosts":
		return "which hosts are mine, and where?"
	case e.Method == http.MethodGet && path.Base(at) == "clients":
		return "is this router registered?"
	case last == "domains":
		return "which domains are there?"
	case last == "dyndns" && e.Method == http.MethodGet:
		return "which keys are there?"
	case last == "dyndns":
		return fmt.Sprintf("a key for %s, %s", hosts, e.Type)
	case e.Method == http.MethodPut && path.Base(at) == "hosts":
		return "attach " + hosts
	case e.Method == http.MethodPut:
		return "register this router"
	}
	return e.Method + " " + e.Path
}

// answer is what was said if that is short, or else what its status means.
func answer(e updatertest.Entry) string {
	if said := strings.Join(strings.Fields(e.Answer), " "); said != "" && len(said) <= 32 {
		return said
	}
	return fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
}

// listen tells what the daemon says.
func (s *stage) listen(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		s.text("", time.Now().Format("15:04:05.000")+" wandns "+lines.Text())
	}
}

// resolve tells what the name server says of the names, and which of them are
// to follow later and why.
func (d *demo) resolve(ctx context.Context) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, d.at.dns)
	}}
	d.print("\n")
	for _, s := range d.sims {
		name := s.Hosts()[0]
		addrs, _ := r.LookupNetIP(ctx, "ip", name+".") // none is told as none
		var all []string
		for _, a := range addrs {
			all = append(all, a.Unmap().String())
		}
		slices.Sort(all)
		d.print("   DNS  %-22s  %s\n", name, cmp.Or(strings.Join(all, "  "), "(no address)"))
	}
	for _, s := range d.status() {
		if at, err := time.Parse(time.RFC3339, s.Next); err == nil && s.State == updater.Waiting {
			why, _, _ := strings.Cut(s.Reason, "; ")
			d.note(fmt.Sprintf("%s follows at %s: %s", s.Name, at.Local().Format(time.TimeOnly), why))
		}
	}
}
