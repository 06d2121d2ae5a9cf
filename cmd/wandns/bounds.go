package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strings"

	"wandns/updater/safefile"
	"wandns/wan"
)

// Whoever writes UCI through LuCI is less than root, who makes folders, gives
// them away and reads files by what stands there. So its paths lie in fixed
// places, as the init script too sees to.
const (
	mountsFile = "/etc/wandns.mounts"   // root's list of other folders, one a line
	handedDir  = "/var/run/wandns.good" // what root hands to the daemon; never the daemon's own
	metricsDir = "/var/prometheus"      // where OpenWrt's exporter looks
)

// bounds are where the paths of a configuration in UCI may lie. What the zero
// value lets pass, all do.
type bounds struct {
	own    string   // the folder of a file that root has named by hand; what is below it is his word as well
	mounts []string // root's list
	handed string   // where the init script lays files from these, for the daemon
}

// boundsOf is for a file that people know by a name. OpenWrt's own is in
// /etc/config, and below that of another root all of it is in bounds.
func boundsOf(file, name string) (b bounds) {
	full, err := filepath.Abs(name)
	if err != nil {
		return b
	}
	dir, list := filepath.Dir(full), mountsFile
	b.own = strings.TrimSuffix(strings.TrimSuffix(dir, "/etc/config"), "/")
	if b.own != dir {
		list = b.own + list
	}
	if file != name { // the original is not in the daemon's jail
		list = filepath.Join(filepath.Dir(file), "mounts")
		b.handed = filepath.Join(filepath.Dir(file), "files")
	}
	f, err := safefile.ReadNoFollow(context.Background(), list, maxConfig)
	if err != nil || f.UID != 0 || f.Mode&0o022 != 0 {
		return b
	}
	for line := range strings.Lines(f.Text) {
		if dir := strings.TrimSuffix(strings.Trim(line, " \t\n"), "/"); clean(dir) {
			b.mounts = append(b.mounts, dir)
		}
	}
	return b
}

// plain are what a shell takes in a name for nothing more.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-"

func clean(p string) bool { return filepath.IsAbs(p) && filepath.Clean(p) == p }

// below reports whether a path is a folder, or in it.
func below(p, dir string) bool {
	return clean(p) && dir != "" && (p == dir || strings.HasPrefix(p, dir+"/"))
}

func (b bounds) listed(p string) bool {
	for _, dir := range b.mounts {
		if below(p, dir) {
			return true
		}
	}
	return false
}

// hold says where a global key's path should lie; nothing if it does.
func (b bounds) hold(key, p string) string {
	dir, words := metricsDir, ""
	switch {
	case below(p, b.own):
		return ""
	case key == "state_dir" && (below(p, defaultStateDir) || b.listed(p)):
		return ""
	case key == "state_dir":
		words = ", or below a folder that root lists in " + mountsFile
		// Who chose it may be less than root, who is not told to give away /etc.
		if p != "/mnt" && below(p, "/mnt") && strings.Trim(p, plain) == "" {
			words += "; if wandns alone is to have it, run: echo " + p + " >>" + mountsFile + "; service wandns reload"
		}
		return defaultStateDir + words
	case key == "run_dir":
		dir, words = filepath.Dir(defaultRunDir), ", as "+defaultRunDir+", which is used instead"
	}
	if clean(p) && filepath.Dir(p) == dir && filepath.Base(p)[0] != '.' && p != handedDir {
		return ""
	}
	return dir + words
}

// reach returns where a file is to be read that the configuration names. A
// mistake does not repeat the name: a secret may stand in its place.
func (v *validator) reach(path string) (from string, ok bool) {
	v.copied = false
	switch {
	case !v.config.UCI, v.bounds.own != "", !filepath.IsAbs(path),
		below(path, "/etc/ssl"), below(path, defaultStateDir), below(path, v.config.StateDir):
		return path, true
	case v.bounds.listed(path):
		v.copied = v.bounds.handed != ""
		return v.bounds.handed + path, true
	}
	v.wrong("may not be read from there; move it to %s, or list its folder in %s", defaultStateDir, mountsFile)
	return "", false
}

// advise adds to why a file cannot be read what helps, where the init script
// hands nothing over.
func (b bounds) advise(file string, err error) error {
	if b.own == "" && below(file, "/etc/ssl") && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; move it to %s", err, defaultStateDir)
	}
	return err
}

// nearby reports whether requests to a host stay in networks of one's own.
func nearby(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		_, why := wan.Reachable(a.Unmap())
		host, _, _ = strings.Cut(why, ",")
	}
	host = "." + strings.ToLower(strings.TrimSuffix(host, "."))
	for _, end := range []string{"loopback", "private", "unique local", "link-local", "localhost", "lan", "local", "internal", "home.arpa"} {
		if strings.HasSuffix(host, "."+end) {
			return true
		}
	}
	return false
}
