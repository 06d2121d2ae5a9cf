package wan

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wandns/wan/wantest"
)

// talk is one side's turn in a recorded conversation.
type talk struct {
	server bool
	bytes  []byte
}

// recorded returns a conversation of testdata/ubus.txt by its title.
func recorded(t testing.TB, title string) []talk {
	t.Helper()
	b, err := os.ReadFile("testdata/ubus.txt")
	must(t, err)
	_, text, ok := strings.Cut(string(b), "# "+title+"\n")
	if !ok {
		t.Fatalf("there is no conversation %q", title)
	}
	text, _, _ = strings.Cut(text, "#")
	var all []talk
	for line := range strings.Lines(text) {
		who, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		said, err := hex.DecodeString(digits)
		must(t, err)
		all = append(all, talk{who == "<", said})
	}
	return all
}

// ubusd listens like ubusd and lets speak answer each connection.
func ubusd(t testing.TB, speak func(net.Conn)) *Netifd {
	t.Helper()
	dir, err := os.MkdirTemp("", "ubus") //nolint:usetesting // a socket's path is short
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	n := NewNetifd()
	n.sockets = []string{filepath.Join(dir, "none"), filepath.Join(dir, "ubus.sock")}
	l, err := net.Listen("unix", n.sockets[1])
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			speak(c)
			c.Close()
		}
	}()
	n.Want(true)
	return n
}

// replay answers as recorded, and fails the test if it is asked otherwise.
func replay(t testing.TB, title string) func(net.Conn) {
	all := recorded(t, title)
	return func(c net.Conn) {
		for _, turn := range all {
			if turn.server {
				c.Write(turn.bytes)
				continue
			}
			asked := make([]byte, len(turn.bytes))
			if _, err := io.ReadFull(c, asked); err != nil || !bytes.Equal(asked, turn.bytes) {
				t.Errorf("asked %x (%v), want %x", asked, err, turn.bytes)
			}
		}
	}
}

func TestNetworksOfTheRealNetifd(t *testing.T) {
	s := ubusd(t, replay(t, "netifd's dump")).With(State{})
	want := []Network{
		{"lan", "", false},
		{"loopback", "lo", true},
		{"lte", "", false},
		{"wan", "wan0", true},
		{"wan6", "wan0", true},
		{"wanb", "wan1", true},
	}
	if !slices.Equal(s.Networks, want) || s.NoNetworks != "" {
		t.Errorf("networks = %+v (%s), want %+v", s.Networks, s.NoNetworks, want)
	}
}

func TestNetworksThatAreNotKnown(t *testing.T) {
	message := func(kind byte, seq uint16, attrs []byte) []byte {
		return putAttr(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16([]byte{0, kind}, seq), 7), 0, string(attrs))
	}
	hello := message(ubusHello, 0, nil)
	says := func(messages ...[]byte) func(net.Conn) {
		return func(c net.Conn) {
			c.Write(bytes.Join(messages, nil))
			io.Copy(io.Discard, c) // until the client leaves
		}
	}
	status := func(seq uint16, code string) []byte { return message(ubusStatus, seq, putAttr(nil, attrStatus, code)) }
	object := message(ubusData, 1, putAttr(nil, attrObject, "\x01\x02\x03\x04"))
	ok := "\x00\x00\x00\x00"
	var chatter [][]byte
	for range ubusMessages {
		chatter = append(chatter, message(ubusData, 99, nil))
	}
	for _, c := range []struct {
		name  string
		speak func(net.Conn)
		want  string
	}{
		{"not allowed", replay(t, "a user without permission"), "ubus does not let this user ask"},
		{"no netifd", replay(t, "without netifd"), "netifd does not run"},
		{"closes at once", func(net.Conn) {}, "it does not speak ubus"},
		{"says something else", says([]byte("HTTP/1.1 400 Bad Request\r\n")), "it does not speak ubus"},
		{"no hello", says(status(1, ok)), "it does not speak ubus"},
		{"a giant", says(hello, []byte{0, ubusData, 0, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff}), "none of ubus"},
		{"a dwarf", says(hello, []byte{0, ubusData, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3}), "none of ubus"},
		{"another version", says(hello, []byte{1, ubusData, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4}), "none of ubus"},
		{"chatter without end", says(append([][]byte{hello}, chatter...)...), "did not come to an end"},
		{"a short status", says(hello, status(1, "\x00")), "without a status"},
		{"no such method", says(hello, object, status(1, ok), status(2, "\x00\x00\x00\x03")), "method not found"},
		{"a status of the future", says(hello, object, status(1, ok), status(2, "\x00\x00\x00\x63")), "status 99"},
		{"an answer that is empty", says(hello, object, status(1, ok), message(ubusData, 2, nil), status(2, ok)), "knows no network"},
		{"silence", says(hello), "timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := ubusd(t, c.speak).With(State{})
			if !strings.Contains(s.NoNetworks, c.want) || len(s.Networks) > 0 {
				t.Errorf("networks = %v, %q, want %q", s.Networks, s.NoNetworks, c.want)
			}
		})
	}
}

