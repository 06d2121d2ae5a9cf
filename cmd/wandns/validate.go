package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"wandns/updater"
	"wandns/wan"
)

// validator turns sections into a config and collects every mistake.
type validator struct {
	config   *config
	mistakes []mistake
	enabled  bool
	inline   bool // a secret stands in the file itself
	unusable bool // all of it
	bounds   bounds
	noFiles  bool // that it names are opened

	section string // the one being read
	now     option
	files   []watched // that the service being read names
	inFiles int       // of its mistakes: those in files, not in the configuration
	copied  bool      // the file being read is root's copy, which only a reload brings
}

func (v *validator) wrong(format string, args ...any) {
	v.mistakes = append(v.mistakes, mistake{v.now.line, v.section, v.now.name, fmt.Sprintf(format, args...)})
}

// wrongFile is wrong about a file. One that may not be read is for the user to
// give away, even if it comes by itself.
func (v *validator) wrongFile(err error, format string, args ...any) {
	v.wrong(format, args...)
	if !errors.Is(err, fs.ErrPermission) && !v.copied {
		v.inFiles++
	}
}

// either chooses the words that fit the language of the file.
func (v *validator) either(toml, uci string) string {
	if v.config.UCI {
		return uci
	}
	return toml
}

func (v *validator) sections(list []section) {
	v.enabled = true
	for _, s := range list {
		if s.kind == "global" {
			v.global(s)
		}
	}
	names := map[string]bool{}
	for i, s := range list {
		if s.kind != "service" {
			continue
		}
		before := len(v.mistakes)
		c := v.service(s, i)
		if names[c.Name] && c.Name != "" {
			v.now = option{name: "name", line: s.line}
			v.wrong("another service is called %q already; give each its own name", c.Name)
		}
		if names[c.Name] || c.Name == "" {
			c.number = i
		}
		names[c.Name] = true
		c.switched, c.Enabled = c.Enabled, c.Enabled && v.enabled
		v.conflicts(s, c)
		if len(v.mistakes) > before {
			c.faults = faults{slices.Clone(v.mistakes[before:]), v.files, v.inFiles}
		}
		v.files, v.inFiles = nil, 0
		if !c.switched {
			v.mistakes = v.mistakes[:before] // they do no harm yet
		}
		v.config.Services = append(v.config.Services, c)
	}
}

// conflicts finds a name that another service publishes too: the two would
// overwrite each other. One that is paused or cannot be used overwrites nothing.
func (v *validator) conflicts(s section, c serviceConfig) {
	for _, o := range v.config.Services {
		both := o.Families[0] && c.Families[0] || o.Families[1] && c.Families[1]
		if !both || !o.switched || len(o.Mistakes) > 0 || o.Spec.Name != c.Spec.Name || o.Server != c.Server {
			continue
		}
		v.now, _ = s.find("hostnames")
		for _, h := range c.Hosts {
			if h != "" && slices.Contains(o.Hosts, h) {
				v.wrong("%q is a name of service %q already; remove it from one of the two", h, o.Name)
			}
		}
	}
}

// exposed warns of a file with a secret that others may read.
func (v *validator) exposed(file string) {
	v.config.Warnings = append(v.config.Warnings, fmt.Sprintf("%s holds a secret and others may read it; run: chmod 600 %s", file, file))
}

// plain warns of what others on the way can read or change.
func (v *validator) plain(u *url.URL, harm string) {
	if u.Scheme == "http" && !nearby(u.Hostname()) {
		m := mistake{v.now.line, v.section, v.now.name, "goes to " + u.Host + " unencrypted: " + harm + " by anyone on the way; use https"}
		v.config.Warnings = append(v.config.Warnings, m.String())
	}
}

