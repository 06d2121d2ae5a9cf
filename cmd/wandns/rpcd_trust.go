package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"wandns/updater/providers"
)

// Who may write in LuCI is not root. He can replace a secret that he does not
// know, but never make it go to whom it was not given for.

// destination is where a service's secrets go, whatever says so, also where there
// are mistakes. The host is for people.
func destination(s section) (all, host string) {
	provider, host := s.text("provider"), s.text("server")
	if host != "" {
		v := &validator{config: &config{UCI: true}}
		v.now, _ = s.find("server")
		host = cmp.Or(v.server(), host)
	}
	if spec, ok := providers.Find(provider); ok {
		host = cmp.Or(host, spec.Server)
		for _, f := range spec.Fields {
			if to := s.text(f.Name); f.Target && to != "" {
				host += " and " + to
			}
		}
	}
	return provider + "\n" + host + "\n" + s.text("ca_file"), host
}

// betrayed finds secrets that would go to whom they were not given for, and files
// that LuCI may not name. Only the keys of these mistakes and their texts count.
func (r *rpcd) betrayed(stored []section, old, now section, kept []string, files bool) (wrong []mistake) {
	was, host := destination(old)
	is, _ := destination(now)
	for _, o := range now.keys {
		path, why := now.text(o.name), ""
		switch {
		case o.name == "ca_file":
			if path != old.text(o.name) && !r.mayName(path, false) {
				why = unnameable
			}
		case slices.Contains(kept, o.name):
			if was != is {
				why = fmt.Sprintf("has to be typed again, since provider or where it goes changed: it was given for %s", cmp.Or(host, "nobody"))
			}
		case !isFile(o.name):
		case !r.mayName(path, files):
			why = unnameable
		default:
			why = owned(stored, now, path, files)
		}
		if why != "" {
			wrong = append(wrong, mistake{key: o.name, text: why})
		}
	}
	return wrong
}

const unnameable = "has to be a file below /etc/wandns or /etc/ssl, and no link"

// owned says why a secret in a file may not go somewhere. It goes where any
// service has it go already; one that none names, to a provider's own server.
func owned(stored []section, to section, path string, files bool) (why string) {
	is, _ := destination(to)
	for _, s := range stored {
		for _, o := range s.keys {
			if was := s.text(o.name); o.name == "ca_file" || !isFile(o.name) || was != path && (filepath.Clean(was) != path && (!files || end(was) != end(path))) {
				continue
			}
			if d, _ := destination(s); d == is {
				return ""
			}
			why = "names the file of service " + s.name + ", whose secret may go nowhere else; type the secret itself"
		}
	}
	provider, _ := to.find("provider")
	if own, _ := destination(section{keys: []option{provider}}); why == "" && is != own {
		why = "names a file whose secret may go to the provider's own server only; type the secret itself, or leave out what says where it goes"
	}
	return why
}

// mayName reports whether LuCI may name a file, and with files also that no link
// leads elsewhere. One that is not there is for its reader to tell.
func (r *rpcd) mayName(path string, files bool) bool {
	etc := filepath.Dir(filepath.Dir(r.config))
	for _, dir := range []string{"/etc/wandns/", "/etc/ssl/", etc + "/wandns/", etc + "/ssl/"} {
		if name, ok := strings.CutPrefix(path, dir); ok && filepath.Clean(path) == path {
			real := end(path)
			return !files || real == "" || real == end(dir)+"/"+name
		}
	}
	return false
}

// end is the path of a file where links lead to it; empty if there is none.
func end(path string) string {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	real, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	_ = unix.Close(fd)
	return real
}

func (r *rpcd) leadsToFile(path string) bool {
	_, err := os.Lstat(path)
	return err == nil && r.mayName(path, false)
}
