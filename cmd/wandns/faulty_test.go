package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"wandns/updater"
	"wandns/wan/wantest"
)

// services writes a configuration of services, one for each host that begins
// with its name, with lines of their own.
func (r *router) services(file string, hosts []string, lines ...string) {
	r.t.Helper()
	text := fmt.Sprintf("state_dir = %q\nrun_dir = %q\n", r.path("state"), r.path("run"))
	for i, host := range hosts {
		name, _, _ := strings.Cut(host, ".")
		text += fmt.Sprintf("[[service]]\nname = %q\nprovider = \"noip\"\nhostnames = [%q]\nusername = %q\nserver = %q\n%s\n", name, host, r.sim.User, r.url, lines[i])
	}
	r.do(os.WriteFile(file+".new", []byte(text), 0o600), os.Rename(file+".new", file))
}

// up starts a daemon that may have no service.
func (r *router) up(args ...string) {
	r.t.Helper()
	r.launchWith(args...)
	r.until("the daemon is up", func(st updater.Status) bool { return st.PID == r.daemon.Process.Pid })
}

func (r *router) reload() {
	r.t.Helper()
	r.do(r.daemon.Process.Signal(syscall.SIGHUP))
}

// all waits until every service is published, after n requests in all.
func (r *router) all(n int) updater.Status {
	r.t.Helper()
	st := r.until(fmt.Sprintf("%d requests, and all is published", n), func(st updater.Status) bool {
		return len(r.sim.Ledger()) >= n && !slices.ContainsFunc(st.Services, func(s updater.ServiceStatus) bool { return s.State != updater.OK })
	})
	r.only(n)
	return st
}

const withPassword = `password = "` + secret + `"`

func serviceNamed(st updater.Status, name string) updater.ServiceStatus {
	for _, s := range st.Services {
		if s.Name == name {
			return s
		}
	}
	return updater.ServiceStatus{}
}

func TestE2EServicesThatAreDeletedPublishNothingMore(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.on()
	r.requests(1)
	r.services(r.config, nil)
	r.reload()
	r.until("the service is gone", func(st updater.Status) bool { return len(st.Services) == 0 && len(st.Problems) == 0 })
	r.do(wantest.AddAddr("wan0", "84.0.0.3/32"), wantest.DelAddr("wan0", "84.0.0.2/32"))
	r.until("the new address is seen", func(st updater.Status) bool { return len(st.WAN) > 0 && st.WAN[0].IPv4[0].String() == "84.0.0.3" })
	r.only(1)
	if code, out := r.say("status"); code != exitDone || !strings.Contains(out, "There is no service; add one that begins with: [[service]]") {
		t.Errorf("status: %d, %s", code, out)
	}
	r.term()
	r.up("run")
	r.services(r.config, []string{"home.example.com"}, withPassword)
	r.reload()
	if l := r.requests(2); l[1].Value != "84.0.0.3" {
		t.Errorf("with a service again: %v", l[1])
	}
	if code, out := r.say("check"); code != exitDone || strings.Contains(out, "wandns:") {
		t.Errorf("check: %d, %s", code, out)
	}
}

