package updater

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"wandns/updater/http1"
	"wandns/wan"
)

// Limits of one request.
const (
	requestTimeout = 30 * time.Second
	maxBody        = 64 << 10
	maxRedirects   = 1 // more would be requests without a pause
)

// Client makes every request of the program. It sends credentials to nobody
// but the host of the request, over verified TLS where the URL says https.
type Client struct {
	secrets []string
	dial    dialFunc
	resolv  []string
	caFile  string
}

// ClientConfig says how requests leave.
type ClientConfig struct {
	CAFile string // PEM file of a certificate authority to trust besides the system's
	// Secrets are struck out wherever a server's words are quoted.
	Secrets []string
	// Dial replaces the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// MWAN3 is the directory that mwan3 has while it runs; /var/run/mwan3 if empty.
	MWAN3 string
	// Resolv are the files that name the resolvers; the system's if empty.
	Resolv []string
}

// NewClient makes a client.
func NewClient(c ClientConfig) *Client {
	client := &Client{secrets: c.Secrets, resolv: c.Resolv, caFile: c.CAFile}
	dial := c.Dial
	if dial == nil {
		take := takeWay(cmp.Or(c.MWAN3, MWAN3))
		dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			finding, cancel := context.WithTimeout(ctx, resolveFor)
			defer cancel()
			d := net.Dialer{Timeout: 15 * time.Second, ControlContext: take, Resolver: client.resolver(finding)}
			return d.DialContext(ctx, network, address)
		}
	}
	client.dial = byWay(dial)
	return client
}

// errRedirect is a redirect that is not followed.
type errRedirect struct{ why string }

func (e errRedirect) Error() string { return e.why }

func sameServer(first, next *http1.Request) error {
	from, to := first.URL, next.URL
	switch {
	case next.Method != first.Method: // the request would be lost, and the page's 200 taken for its success
		return errRedirect{"it redirects to a page, perhaps a login page of the network"}
	case to.Scheme != from.Scheme && to.Scheme != "https":
		return errRedirect{"it redirects to an unencrypted page"}
	case to.Hostname() != from.Hostname() || to.Scheme == from.Scheme && to.Port() != from.Port():
		return errRedirect{fmt.Sprintf("it redirects to %q, perhaps a login page of the network", to.Host)}
	}
	return nil
}

// Answer is what a server said.
type Answer struct {
	Status     int
	Body       string
	RetryAfter time.Duration // by Retry-After or, for 429, X-RateLimit-Reset; 0 if it did not say
	secrets    []string
}

// Excerpt makes a part of the answer fit for a message: without secrets,
// printable and short.
func (a Answer) Excerpt(s string) string { return Excerpt(redact(s, a.secrets)) }

// Hide strikes more secrets out of every later excerpt.
func (a Answer) Hide(secrets ...string) Answer {
	a.secrets = slices.Clone(a.secrets)
	for _, s := range secrets {
		a.secrets = append(a.secrets, s, url.QueryEscape(s))
	}
	sort.SliceStable(a.secrets, func(i, j int) bool { return len(a.secrets[i]) > len(a.secrets[j]) })
	return a
}

// Do makes a request. An error is always a *Fault, and says nothing of the
// URL but its host.
func (c *Client) Do(ctx context.Context, req *http1.Request) (Answer, error) {
	if err := rehearsed(ctx, req); err != nil {
		return Answer{}, err
	}
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	left := false
	resp, err := c.follow(limited, req, func() { left = true })
	if err != nil {
		return Answer{}, classify(ctx, req, err, left)
	}
	if len(resp.Body) > maxBody {
		return Answer{}, &Fault{Kind: Unconfirmed, Detail: fmt.Sprintf("%s answered with more than %d KiB, which is no answer to an update", req.URL.Host, maxBody>>10)}
	}
	now := time.Now()
	if date, err := http1.ParseTime(resp.Header.Get("Date")); err == nil && apart(date, now, 2*time.Second) {
		now = date // its dates are by its own clock
	}
	wait := retryAfter(resp.Header.Get("Retry-After"), now)
	if at, err := time.Parse(time.RFC3339, resp.Header.Get("X-RateLimit-Reset")); err == nil && wait == 0 && resp.Status == http1.StatusTooManyRequests {
		wait = until(at, now)
	}
	return Answer{resp.Status, resp.Body, wait, c.secrets}, nil
}

