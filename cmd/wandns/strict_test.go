package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wandns/updater"
)

const service = "[[service]]\nname = 'home'\nprovider = 'noip'\nhostnames = 'home.example.com'\nusername = 'user'\n"

func TestCheckNeverPrintsASecretThatIsNotTOML(t *testing.T) {
	for _, tt := range []struct{ name, lines, secret string }{
		{"no quotes", `password = CANARY`, "CANARY"},
		{"no opening quote", `password = CANARY"`, "CANARY"},
		{"no quotes, true in front", `password = trueCANARY`, "trueCANARY"},
		{"half an escape", `password = "CANARY\u12"`, "CANARY"},
		{"digits, zero first", `password = 0123456`, "0123456"},
		{"many digits", `password = 99999999999999999999`, "99999999999999999999"},
		{"digits and underscores", `password = 12__34`, "12__34"},
		{"a date that is none", `password = 2024-13-01`, "2024-13-01"},
		{"a float that is none", `password = 12.34.`, "12.34"},
		{"the secret for the file's name", `password_file = "CANARY"`, "CANARY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, out, stderr := typed("check", "--config", writeConfig(t, service+tt.lines+"\n"))
			if strings.Contains(out+stderr, tt.secret) {
				t.Errorf("the secret stands in\n%s%s", out, stderr)
			}
		})
	}
}

func TestANumberIsNoSecret(t *testing.T) {
	for _, v := range []string{"0x1F", "1_000", "+5", "0o17", "true"} {
		cfg, err := loadConfig(writeConfig(t, service+"password = "+v+"\n"))
		if err == nil {
			t.Errorf("password = %s is read as %q", v, cfg.Services[0].Values["password"])
		}
	}
}

func TestALineOfTheLogIsOneLine(t *testing.T) {
	var b bytes.Buffer
	newLog(&b, &b, "info").Info("one\ntwo", "answer", "x\nother: good 1.2.3.4\r\x1b[2J")
	if strings.Count(b.String(), "\n") != 1 || strings.ContainsAny(b.String(), "\r\x1b") {
		t.Errorf("log = %q", &b)
	}
}

func TestAFileThatIsTooBigIsRefused(t *testing.T) {
	text := strings.Repeat("#23456789012345678901234567890\n", maxConfig/31+1) + goodConfig
	if _, err := loadConfig(writeConfig(t, text)); err == nil {
		t.Error("what stands beyond the bound was not missed")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = loadConfig(writeConfig(t, strings.Repeat("a.", 10000)+"a = 1\n"))
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
		t.Errorf("a key of 20 kB takes %d MB", n>>20)
	}
}

func TestReadingNeverHangs(t *testing.T) {
	for _, file := range []string{"pipe.toml", "pipe"} {
		dir := t.TempDir()
		pipe := dir + "/" + file
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			f := pipe
			if file == "pipe" {
				f = dir + "/c.toml"
				_ = os.WriteFile(f, []byte(service+fmt.Sprintf("password_file = %q\n", pipe)), 0o600)
			}
			_, err := loadConfig(f)
			done <- err
		}()
		select {
		case <-done:
		case <-time.After(patience):
			t.Errorf("reading %s hangs", file)
		}
	}
}

func TestServerNeedsAHostAndNothingElse(t *testing.T) {
	for _, s := range []string{"https://h?", "https://h#", "https://:8443", "https://h:", "https://h:0", "https://h:99999"} {
		if got := mistakesIn(t, goodConfig+"server = "+strconv.Quote(s)); !strings.HasPrefix(got, "line 12, ") {
			t.Errorf("server = %q is accepted: %q", s, got)
		}
	}
}

func TestADeviceTheKernelWouldRefuse(t *testing.T) {
	for _, d := range []string{"eth0:1", ".", "..", "a\u0000b", "a\u000bb"} {
		if got := mistakesIn(t, goodConfig+fmt.Sprintf("device = \"%s\"", strings.NewReplacer("\x00", `\u0000`, "\v", `\u000b`).Replace(d))); !strings.HasPrefix(got, "line 12, ") {
			t.Errorf("device = %q is accepted: %q", d, got)
		}
	}
}

func TestDeviceAndInterfaceAreOneTooMany(t *testing.T) {
	got := mistakesIn(t, goodConfig+"device = \"eth1\"\ninterface = \"wan\"\n")
	if !strings.HasPrefix(got, `line 13, service "home", interface: `) || !strings.Contains(got, "keep one of the two") {
		t.Errorf("%q", got)
	}
}

