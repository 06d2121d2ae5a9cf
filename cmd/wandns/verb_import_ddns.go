package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"wandns/openwrt/uci"
)

// What becomes of the options of ddns-scripts that are not translated.
//
//nolint:gochecknoglobals // constant tables
var (
	ddnsGlobal = map[string]string{
		"upd_privateip": "", // see below

		"ddns_dateformat": notNeeded + "the system's log has its own",
		"ddns_rundir":     notNeeded + "run_dir is for wandns",
		"ddns_logdir":     notNeeded + "wandns logs to the system's log",
		"ddns_loglines":   notNeeded + "wandns logs to the system's log",
		"use_curl":        notNeeded + "wandns makes its requests itself",
		"url":             notNeeded + "the providers are built in",
		"cacert":          notNeeded + "the providers are built in, nothing is downloaded",
		"services_url":    notNeeded + "the providers are built in",
	}
	ddnsService = map[string]string{
		"enabled": "", "service_name": "", "username": "", "password": "", "domain": "", "use_ipv6": "", "cacert": "", "update_url": "", "update_script": "",
		"ip_source": "", "ip_network": "", "ip_url": "", "ip_interface": "", "ip_script": "", "bind_network": "", // see below

		"interface":          notNeeded + "the kernel tells wandns of every change of an address",
		"lookup_host":        notNeeded + "wandns remembers what the provider confirmed",
		"param_enc":          notPossible + "it is for URLs and scripts of your own",
		"param_opt":          notPossible + "it is for URLs and scripts of your own",
		"use_https":          notNeeded + "wandns always uses HTTPS",
		"check_interval":     notNeeded + "the kernel tells wandns of every change of an address",
		"check_unit":         notNeeded + "see check_interval",
		"check_interval_min": notNeeded + "see check_interval",
		"force_interval":     notNeeded + "an address that the provider confirmed is not sent again",
		"force_unit":         notNeeded + "see force_interval",
		"retry_interval":     notNeeded + "how long wandns waits depends on the error",
		"retry_unit":         notNeeded + "see retry_interval",
		"retry_max_count":    notNeeded + "wandns goes on, at growing distances, unless the provider forbids it",
		"retry_count":        notNeeded + "see retry_max_count, its later name",
		"dns_server":         notNeeded + "wandns asks the name servers of the domain, and only after a crash",
		"force_dnstcp":       notNeeded + "wandns uses TCP where it is needed",
		"force_ipversion":    notNeeded + "the family decides by which protocol a request leaves",
		"proxy":              notPossible + "requests leave by the interface whose address is published",
		"user_agent":         notPossible + "providers want to know which program asks",
		"is_glue":            notNeeded + "wandns asks no DNS for what it has published",
		"use_api_check":      notNeeded + "wandns remembers what the provider confirmed",
		"use_syslog":         notNeeded + "wandns logs to the system's log; log_level says how much",
		"use_logfile":        notNeeded + "wandns logs to the system's log",
		"record_id":          notNeeded + "providers that have records by number are asked for it",
		"rec_id":             notNeeded + "providers that have records by number are asked for it",
		"zone":               notPossible + "it is for one script of ddns-scripts only",
		"record":             notPossible + "it is for one script of ddns-scripts only",
		"ip_dynamic":         notPossible + "it is for one script of ddns-scripts only",
	}
)

const noName = "the section's name"

// fromDDNSScripts reads /etc/config/ddns.
func fromDDNSScripts(data string) (*imported, error) {
	parsed, errs := uci.Parse(data)
	if len(errs) > 0 {
		return nil, fmt.Errorf("%w; correct it", errs[0])
	}
	m := &imported{}
	private := false
	for _, p := range parsed {
		if p.Type != "ddns" {
			continue
		}
		g := ddnsOptions(p)
		private, _ = truth(g["upd_privateip"])
		m.notes = append(m.notes, g.rest(ddnsGlobal, "ddns-scripts")...)
	}
	for i, p := range parsed {
		switch p.Type {
		case "ddns":
		case "service":
			s := fromDDNSService(p)
			s.from = []int{i}
			switch {
			case private && s.has("source"):
				s.note("upd_privateip", notNeeded+"what the internet sees is no private address")
			case private:
				s.addBare("allow_private", true)
			}
			m.services = append(m.services, s)
		default:
			return nil, errors.New("it has sections that ddns-scripts does not know; name its file, which is /etc/config/ddns")
		}
	}
	m.services = paired(m.services)
	return m, nil
}

