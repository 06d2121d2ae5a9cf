package updatertest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func bearer(x *exchange) string {
	token, _ := strings.CutPrefix(x.r.Header.Get("Authorization"), "Bearer ")
	return token
}

// manage is the management API.
func (s *HostUp) manage(x *exchange) func() reply {
	x.headers("Authorization", "Content-Type")
	key := s.keys[bearer(x)]
	x.hide(bearer(x))
	if !strings.HasPrefix(x.r.Header.Get("Authorization"), "Bearer ") {
		x.breaks("no API key")
	}
	scope := WriteDomains
	if x.r.Method == http.MethodGet {
		scope = ReadDomains
	}
	over := false
	if key != nil {
		over = s.count(x, key)
	}
	do, wrong := s.route(x, key != nil && slices.Contains(key.scopes, WriteDomains))
	return func() reply {
		var a reply
		switch {
		case key == nil:
			return s.problem(x, http.StatusUnauthorized, "unauthorized", "Authentication is required.")
		case over:
			return s.tooMany(x, key)
		case !slices.Contains(key.scopes, scope):
			a = s.problem(x, http.StatusForbidden, "forbidden", "The caller lacks the scope "+scope+".")
		case do == nil:
			a = s.problem(x, http.StatusNotFound, "not_found", "The resource does not exist or is not owned by the caller.")
		case !x.lawful() || len(wrong) > 0:
			a = s.problem(x, http.StatusBadRequest, "invalid_request", "The request failed validation.", wrong...)
		default:
			a = do()
		}
		return s.limits(a, key)
	}
}

// count reports whether a key has made too many requests. The first too many
// is met with a request for silence; only to ignore that breaks a rule.
func (s *HostUp) count(x *exchange, k *hostupKey) (over bool) {
	now := time.Now()
	if now.Before(k.until) {
		x.breaks("a request %s before the end of Retry-After", k.until.Sub(now))
		return true
	}
	if now.Sub(k.since) >= time.Minute {
		k.since, k.used = now, 0
	}
	if k.used++; k.used > s.PerMinute {
		k.used = s.PerMinute
		k.until = k.since.Add(time.Minute)
		return true
	}
	return false
}

func (s *HostUp) tooMany(x *exchange, k *hostupKey) reply {
	k.used = s.PerMinute
	wait := (time.Until(k.until) + time.Second - 1).Truncate(time.Second)
	a := s.problem(x, http.StatusTooManyRequests, "rate_limited", "Retry after the limit resets.")
	return s.limits(a, k).with("Retry-After", strconv.Itoa(int(wait/time.Second)))
}

func (s *HostUp) limits(a reply, k *hostupKey) reply {
	reset := k.since.Add(time.Minute)
	if k.until.After(reset) {
		reset = k.until
	}
	return a.with("X-RateLimit-Limit", strconv.Itoa(s.PerMinute)).
		with("X-RateLimit-Remaining", strconv.Itoa(s.PerMinute-k.used)).
		with("X-RateLimit-Reset", iso(reset))
}

// pointed is an error of one member of a body.
type pointed struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
	Code    string `json:"code"`
}

// problem is an error as of RFC 7807.
func (s *HostUp) problem(x *exchange, status int, code, detail string, errors ...pointed) reply {
	body := map[string]any{
		"type": "https://developer.hostup.se/errors/" + code, "title": http.StatusText(status), "status": status,
		"detail": detail, "code": code, "instance": x.r.URL.Path, "requestId": s.id("req"), "timestamp": iso(time.Now()),
	}
	if len(errors) > 0 {
		body["errors"] = errors
	}
	return object(status, body).with("Content-Type", "application/problem+json")
}

// route finds what a request wants, nil for a resource that there is not, and
// what is wrong with its body.
func (s *HostUp) route(x *exchange, full bool) (do func() reply, wrong []pointed) {
	p := x.path()
	if len(p) < 3 || p[0] != "api" || p[1] != "v2" || p[2] != "domains" {
		x.stray()
		return nil, nil
	}
	if len(p) == 3 {
		return s.listDomains(x), nil
	}
	x.query()
	var d *hostupDomain
	var c *hostupConfig
	if i := slices.IndexFunc(s.domains, func(d *hostupDomain) bool { return d.id == p[3] }); i >= 0 {
		d = s.domains[i]
	}
	call := x.r.Method + " " + strings.Join(p[4:], " ")
	if len(p) > 5 {
		call = x.r.Method + " " + strings.Join(append([]string{p[4], "{id}"}, p[6:]...), " ")
		if i := d.find(p[5]); i >= 0 {
			c = d.configs[i]
			x.entry.Hosts, x.entry.Type = []string{c.Hostname}, c.RecordType
		}
	}
	if x.r.Method == http.MethodGet || x.r.Method == http.MethodDelete {
		x.bare()
	}
	switch call {
	case "GET dyndns":
		do = func() reply { return d.list(x, full) }
	case "POST dyndns":
		do, wrong = s.create(x, d)
	case "PATCH dyndns {id}":
		do, wrong = s.enable(x, c)
	case "DELETE dyndns {id}":
		do = func() reply {
			d.configs = slices.Delete(d.configs, d.find(c.ID), d.find(c.ID)+1)
			return reply{status: http.StatusNoContent}
		}
	case "GET dyndns {id} logs":
		do = func() reply { return object(http.StatusOK, map[string]any{"logs": append([]hostupLog{}, c.logs...)}) }
	default:
		x.stray()
	}
	if d == nil || len(p) > 5 && c == nil {
		return nil, nil
	}
	return do, wrong
}

