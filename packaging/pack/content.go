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

// A file of a package. Everything belongs to root.
type file struct {
	path string // absolute, on the router
	mode int64
	data []byte
}

// content is what a package of either format is made of.
type content struct {
	name, version, arch  string // arch is all if it is for every router
	section, description string
	depends              []string
	license, maintainer  string
	user                 string // that the package manager makes
	conffiles            []string
	installed            string // the shell to run after it is installed, besides what OpenWrt does
	before, removed      string // scripts to run before it is installed or upgraded, and after it is removed
	files                []file // by path
	mtime                time.Time
}

// places says where the files of the feed's folder go.
func places() map[string]file {
	return map[string]file{
		"wandns.init":         {path: "/etc/init.d/wandns", mode: 0o755},
		"wandns.config":       {path: "/etc/config/wandns", mode: 0o600},
		"wandns.defaults":     {path: "/etc/uci-defaults/90-wandns", mode: 0o755},
		"wandns.hotplug-ntp":  {path: "/etc/hotplug.d/ntp/90-wandns", mode: 0o644},
		"wandns.capabilities": {path: "/etc/capabilities/wandns.json", mode: 0o644},
		"wandns.acl":          {path: "/usr/share/acl.d/wandns.json", mode: 0o644},
		"wandns.keep":         {path: "/lib/upgrade/keep.d/wandns", mode: 0o644},
	}
}

// newContent is a package of ours, of no files yet.
func (o options) newContent(name, arch, section, description string, depends ...string) content {
	return content{
		name: name, version: o.version, arch: arch, section: section, description: description, depends: depends,
		license: "Apache-2.0", maintainer: o.contact, mtime: o.mtime,
	}
}

// daemon collects the package wandns for an arch; mk is the feed's build.mk.
func (o options) daemon(a arch, mk []byte) (content, error) {
	c := o.newContent("wandns", a.name, "net",
		"Keeps DNS names pointing at a router whose address changes: at once, once, and never against the provider's rules.",
		strings.Fields(makeVariable(mk, "PACKAGE_DEPENDS"))...)
	c.license, c.user = makeVariable(mk, "PKG_LICENSE"), makeVariable(mk, "PACKAGE_USER")
	c.conffiles = []string{"/etc/config/wandns"}
	makefile, err := os.ReadFile(filepath.Join(o.feed, "Makefile"))
	if err != nil {
		return c, err
	}
	for name, script := range map[string]*string{"preinst": &c.before, "postrm": &c.removed} {
		if *script, err = makeScript(makefile, "Package/wandns/"+name); err != nil {
			return c, err
		}
	}
	program, err := os.ReadFile(filepath.Join(o.bin, a.bin, "wandns"))
	if err != nil {
		return c, fmt.Errorf("a program is missing; run: make %s (%w)", a.bin, err)
	}
	c.files = []file{{"/usr/sbin/wandns", 0o755, program}}
	files := filepath.Join(o.feed, "files")
	entries, err := os.ReadDir(files)
	if err != nil {
		return c, err
	}
	places := places()
	for _, e := range entries {
		f, ok := places[e.Name()]
		if !ok {
			return c, fmt.Errorf("%s has no place in the package; give it one in content.go and in the feed's Makefile", e.Name())
		}
		delete(places, e.Name())
		if f.data, err = os.ReadFile(filepath.Join(files, e.Name())); err != nil {
			return c, err
		}
		c.files = append(c.files, f)
	}
	if len(places) > 0 {
		return c, fmt.Errorf("%s has only %d files of %d", files, len(entries), len(entries)+len(places))
	}
	c.sort()
	return c, nil
}

func (c *content) sort() {
	slices.SortFunc(c.files, func(a, b file) int { return strings.Compare(a.path, b.path) })
}

// folders lists every folder of the package, parents first, without the root.
func (c *content) folders() []string {
	seen := map[string]bool{"/": true}
	var list []string
	for _, f := range c.files {
		for dir := filepath.Dir(f.path); !seen[dir]; dir = filepath.Dir(dir) {
			seen[dir] = true
			list = append(list, dir)
		}
	}
	slices.Sort(list)
	return list
}

// size is what the files take, in bytes.
func (c *content) size() (n int) {
	for _, f := range c.files {
		n += len(f.data)
	}
	return n
}

func (c *content) file(path string) []byte {
	i, ok := slices.BinarySearchFunc(c.files, path, func(f file, path string) int { return cmp.Compare(f.path, path) })
	if !ok {
		return nil
	}
	return c.files[i].data
}
