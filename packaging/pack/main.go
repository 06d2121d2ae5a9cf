// Command pack makes OpenWrt's packages, .ipk for opkg and .apk for apk 3, and
// the signed indexes that make a feed of the folders they are in. The same
// input gives the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

type options struct {
	out, bin, files     string
	version, maintainer string
	usignKey, apkKey    string
	only                string // arches, all if empty
	mtime               time.Time
}

func main() {
	var o options
	flag.StringVar(&o.out, "out", "dist", "write ipk/ and apk/ into `FOLDER`")
	flag.StringVar(&o.bin, "bin", "dist/bin", "take the programs from `FOLDER`, as make cross leaves them")
	flag.StringVar(&o.files, "files", "openwrt/wandns/files", "take the other files from `FOLDER`")
	flag.StringVar(&o.version, "version", "", "`VERSION` of the packages, like 1.2.3-r1")
	flag.StringVar(&o.maintainer, "maintainer", "", "`ADDRESS` of who makes them")
	flag.StringVar(&o.usignKey, "usign-key", "", "sign for opkg with `FILE`; without it a key is made in OUT/keys")
	flag.StringVar(&o.apkKey, "apk-key", "", "sign for apk with `FILE`; without it a key is made in OUT/keys")
	flag.StringVar(&o.only, "arch", "", "make packages for these of OpenWrt's `ARCHITECTURES` only")
	epoch := flag.Int64("epoch", 0, "the `SECONDS` since 1970 that files are said to be from")
	flag.Parse()
	o.mtime = time.Unix(*epoch, 0).UTC()
	if err := pack(o, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "there are no packages: %v\n", err)
		os.Exit(1)
	}
}

func pack(o options, w io.Writer) error {
	usign, apk, err := o.keys()
	if err != nil {
		return err
	}
	todo := o.arches()
	if len(todo) == 0 {
		return fmt.Errorf("%q names no architecture of OpenWrt that Go knows", o.only)
	}
	programs, err := o.programs(todo)
	if err != nil {
		return err
	}
	for _, dir := range []string{"ipk", "apk"} { // nothing old goes into a feed
		if err := os.RemoveAll(filepath.Join(o.out, dir)); err != nil {
			return err
		}
	}
	var index strings.Builder
	for _, a := range todo {
		c, err := daemon(o, a, programs[a.bin])
		if err != nil {
			return err
		}
		ipk, err := c.ipk()
		if err != nil {
			return err
		}
		index.WriteString(c.ipkEntry(ipk))
		if err := errors.Join(write(filepath.Join(o.out, "ipk", c.ipkName()), ipk), o.apkFeed(c.forApk(), apk)); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "%d packages each in %s and %s\n", len(todo), filepath.Join(o.out, "ipk"), filepath.Join(o.out, "apk"))
	return o.ipkFeed([]byte(index.String()), usign)
}

func (o options) arches() []arch {
	names := strings.Fields(o.only)
	return slices.DeleteFunc(arches(), func(a arch) bool { return len(names) > 0 && !slices.Contains(names, a.name) })
}

// programs reads and squeezes each program once, which takes a while.
func (o options) programs(todo []arch) (map[string]pressed, error) {
	var names []string
	for _, a := range todo {
		if !slices.Contains(names, a.bin) {
			names = append(names, a.bin)
		}
	}
	list, errs := make([]pressed, len(names)), make([]error, len(names))
	free := make(chan struct{}, runtime.NumCPU())
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			data, err := os.ReadFile(filepath.Join(o.bin, name, "wandns"))
			if err != nil {
				errs[i] = fmt.Errorf("a program is missing; run: make %s (%w)", name, err)
				return
			}
			list[i], errs[i] = squeeze(data)
		})
	}
	wg.Wait()
	programs := make(map[string]pressed)
	for i, name := range names {
		programs[name] = list[i]
	}
	return programs, errors.Join(errs...)
}

// ipkFeed writes the index of all packages; opkg leaves out what is not for
// its router.
func (o options) ipkFeed(index []byte, key usignKey) error {
	zipped, err := gz(index, pressed{})
	return errors.Join(err,
		write(filepath.Join(o.out, "ipk/Packages"), index),
		write(filepath.Join(o.out, "ipk/Packages.gz"), zipped),
		write(filepath.Join(o.out, "ipk/Packages.sig"), key.sign(index)),
		write(filepath.Join(o.out, "ipk", key.name()), key.public()))
}

func (o options) apkFeed(c content, key apkKey) error {
	apk, hash, err := c.apk(key)
	if err != nil {
		return err
	}
	index, err := apkIndex([]indexed{{c, len(apk), hash}}, key)
	if err != nil {
		return err
	}
	public, err := key.public()
	dir := filepath.Join(o.out, "apk", c.arch)
	return errors.Join(err,
		write(filepath.Join(dir, c.apkName()), apk),
		write(filepath.Join(dir, "packages.adb"), index),
		write(filepath.Join(o.out, "apk/wandns.pem"), public))
}

// keys reads the keys. Without given ones it makes some for trying things out
// and keeps them, so that a router that trusts them can update from the feed.
func (o options) keys() (usign usignKey, apk apkKey, err error) {
	if o.usignKey == "" {
		o.usignKey = filepath.Join(o.out, "keys/usign")
		err = secret(o.usignKey, func() ([]byte, error) { k, err := newUsignKey(); return k.secret(), err })
	}
	if o.apkKey == "" {
		o.apkKey = filepath.Join(o.out, "keys/apk.pem")
		err = errors.Join(err, secret(o.apkKey, func() ([]byte, error) {
			k, err := newApkKey()
			if err != nil {
				return nil, err
			}
			return k.secret()
		}))
	}
	if err != nil {
		return usign, apk, err
	}
	if usign, err = readUsignKey(o.usignKey); err != nil {
		return usign, apk, err
	}
	apk, err = readApkKey(o.apkKey)
	return usign, apk, err
}

// secret makes a file that only its owner can read, unless it is there.
func secret(path string, made func() ([]byte, error)) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := made()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644) //nolint:gosec // a feed is for everybody to read
}
