package updatertest

import (
	"encoding/binary"
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
	TTL        uint32       // seconds; 60 if 0
	More       []netip.Addr // further addresses
}

func (r Record) same(o Record) bool {
	return r.V4 == o.V4 && r.V6 == o.V6 && r.CNAME == o.CNAME && r.TXT == o.TXT && slices.Equal(r.MX, o.MX) && r.TTL == o.TTL && slices.Equal(r.More, o.More)
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

// Domain is a zone that says who answers for it, as a whole zone in the DNS
// does.
type Domain struct {
	Zone
	Apex    string
	Servers map[string][]netip.Addr // by name
}

// Lookup knows the servers, if they are within, and what the zone knows of the
// domain.
func (d Domain) Lookup(host string) (Record, bool) {
	if addrs := d.Servers[host]; len(addrs) > 0 {
		var r Record
		for _, a := range addrs {
			r = r.with(a)
		}
		return r, true
	}
	if host != d.Apex && !strings.HasSuffix(host, "."+d.Apex) {
		return Record{}, false
	}
	r, ok := d.Zone.Lookup(host)
	return r, ok || host == d.Apex
}

// Habit is how a name server differs from an authoritative one that does all
// it should.
type Habit string

// The habits.
const (
	Lame     Habit = "lame"     // it does not answer for the zone, whatever it says
	Mute     Habit = "mute"     // it never answers
	Tiny     Habit = "tiny"     // nothing fits into a packet
	Refusing Habit = "refusing" // nobody may ask
)

// AnswerDNS is what a name server answers; nil for nothing.
func AnswerDNS(zone Zone, q *dns.Msg, packet bool, habits ...Habit) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = !slices.Contains(habits, Lame)
	switch {
	case slices.Contains(habits, Mute):
		return nil
	case slices.Contains(habits, Refusing):
		m.Rcode = dns.RcodeRefused
		return m
	case slices.Contains(habits, Tiny) && packet:
		m.Truncated = true
		return m
	}
	for _, question := range q.Question {
		answer(m, zone, question)
		authority(m, zone, question)
	}
	return m
}

// domainOf finds the domain that has a name.
func domainOf(zone Zone, name string) (found Domain, ok bool) {
	switch z := zone.(type) {
	case Domain:
		return z, name == z.Apex || strings.HasSuffix(name, "."+z.Apex)
	case Zones:
		for _, one := range z {
			if d, here := domainOf(one, name); here && len(d.Apex) > len(found.Apex) {
				found, ok = d, true
			}
		}
	}
	return found, ok
}

// authority adds what a zone says of itself.
func authority(m *dns.Msg, zone Zone, q dns.Question) {
	name := strings.TrimSuffix(strings.ToLower(q.Name), ".")
	d, ok := domainOf(zone, name)
	if !ok {
		return
	}
	header := dns.RR_Header{Name: dns.Fqdn(d.Apex), Class: dns.ClassINET, Ttl: 60}
	if q.Qtype == dns.TypeNS && name == d.Apex {
		for server, addrs := range d.Servers {
			header.Rrtype = dns.TypeNS
			m.Answer = append(m.Answer, &dns.NS{Hdr: header, Ns: dns.Fqdn(server)})
			for _, a := range addrs {
				glue := dns.RR_Header{Name: dns.Fqdn(server), Class: dns.ClassINET, Ttl: 60, Rrtype: dns.TypeA}
				if a.Is6() {
					glue.Rrtype = dns.TypeAAAA
				}
				m.Extra = append(m.Extra, resources(glue, Record{}.with(a))...)
			}
		}
		return
	}
	if len(m.Answer) > 0 {
		return
	}
	header.Rrtype = dns.TypeSOA
	soa := &dns.SOA{Hdr: header, Ns: dns.Fqdn("ns." + d.Apex), Mbox: dns.Fqdn("hostmaster." + d.Apex), Serial: 1, Refresh: 60, Retry: 60, Expire: 60, Minttl: 60}
	if q.Qtype == dns.TypeSOA && name == d.Apex {
		m.Answer = append(m.Answer, soa)
	} else {
		m.Ns = append(m.Ns, soa)
	}
}

// ServeDNS is an authoritative name server for one zone over UDP and TCP,
// until the returned function is called.
func ServeDNS(zone Zone, packets net.PacketConn, connections net.Listener, habits ...Habit) (stop func() error) {
	handler := func(packet bool) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			if m := AnswerDNS(zone, q, packet, habits...); m != nil {
				_ = w.WriteMsg(m) // the client asks again if it did not arrive
			}
		}
	}
	udp := &dns.Server{PacketConn: packets, Handler: handler(true)}
	tcp := &dns.Server{Listener: connections, Handler: handler(false)}
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

// DialDNS is a connection in memory to a name server, by "udp" or "tcp".
func DialDNS(network string, zone Zone, habits ...Habit) net.Conn {
	client, server := net.Pipe()
	packet := strings.HasPrefix(network, "udp")
	go func() {
		defer server.Close()
		b := make([]byte, 1<<16)
		for {
			n, err := server.Read(b)
			if err != nil {
				return
			}
			msg, length := b[:n], 0
			if !packet {
				length = 2
			}
			q := new(dns.Msg)
			if q.Unpack(msg[min(length, n):]) != nil {
				return
			}
			m := AnswerDNS(zone, q, packet, habits...)
			if m == nil {
				continue
			}
			out, err := m.Pack()
			if err != nil {
				return
			}
			if !packet {
				out = append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)
			}
			if _, err := server.Write(out); err != nil {
				return
			}
		}
	}()
	return client
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
	for _, a := range r.More {
		all = append(all, resources(header, Record{}.with(a))...)
	}
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
