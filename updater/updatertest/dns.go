package updatertest

import (
	"errors"
	"net"
	"strings"

	"github.com/miekg/dns"
)

// Zone is what a DNS server answers from.
type Zone interface {
	Lookup(host string) (Record, bool)
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

func answer(m *dns.Msg, zone Zone, q dns.Question) {
	r, ok := zone.Lookup(strings.TrimSuffix(strings.ToLower(q.Name), "."))
	if !ok {
		m.Rcode = dns.RcodeNameError
		return
	}
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 60}
	switch {
	case q.Qtype == dns.TypeA && r.V4.IsValid():
		m.Answer = append(m.Answer, &dns.A{Hdr: header, A: r.V4.AsSlice()})
	case q.Qtype == dns.TypeAAAA && r.V6.IsValid():
		m.Answer = append(m.Answer, &dns.AAAA{Hdr: header, AAAA: r.V6.AsSlice()})
	}
}
