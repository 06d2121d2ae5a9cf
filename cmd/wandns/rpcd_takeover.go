package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"wandns/openwrt/uci"
	"wandns/updater"
)

// takeover moves services from ddns-scripts to wandns, secrets and all. It lays
// what both configurations become beside them, and the script of that name does
// the rest in its place: it waits for both programs, and tells what came of it.
func (r *rpcd) takeover(a rpcArgs) any {
	var out any
	if err := r.locked(func(folder *os.File) error {
		out = r.replaced(a, folder)
		return nil
	}); err != nil {
		return said{Code: exitFailed, Error: "nothing was taken over: " + err.Error()}
	}
	return out
}

// replaced does not return where the script runs in its place, which keeps the
// folder, and with it the lock, as its standard input.
func (r *rpcd) replaced(a rpcArgs, folder *os.File) any {
	m, data, err := r.found()
	if err != nil {
		return said{Code: exitFailed, Error: err.Error()}
	}
	var add []section
	var names, added, had []string
	var taken []int
	for _, s := range m.services {
		if !slices.Contains(a.Services, s.name) || len(s.off) > 0 {
			continue
		}
		taken = append(taken, s.from...)
		switch {
		case slices.Contains(names, s.name): // it has both families, in two ways
			continue
		case s.there:
			had = append(had, s.name)
		default:
			added = append(added, s.name)
			add = append(add, s.section)
		}
		names = append(names, s.name)
	}
	if len(names) == 0 || len(names) < len(a.Services) {
		return said{Code: exitUsage, Error: "nothing was taken over: ddns-scripts has changed meanwhile; look at the preview again"}
	}
	nothing := func(code int, why string) said {
		return said{Code: code, Error: "nothing was taken over: " + why}
	}
	if why := r.stuck(had); why != "" {
		return nothing(exitFailed, why)
	}
	own, why := addServices(r.config, add)
	if why != "" {
		return nothing(exitConfig, why)
	}
	other, off, why := switchOff(r.ddns, data, taken)
	if why != "" {
		return nothing(exitFailed, why)
	}
	ids, rest, pids := r.incumbent(data, taken)
	dir, _ := r.runDir()
	root := filepath.Join(filepath.Dir(r.config), "../..")
	script := filepath.Join(root, "usr/libexec/wandns/takeover")
	args := []string{script, root, r.config, r.ddns, filepath.Join(dir, statusName), pids}
	for _, names := range [][]string{added, had, off, rest} {
		args = append(args, strings.Join(names, ", "))
	}
	err = errors.Join(own.prepare(), other.prepare())
	if err == nil {
		err = unix.Dup3(int(folder.Fd()), 0, 0)
	}
	if err == nil {
		err = fmt.Errorf("%s could not be started (%w); upgrade luci-app-wandns", script, syscall.Exec(script, append(args, ids...), os.Environ())) //nolint:gosec // no shell comes between
	}
	_ = os.Remove(own.temp())
	_ = os.Remove(other.temp())
	return nothing(exitFailed, err.Error())
}

// stuck tells which of these services publishes nothing until the user acts.
func (r *rpcd) stuck(names []string) string {
	dir, _ := r.runDir()
	st, err := readStatus(dir)
	if err != nil {
		return "" // it is about to run
	}
	for _, s := range st.Services {
		if slices.Contains(names, s.Name) && s.State == updater.NeedsUser {
			return fmt.Sprintf("wandns has %s already, which is blocked: %s", s.Name, s.Reason)
		}
	}
	return ""
}

// incumbent is what ddns-scripts runs: the sections that are taken, as patterns
// of the names by which it knows them; those that stay switched on; and where it
// keeps the numbers of its processes. A section without a name gets one of
// libuci, which goes on with four digits.
func (r *rpcd) incumbent(data string, taken []int) (ids, rest []string, pids string) {
	pids = filepath.Join(filepath.Dir(r.ddns), "../../var/run/ddns")
	parsed, _ := uci.Parse(data)
	for i, s := range parsed {
		switch own := ddnsOptions(s)["ddns_rundir"]; {
		case s.Type == "ddns" && own != "":
			pids = own
		case slices.Contains(taken, i) && s.Name == "":
			ids = append(ids, fmt.Sprintf("cfg%02x????", i+1))
		case slices.Contains(taken, i):
			ids = append(ids, s.Name)
		case s.Type == "service" && switchedOn(s):
			rest = append(rest, called(s))
		}
	}
	return ids, rest, pids
}

// addServices is the change of wandns' configuration: the services, and the
// switch of the whole. What stands there stays as it is.
func addServices(path string, add []section) (e edit, why string) {
	data, _, err := readSmall(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return e, fmt.Sprintf("%s could not be read: %v", path, err)
	}
	before, errs := uci.Parse(data)
	if len(errs) > 0 {
		return e, fmt.Sprintf("%s, %v; correct it first", path, errs[0])
	}
	e = edit{path, data, 0o600} // it holds secrets now
	global := find(before, "wandns", "global")
	if global < 0 {
		add = append([]section{switchOf("1")}, add...)
	} else if on, _ := truth(ddnsOptions(before[global])["enabled"]); !on {
		var ok bool
		if e.text, ok = uci.Set(data, global, "enabled", "1"); !ok {
			return e, path + " is written too oddly to be changed; set enabled to 1 in its section global first"
		}
	}
	if len(add) > 0 {
		if e.text != "" && !strings.HasSuffix(e.text, "\n") {
			e.text += "\n"
		}
		if e.text != "" {
			e.text += "\n"
		}
		e.text += uciText(add)
	}
	list, mistakes := parseUCI(e.text)
	v := &validator{config: &config{UCI: true}, bounds: boundsOf(path, path), mistakes: mistakes}
	v.sections(list)
	for _, m := range v.mistakes {
		if !m.ofService() {
			return e, fmt.Sprintf("%s, %v; correct it first", path, m)
		}
	}
	return e, ""
}

// switchOf is the section that switches all of it.
func switchOf(enabled string) section {
	return section{kind: "global", name: "global", keys: []option{{name: "enabled", values: []string{enabled}}}}
}

// switchOff is the change of the configuration of ddns-scripts, and which
// sections it concerns.
func switchOff(path, data string, taken []int) (e edit, off []string, why string) {
	info, err := os.Stat(path)
	if err != nil {
		return e, nil, err.Error()
	}
	e = edit{path, data, info.Mode().Perm()}
	parsed, _ := uci.Parse(data)
	for _, i := range taken {
		if !switchedOn(parsed[i]) {
			continue
		}
		var ok bool
		if e.text, ok = uci.Set(e.text, i, "enabled", "0"); !ok {
			return e, nil, fmt.Sprintf("%s is written too oddly to be changed; set enabled to 0 in the section in line %d first", path, parsed[i].Line)
		}
		off = append(off, called(parsed[i]))
	}
	return e, off, ""
}

func called(s uci.Section) string {
	if s.Name == "" {
		return fmt.Sprintf("the section in line %d", s.Line)
	}
	return s.Name
}

// edit is what a file becomes.
type edit struct {
	path, text string
	mode       os.FileMode
}

// temp begins with a dot, so that uci takes it for no configuration.
func (e edit) temp() string {
	return filepath.Join(filepath.Dir(e.path), "."+filepath.Base(e.path)+".new")
}

// prepare writes it beside the file, on flash.
func (e edit) prepare() error {
	f, err := os.OpenFile(e.temp(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(e.text)
	return errors.Join(err, f.Chmod(e.mode), f.Sync(), f.Close())
}
