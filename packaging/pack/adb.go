package main

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
)

// ADB is apk's format since version 3: a file is a schema and blocks, the first
// a tree of values, then its signatures, then the content of files. A value is
// a word: four bits of type, and in the others a number or where in the tree
// the rest is. Objects and arrays are numbered slots, the first of which says
// how many there are. apk-tools' doc/apk-v3.5.scd and src/adb.c define it.

type value uint32

const (
	typeInt    = 0x1 << 28
	typeInt32  = 0x2 << 28
	typeBlob8  = 0x8 << 28
	typeBlob16 = 0x9 << 28
	typeBlob32 = 0xa << 28
	typeArray  = 0xd << 28
	typeObject = 0xe << 28

	schemaPackage = "pckg"
	schemaIndex   = "indx"

	blockTree, blockSignature, blockData = 0, 1, 2

	treeHeader = 8 // two versions, two bytes of nothing, the root's word
)

var le = binary.LittleEndian //nolint:gochecknoglobals // a short name

// tree is the first block while it grows.
type tree struct {
	b    []byte
	seen map[string]value // what is there already is not written again
}

func newTree() *tree { return &tree{b: make([]byte, treeHeader), seen: make(map[string]value)} }

// put writes data at a multiple of align.
func (t *tree) put(kind value, data []byte, align int) value {
	key := string(le.AppendUint32(nil, uint32(kind))) + string(data)
	if v, ok := t.seen[key]; ok {
		return v
	}
	for len(t.b)%align != 0 {
		t.b = append(t.b, 0)
	}
	v := kind | value(len(t.b))
	t.b = append(t.b, data...)
	t.seen[key] = v
	return v
}

func (t *tree) blob(s string) value {
	switch n := len(s); {
	case n == 0:
		return 0
	case n < 1<<8:
		return t.put(typeBlob8, append([]byte{byte(n)}, s...), 1)
	case n < 1<<16:
		return t.put(typeBlob16, append(le.AppendUint16(nil, uint16(n)), s...), 2)
	default:
		return t.put(typeBlob32, append(le.AppendUint32(nil, uint32(n)), s...), 4)
	}
}

// number takes what fits into 32 bits: sizes, modes and times until 2106.
func (t *tree) number(n int64) value {
	if n < 1<<28 {
		return typeInt | value(n)
	}
	return t.put(typeInt32, le.AppendUint32(nil, uint32(n)), 4)
}

func (t *tree) object(slots ...value) value { return t.slots(typeObject, slots) }
func (t *tree) array(slots ...value) value  { return t.slots(typeArray, slots) }

func (t *tree) slots(kind value, slots []value) value {
	for len(slots) > 0 && slots[len(slots)-1] == 0 {
		slots = slots[:len(slots)-1]
	}
	if len(slots) == 0 {
		return 0
	}
	data := le.AppendUint32(nil, uint32(len(slots)+1))
	for _, s := range slots {
		data = le.AppendUint32(data, uint32(s))
	}
	return t.put(kind, data, 4)
}

func (t *tree) root(v value) { le.PutUint32(t.b[4:], uint32(v)) }

// block appends a block; the size in its header is without the padding.
func block(b []byte, kind uint32, parts ...[]byte) []byte {
	payload := bytes.Join(parts, nil)
	b = le.AppendUint32(b, kind<<30|uint32(4+len(payload)))
	b = append(b, payload...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

// signed begins a file: its header, the tree and a signature by key.
func (t *tree) signed(schema string, key apkKey) ([]byte, error) {
	const version, hashSHA512 = 0, 4
	head := append([]byte{version, hashSHA512}, key.id()...)
	sum := sha512.Sum512(t.b)
	sig, err := key.sign(bytes.Join([][]byte{[]byte(schema), head, sum[:]}, nil))
	if err != nil {
		return nil, err
	}
	b := block([]byte("ADB."+schema), blockTree, t.b)
	return block(b, blockSignature, head, sig), nil
}

// stored is a file as apk keeps and reads it.
func stored(file []byte) ([]byte, error) {
	raw, err := deflate(file)
	return append([]byte("ADBd"), raw...), err
}
