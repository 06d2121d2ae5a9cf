package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"wandns/updater/updatertest"
)

func TestServe(t *testing.T) {
	noip := updatertest.NewNoIP("user", "secret", "home.example.com")
	sonic := updatertest.NewSonic("user", "secret", "sonic.example")
	at, err := serve(t.Context(), []site{{"127.0.0.1:0", noip}, {"127.0.0.1:0", noip.Detector()}, {"", nil}, {"127.0.0.1:0", sonic}}, updatertest.Zones{noip, sonic}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		at.web[0] + "/nic/update?hostname=home.example.com": "badauth",
		at.web[1] + "/":            "127.0.0.1",
		at.web[3] + "/dyndns/ping": "PONG",
	} {
		resp, err := http.Get("http://" + url)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %q, %v; want %q", url, b, err, want)
		}
	}
	// One that cannot be had takes the others down with it.
	if _, err := serve(t.Context(), []site{{"127.0.0.1:0", noip}, {at.web[0], sonic}}, noip, "127.0.0.1:0"); err == nil {
		t.Error("an address was served twice")
	}
	if err := at.stop(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + at.web[3]); err == nil {
		t.Error("it still answers")
	}
}

func TestFaults(t *testing.T) {
	sonic := updatertest.NewSonic("user", "secret", "sonic.example")
	if err := script([]updatertest.Service{sonic}, []string{"sonic:500,normal"}); err != nil {
		t.Fatal(err)
	}
	if err := script([]updatertest.Service{sonic}, []string{"sonik:500"}); err == nil || !strings.Contains(err.Error(), "sonik") {
		t.Errorf("error = %v", err)
	}
}

func TestMove(t *testing.T) {
	for _, c := range []struct{ address, host, want string }{
		{"127.0.0.1:8245", "192.168.1.5", "192.168.1.5:8245"},
		{"127.0.0.1:0", "fd00::5", "[fd00::5]:0"},
		{"10.0.0.1:80", "192.168.1.5", "10.0.0.1:80"},
		{"", "192.168.1.5", ""},
	} {
		if move(&c.address, c.host); c.address != c.want {
			t.Errorf("it is served at %q, want %q", c.address, c.want)
		}
	}
}

func TestConfig(t *testing.T) {
	var out strings.Builder
	printConfig(&out, updatertest.NewNoIP("user", "secret", "home.example.com", "nas.example.com"), "127.0.0.1:8245")
	want := `[[service]]
name = "noip"
provider = "noip"
hostnames = ["home.example.com", "nas.example.com"]
server = "http://127.0.0.1:8245"
password = "secret"
username = "user"

`
	if out.String() != want {
		t.Errorf("configuration:\n%s", out.String())
	}
}
