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
	debug.FreeOSMemory()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		var may string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &may); err != nil || may[1] == 'w' || !strings.HasSuffix(line, " "+program+"\n") {
			continue
		}
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED) // it is read-only: nothing can be lost
	}
}