func TestE2EFaultyServiceHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t, "home.example.com", "nas.example.com")
	stick := r.path("stick/secret")
	paused := "enabled = false\npassword_file = \"/nowhere/secret\""
	r.services(r.config, []string{"cam.example.com", "nas.example.com", "home.example.com"}, paused, fmt.Sprintf("password_file = %q", stick), withPassword)
	code, out := r.say("check")
	if code != exitConfig || !strings.Contains(out, `service "nas", password_file: names a file that could not be read`) || strings.Contains(out, "/nowhere") {
		t.Errorf("check: %d, %s", code, out)
	}
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.up("run")
	st := r.until("the sound one is published", func(st updater.Status) bool { return serviceNamed(st, "home").State == updater.OK })
	if len(st.Services) != 3 || st.Services[0].State != updater.Disabled || st.Services[1].State != updater.NeedsUser ||
		!strings.Contains(st.Services[1].Reason, "password_file: names a file that could not be read") || !strings.HasSuffix(st.Services[1].Reason, "it is tried again when the file changes") {
		t.Errorf("status = %+v", st.Services)
	}
	if code, out := r.say("update", "nas"); code != exitDone || !strings.Contains(out, "nas: password_file: names a file") {
		t.Errorf("update: %d, %s", code, out)
	}
	if code, out := r.say("client", "home", "create"); code != exitRefused {
		t.Errorf("a verb for the sound one: %d, %s", code, out)
	}
	if code, _ := r.say("client", "nas", "create"); code != exitConfig {
		t.Errorf("a verb for the faulty one: %d", code)
	}
	r.only(1)

	r.do(os.Mkdir(r.path("stick"), 0o755), os.WriteFile(stick, []byte(secret+"\n"), 0o600))
	r.until("the other one is published", func(st updater.Status) bool { return serviceNamed(st, "nas").State == updater.OK })
	if l := r.only(2); l[1].Hosts[0] != "nas.example.com" {
		t.Errorf("requests: %v", l)
	}
	r.services(r.config, []string{"cam.example.com", "home.example.com"}, paused, withPassword)
	if code, out := r.say("check"); code != exitDone || !strings.Contains(out, `before this service is switched on, correct line 10, service "cam", password_file`) {
		t.Errorf("check with only a paused one that is faulty: %d, %s", code, out)
	}
}

func TestE2EFaultyServiceGoesOnAsItWas(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t, "home.example.com", "nas.example.com", "cam.example.com")
	both := []string{"home.example.com", "nas.example.com"}
	r.services(r.config, both, withPassword, withPassword)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.on()
	r.all(2)
	r.services(r.config, append(both, "cam.example.com"), withPassword+"\nfamly = 'ipv4'", withPassword, withPassword)
	r.reload()
	st := r.until("the new one is published", func(st updater.Status) bool { return serviceNamed(st, "cam").State == updater.OK })
	if len(st.Problems) != 1 || !strings.HasPrefix(st.Problems[0], "home goes on as it was configured before") || !strings.Contains(st.Problems[0], "did you mean family?") {
		t.Errorf("problems = %q", st.Problems)
	}
	r.do(wantest.AddAddr("wan0", "84.0.0.3/32"), wantest.DelAddr("wan0", "84.0.0.2/32"))
	r.all(6)
	r.term()

	// A new process knows nothing of before.
	r.up("run")
	st = r.until("the others are up", func(st updater.Status) bool { return serviceNamed(st, "cam").State == updater.OK })
	if s := serviceNamed(st, "home"); s.State != updater.NeedsUser || !strings.HasSuffix(s.Reason, "correct it and send wandns a SIGHUP") {
		t.Errorf("home is %s: %s", s.State, s.Reason)
	}
	r.services(r.config, both, withPassword, withPassword)
	r.reload()
	r.until("all is well", func(st updater.Status) bool {
		return serviceNamed(st, "home").State == updater.OK && len(st.Problems) == 0
	})
	r.only(6)
	r.term()

	// The name of a service that cannot be used may have gone to another one.
	r.on()
	r.services(r.config, []string{"nas.example.com", "home.example.com"}, withPassword+"\nfamly = 'ipv4'", withPassword+"\n#")
	text, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	r.do(os.WriteFile(r.config, []byte(strings.Replace(string(text), `["home.example.com"]`, `["home.example.com", "nas.example.com"]`, 1)), 0o600))
	r.reload()
	st = r.until("the name is the other one's", func(st updater.Status) bool { return len(serviceNamed(st, "home").Records) == 2 })
	if s := serviceNamed(st, "nas"); s.State != updater.NeedsUser || len(st.Problems) != 0 {
		t.Errorf("nas is %s: %s; problems: %q", s.State, s.Reason, st.Problems)
	}
}

