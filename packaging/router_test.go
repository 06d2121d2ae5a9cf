//go:build qemu

package packaging

import (
	"bytes"
	"debug/elf"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"wandns/updater/updatertest"
)

// A board is a processor that routers have, with Debian's kernel for it.
type board struct {
	arch, bin string // what OpenWrt calls it, and make cross
	guest     string // by make test-qemu
	qemu      string
	console   string
	disk      string // for the state
	modules   string
	memory    int    // MB of the router
	own       int    // anonymous memory of the idle daemon, kB at most
	cross     string // of Debian's C library for it
	others    string // how packagers build for it, what matters most first
}

func boards() []board {
	return []board{
		{
			"mipsel_24kc", "mipsle", "dist/guest-mipsel", "qemu-system-mipsel -M malta -cpu 24Kc -nic user,model=pcnet -drive if=ide,format=raw,file=",
			"ttyS0", "sda", "pcnet32 ata_piix sd_mod ext4", 64, 1433, "/usr/mipsel-linux-gnu", "feed relro plain",
		},
		{
			"aarch64_cortex-a53", "arm64", "dist/guest-arm64", "qemu-system-aarch64 -M virt -cpu cortex-a53 -nic user,model=virtio-net-pci -drive if=virtio,format=raw,file=",
			"ttyAMA0", "vda", "virtio_pci virtio_net virtio_blk ext4", 128, 1843, "/usr/aarch64-linux-gnu", "feed feed-pie relro pie plain",
		},
	}
}

// The package on a router: the program in it, with the configuration in it as
// a user fills it in, has the provider follow two addresses. After a reboot
// nothing is sent. Programs that packagers build with their own flags and linkers
// follow the addresses too.
func TestRouter(t *testing.T) {
	for _, b := range boards() {
		t.Run(b.arch, func(t *testing.T) {
			t.Parallel()
			var err error
			if b.guest, err = filepath.Abs(filepath.Join(root, b.guest)); err != nil {
				t.Fatal(err)
			}
			sim := updatertest.NewNoIP("user@example.com", "secret", "home.example.com")
			provider := httptest.NewTLSServer(sim)
			defer provider.Close()
			dir := t.TempDir()
			disk := filepath.Join(dir, "disk")
			command(t, root, "mke2fs", "-q", "-t", "ext4", disk, "8M")
			files := b.files(t, provider)
			initramfs := files.save(t)
			const both = "10.0.2.15,10.0.2.16"
			for i, c := range []struct {
				addresses string
				requests  int // so far
			}{{both, 2}, {"10.0.2.16", 2}} {
				said := b.boot(t, initramfs, disk, c.addresses, "/usr/sbin/wandns")
				if ledger := sim.Ledger(); len(ledger) != c.requests || len(sim.Violations()) > 0 {
					t.Fatalf("boot %d: %d requests, want %d: %v\nThe router says:\n%s", i+1, len(ledger), c.requests, ledger, said)
				}
				own := kilobytes(t, said, "Anonymous:")
				t.Logf("boot %d: the idle daemon has %d kB of anonymous memory, the router %d kB less for others; RSS is %d kB", i+1, own, kilobytes(t, said, "MemLost:"), kilobytes(t, said, "Rss:"))
				if own > b.own {
					t.Errorf("boot %d: that is more than %d kB", i+1, b.own)
				}
			}
			others := b.otherBuilds(t, &files)
			b.memory = 512
			b.boot(t, files.save(t), disk, both, others...)
			if n, want := len(sim.Ledger()), 2+2*len(others); n != want {
				t.Errorf("however it is built: %d requests, want %d", n, want)
			}
			if r, ok := sim.Lookup("home.example.com"); !ok || r.V4.String() != "10.0.2.16" {
				t.Errorf("the provider publishes %v", r)
			}
		})
	}
}

