package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"wandns/openwrt/uci"
)

type rpcSaved struct {
	Mistakes []rpcMistake `json:"mistakes"`
	said
}

// draft is a service as the form has it.
type draft struct {
	text     string // what the configuration becomes
	service  serviceConfig
	mistakes []rpcMistake
}

func (d *draft) wrong(a rpcArgs, key, text string) {
	d.mistakes = append(d.mistakes, rpcMistake{Service: a.Service, Key: key, Text: text})
}

// check says what is wrong with a service before it is saved, as far as that can
// be seen without opening a file.
func (r *rpcd) check(a rpcArgs) any {
	data, _, _ := readSmall(r.config) // one that is missing is going to be made
	return map[string]any{"mistakes": r.draft(a, data, false).mistakes}
}

// saved is the configuration with a service as the form has it.
func (r *rpcd) saved(a rpcArgs, data string) (text string, mistakes []rpcMistake, why string) {
	d := r.draft(a, data, true)
	return d.text, d.mistakes, ""
}

const (
	odd  = "the configuration is written too oddly to be changed here, or has mistakes; edit the file"
	gone = "there is no such service any more; read the page again"
)

// enabled is the configuration with a service switched on or off, or with no name
// all of it.
func (r *rpcd) enabled(a rpcArgs, data string) (text string, mistakes []rpcMistake, why string) {
	value, kind, name := "0", "service", a.Service
	if a.Enabled {
		value = "1"
	}
	if name == "" {
		kind, name = "wandns", "global"
	}
	list, _ := uci.Parse(data)
	i, ok := find(list, kind, name), false
	switch {
	case i >= 0:
		text, ok = uci.Set(data, i, "enabled", value)
	case kind == "service":
		return data, nil, gone
	default:
		text, ok = uci.Replace(data, -1, uciText([]section{switchOf(value)}))
	}
	if !ok {
		return data, nil, odd
	}
	return text, nil, ""
}

// removed is the configuration without a service.
func (r *rpcd) removed(a rpcArgs, data string) (text string, mistakes []rpcMistake, why string) {
	list, _ := uci.Parse(data)
	i := find(list, "service", a.Service)
	if i < 0 {
		return data, nil, gone
	}
	text, ok := uci.Replace(data, i, "")
	if !ok {
		return data, nil, odd
	}
	return text, nil, ""
}

func find(list []uci.Section, kind, name string) int {
	return slices.IndexFunc(list, func(s uci.Section) bool { return s.Type == kind && s.Name == name })
}

// draft makes the change and looks at what it comes to, so that what is found
// good is what is written. The values are all keys but those that the browser does
// not know, which stay as they are unless they are dropped.
func (r *rpcd) draft(a rpcArgs, data string, files bool) draft {
	d := draft{text: data, mistakes: []rpcMistake{}}
	if uciName(a.Service) != a.Service || a.Service == "" || a.Service == "global" {
		d.wrong(a, "name", "may hold letters, digits and _ only, and is not global")
		return d
	}
	parsed, _ := uci.Parse(data)
	stored, _ := parseUCI(data)
	s, old, kept := section{kind: "service", name: a.Service}, section{}, []string{}
	if i := at(stored, a.Service); i >= 0 {
		old = stored[i]
	}
	for _, name := range slices.Sorted(maps.Keys(a.Values)) {
		o, why := fromJSON(name, a.Values[name])
		if why != "" {
			d.wrong(a, name, why)
		} else if o.values != nil {
			s.keys = append(s.keys, o)
		}
	}
	for _, o := range old.keys {
		plain, fromFile := strings.CutSuffix(o.name, "_file")
		if replaced := s.has(o.name) || s.has(o.name+"_file") || fromFile && s.has(plain); !replaced && r.hidden(old, o.name) && !slices.Contains(a.Drop, o.name) {
			s.keys, kept = append(s.keys, o), append(kept, o.name)
		}
	}
	text, ok := uci.Replace(data, find(parsed, "service", a.Service), uciText([]section{s}))
	if long := slices.ContainsFunc(strings.SplitAfter(text, "\n"), func(l string) bool { return len(l) > maxLine }); !ok || long || len(text) > maxConfig {
		d.wrong(a, "", odd)
		return d
	}
	d.text = text
	list, _ := parseUCI(text)
	i := at(list, a.Service)
	if i < 0 {
		d.wrong(a, "", odd)
		return d
	}
	for _, m := range r.betrayed(stored, old, list[i], kept, files) {
		d.wrong(a, m.key, m.text)
	}
	v := &validator{config: &config{UCI: true}, bounds: boundsOf(r.config, r.config), noFiles: !files || len(d.mistakes) > 0}
	v.sections(list)
	d.service = v.config.Services[i-1] // the first section is the global one
	for _, m := range d.service.Mistakes {
		d.wrong(a, m.key, m.text)
	}
	return d
}

func at(list []section, service string) int {
	return slices.IndexFunc(list, func(s section) bool { return s.kind == "service" && s.name == service })
}

// fromJSON is an option; it has no value if that is empty.
func fromJSON(name string, value any) (o option, why string) {
	o.name = name
	list, isList := value.([]any)
	if !isList && value != "" {
		list = []any{value}
	}
	o.list = isList
	for _, e := range list {
		s, ok := e.(string)
		switch {
		case !ok:
			return o, "has a value of the wrong kind"
		case strings.ContainsFunc(s, unicode.IsControl):
			return o, "holds a control character; remove it"
		}
		o.values = append(o.values, s)
	}
	if uciName(name) != name || name == "" {
		return o, "is unknown"
	}
	return o, ""
}

// change replaces the configuration, whole or not at all, and makes procd reload.
func (r *rpcd) change(a rpcArgs, of func(*rpcd, rpcArgs, string) (text string, mistakes []rpcMistake, why string)) any {
	out := rpcSaved{Mistakes: []rpcMistake{}}
	err := r.locked(func(*os.File) error {
		data, _, err := readSmall(r.config)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		text, mistakes, why := of(r, a, data)
		if len(mistakes) > 0 {
			out.Mistakes, why = mistakes, "there are mistakes"
		}
		if why != "" {
			return errors.New(why)
		}
		if text == data {
			return nil
		}
		e := edit{r.config, text, 0o600}
		if err := errors.Join(e.prepare(), os.Rename(e.temp(), e.path)); err != nil {
			_ = os.Remove(e.temp())
			return err
		}
		if err := r.tell(filepath.Base(r.config)); err != nil {
			out.Text = fmt.Sprintf("it is saved, but procd could not be told (%v); run: service wandns reload", err)
		}
		return nil
	})
	if err != nil {
		out.Code, out.Error = exitFailed, "nothing was changed: "+err.Error()
	}
	return out
}

// locked does something under a lock on the configuration's folder, for one
// writer of ours at a time, and the one that libuci takes for a commit.
func (r *rpcd) locked(do func(folder *os.File) error) error {
	folder, err := os.Open(filepath.Dir(r.config))
	if err != nil {
		return err
	}
	defer folder.Close()
	defer func() { _ = unix.Flock(int(folder.Fd()), unix.LOCK_UN) }() // of copies, too
	got := false
	for range 100 {
		if got = got || unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil; !got {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		f, err := os.OpenFile(r.config, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return do(folder)
		}
		if err != nil {
			return err
		}
		defer f.Close()
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			mine, err := f.Stat()
			now, wrong := os.Stat(r.config)
			if err == nil && wrong == nil && os.SameFile(mine, now) {
				return do(folder)
			}
		}
		time.Sleep(50 * time.Millisecond) // who has it is about to replace the file
	}
	return errors.New("another program is changing the configuration; try again")
}