// The init script leaves a copy of the configuration, and the last one without
// mistakes: what a reboot must not lose.
func TestE2EAdoptedConfigurationIsTheLastGoodOneWhereItHasMistakes(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t, "home.example.com", "nas.example.com")
	dir := r.path("adopted")
	current, last := filepath.Join(dir, "wandns"), filepath.Join(dir, "last")
	r.do(os.Mkdir(dir, 0o755))
	both := []string{"home.example.com", "nas.example.com"}
	launch := func() {
		t.Helper()
		r.up("run", "--adopted", dir)
	}
	r.services(last, both[:1], withPassword)
	r.do(os.WriteFile(current, []byte("this is no configuration\n"), 0o600), wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	launch()
	st := r.until("the last one is in force", func(st updater.Status) bool { return serviceNamed(st, "home").State == updater.OK })
	if len(st.Problems) != 1 || !strings.Contains(st.Problems[0], "the configuration in force is not the one in "+r.config+", which cannot be used") {
		t.Errorf("problems = %q", st.Problems)
	}
	r.term()

	r.services(current, both, withPassword+"\nfamly = 'ipv4'", withPassword)
	launch()
	st = r.until("both are published", func(st updater.Status) bool {
		return serviceNamed(st, "home").State == updater.OK && serviceNamed(st, "nas").State == updater.OK
	})
	if len(st.Problems) != 1 || !strings.HasPrefix(st.Problems[0], "home goes on as it was configured before") {
		t.Errorf("problems = %q", st.Problems)
	}
	r.only(2)
	r.services(current, both, withPassword, withPassword)
	r.reload()
	r.until("nothing is wrong any more", func(st updater.Status) bool { return len(st.Problems) == 0 })
	r.only(2)
	r.term()

	// One that is not named for sure may be any of them.
	text, err := os.ReadFile(current)
	r.do(err, os.WriteFile(current, []byte(strings.Replace(string(text), "name = \"home\"", "nme = \"home\"", 1)), 0o600))
	launch()
	st = r.until("both go on", func(st updater.Status) bool {
		return serviceNamed(st, "home").State == updater.OK && serviceNamed(st, "nas").State == updater.OK && serviceNamed(st, "number 1").State == updater.NeedsUser
	})
	if len(st.Problems) != 1 || !strings.Contains(st.Problems[0], "home goes on as it was configured before") {
		t.Errorf("problems = %q", st.Problems)
	}
	r.only(2)
	r.term()

	// The file of the last one comes late, whatever the text has become.
	for _, broken := range []func(){
		func() { r.do(os.WriteFile(current, []byte("this is no configuration\n"), 0o600)) },
		func() { r.services(current, both[:1], withPassword+"\nfamly = 'ipv4'") },
	} {
		stick := filepath.Join(t.TempDir(), "secret")
		r.services(last, both[:1], fmt.Sprintf("password_file = %q", stick))
		broken()
		launch()
		r.until("it waits", func(st updater.Status) bool { return serviceNamed(st, "home").State == updater.NeedsUser })
		r.do(os.WriteFile(stick, []byte(secret), 0o600))
		r.until("it goes on", func(st updater.Status) bool {
			return serviceNamed(st, "home").State == updater.OK && len(st.Problems) > 0
		})
		r.only(2)
		r.term()
	}

	// It serves even if nothing can be used.
	r.do(os.Remove(last))
	r.services(current, both[:1], "famly = 'ipv4'\n"+withPassword)
	r.do(os.Chmod(current, 0o640))
	launch()
	r.until("it says so", func(st updater.Status) bool { return serviceNamed(st, "home").State == updater.NeedsUser })
	r.term()
	if strings.Contains(r.out.String(), "others may read it") {
		t.Error("it warns of a copy that was made for its user")
	}
}

// What has to be done next is what fits the place.
func TestAdviceFitsThePlace(t *testing.T) {
	script := writeFile(t, "wandns", "")
	for _, tt := range []struct{ config, script, start, after string }{
		{defaultConfig, script, "service wandns start", "correct it and run: service wandns reload"},
		{"/etc/wandns.toml", script, "wandns run --config /etc/wandns.toml", "correct it and send wandns a SIGHUP"},
		{defaultConfig, "/nowhere", "wandns run --config " + defaultConfig, "correct it and send wandns a SIGHUP"},
	} {
		c := &cli{config: tt.config, initScript: tt.script}
		if c.starter() != tt.start || c.advice() != tt.after {
			t.Errorf("%+v: %q, %q", tt, c.starter(), c.advice())
		}
	}
	off := writeFile(t, "off.toml", "enabled = false\nrun_dir = \"/nowhere\"\n")
	if code, _, stderr := typed("status", "--config", off); code != exitFailed || !strings.Contains(stderr, "it is switched off. Switch it on with: enabled = true in "+off) {
		t.Errorf("status of what is switched off: %d, %s", code, stderr)
	}
	bad := writeFile(t, "bad.toml", "run_dir = \"/nowhere\"\nenabled = 3\n")
	if code, _, stderr := typed("status", "--config", bad); code != exitFailed || !strings.Contains(stderr, "line 2, enabled") {
		t.Errorf("status of what cannot start: %d, %s", code, stderr)
	}
}

