package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"wandns/openwrt/uci"
)

// initOf is that of a configuration: /etc/init.d/NAME of /etc/config/NAME.
func initOf(config string) string {
	return filepath.Join(filepath.Dir(config), "../init.d", filepath.Base(config))
}

// runInit runs an init script. What it prints is thrown away, and it may leave
// programs running. One that takes too long is left to itself: ended midway it
// might have stopped what it would start again.
func runInit(script string, until time.Time, action string) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	pid, err := syscall.ForkExec(script, []string{script, action}, &syscall.ProcAttr{Dir: "/", Env: os.Environ(), Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}}) //nolint:gosec // no shell comes between
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is %w %s", errNoScript, script)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", script, err)
	}
	for time.Now().Before(until) {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		switch {
		case err != nil && !errors.Is(err, syscall.EINTR):
			return err
		case ended == pid && status != 0:
			return fmt.Errorf("%s %s ended with %d", script, action, status.ExitStatus())
		case ended == pid:
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%s %s %w", script, action, errSlow)
}

var (
	errNoScript = errors.New("no")
	errSlow     = errors.New("takes too long")
)

// stopOther ends what ddns-scripts runs for the sections that were taken. Its
// other sections go on. Up to 24.10 its init script stops and starts all of
// them whatever it is told.
func (r *rpcd) stopOther(data string, taken []int, changed bool, say func(string, ...string)) error {
	parsed, _ := uci.Parse(data)
	var rest, ids []string
	for i, s := range parsed {
		switch {
		case slices.Contains(taken, i):
			ids = append(ids, sectionID(s, i))
		case s.Type == "service" && switchedOn(s):
			rest = append(rest, called(s))
		}
	}
	updater := filepath.Join(filepath.Dir(r.ddns), "../../usr/lib/ddns/dynamic_dns_updater.sh")
	script, until := initOf(r.ddns), time.Now().Add(toStop)
	var failed error
	switch {
	case len(rest) == 0:
		if failed = runInit(script, until, "stop"); failed == nil {
			failed = runInit(script, until, "disable")
		}
	case changed:
		failed = runInit(script, until, "restart")
	}
	seen, ended := end(updater, ids)
	if !ended {
		return errors.New("a process of ddns-scripts does not end; restart the router")
	}
	dir := filepath.Join(filepath.Dir(r.ddns), "../../var/run/ddns")
	for _, s := range parsed {
		if own := ddnsOptions(s)["ddns_rundir"]; s.Type == "ddns" && own != "" {
			dir = own
		}
	}
	for _, id := range append(seen, ids...) { // or it would later end whoever has that number then
		_ = os.Remove(filepath.Join(dir, id+".pid"))
	}
	switch {
	case errors.Is(failed, errNoScript):
		say("ddns-scripts itself is not installed.")
	case errors.Is(failed, errSlow) && len(rest) > 0:
		say("ddns-scripts is still starting again for %s; if it does not go on, run: service ddns restart", rest...)
	case failed != nil && len(rest) == 0:
		return fmt.Errorf("ddns-scripts has nothing left to do but could not be switched off as a whole (%w); run: service ddns stop; service ddns disable", failed)
	case failed != nil:
		return fmt.Errorf("ddns-scripts could not be restarted for its other services (%w); run: service ddns restart", failed)
	case len(rest) == 0:
		say("ddns-scripts has no other service: it is stopped and does not start with the router any more.")
	default:
		say("ddns-scripts goes on with %s.", rest...)
	}
	return nil
}

// sectionID is the name by which ddns-scripts knows a section. One without a
// name gets one of libuci, which begins so and goes on with four digits.
func sectionID(s uci.Section, i int) string {
	if s.Name == "" {
		return fmt.Sprintf("cfg%02x", i+1)
	}
	return s.Name
}

// process is a line of ps.
type process struct {
	pid, parent int
	args        []string
}

func processes() []process {
	var list []process
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		line, _ := os.ReadFile("/proc/" + d.Name() + "/cmdline")
		stat, _ := os.ReadFile("/proc/" + d.Name() + "/stat")
		_, rest, _ := strings.Cut(string(stat), ") ") // PID (NAME) STATE PARENT
		if f := strings.Fields(rest); len(f) > 1 {
			parent, _ := strconv.Atoi(f[1])
			list = append(list, process{pid, parent, strings.Split(string(line), "\x00")})
		}
	}
	return list
}

// updates returns the section for which a process runs a script: SCRIPT ... -S
// SECTION. It is one of ids, or empty.
func (p process) updates(script string, ids []string) string {
	i := slices.Index(p.args, script)
	if i < 0 {
		return ""
	}
	if i += 1 + slices.Index(p.args[i:], "-S"); i == len(p.args) {
		return ""
	}
	for _, id := range ids {
		if name := p.args[i]; name == id || strings.HasPrefix(name, id) && strings.HasPrefix(id, "cfg") && len(name) == len(id)+4 {
			return name
		}
	}
	return ""
}

// end makes the processes of some sections end, with what they wait for. It
// returns the sections that it saw, and whether all have ended.
func end(script string, ids []string) (seen []string, ended bool) {
	const step = 50 * time.Millisecond
	for passed := time.Duration(0); passed < toEnd; passed += step {
		var pids []int
		list := processes()
		for _, p := range list {
			if name := p.updates(script, ids); name != "" {
				seen, pids = append(seen, name), append(pids, p.pid)
			}
		}
		if len(pids) == 0 {
			return seen, true
		}
		if passed >= toEnd/2 { // a shell that waits for a transfer hears nothing
			for _, p := range list {
				if slices.Contains(pids, p.parent) || slices.Contains(pids, p.pid) {
					_ = syscall.Kill(p.pid, syscall.SIGKILL)
				}
			}
		} else if passed == 0 {
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
		}
		time.Sleep(step)
	}
	return seen, false
}
