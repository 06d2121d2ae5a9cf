package updater

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsAnswer is a message of the DNS, as far as it matters here. Names are in
// lower case and end without a dot.
type dnsAnswer struct {
	raw     []byte
	cut     bool // the rest is to be had by TCP
	owner   bool // the server answers for the zone, and not from a cache
	lame    bool // it knows nothing, and asks nobody
	code    dnsmessage.RCode
	alias   bool                    // the name is one of another name
	addrs   []netip.Addr            // of the name or of what it is an alias of
	zone    string                  // that has the name, by its SOA record
	servers []string                // of the zone in question
	glue    map[string][]netip.Addr // addresses of the servers
}

var (
	errNotOurs = errors.New("what arrived is no answer to the question")
	errDamaged = errors.New("the answer cannot be read")
)

const (
	mostRecords = 100 // of a section
	mostAliases = 8
)

// dnsQuery makes the message that asks a question, without its number.
func dnsQuery(name string, t dnsmessage.Type, recurse bool) (dnsmessage.Question, []byte, error) {
	n, err := dnsmessage.NewName(name + ".")
	q := dnsmessage.Question{Name: n, Type: t, Class: dnsmessage.ClassINET}
	if err != nil {
		return q, nil, err
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{RecursionDesired: recurse})
	if err := b.StartQuestions(); err != nil {
		return q, nil, err
	}
	if err := b.Question(q); err != nil {
		return q, nil, err
	}
	msg, err := b.Finish()
	return q, msg, err
}

func dnsName(n dnsmessage.Name) string {
	return strings.ToLower(strings.TrimSuffix(n.String(), "."))
}

// readDNS reads the answer to a question.
func readDNS(msg []byte, id uint16, q dnsmessage.Question) (dnsAnswer, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || h.ID != id || !h.Response || h.OpCode != 0 {
		return dnsAnswer{}, errNotOurs
	}
	name := dnsName(q.Name)
	asked, err := p.Question()
	if err != nil || asked.Type != q.Type || asked.Class != q.Class || dnsName(asked.Name) != name {
		return dnsAnswer{}, errNotOurs
	}
	a := dnsAnswer{raw: msg, cut: h.Truncated, owner: h.Authoritative, code: h.RCode}
	if a.cut {
		return a, nil
	}
	if _, err := p.Question(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return dnsAnswer{}, errNotOurs
	}
	answer, err1 := readSection(&p, p.AnswerHeader, p.SkipAnswer)
	authority, err2 := readSection(&p, p.AuthorityHeader, p.SkipAuthority)
	additional, err3 := readSection(&p, p.AdditionalHeader, p.SkipAdditional)
	if err1 != nil || err2 != nil || err3 != nil {
		return dnsAnswer{}, errDamaged
	}
	a.servers, a.glue = answer.servers[name], additional.addrs
	for _, zone := range []string{answer.zone, authority.zone} {
		if a.zone == "" && (zone == name || strings.HasSuffix(name, "."+zone)) {
			a.zone = zone
		}
	}
	for range mostAliases {
		of, ok := answer.aliases[name]
		if !ok {
			break
		}
		name, a.alias = of, true
	}
	a.addrs = slices.DeleteFunc(answer.addrs[name], func(ip netip.Addr) bool { return ip.Is4() != (q.Type == dnsmessage.TypeA) })
	a.lame = !h.Authoritative && !h.RecursionAvailable && a.zone == "" && !a.alias && len(a.addrs)+len(a.servers) == 0
	return a, nil
}

// dnsSection is one of the three parts of an answer, by the names that own the
// records.
type dnsSection struct {
	addrs   map[string][]netip.Addr
	aliases map[string]string
	servers map[string][]string
	zone    string
}

func readSection(p *dnsmessage.Parser, next func() (dnsmessage.ResourceHeader, error), skip func() error) (dnsSection, error) {
	s := dnsSection{addrs: map[string][]netip.Addr{}, aliases: map[string]string{}, servers: map[string][]string{}}
	for range mostRecords {
		h, err := next()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		if err := s.add(p, h, skip); err != nil {
			return s, err
		}
	}
	return s, errDamaged
}

func (s *dnsSection) add(p *dnsmessage.Parser, h dnsmessage.ResourceHeader, skip func() error) error {
	owner, kind := dnsName(h.Name), h.Type
	if h.Class != dnsmessage.ClassINET {
		return skip()
	}
	switch kind {
	case dnsmessage.TypeA:
		r, err := p.AResource()
		s.addrs[owner] = append(s.addrs[owner], netip.AddrFrom4(r.A))
		return err
	case dnsmessage.TypeAAAA:
		r, err := p.AAAAResource()
		s.addrs[owner] = append(s.addrs[owner], netip.AddrFrom16(r.AAAA))
		return err
	case dnsmessage.TypeCNAME:
		r, err := p.CNAMEResource()
		s.aliases[owner] = dnsName(r.CNAME)
		return err
	case dnsmessage.TypeNS:
		r, err := p.NSResource()
		s.servers[owner] = append(s.servers[owner], dnsName(r.NS))
		return err
	case dnsmessage.TypeSOA:
		s.zone = owner
		return skip()
	default:
		return skip()
	}
}
