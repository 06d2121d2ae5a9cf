package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"wandns/updater"
	"wandns/wan"
)

const (
	defaultConfig   = "/etc/config/wandns"
	defaultStateDir = "/etc/wandns"
	defaultRunDir   = "/var/run/wandns"
)

// config is a validated configuration.
type config struct {
	StateDir, RunDir string
	LogLevel         slog.Level
	Services         []serviceConfig
	Warnings         []string
}

type serviceConfig struct {
	Name     string
	Enabled  bool
	Spec     updater.Spec
	Hosts    []string
	Families [2]bool
	Policy   wan.Policy
	Server   string
	CAFile   string
	Values   map[string]string // of Spec.Fields
}

// badConfig is everything that is wrong with a configuration.
type badConfig struct {
	file     string
	mistakes []mistake
}

func (e *badConfig) Error() string {
	var b strings.Builder
	for i, m := range e.mistakes {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.file + ": " + m.String())
	}
	return b.String()
}

// loadConfig reads and validates a file. Its error is a *badConfig with every
// mistake, or says why the file could not be read.
func loadConfig(file string) (*config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the configuration could not be read: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("the configuration could not be read: %w", err)
	}
	if !strings.HasSuffix(file, ".toml") {
		return nil, &badConfig{file, []mistake{{section: "file", text: "only TOML is understood so far; use a file whose name ends in .toml"}}}
	}
	sections, mistakes := parseTOML(string(data))
	v := &validator{mistakes: mistakes, config: &config{StateDir: defaultStateDir, RunDir: defaultRunDir}}
	v.sections(sections)
	if len(v.mistakes) > 0 {
		slices.SortStableFunc(v.mistakes, func(a, b mistake) int { return a.line - b.line })
		return nil, &badConfig{file, v.mistakes}
	}
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 && v.inline {
		v.config.Warnings = append(v.config.Warnings, fmt.Sprintf("%s holds a secret and others may read it; run: chmod 600 %s", file, file))
	}
	return v.config, nil
}

// account is the service as the updater takes it.
func (c serviceConfig) account(agent updater.Agent) updater.Account {
	client := updater.NewClient(updater.ClientConfig{Device: c.Policy.Device, CAFile: c.CAFile})
	a := updater.Account{
		Service: updater.Service{
			Name: c.Name, Provider: c.Spec.Name, Title: c.Spec.Title, Hosts: c.Hosts,
			Families: c.Families, Policy: c.Policy, Limits: c.Spec.Limits, Enabled: c.Enabled,
		},
		Provider: c.Spec.New(updater.Settings{Values: c.Values, Server: c.Server, Agent: agent, Client: client}),
	}
	identity := []string{c.Spec.Name, c.Server}
	whole := []string{fmt.Sprint(c.Enabled, c.Families, c.Policy.AllowPrivate), c.Policy.Device, c.CAFile, strings.Join(c.Hosts, ",")}
	for _, f := range c.Spec.Fields {
		value := c.Values[f.Name]
		whole = append(whole, value)
		if f.Identity {
			identity = append(identity, value)
		}
	}
	for _, f := range c.Spec.Fields {
		if value := c.Values[f.Name]; f.Secret && value != "" {
			basic := base64.StdEncoding.EncodeToString([]byte(strings.Join(identity[2:], ":") + ":" + value))
			a.Secrets = append(a.Secrets, basic, value, url.QueryEscape(value))
		}
	}
	a.Account, a.Config = digest(identity), digest(append(whole, identity...))
	return a
}

func digest(parts []string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

func (c *config) accounts(agent updater.Agent) []updater.Account {
	list := []updater.Account{}
	for _, s := range c.Services {
		list = append(list, s.account(agent))
	}
	return list
}

// String is the effective configuration as TOML, with secrets as "***".
func (c *config) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "state_dir = %q\nrun_dir   = %q\nlog_level = %q\n", c.StateDir, c.RunDir, strings.ToLower(c.LogLevel.String()))
	for _, s := range c.Services {
		family := map[[2]bool]string{{true, false}: "ipv4", {false, true}: "ipv6", {true, true}: "both"}[s.Families]
		fmt.Fprintf(&b, "\n[[service]]\nname = %q\nenabled = %t\nprovider = %q\nhostnames = [", s.Name, s.Enabled, s.Spec.Name)
		for i, h := range s.Hosts {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%q", h)
		}
		fmt.Fprintf(&b, "]\nfamily = %q\nallow_private = %t\n", family, s.Policy.AllowPrivate)
		optional := map[string]string{"device": s.Policy.Device, "server": s.Server, "ca_file": s.CAFile}
		for _, f := range s.Spec.Fields {
			optional[f.Name] = s.Values[f.Name]
			if f.Secret && s.Values[f.Name] != "" {
				optional[f.Name] = "***"
			}
		}
		for _, name := range slices.Sorted(maps.Keys(optional)) {
			if optional[name] != "" {
				fmt.Fprintf(&b, "%s = %q\n", name, optional[name])
			}
		}
	}
	return b.String()
}

// explain prints what is wrong with a configuration, for a person.
func explain(w io.Writer, err error) {
	var bad *badConfig
	if !errors.As(err, &bad) {
		fmt.Fprintf(w, "wandns: %v\n", err)
		return
	}
	fmt.Fprintln(w, bad.Error())
	noun := "mistakes"
	if len(bad.mistakes) == 1 {
		noun = "mistake"
	}
	fmt.Fprintf(w, "wandns: %d %s in the configuration; correct them and run: wandns check --config %s\n", len(bad.mistakes), noun, bad.file)
}
