package updater

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// This file carries a request of net/http to its server and reads the answer
// in that package's own code. Its Transport, which can do much more, and its
// Request.Write would make the program larger by a quarter of a megabyte.

const (
	handshakeTimeout = 15 * time.Second
	maxHeader        = 64 << 10 // of an answer and those that come before it, such as 100 Continue
)

// response is an answer that has arrived completely, or up to a byte more than
// maxBody.
type response struct {
	*http.Response
	body []byte
}

// follow makes a request, and the one to which it is redirected on the same
// server. It calls leaves before anything of a request leaves.
func (c *Client) follow(req *http.Request, leaves func()) (response, error) {
	for first, hops := req, 0; ; hops++ {
		r, err := c.exchange(req, leaves)
		if err != nil {
			return r, err
		}
		next, err := redirected(r.Response)
		switch {
		case err != nil || next == nil:
			return r, err
		case hops == maxRedirects:
			return r, errRedirect{"it redirects in a circle"}
		}
		if err := sameServer(first, next); err != nil {
			return r, err
		}
		req = next
	}
}

// redirected returns the request that an answer demands instead of its own,
// or nil (RFC 9110, section 15.4).
func redirected(r *http.Response) (*http.Request, error) {
	next := r.Request.Clone(r.Request.Context())
	switch r.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		next.Method = http.MethodGet
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil //nolint:nilnil // no redirect
	}
	to, err := r.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return nil, nil //nolint:nilnil // an answer like any other
	}
	if err != nil {
		return nil, errRedirect{"its address cannot be read"}
	}
	next.URL, next.Host = to, to.Host
	if next.GetBody != nil {
		next.Body, err = next.GetBody()
	}
	return next, err
}

// exchange makes one request by a connection of its own. Connections are not
// kept: there are minutes to months between two requests, and an idle
// connection costs timers.
func (c *Client) exchange(req *http.Request, leaves func()) (r response, err error) {
	ctx := req.Context()
	name := req.URL.Hostname()
	if !IsASCII(name) {
		return r, errors.New("its name must be written in the xn-- form")
	}
	name = strings.ToLower(name)
	conn, err := c.connect(ctx, req.URL, name)
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

	leaves()
	if err := write(conn, req, name); err != nil {
		return r, err
	}
	limit := &io.LimitedReader{R: conn, N: maxHeader}
	from := bufio.NewReader(limit)
	for r.Response == nil || r.StatusCode/100 == 1 {
		if r.Response, err = http.ReadResponse(from, req); err != nil { //nolint:bodyclose // it ends with the connection
			if limit.N == 0 {
				err = fmt.Errorf("its header is longer than %d KiB", maxHeader>>10)
			}
			return r, err
		}
	}
	limit.N = math.MaxInt64
	r.body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	return r, err
}

// write sends a request in one piece (RFC 9112).
func write(w io.Writer, req *http.Request, name string) error {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return err
		}
	}
	name, _, _ = strings.Cut(name, "%") // a zone is nothing to the server (RFC 6874)
	host := strings.Replace(req.URL.Host, req.URL.Hostname(), name, 1)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", req.Method, req.URL.RequestURI(), host)
	if body != nil || req.Method != http.MethodGet {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	if err := req.Header.Write(&b); err != nil {
		return err
	}
	b.WriteString("\r\n")
	b.Write(body)
	_, err := w.Write(b.Bytes())
	return err
}

// IsASCII reports whether a host can be asked for as it is written. Names in
// other alphabets have an xn-- form (RFC 5890), whose tables are too large for
// a router.
func IsASCII(host string) bool {
	return !strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII })
}

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
	roots, err := authorities(c.caFile, now)
	if err != nil {
		return nil, err
	}
	conn, err := c.secure(ctx, address, host, roots)
	if err == nil {
		prove(now, conn.ConnectionState().VerifiedChains)
	}
	return conn, err
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