// global reads what concerns all services. Without the journal's folder, or the
// knowledge whether it is switched off, nothing may be done. In UCI run_dir, which
// keeps nothing over a reboot, is then the default.
func (v *validator) global(s section) {
	v.section = ""
	for _, v.now = range s.keys {
		before := len(v.mistakes)
		switch v.now.name {
		case "state_dir":
			v.path(&v.config.StateDir)
		case "run_dir":
			v.path(&v.config.RunDir)
		case "log_level":
			if l := v.one(levels...); l != "" {
				v.config.LogLevel = l
			}
		case "metrics_file":
			v.path(&v.config.MetricsFile)
		case "enabled":
			v.enabled = v.truth() || len(v.mistakes) > before
		default:
			v.unknown(globalKeys)
		}
		v.unusable = v.unusable || len(v.mistakes) > before && (v.now.name == "state_dir" || v.now.name == "enabled" || v.now.name == "run_dir" && !v.config.UCI)
	}
}

type serviceKey struct {
	name, help         string
	required, reserved bool
}

//nolint:gochecknoglobals // a constant list
var globalKeys = []string{"state_dir", "run_dir", "log_level", "metrics_file", "enabled"}

// serviceKeys are the keys that every service has. Those that are reserved
// have a meaning which this version does not carry out, so that accepting
// them would publish a wrong address.
//
//nolint:gochecknoglobals // a constant table
var serviceKeys = []serviceKey{
	{name: "name", help: "what the service is called", required: true},
	{name: "enabled", help: "false switches it off"},
	{name: "provider", help: "see: wandns providers", required: true},
	{name: "hostnames", help: "the names to keep pointing here", required: true},
	{name: "family", help: "ipv4, ipv6 or both"},
	{name: "device", help: "network device whose addresses are published and by which requests leave"},
	{name: "interface", help: "OpenWrt's name of a network, such as wan or wan6, in place of device"},
	{name: "source", help: "where the address comes from: auto, device, web or provider"},
	{name: "web_url4", help: "whom to ask outside for the IPv4 address; of several, two must agree"},
	{name: "web_url6", help: "whom to ask outside for the IPv6 address"},
	{name: "ipv6_suffix", help: "publish a LAN host: these last bits under the prefix of ipv6_lan, such as ::10"},
	{name: "ipv6_mac", help: "publish a LAN host: the last bits that it makes of this MAC address"},
	{name: "ipv6_lan", help: "the LAN device whose prefix that host has; the first with one"},
	{name: "allow_private", help: "publish an address that the internet cannot reach"},
	{name: "server", help: "scheme and host in place of the provider's own"},
	{name: "ca_file", help: "PEM file of another trusted certificate authority"},
	{name: "refresh", reserved: true},
	{name: "offline_on_stop", reserved: true},
}