// retryAfter reads RFC 9110, section 10.2.3: seconds or a date.
func retryAfter(v string, now time.Time) time.Duration {
	switch s, err := strconv.ParseUint(v, 10, 31); {
	case err == nil:
		return min(time.Duration(s)*time.Second, longest)
	case errors.Is(err, strconv.ErrRange):
		return longest
	}
	if at, err := http1.ParseTime(v); err == nil {
		return until(at, now)
	}
	return 0
}

func until(at, now time.Time) time.Duration { return min(max(at.Sub(now), 0), longest) }

// classify turns an error of a request into a Fault.
func classify(ctx context.Context, req *http1.Request, err error, left bool) error {
	host := req.URL.Host
	if cause := context.Cause(ctx); cause != nil {
		return cause // the program stopped waiting
	}
	var fault *Fault
	var redirect errRedirect
	var way errWay
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var dns *net.DNSError
	var addr *net.AddrError
	var timeout net.Error
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &redirect):
		return &Fault{Kind: Transient, Detail: fmt.Sprintf("a redirect of %s was not followed: %s", host, redirect.why), Next: "check server and the network's own login page"}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired: // or not valid yet
		return &Fault{Kind: Clock, Detail: fmt.Sprintf("the certificate of %s is not valid on %s, which is today by this router's clock, so nothing was sent", host, time.Now().UTC().Format(time.DateOnly))}
	case errors.As(err, &invalid), errors.As(err, &unknown), errors.As(err, &wrongName):
		return &Fault{Kind: Unreachable, Detail: fmt.Sprintf("%s could not prove who it is (%s), so nothing was sent", host, Excerpt(err.Error())), Next: "check the clock, ca-bundle and ca_file"}
	case errors.As(err, &way):
		return &Fault{Kind: Unreachable, Detail: fmt.Sprintf("the request to %s did not leave: %s", host, way), Next: way.next}
	case errors.As(err, &dns) && dns.IsTimeout:
		return &Fault{Kind: Unreachable, Detail: fmt.Sprintf("the DNS did not say where %s is", dns.Name), Next: "check the router's own DNS"}
	case errors.As(err, &dns):
		return &Fault{Kind: Unreachable, Detail: fmt.Sprintf("%s was not found in the DNS (%s)", dns.Name, Excerpt(dns.Err)), Next: "check the router's own DNS"}
	case errors.As(err, &addr) && WayOf(ctx).Only != EitherFamily:
		family := [...]wan.Family{OnlyIPv4: wan.IPv4, OnlyIPv6: wan.IPv6}[WayOf(ctx).Only]
		return &Fault{Kind: Unreachable, Detail: fmt.Sprintf("%s has no %s address", host, family)}
	case left && errors.As(err, &timeout) && timeout.Timeout():
		return &Fault{Kind: Unconfirmed, Detail: fmt.Sprintf("%s did not answer within %d seconds; the update may have landed", host, requestTimeout/time.Second)}
	case left:
		return &Fault{Kind: Unconfirmed, Detail: fmt.Sprintf("the connection to %s broke before the answer was complete (%s); the update may have landed", host, Excerpt(err.Error()))}
	}
	return &Fault{Kind: Unreachable, Detail: fmt.Sprintf("%s could not be reached (%s)", host, Excerpt(err.Error()))}
}

// Excerpt makes foreign text fit for a line of log: printable, and short.
func Excerpt(s string) string {
	const most = 120
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == utf8.RuneError
	}), " ")
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return s
}