func TestNamesThatAreNone(t *testing.T) {
	for _, h := range []string{"home..example.com", ".", "-", ".home.example.com", strings.Repeat("a", 64) + ".example.com", "-a.example.com"} {
		if got := mistakesIn(t, strings.Replace(goodConfig, `"Group1"`, strconv.Quote(h), 1)); !strings.HasPrefix(got, "line 9, ") {
			t.Errorf("hostnames with %q: %q", h, got)
		}
	}
	if got := mistakesIn(t, strings.Replace(goodConfig, `"Group1"`, `"home.example.com."`, 1)); !strings.HasPrefix(got, "line 9, ") {
		t.Error("a name with and without its last dot is not found twice")
	}
}

func TestOneNameInTwoServices(t *testing.T) {
	second := strings.Replace(goodConfig[strings.Index(goodConfig, "[[service]]"):], `"home"`, `"other"`, 1)
	if got := mistakesIn(t, goodConfig+second); got == "" {
		t.Error("two services publish the same names for the same families")
	}
	if got := mistakesIn(t, goodConfig+"family = 'ipv4'\n"+second+"family = 'ipv6'\n"); got != "" {
		t.Errorf("one family each: %s", got)
	}
}

func TestLinesThatAreNotFound(t *testing.T) {
	for _, tt := range []struct{ name, toml, want string }{
		{"a byte order mark", "\ufeffstate_dir = 'x'\n" + service + "password = 'p'\n", "line 1, state_dir"},
		{"a dotted key", service + "password = 'p'\nfamily.x = 1\n", "line 7, "},
		{"a dotted table", "service.name = 'x'\n", "line 1, "},
		{"a table within a service", service + "password = 'p'\n[service.sub]\na = 1\n", "line 7, "},
		{"tables in a string", "[[service]]\nname = 'a'\nx = '''\n[[service]]\n'''\n[[service]]\nname = 'b'\n", `line 6, service "b"`},
		{"keys in a string", service + "password = '''\nfamily = ipv4\n'''\nfamily = 'v4'\n", "line 9, "},
		{"a list in a list", service + "x = [\n['a'],\n]\nfamily = 'v4'\n", "line 9, "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mistakesIn(t, tt.toml); !strings.Contains("\n"+got, "\n"+tt.want) {
				t.Errorf("mistakes = %q, want one that begins with %q", got, tt.want)
			}
		})
	}
}

func TestMistakesWithoutLineComeInOneOrder(t *testing.T) {
	text := service + "password = 'p'\naaa1.x = 1\nbbb2.x = 1\nccc3.x = 1\nddd4.x = 1\n"
	first := mistakesIn(t, text)
	for range 50 {
		if mistakesIn(t, text) != first {
			t.Fatal("the order differs from run to run")
		}
	}
}

func TestTheProvidersOwnServerIsTheSameAccount(t *testing.T) {
	keys := map[string]string{"name": `"a"`, "provider": `"noip"`, "hostnames": `"a.example.com"`, "username": `"user"`, "password": `"p"`}
	first := of(t, keys)
	keys["server"] = `"https://Example.com:443"`
	a := of(t, keys)
	keys["server"] = `"HTTPS://example.com"`
	if of(t, keys).Account != a.Account {
		t.Error("the same server, written otherwise, is another account: the record of what is published is dropped")
	}
	keys["server"] = `"https://dynupdate.no-ip.com"`
	if of(t, keys).Account != first.Account {
		t.Error("the provider's own server, written out, is another account: the record of what is published is dropped")
	}
}

func TestSecretsAreKnownAsTheyAreQuoted(t *testing.T) {
	secrets := mustLoad(t, "[[service]]\nname='a'\nprovider='noip'\nhostnames='a.example.com'\nusername='user'\npassword='p\"ä<\\ &x'\n").Services[0].secrets()
	client := updater.NewClient(updater.ClientConfig{Secrets: secrets})
	for _, form := range []string{strings.Trim(strconv.Quote(`p"ä<\ &x`), `"`), `p&#34;ä&lt;\ &amp;x`, "p%22%C3%A4%3C%5C%20&x"} {
		if got := client.Excerpt("a " + form); got != "a ***" {
			t.Errorf("%q is shown as %q", form, got)
		}
	}
}

func TestAnUpgradeChangesNoDigest(t *testing.T) {
	s := mustLoad(t, goodConfig).Services[0]
	before := s.account()
	spec := *s.Spec
	s.Spec = &spec
	spec.Fields = append(slices.Clone(spec.Fields), updater.Field{Name: "new"}, updater.Field{Name: "zone", Identity: true})
	if after := s.account(); after.Account != before.Account || after.Config != before.Config {
		t.Error("a release that adds an optional key lifts every block, or forgets what is published")
	}
}