func (v *validator) service(s section, n int) serviceConfig {
	c := serviceConfig{Name: s.name, Enabled: true, Families: [2]bool{true, true}, outlet: outlet{Spec: new(updater.Spec), Values: map[string]string{}}}
	for _, o := range s.keys {
		if o.name == "name" && len(o.values) == 1 && !v.config.UCI {
			c.Name = o.values[0]
		}
	}
	v.section = fmt.Sprintf("service %q", c.Name)
	if c.Name == "" {
		v.section = fmt.Sprintf("service number %d", n)
	}
	var own []option
	for _, v.now = range s.keys {
		switch v.now.name {
		case "name":
			if v.config.UCI {
				v.wrong("stands in a service's first line in UCI; remove this one and write: config service 'home'")
				continue
			}
			c.Name = v.text()
			if strings.ContainsFunc(c.Name, notInName) {
				v.wrong("may hold letters, digits, _, - and . only")
			}
		case "enabled":
			before := len(v.mistakes)
			c.Enabled = v.truth() || len(v.mistakes) > before
		case "provider":
			c.Spec = v.provider()
		case "hostnames":
			c.Hosts = v.hosts()
		case "family":
			f := v.one("ipv4", "ipv6", "both")
			c.Families = [2]bool{f != "ipv6", f != "ipv4"}
		case "device":
			c.Policy.Device = v.device()
		case "interface":
			c.Policy.Interface = v.network()
		case "ipv6_suffix":
			c.Policy.Host = v.host(c.Policy.Host, v.suffix)
		case "ipv6_mac":
			c.Policy.Host = v.host(c.Policy.Host, v.eui64)
		case "ipv6_lan":
			c.Policy.LAN = v.device()
		case "source":
			c.Source = v.source()
		case "web_url4":
			c.URLs[wan.IPv4] = v.urls()
		case "web_url6":
			c.URLs[wan.IPv6] = v.urls()
		case "allow_private":
			c.Policy.AllowPrivate = v.truth()
		case "server":
			c.Server = v.server()
		case "ca_file":
			c.CAFile, c.caFrom = v.authority()
		case "offline_on_stop":
			if v.truth() {
				v.wrong("is not supported by this version; leave it out")
			}
		default:
			own = append(own, v.now)
		}
	}
	if c.Policy.LAN != "" && !c.Policy.Host.IsValid() && !s.has("ipv6_suffix") && !s.has("ipv6_mac") {
		v.now = option{name: "ipv6_lan", line: s.line}
		v.wrong("needs ipv6_suffix or ipv6_mac, which say whose address it is")
	}
	if o, ok := s.find("interface"); ok && s.has("device") {
		v.now = o
		v.wrong("and device both say which way; keep one of the two")
	}
	v.sourced(s, c)
	v.own(&c, own, s.line)
	v.together(s, &c)

	for _, k := range serviceKeys {
		if name := k.name; k.required && !s.has(name) && (name != "name" || s.name == "") {
			v.now = option{name: name, line: s.line}
			v.wrong("is missing; %s", map[string]string{
				"name":      v.either(`give the service one, such as "home"`, "write it into the first line: config service 'home'"),
				"provider":  "wandns providers lists them",
				"hostnames": "list the names to keep up to date, as in " + v.either(`["home.example.com"]`, "list hostnames 'home.example.com'"),
			}[name])
		}
	}
	v.checkHosts(s, c)
	if c.Server == c.Spec.Server {
		c.Server = ""
	}
	return c
}

// together asks the provider about what the fields say taken together.
func (v *validator) together(s section, c *serviceConfig) {
	can := [2]bool{true, !c.Spec.IPv4Only}
	if c.Spec.FamiliesOf != nil {
		can = c.Spec.FamiliesOf(c.Values)
	}
	c.Families = [2]bool{c.Families[wan.IPv4] && can[wan.IPv4], c.Families[wan.IPv6] && can[wan.IPv6]}
	if c.Families == [2]bool{} {
		v.now, _ = s.find("family")
		v.wrong("is not what %s publishes with these keys; leave it out", c.Spec.Title)
	}
	if c.Spec.CheckValues == nil {
		return
	}
	if key, why := c.Spec.CheckValues(c.Values, c.Hosts); why != "" {
		v.now = option{name: key, line: s.line}
		if o, ok := s.find(key); ok {
			v.now = o
		}
		v.wrong("%s", why)
	}
}

// sourced finds what does not go with where the addresses come from.
func (v *validator) sourced(s section, c serviceConfig) {
	given := func(key string) (ok bool) {
		v.now, ok = s.find(key)
		return ok
	}
	if c.Source == updater.ProviderSource && c.Spec.Name != "" && !c.Spec.TakesSource && given("source") {
		v.wrong("%s does not take the address of a connection; use web, device or auto", c.Spec.Title)
	}
	for f, key := range []string{wan.IPv4: "web_url4", wan.IPv6: "web_url6"} {
		switch {
		case !given(key):
		case c.Source != updater.AutoSource && c.Source != updater.WebSource:
			v.wrong("means nothing with source = %q; use web or auto, or leave it out", c.Source)
		case !c.Families[f]:
			v.wrong("means nothing with family = %q; leave it out", c.family())
		}
	}
	if c.Source < updater.WebSource {
		return
	}
	for _, key := range []string{"ipv6_suffix", "ipv6_mac", "allow_private"} {
		if given(key) && (key != "allow_private" || c.Policy.AllowPrivate) {
			v.wrong("does not go with source = %q, which publishes what the internet sees; use auto or device", c.Source)
		}
	}
}