func fromDDNSService(p uci.Section) *importedService {
	s := &importedService{section: section{kind: "service", name: p.Name}}
	if p.Name == "" {
		s.name = "service"
		s.note(noName, "it had none; choose one that says more")
	}
	g := ddnsOptions(p)
	on, _ := truth(g["enabled"])
	s.addBare("enabled", on)
	provider := g["service_name"]
	if provider == "" || provider[0] == '-' {
		provider = "" // LuCI's "-- custom --"
	}
	if provider == "" && g["update_url"] == "" && g["update_script"] == "" {
		s.cannot("service_name", "is not set; choose a provider from: wandns providers")
	}
	s.account(login{provider, g["username"], g["password"]})
	if host := cmp.Or(g["domain"], g["lookup_host"]); host != "" {
		s.addList("hostnames", []string{s.domain(host)})
	}
	six, _ := truth(g["use_ipv6"])
	s.only(!six, six)
	s.ddnsSource(g, six)
	if g["cacert"] == "IGNORE" {
		s.note("cacert", notPossible+"wandns always verifies who answers")
	} else {
		s.trust("cacert", g["cacert"])
	}
	if g["update_url"] != "" {
		s.cannot("update_url", "wandns knows no providers by their URL")
	}
	if g["update_script"] != "" {
		s.cannot("update_script", "wandns runs no scripts")
	}
	s.notes = append(s.notes, g.rest(ddnsService, "ddns-scripts")...)
	return s
}

func ddnsOptions(p uci.Section) given {
	g := given{}
	for _, o := range p.Options {
		g[o.Name] = strings.Join(o.Values, " ")
	}
	return g
}

// domain takes the @ out of a name, by which ddns-scripts marks where the
// zone begins.
func (s *importedService) domain(d string) string {
	if !strings.Contains(d, "@") {
		return d
	}
	s.note("domain", "the @ that marks the zone is not needed")
	return strings.TrimPrefix(strings.ReplaceAll(d, "@", "."), ".")
}

// ddnsSource translates where the address comes from and by which way
// requests leave.
func (s *importedService) ddnsSource(g given, six bool) {
	web, ownURL, network := "web_url4", "http://checkip.dyndns.com", cmp.Or(g["ip_network"], "wan")
	if six {
		web, ownURL, network = "web_url6", "http://checkipv6.dyndns.com", cmp.Or(g["ip_network"], "wan6")
	}
	source := g["ip_source"]
	used := map[string]string{"": "ip_network", "network": "ip_network", "web": "ip_url", "interface": "ip_interface", "script": "ip_script"}[source]
	bind := g["bind_network"]
	switch source {
	case "", "network":
		s.add("interface", g["ip_network"])
	case "web":
		s.add("source", "web")
		s.add("interface", bind)
		if g["ip_url"] == ownURL {
			s.note("ip_url", notNeeded+"wandns asks several services over HTTPS")
		} else if g["ip_url"] != "" {
			s.addList(web, []string{g["ip_url"]})
		}
		network = bind
	case "interface":
		if alias, ok := strings.CutPrefix(g["ip_interface"], "@"); ok {
			s.add("interface", alias)
		} else {
			s.add("device", cmp.Or(g["ip_interface"], "eth1")) // as ddns-scripts has it
		}
	case "script":
		s.cannot("ip_script", "wandns runs no scripts; remove ip_source and see: wandns wan")
	default:
		s.cannot("ip_source", "is none of network, web, interface and script")
	}
	if bind != "" && bind != network {
		s.note("bind_network", notPossible+"requests leave by the interface whose address is published")
	}
	for _, name := range []string{"ip_network", "ip_url", "ip_interface", "ip_script"} {
		if g[name] != "" && name != used {
			s.note(name, notNeeded+"ip_source chose another way")
		}
	}
}
