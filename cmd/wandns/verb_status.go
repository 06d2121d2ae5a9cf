package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"wandns/updater"
	"wandns/updater/safefile"
)

const statusName = "status.json"

func setupStatus(flags *flag.FlagSet) func(*cli, []string) int {
	asJSON := flags.Bool("json", false, "print run_dir/status.json")
	return func(c *cli, _ []string) int {
		dir, guessed := c.runDir()
		path := filepath.Join(dir, statusName)
		b, err := statusText(dir)
		if errors.Is(err, fs.ErrNotExist) && guessed {
			return c.fail(exitFailed, "there is no status in %s, and the configuration %s cannot be read to look elsewhere; name another with --config FILE", dir, c.config)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return c.notRunning(fmt.Sprintf("there is no status in %s, since no daemon has run", dir))
		}
		if err != nil {
			return c.fail(exitFailed, "the status could not be read: %v", err)
		}
		var st updater.Status
		if err := json.Unmarshal(b, &st); err != nil {
			return c.fail(exitFailed, "%s is not a status (%v); restart the daemon", path, err)
		}
		pid, err := signed(dir)
		if pid > 0 && pid != st.PID { // in a jail it has another for itself
			st.PID = pid
			b, _ = json.Marshal(st) // it came from JSON
		}
		stopped := err == nil && pid == 0
		if *asJSON {
			var text bytes.Buffer
			_ = json.Compact(&text, b) // it is JSON
			fmt.Fprintln(c.stdout, text.String())
		} else {
			c.printStatus(st, stopped, time.Now())
		}
		if stopped {
			return c.notRunning("the daemon is not running, this is what it last wrote")
		}
		return exitDone
	}
}

// readStatus reads what a daemon last wrote.
func readStatus(runDir string) (st updater.Status, err error) {
	b, err := statusText(runDir)
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	return st, err
}

// statusText is that of a folder that is the daemon's user's.
func statusText(runDir string) ([]byte, error) {
	const most = 8 << 20 // several times that of a configuration as large as can be
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	f, err := safefile.ReadNoFollow(ctx, filepath.Join(runDir, statusName), most)
	return []byte(f.Text), err
}

// notRunning says what to do to get a daemon that runs.
func (c *cli) notRunning(what string) int {
	cfg, err := loadConfig(c.config)
	switch {
	case err != nil && !errors.Is(err, fs.ErrPermission):
		code := c.fail(exitFailed, "%s", what)
		explain(c.stderr, err)
		return code
	case err == nil && cfg.off:
		return c.fail(exitFailed, "%s; it is switched off. Switch it on with: %s", what, c.switchOn())
	}
	return c.fail(exitFailed, "%s; start it with: %s", what, c.starter())
}

func (c *cli) printStatus(st updater.Status, stopped bool, now time.Time) {
	process := fmt.Sprintf("process %d", st.PID)
	if stopped {
		process = "not running"
	}
	fmt.Fprintf(c.stdout, "wandns %s, %s\n", oneLine(st.Version), process)
	for _, p := range st.Problems {
		fmt.Fprintf(c.stdout, "PROBLEM  %s\n", oneLine(p))
	}
	for _, w := range st.WAN {
		var holds []string
		if w.Default4 {
			holds = append(holds, "IPv4")
		}
		if w.Default6 {
			holds = append(holds, "IPv6")
		}
		var addrs []string
		for _, a := range append(w.IPv4, w.IPv6...) {
			addrs = append(addrs, a.String())
		}
		line := fmt.Sprintf("WAN      %s: %s", w.Device, strings.Join(addrs, ", "))
		if len(holds) > 0 {
			line += "; default route for " + strings.Join(holds, " and ")
		}
		fmt.Fprintln(c.stdout, oneLine(line))
	}
	if len(st.Services) == 0 {
		fmt.Fprintln(c.stdout, "\nThere is no service; "+(&config{UCI: !isTOML(c.config)}).firstService())
		return
	}
	t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nSERVICE\tSTATE\tHOSTNAME\tTYPE\tPUBLISHED\tWANTED\tSINCE\n")
	for _, s := range st.Services {
		if len(s.Records) == 0 {
			tableRow(t, s.Name, string(s.State), "", "", "", "", "")
		}
		for i, r := range s.Records {
			name, state := s.Name, string(s.State)
			if i > 0 {
				name, state = "", ""
			}
			tableRow(t, name, state, r.Hostname, r.Type, dash(r.Published), dash(r.Wanted), ago(r.Since, now))
		}
	}
	t.Flush()
	for _, s := range st.Services {
		if s.Reason == "" || s.State == updater.Sending {
			continue
		}
		fmt.Fprintf(c.stdout, "\n%s", oneLine(s.Name+": "+s.Reason))
		if next, err := time.Parse(time.RFC3339, s.Next); err == nil {
			fmt.Fprintf(c.stdout, " (next at %s)", next.Local().Format(time.DateTime))
		}
		fmt.Fprintln(c.stdout)
	}
}

func tableRow(w io.Writer, cells ...string) {
	for i := range cells {
		cells[i] = oneLine(cells[i])
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// ago is how long ago an RFC 3339 time was, in its largest unit.
func ago(since string, now time.Time) string {
	t, err := time.Parse(time.RFC3339, since)
	if err != nil {
		return "-"
	}
	switch d := now.Sub(t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	default:
		return fmt.Sprintf("%d days ago", d/(24*time.Hour))
	}
}

// runDir is the configured directory, even of a configuration with mistakes.
// Where it cannot be read it is a guess: status needs no privileges.
func (c *cli) runDir() (dir string, guessed bool) {
	data, _, err := readSmall(c.config)
	if err != nil {
		return defaultRunDir, true
	}
	lines := strings.SplitAfter(data, "\n")
	for i, line := range lines {
		if len(line) > maxLine {
			lines[i] = "\n" // no path is that long
		}
	}
	list, mistakes := parseConfig(c.config, strings.Join(lines, ""))
	dir = c.runDirOf(list)
	if dir == "" && len(mistakes) > 0 { // perhaps too many to read on; the global keys stand above all tables
		end := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "[") })
		if last := mistakes[len(mistakes)-1].line - 1; end < 0 || last < end {
			end = min(max(last, 0), len(lines))
		}
		list, _ = parseConfig(c.config, strings.Join(lines[:end], ""))
		dir = c.runDirOf(list)
	}
	return cmp.Or(dir, defaultRunDir), false
}

func (c *cli) runDirOf(list []section) (dir string) {
	v := &validator{config: &config{UCI: !isTOML(c.config)}, bounds: boundsOf(c.config, c.config)}
	for _, s := range list {
		if o, ok := s.find("run_dir"); ok && s.kind == "global" {
			v.now = o
			v.path(&dir) // as the daemon takes it
		}
	}
	return dir
}
