package main

import (
	"fmt"
	"maps"
	"strings"
)

// What becomes of ddclient's options; none for those that are translated.
//
//nolint:gochecknoglobals // a constant table
var ddclientOptions = map[string]string{
	"protocol": "", "server": "", "login": "", "password": "", "host": "", "use": "", "usev4": "", "usev6": "", "if": "", "ifv4": "", "ifv6": "",
	"web": "", "webv4": "", "webv6": "", "ip": "", "ipv4": "", "ipv6": "", "ttl": "", "ssl_ca_file": "", // see fromDdclientHost

	"daemon":             notNeeded + "the kernel tells wandns of every change of an address",
	"jitter":             notNeeded + "wandns acts when an address changes, not by the clock",
	"foreground":         notNeeded + "the service runs as procd wants it",
	"file":               notNeeded + "see --config",
	"cache":              notNeeded + "state_dir is for wandns",
	"pid":                notNeeded + "procd knows the process",
	"proxy":              notPossible + "requests leave by the interface whose address is published",
	"timeout":            notNeeded + "wandns has its own",
	"force":              notNeeded + "an address that the provider confirmed is not sent again",
	"ssl":                notNeeded + "wandns always uses HTTPS",
	"syslog":             notNeeded + "wandns logs to the system's log",
	"facility":           notNeeded + "wandns logs to the system's log",
	"priority":           notNeeded + "see log_level",
	"mail":               notPossible + "wandns sends no mail; see wandns status --json",
	"mail-failure":       notPossible + "wandns sends no mail; see wandns status --json",
	"mail-from":          notNeeded + "wandns sends no mail",
	"max-warn":           notNeeded + "wandns sends no mail",
	"exec":               notNeeded + "see enabled",
	"debug":              notNeeded + "see log_level",
	"verbose":            notNeeded + "see log_level",
	"quiet":              notNeeded + "see log_level",
	"test":               notNeeded + "see wandns check and wandns wan",
	"postscript":         notPossible + "wandns runs no programs",
	"ssl_ca_dir":         notPossible + "ca_file takes one file; the system's authorities are trusted",
	"redirect":           notNeeded + "wandns knows where its providers are",
	"min-interval":       notNeeded + "wandns keeps every provider's own limit",
	"max-interval":       notNeeded + "an address that the provider confirmed is not sent again",
	"min-error-interval": notNeeded + "how long wandns waits depends on the error",
	"backupmx":           notPossible + "it is set at the provider",
	"mx":                 notPossible + "it is set at the provider",
	"wildcard":           notPossible + "it is set at the provider",
	"static":             notPossible + "it is set at the provider",
	"custom":             notPossible + "it is set at the provider",
	"zone":               notNeeded + "the name says it",
	"script":             notNeeded + "wandns knows its providers' paths",
	"if-skip":            notNeeded + "ddclient ignores it",
	"cmd":                "", "cmdv4": "", "cmdv6": "", "fw": "", "fwv4": "", "fwv6": "",
	"cmd-skip":         notNeeded + "wandns runs no programs",
	"web-skip":         notNeeded + "wandns finds the address in text, JSON and HTML",
	"webv4-skip":       notNeeded + "wandns finds the address in text, JSON and HTML",
	"webv6-skip":       notNeeded + "wandns finds the address in text, JSON and HTML",
	"web-ssl-validate": notNeeded + "wandns always verifies who answers",
	"fw-skip":          notNeeded + "wandns runs on the router itself",
	"fwv4-skip":        notNeeded + "wandns runs on the router itself",
	"fwv6-skip":        notNeeded + "wandns runs on the router itself",
	"fw-login":         notNeeded + "wandns runs on the router itself",
	"fw-password":      notNeeded + "wandns runs on the router itself",
	"fw-ssl-validate":  notNeeded + "wandns runs on the router itself",
	"fw-banlocal":      notNeeded + "ddclient ignores it",
}

