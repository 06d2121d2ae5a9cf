package main

import (
	"fmt"
	"maps"
	"strings"
)

// What becomes of inadyn's options; none for those that are translated.
//
//nolint:gochecknoglobals // a constant table
var inadynOptions = map[string]string{
	"username": "", "password": "", "hostname": "", "iface": "", "allow-ipv6": "", "ttl": "", "ca-trust-file": "", "verify-address": "",
	"checkip-server": "", "checkip-path": "", "checkip-ssl": "", "checkip-command": "", "ddns-server": "", "ddns-path": "", // see fromInadynService

	"period":        notNeeded + "the kernel tells wandns of every change of an address",
	"forced-update": notNeeded + "an address that the provider confirmed is not sent again",
	"iterations":    notNeeded + "wandns run --once makes one pass",
	"fake-address":  notPossible + "wandns publishes no address that is not yours",
	"cache-dir":     notNeeded + "state_dir is for wandns",
	"startup-delay": notNeeded + "wandns waits for an address and for the right time",
	"broken-rtc":    notNeeded + "wandns waits for the right time",
	"secure-ssl":    notNeeded + "wandns always verifies who answers",
	"ssl":           notNeeded + "wandns always uses HTTPS",
	"user-agent":    notPossible + "providers want to know which program asks",
	"wildcard":      notPossible + "it is set at the provider",
	"proxied":       notPossible + "it is set at the provider",
	"include":       notPossible + "write here what stands in that file, or name one that holds the password alone: password_file",
	"ddns-response": notPossible + "wandns knows its providers' answers",
	"append-myip":   notPossible + "wandns knows its providers' requests",
}

// fromInadyn reads the configuration of inadyn 2.
func fromInadyn(data string) (*imported, error) {
	tokens, err := inadynTokens(data)
	if err != nil {
		return nil, err
	}
	m := &imported{}
	global := given{}
	p := &inadynParser{tokens: tokens}
	for p.more() {
		kind := p.next()
		if kind.text != "provider" && kind.text != "custom" {
			if err := p.assign(kind, global); err != nil {
				return nil, err
			}
			continue
		}
		title := p.next()
		if p.next().mark != '{' {
			return nil, fmt.Errorf("line %d: a provider is written like: provider NAME { ... }", title.line)
		}
		own := given{}
		for p.more() && p.tokens[0].mark != '}' {
			if err := p.assign(p.next(), own); err != nil {
				return nil, err
			}
		}
		if p.next().mark != '}' {
			return nil, fmt.Errorf("line %d: this section has no end; add a }", title.line)
		}
		m.services = append(m.services, fromInadynService(kind.text, title.text, global, own))
	}
	m.notes = global.rest(inadynOptions, "inadyn")
	return m, nil
}

func fromInadynService(kind, title string, global, own given) *importedService {
	g := maps.Clone(global)
	maps.Copy(g, own)
	title, _, _ = strings.Cut(title, ":")
	family, provider, ok := strings.Cut(title, "@")
	if !ok {
		family, provider = "default", title
	}
	s := &importedService{section: section{kind: "service", name: provider}}
	if kind == "custom" {
		s.cannot("custom", "wandns knows no providers by their URL")
		provider = ""
	}
	s.account(login{provider, g["username"], g["password"]})
	s.addList("hostnames", strings.Fields(g["hostname"]))
	if six, _ := truth(g["allow-ipv6"]); family != "default" || !six {
		s.only(family != "ipv6", family == "ipv6")
	}
	s.add("device", g["iface"])
	if verify, ok := truth(g["verify-address"]); ok && !verify {
		s.addBare("allow_private", true)
	}
	if server := g["checkip-server"]; server != "" && server != "default" && g["iface"] == "" {
		scheme := "https://"
		if safe, ok := truth(g["checkip-ssl"]); ok && !safe {
			scheme = "http://"
		}
		s.addList(map[bool]string{false: "web_url4", true: "web_url6"}[family == "ipv6"], []string{scheme + server + "/" + strings.TrimPrefix(g["checkip-path"], "/")})
	}
	if g["checkip-command"] != "" {
		s.cannot("checkip-command", "wandns runs no programs; see: wandns wan")
	}
	s.ttl(g["ttl"])
	s.trust("ca-trust-file", g["ca-trust-file"])
	s.notes = append(s.notes, own.rest(inadynOptions, "inadyn")...)
	for name, value := range g {
		if strings.Contains(value, "${") {
			s.cannot(name, "takes its value from the environment; write it here")
		}
	}
	return s
}

type inadynToken struct {
	text string
	mark byte // of punctuation
	line int
}

type inadynParser struct{ tokens []inadynToken }

func (p *inadynParser) more() bool { return len(p.tokens) > 0 }

func (p *inadynParser) next() inadynToken {
	if !p.more() {
		return inadynToken{}
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

// assign reads the rest of name = value, name = { value, value } or
// name(value). The values of a list are joined by spaces.
func (p *inadynParser) assign(name inadynToken, to given) error {
	var values []string
	closing := byte(0)
	switch sign := p.next(); {
	case name.mark != 0 || sign.mark != '=' && sign.mark != '(':
		return fmt.Errorf("line %d: this is no option of inadyn 2, which are written: name = value", name.line)
	case sign.mark == '(':
		closing = ')'
	case p.more() && p.tokens[0].mark == '{':
		closing = '}'
		p.next()
	}
	for p.more() {
		t := p.next()
		switch {
		case t.mark == 0:
			values = append(values, t.text)
		case t.mark == closing:
		case t.mark != ',':
			return fmt.Errorf("line %d: the value of an option cannot be read", name.line)
		}
		if closing == 0 || t.mark == closing {
			to[name.text] = strings.Join(values, " ")
			return nil
		}
	}
	return fmt.Errorf("line %d: this option has no end", name.line)
}

// inadynTokens splits a file as libconfuse does.
func inadynTokens(data string) ([]inadynToken, error) {
	var list []inadynToken
	line := 1
	for i := 0; i < len(data); {
		c, rest, start := data[i], data[i:], line
		switch {
		case c == '\n':
			line++
			i++
		case strings.IndexByte(" \t\r", c) >= 0:
			i++
		case c == '#', strings.HasPrefix(rest, "//"):
			i += strings.IndexByte(rest+"\n", '\n')
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest, "*/")
			if n < 0 {
				return nil, fmt.Errorf("line %d: a comment has no end", start)
			}
			line += strings.Count(rest[:n], "\n")
			i += n + 2
		case strings.IndexByte("{}=(),", c) >= 0:
			list = append(list, inadynToken{mark: c, line: line})
			i++
		case c == '"' || c == '\'':
			text, n := inadynQuoted(rest)
			if n < 0 {
				return nil, fmt.Errorf("line %d: a quote has no end", start)
			}
			line += strings.Count(rest[:n], "\n")
			list = append(list, inadynToken{text: text, line: start})
			i += n
		case strings.HasPrefix(rest, "${"): // the environment's
			n := 1 + strings.IndexByte(rest+"}", '}')
			list = append(list, inadynToken{text: rest[:min(n, len(rest))], line: line})
			i += n
		default:
			n := strings.IndexAny(rest+"\n", " \t\r\n\"'#={}(),")
			list = append(list, inadynToken{text: rest[:n], line: line})
			i += n
		}
	}
	return list, nil
}

func inadynQuoted(s string) (text string, n int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			return b.String(), i + 1
		case c == '\\' && i+1 < len(s) && (s[0] == '"' || s[i+1] == '\'' || s[i+1] == '\\'):
			i++
			if s[i] != '\n' { // goes on in the next line
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", -1
}
