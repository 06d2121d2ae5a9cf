package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wandns/updater"
	"wandns/wan/wantest"
)

// Started as root, the daemon has nothing of root left, in any thread, and
// does all that it should.
func TestE2EAnotherUser(t *testing.T) {
	tools(t, "sh")
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	gid := r.toBeNobody()
	uid, _, err := lookUp("nobody")
	r.do(err, wantest.Sysctl("net/ipv6/conf/wan0/accept_ra", "0"), wantest.DelLink("wan1"))
	refused := func(says string) {
		t.Helper()
		cmd := exec.Command(r.path("wandns"), "run", "--once", "--config", r.config, "--user", "nobody")
		cmd.Env = r.command("version").Env
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), says) {
			t.Errorf("%v: %s", err, out)
		}
	}
	refused("chmod 640 " + r.config)
	r.do(os.Chown(r.config, 0, gid), os.Chmod(r.config, 0o640))
	r.do(os.Mkdir(r.path("state"), 0o700))
	refused("chown -R nobody " + r.path("state"))
	r.do(os.Remove(r.path("state")), os.RemoveAll(r.path("run")))
	r.on()
	r.state(updater.NoAddress)

	threads, err := filepath.Glob("/proc/" + strconv.Itoa(r.daemon.Process.Pid) + "/task/*/status")
	r.do(err)
	if len(threads) < 3 {
		t.Errorf("only %d threads", len(threads))
	}
	for _, thread := range threads {
		b, err := os.ReadFile(thread)
		r.do(err)
		u, g := strings.Repeat("\t"+strconv.Itoa(uid), 4), strings.Repeat("\t"+strconv.Itoa(gid), 4)
		const none = "\t0000000000000000\n"
		for _, want := range []string{"\nUid:" + u + "\n", "\nGid:" + g + "\n", "\nGroups:\t \n", "\nCapInh:" + none, "\nCapPrm:" + none, "\nCapEff:" + none, "\nCapBnd:\t0000000000002000\n", "\nCapAmb:" + none, "\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"} {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s has no %q:\n%s", thread, want, b)
			}
		}
	}
	for dir, mode := range map[string]os.FileMode{"state": 0o700, "run": 0o755} {
		info, err := os.Stat(r.path(dir))
		r.do(err)
		if s, ok := info.Sys().(*syscall.Stat_t); !ok || int(s.Uid) != uid || info.Mode().Perm() != mode {
			t.Errorf("%s is %v of user %d", dir, info.Mode(), s.Uid)
		}
	}

	// A line that comes up later, with a router on it.
	r.do(wantest.AddDefault("wan0", "::", 512), wantest.AddAddr("wan0", "2a00:1:1::9/64", "nodad", "preferred_lft", "3600", "valid_lft", "7200"))
	if l := r.requests(1); l[0].Value != "2a00:1:1::9" {
		t.Fatalf("first %v", l[0])
	}
	r.do(wantest.AddAddr("wan0", "2a00:1:2::9/64", "nodad", "preferred_lft", "1800", "valid_lft", "7200"))
	r.until("wan0 can hear", func(updater.Status) bool {
		_, out := r.say("wan")
		return regexp.MustCompile(`wan0 +up +fe80:\S+ +forever +forever +permanent\n`).MatchString(out)
	})
	r.do(wantest.Advertise("isp0", "2a00:1:1::/64", 0, 2*time.Hour))
	if l := r.requests(2); l[1].Value != "2a00:1:2::9" {
		t.Fatalf("after its router withdrew the prefix %v", l[1])
	}

	if code, out := r.say("status"); code != exitDone || !strings.Contains(out, "process "+strconv.Itoa(r.daemon.Process.Pid)+"\n") {
		t.Errorf("status: exit %d, %s", code, out)
	}
	if code, out := r.say("update"); code != exitDone || !strings.Contains(out, "nothing to send") {
		t.Errorf("update: exit %d, %s", code, out)
	}
	r.configure([]string{"home.example.com"}, `family = "ipv4"`)
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
	r.state(updater.NoAddress)
	r.kill()
	if code, out := r.say("status"); code != exitFailed || !strings.Contains(out, "is not running") {
		t.Errorf("status of a daemon that was killed: exit %d, %s", code, out)
	}
	r.configure([]string{"home.example.com"})
	r.on()
	r.state(updater.OK)
	r.only(2)
}

func TestAnotherUserThatCannotBe(t *testing.T) {
	file := writeConfig(t, goodConfig)
	if code, _, stderr := typed("run", "--config", file, "--user", "nemo"); code != exitFailed || !strings.Contains(stderr, "there is no such user") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestMarkingTakesMoreBefore517(t *testing.T) {
	for release, want := range map[string]bool{"5.15.167": true, "5.16": true, "5.17.0-rc1": false, "6.1.0-9-amd64": false, "4.19.1": true, "what": false, "10.2": false} {
		if older(release, 5, 17) != want {
			t.Errorf("%s: %v", release, !want)
		}
	}
}
