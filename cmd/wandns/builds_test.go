package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"wandns/wan/wantest"
)

// Packagers build with their own flags and linkers. Each such program sends an
// update, goes idle, and sends the next.
func TestE2EHoweverItIsBuilt(t *testing.T) {
	if !wantest.InNamespace(t) {
		return
	}
	dir := t.TempDir()
	programs := map[string]string{"ours": built(t)}
	names := []string{"pie", "feed"}
	if os.Getenv("WANDNS_BUILDS") == "all" { // each takes a minute
		names = append(names, "plain", "relro", "feed-pie")
	}
	cmd := exec.CommandContext(t.Context(), "../../packaging/variants.sh", append([]string{"amd64", dir}, names...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range names {
		programs[name] = filepath.Join(dir, name)
	}
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.built = program
			r.secure("")
			r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
			r.on()
			r.requests(1)
			r.settle()
			r.do(wantest.AddAddr("wan0", "84.0.0.3/32"), wantest.DelAddr("wan0", "84.0.0.2/32"))
			if l := r.requests(2); l[1].Value != "84.0.0.3" {
				t.Errorf("it sent %v", l[1])
			}
			r.settle()
			r.term()
		})
	}
}
