package main

import (
	"bytes"
	"compress/flate"
	"math/rand/v2"
	"testing"
)

func TestSqueeze(t *testing.T) {
	noise := make([]byte, 100_000)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(noise)
	skewed := make([]byte, 300_000) // codes longer than the format allows
	for i, n := 0, 1; i < len(skewed); n++ {
		for range min(1<<min(n, 17), len(skewed)-i) {
			skewed[i] = byte(n)
			i++
		}
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "a byte": {7}, "two": {7, 7}, "zeros": make([]byte, segment+chunk+1), "noise": noise, "skewed": skewed,
		"text": bytes.Repeat([]byte("the quick brown fox"), 5000), "far": append(append(append([]byte{}, noise[:window]...), noise[:100]...), noise[:window]...),
	} {
		got, err := squeeze(data) // which compares what comes back
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var plain bytes.Buffer
		w, err := flate.NewWriter(&plain, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		w.Close()
		if len(got.squeezed) > plain.Len()+len(data)/500+64 {
			t.Errorf("%s: %d bytes, the standard library makes %d", name, len(got.squeezed), plain.Len())
		}
	}
}

func FuzzSqueeze(f *testing.F) {
	f.Add([]byte("abcabcabcabcabc"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := squeeze(data); err != nil {
			t.Error(err)
		}
	})
}
