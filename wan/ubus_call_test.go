package wan

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"slices"
	"testing"
)

// logOf is what logd answers (log_fill_entry in its logd.c).
func logOf(lines ...LogLine) []byte {
	var list []byte
	for _, l := range lines {
		one := putNamed(nil, blobString, "msg", l.Msg+"\x00")
		one = putNamed(one, 5, "id", "\x00\x00\x00\x01")
		one = putNamed(one, 5, "priority", string(binary.BigEndian.AppendUint32(nil, l.Priority)))
		one = putNamed(one, 4, "time", string(binary.BigEndian.AppendUint64(nil, l.Time)))
		list = putNamed(list, blobTable, "", string(one))
	}
	return putNamed(nil, blobArray, "log", string(list))
}

// Of the system's log nobody sees what others wrote.
func TestLogOfOneProgram(t *testing.T) {
	said := []LogLine{{1772000000123, 30, "wandns[1]: x"}, {0, 0, ""}, {1, 1, "wandnsx: x"}, {2, 2, "dropbear[1]: wandns: x"}, {3, 3, "wandns: not started"}, {4, 4, "wandns"}}
	want := []LogLine{said[0], said[4]}
	var asked []string
	n := ubusd(t, func(c net.Conn) {
		send := func(kind byte, seq uint16, attrs []byte) {
			c.Write(putAttr(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16([]byte{0, kind}, seq), 7), 0, string(attrs)))
		}
		send(ubusHello, 0, nil)
		u := &ubus{conn: c}
		for m, err := u.receive(); err == nil; m, err = u.receive() {
			attrs := putAttr(nil, attrObject, "\x00\x00\x00\x09")
			if m.kind == ubusInvoke {
				asked = append(asked, hex.EncodeToString(m.attrs()[attrData]))
				attrs = putAttr(attrs, attrData, string(logOf(said...)))
			}
			send(ubusData, m.seq, attrs)
			send(ubusStatus, m.seq, putAttr(nil, attrStatus, "\x00\x00\x00\x00"))
		}
	})
	answer, err := n.call("log", "read", putNamed(nil, blobBool, "stream", "\x00"))
	must(t, err)
	if got := parseLog(answer, "wandns"); !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	// As ubus(1) sends {"stream":false}.
	if sent := "87000011000673747265616d00000000" + "00000000"; len(asked) != 1 || asked[0] != sent {
		t.Errorf("asked %v, want %s", asked, sent)
	}
}

func FuzzParseLog(f *testing.F) {
	f.Add(logOf(LogLine{1, 2, "a[1]"}, LogLine{3, 4, "b"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if list := parseLog(b, "a"); len(list) > len(b)/4+1 {
			t.Errorf("%d lines in %d bytes", len(list), len(b))
		}
	})
}