func TestUbusIsGivenUp(t *testing.T) {
	for name, speak := range map[string]func(net.Conn){
		"silence": func(net.Conn) {},
		"drops": func(c net.Conn) {
			for err := error(nil); err == nil; time.Sleep(ubusTime / 10) {
				_, err = c.Write([]byte{0})
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			defer there.Close()
			go speak(there)
			began := time.Now()
			_, err := converse(here, "network.interface", "dump", "")
			if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took != ubusTime {
				t.Errorf("%s: %v after %s", name, err, took)
			}
			time.Sleep(ubusTime) // until the other side has noticed
		})
	}
}

func TestNetworksWithoutUbus(t *testing.T) {
	n := NewNetifd()
	n.sockets = []string{filepath.Join(t.TempDir(), "none")}
	if s := n.With(State{}); n.Here() || s.NoNetworks != "" {
		t.Errorf("asked although nobody wants to know: %q", s.NoNetworks)
	}
	n.Want(true)
	if s := n.With(State{}); s.NoNetworks != "there is no ubus here; set device instead" {
		t.Errorf("%q", s.NoNetworks)
	}
}

// router is a netifd that tests tell what to say.
type router struct {
	mu       sync.Mutex
	networks []Network
	asked    int
}

func (r *router) set(networks ...Network) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.networks = networks
}

func (r *router) times() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// speak answers a lookup and a call.
func (r *router) speak(c net.Conn) {
	said := func(kind byte, seq uint16, attrs []byte) {
		c.Write(putAttr(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16([]byte{0, kind}, seq), 7), 0, string(attrs)))
	}
	said(ubusHello, 0, nil)
	u := &ubus{conn: c}
	for {
		m, err := u.receive()
		if err != nil {
			return
		}
		attrs := putAttr(nil, attrObject, "\x00\x00\x00\x09")
		if m.kind == ubusInvoke {
			r.mu.Lock()
			r.asked++
			attrs = putAttr(attrs, attrData, string(dumpOf(r.networks)))
			r.mu.Unlock()
		}
		said(ubusData, m.seq, attrs)
		said(ubusStatus, m.seq, putAttr(nil, attrStatus, "\x00\x00\x00\x00"))
	}
}

// dumpOf is what netifd answers.
func dumpOf(networks []Network) []byte {
	var list []byte
	for _, n := range networks {
		up := "\x00"
		if n.Up {
			up = "\x01"
		}
		table := putNamed(nil, blobString, "interface", n.Name+"\x00")
		table = putNamed(table, blobBool, "up", up)
		if n.Device != "" {
			table = putNamed(table, blobString, "l3_device", n.Device+"\x00")
		}
		list = putNamed(list, blobTable, "", string(table))
	}
	return putNamed(nil, blobArray, "interface", string(list))
}

