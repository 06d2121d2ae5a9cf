package updater

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"wandns/wan"
)

// What the DNS says of a name, its zone's own servers say, two of them if there
// are as many: one may lie, or be late. The router's resolver only tells who they
// are: of addresses it may remember old ones, or hide them.

const (
	mostServers = 4   // of a zone
	mostAddrs   = 2   // of a server
	mostStrays  = 100 // packets that are no answer
)

// dnsLook is one look at the DNS, perhaps for many names.
type dnsLook struct {
	client *Client

	mu    sync.Mutex
	known map[dnsmessage.Question]resolved
	good  map[string]netip.Addr // by name: servers that answered
}

// resolved is what the resolvers said, or why none did.
type resolved struct {
	dnsAnswer
	err error
}

func newDNSLook(c *Client) *dnsLook {
	return &dnsLook{client: c, known: map[dnsmessage.Question]resolved{}, good: map[string]netip.Addr{}}
}

// published returns what the servers of a name's zone say of it.
func (l *dnsLook) published(ctx context.Context, host string, families [2]bool, notInDNS func(string) bool) Found {
	found := Found{Host: host}
	if !strings.Contains(host, ".") || notInDNS != nil && notInDNS(host) {
		found.Why = "it is a name of the provider's own, which is not in the DNS"
		return found
	}
	zone, err := l.zone(ctx, host)
	for _, f := range wan.Families() {
		if !families[f] || err != nil {
			continue
		}
		found.Addrs[f], err = l.askOwner(ctx, zone, host, f)
		found.Known[f] = err == nil
	}
	if err != nil {
		found.Why = l.client.Excerpt(err.Error())
	}
	return found
}

// zone finds the zone that has a name.
func (l *dnsLook) zone(ctx context.Context, host string) (string, error) {
	for name := strings.ToLower(host); name != ""; _, name, _ = strings.Cut(name, ".") {
		a, err := l.resolve(ctx, name, dnsmessage.TypeSOA)
		if err != nil {
			return "", err
		}
		if a.zone != "" {
			return a.zone, nil
		}
	}
	return "", fmt.Errorf("no resolver knows the zone of %s", host)
}

// askOwner asks the servers of a zone until two say the same, or the only one
// there is says something.
func (l *dnsLook) askOwner(ctx context.Context, zone, host string, f wan.Family) ([]netip.Addr, error) {
	q, query, err := dnsQuery(host, questionOf(f), false)
	if err != nil {
		return nil, err
	}
	way := WayOf(ctx)
	way.Only = EitherFamily // the server's address may be of the other one
	ctx = By(ctx, way)
	ns, err := l.resolve(ctx, zone, dnsmessage.TypeNS)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("no name server of %s could be found", zone)
	servers := slices.Clone(ns.servers)
	rand.Shuffle(len(servers), func(i, j int) { servers[i], servers[j] = servers[j], servers[i] })
	sort.SliceStable(servers, func(i, j int) bool { // those that answered first
		_, known := l.remembered(servers[i])
		_, other := l.remembered(servers[j])
		return known && !other
	})
	var first []netip.Addr
	var by netip.Addr
	for _, server := range servers[:min(len(servers), mostServers)] {
		addrs, addr, failed := l.askServer(ctx, ns, server, by, q, query)
		switch {
		case failed != nil:
			err = failed
		case len(servers) == 1, by.IsValid() && slices.Equal(addrs, first):
			return addrs, nil
		case by.IsValid():
			return nil, fmt.Errorf("the name servers %s and %s disagree", by, addr)
		default:
			first, by = addrs, addr
		}
		if ctx.Err() != nil {
			break
		}
	}
	if by.IsValid() {
		err = fmt.Errorf("of the name servers of %s only %s answers", zone, by)
	}
	return nil, err
}