// What the text does not name any more is gone, and what it switches off is off,
// whatever is wrong with the rest.
func TestE2EDeletedAndSwitchedOffServicesStopBesideFaultyOnes(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t, "home.example.com", "nas.example.com")
	both := []string{"home.example.com", "nas.example.com"}
	typo := withPassword + "\nfamly = 'ipv4'"
	address := func(n int) string { return fmt.Sprintf("84.0.0.%d", n+1) }
	r.services(r.config, both, withPassword, withPassword)
	r.do(wantest.AddAddr("wan0", address(0)+"/32"), wantest.AddDefault("wan0", "", 0))
	r.up("run")
	for n, c := range []struct {
		name string
		text func()
		sent []string // who publishes the next address
	}{
		{"one is deleted, the other faulty", func() { r.services(r.config, both[:1], typo) }, []string{"home"}},
		{"the faulty one is paused", func() { r.services(r.config, both, typo+"\nenabled = false", typo) }, []string{"nas"}},
		{"all is switched off", func() {
			r.services(r.config, both, typo, typo)
			text, err := os.ReadFile(r.config)
			r.do(err, os.WriteFile(r.config, append([]byte("enabled = false\nlog_levl = 'x'\n"), text...), 0o600))
		}, nil},
		{"the last one is deleted, and something else stays", func() {
			r.services(r.config, nil)
			text, err := os.ReadFile(r.config)
			r.do(err, os.WriteFile(r.config, append(text, "[[notify]]\nname = 'phone'\n"...), 0o600))
		}, nil},
		{"all is switched off, and one has no name", func() {
			r.services(r.config, []string{"home.example.com", ".example.com"}, withPassword, withPassword)
			text, err := os.ReadFile(r.config)
			r.do(err, os.WriteFile(r.config, append([]byte("enabled = false\n"), text...), 0o600))
		}, nil},
		{"one has no name", func() { r.services(r.config, []string{".example.com"}, withPassword) }, []string{"home", "nas"}},
	} {
		has := func(st updater.Status, n int, names ...string) bool {
			for _, name := range names {
				if s := serviceNamed(st, name); s.State != updater.OK || s.Records[0].Published != address(n) {
					return false
				}
			}
			return len(st.WAN) > 0 && len(st.WAN[0].IPv4) == 1 && st.WAN[0].IPv4[0].String() == address(n)
		}
		r.services(r.config, both, withPassword, withPassword)
		r.reload()
		r.until("both are published", func(st updater.Status) bool { return len(st.Problems) == 0 && has(st, n, "home", "nas") })
		before := len(r.sim.Ledger())
		c.text()
		r.reload()
		r.until(c.name+": the daemon knows", func(st updater.Status) bool {
			return len(st.Problems) > 0 || serviceNamed(st, "home").State == updater.Disabled || len(st.Services) < 2
		})
		r.do(wantest.AddAddr("wan0", address(n+1)+"/32"), wantest.DelAddr("wan0", address(n)+"/32"))
		r.until(c.name+": the new address", func(st updater.Status) bool { return has(st, n+1, c.sent...) })
		for _, e := range r.only(before + len(c.sent))[before:] {
			if !slices.Contains(c.sent, strings.TrimSuffix(e.Hosts[0], ".example.com")) {
				t.Errorf("%s: %v", c.name, e)
			}
		}
	}
}

