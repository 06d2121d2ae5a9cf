package main

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wandns/updater/safefile"
)

// source is where a daemon reads its configuration.
type source struct {
	name string // by which people know it
	file string
	last string // the last one without mistakes; empty if none is kept
}

// source is the file itself or, where the daemon may not read that, what
// OpenWrt's init script puts into a folder: a copy, and the last one without
// mistakes.
func (c *cli) source(adopted string) source {
	if c.adopted = adopted != ""; !c.adopted {
		return source{name: c.config, file: c.config}
	}
	return source{c.config, filepath.Join(adopted, "wandns"), filepath.Join(adopted, "last")}
}

// handed is root's folder with what the daemon gets.
func (s source) handed() string {
	if s.last == "" {
		return handedDir
	}
	return filepath.Dir(s.last)
}

// read returns the configuration to go by: services with mistakes are as they
// were in the last one without. The error is as that of loadConfig, and not nil
// if nothing of the file can be used; then the configuration is the last one, or
// nil.
func (s source) read() (*config, error) {
	cfg, err := readConfig(s.file, s.name)
	if err == nil && len(cfg.Mistakes) == 0 {
		return cfg, nil
	}
	var last *config // stays nil where there is none
	if s.last != "" {
		last, _ = readConfig(s.last, s.name)
	}
	if err != nil || last == nil {
		return cmp.Or(cfg, last), err
	}
	// The folders are those that the init script has prepared.
	cfg.StateDir, cfg.RunDir, cfg.MetricsFile = last.StateDir, last.RunDir, last.MetricsFile
	for i, c := range cfg.Services {
		at := slices.IndexFunc(last.Services, func(o serviceConfig) bool { return o.Name == c.label() && o.switched })
		if len(c.Mistakes) == 0 || at < 0 {
			continue
		}
		switch before := last.Services[at]; {
		case len(before.Mistakes) == 0:
			before.faults, before.Enabled, before.former = c.faults, c.Enabled, true
			cfg.Services[i] = before
		case before.awaitsFile():
			cfg.Services[i].Awaited = before.Files
		}
	}
	if !cfg.unnamed() {
		return cfg, nil
	}
	for _, o := range last.Services {
		if len(o.Mistakes) == 0 && !slices.ContainsFunc(cfg.Services, func(c serviceConfig) bool { return c.Name == o.Name }) {
			o.Mistakes, o.former = []mistake{{text: "it may be the one whose name cannot be read"}}, true
			cfg.Services = append(cfg.Services, o)
		}
	}
	return cfg, nil
}

// hopeless reports that not one service can be used, nor waits for a file.
func (c *config) hopeless() bool {
	return len(c.Mistakes) > 0 && !slices.ContainsFunc(c.Services, func(s serviceConfig) bool { return len(s.Mistakes) == 0 || s.awaitsFile() })
}

// unnamed reports a service whose name nobody can read, and which is not known
// to be switched off.
func (c *config) unnamed() bool {
	return slices.ContainsFunc(c.Services, func(s serviceConfig) bool { return s.Name == "" && s.Enabled }) ||
		!c.disabled && slices.ContainsFunc(c.Mistakes, func(m mistake) bool {
			return !m.ofService() && closest(strings.Trim(strings.TrimPrefix(m.key, "config "), "[]"), []string{"service"}) != ""
		})
}

// awaitsFile reports whether only files keep a service from being used.
func (c serviceConfig) awaitsFile() bool {
	return c.Enabled && c.inFiles > 0 && c.inFiles == len(c.Mistakes)
}

// keep makes of the last configuration, in UCI, what there is of this one from a
// file: services with mistakes stay in it as they are, while they can be used, and
// global keys with mistakes do not, so that the init script sees what this does.
func (c *config) keep(file, last string) error {
	sections, err := readSections(file)
	if err != nil {
		return err
	}
	old, before := &config{}, []section(nil)
	if o, err := readConfig(last, file); err == nil {
		if before, err = readSections(last); err == nil {
			old = o
		}
	}
	list, former := sections[:1], []section(nil)
	list[0].name = "global"
	list[0].keys = slices.DeleteFunc(list[0].keys, func(o option) bool {
		return slices.ContainsFunc(c.Mistakes, func(m mistake) bool { return m.section == "" && m.key == o.name && m.line == o.line })
	})
	for i, s := range c.Services {
		was := slices.IndexFunc(old.Services, func(o serviceConfig) bool { return o.Name == s.Name })
		switch sound := len(s.Mistakes) == 0 || !s.switched; {
		case s.number > 0:
		case sound, s.awaitsFile() && (was < 0 || len(old.Services[was].Mistakes) > 0):
			list = append(list, sections[i+1])
		case was >= 0:
			former = append(former, before[was+1])
		}
	}
	unnamed := c.unnamed()
	for i, o := range old.Services {
		if unnamed && !slices.ContainsFunc(c.Services, func(s serviceConfig) bool { return s.Name == o.Name }) {
			former = append(former, before[i+1])
		}
	}
	// What was before gives way to what there is now.
	v := &validator{config: &config{UCI: true}, bounds: boundsOf(file, file)}
	v.sections(slices.Concat(list, former))
	for i, o := range v.config.Services[len(list)-1:] {
		if len(o.Mistakes) == 0 || o.awaitsFile() {
			list = append(list, former[i])
		}
	}
	e := edit{last, uciText(list), 0o600}
	if err := e.prepare(); err != nil {
		_ = os.Remove(e.temp())
		return err
	}
	return os.Rename(e.temp(), last)
}

func readSections(file string) ([]section, error) {
	text, _, err := readSmall(file)
	list, _ := parseUCI(text)
	return list, err
}

// A file for which a service waits is looked for often at first, and then seldom:
// a stick is plugged in while the router starts, or some day.
const (
	lookFirst = 2 * time.Second
	lookLast  = 30 * time.Second
)

// watched is a file as it was before it was read.
type watched struct{ path, was string }

func watch(path string) watched { return watched{path, appearance(path)} }

// appearance is another text when the file may be another one.
func appearance(path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	return safefile.Look(ctx, path)
}

func (w watched) changed() bool { return appearance(w.path) != w.was }

// awaited are the files for which services wait.
func (c *config) awaited() []watched {
	var files []watched
	for _, s := range c.Services {
		if s.awaitsFile() {
			files = append(files, s.Files...)
		}
		files = append(files, s.Awaited...)
	}
	return files
}

// initScript starts wandns where it is a service of OpenWrt's procd.
const initScript = "/etc/init.d/wandns"

// onOpenWrt chooses the words that fit whoever starts the daemon: procd, or
// the user himself.
func (c *cli) onOpenWrt(procd, otherwise string) string {
	_, err := os.Stat(cmp.Or(c.initScript, initScript))
	if c.config == defaultConfig && (err == nil || c.adopted) { // which a jail does not show
		return procd
	}
	return otherwise
}

// starter is the command that starts the daemon.
func (c *cli) starter() string {
	return c.onOpenWrt("service wandns start", "wandns run --config "+c.config)
}

// switchOn is how to switch all of it on.
func (c *cli) switchOn() string {
	return c.onOpenWrt("uci set wandns.global.enabled=1; uci commit wandns; service wandns start", "enabled = true in "+c.config)
}
