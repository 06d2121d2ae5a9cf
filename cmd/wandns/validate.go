package main

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wandns/updater"
	"wandns/updater/providers"
)

// validator turns sections into a config and collects every mistake.
type validator struct {
	config   *config
	mistakes []mistake
	enabled  bool
	inline   bool // a secret stands in the file itself

	section string // the one being read
	now     option
}

func (v *validator) wrong(format string, args ...any) {
	v.mistakes = append(v.mistakes, mistake{v.now.line, v.section, v.now.name, fmt.Sprintf(format, args...)})
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
		c := v.service(s, i)
		if names[c.Name] && c.Name != "" {
			v.now = option{name: "name", line: s.line}
			v.wrong("another service is called %q already; give each its own name", c.Name)
		}
		names[c.Name] = true
		c.Enabled = c.Enabled && v.enabled
		v.config.Services = append(v.config.Services, c)
	}
	if len(names) == 0 && len(v.mistakes) == 0 {
		v.section, v.now = "file", option{}
		v.wrong("there is no service; add one that begins with [[service]]")
	}
}

func (v *validator) global(s section) {
	v.section = ""
	for _, v.now = range s.keys {
		switch v.now.name {
		case "state_dir":
			v.config.StateDir = v.path()
		case "run_dir":
			v.config.RunDir = v.path()
		case "log_level":
			level := v.one("debug", "info", "warn", "error")
			_ = v.config.LogLevel.UnmarshalText([]byte(level)) // one has checked it
		case "enabled":
			v.enabled = v.truth()
		default:
			v.unknown([]string{"state_dir", "run_dir", "log_level", "enabled"})
		}
	}
}

type serviceKey struct {
	name, help string
	reserved   bool
}

// serviceKeys are the keys that every service has. Those that are reserved
// have a meaning which this version does not carry out, so that accepting
// them would publish a wrong address.
//
//nolint:gochecknoglobals // a constant table
var serviceKeys = []serviceKey{
	{name: "name", help: "what the service is called"},
	{name: "enabled", help: "false switches it off"},
	{name: "provider", help: "see: wandns providers"},
	{name: "hostnames", help: "the names to keep pointing here"},
	{name: "family", help: "ipv4, ipv6 or both"},
	{name: "device", help: "network device whose addresses are published and by which requests leave"},
	{name: "source", help: "where the address comes from: auto or device"},
	{name: "allow_private", help: "publish an address that the internet cannot reach"},
	{name: "server", help: "scheme and host in place of the provider's own"},
	{name: "ca_file", help: "PEM file of another trusted certificate authority"},
	{name: "interface", reserved: true},
	{name: "ipv6_suffix", reserved: true},
	{name: "ipv6_mac", reserved: true},
	{name: "ipv6_lan", reserved: true},
	{name: "web_url4", reserved: true},
	{name: "web_url6", reserved: true},
	{name: "refresh", reserved: true},
	{name: "offline_on_stop", reserved: true},
}

func (v *validator) service(s section, n int) serviceConfig {
	c := serviceConfig{Name: s.name, Enabled: true, Families: [2]bool{true, true}, Values: map[string]string{}}
	for _, o := range s.keys {
		if o.name == "name" && len(o.values) == 1 {
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
			c.Name = v.text()
			if strings.ContainsFunc(c.Name, notInName) {
				v.wrong("may hold letters, digits, _, - and . only")
			}
		case "enabled":
			c.Enabled = v.truth()
		case "provider":
			c.Spec = v.provider()
		case "hostnames":
			c.Hosts = v.hosts()
		case "family":
			f := v.one("ipv4", "ipv6", "both")
			c.Families = [2]bool{f != "ipv6", f != "ipv4"}
		case "device":
			c.Policy.Device = v.device()
		case "source":
			if s := v.one("auto", "device", "web", "provider"); s == "web" || s == "provider" {
				v.wrong("%q is not supported by this version; leave source out", s)
			}
		case "allow_private":
			c.Policy.AllowPrivate = v.truth()
		case "server":
			c.Server = v.server()
		case "ca_file":
			c.CAFile = v.authority()
		case "offline_on_stop":
			if v.truth() {
				v.wrong("is not supported by this version; leave it out")
			}
		default:
			own = append(own, v.now)
		}
	}
	v.own(&c, own, s.line)

	for _, name := range []string{"name", "provider", "hostnames"} {
		if !has(s, name) && (name != "name" || s.name == "") {
			v.now = option{name: name, line: s.line}
			v.wrong("is missing")
		}
	}
	v.checkHosts(s, c)
	return c
}