func TestOptionsEndAtTwoDashes(t *testing.T) {
	if code, _, stderr := typed("providers", "--", "--json"); code != exitUsage || !strings.Contains(stderr, `"--json"`) {
		t.Errorf("%d, %s", code, stderr)
	}
	if code, _, stderr := typed("providers", "--", "noip", "--json"); code != exitUsage {
		t.Errorf("%d, %s", code, stderr)
	}
}

func TestStatusOfAConfigurationWithMistakes(t *testing.T) {
	dir := t.TempDir()
	status := fmt.Sprintf(`{"version":"1","pid":%d,"services":[],"problems":["it has mistakes"]}`, os.Getpid())
	if err := os.WriteFile(dir+"/status.json", []byte(status), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := writeConfig(t, fmt.Sprintf("run_dir = %q\nx = y\n", dir))
	if code, out, stderr := typed("status", "--config", bad); code != exitFailed || !strings.Contains(out, "it has mistakes") || !strings.Contains(stderr, "is not running") {
		t.Errorf("%d, %s%s", code, out, stderr)
	}
	if code, _, stderr := typed("update", "--config", bad); code != exitFailed || !strings.Contains(stderr, dir) {
		t.Errorf("%d, %s", code, stderr)
	}
}

// However run_dir is written, status and its like look where the daemon is.
func TestRunDirIsFoundAsTheDaemonFindsIt(t *testing.T) {
	const service = "[[service]]\nname = \"home\"\npassword_file = \"/nonexistent\"\n"
	for _, tt := range []struct{ name, file, text, want string }{
		{"plain", "f.toml", "run_dir = '/x'\n" + service, "/x"},
		{"a comment behind it", "f.toml", `run_dir = "/x"   # lost at reboot` + "\n" + service, "/x"},
		{"a comment without a space", "f.toml", `run_dir="/x"#y`, "/x"},
		{"a hash in the path", "f.toml", `run_dir = "/x#y"`, "/x#y"},
		{"an equals sign in the path", "f.toml", `run_dir = '/x=y'`, "/x=y"},
		{"an escape", "f.toml", `run_dir = "/\u0078"`, "/x"},
		{"over two lines", "f.toml", "run_dir = '''\n/x'''", "/x"},
		{"the key in quotes", "f.toml", `"run_dir" = "/x"`, "/x"},
		{"within another text", "f.toml", "metrics_file = '''\nrun_dir = \"/x\"\n'''", defaultRunDir},
		{"commented out", "f.toml", `#run_dir = "/x"`, defaultRunDir},
		{"in a service", "f.toml", service + `run_dir = "/x"`, defaultRunDir},
		{"not absolute", "f.toml", `run_dir = "x"`, defaultRunDir},
		{"a list", "f.toml", `run_dir = ["/x", "/y"]`, defaultRunDir},
		{"a number", "f.toml", `run_dir = 7`, defaultRunDir},
		{"a mistake before it", "f.toml", "log_level = x\nrun_dir = \"/x\" # y\n" + service, "/x"},
		{"many mistakes after it", "f.toml", "run_dir = \"/x\" # y\n" + strings.Repeat("nonsense\n", 40), "/x"},
		{"a table without its bracket", "f.toml", "run_dir = \"/x\" # y\n[[service]\nname = \"home\"\n", "/x"},
		{"a text without its end", "f.toml", "run_dir = \"/x\" # y\n" + service + "password = '''secret\n", "/x"},
		{"an endless line", "f.toml", "run_dir = \"/x\" # y\na = " + strings.Repeat("[", maxLine) + "\n" + service, "/x"},
		{"of another system's lines", "f.toml", "run_dir = \"/x\" # y\r\n" + service, "/x"},
		{"empty", "f.toml", "", defaultRunDir},

		{"UCI", "wandns", "config wandns 'global'\n\toption run_dir '/var/run/x'\n", "/var/run/x"},
		{"UCI with a tab", "wandns", "config wandns 'global'\n\toption run_dir\t'/var/run/x'\n", "/var/run/x"},
		{"UCI with tabs and spaces", "wandns", "config\twandns\t'global'\n option \t run_dir \t '/var/run/x' \n", "/var/run/x"},
		{"UCI with a comment", "wandns", "config wandns 'global'\n\toption run_dir '/var/run/x' # lost at reboot\n", "/var/run/x"},
		{"UCI without quotes", "wandns", "config wandns 'global'\n\toption run_dir /var/run/x\n", "/var/run/x"},
		{"UCI in parts", "wandns", "config wandns 'global'\n\toption run_dir /var/run/x'y=z'\n", "/var/run/xy=z"},
		{"UCI abridged", "wandns", "c wandns global\no run_dir /var/run/x\n", "/var/run/x"},
		{"UCI, the last counts", "wandns", "config wandns 'global'\n\toption run_dir '/var/run/x'\n\toption run_dir '/var/run/y'\n", "/var/run/y"},
		{"UCI with mistakes", "wandns", "config wandns 'global'\n\tnonsense\n\toption run_dir\t'/var/run/x'\nconfig service 'a b'\n\toption x 'y\n", "/var/run/x"},
		{"UCI in a service", "wandns", "config service 'home'\n\toption run_dir '/var/run/x'\n", defaultRunDir},
		{"UCI that is TOML", "wandns", "run_dir = \"/var/run/x\"\n" + service, defaultRunDir},
		{"UCI with a zero byte", "wandns", "config wandns 'global'\n\toption run_dir\t'/var/run/x'\n\x00\n", "/var/run/x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &cli{config: writeFile(t, tt.file, tt.text)}
			if dir, guessed := c.runDir(); dir != tt.want || guessed {
				t.Errorf("it is looked for in %q, want %q (guessed: %v)", dir, tt.want, guessed)
			}
		})
	}
}

