package updater

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"wandns/updater/safefile"
)

// ReadClock returns what reads the kernel's clocks. In a folder of root's it finds
// what the hotplug script of NTP has left.
func ReadClock(folder string) func() Reading {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without it no boot is known again
	boot := strings.TrimSpace(string(b))
	return func() Reading {
		r := Reading{Wall: time.Now()}
		var up unix.Timespec
		if boot != "" && unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) == nil {
			r.Boot, r.Up = boot, time.Duration(up.Nano())
		}
		r.Synced = synced() || answered(filepath.Join(folder, ntpName), r.Boot)
		return r
	}
}

// synced reports that the clock is kept right, as the kernel was told or
// OpenWrt remembers: busybox's ntpd tells the kernel from version 1.38 on only.
func synced() bool {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err == nil && t.Status&unix.STA_UNSYNC == 0 {
		return true
	}
	_, err := os.Stat("/var/state/dnsmasqsec") // dnsmasq's, at the first answer of NTP since the boot
	return err == nil
}

// ntpName is the file that names the boot in which NTP has answered.
const ntpName = "ntp"

func answered(mark, boot string) bool {
	f, err := safefile.ReadNoFollow(context.Background(), mark, 64)
	return err == nil && boot != "" && strings.TrimSpace(f.Text) == boot
}

// ClockSteps tells when somebody sets the clock, and when the machine wakes
// from sleep, until ctx ends. Between that nothing wakes up.
func ClockSteps(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	timer := os.NewFile(uintptr(fd), "clock")
	far := unix.ItimerSpec{Value: unix.Timespec{Sec: 1<<31 - 1}} // all that 32 bits hold
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &far, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("watch the clock: %w", err), timer.Close())
	}
	steps := make(chan struct{}, 1)
	context.AfterFunc(ctx, func() { timer.Close() })
	go func() {
		for ticks := make([]byte, 8); ; {
			if _, err := timer.Read(ticks); err != nil && !errors.Is(err, unix.ECANCELED) {
				return
			}
			select {
			case steps <- struct{}{}:
			default: // one is enough
			}
		}
	}()
	return steps, nil
}
