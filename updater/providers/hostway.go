package providers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"wandns/updater"
	"wandns/updater/http1"
)

// Hostway's "DDNS clients", as documented at docs.hostway.com (Dynamic_DNS,
// 2012 to 2014): hosts are attached to a client, and an action of the client
// gives all of them the address that the server sees. Links in answers are not
// followed: every path is made here.

func hostway() *updater.Spec {
	return &updater.Spec{
		Name:   "hostway",
		Title:  "Hostway",
		URL:    "https://www.hostway.com",
		Server: "https://cprest-vip.hostway.com",
		Fields: []updater.Field{
			{
				Name: "username", Required: true, Identity: true, Check: checkBasicUser,
				Help: "DDNS user, which is not the control panel's", Example: "ddnsuser",
			},
			{
				Name: "password", Required: true, Secret: true, Check: checkBasicText,
				Help: "password of the DDNS user", Example: "secret",
			},
			{
				Name: "client_key", Required: true, Identity: true, Check: checkClientKey,
				Help: "name of your choice under which this router is registered at Hostway; keep it", Example: "home-router-7f3a",
			},
		},
		Limits:     updater.Limits{Floor: 5 * time.Minute},
		IPv4Only:   true,
		FromSource: true,
		CheckHost:  checkFQDN,
		New: func(s updater.Settings) updater.Provider {
			return &hostWay{
				wire{
					Settings: s, title: "Hostway", accept: "application/json", login: "correct username and password",
					sign: func(r *http1.Request) { r.SetBasicAuth(s.Values["username"], s.Values["password"]) },
				}, s.Values["client_key"],
			}
		},
	}
}

// checkClientKey accepts what stands in a URL's path as it is (RFC 3986,
// section 2.3), since Hostway does not say what a key looks like.
func checkClientKey(v string) string {
	const also = "-._~"
	switch {
	case len(v) > 64:
		return "is longer than 64 characters"
	case strings.Trim(v, ".") == "", strings.ContainsFunc(v, func(r rune) bool {
		return !strings.ContainsRune(also, r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}):
		return "may hold letters, digits, -, ., _ and ~ only"
	}
	return ""
}

func checkFQDN(h string) string {
	if checkNoIPHost(h) != "" || !strings.Contains(h, ".") {
		return "is not a whole host name, such as home.example.com"
	}
	return ""
}

type hostWay struct {
	wire
	key string // of the client
}

var (
	_ updater.Reader   = (*hostWay)(nil)
	_ updater.HostBook = (*hostWay)(nil)
	_ updater.Clients  = (*hostWay)(nil)
	_ updater.Presence = (*hostWay)(nil)
)

// errNoClient is a 404 for the client.
var errNoClient = errors.New("the client is not registered")

// Update has the client and its hosts there, asks for the action and reads the
// hosts back. A client that is missing is registered, once.
func (h *hostWay) Update(ctx context.Context, req updater.Request) ([]updater.Result, error) {
	if !req.V4.IsValid() {
		return nil, refuse(`set family = "ipv4"`, "Hostway publishes IPv4 addresses only")
	}
	results, err := h.publish(ctx, req)
	if errors.Is(err, errNoClient) {
		if err = h.setOffline(ctx, false); err == nil {
			results, err = h.publish(ctx, req)
		}
	}
	return results, h.explain(err)
}

// publish attaches what is missing before the action, for a second one would
// have to wait for minutes.
func (h *hostWay) publish(ctx context.Context, req updater.Request) ([]updater.Result, error) {
	hosts, err := h.hosts(ctx)
	if err != nil {
		return nil, err
	}
	faults := map[string]*updater.Fault{}
	for _, host := range req.Hosts {
		if _, ok := lookUp(hosts, host); ok {
			continue
		}
		err := h.Attach(ctx, host)
		f, known := errors.AsType[*updater.Fault](err)
		switch {
		case err == nil:
		case !known, f.Kind == updater.Blocked, f.Kind == updater.Throttled:
			return nil, err
		default:
			faults[host] = f
		}
	}
	if len(faults) < len(req.Hosts) {
		if _, err := h.call(ctx, "the hosts were not updated", http1.MethodPost, "/action", "", map[string]string{"updateIP": "default"}); err != nil {
			return nil, err
		}
		if hosts, err = h.hosts(ctx); err != nil {
			return nil, landed(err)
		}
	}
	return h.readBack(ctx, req, hosts, faults)
}

// landed is an error of a request that follows one which was carried out.
func landed(err error) error {
	f, ok := errors.AsType[*updater.Fault](err)
	if !ok || f.Kind != updater.Unreachable && f.Kind != updater.Clock {
		return err
	}
	return &updater.Fault{Kind: updater.Unconfirmed, Detail: "what was begun is not complete: " + f.Detail, Next: f.Next}
}

// readBack confirms what the hosts have.
func (h *hostWay) readBack(ctx context.Context, req updater.Request, hosts []updater.Published, faults map[string]*updater.Fault) ([]updater.Result, error) {
	var results []updater.Result
	other := false
	for _, host := range req.Hosts {
		r := updater.Result{Host: host, Fault: faults[host]}
		p, _ := lookUp(hosts, host)
		switch {
		case r.Fault != nil:
		case p.V4 == req.V4:
			r.V4 = p.V4
		case p.V4.IsValid():
			other = true
			r.Fault = &updater.Fault{
				Kind:   updater.Unconfirmed,
				Detail: fmt.Sprintf("Hostway gave %s the address %s, which it saw the request come from, and not %s", host, p.V4, req.V4),
				Next:   "make requests to Hostway leave past NAT and VPN; device may help",
			}
		default:
			r.Fault = &updater.Fault{Kind: updater.Unconfirmed, Detail: "Hostway does not say which address " + host + " has"}
		}
		results = append(results, r)
	}
	if !other {
		return results, nil
	}
	// There is a harmless reason: the user took the client offline.
	offline, err := h.offline(ctx)
	if _, known := errors.AsType[*updater.Fault](err); err != nil && !known && !errors.Is(err, errNoClient) {
		return nil, err
	}
	for i, r := range results {
		if p, _ := lookUp(hosts, r.Host); offline && r.Fault != nil && p.V4.IsValid() {
			results[i].Fault = &updater.Fault{
				Kind: updater.Transient, Detail: fmt.Sprintf("%s has the address %s because this client is offline at Hostway", r.Host, p.V4),
				Next: "end that with wandns presence SERVICE online",
			}
		}
	}
	return results, nil
}

func lookUp(list []updater.Published, host string) (updater.Published, bool) {
	i := slices.IndexFunc(list, func(p updater.Published) bool { return strings.EqualFold(p.Host, host) })
	if i < 0 {
		return updater.Published{}, false
	}
	return list[i], true
}

// Published reads the hosts of the client.
func (h *hostWay) Published(ctx context.Context, hosts []string) ([]updater.Published, error) {
	attached, err := h.hosts(ctx)
	if errors.Is(err, errNoClient) {
		return nil, nil
	}
	return slices.DeleteFunc(attached, func(p updater.Published) bool {
		return !slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, p.Host) })
	}), err
}

