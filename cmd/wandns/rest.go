package main

import (
	"fmt"
	"math/bits"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
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

// rest gives memory back before nothing happens for a long time, in which the
// collector would run every two minutes: what the last request left, about a
// megabyte, and the pages of the program itself, which the kernel finds
// again in its cache, or on flash if somebody else needed the memory. To the
// kernel, pages that a process holds are the last to take.
func rest() {
	pages := programPages()
	if ours() {
		debug.SetGCPercent(-1)
	}
	debug.FreeOSMemory()
	for _, p := range pages {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, p.from, p.to-p.from, unix.MADV_DONTNEED) // they come back as they are on disk
	}
}

type pages struct{ from, to uintptr }

// programPages are those that nobody can have written to.
func programPages() (list []pages) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(maps)) {
		var p pages
		var may string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &p.from, &p.to, &may); err == nil && may[1] != 'w' && strings.HasSuffix(line, " "+program+"\n") {
			list = append(list, p)
		}
	}
	return list
}
