package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"wandns/updater"
	"wandns/updater/providers"
)

// importer translates another program's configuration.
type importer struct {
	name string
	read func(data string) (*imported, error)
}

func importers() []importer {
	return []importer{{"ddns-scripts", fromDDNSScripts}, {"inadyn", fromInadyn}, {"ddclient", fromDdclient}}
}

// imported is what another program's configuration comes to.
type imported struct {
	notes    []string // about what concerns all services
	services []*importedService
}

// importedService is a service with what could not be carried over.
type importedService struct {
	section
	notes []string
	off   []string // why wandns cannot have it; empty if it can
	from  []int    // its sections in the other program's file
	there bool     // the configuration has it already, under this name
}

func setupImport(*flag.FlagSet) func(*cli, []string) int {
	return func(c *cli, args []string) int {
		var names []string
		for _, i := range importers() {
			names = append(names, i.name)
		}
		if len(args) != 2 {
			return c.fail(exitUsage, "import takes a program and its file: wandns import %s FILE", strings.Join(names, "|"))
		}
		i := slices.Index(names, args[0])
		if i < 0 {
			return c.fail(exitUsage, "there is no import from %q; choose from: %s", args[0], strings.Join(names, ", "))
		}
		data, _, err := readSmall(args[1])
		if errors.Is(err, fs.ErrNotExist) {
			return c.fail(exitFailed, "there is no file %s; name the one that %s uses", args[1], args[0])
		}
		if err != nil {
			return c.fail(exitFailed, "%s could not be read: %v", args[1], err)
		}
		if strings.Contains(data, "\x00") {
			return c.fail(exitConfig, "%s was not understood: it holds a zero byte, and is no text", args[1])
		}
		found, err := importers()[i].read(data)
		if err != nil {
			return c.fail(exitConfig, "%s was not understood: %v", args[1], err)
		}
		if len(found.services) == 0 {
			return c.fail(exitConfig, "%s holds no service of %s; name another file", args[1], args[0])
		}
		fmt.Fprint(c.stdout, found.text(args[0]))
		return exitDone
	}
}

// text is the configuration. What wandns cannot have stands in it as comments.
func (m *imported) text(from string) string {
	var b strings.Builder
	comment := func(format string, args ...any) {
		for line := range strings.SplitSeq(strings.TrimSuffix(fmt.Sprintf(format, args...), "\n"), "\n") {
			fmt.Fprintln(&b, strings.TrimRight("# "+strings.ReplaceAll(line, "\r", " "), " "))
		}
	}
	comment("Made by wandns import %s. Look through it, keep it as %s, mode 0600,\nand run: wandns check. Then switch %[1]s off, or both update these names.", from, defaultConfig)
	for _, n := range m.notes {
		comment("%s", n)
	}
	b.WriteString("\n" + uciText([]section{{kind: "global", name: "global", keys: []option{{name: "enabled", values: []string{"1"}}}}}))
	m.resolve()
	for _, s := range m.services {
		b.WriteByte('\n')
		for _, why := range slices.Sorted(slices.Values(s.off)) {
			comment("NOT POSSIBLE: %s", why)
		}
		text := uciText([]section{s.section})
		if len(s.off) > 0 {
			comment("%s", text)
		} else {
			b.WriteString(text)
		}
		for _, n := range s.notes {
			comment("%s", n)
		}
	}
	return b.String()
}

// resolve gives every service a name of its own, also beside those that are
// there, and finds out which of them wandns would refuse.
func (m *imported) resolve(there ...section) {
	taken := map[string]bool{}
	var good []section
	for _, s := range there {
		if s.kind == "service" {
			taken[s.name] = true
			good = append(good, s)
		}
	}
	for _, s := range m.services {
		if s.there {
			continue
		}
		base := uciName(s.name)
		s.name = base
		for n := 2; taken[s.name]; n++ {
			s.name = fmt.Sprintf("%s_%d", base, n)
		}
		taken[s.name] = true
		if len(s.off) > 0 {
			continue
		}
		before := refusals(good)
		for why := range refusals(append(slices.Clone(good), s.section)) {
			if !before[why] {
				s.off = append(s.off, why)
			}
		}
		if len(s.off) == 0 {
			good = append(good, s.section)
		}
	}
}

