package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"wandns/openwrt/uci"
)

func TestRemoveAndEnable(t *testing.T) {
	t.Parallel()
	l := newLuCI(t, "# mine\nconfig service 'a'\n\toption password 'canary-a'\n\n# b's\nconfig service 'b'\n\toption enabled '1' # on\n")
	for _, step := range []struct {
		call, want string // empty if it is refused
	}{
		{`remove {"service":"c"}`, ""},
		{`remove {"service":""}`, ""},
		{`remove {"service":"a"}`, "# mine\n\n# b's\nconfig service 'b'\n\toption enabled '1' # on\n"},
		{`enable {"service":"a","enabled":true}`, ""},
		{`enable {"service":"global","enabled":true}`, ""},
		{`enable {"service":"b","enabled":false}`, "# mine\n\n# b's\nconfig service 'b'\n\toption enabled '0' # on\n"},
		{`enable {"service":"","enabled":true}`, "# mine\n\n# b's\nconfig service 'b'\n\toption enabled '0' # on\n\nconfig wandns 'global'\n\toption enabled '1'\n"},
		{`enable {"service":"","enabled":false}`, "# mine\n\n# b's\nconfig service 'b'\n\toption enabled '0' # on\n\nconfig wandns 'global'\n\toption enabled '0'\n"},
		{`remove {"service":"global"}`, ""},
	} {
		before := l.read("config/wandns")
		method, args, _ := strings.Cut(step.call, " ")
		got, raw := l.call(method, args)
		if after := l.read("config/wandns"); (got.Code == exitDone) != (step.want != "") || step.want != "" && after != step.want || step.want == "" && after != before {
			t.Errorf("%s: %s\nit is now\n%s", step.call, raw, after)
		}
	}
	l.put("config/wandns", "config service 'b'\n\toption password 'canary\n")
	for _, call := range []string{`remove {"service":"b"}`, `enable {"service":"b","enabled":true}`, "save " + sent("b", ``), "check " + sent("b", ``)} {
		method, args, _ := strings.Cut(call, " ")
		if _, raw := l.call(method, args); !strings.Contains(raw, "edit the file") {
			t.Errorf("%s: %s", call, raw)
		}
	}
	l.tidy()
}

func TestSaveWithoutAFile(t *testing.T) {
	t.Parallel()
	l := newLuCI(t, "")
	if err := os.Remove(l.path("config/wandns")); err != nil {
		t.Fatal(err)
	}
	l.call("save", sent("home", ``)) // has mistakes
	if _, err := os.Stat(l.path("config/wandns")); err == nil {
		t.Error("made for nothing")
	}
	_, raw := l.call("save", sent("home", `,"password":"typed"`))
	if got := l.read("config/wandns"); got != "config service 'home'\n\tlist hostnames 'home.example.com'\n\toption password 'typed'\n\toption provider 'noip'\n\toption username 'me@example.com'\n" {
		t.Errorf("%s made\n%s", raw, got)
	}
}

// A save waits for a commit of uci and for other saves, and changes what those have
// written. It does not hold the other way round: a uci that waits for a save then
// commits what it finds in the file before it, and the save is lost.
func TestSavesWaitForEachOther(t *testing.T) {
	t.Parallel()
	l := newLuCI(t, "config wandns 'global'\n")
	f, err := os.Open(l.path("config/wandns"))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	done := make(chan string)
	for i := range 5 {
		go func() {
			_, raw := l.call("save", sent(fmt.Sprint("s", i), `,"password":"typed"`))
			done <- raw
		}()
	}
	l.put("config/.other", "config wandns 'global'\n\toption log_level 'warn'\n") // as uci does
	if err := os.Rename(l.path("config/.other"), l.path("config/wandns")); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for range 5 {
		if raw := <-done; !strings.Contains(raw, `"code":0`) {
			t.Error(raw)
		}
	}
	list, errs := uci.Parse(l.read("config/wandns"))
	if len(errs) > 0 || len(list) != 6 || len(list[0].Options) != 1 {
		t.Errorf("it has become\n%s", l.read("config/wandns"))
	}
	l.tidy()
}

// What is saved reaches procd.
func TestSaveTellsProcd(t *testing.T) {
	t.Parallel()
	l := newTrusting(t)
	var told []string
	r := &rpcd{cli: &cli{config: l.path("config/wandns")}, tell: func(name string) error {
		told = append(told, name+" "+fmt.Sprint(strings.Count(l.read("config/wandns"), "option enabled '0'")))
		return nil
	}}
	for range 2 {
		r.change(rpcArgs{Service: "home", Enabled: false}, (*rpcd).enabled)
	}
	if want := []string{"wandns 2"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
