package main

import "golang.org/x/sys/unix"

const firstCall = 0 // of the machine's numbers

//nolint:gochecknoglobals // a constant table
var callsOfMachine = []uint16{
	unix.SYS_FCNTL64, unix.SYS_FSTAT64, unix.SYS_FSTATAT64, unix.SYS_FSTATFS64, unix.SYS_STATFS64, unix.SYS_STAT64, unix.SYS_LSTAT64,
	unix.SYS_FTRUNCATE64, unix.SYS_MMAP2, unix.SYS__LLSEEK, unix.SYS_FUTEX_TIME64, unix.SYS_CLOCK_GETTIME64, unix.SYS_TIMER_SETTIME64,
	unix.SYS_TIMERFD_SETTIME64, unix.SYS_SIGRETURN, unix.SYS_OPEN, unix.SYS_ACCESS, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_RENAME, unix.SYS_UNLINK,
	unix.SYS_EPOLL_WAIT, unix.SYS_RENAMEAT, unix.SYS_GETUID32, unix.SYS_GETEUID32, unix.SYS_GETGID32, unix.SYS_GETEGID32, unix.SYS_MMAP,
	unix.SYS_SOCKETCALL, unix.SYS_SET_THREAD_AREA,
}
