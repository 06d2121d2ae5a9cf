package persist

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"slices"
)

// pages are those of a bbolt database, read without bbolt: that follows what
// they say in mapped memory, where a wrong number is a fault or a loop, and not
// an error. Here each page is read once, and nothing beyond the end.
type pages struct {
	all  []byte
	size int // of one
	read map[uint64]bool
}

// bbolt's, whose numbers are in the order of the machine's bytes.
const (
	headSize   = 16 // id, 8 bytes; flags, 2; count, 2; overflow
	elemSize   = 16 // of a branch: pos, size of the key, id; of a leaf: flags, pos, sizes
	bucketSize = 16 // page, sequence

	branchPage   = 1
	leafPage     = 2
	bucketInLeaf = 1
	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	leastPage    = 512 // this package's
)

var errPages = errors.New("damaged: its pages make no sense")

// buckets calls get with everything in the named buckets, which must be there.
// It may panic where a number leads beyond the end.
func (p *pages) buckets(names [][]byte, get func(name, key, value []byte) error) error {
	root, err := p.root()
	if err != nil {
		return err
	}
	p.read = map[uint64]bool{}
	found := 0
	err = p.page(root, func(flags uint32, name, v []byte) error {
		i := slices.IndexFunc(names, func(n []byte) bool { return bytes.Equal(n, name) })
		if i < 0 { // a later version's
			return nil
		}
		if flags != bucketInLeaf {
			return errPages
		}
		found |= 1 << i
		each := func(flags uint32, key, value []byte) error {
			if flags != 0 {
				return errPages
			}
			return get(names[i], key, value)
		}
		if id := binary.NativeEndian.Uint64(v); id != 0 {
			return p.page(id, each)
		}
		return leaf(v[bucketSize:], each)
	})
	if err == nil && found != 1<<len(names)-1 {
		err = errors.New("damaged: it holds something else")
	}
	return err
}

// root finds the first page of the newer of two sound descriptions: one at the
// beginning and one in the next page.
func (p *pages) root() (id uint64, err error) {
	var newest uint64
	err = errPages
	for at := 0; at <= 1<<16 && at < len(p.all); at = max(2*at, leastPage) {
		m := p.all[at+headSize:][:64]
		sum := fnv.New64a()
		sum.Write(m[:56])
		size := binary.NativeEndian.Uint32(m[8:])
		if binary.NativeEndian.Uint32(m) != metaMagic || binary.NativeEndian.Uint32(m[4:]) != metaVersion ||
			binary.NativeEndian.Uint64(m[56:]) != sum.Sum64() || size < leastPage || int64(size) > int64(len(p.all)) {
			continue
		}
		if age := binary.NativeEndian.Uint64(m[48:]); err != nil || age > newest {
			p.size, id, newest, err = int(size), binary.NativeEndian.Uint64(m[16:]), age, nil
		}
	}
	return id, err
}

// page calls get with every entry of a page and those below it.
func (p *pages) page(id uint64, get func(flags uint32, key, value []byte) error) error {
	if p.read[id] || id > uint64(len(p.all)/p.size) {
		return errPages
	}
	p.read[id] = true
	b := p.all[int(id)*p.size:]
	switch binary.NativeEndian.Uint16(b[8:]) {
	case leafPage:
		size := (1 + int64(binary.NativeEndian.Uint32(b[12:]))) * int64(p.size)
		if size > int64(len(b)) {
			return errPages
		}
		return leaf(b[:size], get)
	case branchPage:
		for i := range int(binary.NativeEndian.Uint16(b[10:])) {
			if err := p.page(binary.NativeEndian.Uint64(b[headSize+i*elemSize+8:]), get); err != nil {
				return err
			}
		}
		return nil
	}
	return errPages
}

// leaf calls get with every entry of a page without others below. They may not
// take more than there is of it.
func leaf(b []byte, get func(flags uint32, key, value []byte) error) error {
	room := int64(len(b))
	for i := range int(binary.NativeEndian.Uint16(b[10:])) {
		e := b[headSize+i*elemSize:]
		word := func(i int) uint32 { return binary.NativeEndian.Uint32(e[4*i:]) }
		at, key, value := int64(word(1)), int64(word(2)), int64(word(3))
		if room -= key + value; at+key+value > int64(len(e)) || room < 0 {
			return errPages
		}
		if err := get(word(0), e[at:at+key], e[at+key:at+key+value]); err != nil {
			return err
		}
	}
	return nil
}
