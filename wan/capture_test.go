package wan

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// body is a message of the kernel without its netlink header, or the name of
// the scene that the following ones are of.
type body struct {
	kind  uint16
	data  []byte
	scene string
}

// Both were captured on a little-endian machine: the listings by
// TestKernelMessages, the announcements by TestKernelScenes.
const (
	capturePath = "testdata/captured.txt"
	scenesPath  = "testdata/scenes.txt"
)

var kinds = map[string]uint16{
	"newlink": unix.RTM_NEWLINK, "newaddr": unix.RTM_NEWADDR, "newroute": unix.RTM_NEWROUTE,
	"dellink": unix.RTM_DELLINK, "deladdr": unix.RTM_DELADDR, "delroute": unix.RTM_DELROUTE,
}

func kindName(kind uint16) string {
	for name := range kinds {
		if kinds[name] == kind {
			return name
		}
	}
	return fmt.Sprint(kind)
}

func captured(t testing.TB) []body { return load(t, capturePath) }

// scenes returns the announcements alone.
func scenes(t testing.TB) []body {
	return slices.DeleteFunc(load(t, scenesPath), func(b body) bool { return b.scene != "" })
}

// load returns what store wrote, in this machine's byte order.
func load(t testing.TB, path string) []body {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	var list []body
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, rest, found := strings.Cut(lines.Text(), " ")
		if name == "##" {
			list = append(list, body{scene: rest})
		}
		if !found || name[0] == '#' {
			continue
		}
		data, err := hex.DecodeString(rest)
		if err != nil || kinds[name] == 0 {
			t.Fatalf("%s: %q: %v", path, lines.Text(), err)
		}
		localize(kinds[name], data)
		list = append(list, body{kind: kinds[name], data: data})
	}
	if lines.Err() != nil || len(list) == 0 {
		t.Fatalf("%s: %d messages: %v", path, len(list), lines.Err())
	}
	return list
}

func littleEndian() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) == 1 }

// localize turns what is in host order, of all that the parsers look at, from
// little-endian to this machine's order.
func localize(kind uint16, b []byte) {
	if littleEndian() {
		return
	}
	switch kind {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		slices.Reverse(b[2:4])
		swap(b[4:unix.SizeofIfInfomsg])
		localizeAttributes(b[unix.SizeofIfInfomsg:])
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		swap(b[4:unix.SizeofIfAddrmsg])
		localizeAttributes(b[unix.SizeofIfAddrmsg:], unix.IFA_FLAGS, unix.IFA_CACHEINFO)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		swap(b[8:unix.SizeofRtMsg])
		localizeAttributes(b[unix.SizeofRtMsg:], unix.RTA_TABLE, unix.RTA_OIF, unix.RTA_PRIORITY, unix.RTA_MULTIPATH)
	}
}

func localizeAttributes(b []byte, words ...uint16) {
	for len(b) >= unix.SizeofRtAttr {
		n, kind := int(binary.LittleEndian.Uint16(b)), binary.LittleEndian.Uint16(b[2:])
		slices.Reverse(b[:2])
		slices.Reverse(b[2:4])
		v := b[unix.SizeofRtAttr:n]
		switch {
		case !slices.Contains(words, kind):
		case kind == unix.RTA_MULTIPATH:
			for len(v) >= unix.SizeofRtNexthop {
				n := int(binary.LittleEndian.Uint16(v))
				slices.Reverse(v[:2])
				swap(v[4:8])
				localizeAttributes(v[8:n])
				v = v[n:]
			}
		default:
			swap(v)
		}
		b = b[min((n+3)&^3, len(b)):]
	}
}

func swap(b []byte) {
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word)
	}
}

// capturing asks the tests of the kernel to replace testdata.
func capturing() bool { return os.Getenv("WANDNS_CAPTURE") == "1" && littleEndian() }

func store(t *testing.T, path string, list []body) {
	t.Helper()
	var u unix.Utsname
	must(t, unix.Uname(&u))
	var out strings.Builder
	fmt.Fprintf(&out, "# Linux %s %s, by WANDNS_CAPTURE=1 go test ./wan\n",
		unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]))
	for _, b := range list {
		if b.scene != "" {
			fmt.Fprintln(&out, "##", b.scene)
		} else {
			fmt.Fprintln(&out, kindName(b.kind), hex.EncodeToString(b.data))
		}
	}
	must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(out.String()), 0o644))
}
