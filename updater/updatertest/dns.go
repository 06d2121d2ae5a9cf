package updatertest

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Record is what the simulated DNS holds for a name.
type Record struct {
	V4, V6     netip.Addr
	CNAME, TXT string
	MX         []MX
	TTL        uint32 // seconds; 60 if 0
}

func (r Record) same(o Record) bool {
	return r.V4 == o.V4 && r.V6 == o.V6 && r.CNAME == o.CNAME && r.TXT == o.TXT && slices.Equal(r.MX, o.MX) && r.TTL == o.TTL
}

// MX is where mail for a name goes.
type MX struct {
	Preference uint16
	Host       string
}

// Zone is what a DNS server answers from.
type Zone interface {
	Lookup(host string) (Record, bool)
}

// Zones is the union of several. The first that knows a name has it.
type Zones []Zone

// Lookup asks one zone after the other.
func (z Zones) Lookup(host string) (Record, bool) {
	for _, zone := range z {
		if r, ok := zone.Lookup(host); ok {
			return r, true
		}
	}
	return Record{}, false
}

// ServeDNS is an authoritative name server for one zone over UDP and TCP,
// until the returned function is called.
func ServeDNS(zone Zone, packets net.PacketConn, connections net.Listener) (stop func() error) {
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative = true
		for _, question := range q.Question {
			answer(m, zone, question)
		}
		_ = w.WriteMsg(m) // the client asks again if it did not arrive
	})
	udp := &dns.Server{PacketConn: packets, Handler: handler}
	tcp := &dns.Server{Listener: connections, Handler: handler}
	done := make(chan error, 2)
	go func() { done <- udp.ActivateAndServe() }()
	go func() { done <- tcp.ActivateAndServe() }()
	return func() error {
		err := errors.Join(packets.Close(), connections.Close())
		<-done
		<-done
		return err
	}
}

// answer follows aliases as far as the zone knows them (RFC 1034, section
// 4.3.2), but not in circles.
func answer(m *dns.Msg, zone Zone, q dns.Question) {
	name := q.Name
	for range 8 {
		r, ok := zone.Lookup(strings.TrimSuffix(strings.ToLower(name), "."))
		if !ok {
			if name == q.Name {
				m.Rcode = dns.RcodeNameError
			}
			return
		}
		alias := r.CNAME != "" && q.Qtype != dns.TypeCNAME
		header := dns.RR_Header{Name: name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 60}
		if r.TTL != 0 {
			header.Ttl = r.TTL
		}
		if !alias {
			m.Answer = append(m.Answer, resources(header, r)...)
			return
		}
		header.Rrtype = dns.TypeCNAME
		m.Answer = append(m.Answer, resources(header, r)...)
		name = dns.Fqdn(r.CNAME)
	}
}

// resources are the records of the header's type.
func resources(header dns.RR_Header, r Record) []dns.RR {
	var all []dns.RR
	switch {
	case header.Rrtype == dns.TypeA && r.V4.IsValid():
		all = append(all, &dns.A{Hdr: header, A: r.V4.AsSlice()})
	case header.Rrtype == dns.TypeAAAA && r.V6.IsValid():
		all = append(all, &dns.AAAA{Hdr: header, AAAA: r.V6.AsSlice()})
	case header.Rrtype == dns.TypeCNAME && r.CNAME != "":
		all = append(all, &dns.CNAME{Hdr: header, Target: dns.Fqdn(r.CNAME)})
	case header.Rrtype == dns.TypeTXT && r.TXT != "":
		var parts []string // of at most 255 bytes each (RFC 1035, section 3.3.14)
		for rest := r.TXT; rest != ""; rest = rest[min(len(rest), 255):] {
			parts = append(parts, rest[:min(len(rest), 255)])
		}
		all = append(all, &dns.TXT{Hdr: header, Txt: parts})
	case header.Rrtype == dns.TypeMX:
		for _, mx := range r.MX {
			all = append(all, &dns.MX{Hdr: header, Preference: mx.Preference, Mx: dns.Fqdn(mx.Host)})
		}
	}
	return all
}
