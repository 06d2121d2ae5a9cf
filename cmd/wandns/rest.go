package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// rest gives memory back before nothing happens for a long time: what the last
// request left, and the pages of the program itself, which the kernel finds
// again in its cache, or on flash if somebody else needed the memory. To the
// kernel, pages that a process holds are the last to take.
func rest() {
	pages := programPages()
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
