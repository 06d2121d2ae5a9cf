package main

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// What the build system of OpenWrt makes of every package.
const (
	apkHead = `[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. ${IPKG_INSTROOT}/lib/functions.sh
export root="${IPKG_INSTROOT}"
export pkgname="PACKAGE"
`
	apkInstall = `[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
` + apkHead + `add_group_and_user
default_postinst
`
	apkPostInstall  = "#!/bin/sh\n" + apkInstall
	apkUpgrade      = "#!/bin/sh\nexport PKG_UPGRADE=1\n"
	apkPostUpgrade  = apkUpgrade + apkInstall
	apkPreDeinstall = "#!/bin/sh\n" + apkHead + "default_prerm\n"
)

func (c *content) apkName() string { return c.name + "-" + c.version + ".apk" }

// forApk adds the files from which OpenWrt's functions.sh and sysupgrade know
// the package; opkg makes its own.
func (c *content) forApk() content {
	apk := *c
	apk.files = slices.Clone(c.files)
	if c.arch == "all" {
		apk.arch = "noarch"
	}
	add := func(kind, text string) {
		apk.files = append(apk.files, file{"/lib/apk/packages/" + c.name + "." + kind, 0o644, []byte(text)})
	}
	if c.user != "" {
		add("rusers", c.user+"\n")
	}
	var list, static strings.Builder
	apk.sort()
	for _, f := range apk.files {
		fmt.Fprintln(&list, f.path)
	}
	for _, path := range c.conffiles {
		fmt.Fprintf(&static, "%s %x\n", path, sha256.Sum256(c.file(path)))
	}
	add("list", list.String())
	if len(c.conffiles) > 0 {
		add("conffiles", strings.Join(c.conffiles, "\n")+"\n")
		add("conffiles_static", static.String())
	}
	apk.sort()
	return apk
}

// info describes the package in itself and in the index, where a size is known.
func (c *content) info(t *tree, hash value, fileSize int) value {
	var depends []value
	for _, name := range c.depends {
		depends = append(depends, t.object(t.blob(name)))
	}
	var size value
	if fileSize > 0 {
		size = t.number(int64(fileSize))
	}
	return t.object(
		t.blob(c.name), t.blob(c.version), hash, t.blob(c.description), t.blob(c.arch), t.blob(c.license),
		t.blob(c.name), // origin
		t.blob(c.maintainer),
		0, 0, 0, // url, commit, build time
		t.number(int64(c.size())), size,
		0, // priority
		t.array(depends...),
	)
}

// apk makes the package. hash is its identity in the index.
func (c *content) apk(key apkKey) (data []byte, hash [sha256.Size]byte, err error) {
	t := newTree()
	acl := func(mode int64) value { return t.object(t.number(mode), t.blob("root"), t.blob("root")) }
	var folders []value
	var blocks []byte
	names := append([]string{"/"}, c.folders()...)
	slices.SortFunc(names, strings.Compare)
	for i, dir := range names {
		var files []value
		for _, f := range c.inside(dir) {
			sum := sha256.Sum256(f.data)
			files = append(files, t.object(t.blob(filepath.Base(f.path)), acl(f.mode), t.number(int64(len(f.data))),
				t.number(c.mtime.Unix()), t.blob(string(sum[:]))))
			if len(f.data) > 0 {
				place := le.AppendUint32(le.AppendUint32(nil, uint32(i+1)), uint32(len(files)))
				blocks = block(blocks, blockData, place, f.data)
			}
		}
		folders = append(folders, t.object(t.blob(strings.Trim(dir, "/")), acl(0o755), t.array(files...)))
	}
	// The identity is part of the tree's hash, taken while it is zeros itself.
	id := t.blob(string(make([]byte, 20)))
	script := func(text string) value { return t.blob(strings.ReplaceAll(text, "PACKAGE", c.name)) }
	preUpgrade := ""
	if c.before != "" {
		preUpgrade = apkUpgrade + c.before
	}
	t.root(t.object(
		c.info(t, id, 0),
		t.array(folders...),
		t.object(
			0, script(c.before), script(apkPostInstall+c.installed), script(apkPreDeinstall),
			script(c.removed), script(preUpgrade), script(apkPostUpgrade+c.installed),
		),
	))
	sum := sha256.Sum256(t.b)
	copy(t.b[id-typeBlob8+1:], sum[:20])

	head, err := t.signed(schemaPackage, key)
	if err != nil {
		return nil, hash, err
	}
	data, err = stored(append(head, blocks...))
	return data, sha256.Sum256(t.b), err
}

// inside lists the files right in a folder, by name.
func (c *content) inside(dir string) []file {
	var list []file
	for _, f := range c.files {
		if filepath.Dir(f.path) == dir {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	return list
}

// indexed is a package in the index of a feed.
type indexed struct {
	content
	size int
	hash [sha256.Size]byte
}

func apkIndex(packages []indexed, key apkKey) ([]byte, error) {
	t := newTree()
	var list []value
	for _, p := range packages {
		list = append(list, p.info(t, t.blob(string(p.hash[:])), p.size))
	}
	t.root(t.object(t.blob("wandns"), t.array(list...)))
	index, err := t.signed(schemaIndex, key)
	if err != nil {
		return nil, err
	}
	return stored(index)
}
