package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
)

// An .ipk is a compressed tar of a version, the files, and what the package
// manager needs to know, each of the latter two a compressed tar again.

// What the SDK makes of every package: functions.sh has the substance.
const (
	ipkPostinst = `#!/bin/sh
[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. ${IPKG_INSTROOT}/lib/functions.sh
default_postinst $0 $@
`
	ipkPrerm = `#!/bin/sh
[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. ${IPKG_INSTROOT}/lib/functions.sh
default_prerm $0 $@
`
)

func (c *content) ipkName() string { return c.name + "_" + c.version + "_" + c.arch + ".ipk" }

func (c *content) control() string {
	var b strings.Builder
	for _, field := range [][2]string{
		{"Package", c.name},
		{"Version", c.version},
		{"Depends", strings.Join(c.depends, ", ")},
		{"Source", "wandns"},
		{"SourceName", c.name},
		{"License", c.license},
		{"LicenseFiles", "LICENSE"},
		{"Section", c.section},
		{"Require-User", c.user},
		{"SourceDateEpoch", fmt.Sprint(c.mtime.Unix())},
		{"Maintainer", c.maintainer},
		{"Architecture", c.arch},
		{"Installed-Size", fmt.Sprint(c.size())},
		{"Description", c.description},
	} {
		if field[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", field[0], field[1])
		}
	}
	return b.String()
}

func (c *content) ipk() ([]byte, error) {
	files := []file{{"/control", 0o644, []byte(c.control())}}
	if len(c.conffiles) > 0 {
		files = append(files, file{"/conffiles", 0o644, []byte(strings.Join(c.conffiles, "\n") + "\n")})
	}
	files = append(files, file{"/postinst", 0o755, []byte(ipkPostinst)})
	if c.installed != "" {
		files = append(files, file{"/postinst-pkg", 0o755, []byte(c.installed)})
	}
	files = append(files, file{"/prerm", 0o755, []byte(ipkPrerm)})
	if c.before != "" {
		files = append(files, file{"/preinst", 0o755, []byte(c.before)})
	}
	if c.removed != "" {
		files = append(files, file{"/postrm", 0o755, []byte(c.removed)})
	}
	control, err := archive(c.mtime, nil, files)
	if err != nil {
		return nil, err
	}
	data, err := archive(c.mtime, c.folders(), c.files)
	if err != nil {
		return nil, err
	}
	return archive(c.mtime, nil, []file{
		{"/debian-binary", 0o644, []byte("2.0\n")},
		{"/data.tar.gz", 0o644, data},
		{"/control.tar.gz", 0o644, control},
	})
}

// archive makes a compressed tar with the names as opkg wants them, from "./".
func archive(mtime time.Time, folders []string, files []file) ([]byte, error) {
	var b bytes.Buffer
	var err error
	t := tar.NewWriter(&b)
	add := func(h tar.Header, data []byte) {
		h.ModTime, h.Format, h.Size = mtime, tar.FormatGNU, int64(len(data))
		if err == nil {
			err = t.WriteHeader(&h)
		}
		if err == nil {
			_, err = t.Write(data)
		}
	}
	if folders != nil {
		add(tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755}, nil)
	}
	for _, dir := range folders {
		add(tar.Header{Typeflag: tar.TypeDir, Name: "." + dir + "/", Mode: 0o755}, nil)
	}
	for _, f := range files {
		add(tar.Header{Typeflag: tar.TypeReg, Name: "." + f.path, Mode: f.mode}, f.data)
	}
	if err := errors.Join(err, t.Close()); err != nil {
		return nil, err
	}
	return gz(b.Bytes())
}

// ipkEntry is the package's paragraph in the index of the feed, which opkg
// reads badly with what OpenWrt's own feeds leave out.
func (c *content) ipkEntry(ipk []byte) string {
	var b strings.Builder
	for line := range strings.Lines(c.control()) {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "Source", "SourceName", "SourceDateEpoch", "LicenseFiles", "Require-User", "Maintainer":
			continue
		case "Description":
			fmt.Fprintf(&b, "Filename: %s\nSize: %d\nSHA256sum: %x\n", c.ipkName(), len(ipk), sha256.Sum256(ipk))
		}
		b.WriteString(line)
	}
	return b.String() + "\n"
}