// askServer asks one server at any of its addresses, but for one that answered
// under another name.
func (l *dnsLook) askServer(ctx context.Context, ns dnsAnswer, server string, but netip.Addr, q dnsmessage.Question, query []byte) ([]netip.Addr, netip.Addr, error) {
	err := fmt.Errorf("name server %s has no address of its own", server)
	good, ok := l.remembered(server)
	for _, f := range wan.Families() {
		for _, addr := range l.addrs(ctx, ns, server, f) {
			if addr == but || ok && addr != good {
				continue
			}
			var a dnsAnswer
			if a, err = l.askOne(ctx, addr, q, query); err == nil {
				l.remember(server, addr)
				sort.SliceStable(a.addrs, func(i, j int) bool { return a.addrs[i].Less(a.addrs[j]) })
				return a.addrs, addr, nil
			}
			if ctx.Err() != nil {
				return nil, addr, err
			}
		}
	}
	return nil, netip.Addr{}, err
}

func questionOf(f wan.Family) dnsmessage.Type {
	return [...]dnsmessage.Type{wan.IPv4: dnsmessage.TypeA, wan.IPv6: dnsmessage.TypeAAAA}[f]
}

func (l *dnsLook) remembered(server string) (netip.Addr, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	addr, ok := l.good[server]
	return addr, ok
}

func (l *dnsLook) remember(server string, addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.good[server] = addr
}

// addrs returns the first addresses of a name server.
func (l *dnsLook) addrs(ctx context.Context, ns dnsAnswer, server string, f wan.Family) []netip.Addr {
	var list []netip.Addr
	for _, addr := range ns.glue[server] {
		if wan.Of(addr) == f {
			list = append(list, addr)
		}
	}
	if list == nil {
		if a, err := l.resolve(ctx, server, questionOf(f)); err == nil {
			list = a.addrs
		}
	}
	return list[:min(len(list), mostAddrs)]
}

// askOne asks one server of a zone, and believes it only if it is one.
func (l *dnsLook) askOne(ctx context.Context, server netip.Addr, q dnsmessage.Question, query []byte) (dnsAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	a, err := l.exchange(ctx, server.String(), q, query)
	switch {
	case err != nil:
	case !a.owner:
		err = errors.New("it does not answer for the zone")
	case a.code != dnsmessage.RCodeSuccess && a.code != dnsmessage.RCodeNameError:
		err = errors.New("it answers " + a.code.String())
	case a.alias && len(a.addrs) == 0 && a.code == dnsmessage.RCodeSuccess:
		err = errors.New("the name is an alias of one that it does not know")
	}
	if err != nil {
		return a, fmt.Errorf("name server %s: %w", server, err)
	}
	return a, nil
}

// resolve asks the resolvers.
func (l *dnsLook) resolve(ctx context.Context, name string, t dnsmessage.Type) (dnsAnswer, error) {
	q, query, err := dnsQuery(name, t, true)
	if err != nil {
		return dnsAnswer{}, err
	}
	return l.ask(ctx, q, query)
}

// exchange asks one server one question.
func (l *dnsLook) exchange(ctx context.Context, server string, q dnsmessage.Question, query []byte) (dnsAnswer, error) {
	a, err := l.over(ctx, "udp", server, q, query)
	if err == nil && a.cut {
		a, err = l.over(ctx, "tcp", server, q, query)
	}
	if err == nil && a.cut {
		err = errDamaged
	}
	return a, err
}

// over asks by UDP or TCP. Port and number of the question are random, and the
// kernel takes packets from the server only.
func (l *dnsLook) over(ctx context.Context, network, server string, q dnsmessage.Question, query []byte) (dnsAnswer, error) {
	conn, err := l.client.dial(ctx, network, net.JoinHostPort(server, "53"))
	if err != nil {
		return dnsAnswer{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	id := uint16(rand.Uint32())
	msg := append(binary.BigEndian.AppendUint16(nil, id), query[2:]...)
	if network == "tcp" {
		msg = append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
	}
	if _, err := conn.Write(msg); err != nil {
		return dnsAnswer{}, err
	}
	if network == "tcp" {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return dnsAnswer{}, err
		}
		b := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, b); err != nil {
			return dnsAnswer{}, err
		}
		return readDNS(b, id, q)
	}
	b := make([]byte, 4096)
	for range mostStrays {
		n, err := conn.Read(b)
		if err != nil {
			return dnsAnswer{}, err
		}
		if a, err := readDNS(b[:n], id, q); !errors.Is(err, errNotOurs) {
			return a, err
		}
	}
	return dnsAnswer{}, errNotOurs
}
