//go:build qemu

package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The kernel of a board with 32 MB lets the router's program start. It refuses
// one that reserves as much as there is, which Go's own crypto does: see the
// Makefile. Debian's kernel leaves of 40 MB what OpenWrt's leaves of 32.
func TestSmallBoard(t *testing.T) {
	guest, err := filepath.Abs(filepath.Join(root, "dist/guest-mipsel")) // by make test-qemu
	if err != nil {
		t.Fatal(err)
	}
	command(t, root, "make", "-s", "mipsle")
	var a archive
	a.system(t, filepath.Join(guest, "bin/busybox"), "small-init.sh", "dev")
	a.modules(t, guest, "modules", "ata_piix", "sd_mod", "ext4")
	initramfs := a.save(t)
	files, disk := t.TempDir(), filepath.Join(t.TempDir(), "disk")
	config := "[[service]]\nname = \"home\"\nprovider = \"noip\"\nhostnames = [\"home.example.com\"]\nusername = \"user\"\npassword = \"secret\"\n"
	if err := os.WriteFile(filepath.Join(files, "wandns.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, root, "cp", "dist/bin/mipsle/wandns", files)
	command(t, root, "mkfs.ext4", "-q", "-d", files, disk, "16M")

	began := time.Now()
	ctx, cancel := patient(t)
	defer cancel()
	out, err := exec.CommandContext(ctx, "qemu-system-mipsel", "-M", "malta", "-cpu", "24Kc", "-m", "40", "-nic", "none",
		"-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-drive", "if=ide,format=raw,file="+disk,
		"-kernel", one(t, filepath.Join(guest, "boot/vmlinuz-*")), "-initrd", initramfs,
		"-append", "console=ttyS0 quiet panic=-1 nokaslr").CombinedOutput() // moved, the kernel lies in the initramfs' way
	if err != nil || !bytes.Contains(out, []byte("the guest is done")) {
		t.Fatalf("%v after %s; the guest says:\n%s", err, time.Since(began), out)
	}
	t.Logf("the guest, in %s:\n%s", time.Since(began), out)
}