func has(s section, key string) bool {
	return slices.ContainsFunc(s.keys, func(o option) bool { return o.name == key })
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
				v.wrong("gives %s a second time; remove one of the two", f.Name)
				continue
			}
			c.Values[f.Name] = v.field(f, fromFile)
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
			v.wrong("is missing: %s", f.Help)
		}
	}
}

func (v *validator) field(f updater.Field, fromFile bool) string {
	value := v.text()
	if fromFile && value != "" {
		data, err := os.ReadFile(value)
		if err != nil {
			v.wrong("%v", err)
			return ""
		}
		value = strings.TrimRight(string(data), "\r\n")
		if value == "" {
			v.wrong("%s is empty", v.now.values[0])
			return ""
		}
	}
	v.inline = v.inline || f.Secret && !fromFile
	if f.Check != nil {
		if why := f.Check(value); why != "" {
			v.wrong("%s", why)
		}
	}
	return value
}

func (v *validator) unknown(known []string) {
	if s := closest(v.now.name, known); s != "" {
		v.wrong("is unknown; did you mean %s?", s)
		return
	}
	v.wrong("is unknown; the keys are %s", strings.Join(known, ", "))
}

// text returns a key's single, non-empty value.
func (v *validator) text() string {
	switch {
	case v.now.wrong != "":
		v.wrong("%s", v.now.wrong)
	case v.now.list:
		v.wrong("takes one value, not a list")
	case v.now.values[0] == "":
		v.wrong("is empty")
	default:
		return v.now.values[0]
	}
	return ""
}

func (v *validator) one(of ...string) string {
	s := v.text()
	if s != "" && !slices.Contains(of, s) {
		v.wrong("is %q; it can be %s", s, strings.Join(of, ", "))
		return ""
	}
	return s
}

func (v *validator) truth() bool {
	switch v.text() {
	case "true", "1", "on", "yes", "enabled":
		return true
	case "false", "0", "off", "no", "disabled", "":
		return false
	}
	v.wrong("is %q; it can be true or false", v.now.values[0])
	return false
}

func (v *validator) path() string {
	p := v.text()
	if p != "" && !filepath.IsAbs(p) {
		v.wrong("is %q; it must be a full path, beginning with /", p)
	}
	return p
}

func (v *validator) provider() updater.Spec {
	name := v.text()
	spec, ok := providers.Find(name)
	if !ok && name != "" {
		var names []string
		for _, s := range providers.All() {
			names = append(names, s.Name)
		}
		if s := closest(name, names); s != "" {
			v.wrong("there is no provider %q; did you mean %s?", name, s)
		} else {
			v.wrong("there is no provider %q; there is %s", name, strings.Join(names, ", "))
		}
	}
	return spec
}

func (v *validator) hosts() []string {
	if v.now.wrong != "" || len(v.now.values) == 0 {
		v.wrong("must be a list of names")
		return nil
	}
	var hosts []string
	for _, h := range v.now.values {
		h = strings.ToLower(h)
		switch {
		case h == "":
			v.wrong("holds an empty name")
		case slices.Contains(hosts, h):
			v.wrong("holds %q twice", h)
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// checkHosts asks the provider about the names, once it is known.
func (v *validator) checkHosts(s section, c serviceConfig) {
	i := slices.IndexFunc(s.keys, func(o option) bool { return o.name == "hostnames" })
	if i < 0 || c.Spec.CheckHost == nil {
		return
	}
	v.now = s.keys[i]
	for _, h := range c.Hosts {
		if why := c.Spec.CheckHost(h); h != "" && why != "" {
			v.wrong("%q %s", h, why)
		}
	}
}

func (v *validator) device() string {
	d := v.text()
	if len(d) > 15 || strings.ContainsAny(d, "/ \t\n") {
		v.wrong("is %q, which cannot be the name of a network device", d)
	}
	return d
}

func (v *validator) server() string {
	s := v.text()
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "") {
		v.wrong("must be a scheme and a host such as https://127.0.0.1:8443, without path and credentials")
	}
	return strings.TrimSuffix(s, "/")
}

func (v *validator) authority() string {
	file := v.text()
	if file == "" {
		return ""
	}
	pem, err := os.ReadFile(file)
	switch {
	case err != nil:
		v.wrong("%v", err)
	case !x509.NewCertPool().AppendCertsFromPEM(pem):
		v.wrong("%s holds no certificate in PEM form", file)
	}
	return file
}

// closest returns the candidate that a typing error may have been meant for.
func closest(s string, candidates []string) string {
	best, least := "", 1+max(1, len(s)/3)
	for _, c := range candidates {
		if d := distance(s, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is Levenshtein's: the fewest insertions, deletions and
// substitutions between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