// refusals is what the validation would say if all were switched on. A file that
// is missing here may be there where the configuration goes.
func refusals(list []section) map[string]bool {
	v := &validator{config: &config{UCI: true}}
	all := []section{{kind: "global"}}
	for _, s := range list {
		s.keys = slices.DeleteFunc(slices.Clone(s.keys), func(o option) bool { return o.name == "ca_file" || o.name == "enabled" })
		all = append(all, s)
	}
	if len(list) > 0 {
		v.sections(all)
	}
	reasons := map[string]bool{}
	for _, m := range v.mistakes {
		reasons[m.key+" "+m.text] = true
	}
	return reasons
}

// uciName makes a name of what another program calls a service.
func uciName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || notInName(r) {
			return '_'
		}
		return r
	}, s)
	if s = strings.Trim(s, "_"); s == "" {
		return "service"
	}
	return s
}

const (
	notNeeded   = "not needed: "
	notPossible = "not possible: "
)

// login is what other programs know of an account.
type login struct{ provider, user, password string }

// aliases are wandns' names of providers that others call otherwise; no-ip.pl
// is another company.
//
//nolint:gochecknoglobals // a constant table
var aliases = map[string]string{"no-ip": "noip", "no-ip.com": "noip"}

// specOf finds a provider by its name, with or without what follows the last
// dot.
func specOf(name string) (*updater.Spec, bool) {
	short := name
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		short = name[:i]
	}
	for _, n := range []string{name, short, aliases[name]} {
		if spec, ok := providers.Find(n); ok {
			return spec, true
		}
	}
	return nil, false
}

// account sets the provider and the keys of the account: those that are
// called the same, or else the provider's only secret.
func (s *importedService) account(l login) {
	spec, ok := specOf(l.provider)
	switch {
	case ok:
		s.add("provider", spec.Name)
		if secret := onlySecret(spec); secret != "" {
			s.add(secret, l.password)
			return
		}
	case l.provider != "":
		s.off = append(s.off, fmt.Sprintf("wandns has no provider for %q; wandns providers lists those that it has", l.provider))
		s.add("provider", l.provider)
	}
	s.add("username", l.user)
	s.add("password", l.password)
}

// onlySecret is the key of the only secret of a provider that asks for no
// user.
func onlySecret(spec *updater.Spec) string {
	secret := ""
	for _, f := range spec.Fields {
		if f.Name == "username" || f.Secret && secret != "" {
			return ""
		}
		if f.Secret {
			secret = f.Name
		}
	}
	return secret
}

// given are the options of a section of another program.
type given map[string]string

// rest says of every option that was not translated what becomes of it.
func (g given) rest(known map[string]string, program string) []string {
	var notes []string
	for _, name := range slices.Sorted(maps.Keys(g)) {
		becomes, ok := known[name]
		if !ok {
			becomes = "not an option of " + program
		}
		if becomes != "" {
			notes = append(notes, name+": "+becomes)
		}
	}
	return notes
}

// trust translates the certificate authorities.
func (s *importedService) trust(key, file string) {
	switch {
	case file == "":
	case strings.HasPrefix(file, "/etc/ssl/"), strings.HasPrefix(file, "/etc/pki/"):
		s.note(key, notNeeded+"wandns trusts the system's certificate authorities")
	default:
		s.add("ca_file", file)
	}
}

// note says in a comment what becomes of an option. Its value is not
// repeated.
func (s *importedService) note(name, what string) {
	s.notes = append(s.notes, name+": "+what)
}

func (s *importedService) cannot(name, why string) { s.off = append(s.off, name+": "+why) }

// only sets the family of a service, where it is not both.
func (s *importedService) only(v4, v6 bool) {
	switch {
	case v4 && !v6:
		s.add("family", "ipv4")
	case v6 && !v4:
		s.add("family", "ipv6")
	}
}

// ttl carries over a time to live where the provider takes one.
func (s *importedService) ttl(value string) {
	provider, _ := s.find("provider")
	if value == "" {
		return
	}
	if spec, ok := specOf(strings.Join(provider.values, "")); ok && slices.ContainsFunc(spec.Fields, func(f updater.Field) bool { return f.Name == "ttl" }) {
		s.add("ttl", value)
		return
	}
	s.note("ttl", notPossible+"this provider sets it itself")
}
