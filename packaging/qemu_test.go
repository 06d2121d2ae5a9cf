//go:build qemu

package packaging

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What the kernels of test machines often lack, on Debian's: the tests called
// TestQEMU of cmd/wandns, in a guest.
func TestInAGuest(t *testing.T) {
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	guest := filepath.Join(top, "dist/guest") // by make test-qemu
	kernel, err := filepath.Glob(filepath.Join(guest, "boot/vmlinuz-*"))
	if err != nil || len(kernel) != 1 {
		t.Fatalf("%d kernels in %s: %v; run: make test-qemu", len(kernel), guest, err)
	}
	release := strings.TrimPrefix(filepath.Base(kernel[0]), "vmlinuz-")
	modules := command(t, root, "modprobe", "-d", guest, "-S", release, "--show-depends", "-a", "virtio_pci", "9pnet_virtio", "9p", "overlay")
	initramfs := filepath.Join(t.TempDir(), "initramfs")
	if err := os.WriteFile(initramfs, archive(t, string(modules)), 0o600); err != nil {
		t.Fatal(err)
	}
	test := filepath.Join(t.TempDir(), "wandns.test")
	command(t, root, "go", "test", "-c", "-tags", "nethttpomithttp2,qemu", "-o", test, "./cmd/wandns")

	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "512",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", kernel[0], "-initrd", initramfs,
		"-append", fmt.Sprintf("console=ttyS0 quiet panic=-1 guest_script=%s/packaging/guest.sh guest_kernel=%s guest_dir=%s/cmd/wandns guest_test=%s", top, guest, top, test),
		"-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("the guest's tests: exit code 0")) {
		t.Fatalf("%v after %s; the guest says:\n%s", err, time.Since(began), out)
	}
	t.Logf("the guest, in %s:\n%s", time.Since(began), out)
}

// archive is the guest's first file system, in cpio's newc format. Modules are
// modprobe's "insmod FILE" lines.
func archive(t *testing.T, modules string) []byte {
	t.Helper()
	var b bytes.Buffer
	entry := func(name string, mode int, data []byte) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name + "\x00")
		pad(&b)
		b.Write(data)
		pad(&b)
	}
	file := func(name, from string, mode int) {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		entry(name, mode, data)
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	if program, err := elf.Open(busybox); err != nil || program.Section(".interp") != nil {
		t.Fatalf("%s is not linked statically: %v; install busybox-static", busybox, err)
	}
	for _, name := range []string{"bin", "proc", "host", "memory", "root"} {
		entry(name, 0o040755, nil)
	}
	file("bin/busybox", busybox, 0o100755)
	file("init", "guest-init.sh", 0o100755)
	list := "" // in order, each once
	for line := range strings.Lines(modules) {
		from := strings.Fields(line)[1]
		if name := filepath.Base(from); !strings.Contains(list, name+"\n") {
			list += name + "\n"
			file(name, from, 0o100644)
		}
	}
	entry("modules", 0o100644, []byte(list))
	entry("TRAILER!!!", 0, nil)
	return b.Bytes()
}

func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
