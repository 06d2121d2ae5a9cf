package wan

import (
	"encoding/binary"
	"errors"
	"strings"
)

// LogLine is a line of the system's log.
type LogLine struct {
	Time     uint64 `json:"time"` // in milliseconds since 1970
	Priority uint32 `json:"priority"`
	Msg      string `json:"msg"`
}

// SystemLog reads what a program wrote to the log that logd keeps.
func SystemLog(program string) ([]LogLine, error) {
	answer, err := NewNetifd().call("log", "read", putNamed(nil, blobBool, "stream", "\x00"))
	return parseLog(answer, program), err
}

// ConfigChanged tells procd that a configuration was replaced, as rpcd does after
// a commit.
func ConfigChanged(name string) error {
	args := putNamed(nil, blobString, "type", "config.change\x00")
	args = putNamed(args, blobTable, "data", string(putNamed(nil, blobString, "package", name+"\x00")))
	_, err := NewNetifd().call("service", "event", args)
	return err
}

func (n *Netifd) call(object, method string, args []byte) ([]byte, error) {
	socket := n.socket()
	if socket == "" {
		return nil, errors.New("there is no ubus here")
	}
	return callUbus(socket, object, method, string(args))
}

// parseLog reads logd's answer: {log: [{msg, time, priority, ...}]}.
func parseLog(answer []byte, program string) []LogLine {
	list := []LogLine{}
	for all := range attrs(answer) {
		for one := range attrs(all.data) {
			var l LogLine
			for a := range attrs(one.data) {
				switch {
				case a.name == "msg" && a.kind == blobString:
					l.Msg = a.text()
				case a.name == "time" && len(a.data) == 8:
					l.Time = binary.BigEndian.Uint64(a.data)
				case a.name == "priority" && len(a.data) == 4:
					l.Priority = binary.BigEndian.Uint32(a.data)
				}
			}
			if strings.HasPrefix(l.Msg, program+"[") || strings.HasPrefix(l.Msg, program+":") {
				list = append(list, l)
			}
		}
	}
	return list
}

// putNamed appends an attribute of a table.
func putNamed(b []byte, kind byte, name, data string) []byte {
	head := append(binary.BigEndian.AppendUint16(nil, uint16(len(name))), name...)
	head = append(head, 0)
	for len(head)%4 != 0 {
		head = append(head, 0)
	}
	start := len(b)
	b = putAttr(b, kind, string(head)+data)
	b[start] |= 0x80
	return b
}
