package updater

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"wandns/updater/safefile"
)

// Which resolvers are asked is read at each question, for requests as for
// look-ups. Go's own resolver keeps to /etc/resolv.conf, which in OpenWrt's jail
// is for ever the file that it was when the daemon started.

const (
	tryFor        = 700 * time.Millisecond // before the next is asked too
	resolveFor    = 6 * time.Second        // for all names and answers that a connection needs
	mostResolvers = 4
)

// resolvFiles name the resolvers that the router uses, then those that its
// provider named.
//
//nolint:gochecknoglobals // a constant table
var resolvFiles = []string{"/etc/resolv.conf", "/tmp/resolv.conf.d/resolv.conf.auto"}

// resolvers are those to ask now. Without any, one listens on loopback, as
// resolv.conf(5) has it.
func resolvers(files []string) []string {
	if len(files) == 0 {
		files = resolvFiles
	}
	var list []string
	for _, name := range files {
		text, gone := readResolv(name)
		for line := range strings.Lines(text) {
			words := strings.Fields(line)
			if len(words) < 2 || words[0] != "nameserver" || slices.Contains(list, words[1]) {
				continue
			}
			if a, err := netip.ParseAddr(words[1]); err == nil && (!gone || a.IsLoopback()) {
				list = append(list, words[1])
			}
		}
	}
	if len(list) == 0 {
		list = []string{"127.0.0.1", "::1"}
	}
	return list[:min(len(list), mostResolvers)]
}

// readResolv also tells whether the file is gone: what is mounted over its name
// was deleted or replaced. It names servers of a line that may be gone as well;
// the router's own is still there, or refuses at once.
func readResolv(name string) (text string, gone bool) {
	f, err := safefile.Read(context.Background(), name, 64<<10) // in memory: no server has it
	return f.Text, err == nil && f.Gone
}

// ask puts a question to the resolvers and takes the first good answer, which
// may come from one that was slow. The next is asked once one failed, or was
// silent for a moment; the silent ones twice, since a packet may be lost.
func (l *dnsLook) ask(ctx context.Context, q dnsmessage.Question, query []byte) (dnsAnswer, error) {
	l.mu.Lock()
	known, ok := l.known[q]
	l.mu.Unlock()
	if !ok {
		known.dnsAnswer, known.err = l.askResolvers(ctx, q, query)
		known.raw = bytes.Clone(known.raw) // without the rest of its buffer
		l.mu.Lock()
		l.known[q] = known
		l.mu.Unlock()
	}
	return known.dnsAnswer, known.err
}

func (l *dnsLook) askResolvers(ctx context.Context, q dnsmessage.Question, query []byte) (a dnsAnswer, err error) {
	ctx, cancel := context.WithCancel(By(ctx, Way{}))
	defer cancel()
	next := time.NewTimer(tryFor)
	defer next.Stop()
	type said struct {
		by string
		dnsAnswer
		err error
	}
	answers, waiting := make(chan said), 0
	for servers := slices.Repeat(resolvers(l.client.resolv), 2); len(servers) > 0 || waiting > 0; {
		if len(servers) > 0 {
			server := servers[0]
			servers = servers[1:]
			waiting++
			go func() {
				a, err := l.exchange(ctx, server, q, query)
				select {
				case answers <- said{server, a, err}:
				case <-ctx.Done():
				}
			}()
			next.Reset(tryFor)
		}
		select {
		case <-ctx.Done():
			return a, cmp.Or(err, ctx.Err())
		case <-next.C:
		case s := <-answers:
			wrong := cmp.Or(s.err, s.unfit())
			if wrong == nil {
				return s.dnsAnswer, nil
			}
			if errno, ok := errors.AsType[syscall.Errno](wrong); ok {
				wrong = errno // without ports, which differ each time
			}
			err = fmt.Errorf("resolver %s: %w", s.by, wrong)
			waiting--
			servers = slices.DeleteFunc(servers, func(server string) bool { return server == s.by })
		}
	}
	return a, err
}

// unfit tells what keeps an answer from being a resolver's last word.
func (a dnsAnswer) unfit() error {
	switch {
	case a.code != dnsmessage.RCodeSuccess && a.code != dnsmessage.RCodeNameError:
		return errors.New("it answers " + strings.TrimPrefix(a.code.String(), "RCode"))
	case a.lame:
		return errors.New("it resolves no names for this router")
	}
	return nil
}

// resolver is Go's, with its hosts file, search list and order of addresses,
// whose questions go to the resolvers of the moment. A question that failed is
// not asked again: Go repeats it for each resolver that it knows.
func (c *Client) resolver(ctx context.Context) *net.Resolver {
	look := newDNSLook(c)
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return &resolverConn{ctx: ctx, look: look}, nil
	}}
}

// resolverConn is what Go's resolver takes for a connection to a server; it asks
// one question by it.
type resolverConn struct {
	net.Conn // nil: the rest is of no use to it
	ctx      context.Context
	look     *dnsLook
	answer   bytes.Buffer
}

// Write takes the question, as TCP has it, and returns when it is answered.
func (c *resolverConn) Write(b []byte) (int, error) {
	var p dnsmessage.Parser
	query := b[min(2, len(b)):]
	h, err := p.Start(query)
	if err != nil {
		return 0, err
	}
	q, err := p.Question()
	if err != nil {
		return 0, err
	}
	a, err := c.look.ask(c.ctx, q, query)
	if err != nil {
		return 0, err
	}
	c.answer.Write(binary.BigEndian.AppendUint16(nil, uint16(len(a.raw))))
	c.answer.Write(binary.BigEndian.AppendUint16(nil, h.ID))
	c.answer.Write(a.raw[2:])
	return len(b), nil
}

func (c *resolverConn) Read(b []byte) (int, error)  { return c.answer.Read(b) }
func (c *resolverConn) Close() error                { return nil }
func (c *resolverConn) SetDeadline(time.Time) error { return nil }
