package main

import (
	"math/bits"
	"os"
	"runtime/debug"
)

// ours reports whether the collector is ours to steer: the environment may say
// otherwise.
func ours() bool { return os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" }

// toil makes the collector run often until the next rest: what lasts then lies
// together, not in pieces between what a large configuration or many requests
// leave. The limit, of 12 MiB or 16, is for what no one foresaw.
func toil() {
	if ours() {
		debug.SetGCPercent(50)
		debug.SetMemoryLimit(8<<20 + 4<<20*bits.UintSize/32)
	}
}

// rest gives back what the last request left, about a megabyte, before nothing
// happens for a long time, in which the collector would run every two minutes.
func rest() {
	if ours() {
		debug.SetGCPercent(-1)
	}
	debug.FreeOSMemory()
}
