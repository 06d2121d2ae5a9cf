package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"wandns/updater/providers"
)

// The browser never sees a secret: it is told which ones there are, sends those
// that the user typed, and names those that are to go.

type rpcConfig struct {
	File     string       `json:"file"`
	Error    string       `json:"error"` // why the file cannot be used at all
	Now      int64        `json:"now"`   // the router's clock, seconds since 1970
	Enabled  bool         `json:"enabled"`
	RunDir   string       `json:"run_dir"`
	Mistakes []rpcMistake `json:"mistakes"`
	Warnings []string     `json:"warnings"`
	Services []rpcService `json:"services"`
}

type rpcMistake struct {
	Line    int    `json:"line"`
	Service string `json:"service"` // empty for the whole file
	Key     string `json:"key"`
	Text    string `json:"text"`
}

type rpcService struct {
	Name    string         `json:"name"`
	Values  map[string]any `json:"values"`
	Secrets []string       `json:"secrets"` // the keys of those that are there
	Limits  limitsJSON     `json:"limits"`
}

type rpcProviders struct {
	Providers []providerJSON `json:"providers"`
	Keys      []rpcKey       `json:"keys"` // that every service has
}

type rpcKey struct {
	Name string `json:"name"`
	Help string `json:"help"`
}

func (r *rpcd) providers(rpcArgs) any {
	var out rpcProviders
	for _, s := range providers.All() {
		out.Providers = append(out.Providers, describe(s))
	}
	for _, k := range serviceKeys {
		if !k.reserved && k.name != "name" {
			out.Keys = append(out.Keys, rpcKey{k.name, k.help})
		}
	}
	return out
}

func (r *rpcd) configuration(rpcArgs) any {
	out := rpcConfig{File: r.config, RunDir: defaultRunDir, Mistakes: []rpcMistake{}, Warnings: []string{}, Services: []rpcService{}}
	out.Now = time.Now().Unix()
	data, open, err := readSmall(r.config)
	if errors.Is(err, fs.ErrNotExist) {
		out.Error = fmt.Sprintf("there is no configuration; make one with: touch %s", r.config)
		return out
	}
	if err != nil {
		out.Error = fmt.Sprintf("the configuration %s could not be read: %v", r.config, err)
		return out
	}
	list, mistakes := parseUCI(data)
	v := &validator{config: &config{UCI: true, RunDir: defaultRunDir}, bounds: boundsOf(r.config, r.config), mistakes: mistakes}
	if len(list) == 0 { // no line of it is UCI
		list = []section{{kind: "global"}}
	}
	v.sections(list)
	v.onlySure(data)
	out.RunDir = v.config.RunDir
	if open && v.inline {
		v.exposed(r.config)
	}
	out.Warnings = append(out.Warnings, v.config.Warnings...)
	out.Enabled = list[0].has("enabled") && v.enabled // as the init script has it
	for _, m := range v.mistakes {
		out.Mistakes = append(out.Mistakes, m.forRPC())
	}
	for _, s := range list {
		if s.kind != "service" {
			continue
		}
		c := v.config.Services[len(out.Services)]
		for _, m := range c.Mistakes {
			if !c.switched {
				out.Mistakes = append(out.Mistakes, m.forRPC())
			}
		}
		one := masked(s)
		one.Limits = limitsOf(c.limits())
		out.Services = append(out.Services, one)
	}
	return out
}

func (m mistake) forRPC() rpcMistake {
	name, ok := strings.CutPrefix(m.section, "service ")
	if !ok {
		return rpcMistake{m.line, "", m.key, m.text}
	}
	return rpcMistake{m.line, strings.Trim(name, `"`), m.key, m.text}
}

// masked tells which keys are known to be no secrets, and only the names of
// the others.
func masked(s section) rpcService {
	out := rpcService{Name: s.name, Values: map[string]any{}, Secrets: []string{}}
	for _, o := range s.keys {
		switch {
		case !openKey(s, o.name):
			out.Secrets = append(out.Secrets, o.name)
		case o.list:
			out.Values[o.name] = o.values
		default:
			out.Values[o.name] = strings.Join(o.values, " ")
		}
	}
	return out
}

func openKey(s section, name string) bool {
	for _, k := range serviceKeys {
		if k.name == name {
			return true
		}
	}
	provider, _ := s.find("provider")
	spec, _ := providers.Find(strings.Join(provider.values, ""))
	for _, f := range spec.Fields {
		if f.Name == name && !f.Secret || f.Secret && f.Name+"_file" == name {
			return true
		}
	}
	return false
}

// check says what is wrong with a service before it is saved.
func (r *rpcd) check(a rpcArgs) any {
	_, mistakes := r.draft(a)
	return map[string]any{"mistakes": mistakes}
}

// draft is a service as the form has it: values are all keys but the secrets
// that stay as they are.
func (r *rpcd) draft(a rpcArgs) (serviceConfig, []rpcMistake) {
	data, _, _ := readSmall(r.config) // one that is missing is going to be made
	list, _ := parseUCI(data)
	s := section{kind: "service", name: a.Service}
	for _, name := range slices.Sorted(maps.Keys(a.Values)) {
		o := option{name: name}
		switch v := a.Values[name].(type) {
		case string:
			o.values = []string{v}
		case []any:
			o.list = true
			for _, e := range v {
				o.values = append(o.values, fmt.Sprint(e))
			}
		default:
			o.wrong = "has a value of the wrong kind"
		}
		s.keys = append(s.keys, o)
	}
	at := slices.IndexFunc(list, func(o section) bool { return o.kind == "service" && o.name == a.Service })
	if at < 0 {
		list, at = append(list, s), len(list)
	}
	for _, o := range list[at].keys {
		if !s.has(o.name) && !openKey(list[at], o.name) && !slices.Contains(a.Drop, o.name) {
			s.keys = append(s.keys, o)
		}
	}
	list[at] = s
	v := &validator{config: &config{UCI: true}, bounds: boundsOf(r.config, r.config)}
	v.sections(list)
	i := slices.IndexFunc(v.config.Services, func(c serviceConfig) bool { return c.Name == a.Service })
	service := v.config.Services[i]
	mistakes := []rpcMistake{}
	for _, m := range service.Mistakes {
		m.line = 0
		mistakes = append(mistakes, m.forRPC())
	}
	if s.name == "" || uciName(s.name) != s.name {
		mistakes = append(mistakes, rpcMistake{Service: s.name, Key: "name", Text: "may hold letters, digits and _ only"})
	}
	return service, mistakes
}
