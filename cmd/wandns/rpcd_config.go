package main

import (
	"errors"
	"fmt"
	"io/fs"
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
		one := r.masked(s)
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
func (r *rpcd) masked(s section) rpcService {
	out := rpcService{Name: s.name, Values: map[string]any{}, Secrets: []string{}}
	for _, o := range s.keys {
		switch {
		case r.hidden(s, o.name):
			out.Secrets = append(out.Secrets, o.name)
		case o.list:
			out.Values[o.name] = o.values
		default:
			out.Values[o.name] = strings.Join(o.values, " ")
		}
	}
	return out
}

// hidden reports whether the browser does not know a value. A path is shown only
// if it leads to a file where it may: a secret may have been typed in its place.
func (r *rpcd) hidden(s section, key string) bool {
	return !openKey(s, key) || isFile(key) && !r.leadsToFile(s.text(key))
}

// isFile reports whether a key takes a path.
func isFile(key string) bool { return strings.HasSuffix(key, "_file") }

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
