package updater

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode"

	"wandns/updater/http1"
)

// This file carries a request to its server and brings the answer, which is
// complete, or has a body of a byte more than maxBody.

const handshakeTimeout = 15 * time.Second

// follow makes a request, and the one to which it is redirected on the same
// server. It notes how far it comes.
func (c *Client) follow(ctx context.Context, req *http1.Request, t *trip) (http1.Response, error) {
	for first, hops := req, 0; ; hops++ {
		r, err := c.exchange(ctx, req, t)
		if err != nil {
			return r, err
		}
		next, err := redirected(req, r)
		switch {
		case err != nil || next == nil:
			return r, err
		case hops == maxRedirects:
			return r, errRedirect{"it redirects in a circle"}
		}
		if err := c.sameServer(first, next); err != nil {
			return r, err
		}
		req = next
	}
}

// redirected returns the request that an answer demands instead of its own,
// or nil (RFC 9110, section 15.4).
func redirected(req *http1.Request, r http1.Response) (*http1.Request, error) {
	next := *req
	switch r.Status {
	case http1.StatusMovedPermanently, http1.StatusFound, http1.StatusSeeOther:
		next.Method = http1.MethodGet
	case http1.StatusTemporaryRedirect, http1.StatusPermanentRedirect:
	default:
		return nil, nil //nolint:nilnil // no redirect
	}
	to := r.Header.Get("Location")
	if to == "" {
		return nil, nil //nolint:nilnil // an answer like any other
	}
	var err error
	if next.URL, err = req.URL.Parse(to); err != nil {
		return nil, errRedirect{"its address cannot be read"}
	}
	return &next, nil
}

// exchange makes one request by a connection of its own. Connections are not
// kept: there are minutes to months between two requests, and an idle
// connection costs timers.
func (c *Client) exchange(ctx context.Context, req *http1.Request, t *trip) (r http1.Response, err error) {
	text, err := req.Bytes()
	if err != nil {
		return r, err
	}
	name := req.URL.Hostname()
	if !IsASCII(name) {
		return r, errors.New("its name must be written in the xn-- form")
	}
	conn, err := c.connect(ctx, req.URL, strings.ToLower(name))
	if err != nil {
		return r, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer func() { // not that the connection was closed, but why
		if err != nil {
			err = cmp.Or(ctx.Err(), err)
		}
	}()

	t.left, t.open = t.left+1, true // before anything of it leaves
	leaves(ctx)
	if _, err := conn.Write(text); err != nil {
		return r, err
	}
	r, err = http1.ReadResponse(conn, maxBody+1)
	t.open = err != nil
	return r, err
}

// IsASCII reports whether a host can be asked for as it is written. Names in
// other alphabets have an xn-- form (RFC 5890), whose tables are too large for
// a router.
func IsASCII(host string) bool {
	return !strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII })
}

// ForeignHost is what to say of an address whose host is not.
const ForeignHost = "names a host in letters beyond ASCII; write its xn-- form"

func (c *Client) connect(ctx context.Context, u *url.URL, host string) (net.Conn, error) {
	if u.Scheme != "https" {
		return c.dial(ctx, "tcp", net.JoinHostPort(host, cmp.Or(u.Port(), "80")))
	}
	address := net.JoinHostPort(host, cmp.Or(u.Port(), "443"))
	now := bundles(c.caFile)
	if roots := proven(now); roots != nil {
		conn, err := c.secure(ctx, address, host, roots)
		if _, stranger := errors.AsType[*tls.CertificateVerificationError](err); !stranger {
			return conn, err
		}
	}
	roots, err := authorities(ctx, c.caFile, now)
	if err != nil {
		return nil, err
	}
	conn, err := c.secure(ctx, address, host, roots)
	if err != nil {
		return nil, c.expired(ctx, u.Host, err, roots)
	}
	prove(now, conn.ConnectionState().VerifiedChains)
	return conn, nil
}

// sessions are resumed where the server offers it. crypto/tls looks at the
// certificates again each time, and whether their authority is still trusted.
//
//nolint:gochecknoglobals // for the next client of the same server
var sessions = tls.NewLRUClientSessionCache(mostProven)

func (c *Client) secure(ctx context.Context, address, host string, roots *x509.CertPool) (*tls.Conn, error) {
	conn, err := c.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	secure := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12, ClientSessionCache: sessions})
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}
