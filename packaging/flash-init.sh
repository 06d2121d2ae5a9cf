#!/bin/busybox sh
# The first program of a guest with flash: wandns' store, on the overlay that
# OpenWrt has, while the power is cut. The kernel's command line has set the
# flash_* variables.
# shellcheck shell=dash disable=SC2154
set -e
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs devtmpfs /dev
$bb mount -t debugfs debugfs /sys/kernel/debug
$bb mount -t tmpfs tmpfs /tmp
modules() { while read -r module; do $bb insmod "$module" || true; done <"/$1"; }
modules overlay.modules

# work DEVICE: the store's own end is the power's.
work() {
	$bb mount -t "$flash_type" "$1" /flash
	$bb mkdir -p /flash/upper /flash/work
	$bb mount -t overlay -o lowerdir=/lower,upperdir=/flash/upper,workdir=/flash/work overlay /root
	[ -z "$2" ] || "$2"
	WANDNS_FLASH=/root/wandns /persist.test -test.v -test.run '^TestQEMUFlash$'
}

case $flash_type in
jffs2)
	modules jffs2.modules
	printf flash,0x8000000,2Mi,64ki >/sys/module/phram/parameters/phram
	work mtd0
	;;
ubifs)
	$bb insmod mtdram.ko total_size=4096 erase_size=16
	$bb cat /ubi.image >/dev/mtd0
	ubi=/sys/kernel/debug/ubi/ubi0/tst_emulate_power_cut
	cut() { # before one of the next headers is written
		echo "$n" >"${ubi}_min"
		echo "$((n + 3))" >"${ubi}_max"
		echo 3 >"$ubi"
	}
	n=0
	while [ $n -le "$flash_cuts" ]; do
		$bb insmod ubi.ko mtd=0
		modules ubifs.modules 2>/dev/null
		work ubi0:state cut
		$bb umount /root
		$bb umount /flash
		$bb rmmod ubifs
		$bb rmmod ubi
		n=$((n + 1))
	done
	;;
ext4 | f2fs)
	modules disk.modules
	modules "$flash_type.modules"
	until [ -b /dev/sda ]; do $bb sleep 0.1; done
	work /dev/sda
	;;
esac
echo "the guest is done"
echo o >/proc/sysrq-trigger
$bb sleep 60