// Hosts lists what is attached to the client.
func (h *hostWay) Hosts(ctx context.Context) ([]updater.Published, error) {
	hosts, err := h.hosts(ctx)
	return hosts, h.explain(err)
}

// Attach connects a host, which has to exist already, to the client.
func (h *hostWay) Attach(ctx context.Context, host string) error {
	_, err := h.call(ctx, host+" was not attached", http1.MethodPut, "/hosts/"+url.PathEscape(host), host, struct{}{})
	return err
}

// Detach ends what Attach began.
func (h *hostWay) Detach(ctx context.Context, host string) error {
	_, err := h.call(ctx, host+" was not detached", http1.MethodDelete, "/hosts/"+url.PathEscape(host), host, nil)
	return err
}

// CreateClient registers the client. One that exists stays as it is: the same
// request would bring it online.
func (h *hostWay) CreateClient(ctx context.Context) error {
	_, err := h.offline(ctx)
	if errors.Is(err, errNoClient) {
		return h.setOffline(ctx, false)
	}
	return err
}

// ShowClient returns the client with its hosts.
func (h *hostWay) ShowClient(ctx context.Context) (updater.ClientInfo, error) {
	info := updater.ClientInfo{Key: h.key}
	var err error
	if info.Offline, err = h.offline(ctx); err == nil {
		info.Hosts, err = h.hosts(ctx)
	}
	return info, h.explain(err)
}

// DeleteClient ends the registration.
func (h *hostWay) DeleteClient(ctx context.Context) error {
	_, err := h.call(ctx, "the client was not deleted", http1.MethodDelete, "", "", nil)
	return h.explain(err)
}

// Offline gives every host of the client Hostway's offline address.
func (h *hostWay) Offline(ctx context.Context, _ []string) (string, error) {
	return "", h.presence(ctx, true)
}

// Online gives every host of the client the address that the server sees.
func (h *hostWay) Online(ctx context.Context, req updater.Request) (string, error) {
	if err := h.presence(ctx, false); err != nil || !req.V4.IsValid() {
		return "", err
	}
	hosts, err := h.hosts(ctx)
	if err != nil {
		return "", h.explain(landed(err))
	}
	results, err := h.readBack(ctx, req, hosts, nil)
	for _, r := range results {
		if r.Fault != nil {
			return "", r.Fault
		}
	}
	return "", err
}

// presence asks before it sets, since setting would register a client, and
// after, since the answer contradicts it even in the document.
func (h *hostWay) presence(ctx context.Context, offline bool) error {
	if _, err := h.offline(ctx); err != nil {
		return h.explain(err)
	}
	if err := h.setOffline(ctx, offline); err != nil {
		return err
	}
	now, err := h.offline(ctx)
	if err != nil || now == offline {
		return h.explain(landed(err))
	}
	return &updater.Fault{Kind: updater.Unconfirmed, Detail: fmt.Sprintf("Hostway accepted offline=%t and still says offline=%t", offline, now), Next: "try again later"}
}

