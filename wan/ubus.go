package wan

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"time"
)

// This file is a client of ubus, OpenWrt's message bus, as far as it is
// needed: connect, look an object up, call a method.
//
// A message is a header of eight bytes (version, type, sequence, peer) and one
// attribute that holds others. An attribute is a word with flag, type and
// length, which counts the word, then that much data, padded to four bytes;
// all big-endian (libubox's blob.h, ubus' ubusmsg.h).

// ubusTime bounds a whole conversation; ubusMost, the protocol's own limit, a
// message; ubusMessages what else may arrive before an answer.
const (
	ubusTime     = 2 * time.Second
	ubusMost     = 1 << 20
	ubusMessages = 64
)

// enum ubus_msg_type.
const (
	ubusHello  = 0
	ubusStatus = 1
	ubusData   = 2
	ubusLookup = 4
	ubusInvoke = 5
)

// enum ubus_msg_attr.
const (
	attrStatus = 1
	attrPath   = 2
	attrObject = 3
	attrMethod = 4
	attrData   = 7
)

// enum blobmsg_type.
const (
	blobArray  = 1
	blobTable  = 2
	blobString = 3
	blobBool   = 7
)

// errUbus is a status other than success; its names are those of ubus(1).
type errUbus uint32

const (
	errUbusNotFound errUbus = 4
	errUbusDenied   errUbus = 6
)

func (e errUbus) Error() string {
	names := [...]string{"", "invalid command", "invalid argument", "method not found", "not found", "no response", "permission denied", "request timed out"}
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("status %d", uint32(e))
}

type ubus struct {
	conn io.ReadWriter
	seq  uint16
}

// callUbus calls a method with arguments, which are named attributes, and returns
// such.
func callUbus(socket, object, method, args string) ([]byte, error) {
	conn, err := (&net.Dialer{Timeout: ubusTime}).DialContext(context.Background(), "unix", socket)
	if err != nil {
		return nil, err
	}
	return converse(conn, object, method, args)
}

// converse calls over a connection, and closes it.
func converse(conn net.Conn, object, method, args string) ([]byte, error) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(ubusTime)); err != nil {
		return nil, err
	}
	return (&ubus{conn: conn}).call(object, method, args)
}

func (u *ubus) call(object, method, args string) ([]byte, error) {
	hello, err := u.receive()
	if err == nil && hello.kind != ubusHello {
		err = errors.New("it does not greet")
	}
	if err != nil {
		return nil, fmt.Errorf("it does not speak ubus: %w", err)
	}
	found, err := u.ask(ubusLookup, 0, putAttr(nil, attrPath, object+"\x00"))
	if err != nil {
		return nil, err
	}
	id := found[attrObject]
	if len(id) != 4 {
		return nil, errUbusDenied // objects without a method that this user may call are not shown
	}
	call := putAttr(nil, attrObject, string(id))
	call = putAttr(call, attrMethod, method+"\x00")
	call = putAttr(call, attrData, args)
	answer, err := u.ask(ubusInvoke, binary.BigEndian.Uint32(id), call)
	return answer[attrData], err
}

// ask sends a request and returns the attributes of its answer.
func (u *ubus) ask(kind byte, peer uint32, attrs []byte) (map[byte][]byte, error) {
	u.seq++
	b := binary.BigEndian.AppendUint16([]byte{0, kind}, u.seq)
	b = binary.BigEndian.AppendUint32(b, peer)
	if _, err := u.conn.Write(putAttr(b, 0, string(attrs))); err != nil {
		return nil, err
	}
	var answer map[byte][]byte
	for range ubusMessages {
		m, err := u.receive()
		switch {
		case err != nil:
			return nil, err
		case m.seq != u.seq:
		case m.kind == ubusData && answer == nil:
			answer = m.attrs()
		case m.kind == ubusStatus:
			status := m.attrs()[attrStatus]
			if len(status) != 4 {
				return nil, errors.New("ubus answered without a status")
			}
			if code := binary.BigEndian.Uint32(status); code != 0 {
				return nil, errUbus(code)
			}
			return answer, nil
		}
	}
	return nil, errors.New("ubus did not come to an end")
}

type ubusMessage struct {
	kind byte
	seq  uint16
	body []byte
}

func (u *ubus) receive() (ubusMessage, error) {
	var head [12]byte // with the outer attribute's word
	if _, err := io.ReadFull(u.conn, head[:]); err != nil {
		return ubusMessage{}, err
	}
	size := binary.BigEndian.Uint32(head[8:]) & attrLength
	if head[0] != 0 || size < 4 || size > ubusMost {
		return ubusMessage{}, fmt.Errorf("a message of version %d with %d bytes is none of ubus", head[0], size)
	}
	m := ubusMessage{kind: head[1], seq: binary.BigEndian.Uint16(head[2:]), body: make([]byte, size-4)}
	_, err := io.ReadFull(u.conn, m.body)
	return m, err
}

// attrs returns the first attribute of each type.
func (m ubusMessage) attrs() map[byte][]byte {
	found := map[byte][]byte{}
	for a := range attrs(m.body) {
		if _, ok := found[a.kind]; !ok {
			found[a.kind] = a.data
		}
	}
	return found
}

// blobAttr is an attribute; one inside a table has a name.
type blobAttr struct {
	kind byte
	name string
	data []byte
}

const (
	attrNamed  = 1 << 31
	attrLength = 1<<24 - 1
)

// attrs yields attributes up to the end, or to what cannot be one.
func attrs(b []byte) iter.Seq[blobAttr] {
	return func(yield func(blobAttr) bool) {
		for len(b) >= 4 {
			word := binary.BigEndian.Uint32(b)
			size := int(word & attrLength)
			if size < 4 || size > len(b) {
				return
			}
			a := blobAttr{kind: byte(word >> 24 & 0x7f), data: b[4:size]}
			if word&attrNamed != 0 && !a.takeName() {
				return
			}
			if !yield(a) {
				return
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}

// takeName splits off the name: its length in two bytes, its text, a zero byte,
// padded to four bytes.
func (a *blobAttr) takeName() bool {
	if len(a.data) < 2 {
		return false
	}
	n := int(binary.BigEndian.Uint16(a.data))
	end := (2 + n + 1 + 3) &^ 3
	if end > len(a.data) {
		return false
	}
	a.name, a.data = string(a.data[2:2+n]), a.data[end:]
	return true
}

// text is the value of a string, which ends with a zero byte.
func (a blobAttr) text() string {
	s, _, _ := bytes.Cut(a.data, []byte{0})
	return string(s)
}

// putAttr appends an attribute without a name.
func putAttr(b []byte, kind byte, data string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(kind)<<24|uint32(4+len(data)))
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
