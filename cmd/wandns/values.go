package main

import (
	"crypto/x509"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"wandns/updater"
	"wandns/updater/providers"
	"wandns/updater/safefile"
	"wandns/wan"
)

// The readers of single values: each takes the option in v.now, and returns
// what it says or collects a mistake.

// text returns a key's single, non-empty value.
func (v *validator) text() string {
	switch {
	case v.now.wrong != "":
		v.wrong("%s", v.now.wrong)
	case v.now.list:
		v.wrong("takes one value, not a list")
	case v.now.values[0] == "":
		v.wrong("is empty")
	case strings.ContainsFunc(v.now.values[0], unicode.IsControl):
		v.wrong("holds a control character; remove it")
	default:
		return v.now.values[0]
	}
	return ""
}

func (v *validator) one(of ...string) string {
	s := v.text()
	if s != "" && !slices.Contains(of, s) {
		v.wrong("%q is not one of %s", s, strings.Join(of, ", "))
		return ""
	}
	return s
}

func (v *validator) truth() bool {
	s := v.text()
	t, ok := truth(s)
	if s != "" && !ok {
		v.wrong("%q is not one of %s", s, v.either("true, false", "1, 0"))
	}
	return t
}

// truth reads what OpenWrt takes for a truth value.
func truth(s string) (value, ok bool) {
	value = slices.Contains([]string{"1", "on", "true", "yes", "enabled"}, s)
	return value, value || slices.Contains([]string{"0", "off", "false", "no", "disabled"}, s)
}

// path replaces the default, unless it is none.
func (v *validator) path(to *string) {
	switch p := v.text(); {
	case p == "":
	case !filepath.IsAbs(p):
		v.wrong("%q is not a full path; begin it with /", p)
	default:
		if where := v.bounds.hold(v.now.name, p); v.config.UCI && where != "" {
			v.wrong("%q may not be chosen here; in UCI it lies in %s", p, where)
			return
		}
		*to = p
	}
}

func (v *validator) provider() *updater.Spec {
	name := v.text()
	spec, ok := providers.Find(name)
	if !ok && name != "" {
		var names []string
		for _, s := range providers.All() {
			names = append(names, s.Name)
		}
		if s := closest(name, names); s != "" {
			v.wrong("there is no provider %q; did you mean %s?", name, s)
			spec, _ = providers.Find(s)
		} else {
			v.wrong("there is no provider %q; choose from: %s", name, strings.Join(names, ", "))
		}
	}
	return spec
}