func TestUsageMistakes(t *testing.T) {
	for _, tt := range []struct{ args, says string }{
		{"chekc", "wandns check"},
		{"providers nopi", `"nopi"`},
		{"providers noip x", "one name"},
		{"help check", "Usage: wandns check"},
		{"check --conifg f", "--conifg"},
		{"check --config", "--config"},
	} {
		_, out, stderr := typed(strings.Fields(tt.args)...)
		if !strings.Contains(out+stderr, tt.says) {
			t.Errorf("%s: %s", tt.args, strings.SplitN(out+stderr, "\n", 2)[0])
		}
	}
}

func TestASecretFileThatOthersCanReadIsWarnedAbout(t *testing.T) {
	s := writeFile(t, "s", "canary")
	if err := os.Chmod(s, 0o644); err != nil {
		t.Fatal(err)
	}
	if cfg := mustLoad(t, service+fmt.Sprintf("password_file = %q\n", s)); len(cfg.Warnings) == 0 {
		t.Error("no warning")
	}
}

func TestPathsAreFull(t *testing.T) {
	t.Chdir(t.TempDir())
	_ = os.WriteFile("s", []byte("canary"), 0o600)
	if got := mistakesIn(t, service+"password_file = 's'\n"); !strings.Contains(got, "full path") {
		t.Errorf("a relative password_file: %q", got)
	}
}

func TestControlCharactersAreRefused(t *testing.T) {
	if got := mistakesIn(t, "state_dir = \"/x\\u0007\"\n"+service+"password = 'p'\n"); !strings.Contains(got, "control character") {
		t.Error(got)
	}
}

func TestASyntaxErrorHidesNoOtherMistake(t *testing.T) {
	got := mistakesIn(t, "stat_dir = '/x'\n[[service]]\nname = 'home'\nprovider = 'noip'\nhostnames = 'home.example.com'\nusername = 'u'\npassword = canary\nname = 'twice'\nfamilly = 'ipv4'\n")
	want := `line 1, stat_dir: is unknown; did you mean state_dir?
line 7, syntax: the value cannot be read; put text in quotes: key = "text"
line 8, syntax: ` + twice + `
line 9, service "home", familly: is unknown; did you mean family?`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestALANHostIsNamedOnce(t *testing.T) {
	if got := mistakesIn(t, goodConfig+"ipv6_suffix = '::10'\nipv6_mac = '00:11:22:33:44:55'\n"); !strings.HasPrefix(got, "line 13, ") || !strings.Contains(got, "keep one") {
		t.Error(got)
	}
	if got := mistakesIn(t, goodConfig+"ipv6_lan = 'br-lan'\n"); !strings.Contains(got, "needs ipv6_suffix or ipv6_mac") {
		t.Error(got)
	}
	cfg := mustLoad(t, goodConfig+"ipv6_mac = '00:11:22:33:44:55'\nipv6_lan = 'br-lan'\n")
	if p := cfg.Services[0].Policy; p.Host.String() != "::211:22ff:fe33:4455" || p.LAN != "br-lan" {
		t.Errorf("policy = %+v", p)
	}
	if again := mustLoad(t, cfg.String()); again.Services[0].Policy != cfg.Services[0].Policy {
		t.Errorf("printed and read again: %+v", again.Services[0].Policy)
	}
}
