//go:build mips64 || mips64le

package main

import "golang.org/x/sys/unix"

const firstCall = 5000 // of the machine's numbers

//nolint:gochecknoglobals // a constant table
var callsOfMachine = []uint16{
	unix.SYS_OPEN, unix.SYS_ACCESS, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_RENAME, unix.SYS_UNLINK, unix.SYS_EPOLL_WAIT, unix.SYS_RENAMEAT,
	unix.SYS_MMAP, unix.SYS_NEWFSTATAT,
}
