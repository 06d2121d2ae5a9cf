#!/bin/busybox sh
# The guest's first program, in its initramfs: it makes the host's files its
# own, to read them, and to write in memory.
# shellcheck shell=dash
set -e
bb=/bin/busybox
$bb mount -t proc proc /proc
while read -r module; do $bb insmod "$module"; done </modules
$bb mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro host /host
$bb mount -t tmpfs tmpfs /memory
$bb mkdir /memory/upper /memory/work
$bb mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work overlay /root
$bb umount /proc
# The kernel's command line has set guest_script.
# shellcheck disable=SC2154
exec $bb switch_root /root /bin/sh "$guest_script"
