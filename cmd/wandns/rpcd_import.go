package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wandns/openwrt/uci"
)

type rpcImport struct {
	Error    string        `json:"error"`
	Notes    []string      `json:"notes"`
	Services []rpcImported `json:"services"`
}

type rpcImported struct {
	rpcService
	From  string   `json:"from"`  // the section of ddns-scripts; empty if it has no name
	Notes []string `json:"notes"` // what could not be carried over
	Off   []string `json:"off"`   // why wandns cannot have it
}

// found reads what ddns-scripts is configured to do.
func (r *rpcd) found() (*imported, []string, error) {
	data, _, err := readSmall(r.ddns)
	if err != nil {
		return nil, nil, fmt.Errorf("there is nothing to take over: %s could not be read: %w", r.ddns, err)
	}
	m, err := fromDDNSScripts(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s was not understood: %w", r.ddns, err)
	}
	var from []string
	for _, s := range m.services {
		if len(s.notes) > 0 && strings.HasPrefix(s.notes[0], "the section's name") {
			from = append(from, "")
		} else {
			from = append(from, s.name)
		}
	}
	own, _, _ := readSmall(r.config)
	there, _ := parseUCI(own)
	m.resolve(there...)
	return m, from, nil
}

// preview shows what can be taken over from ddns-scripts.
func (r *rpcd) preview(rpcArgs) any {
	out := rpcImport{Notes: []string{}, Services: []rpcImported{}}
	m, from, err := r.found()
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.Notes = append(out.Notes, m.notes...)
	for i, s := range m.services {
		out.Services = append(out.Services, rpcImported{masked(s.section), from[i], append([]string{}, s.notes...), append([]string{}, s.off...)})
	}
	return out
}

// takeover adds services of ddns-scripts to the configuration, secrets and
// all. What stands there stays as it is.
func (r *rpcd) takeover(a rpcArgs) any {
	m, _, err := r.found()
	if err != nil {
		return said{Code: exitFailed, Error: err.Error()}
	}
	var add []section
	for _, s := range m.services {
		if slices.Contains(a.Services, s.name) && len(s.off) == 0 {
			add = append(add, s.section)
		}
	}
	if len(add) == 0 || len(add) != len(a.Services) {
		return said{Code: exitUsage, Error: "nothing was taken over: ddns-scripts has changed meanwhile; look at the preview again"}
	}
	data, _, err := readSmall(r.config)
	if err != nil {
		return said{Code: exitFailed, Error: fmt.Sprintf("nothing was taken over: %s could not be read: %v", r.config, err)}
	}
	if _, errs := uci.Parse(data); len(errs) > 0 {
		return said{Code: exitConfig, Error: fmt.Sprintf("nothing was taken over: %s, %v; correct it first", r.config, errs[0])}
	}
	data = strings.TrimRight(data, "\n") + "\n\n" + uciText(add)
	if err := replaceConfig(r.config, data); err != nil {
		return said{Code: exitFailed, Error: "nothing was taken over: " + err.Error()}
	}
	return said{Text: fmt.Sprintf("%d taken over", len(add))}
}

// replaceConfig replaces a file at once, on flash: all of it or nothing. The
// name begins with a dot, so that uci takes it for no configuration.
func replaceConfig(path, data string) error {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temp) //nolint:errcheck // it is gone if all went well
	_, err = f.WriteString(data)
	if err == nil {
		err = f.Sync()
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return os.Rename(temp, path)
}