// find returns the index of a configuration, or -1.
func (d *hostupDomain) find(id string) int {
	if d == nil {
		return -1
	}
	return slices.IndexFunc(d.configs, func(c *hostupConfig) bool { return c.ID == id })
}

func (s *HostUp) listDomains(x *exchange) func() reply {
	q := x.query("name", "limit", "cursor", "include")
	x.bare()
	if x.r.Method != http.MethodGet {
		x.stray()
	}
	limit := 100
	if q.Has("limit") {
		var err error
		if limit, err = strconv.Atoi(q.Get("limit")); err != nil || limit < 1 || limit > 1000 {
			x.breaks("limit %s", q.Get("limit"))
		}
	}
	after := -1
	if cursor := q.Get("cursor"); cursor != "" {
		after = slices.IndexFunc(s.domains, func(d *hostupDomain) bool { return d.id == cursor })
		if after < 0 {
			x.breaks("a cursor that was never given")
		}
	}
	return func() reply {
		page := map[string]any{"hasMore": false, "nextCursor": nil}
		data := []any{}
		for _, d := range s.domains[after+1:] {
			if q.Has("name") && d.name != q.Get("name") {
				continue
			}
			if len(data) == limit {
				page["hasMore"] = true
				break
			}
			data = append(data, map[string]any{"id": d.id, "name": d.name, "serviceStatus": "active"})
			page["nextCursor"] = d.id
		}
		if page["hasMore"] == false {
			page["nextCursor"] = nil
		}
		page["data"] = data
		return object(http.StatusOK, page)
	}
}

// list shows tokens to keys that may write.
func (d *hostupDomain) list(x *exchange, full bool) reply {
	configs := []hostupConfig{}
	for _, c := range d.configs {
		shown := *c
		x.hide(*c.Token)
		if !full {
			shown.Token = nil
		}
		configs = append(configs, shown)
	}
	var reason any
	if d.elsewhere {
		reason = "The domain does not use HostUp's name servers."
	}
	action := map[string]any{"allowed": full && !d.elsewhere, "reason": reason}
	return object(http.StatusOK, map[string]any{
		"available": !d.elsewhere, "reason": reason, "configs": configs,
		"actions": map[string]any{"canManage": action, "canEnable": action, "canUpdateToken": action},
	})
}

func (s *HostUp) create(x *exchange, d *hostupDomain) (do func() reply, wrong []pointed) {
	var body struct{ Hostname, RecordType string }
	x.object(&body, "hostname", "recordType")
	host, record := body.Hostname, body.RecordType
	x.entry.Hosts, x.entry.Type = []string{host}, record
	switch {
	case host == "":
		x.breaks("hostname is missing")
		wrong = append(wrong, pointed{"/hostname", "`hostname` is required.", "missing_required"})
	case d != nil && !under(host, []string{d.name}):
		wrong = append(wrong, pointed{"/hostname", "`hostname` must be the domain itself or a subdomain of it.", "invalid_value"})
	}
	switch record {
	case "":
		x.breaks("recordType is missing")
		wrong = append(wrong, pointed{"/recordType", "`recordType` is required.", "missing_required"})
	case "A", "AAAA":
	default:
		wrong = append(wrong, pointed{"/recordType", "`recordType` must be A or AAAA.", "invalid_value"})
	}
	return func() reply {
		switch {
		case d.elsewhere:
			return s.problem(x, http.StatusForbidden, "forbidden", "DynDNS needs HostUp's name servers.")
		case slices.ContainsFunc(d.configs, func(c *hostupConfig) bool { return c.Hostname == host && c.RecordType == record }):
			return s.problem(x, http.StatusConflict, "conflict", "There is a DynDNS configuration for this hostname and type already.")
		}
		c := &hostupConfig{ID: s.id("ddns"), Hostname: host, RecordType: record, Enabled: true, CreatedAt: optional(iso(time.Now()))}
		c.Token = optional(secretToken(c.ID, host))
		x.hide(*c.Token)
		d.configs = append(d.configs, c)
		return object(http.StatusCreated, c)
	}, wrong
}

// enable pauses and resumes updates. What the update URL has refused may be
// asked for again.
func (s *HostUp) enable(x *exchange, c *hostupConfig) (do func() reply, wrong []pointed) {
	var body struct{ Enabled *bool }
	if x.object(&body, "enabled"); body.Enabled == nil {
		x.breaks("enabled is missing")
		wrong = append(wrong, pointed{"/enabled", "`enabled` is required.", "missing_required"})
	}
	return func() reply {
		c.Enabled, c.UpdatedAt = *body.Enabled, optional(iso(time.Now()))
		x.hide(*c.Token)
		delete(s.bans, *c.Token)
		return object(http.StatusOK, c)
	}, wrong
}
