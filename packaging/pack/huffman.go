package main

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// The codes of deflate: RFC 1951.

const (
	literalCodes  = 286
	distanceCodes = 30
)

// lengthCode gives the symbol of a length, and the bits that follow it.
func lengthCode(length int) (code, extra, value int) {
	switch n := length - minMatch; {
	case length == maxMatch:
		return 285, 0, 0
	case n < 8:
		return 257 + n, 0, 0
	default:
		extra = bits.Len(uint(n)) - 3
		return 257 + extra*4 + n>>extra, extra, n & (1<<extra - 1)
	}
}

// distanceCode takes a distance less one.
func distanceCode(d uint16) int {
	if d < 4 {
		return int(d)
	}
	extra := bits.Len16(d) - 2
	return extra*2 + int(d>>extra)
}

func distanceExtra(code int) int { return max(0, code/2-1) }

// costs is what a step costs, in bits.
type costs struct {
	literals  [256]float32
	lengths   [maxMatch + 1]float32
	distances [distanceCodes]float32
}

func usualCosts() (c costs) {
	for i := range c.literals {
		c.literals[i] = 8
	}
	for length := minMatch; length <= maxMatch; length++ {
		_, extra, _ := lengthCode(length)
		c.lengths[length] = 7 + float32(extra)
	}
	for i := range c.distances {
		c.distances[i] = 5 + float32(distanceExtra(i))
	}
	return c
}

// histogram counts how often a block uses each symbol.
type histogram struct {
	literals  [literalCodes]int
	distances [distanceCodes]int
}

func (h *histogram) count(data []byte, at int, path []match) {
	*h = histogram{}
	h.literals[endOfData] = 1
	for _, m := range path {
		if m.length == 1 {
			h.literals[data[at]]++
		} else {
			code, _, _ := lengthCode(int(m.length))
			h.literals[code]++
			h.distances[distanceCode(m.distance)]++
		}
		at += int(m.length)
	}
}

func (h *histogram) add(more *histogram) {
	for i, n := range more.literals {
		h.literals[i] += n
	}
	for i, n := range more.distances {
		h.distances[i] += n
	}
	h.literals[endOfData] = 1
}

func (h *histogram) costs() (c costs) {
	literals, distances := entropy(h.literals[:]), entropy(h.distances[:])
	copy(c.literals[:], literals)
	for length := minMatch; length <= maxMatch; length++ {
		code, extra, _ := lengthCode(length)
		c.lengths[length] = literals[code] + float32(extra)
	}
	for i := range c.distances {
		c.distances[i] = distances[i] + float32(distanceExtra(i))
	}
	return c
}

// size estimates the block's codes and symbols, in bits.
func (h *histogram) size() (n float32) {
	for _, list := range [][]int{h.literals[:], h.distances[:]} {
		cost := entropy(list)
		for i, times := range list {
			if times > 0 {
				n += float32(times)*cost[i] + 4
			}
		}
	}
	return n
}

// entropy is what symbols cost that come so often; one that never came costs
// as much as one that came once.
func entropy(times []int) []float32 {
	total := 0
	for _, n := range times {
		total += n
	}
	cost := make([]float32, len(times))
	for i, n := range times {
		cost[i] = float32(math.Log2(float64(max(total, 2))) - math.Log2(float64(max(n, 1))))
	}
	return cost
}

// codeLengths are those of the best prefix code without one over limit, by
// package-merge. A code has two symbols at least, since decoders want that.
func codeLengths(times []int, limit int) []uint8 {
	type parcel struct {
		times   int
		symbols []uint16
	}
	var leaves []parcel
	for i, n := range times {
		if n > 0 {
			leaves = append(leaves, parcel{n, []uint16{uint16(i)}})
		}
	}
	for i := 0; len(leaves) < 2; i++ {
		if times[i] == 0 {
			leaves = append(leaves, parcel{1, []uint16{uint16(i)}})
		}
	}
	byTimes := func(a, b parcel) int { return cmp.Compare(a.times, b.times) }
	slices.SortStableFunc(leaves, byTimes)
	list := leaves
	for range limit - 1 {
		var merged []parcel
		for i := 0; i+1 < len(list); i += 2 {
			merged = append(merged, parcel{list[i].times + list[i+1].times, slices.Concat(list[i].symbols, list[i+1].symbols)})
		}
		list = append(merged, leaves...)
		slices.SortStableFunc(list, byTimes)
	}
	lengths := make([]uint8, len(times))
	for _, p := range list[:2*len(leaves)-2] {
		for _, s := range p.symbols {
			lengths[s]++
		}
	}
	return lengths
}

// codes are the bits of each symbol, in the order in which they are written.
func codes(lengths []uint8) []uint16 {
	var next, count [17]uint16
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	for n := 1; n < len(next); n++ {
		next[n] = (next[n-1] + count[n-1]) << 1
	}
	list := make([]uint16, len(lengths))
	for i, n := range lengths {
		if n > 0 {
			list[i] = bits.Reverse16(next[n]) >> (16 - n)
			next[n]++
		}
	}
	return list
}
