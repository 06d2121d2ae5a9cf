package main

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"io"
	"strings"
	"testing"
)

// A reader of ADB of its own, which panics on what is damaged.
type adbFile struct {
	tree []byte
	data map[[2]uint32]string // by folder and file
}

func readADB(t *testing.T, file []byte, schema string, key *ecdsa.PublicKey) adbFile {
	t.Helper()
	if string(file[:4]) != "ADBd" {
		t.Fatalf("it begins with %q", file[:4])
	}
	b, err := io.ReadAll(flate.NewReader(bytes.NewReader(file[4:])))
	if err != nil {
		t.Fatal(err)
	}
	if string(b[:8]) != "ADB."+schema {
		t.Fatalf("the schema is %q", b[:8])
	}
	f := adbFile{data: make(map[[2]uint32]string)}
	signed := false
	for b = b[8:]; len(b) > 0; {
		kind, size := le.Uint32(b)>>30, le.Uint32(b)&(1<<30-1)
		payload := b[4:size]
		b = b[(size+7)&^7:]
		switch kind {
		case 0:
			f.tree = payload
		case 1:
			sum := sha512.Sum512(f.tree)
			all := sha512.Sum512(append(append([]byte(schema), payload[:18]...), sum[:]...))
			point, err := key.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			id := sha512.Sum512(point)
			signed = payload[0] == 0 && payload[1] == 4 && bytes.Equal(payload[2:18], id[:16]) &&
				ecdsa.VerifyASN1(key, all[:], payload[18:])
		case 2:
			f.data[[2]uint32{le.Uint32(payload), le.Uint32(payload[4:])}] = string(payload[8:])
		}
	}
	if !signed {
		t.Error("the key beside the feed did not sign it")
	}
	return f
}

func (f adbFile) root() uint32 { return le.Uint32(f.tree[4:]) }

// get follows the slots of objects and arrays from v; 0 where there is none.
func (f adbFile) get(v uint32, path ...uint32) uint32 {
	for _, slot := range path {
		at := v & (1<<28 - 1)
		if kind := v >> 28; kind != 0xd && kind != 0xe || slot >= le.Uint32(f.tree[at:]) {
			return 0
		}
		v = le.Uint32(f.tree[at+4*slot:])
	}
	return v
}

func (f adbFile) text(path ...uint32) string {
	v := f.get(f.root(), path...)
	at := v & (1<<28 - 1)
	switch v >> 28 {
	case 0x8:
		return string(f.tree[at+1:][:f.tree[at]])
	case 0x9:
		return string(f.tree[at+2:][:le.Uint16(f.tree[at:])])
	}
	return ""
}

func (f adbFile) number(path ...uint32) int64 {
	v := f.get(f.root(), path...)
	if v>>28 == 2 {
		return int64(le.Uint32(f.tree[v&(1<<28-1):]))
	}
	return int64(v & (1<<28 - 1))
}

func TestApk(t *testing.T) {
	o := packed(t, nil)
	key := public(t, o)
	for _, a := range arches() {
		packet := read(t, o.out, "apk", a.name, "wandns-0.1.0-r1.apk")
		f := readADB(t, packet, "pckg", key)
		want := wanted(t, o, a)
		var list []string
		for dir := uint32(1); f.get(f.root(), 2, dir) != 0; dir++ {
			for i := uint32(1); f.get(f.root(), 2, dir, 3, i) != 0; i++ {
				path := strings.ReplaceAll("/"+f.text(2, dir, 1)+"/"+f.text(2, dir, 3, i, 1), "//", "/")
				data := f.data[[2]uint32{dir, i}]
				sum := sha256.Sum256([]byte(data))
				if f.text(2, dir, 3, i, 2, 2) != "root" || f.text(2, dir, 3, i, 2, 3) != "root" ||
					f.number(2, dir, 3, i, 3) != int64(len(data)) || f.number(2, dir, 3, i, 4) != o.mtime.Unix() ||
					f.text(2, dir, 3, i, 5) != string(sum[:]) {
					t.Errorf("%s: the description of %s is wrong", a.name, path)
				}
				if name, ok := strings.CutPrefix(path, "/lib/apk/packages/wandns."); ok {
					want[path] = file{mode: 0o644, data: []byte(data)}
					if name != "rusers" {
						continue
					}
				}
				list = append(list, path+"\n")
				if mode := f.number(2, dir, 3, i, 2, 1); mode != want[path].mode || data != string(want[path].data) {
					t.Errorf("%s: %s with mode %o is not what the sources have", a.name, path, mode)
				}
			}
		}
		if len(list) != len(places())+2 {
			t.Errorf("%s: it installs %q", a.name, list)
		}
		for name, text := range map[string]string{
			"rusers": "wandns:wandns\n", "conffiles": "/etc/config/wandns\n",
			"conffiles_static": fmt.Sprintf("/etc/config/wandns %x\n", sha256.Sum256(want["/etc/config/wandns"].data)),
			"list":             strings.Join(list, ""),
		} {
			if got := string(want["/lib/apk/packages/wandns."+name].data); got != text {
				t.Errorf("%s: wandns.%s = %q, want %q", a.name, name, got, text)
			}
		}
		for slot, last := range map[uint32]string{3: "default_postinst\n", 4: "default_prerm\n", 7: "default_postinst\n"} {
			if s := f.text(3, slot); !strings.HasPrefix(s, "#!/bin/sh\n") || !strings.HasSuffix(s, last) ||
				!strings.Contains(s, "export pkgname=\"wandns\"\n") || strings.Contains(s, "PKG_UPGRADE=1") != (slot == 7) {
				t.Errorf("%s: script %d is %q", a.name, slot, s)
			}
		}

		index := readADB(t, read(t, o.out, "apk", a.name, "packages.adb"), "indx", key)
		hash := sha256.Sum256(f.tree)
		if index.text(2, 1, 3) != string(hash[:]) || index.number(2, 1, 13) != int64(len(packet)) {
			t.Errorf("%s: the index has another package", a.name)
		}
		for slot, text := range map[uint32]string{1: "wandns", 2: "0.1.0-r1", 5: a.name, 6: "Apache-2.0", 8: o.contact} {
			if f.text(1, slot) != text || index.text(2, 1, slot) != text {
				t.Errorf("%s: slot %d is %q, in the index %q, want %q", a.name, slot, f.text(1, slot), index.text(2, 1, slot), text)
			}
		}
		if f.text(1, 15, 1, 1) != "ca-bundle" || index.text(2, 1, 15, 1, 1) != "ca-bundle" {
			t.Errorf("%s: it does not depend on ca-bundle", a.name)
		}
	}
}