func TestKernelNetworkIsFollowed(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 0))
	must(t, wantest.Veth("wan1", "isp1"), wantest.AddAddr("wan1", "84.1.0.2/24"))
	r := &router{}
	r.set(Network{"wan", "wan0", true}, Network{"lte", "", false})
	netifd := ubusd(t, r.speak)
	netifd.Want(false)
	<-netifd.changed
	w := &watch{t: t, states: Watch(t.Context(), quiet(t), netifd, nil)}
	w.until("the address", func(s State) bool { return has(s, "wan0", "84.0.0.2") })
	if r.times() > 0 || w.last.Networks != nil {
		t.Error("netifd was asked although nobody wants to know")
	}
	pinned := func(name, want string) {
		t.Helper()
		w.until(name+" with "+want, func(s State) bool {
			c := Choose(s, IPv4, Policy{Interface: name})
			return c.Addr.IsValid() && c.Addr.String()+" "+c.Device == want
		})
	}
	netifd.Want(true)
	pinned("wan", "84.0.0.2 wan0")
	r.set(Network{"wan", "wan0", true}, Network{"lte", "wan1", true}) // before the kernel announces
	must(t, wantest.AddAddr("wan1", "84.1.0.3/24"))
	pinned("lte", "84.1.0.2 wan1")
	netifd.Want(false)
	w.until("no networks", func(s State) bool { return s.Networks == nil })
}

func TestNetifdIsAskedAgainWhenItReturns(t *testing.T) {
	r := &router{}
	r.set(Network{"wan", "wan0", true})
	netifd := ubusd(t, r.speak)
	here := netifd.sockets
	netifd.sockets = []string{here[1] + ".late"}
	w := &watch{t: t, states: Watch(t.Context(), quiet(t), netifd, nil)}
	w.until("the trouble", func(s State) bool { return s.NoNetworks != "" })
	must(t, os.Rename(here[1], netifd.sockets[0]))
	w.until("the networks", func(s State) bool { return s.NoNetworks == "" && len(s.Networks) == 1 })
}

func TestChooseByInterface(t *testing.T) {
	s := world(at("wan0", "84.0.0.2/24"), at("wan1", "84.1.0.2/24"), by("wan0", 0))
	s.Networks = []Network{{"gone", "ppp9", true}, {"loopback", "lo", true}, {"lte", "", false}, {"wan", "wan0", true}, {"wanb", "wan1", true}}
	without := func(why string) State {
		t := s.clone()
		t.Networks, t.NoNetworks = nil, why
		return t
	}
	for _, c := range []struct {
		name  string
		state State
		want  string
	}{
		{"wan", s, "84.0.0.2 wan0 is the device of interface wan"},
		{"wanb", s, "84.1.0.2 wan1 is the device of interface wanb"},
		{"lte", s, " interface lte is not up; bring it up with: ifup lte"},
		{"wna", s, " there is no interface wna; choose from: gone, lte, wan, wanb"},
		{"gone", s, " ppp9, the device of interface gone, has no address; look at: ifstatus gone"},
		{"wan", without(""), " interface wan is not resolved yet; wait a moment"},
		{"wan", without("there is no ubus here; set device instead"), " interface wan cannot be resolved: there is no ubus here; set device instead"},
	} {
		choice := Choose(c.state, IPv4, Policy{Interface: c.name})
		addr := ""
		if choice.Addr.IsValid() {
			addr = choice.Addr.String()
		}
		if got := addr + " " + choice.Reason; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzParseNetworks(f *testing.F) {
	said := recorded(f, "netifd's dump")
	f.Add(said[len(said)-1].bytes[12+8+4:]) // behind header, object and data's own word
	f.Add(dumpOf([]Network{{"wan", "pppoe-wan", true}, {"lan", "", false}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		list := parseNetworks(b)
		for i, n := range list {
			if n.Name == "" || !bytes.Contains(b, []byte(n.Name)) || !bytes.Contains(b, []byte(n.Device)) {
				t.Fatalf("%+v is not in %x", n, b)
			}
			if i > 0 && list[i-1].Name >= n.Name {
				t.Fatalf("not in order: %+v", list)
			}
		}
	})
}

// script is a connection whose other side has said everything already.
type script struct {
	io.Reader
	io.Writer
}

func FuzzUbus(f *testing.F) {
	for _, title := range []string{"netifd's dump", "a user without permission", "without netifd"} {
		var said []byte
		for _, turn := range recorded(f, title) {
			if turn.server {
				said = append(said, turn.bytes...)
			}
		}
		f.Add(said)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		said := bytes.NewReader(b)
		answer, err := (&ubus{conn: script{said, io.Discard}}).call("network.interface", "dump", "")
		if err == nil && !bytes.Contains(b, answer) {
			t.Fatalf("%x is not in %x", answer, b)
		}
		if err != nil && (err.Error() == "" || strings.Contains(err.Error(), "\n")) {
			t.Fatalf("the error says %q", err)
		}
	})
}