// One that is paused, or at another server, is in nobody's way.
func TestE2EFaultyServiceIsHeldUpByNoPausedOne(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	config := func(more string) {
		r.services(r.config, []string{"home.example.com"}, withPassword+more)
		text, err := os.ReadFile(r.config)
		r.do(err, os.WriteFile(r.config, []byte(strings.Replace(string(text), "[[service]]", "[[service]]\nname = 'old'\nenabled = false\nprovider = 'noip'\nhostnames = ['home.example.com']\nusername = 'x'\npassword = 'y'\nserver = '"+r.url+"'\n[[service]]", 1)), 0o600))
	}
	config("")
	r.up("run")
	r.until("it is published", func(st updater.Status) bool { return serviceNamed(st, "home").State == updater.OK })
	config("\nfamly = 'ipv4'")
	r.reload()
	st := r.until("the mistake is seen", func(st updater.Status) bool { return len(st.Problems) > 0 })
	if s := serviceNamed(st, "home"); s.State != updater.OK {
		t.Errorf("home is %s: %s", s.State, s.Reason)
	}
	config("")
	r.reload()
	r.until("the mistake is gone", func(st updater.Status) bool { return len(st.Problems) == 0 })
	r.term()
	if !strings.Contains(r.out.String(), "home: it goes by its configuration as it is now") {
		t.Errorf("the log does not take it back:\n%s", r.out.String())
	}
}

// The last configuration has of each service what it last was without mistakes.
func TestTheLastConfigurationIsKeptServiceByService(t *testing.T) {
	dir := t.TempDir()
	file, last := filepath.Join(dir, "wandns"), filepath.Join(dir, "last")
	const password = `it'\''s "b\"`
	service := func(name, host, more string) string {
		return "config service '" + name + "'\n\toption provider 'noip'\n\tlist hostnames '" + host + "'\n\toption username 'u'\n\toption password '" + password + "'\n" + more
	}
	ca := writeCA(t)
	stick := "\toption ca_file '" + ca + "'\n"
	const global, typo, gone = "config wandns 'global'\n\toption enabled '1'\n", "\toption famly 'ipv4'\n", "\toption ca_file '/nowhere/ca'\n"
	hosts := func() (list []string) {
		cfg, err := readConfig(last, last)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range cfg.Services {
			list = append(list, s.Name+" "+strings.Join(s.Hosts, " "))
			if s.Values["password"] != `it's "b\"` {
				t.Errorf("%s has the password %q", s.Name, s.Values["password"])
			}
		}
		slices.Sort(list)
		return list
	}
	for _, c := range []struct {
		text string
		code int
		want string // by name
	}{
		{global + service("a", "a1.example.com", "") + service("b", "b1.example.com", "") + service("x", "x.example.com", ""), exitDone, "a a1.example.com, b b1.example.com, x x.example.com"},
		{global + service("a", "a2.example.com", "") + service("b", "b2.example.com", typo), exitConfig, "a a2.example.com, b b1.example.com"},
		{"config wandns 'global'\n'", exitConfig, "a a2.example.com, b b1.example.com"},
		{global + service("b", "b3.example.com", gone) + service("c", "c1.example.com", gone) + service("a", "a3.example.com", typo), exitConfig, "a a2.example.com, b b1.example.com, c c1.example.com"},
		{global + service("a", "a3.example.com", "") + strings.Replace(service("b", "b3.example.com", ""), "service 'b'", "servce 'b'", 1), exitConfig, "a a3.example.com, b b1.example.com, c c1.example.com"},
		{global, exitDone, ""},
		// What was before gives way to what there is now.
		{global + service("a", "h1.example.com", "") + service("b", "h2.example.com", ""), exitDone, "a h1.example.com, b h2.example.com"},
		{global + service("a", "h1.example.com", typo) + service("b", "h1.example.com", ""), exitConfig, "b h1.example.com"},
		{global + service("a", "h3.example.com", "") + service("b", "h1.example.com", typo), exitConfig, "a h3.example.com, b h1.example.com"},
		// A file that was there then need not be there now.
		{global + service("a", "h4.example.com", stick), exitDone, "a h4.example.com"},
		{global + service("a", "h4.example.com", stick+typo), exitConfig, "a h4.example.com"},
	} {
		if strings.Contains(c.text, stick) && c.code != exitDone {
			if err := os.Remove(ca); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := typed("check", "--config", file, "--keep", last); code != c.code || strings.Contains(stderr, "b\\") {
			t.Errorf("check: %d, %s", code, stderr)
		}
		if got := strings.Join(hosts(), ", "); got != c.want {
			t.Errorf("after\n%s\nthe last one has %s, want %s", c.text, got, c.want)
		}
		info, err := os.Stat(last)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
}