// otherBuilds adds programs as packagers build them, and the C library that
// some of them are linked with.
func (b board) otherBuilds(t *testing.T, a *archive) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	names := strings.Fields(b.others)
	if os.Getenv("WANDNS_BUILDS") != "all" { // each takes a minute
		names = names[:1]
	}
	command(t, root, "packaging/variants.sh", append([]string{b.bin, dir}, names...)...)
	a.entry("programs", 0o040755, nil)
	a.entry("lib", 0o040755, nil)
	for _, name := range names {
		path := "programs/" + name
		a.file(t, path, filepath.Join(dir, name), 0o100755)
		paths = append(paths, "/"+path)
		program, err := elf.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		libraries, err := program.ImportedLibraries()
		if err != nil {
			t.Fatal(err)
		}
		if interp := program.Section(".interp"); interp != nil {
			data, err := interp.Data()
			if err != nil {
				t.Fatal(err)
			}
			libraries = append(libraries, filepath.Base(strings.TrimRight(string(data), "\x00")))
		}
		for _, lib := range libraries {
			a.file(t, "lib/"+lib, filepath.Join(b.cross, "lib", lib), 0o100755)
		}
		program.Close()
	}
	return paths
}

func (b board) files(t *testing.T, provider *httptest.Server) archive {
	t.Helper()
	dir := t.TempDir()
	command(t, root, "make", "-s", b.bin)
	command(t, root, "go", "run", "./packaging/pack", "-out", dir, "-version", "1.0-r1", "-arch", b.arch)
	command(t, dir, "tar", "-xzf", one(t, filepath.Join(dir, "ipk", b.arch, "wandns_*.ipk")))
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, dir, "tar", "-xzf", "data.tar.gz", "-C", files)

	_, port, err := net.SplitHostPort(provider.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	service := `
config service 'home'
	option provider 'noip'
	list hostnames 'home.example.com'
	option username 'user@example.com'
	option password 'secret'
	option server 'https://example.com:` + port + `'
	option ca_file '/etc/ssl/ca.pem'
	option allow_private '1'
	option family 'ipv4'
`
	var a archive
	a.system(t, filepath.Join(b.guest, "bin/busybox"), "router-init.sh", "sys", "dev", "tmp")
	a.modules(t, b.guest, "modules", strings.Fields(b.modules)...)
	err = filepath.WalkDir(files, func(path string, d fs.DirEntry, err error) error {
		name, _ := strings.CutPrefix(path, files+"/")
		switch {
		case err != nil || path == files:
			return err
		case d.IsDir():
			a.entry(name, 0o040755, nil)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if name == "etc/config/wandns" {
			data = append(bytes.Replace(data, []byte("option enabled '0'"), []byte("option enabled '1'"), 1), service...)
		}
		a.entry(name, 0o100000|int(info.Mode().Perm()), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	a.entry("var", 0o120777, []byte("tmp"))
	a.entry("etc/wandns", 0o040700, nil)
	a.entry("etc/hosts", 0o100644, []byte("127.0.0.1 localhost\n10.0.2.2 example.com\n"))
	for _, dir := range []string{"etc/ssl", "etc/ssl/certs"} {
		a.entry(dir, 0o040755, nil)
	}
	a.entry("etc/ssl/ca.pem", 0o100644, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: provider.Certificate().Raw}))
	a.file(t, "etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt", 0o100644) // as much as ca-bundle
	return a
}

// boot returns what the router says until it has no power any more.
func (b board) boot(t *testing.T, initramfs, disk, addresses string, programs ...string) string {
	t.Helper()
	began := time.Now()
	ctx, cancel := patient(t)
	defer cancel()
	args := append(strings.Fields(b.qemu+disk), "-m", strconv.Itoa(b.memory), "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", one(t, filepath.Join(b.guest, "boot/vmlinuz-*")), "-initrd", initramfs,
		"-append", fmt.Sprintf("console=%s quiet panic=-1 router_disk=%s router_addresses=%s router_programs=%s", b.console, b.disk, addresses, strings.Join(programs, ",")))
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("the router is done")) {
		t.Fatalf("%v after %s; the router says:\n%s", err, time.Since(began), out)
	}
	t.Logf("booted for %s", time.Since(began).Round(time.Second))
	return string(out)
}

// kilobytes finds a line like "Rss: 7000 kB".
func kilobytes(t *testing.T, said, field string) int {
	t.Helper()
	for line := range strings.Lines(said) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == field {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("the router does not say %q:\n%s", field, said)
	return 0
}
