//go:build qemu

package packaging

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the routers have: a MIPS without an FPU, and real flash file systems
// under an overlay. The store saves as fast as it can while the power is cut.
// Whatever was said to be saved is there after the next boot.

// cuts is how often to cut the power, by make test-qemu CUTS=n.
func cuts(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("CUTS"))
	if err != nil || n < 1 {
		t.Fatalf("CUTS=%q is no number of power cuts; run: make test-qemu", os.Getenv("CUTS"))
	}
	return n
}

// malta is a guest whose memory is a file: what lies in its flash survives it.
type malta struct {
	t              *testing.T
	kernel, memory string
	initramfs      string
	drive          []string // what qemu is told of its disk, if it has one
}

const (
	memorySize         = 256 << 20
	flashAt, flashSize = 128 << 20, 2 << 20
)

func newMalta(t *testing.T) *malta {
	t.Helper()
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	guest := filepath.Join(top, "dist/guest-mipsel") // by make test-qemu
	m := &malta{t: t, kernel: one(t, filepath.Join(guest, "boot/vmlinuz-*")), memory: filepath.Join(t.TempDir(), "memory")}

	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "qemu", "-o", filepath.Join(t.TempDir(), "persist.test"), "./persist")
	build.Dir, build.Env = root, append(os.Environ(), "GOARCH=mipsle", "GOMIPS=softfloat")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var a archive
	a.system(t, filepath.Join(guest, "bin/busybox"), "flash-init.sh", "sys", "dev", "tmp", "flash", "lower")
	a.file(t, "persist.test", build.Args[len(build.Args)-2], 0o100755)
	a.modules(t, guest, "overlay.modules", "overlay")
	a.modules(t, guest, "jffs2.modules", "phram", "jffs2")
	a.modules(t, guest, "ubifs.modules", "deflate", "lzo", "zstd", "ubifs")
	a.modules(t, guest, "mtdram.modules", "mtdram")
	a.modules(t, guest, "disk.modules", "ata_piix", "sd_mod")
	a.modules(t, guest, "ext4.modules", "ext4")
	a.modules(t, guest, "f2fs.modules", "f2fs")
	a.file(t, "ubi.image", ubiImage(t), 0o100644)
	m.initramfs = a.save(t)

	f, err := os.Create(m.memory)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, flashSize), flashAt) // erased
	if err == nil {
		err = f.Truncate(memorySize)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ubiImage is flash with an empty volume, which ubifs formats itself.
func ubiImage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	volume := "[state]\nmode=ubi\nvol_id=0\nvol_type=dynamic\nvol_name=state\nvol_size=1MiB\nvol_flags=autoresize\n"
	if err := os.WriteFile(filepath.Join(dir, "volume"), []byte(volume), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, dir, "ubinize", "-o", "ubi.image", "-m", "1", "-p", "16KiB", "volume")
	return filepath.Join(dir, "ubi.image")
}

// boot switches the guest on and shows what it prints, until the guest ends or
// hear returns false: then its power is gone.
func (m *malta) boot(variables string, hear func(line string) bool) {
	m.t.Helper()
	ctx, cancel := patient(m.t)
	defer cancel()
	args := append([]string{
		"-M", "malta,memory-backend=ram0", "-cpu", "24Kc", "-m", "256", "-nic", "none",
		"-object", "memory-backend-file,id=ram0,size=256M,share=on,mem-path=" + m.memory,
		"-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", m.kernel, "-initrd", m.initramfs,
		"-append", "console=ttyS0 quiet panic=-1 mem=128M@0x0 mem=112M@0x9000000 " + variables,
	}, m.drive...)
	cmd := exec.CommandContext(ctx, "qemu-system-mipsel", args...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		cmd.Stderr = cmd.Stdout
		err = cmd.Start()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Fprintln(&said, lines.Text())
		if !hear(strings.TrimSpace(lines.Text())) {
			break
		}
	}
	_ = cmd.Process.Kill() // the cut: qemu ends amid whatever it does
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	if m.t.Failed() || ctx.Err() != nil {
		m.t.Fatalf("%v; the guest says:\n%s", ctx.Err(), said.String())
	}
}

// promise is what the guest has said about its store.
type promise struct {
	t       *testing.T
	settled int
	opened  int // times
	saved   int // in all
}

// keep checks a line of the guest against the promise.
func (p *promise) keep(line string) {
	var n int
	switch {
	case scan(line, "opened at %d", &n):
		p.opened++
		if n < p.settled {
			p.t.Errorf("the store has %d after a cut; %d had been settled", n, p.settled)
		}
	case scan(line, "settled %d", &n):
		p.settled = n
		p.saved++
	case strings.HasPrefix(line, "--- FAIL"), strings.Contains(line, "Kernel panic"), strings.Contains(line, "Oops"):
		p.t.Error(line)
	}
}

func scan(line, format string, n *int) bool {
	_, err := fmt.Sscanf(line, format, n)
	return err == nil
}

func TestPowerCutsOnJFFS2(t *testing.T) {
	t.Parallel()
	newMalta(t).cut("jffs2", cuts(t))
}

// Some routers have an SD card, eMMC or an SSD, which are less to worry about.
func TestPowerCutsOnDisks(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ext4", "f2fs"} {
		t.Run(kind, func(t *testing.T) {
			m, disk := newMalta(t), filepath.Join(t.TempDir(), "disk")
			command(t, root, "truncate", "-s", "64M", disk)
			command(t, root, "mkfs."+kind, "-q", disk)
			m.drive = []string{"-drive", "if=ide,format=raw,cache=writethrough,file=" + disk}
			m.cut(kind, (cuts(t)+3)/4)
		})
	}
}

// cut cuts the power again and again.
func (m *malta) cut(kind string, n int) {
	t, p, began := m.t, &promise{t: m.t}, time.Now()
	for range n + 1 {
		opened, last := p.opened, 0
		lines := 20 + rand.IntN(150) // until the cut
		m.boot("flash_type="+kind, func(line string) bool {
			p.keep(line)
			if p.opened > opened {
				last++
			}
			return !t.Failed() && last < lines
		})
		if p.opened == opened {
			t.Fatal("the guest did not open its store")
		}
	}
	t.Logf("%d cuts of %s in %v, amid %d saves", n, kind, time.Since(began), p.saved)
}

// UBI cuts its own power: it stops amid the writing of a header, for good.
func TestPowerCutsOnUBIFS(t *testing.T) {
	t.Parallel()
	n, m, p, began := cuts(t), newMalta(t), &promise{t: t}, time.Now()
	ended, done := 0, false
	m.boot(fmt.Sprintf("flash_type=ubifs flash_cuts=%d", n), func(line string) bool {
		p.keep(line)
		if strings.HasPrefix(line, "ended: ") {
			ended++
		}
		done = done || line == "the guest is done"
		return !t.Failed() && !done
	})
	if ended != n+1 || p.opened != n+1 || !done {
		t.Errorf("opened %d times and cut %d times, want %d", p.opened, ended, n+1)
	}
	t.Logf("%d cuts of ubifs in %v, amid %d saves", n, time.Since(began), p.saved)
}
