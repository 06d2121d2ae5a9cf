package main

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math"
	"slices"
)

// squeeze is deflate that takes its time: what routers download and keep is a
// twentieth smaller than the standard library makes it. It finds every useful
// match, then for each block the cheapest path through literals and matches by
// what they cost in the codes of the path before, a few times over.

const (
	window    = 1 << 15
	minMatch  = 3
	maxMatch  = 258
	depth     = 128     // matches looked at per position
	chunk     = 1 << 14 // the least a block is made of
	segment   = 1 << 20 // what matches are kept of at a time
	rounds    = 3
	endOfData = 256
)

// A match is as many bytes as some distance before.
type match struct{ length, distance uint16 }

// pressed is a part of what is to be packed, ready to be put in its place.
type pressed struct{ plain, squeezed []byte }

// squeeze makes blocks of deflate of its own, which end with a whole byte and
// can stand anywhere in a stream.
func squeeze(data []byte) (pressed, error) {
	var w bitWriter
	f := newFinder(data)
	for start := 0; start < len(data); start += segment {
		end := min(start+segment, len(data))
		f.find(start, end)
		for from := start; from < end; {
			to := f.blockEnd(from, end)
			h := f.histogram(from, to, usualCosts())
			for range rounds {
				h = f.histogram(from, to, h.costs())
			}
			w.block(data, from, f.path(from, to, h.costs()))
			from = to
		}
	}
	w.align()
	const end = "\x03\x00"
	back, err := io.ReadAll(flate.NewReader(bytes.NewReader(append(w.out, end...))))
	if err == nil && !bytes.Equal(back, data) {
		err = errors.New("squeezed data comes back different; this is a mistake in squeeze.go")
	}
	return pressed{data, w.out}, err
}

// deflate compresses data around the part that is there already.
func deflate(data []byte, part pressed) ([]byte, error) {
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	after := data
	if before, rest, ok := bytes.Cut(data, part.plain); ok && len(part.plain) > 0 {
		_, err = z.Write(before)
		err = errors.Join(err, z.Flush())
		b.Write(part.squeezed)
		z.Reset(&b) // forgets before, which is too far away now
		after = rest
	}
	_, more := z.Write(after)
	err = errors.Join(err, more, z.Close())
	return b.Bytes(), err
}

// finder knows the matches of a segment, for each position the nearest of each
// length that is longer than those nearer.
type finder struct {
	data    []byte
	last    []int32 // position by hash, less one
	before  []int32 // the one before with the same hash, by position in the window
	start   int
	first   []int32 // of a position's matches
	matches []match
}

func newFinder(data []byte) *finder {
	return &finder{data: data, last: make([]int32, 1<<16), before: make([]int32, window)}
}

func (f *finder) find(start, end int) {
	f.start, f.first, f.matches = start, f.first[:0], f.matches[:0]
	for i := start; i < end; i++ {
		f.first = append(f.first, int32(len(f.matches)))
		if i+minMatch > len(f.data) {
			continue
		}
		rest := f.data[i:min(i+maxMatch, len(f.data))]
		hash := (uint32(rest[0]) | uint32(rest[1])<<8 | uint32(rest[2])<<16) * 0x9e3779b1 >> 16
		best := minMatch - 1
		for at, n := int(f.last[hash])-1, 0; at >= 0 && i-at <= window && n < depth && best < len(rest); n++ {
			if there := f.data[at:]; there[best] == rest[best] {
				length := 0
				for length < len(rest) && there[length] == rest[length] {
					length++
				}
				if length > best {
					best = length
					f.matches = append(f.matches, match{uint16(length), uint16(i - at - 1)})
				}
			}
			next := int(f.before[at%window]) - 1
			if next >= at {
				break
			}
			at = next
		}
		f.before[i%window] = f.last[hash]
		f.last[hash] = int32(i + 1)
	}
	f.first = append(f.first, int32(len(f.matches)))
}

func (f *finder) at(i int) []match {
	return f.matches[f.first[i-f.start]:f.first[i-f.start+1]]
}

// blockEnd grows a block while one code for all costs less than two.
func (f *finder) blockEnd(from, end int) int {
	usual := usualCosts()
	to := min(from+chunk, end)
	all := f.histogram(from, to, usual)
	for to < end {
		more := f.histogram(to, min(to+chunk, end), usual)
		both := all
		both.add(&more)
		if both.size() > all.size()+more.size() {
			break
		}
		all, to = both, min(to+chunk, end)
	}
	return to
}

func (f *finder) histogram(from, to int, c costs) (h histogram) {
	h.count(f.data, from, f.path(from, to, c))
	return h
}

// path is the cheapest way from one position to another: the step to take at
// each, where a length of 1 is a literal.
func (f *finder) path(from, to int, c costs) []match {
	n := to - from
	cost := make([]float32, n+1)
	step := make([]match, n+1)
	for i := range cost[1:] {
		cost[i+1] = math.MaxFloat32
	}
	for i := range n {
		if v := cost[i] + c.literals[f.data[from+i]]; v < cost[i+1] {
			cost[i+1], step[i+1] = v, match{length: 1}
		}
		length := minMatch
		all := f.at(from + i)
		if len(all) > 0 && all[len(all)-1].length == maxMatch {
			length = min(maxMatch, n-i) // nothing is better, and long runs are quick
		}
		for _, m := range all {
			base := cost[i] + c.distances[distanceCode(m.distance)]
			for ; length <= int(m.length) && i+length <= n; length++ {
				if v := base + c.lengths[length]; v < cost[i+length] {
					cost[i+length], step[i+length] = v, match{uint16(length), m.distance}
				}
			}
		}
	}
	var path []match
	for i := n; i > 0; i -= int(step[i].length) {
		path = append(path, step[i])
	}
	slices.Reverse(path)
	return path
}
