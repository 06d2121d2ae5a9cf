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
	"slices"
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
	kernel := one(t, filepath.Join(guest, "boot/vmlinuz-*"))
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	var a archive
	a.system(t, busybox, "guest-init.sh", "host", "memory")
	a.modules(t, guest, "modules", "virtio_pci", "9pnet_virtio", "9p", "overlay")
	initramfs := a.save(t)
	test := filepath.Join(t.TempDir(), "wandns.test")
	command(t, root, "go", "test", "-c", "-tags", "qemu", "-o", test, "./cmd/wandns")

	began := time.Now()
	ctx, cancel := patient(t)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "512",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", kernel, "-initrd", initramfs,
		"-append", fmt.Sprintf("console=ttyS0 quiet panic=-1 guest_script=%s/packaging/guest.sh guest_kernel=%s guest_dir=%s/cmd/wandns guest_test=%s", top, guest, top, test),
		"-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("the guest's tests: exit code 0")) {
		t.Fatalf("%v after %s; the guest says:\n%s", err, time.Since(began), out)
	}
	t.Logf("the guest, in %s:\n%s", time.Since(began), out)
}

// archive is a guest's first file system, in cpio's newc format.
type archive struct {
	bytes.Buffer
	names []string
}

func (a *archive) entry(name string, mode int, data []byte) {
	if slices.Contains(a.names, name) {
		return
	}
	a.names = append(a.names, name)
	fmt.Fprintf(a, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	a.WriteString(name + "\x00")
	a.pad()
	a.Write(data)
	a.pad()
}

func (a *archive) pad() {
	for a.Len()%4 != 0 {
		a.WriteByte(0)
	}
}

func (a *archive) file(t *testing.T, name, from string, mode int) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	a.entry(name, mode, data)
}

// system is a shell and what it is to do, with places to mount to.
func (a *archive) system(t *testing.T, busybox, script string, dirs ...string) {
	t.Helper()
	if program, err := elf.Open(busybox); err != nil || program.Section(".interp") != nil {
		t.Fatalf("%s is not linked statically: %v; install busybox-static", busybox, err)
	}
	for _, name := range append(dirs, "bin", "proc", "root") {
		a.entry(name, 0o040755, nil)
	}
	a.file(t, "bin/busybox", busybox, 0o100755)
	a.file(t, "init", script, 0o100755)
}

// modules are drivers with what they need, and a list of them in order.
func (a *archive) modules(t *testing.T, guest, list string, names ...string) {
	t.Helper()
	release := filepath.Base(one(t, filepath.Join(guest, "lib/modules/*")))
	out := command(t, root, "modprobe", append([]string{"-d", guest, "-S", release, "--show-depends", "-a"}, names...)...)
	var files strings.Builder
	for line := range strings.Lines(string(out)) {
		from, ok := strings.CutPrefix(strings.TrimSpace(line), "insmod ")
		if !ok {
			continue // it is in the kernel
		}
		if name := filepath.Base(from); !strings.Contains("\n"+files.String(), "\n"+name+"\n") {
			a.file(t, name, from, 0o100644)
			fmt.Fprintln(&files, name)
		}
	}
	a.entry(list, 0o100644, []byte(files.String()))
}

// save writes what there is so far.
func (a *archive) save(t *testing.T) string {
	t.Helper()
	var end archive
	end.entry("TRAILER!!!", 0, nil)
	name := filepath.Join(t.TempDir(), "initramfs")
	if err := os.WriteFile(name, slices.Concat(a.Bytes(), end.Bytes()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// patient ends shortly before the tests' time is over, so that they still tell
// what a guest said that hangs. A guest has no time of its own: an emulated
// processor is as slow as it likes.
func patient(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	end, ok := t.Deadline()
	if !ok {
		return context.WithCancel(t.Context())
	}
	return context.WithDeadline(t.Context(), end.Add(-10*time.Second))
}

// one is the only file of a pattern.
func one(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files are %s: %v; run: make test-qemu", len(files), pattern, err)
	}
	return files[0]
}