// explain turns errNoClient into a fault.
func (h *hostWay) explain(err error) error {
	if !errors.Is(err, errNoClient) {
		return err
	}
	return &updater.Fault{
		Kind: updater.Blocked, Detail: fmt.Sprintf("Hostway knows no client %q (404)", h.key),
		Next: "check client_key, or register it with wandns client SERVICE create",
	}
}

// offline reads the client.
func (h *hostWay) offline(ctx context.Context) (bool, error) {
	r, err := h.read(ctx, "")
	if err != nil || r.JSON.text("offline") == "" {
		return false, err
	}
	offline, err := strconv.ParseBool(r.JSON.text("offline"))
	if err != nil {
		return false, h.fault("the client could not be read", r.Status, r)
	}
	return offline, nil
}

// setOffline changes the client, and registers it if need be.
func (h *hostWay) setOffline(ctx context.Context, offline bool) error {
	_, err := h.call(ctx, "the client was not changed", http1.MethodPut, "", "", map[string]bool{"offline": offline})
	return h.explain(err)
}

// hosts reads the hosts of the client: a list, one alone, or nothing.
func (h *hostWay) hosts(ctx context.Context) ([]updater.Published, error) {
	r, err := h.read(ctx, "/hosts")
	if err != nil {
		return nil, err
	}
	list, one := r.JSON.list("hosts"), r.JSON.object("hosts")
	if one != nil {
		list = []object{one}
	}
	if raw := string(r.JSON["hosts"]); len(list) == 0 && raw != "" && raw != "null" && !strings.HasPrefix(raw, "[") {
		return nil, h.fault("the hosts could not be read", r.Status, r)
	}
	var hosts []updater.Published
	for _, o := range list {
		p := updater.Published{Host: strings.TrimSuffix(strings.ToLower(o.text("hostname")), ".")}
		if !isName(p.Host) {
			p.Host = r.Excerpt(o.text("hostname"))
		}
		if a := parseAddr(o.text("ipAddress")); a.Is4() {
			p.V4 = a
		}
		if p.Host != "" {
			hosts = append(hosts, p)
		}
	}
	return hosts, nil
}

// read makes a request whose answer has to be an object.
func (h *hostWay) read(ctx context.Context, path string) (reply, error) {
	const outcome = "the client could not be read"
	r, err := h.call(ctx, outcome, http1.MethodGet, path, "", nil)
	if err == nil && r.JSON == nil {
		err = h.fault(outcome, r.Status, r)
	}
	return r, err
}

// call makes a request about the client, or about one of its hosts. It leaves
// by IPv4, for its source is what may be published.
func (h *hostWay) call(ctx context.Context, outcome, method, path, host string, body any) (reply, error) {
	way := updater.WayOf(ctx)
	way.Only = updater.OnlyIPv4
	r, err := h.ask(updater.By(ctx, way), method, "/ddns/clients/"+url.PathEscape(h.key)+path, body)
	if err != nil {
		return r, err
	}
	f := &updater.Fault{Kind: updater.Blocked}
	why := ""
	switch r.Status {
	case http1.StatusCreated, http1.StatusNoContent:
		return r, nil
	case http1.StatusOK:
		if r.JSON != nil || strings.TrimSpace(r.Body) == "" {
			return r, nil
		}
	case http1.StatusBadRequest:
		why, f.Next = fmt.Sprintf("does not accept what was asked of client %q", h.key), "choose another client_key, or look for a newer wandns"
		if host != "" {
			f.Kind, why, f.Next = updater.Refused, "does not accept the name "+host, "correct hostnames"
		}
	case http1.StatusUnauthorized:
		f.Login, why, f.Next = true, "does not accept the user name and password", h.login
	case http1.StatusForbidden:
		why, f.Next = fmt.Sprintf("does not let this user have client %q", h.key), "correct username or client_key"
		if host != "" {
			f.Kind, why, f.Next = updater.Refused, "does not let this user have "+host, "correct username or hostnames"
		}
	case http1.StatusNotFound:
		switch {
		case host == "":
			return r, errNoClient
		case method == http1.MethodPut:
			f.Kind, why, f.Next = updater.Refused, "has no host "+host, "correct hostnames, or create it at Hostway first"
		default:
			f.Kind, why, f.Next = updater.Refused, "does not have it attached to this client", "wandns host SERVICE list shows what is"
		}
	}
	if why == "" || r.page() && (r.Status == http1.StatusBadRequest || r.Status == http1.StatusForbidden) { // perhaps a proxy's
		return r, h.fault(outcome, r.Status, r)
	}
	f.Detail = fmt.Sprintf("%s: Hostway %s (%d)", outcome, why, r.Status)
	if said := r.words(); said != "" {
		f.Detail += fmt.Sprintf(" and says %q", said)
	}
	return r, f
}