func notInName(r rune) bool {
	return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// own reads the keys that are not everybody's: the provider's fields, or
// mistakes.
func (v *validator) own(c *serviceConfig, options []option, line int) {
	known := []string{}
	for _, k := range serviceKeys {
		if !k.reserved {
			known = append(known, k.name)
		}
	}
	given := map[string]int{}
	for _, f := range c.Spec.Fields {
		known = append(known, f.Name)
		if f.Secret {
			known = append(known, f.Name+"_file")
		}
	}
	for _, v.now = range options {
		name, fromFile := v.now.name, false
		i := slices.IndexFunc(c.Spec.Fields, func(f updater.Field) bool {
			fromFile = f.Secret && name == f.Name+"_file"
			return f.Name == name || fromFile
		})
		switch {
		case i >= 0:
			f := c.Spec.Fields[i]
			given[f.Name]++
			if given[f.Name] > 1 {
				v.wrong("%s is given as well; keep one of the two", strings.TrimSuffix(f.Name+"_file", v.now.name[len(f.Name):]))
				continue
			}
			c.Values[f.Name] = v.field(f, fromFile)
			if u, err := url.Parse(c.Values[f.Name]); f.Target && err == nil && c.Server == "" {
				v.plain(u, "the secret in it can be read")
			}
		case slices.ContainsFunc(serviceKeys, func(k serviceKey) bool { return k.reserved && k.name == name }):
			v.wrong("is not supported by this version; leave it out")
		case c.Spec.Name == "":
			// Without a provider nobody knows which keys are its own.
			if closest(name, known) != "" {
				v.unknown(known)
			}
		default:
			v.unknown(known)
		}
	}
	for _, f := range c.Spec.Fields {
		if f.Required && given[f.Name] == 0 {
			v.now = option{name: f.Name, line: line}
			v.wrong("is missing; it is the %s", f.Help)
		}
	}
}

func (v *validator) field(f updater.Field, fromFile bool) string {
	if v.now.bare {
		v.wrong("must be in quotes")
		return ""
	}
	value := v.text()
	if fromFile && v.noFiles {
		return mask
	}
	if fromFile && value != "" {
		from, ok := v.reach(value)
		if !ok {
			return ""
		}
		data, open, err := v.read(from)
		value = strings.TrimRight(data, "\r\n")
		switch {
		case !filepath.IsAbs(v.now.values[0]):
			v.wrong("is not the full path of a file; begin it with /")
			return ""
		case err != nil:
			v.wrongFile(err, "names a file that could not be read: %v", err)
			return ""
		case value == "":
			v.wrongFile(nil, "names a file that is empty")
			return ""
		case strings.ContainsAny(value, "\r\n"):
			v.wrongFile(nil, "names a file of more than one line")
			return ""
		case open:
			v.exposed(v.now.values[0])
		}
	}
	v.inline = v.inline || f.Secret && !fromFile
	if f.Check == nil {
		return value
	}
	why := f.Check(value)
	if t, ok := truth(value); why != "" && ok && f.Check(strconv.FormatBool(t)) == "" {
		return strconv.FormatBool(t) // as UCI has it: '1' for true
	}
	if why != "" {
		v.wrong("%s", why)
	}
	return value
}

func (v *validator) unknown(known []string) {
	global, service := slices.Contains(globalKeys, v.now.name), slices.ContainsFunc(serviceKeys, func(k serviceKey) bool { return k.name == v.now.name })
	switch s := closest(v.now.name, known); {
	case v.now.name == "service":
		v.wrong("is no key; begin each service with a line %s", v.either("[[service]]", "config service 'home'"))
	case global && v.section != "":
		v.wrong("is not a service's key; write it %s", v.either("above the first [[service]]", "below config wandns 'global'"))
	case service && v.section == "":
		v.wrong("belongs to a service; write it after a line %s", v.either("[[service]]", "config service 'home'"))
	case s != "":
		v.wrong("is unknown; did you mean %s?", s)
	default:
		v.wrong("is unknown; the keys are %s", strings.Join(known, ", "))
	}
}
