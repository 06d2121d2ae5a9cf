package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wandns/openwrt/uci"
	"wandns/updater"
)

// How long a takeover waits for the router. A browser waits for 20 s, and rpcd
// for 30.
const (
	toStart = 8 * time.Second // for wandns to run with the services
	toStop  = 6 * time.Second // for the scripts of ddns-scripts
	toEnd   = 3 * time.Second // for its processes
)

// edit is a change of a file.
type edit struct {
	path, before, after string
	mode                os.FileMode // 0 where there is no file yet
}

func (e edit) do() error {
	if e.before == e.after && e.mode != 0 {
		return nil
	}
	return replaceConfig(e.path, e.after, e.mode)
}

func (e edit) undo() error {
	if e.mode == 0 {
		return os.Remove(e.path)
	}
	e.before, e.after = e.after, e.before
	return e.do()
}

// takeover moves services from ddns-scripts to wandns, secrets and all, so that
// at any moment, also if it is killed, at least one of the two updates them, and
// only one of them after the next start of the router: the files are changed
// first, then wandns is started, and only when it runs ddns-scripts is stopped.
func (r *rpcd) takeover(a rpcArgs) any {
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
	own, why := addServices(r.config, add)
	if why != "" {
		return nothing(exitConfig, why)
	}
	other, off, why := switchOff(r.ddns, data, taken)
	if why != "" {
		return nothing(exitFailed, why)
	}
	if err := own.do(); err != nil {
		return nothing(exitFailed, err.Error())
	}
	if err := other.do(); err != nil {
		return nothing(exitFailed, errors.Join(err, own.undo()).Error())
	}
	shown, err := r.start(names, time.Now().Add(toStart))
	if err != nil {
		why := fmt.Sprintf("wandns does not run with them (%v), and ddns-scripts goes on as before", err)
		if err := errors.Join(other.undo(), own.undo()); err != nil {
			why = fmt.Sprintf("%s until the router restarts, since its configuration could not be put back (%v)", why, err)
		}
		_ = runInit(initOf(r.config), time.Now().Add(toStop), "reload")
		return nothing(exitFailed, why+"; see: logread -e wandns")
	}

	var done []string
	say := func(text string, names ...string) {
		if list := strings.Join(names, ", "); list != "" {
			text = fmt.Sprintf(text, list)
		}
		done = append(done, text)
	}
	if len(add) > 0 {
		say("wandns has taken over %s.", added...)
	}
	if len(had) > 0 {
		say("wandns had %s already.", had...)
	}
	say("It is switched on, runs, and starts with the router.")
	if len(off) > 0 {
		say("Switched off in ddns-scripts: %s.", off...)
	}
	answer := said{}
	if err := r.stopOther(data, taken, len(off) > 0, say); err != nil {
		answer = said{Code: exitFailed, Error: err.Error()}
	}
	if !shown {
		say("It takes a while to start: look at the overview in a minute.")
	}
	answer.Text = strings.Join(done, "\n")
	return answer
}

// addServices is the change of wandns' configuration: the services, and the
// switch of the whole. What stands there stays as it is.
func addServices(path string, add []section) (e edit, why string) {
	e = edit{path: path}
	data, _, err := readSmall(path)
	switch {
	case err == nil:
		e.mode = 0o600 // it holds secrets now
	case !errors.Is(err, fs.ErrNotExist):
		return e, fmt.Sprintf("%s could not be read: %v", path, err)
	}
	before, errs := uci.Parse(data)
	if len(errs) > 0 {
		return e, fmt.Sprintf("%s, %v; correct it first", path, errs[0])
	}
	e.before, e.after = data, data
	global := -1
	for i, s := range before {
		if s.Type == "wandns" && s.Name == "global" {
			global = i
		}
	}
	if global < 0 {
		add = append([]section{{kind: "global", name: "global", keys: []option{{name: "enabled", values: []string{"1"}}}}}, add...)
	} else if on, _ := truth(ddnsOptions(before[global])["enabled"]); !on {
		var ok bool
		if e.after, ok = uci.Set(data, global, "enabled", "1"); !ok {
			return e, path + " is written too oddly to be changed; set enabled to 1 in its section global first"
		}
	}
	if len(add) > 0 {
		if e.after != "" && !strings.HasSuffix(e.after, "\n") {
			e.after += "\n"
		}
		if e.after != "" {
			e.after += "\n"
		}
		e.after += uciText(add)
	}
	list, mistakes := parseUCI(e.after)
	v := &validator{config: &config{UCI: true}, mistakes: mistakes}
	v.sections(list)
	for _, m := range v.mistakes {
		if !strings.HasPrefix(m.section, "service ") {
			return e, fmt.Sprintf("%s, %v; correct it first", path, m)
		}
	}
	return e, ""
}

// switchOff is the change of the configuration of ddns-scripts, and which
// sections it concerns.
func switchOff(path, data string, taken []int) (e edit, off []string, why string) {
	info, err := os.Stat(path)
	if err != nil {
		return e, nil, err.Error()
	}
	e = edit{path, data, data, info.Mode().Perm()}
	parsed, _ := uci.Parse(data)
	for _, i := range taken {
		if !switchedOn(parsed[i]) {
			continue
		}
		var ok bool
		if e.after, ok = uci.Set(e.after, i, "enabled", "0"); !ok {
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

// start makes wandns run with the services, now and after each start of the
// router. It reports whether its status shows them: one that takes longer comes
// up all the same. A reload fails for a mistake in any service, and the others
// run for all that.
func (r *rpcd) start(names []string, until time.Time) (shown bool, err error) {
	script := initOf(r.config)
	if err := runInit(script, until, "enable"); err != nil {
		return false, err
	}
	wrong := runInit(script, until, "reload")
	dir, _ := r.runDir()
	for {
		var st updater.Status
		data, err := os.ReadFile(filepath.Join(dir, statusName))
		if err == nil && json.Unmarshal(data, &st) == nil {
			missing := len(names)
			for _, s := range st.Services {
				if slices.Contains(names, s.Name) {
					missing--
				}
			}
			shown = missing == 0
		}
		late := time.Now().Add(time.Second).After(until)
		switch {
		case shown || late && wrong == nil && err != nil:
			return shown, runInit(script, until, "running")
		case late && wrong != nil:
			return false, wrong
		case late:
			return false, errors.New("its status does not show them; the configuration may have mistakes")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// replaceConfig replaces a file at once, on flash: all of it or nothing. The
// name begins with a dot, so that uci takes it for no configuration.
func replaceConfig(path, data string, mode os.FileMode) error {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temp) //nolint:errcheck // it is gone if all went well
	_, err = f.WriteString(data)
	if err == nil && mode != 0 {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return os.Rename(temp, path)
}
