#!/bin/busybox sh
# The first program of a guest with as little memory as the oldest boards.
# shellcheck shell=dash
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t devtmpfs devtmpfs /dev
while read -r module; do $bb insmod "/$module"; done </modules
until [ -b /dev/sda ]; do $bb sleep 0.1; done
$bb mount -t ext4 -o ro /dev/sda /root
$bb grep MemTotal /proc/meminfo
/root/wandns version && /root/wandns check --config /root/wandns.toml && echo "the guest is done"
echo o >/proc/sysrq-trigger # the power is off a moment later
$bb sleep 60
