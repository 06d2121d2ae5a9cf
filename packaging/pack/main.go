// Command pack makes OpenWrt's packages, .ipk for opkg and .apk for apk 3, and
// the signed indexes that make a feed of the folders they are in. The same
// input gives the same bytes.
package main

import (
	"cmp"
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
	out, bin         string
	feed, luci       string
	source, program  string
	version, contact string
	usignKey, apkKey string
	only             string // arches, all if empty
	mtime            time.Time
}

func main() {
	var o options
	flag.StringVar(&o.out, "out", "dist", "write ipk/ and apk/ into `FOLDER`")
	flag.StringVar(&o.bin, "bin", "dist/bin", "take the programs from `FOLDER`, as make cross leaves them")
	flag.StringVar(&o.feed, "feed", "openwrt/wandns", "take the other files, and what the package says, from the feed's `FOLDER`")
	flag.StringVar(&o.luci, "luci", "openwrt/luci-app-wandns", "make packages of the LuCI application in `FOLDER`, if it is there")
	flag.StringVar(&o.source, "source", "", "publish the feed's folder for the sources in `ARCHIVE` too")
	flag.StringVar(&o.program, "sbom", "", "list what `PROGRAM` is made of in OUT/"+bomName)
	flag.StringVar(&o.version, "version", "", "`VERSION` of the packages, like 1.2.3-r1; the feed's if empty")
	flag.StringVar(&o.contact, "contact", "", "`ADDRESS` of who makes them")
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
	usign, apk, err := o.keys(w)
	if err != nil {
		return err
	}
	mk, err := os.ReadFile(filepath.Join(o.feed, "build.mk"))
	if err != nil {
		return err
	}
	o.version = cmp.Or(o.version, makeVariable(mk, "PKG_VERSION")+"-r"+makeVariable(mk, "PKG_RELEASE"))
	todo := o.arches()
	if len(todo) == 0 {
		return fmt.Errorf("%q names no architecture of OpenWrt that Go knows", o.only)
	}
	list, err := o.contents(todo, mk)
	if err != nil {
		return err
	}
	all, err := each(list, func(c content) (made, error) { return c.pack(apk) })
	if err != nil {
		return err
	}
	for _, dir := range []string{"ipk", "apk"} { // nothing old goes into a feed
		if err := os.RemoveAll(filepath.Join(o.out, dir)); err != nil {
			return err
		}
	}
	for _, a := range todo {
		fits := slices.DeleteFunc(slices.Clone(all), func(m made) bool { return m.arch != a.name && m.arch != "all" })
		err = errors.Join(err, o.ipkFeed(a.name, fits, usign), o.apkFeed(a.name, fits, apk))
	}
	if o.source != "" {
		err = errors.Join(err, o.publishFeed())
	}
	if err == nil {
		err = o.release(usign)
	}
	if err == nil {
		fmt.Fprintf(w, "%d packages for %d architectures, a feed for each in %s and in %s\n", len(all), len(todo), filepath.Join(o.out, "ipk"), filepath.Join(o.out, "apk"))
	}
	return err
}

func (o options) arches() []arch {
	names := strings.Fields(o.only)
	return slices.DeleteFunc(arches(), func(a arch) bool { return len(names) > 0 && !slices.Contains(names, a.name) })
}

// contents are the packages to make: the daemon for each arch, then those that
// are for every router.
func (o options) contents(todo []arch, mk []byte) ([]content, error) {
	var list []content
	for _, a := range todo {
		c, err := o.daemon(a, mk)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	app, err := o.luciApp()
	return append(list, app...), err
}

// made is a package in both formats.
type made struct {
	content  // as the .ipk has it
	ipk, apk []byte
	entry    indexed
}

func (c *content) pack(key apkKey) (m made, err error) {
	m.content = *c
	forApk := c.forApk()
	if m.ipk, err = c.ipk(); err != nil {
		return m, err
	}
	m.apk, m.entry.hash, err = forApk.apk(key)
	m.entry.content, m.entry.size = forApk, len(m.apk)
	return m, err
}

// each does the same to everything, as many at a time as there are processors.
func each[A, B any](list []A, do func(A) (B, error)) ([]B, error) {
	done, errs := make([]B, len(list)), make([]error, len(list))
	free := make(chan struct{}, runtime.NumCPU())
	var wg sync.WaitGroup
	for i, a := range list {
		wg.Go(func() {
			free <- struct{}{}
			done[i], errs[i] = do(a)
			<-free
		})
	}
	wg.Wait()
	return done, errors.Join(errs...)
}

// ipkFeed writes the packages for an arch, with their index: opkg complains of
// every package in a feed that is not for its router.
func (o options) ipkFeed(arch string, list []made, key usignKey) error {
	dir := filepath.Join(o.out, "ipk", arch)
	var index []byte
	for _, m := range list {
		index = append(index, m.ipkEntry(m.ipk)...)
		if err := write(filepath.Join(dir, m.ipkName()), m.ipk); err != nil {
			return err
		}
	}
	zipped, err := gz(index)
	return errors.Join(err,
		write(filepath.Join(dir, "Packages"), index),
		write(filepath.Join(dir, "Packages.gz"), zipped),
		write(filepath.Join(dir, "Packages.sig"), key.sign(index)),
		write(filepath.Join(o.out, "ipk/wandns.pub"), key.public()),
		write(filepath.Join(o.out, "ipk", key.name()), key.public())) // as images have it in /etc/opkg/keys
}

// apkFeed writes the packages for an arch, with their index.
func (o options) apkFeed(arch string, list []made, key apkKey) error {
	dir := filepath.Join(o.out, "apk", arch)
	var entries []indexed
	for _, m := range list {
		entries = append(entries, m.entry)
		if err := write(filepath.Join(dir, m.apkName()), m.apk); err != nil {
			return err
		}
	}
	index, err := apkIndex(entries, key)
	if err != nil {
		return err
	}
	public, err := key.public()
	return errors.Join(err,
		write(filepath.Join(dir, "packages.adb"), index),
		write(filepath.Join(o.out, "apk/wandns.pem"), public))
}

// keys reads the keys. Without given ones it makes some for trying things out
// and keeps them, so that a router that trusts them can update from the feed.
func (o options) keys(w io.Writer) (usign usignKey, apk apkKey, err error) {
	if o.usignKey == "" {
		o.usignKey = filepath.Join(o.out, "keys/usign")
		err = secret(w, o.usignKey, "USIGN_KEY", func() ([]byte, error) { k, err := newUsignKey(); return k.secret(), err })
	}
	if o.apkKey == "" {
		o.apkKey = filepath.Join(o.out, "keys/apk.pem")
		err = errors.Join(err, secret(w, o.apkKey, "APK_KEY", func() ([]byte, error) {
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
func secret(w io.Writer, path, variable string, made func() ([]byte, error)) error {
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
	fmt.Fprintf(w, "%s is a new key: routers that install from this feed will trust no other; keep it outside of %s and give it with %s=FILE\n",
		path, filepath.Dir(filepath.Dir(path)), variable)
	return os.WriteFile(path, data, 0o600)
}

func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644) //nolint:gosec // a feed is for everybody to read
}
