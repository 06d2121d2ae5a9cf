package updater

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

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
	secrets secrets
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

func (c *Client) sameServer(first, next *http1.Request) error {
	from, to := first.URL, next.URL
	switch {
	case next.Method != first.Method: // the request would be lost, and the page's 200 taken for its success
		return errRedirect{"it redirects to a page, perhaps a login page of the network"}
	case to.Scheme != from.Scheme && to.Scheme != "https":
		return errRedirect{"it redirects to an unencrypted page"}
	case to.Hostname() != from.Hostname() || to.Scheme == from.Scheme && to.Port() != from.Port():
		return errRedirect{fmt.Sprintf("it redirects to %q, perhaps a login page of the network", c.Excerpt(to.Host))}
	}
	return nil
}

// Answer is what a server said.
type Answer struct {
	Status     int
	Body       string
	RetryAfter time.Duration // by Retry-After or, for 429, X-RateLimit-Reset; 0 if it did not say
	secrets    secrets
}

// Excerpt makes a part of the answer fit for a message: without secrets,
// printable and short.
func (a Answer) Excerpt(s string) string { return a.secrets.excerpt(s) }

// Strike takes the secrets out of a part of the answer, of which something is to
// be cut out before it is excerpted.
func (a Answer) Strike(s string) string { return a.secrets.strike(s) }

// Excerpt makes what a server said elsewhere than in an Answer fit for a message.
func (c *Client) Excerpt(s string) string { return c.secrets.excerpt(s) }

// Hide strikes more secrets out of every later excerpt.
func (a Answer) Hide(secrets ...string) Answer {
	a.secrets = slices.Concat(a.secrets, secrets)
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
	var t trip
	resp, err := c.follow(limited, req, &t)
	if err != nil {
		return Answer{}, c.classify(ctx, req.URL.Host, err, t)
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

// trip is how far a request came.
type trip struct {
	left int  // requests: this one, and those to which it was redirected
	open bool // the last of them, without a whole answer so far
}

// classify turns an error of a request into a Fault. What left counts: a later
// failure does not undo it.
func (c *Client) classify(ctx context.Context, host string, err error, t trip) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause // the program stopped waiting
	}
	f := &Fault{Kind: Unconfirmed}
	var timeout net.Error
	var redirect errRedirect
	switch {
	case errors.As(err, &redirect):
		f.Kind, f.Next = Transient, "check server and the network's own login page"
		f.Detail = fmt.Sprintf("a redirect of %s was not followed: %s", host, redirect.why)
	case !t.open:
		c.unreached(ctx, host, err, t, f)
	case errors.As(err, &timeout) && timeout.Timeout():
		f.Detail = fmt.Sprintf("%s did not answer within %d seconds; the update may have landed", host, requestTimeout/time.Second)
	default:
		f.Detail = fmt.Sprintf("the connection to %s broke before the answer was complete (%s); the update may have landed", host, printable(err.Error()))
	}
	return f
}

// unreached fills in the fault of a request that did not leave, though an
// earlier one may have.
func (c *Client) unreached(ctx context.Context, host string, err error, t trip, f *Fault) {
	var fault *Fault
	var way errWay
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	var addr *net.AddrError
	var verification *tls.CertificateVerificationError
	unproven := errors.As(err, &verification)
	f.Kind = Unreachable
	switch {
	case errors.As(err, &fault):
		*f, unproven = *fault, fault.Kind == Unreachable
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired: // or not valid yet
		f.Kind = Clock
		f.Detail = fmt.Sprintf("the certificate of %s is not valid on %s, which is today by this router's clock", host, time.Now().UTC().Format(time.DateOnly))
	case unproven:
		f.Detail, f.Next = host+" could not prove who it is ("+c.unproven(verification.Err)+")", "check the clock, ca-bundle and ca_file"
	case errors.As(err, &way):
		f.Detail, f.Next = fmt.Sprintf("the request to %s did not leave: %s", host, way), way.next
	case errors.As(err, &dns):
		f.Detail, f.Next = fmt.Sprintf("%s was not found in the DNS (%s)", dns.Name, printable(dns.Err)), "check the router's own DNS"
		if dns.IsTimeout {
			f.Detail = "the DNS did not say where " + dns.Name + " is"
		}
	case errors.As(err, &addr) && WayOf(ctx).Only != EitherFamily:
		family := [...]wan.Family{OnlyIPv4: wan.IPv4, OnlyIPv6: wan.IPv6}[WayOf(ctx).Only]
		f.Detail = host + " has no " + family.String() + " address"
	default:
		f.Detail = host + " could not be reached (" + c.words(err) + ")"
	}
	switch {
	case t.left > 0:
		f.Kind, f.Detail = Transient, "the request was sent to "+host+", which redirected it; then "+f.Detail
	case unproven:
		f.Detail += ", so nothing was sent"
	}
}

// unproven says why a server is not taken for whom it says it is.
func (c *Client) unproven(err error) string {
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	switch {
	case errors.As(err, &unknown) && unknown.Cert != nil:
		return "its certificates lead to " + strconv.Quote(c.Excerpt(unknown.Cert.Issuer.String())) + ", whom this router does not trust"
	case errors.As(err, &wrongName):
		return "its certificate is for " + strconv.Quote(c.Excerpt(cmp.Or(strings.Join(wrongName.Certificate.DNSNames, " "), wrongName.Certificate.Subject.String())))
	}
	return c.words(err)
}

// words are those of an error. What it says of a certificate may be the server's.
func (c *Client) words(err error) string {
	const of = "x509: "
	ours, theirs, _ := strings.Cut(err.Error(), of)
	if theirs != "" {
		ours += of
	}
	return printable(ours + c.Excerpt(theirs))
}
