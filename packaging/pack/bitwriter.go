package main

// bitWriter writes blocks of deflate, lowest bit first.
type bitWriter struct {
	out  []byte
	hold uint64
	n    int
}

func (w *bitWriter) put(v uint32, n int) {
	w.hold |= uint64(v) << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.hold))
		w.hold >>= 8
	}
}

// align ends with an empty stored block.
func (w *bitWriter) align() {
	w.put(0, 3)
	w.put(0, (8-w.n)%8)
	w.out = append(w.out, 0, 0, 0xff, 0xff)
}

// block writes a block, not the last one, with codes of its own.
func (w *bitWriter) block(data []byte, at int, path []match) {
	var h histogram
	h.count(data, at, path)
	literalLengths, distanceLengths := codeLengths(h.literals[:], 15), codeLengths(h.distances[:], 15)
	w.put(0b100, 3)
	w.lengths(literalLengths, distanceLengths)
	literals, distances := codes(literalLengths), codes(distanceLengths)
	literal := func(s int) { w.put(uint32(literals[s]), int(literalLengths[s])) }
	for _, m := range path {
		if m.length == 1 {
			literal(int(data[at]))
			at++
			continue
		}
		code, extra, value := lengthCode(int(m.length))
		literal(code)
		w.put(uint32(value), extra)
		code = distanceCode(m.distance)
		w.put(uint32(distances[code]), int(distanceLengths[code]))
		extra = distanceExtra(code)
		w.put(uint32(m.distance)&(1<<extra-1), extra)
		at += int(m.length)
	}
	literal(endOfData)
}

// lengths writes the lengths of both codes, repetitions shortened, in a code of
// their own.
func (w *bitWriter) lengths(literals, distances []uint8) {
	const again, zeros, manyZeros = 16, 17, 18
	trim := func(list []uint8, least int) []uint8 {
		for len(list) > least && list[len(list)-1] == 0 {
			list = list[:len(list)-1]
		}
		return list
	}
	literals, distances = trim(literals, 257), trim(distances, 1)
	all := append(append([]uint8{}, literals...), distances...)
	type item struct {
		symbol uint8
		value  uint32
		extra  int
	}
	var items []item
	for i := 0; i < len(all); {
		run := 1
		for i+run < len(all) && all[i+run] == all[i] {
			run++
		}
		switch {
		case all[i] == 0 && run >= 11:
			run = min(run, 138)
			items = append(items, item{manyZeros, uint32(run - 11), 7})
		case all[i] == 0 && run >= 3:
			items = append(items, item{zeros, uint32(run - 3), 3})
		case i > 0 && all[i] == all[i-1] && run >= 3:
			run = min(run, 6)
			items = append(items, item{again, uint32(run - 3), 2})
		default:
			run = 1
			items = append(items, item{symbol: all[i]})
		}
		i += run
	}
	times := make([]int, 19)
	for _, it := range items {
		times[it.symbol]++
	}
	lengths := codeLengths(times, 7)
	order := [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	n := len(order)
	for n > 4 && lengths[order[n-1]] == 0 {
		n--
	}
	w.put(uint32(len(literals)-257), 5)
	w.put(uint32(len(distances)-1), 5)
	w.put(uint32(n-4), 4)
	for _, s := range order[:n] {
		w.put(uint32(lengths[s]), 3)
	}
	code := codes(lengths)
	for _, it := range items {
		w.put(uint32(code[it.symbol]), int(lengths[it.symbol]))
		w.put(it.value, it.extra)
	}
}