// fromDdclient reads ddclient.conf as ddclient's _read_config does.
func fromDdclient(data string) (*imported, error) {
	m := &imported{}
	global := given{}
	logical, begun := "", 0
	var passwords []string
	n := 0
	for line := range strings.Lines(data) {
		n++
		if logical == "" {
			begun = n
		}
		line = strings.TrimRight(line, "\r\n")
		if before, password, after, ok := cutPassword(line); ok {
			line = before + "=\x00" + after
			passwords = append(passwords, password)
		}
		line, _, _ = strings.Cut(line, "#")
		logical += line
		if cut, ok := strings.CutSuffix(strings.TrimSpace(logical), `\`); ok {
			logical = cut
			continue
		}
		own, hosts, ok := ddclientLine(logical, passwords)
		if !ok {
			return nil, fmt.Errorf("line %d: this is no line of ddclient, which are: key=value, key=value host", begun)
		}
		logical, passwords = "", nil
		if len(hosts) == 0 {
			maps.Copy(global, own)
			continue
		}
		all := maps.Clone(global)
		maps.Copy(all, own)
		s := fromDdclientHost(all, hosts)
		s.notes = append(s.notes, own.rest(ddclientOptions, "ddclient")...)
		m.services = append(m.services, s)
	}
	if strings.TrimSpace(logical) != "" {
		return nil, fmt.Errorf("line %d: the last line goes on in one that is not there; remove its backslash", begun)
	}
	m.notes = global.rest(ddclientOptions, "ddclient")
	return m, nil
}

// cutPassword finds a password, which ddclient reads before it looks for
// comments and commas: to the last quote, or to the next space.
func cutPassword(line string) (before, password, after string, ok bool) {
	i := strings.Index(line, "password")
	if i < 0 || strings.Contains(line[:i], "#") {
		return "", "", "", false
	}
	i += len("password")
	v, ok := strings.CutPrefix(strings.TrimLeft(line[i:], " \t"), "=")
	v = strings.TrimLeft(v, " \t")
	switch {
	case !ok || v == "":
		return "", "", "", false
	case v[0] == '\'':
		end := strings.LastIndexByte(v, '\'')
		return line[:i], v[min(1, end):end], v[end+1:], end > 0
	}
	password, after = v, ""
	if end := strings.IndexAny(v, " \t"); end >= 0 {
		password, after = v[:end], v[end:]
	}
	return line[:i], password, after, true
}

// ddclientLine reads [key=value, ...] [host[, ...] [login [password]]].
func ddclientLine(line string, passwords []string) (own given, hosts []string, ok bool) {
	own = given{}
	for {
		line = strings.TrimLeft(line, " \t,")
		n := strings.IndexFunc(line, func(r rune) bool { return r == '.' || notInName(r) })
		if n <= 0 || line[n] != '=' {
			break
		}
		name := line[:n]
		own[name], line = ddclientValue(line[n+1:])
		if own[name] == "\x00" && len(passwords) > 0 {
			own[name], passwords = passwords[0], passwords[1:]
		} else if strings.Contains(own[name], "\x00") {
			return nil, nil, false
		}
	}
	parts := strings.Split(line, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	args := strings.Fields(strings.Join(parts, ","))
	if len(args) > 3 || strings.ContainsAny(line, "=\x00") {
		return nil, nil, false
	}
	for i, key := range []string{"", "login", "password"} {
		if key != "" && i < len(args) {
			own[key] = args[i]
		}
	}
	list := own["host"]
	if len(args) > 0 {
		list += "," + args[0]
	}
	return own, strings.FieldsFunc(list, func(r rune) bool { return r == ',' }), true
}

// ddclientValue reads a value to the next comma or space outside quotes.
func ddclientValue(s string) (value, rest string) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && strings.IndexByte(" \t,", c) >= 0:
			return b.String(), s[i:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

func fromDdclientHost(g given, hosts []string) *importedService {
	s := &importedService{section: section{kind: "service", name: hosts[0]}}
	provider := g["protocol"]
	if provider == "" || provider == "dyndns2" {
		// A protocol of many; its server says which.
		provider = "dyndns2"
		if strings.HasSuffix(g["server"], "no-ip.com") {
			provider = "noip"
		}
	} else if g["server"] != "" {
		s.note("server", notNeeded+"wandns knows where its providers are")
	}
	s.account(login{provider, g["login"], g["password"]})
	s.addList("hostnames", hosts)
	v4, v6 := g["usev4"], g["usev6"]
	has4, has6 := v4 != "" && v4 != "disabled", v6 != "" && v6 != "disabled"
	if !has4 && !has6 {
		v4, has4 = g["use"], true
	}
	s.only(has4, has6)
	if has4 {
		s.ddclientSource(g, v4, "4")
	}
	if has6 {
		s.ddclientSource(g, v6, "6")
	}
	s.ttl(g["ttl"])
	s.trust("ssl_ca_file", g["ssl_ca_file"])
	for name := range g {
		if strings.HasSuffix(name, "_env") {
			s.cannot(name, "is in the environment; write the value here")
		}
	}
	return s
}

// ddclientSource translates where the address of a family comes from.
func (s *importedService) ddclientSource(g given, use, family string) {
	key := strings.TrimSuffix(use, "v"+family)
	value := g[use]
	switch key {
	case "":
	case "if":
		if device, ok := s.find("device"); ok && device.values[0] != value {
			s.note(use, notPossible+"a service has one device; write a second service for IPv6")
		} else if !ok && value != "default" {
			s.add("device", value)
		}
	case "web":
		if !s.has("source") {
			s.add("source", "web")
		}
		if !strings.ContainsAny(value, "./") {
			break // one that ddclient has a name for, as wandns has its own
		}
		if !strings.Contains(value, "://") {
			value = "https://" + value
		}
		s.addList("web_url"+family, []string{value})
	case "ip":
		s.cannot("use", "wandns publishes the address that there is, not one that is written down")
	case "cmd":
		s.cannot("use", "wandns runs no programs; see: wandns wan")
	default:
		s.cannot("use", "wandns asks no other router; where it runs on the router itself, leave this out, or use web")
	}
}
