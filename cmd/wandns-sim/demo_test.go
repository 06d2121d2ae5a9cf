package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wandns/wan/wantest"
)

// TestKernelDemo is `make run` on a machine with one address: it ends with
// Ctrl-C and leaves nothing behind.
func TestKernelDemo(t *testing.T) {
	if !wantest.InNamespace(t) {
		return
	}
	if err := wantest.Veth("wan0", "isp0"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{wantest.AddAddr("wan0", "192.168.1.2/24"), wantest.AddDefault("wan0", "192.168.1.1", 0)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "wandns/cmd/wandns", "wandns/cmd/wandns-sim").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	temp := t.TempDir()
	cmd := exec.Command(filepath.Join(bin, "wandns-sim"), "-demo", filepath.Join(bin, "wandns"))
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(10*time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()

	wants := []string{
		"home.sonic.example      192.168.1.2",
		"Now a router in a network namespace",
		"register this router",
		"home.hostway.example    84.0.0.2",
		"home.example.com        2a00:1:2:3::2  84.0.0.2",
		"home.freedns.io         2a00:1:2:3::2  84.0.7.77",
		"home.hostway.example    84.0.0.2",
		"home.hostup.example     2a00:1:2:3::2  84.0.7.77",
		"home.sonic.example      2a00:1:2:3::2  84.0.7.77",
		"hostway follows at",
		"wandns repeats nothing",
		"hostway     waiting  home.hostway.example  A     84.0.0.2       84.0.7.77",
		"hostway: Hostway wants 5 minutes between two updates",
		"What else",
	}
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if len(wants) > 0 && strings.Contains(lines.Text(), wants[0]) {
			if wants = wants[1:]; len(wants) == 0 {
				_ = cmd.Process.Signal(syscall.SIGINT)
			}
		}
	}
	if err := cmd.Wait(); err != nil || len(wants) > 0 {
		t.Errorf("%v; not said: %q\n%s", err, wants, said.String())
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	_, repeats, _ := strings.Cut(said.String(), "wandns repeats nothing")
	if repeats, _, _ = strings.Cut(repeats, "What else"); strings.Contains(repeats, " = ") {
		t.Errorf("after a restart something was sent again:\n%s", repeats)
	}
}
