package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"wandns/updater"
	"wandns/updater/safefile"
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
	LogLevel         string // of levels
	MetricsFile      string
	Services         []serviceConfig // in the order of the file
	Mistakes         []mistake       // all but those of paused services
	Warnings         []string
	UCI              bool // the language that it is written in, which is TOML otherwise
	off              bool // all of it is switched off, perhaps by saying nothing
	disabled         bool // it says so
}

type serviceConfig struct {
	Name     string
	Enabled  bool
	Hosts    []string
	Families [2]bool
	Policy   wan.Policy
	Source   updater.Source
	URLs     [2][]string // by wan.Family: whom to ask outside
	faults
	Awaited  []watched // files with which the one before could be used
	former   bool      // the rest is from before these mistakes
	number   int       // among all, if the name is not its own
	switched bool      // Enabled as the service itself has it
	outlet
}

// faults are why a service cannot be used.
type faults struct {
	Mistakes []mistake
	Files    []watched // that it names
	inFiles  int       // of Mistakes: those in Files
}

// outlet is where a service's requests go.
type outlet struct {
	Spec   *updater.Spec
	Server string
	CAFile string
	caFrom string            // where that is read
	Values map[string]string // of Spec.Fields
}

func (c serviceConfig) family() string {
	switch c.Families {
	case [2]bool{true, false}:
		return "ipv4"
	case [2]bool{false, true}:
		return "ipv6"
	}
	return "both"
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
	cfg, err := readConfig(file, file)
	if err == nil {
		err = cfg.bad(file)
	}
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// bad is what is wrong with a configuration, as an error of loadConfig; nil if
// nothing is.
func (c *config) bad(file string) error {
	if len(c.Mistakes) == 0 {
		return nil
	}
	return &badConfig{file, c.Mistakes}
}

// readConfig reads a file that people know by a name. Its error is as that of
// loadConfig, and means that nothing of the file can be used: mistakes in one
// service, and sections that are none, leave the rest of it as it is.
func readConfig(file, name string) (*config, error) {
	data, open, err := readSmall(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no configuration %s; name yours with --config FILE", name)
	}
	if err != nil {
		return nil, fmt.Errorf("the configuration %s could not be read: %w; name another with --config FILE", name, err)
	}
	n := 0
	for line := range strings.Lines(data) {
		if n++; len(line) > maxLine {
			return nil, &badConfig{name, []mistake{{line: n, section: "syntax", text: fmt.Sprintf("the line is longer than %d KiB; this is no configuration", maxLine>>10)}}}
		}
	}
	v := &validator{config: &config{StateDir: defaultStateDir, RunDir: defaultRunDir, LogLevel: "info", UCI: !isTOML(name)}, bounds: boundsOf(file, name)}
	sections, mistakes := parseConfig(name, data)
	v.mistakes = mistakes
	if sections != nil {
		v.sections(sections)
	}
	syntax := v.onlySure(data)
	sort.SliceStable(v.mistakes, func(i, j int) bool { return v.mistakes[i].line < v.mistakes[j].line })
	if syntax || v.unusable && v.enabled {
		return nil, &badConfig{name, v.mistakes}
	}
	v.config.Mistakes = v.mistakes
	v.config.disabled = !v.enabled
	v.config.off = !v.enabled || name == defaultConfig && !sections[0].has("enabled") // as the init script has it
	// A copy is for whom it was made for.
	if open && v.inline && file == name {
		v.exposed(name)
	}
	for _, s := range v.config.Services {
		for _, m := range s.Mistakes {
			if !s.switched {
				v.config.Warnings = append(v.config.Warnings, "before this service is switched on, correct "+m.String())
			}
		}
	}
	return v.config, nil
}

// onlySure removes what may be a mistake only because of a broken line, and tells
// whether there is one.
func (v *validator) onlySure(data string) (syntax bool) {
	broken := map[int]bool{}
	for _, m := range v.mistakes {
		broken[m.line] = broken[m.line] || m.section == "syntax"
		syntax = syntax || m.section == "syntax"
	}
	if !syntax {
		return false
	}
	// Below the first line of a section that is broken, all is another one's.
	lost, n := map[int]bool{}, 0
	for line := range strings.Lines(data) {
		n++
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		lost[n] = broken[n] && closest(word, []string{"config"}) != "" || lost[n-1] && word != "config"
	}
	v.mistakes = slices.DeleteFunc(v.mistakes, func(m mistake) bool {
		return m.section != "syntax" && (broken[m.line] || v.config.UCI && (lost[m.line] || strings.HasPrefix(m.text, "is missing")))
	})
	return true
}

// firstService says how to add one.
func (c *config) firstService() string {
	if c.UCI {
		return "add one that begins with: config service 'home'"
	}
	return "add one that begins with: [[service]]"
}

func isTOML(file string) bool { return strings.HasSuffix(file, ".toml") }

// parseConfig reads a text in the language that the file's name tells. No
// sections means that too much is wrong with it; the last mistake says where.
func parseConfig(file, text string) ([]section, []mistake) {
	if isTOML(file) {
		return parseTOML(text)
	}
	return parseUCI(text)
}

// maxConfig bounds every file that the configuration names, and maxLine its
// lines: the TOML decoder's time and memory grow with nesting.
const (
	maxConfig = 256 << 10 // a thousand services
	maxLine   = 4 << 10
)

// soon is how long a file may take, wherever it lies.
const soon = 3 * time.Second

// readSmall reads a file, and says whether others may read it too, apart from a
// group that gives it to this process. Its error does not name the file: a
// secret may stand in its place.
func readSmall(file string) (text string, open bool, err error) {
	return readBy(safefile.Read, file)
}

func readBy(read func(context.Context, string, int64) (safefile.File, error), file string) (text string, open bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	f, err := read(ctx, file, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		err = fs.ErrNotExist // in plainer words
	}
	others := fs.FileMode(0o077)
	if f.UID != os.Geteuid() && f.GID == os.Getegid() {
		others = 0o027
	}
	return f.Text, f.Mode&others != 0, err
}

// carrier carries requests. More secrets are those that the configuration does
// not hold.
func (o outlet) carrier(more ...string) updater.Carrier {
	client := updater.NewClient(updater.ClientConfig{CAFile: o.caFrom, Secrets: o.secrets(more...)})
	return updater.Carrier{
		Client:   client,
		Provider: o.Spec.New(updater.Settings{Values: o.Values, Server: cmp.Or(o.Server, o.Spec.Server), Agent: agent(), Client: client}),
		NotInDNS: o.Spec.NotInDNS,
	}
}

// masked is the outlet with *** for every secret.
func (o outlet) masked() outlet {
	o.Values = maps.Clone(o.Values)
	for _, f := range o.Spec.Fields {
		if f.Secret && o.Values[f.Name] != "" {
			o.Values[f.Name] = mask
		}
	}
	return o
}

// mask stands for a secret.
const mask = "***"

// carry returns what makes carriers: it lasts, so it holds no map.
func (o outlet) carry() func() updater.Carrier {
	values := make([]string, len(o.Spec.Fields))
	for i, f := range o.Spec.Fields {
		values[i] = o.Values[f.Name]
	}
	o.Values = nil
	return func() updater.Carrier {
		full := o
		full.Values = map[string]string{}
		for i, f := range o.Spec.Fields {
			full.Values[f.Name] = values[i]
		}
		return full.carrier()
	}
}

// account is the service as the updater takes it.
func (c serviceConfig) account() updater.Account {
	a := updater.Account{
		Service: updater.Service{
			Self: updater.Self{Name: c.Name, Hosts: c.Hosts},
			Terms: updater.Terms{
				Provider: c.Spec.Name, Title: c.Spec.Title, Server: c.Server, Families: c.Families, Policy: c.Policy, Source: c.Source,
				URLs: c.URLs, Trust: c.CAFile, Limits: c.limits(), Enabled: c.Enabled, FromSource: c.Spec.FromSource,
			},
		},
		Carry: c.carry(),
	}
	identity := map[string]string{"provider": c.Spec.Name, "server": c.Server}
	whole := map[string]string{
		"family": c.family(), "device": c.Policy.Device, "interface": c.Policy.Interface, "ipv6_suffix": addrText(c.Policy.Host), "ipv6_lan": c.Policy.LAN, "ca_file": c.CAFile, "hostnames": strings.Join(slices.Sorted(slices.Values(c.Hosts)), ","),
		"web_url4": strings.Join(c.URLs[wan.IPv4], ","), "web_url6": strings.Join(c.URLs[wan.IPv6], ","),
		"enabled": unlessDefault(c.switched, true), "allow_private": unlessDefault(c.Policy.AllowPrivate, false),
	}
	if c.Source != updater.AutoSource {
		whole["source"] = c.Source.String()
	}
	login := maps.Clone(identity)
	maps.Copy(whole, identity)
	for _, f := range c.Spec.Fields {
		value := c.Values[f.Name]
		whole[f.Name] = value
		if f.Identity {
			identity[f.Name] = value
		}
		if f.Identity || f.Secret {
			login[f.Name] = value
		}
	}
	a.Account, a.Login, a.Config = digest(identity), digest(login), digest(whole)
	return a
}

func (o outlet) limits() updater.Limits {
	if o.Spec.LimitsOf == nil {
		return o.Spec.Limits
	}
	return o.Spec.LimitsOf(o.Values)
}

func unlessDefault(v, byDefault bool) string {
	if v == byDefault {
		return ""
	}
	return strconv.FormatBool(v)
}

// digest identifies settings. What is not set does not count, so that a later
// version with more keys comes to the same.
func digest(settings map[string]string) string {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if settings[key] != "" {
			fmt.Fprintf(h, "%s=%q\n", key, settings[key])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// secrets are the service's secrets, also as they are sent together with a name.
func (o outlet) secrets(more ...string) []string {
	for _, f := range o.Spec.Fields {
		if f.Secret {
			more = append(more, o.Values[f.Name])
		}
	}
	list := slices.DeleteFunc(more, func(v string) bool { return v == "" })
	for _, v := range list {
		for _, user := range o.Spec.Fields {
			if user.Identity {
				list = append(list, base64.StdEncoding.EncodeToString([]byte(o.Values[user.Name]+":"+v)))
			}
		}
	}
	return list
}

// accounts are the services as the updater takes them. advice says what to do
// once mistakes are corrected.
func (c *config) accounts(advice string) []updater.Account {
	list := []updater.Account{}
	for _, s := range c.Services {
		a := updater.Account{Service: updater.Service{
			Self:  updater.Self{Name: s.label(), Hosts: s.Hosts},
			Terms: updater.Terms{Provider: s.Spec.Name, Families: s.Families, Enabled: s.Enabled},
		}}
		if len(s.Mistakes) == 0 || s.former {
			a = s.account()
		}
		a.Wrong = s.wrong(advice)
		list = append(list, a)
	}
	return list
}

// label is the name by which a service is shown: also of one without a name, or
// with that of another.
func (c serviceConfig) label() string {
	if c.number == 0 {
		return c.Name
	}
	return strings.TrimPrefix(fmt.Sprintf("%s, number %d", c.Name, c.number), ", ")
}

// wrong tells what is wrong with a service; empty if nothing is.
func (c serviceConfig) wrong(advice string) string {
	var all []string
	for _, m := range c.Mistakes {
		all = append(all, strings.TrimPrefix(m.key+": ", ": ")+m.text)
	}
	switch {
	case all == nil || !c.Enabled:
		return strings.Join(all, "; ")
	case c.awaitsFile():
		all = append(all, "it is tried again when the file changes")
	default:
		all = append(all, advice)
	}
	return strings.Join(all, "; ")
}

// explain prints what is wrong with a configuration, for a person.
func explain(w io.Writer, err error) {
	var bad *badConfig
	if !errors.As(err, &bad) {
		fmt.Fprintf(w, "wandns: %v\n", err)
		return
	}
	fmt.Fprintln(w, bad.Error())
	what := fmt.Sprintf("%d mistakes in the configuration; correct them", len(bad.mistakes))
	if len(bad.mistakes) == 1 {
		what = "1 mistake in the configuration; correct it"
	}
	fmt.Fprintf(w, "wandns: %s and run: wandns check --config %s\n", what, bad.file)
}