func (v *validator) hosts() []string {
	if v.now.wrong != "" || v.now.bare {
		v.wrong("must be a list of names in quotes")
		return nil
	}
	if len(v.now.values) == 0 {
		v.wrong("is empty; add at least one name")
	}
	var hosts []string
	for _, h := range v.now.values {
		h = strings.TrimSuffix(strings.ToLower(h), ".")
		said := len(v.mistakes)
		switch _, err := netip.ParseAddr(h); {
		case h == "":
			v.wrong("holds an empty name")
		case slices.Contains(hosts, h):
			v.wrong("holds %q twice", h)
		case strings.ContainsAny(h, ",; "):
			v.wrong("%q is one text; write %s", h, v.either(`["a.example.com", "b.example.com"]`, "a line list hostnames for each name"))
		case err == nil || strings.Contains(h, ".") && strings.Trim(h, "0123456789.") == "":
			v.wrong("%q is an address; write the name that is to have this router's", h)
		case len(h) > 253 || slices.ContainsFunc(strings.Split(h, "."), func(label string) bool { return len(label) > 63 }):
			v.wrong("%q is too long; a name has at most 253 characters, and 63 between two dots", h)
		}
		if len(v.mistakes) > said {
			h = "" // all is said of it
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// checkHosts asks the provider about the names, once it is known.
func (v *validator) checkHosts(s section, c serviceConfig) {
	o, ok := s.find("hostnames")
	if !ok || c.Spec.CheckHost == nil {
		return
	}
	v.now = o
	for _, h := range c.Hosts {
		if why := c.Spec.CheckHost(h); h != "" && why != "" {
			v.wrong("%q %s", h, why)
		}
	}
	v.dnsNames(c)
}

// dnsNames replaces what a provider calls its hosts by their names in the DNS.
func (v *validator) dnsNames(c serviceConfig) {
	if c.Spec.DNSName == nil {
		return
	}
	given := slices.Clone(c.Hosts)
	for i, h := range given {
		c.Hosts[i] = c.Spec.DNSName(h)
		if j := slices.Index(c.Hosts[:i], c.Hosts[i]); j >= 0 && given[j] != h {
			v.wrong("holds %q twice", c.Hosts[i])
		}
	}
}

func (v *validator) source() updater.Source {
	all := []string{
		updater.AutoSource:     updater.AutoSource.String(),
		updater.DeviceSource:   updater.DeviceSource.String(),
		updater.WebSource:      updater.WebSource.String(),
		updater.ProviderSource: updater.ProviderSource.String(),
	}
	return updater.Source(max(0, slices.Index(all, v.one(all...))))
}

// urls reads the addresses of pages that tell who asks.
func (v *validator) urls() []string {
	if v.now.wrong != "" || v.now.bare {
		v.wrong("must be an address in quotes, or a list of them")
		return nil
	}
	if len(v.now.values) == 0 {
		v.wrong("is empty; add an address or leave it out")
	}
	var list []string
	for _, s := range v.now.values {
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || !goodPort(u) ||
			strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
			v.wrong("must be like https://ip.example.com/, without user and password")
		case !updater.IsASCII(u.Host):
			v.wrong(updater.ForeignHost)
		case slices.Contains(list, s):
			v.wrong("holds %q twice", s)
		default:
			v.plain(u, "the address can be made up")
		}
		list = append(list, s)
	}
	return list
}

func goodPort(u *url.URL) bool {
	if !strings.HasSuffix(u.Host, ":"+u.Port()) {
		return true
	}
	port, err := strconv.Atoi(u.Port())
	return err == nil && port > 0 && port < 65536
}

func (v *validator) device() string {
	d := v.text()
	if len(d) > 15 || d == "." || d == ".." || strings.ContainsAny(d, "/: ") { // as the kernel's dev_valid_name
		v.wrong("%q cannot be the name of a network device; ip link lists them", d)
	}
	return d
}

func (v *validator) network() string {
	n := v.text()
	if strings.ContainsFunc(n, notInName) {
		v.wrong("%q cannot be the name of a network; they are in /etc/config/network", n)
	}
	return n
}

// host reads the identity of a LAN host, of which there is one.
func (v *validator) host(before netip.Addr, read func() netip.Addr) netip.Addr {
	if before.IsValid() {
		v.wrong("ipv6_suffix and ipv6_mac both name a host; keep one of the two")
		return before
	}
	return read()
}

func (v *validator) suffix() netip.Addr {
	s := v.text()
	a, err := netip.ParseAddr(s)
	if s != "" && (err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" || a.IsUnspecified() || a.As16()[0] != 0) {
		v.wrong("%q is not the end of an IPv6 address; write it like ::1234:5678:9abc:def0", s)
		return netip.Addr{}
	}
	return a
}

func (v *validator) eui64() netip.Addr {
	s := v.text()
	a, err := wan.EUI64(s)
	if s != "" && err != nil {
		v.wrong("%q is %v; write it like 00:11:22:33:44:55", s, err)
	}
	return a
}

func (v *validator) server() string {
	s := v.text()
	if s == "" {
		return ""
	}
	if !updater.IsASCII(s) {
		v.wrong(updater.ForeignHost)
		return ""
	}
	u, err := url.Parse(strings.ToLower(strings.TrimSuffix(s, "/")))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.ContainsAny(s, "?#@") || u.Path != "" || !goodPort(u) {
		v.wrong("must be like https://127.0.0.1:8443, without path, user and password")
		return ""
	}
	if defaults := map[string]string{"http": "80", "https": "443"}; u.Port() == defaults[u.Scheme] {
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	}
	v.plain(u, "user name and password can be read")
	return u.String()
}

// authority reads the name of a file with certificates and, where that is another
// one, what to read in its place. It is not repeated: a secret may stand there.
func (v *validator) authority() (file, from string) {
	file = v.text()
	if file == "" {
		return "", ""
	}
	if !filepath.IsAbs(file) {
		v.wrong("is not the full path of a file; begin it with /")
		return "", ""
	}
	from, ok := v.reach(file)
	if !ok {
		return "", ""
	}
	if v.noFiles {
		return file, from
	}
	pem, _, err := v.read(from)
	switch {
	case err != nil:
		v.wrongFile(err, "names a file that could not be read: %v", err)
	case !x509.NewCertPool().AppendCertsFromPEM([]byte(pem)):
		v.wrongFile(nil, "names a file that holds no certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----")
	default:
		return file, from
	}
	return "", ""
}

// read reads a file that the configuration names. Where the daemon has a copy,
// it would look in vain for another.
func (v *validator) read(file string) (text string, open bool, err error) {
	if !v.copied {
		v.files = append(v.files, watch(file))
	}
	text, open, err = readBy(safefile.ReadForRoot, file)
	return text, open, v.bounds.advise(file, err)
}

// closest returns the candidate that a typing error may have been meant for.
func closest(s string, candidates []string) string {
	best, least := "", 1+min(3, 1+len(s)/4)
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
