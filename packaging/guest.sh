#!/bin/sh
# Runs in the guest, among the host's files; what is mounted on the host is not
# mounted here. The kernel's command line has set the guest_* variables.
# shellcheck disable=SC2154
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/run WANDNS_CI=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mkdir -p /lib/modules
ln -s "$guest_kernel"/lib/modules/* /lib/modules/
modprobe -a pppoe wireguard 8021q veth
if cd "$guest_dir"; then
	"$guest_test" -test.v -test.run '^TestQEMU'
	echo "the guest's tests: exit code $?"
fi
echo o >/proc/sysrq-trigger # the power is off a moment later
sleep 60
