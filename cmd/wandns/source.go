package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
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
	if adopted == "" {
		return source{name: c.config, file: c.config}
	}
	return source{c.config, filepath.Join(adopted, "wandns"), filepath.Join(adopted, "last")}
}

// read returns the configuration to go by: what has mistakes is as it was in
// the last one without. The error is as that of loadConfig, and not nil if
// nothing of the file can be used; then the configuration is the last one, or
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
	switch {
	case err != nil:
		return last, err
	case cfg.hopeless() && (last != nil || s.last == ""):
		return last, cfg.bad(s.name)
	case last == nil:
		return cfg, nil
	}
	// Their folders are those that the init script has prepared.
	cfg.StateDir, cfg.RunDir, cfg.MetricsFile = last.StateDir, last.RunDir, last.MetricsFile
	for i, c := range cfg.Services {
		at := slices.IndexFunc(last.Services, func(o serviceConfig) bool { return o.Name == c.Name && len(o.Mistakes) == 0 })
		if len(c.Mistakes) > 0 && at >= 0 {
			before := last.Services[at]
			before.Mistakes, before.Files, before.Enabled, before.former = c.Mistakes, c.Files, c.Enabled, true
			cfg.Services[i] = before
		}
	}
	return cfg, nil
}

// hopeless reports that not one service can be used, nor waits for a file.
func (c *config) hopeless() bool {
	return len(c.Mistakes) > 0 && !slices.ContainsFunc(c.Services, func(s serviceConfig) bool { return len(s.Mistakes) == 0 || s.awaitsFile() })
}

// misspelt reports mistakes in the configuration itself, not in files that it
// names.
func (c *config) misspelt() bool { return slices.ContainsFunc(c.Mistakes, mistake.inText) }

func (m mistake) inText() bool { return !strings.HasSuffix(m.key, "_file") }

// awaitsFile reports whether only files keep a service from being used.
func (c serviceConfig) awaitsFile() bool {
	return c.Enabled && len(c.Mistakes) > 0 && !slices.ContainsFunc(c.Mistakes, mistake.inText)
}

// lookEvery is how soon a file is noticed that a faulty service names.
const lookEvery = 2 * time.Second

// watched is a file as it was before it was read.
type watched struct{ path, was string }

func watch(path string) watched { return watched{path, appearance(path)} }

// appearance is another text when the file may be another one.
func appearance(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.Size(), info.Mode(), info.ModTime())
}

func (w watched) changed() bool { return appearance(w.path) != w.was }

// awaited are the files of faulty services.
func (c *config) awaited() []watched {
	var files []watched
	for _, s := range c.Services {
		if len(s.Mistakes) > 0 && s.Enabled {
			files = append(files, s.Files...)
		}
	}
	return files
}

// initScript starts wandns where it is a service of OpenWrt's procd.
const initScript = "/etc/init.d/wandns"

// onOpenWrt chooses the words that fit whoever starts the daemon: procd, or
// the user himself.
func (c *cli) onOpenWrt(procd, otherwise string) string {
	if _, err := os.Stat(cmp.Or(c.initScript, initScript)); err != nil || c.config != defaultConfig {
		return otherwise
	}
	return procd
}

// starter is the command that starts the daemon.
func (c *cli) starter() string {
	return c.onOpenWrt("service wandns start", "wandns run --config "+c.config)
}
