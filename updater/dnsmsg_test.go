package updater

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// reply is an answer to a question about home.example.com, with changes.
func reply(t testing.TB, kind dnsmessage.Type, change func(*dnsmessage.Message)) ([]byte, dnsmessage.Question) {
	t.Helper()
	q, _, err := dnsQuery("home.example.com", kind, true)
	if err != nil {
		t.Fatal(err)
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, Response: true, Authoritative: true}, Questions: []dnsmessage.Question{q}}
	change(&m)
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b, q
}

func rr(name string, class dnsmessage.Class, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name + "."), Class: class}, Body: body}
}

func TestAnswersThatAreBelieved(t *testing.T) {
	const in = dnsmessage.ClassINET
	a := func(last byte) dnsmessage.ResourceBody {
		return &dnsmessage.AResource{A: [4]byte{84, 0, 0, last}}
	}
	soa := func(zone string) dnsmessage.Resource {
		return rr(zone, in, &dnsmessage.SOAResource{NS: dnsmessage.MustNewName("ns."), MBox: dnsmessage.MustNewName("mail.")})
	}
	alias := func(of string) dnsmessage.ResourceBody {
		return &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(of + ".")}
	}
	for _, tt := range []struct {
		name   string
		change func(m *dnsmessage.Message)
		want   string // addresses, alias, zone; or an error
	}{
		{"an address", func(m *dnsmessage.Message) { m.Answers = append(m.Answers, rr("HOME.example.COM", in, a(2))) }, "[84.0.0.2] false "},
		{"several", func(m *dnsmessage.Message) {
			m.Answers = append(m.Answers, rr("home.example.com", in, a(2)), rr("home.example.com", in, a(3)))
		}, "[84.0.0.2 84.0.0.3] false "},
		{"another name's", func(m *dnsmessage.Message) { m.Answers = append(m.Answers, rr("nas.example.com", in, a(2))) }, "[] false "},
		{"another class", func(m *dnsmessage.Message) {
			m.Answers = append(m.Answers, rr("home.example.com", dnsmessage.ClassCHAOS, a(2)))
		}, "[] false "},
		{"another family", func(m *dnsmessage.Message) {
			m.Answers = append(m.Answers, rr("home.example.com", in, &dnsmessage.AAAAResource{}))
		}, "[] false "},
		{"other records", func(m *dnsmessage.Message) {
			m.Answers = append(m.Answers, rr("home.example.com", in, &dnsmessage.TXTResource{TXT: []string{"84.0.0.9"}}), rr("home.example.com", in, a(2)))
		}, "[84.0.0.2] false "},
		{"not in the answer", func(m *dnsmessage.Message) { m.Additionals = append(m.Additionals, rr("home.example.com", in, a(2))) }, "[] false "},
		{"an alias", func(m *dnsmessage.Message) {
			m.Answers = append(m.Answers, rr("x.example.com", in, a(2)), rr("home.example.com", in, alias("x.example.com")))
		}, "[84.0.0.2] true "},
		{"aliases in a circle", func(m *dnsmessage.Message) {
			m.Answers = append(m.Answers, rr("x.example.com", in, alias("home.example.com")), rr("home.example.com", in, alias("x.example.com")))
		}, "[] true "},
		{"its zone", func(m *dnsmessage.Message) { m.Authorities = append(m.Authorities, soa("example.com")) }, "[] false example.com"},
		{"a zone beside it", func(m *dnsmessage.Message) { m.Authorities = append(m.Authorities, soa("ample.com")) }, "[] false "},
		{"the root", func(m *dnsmessage.Message) { m.Authorities = append(m.Authorities, soa("")) }, "[] false "},
		{"cut short", func(m *dnsmessage.Message) { m.Truncated = true }, "[] false "},
		{"another number", func(m *dnsmessage.Message) { m.ID++ }, errNotOurs.Error()},
		{"a question", func(m *dnsmessage.Message) { m.Response = false }, errNotOurs.Error()},
		{"another question", func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeMX }, errNotOurs.Error()},
		{"another name", func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("x.example.com.") }, errNotOurs.Error()},
		{"no question", func(m *dnsmessage.Message) { m.Questions = nil }, errNotOurs.Error()},
		{"two questions", func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) }, errNotOurs.Error()},
		{"too much", func(m *dnsmessage.Message) {
			for i := range mostRecords + 1 {
				m.Answers = append(m.Answers, rr("home.example.com", in, a(byte(i))))
			}
		}, errDamaged.Error()},
	} {
		b, q := reply(t, dnsmessage.TypeA, tt.change)
		q.Type = dnsmessage.TypeA
		q.Name = dnsmessage.MustNewName("home.example.com.")
		got, err := readDNS(b, 7, q)
		said := fmt.Sprint(got.addrs, got.alias, " ", got.zone)
		if err != nil {
			said = err.Error()
		}
		if said != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, said, tt.want)
		}
		for i := range b { // half a message is none
			if a, err := readDNS(b[:i], 7, q); err == nil && !a.cut {
				t.Errorf("%s: %d of %d bytes are read as %+v", tt.name, i, len(b), a)
			}
		}
	}
}

func FuzzReadDNS(f *testing.F) {
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeNS, dnsmessage.TypeSOA} {
		b, _ := reply(f, kind, func(m *dnsmessage.Message) {
			const in = dnsmessage.ClassINET
			m.Answers = append(m.Answers, rr("home.example.com", in, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("x.example.com.")}),
				rr("x.example.com", in, &dnsmessage.AResource{A: [4]byte{84, 0, 0, 2}}), rr("x.example.com", in, &dnsmessage.AAAAResource{AAAA: [16]byte{0x2a}}))
			m.Authorities = append(m.Authorities, rr("example.com", in, &dnsmessage.SOAResource{NS: dnsmessage.MustNewName("ns."), MBox: dnsmessage.MustNewName("mail.")}),
				rr("example.com", in, &dnsmessage.NSResource{NS: dnsmessage.MustNewName("ns.example.com.")}))
			m.Additionals = append(m.Additionals, rr("ns.example.com", in, &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}))
		})
		f.Add(b, uint16(kind))
	}
	f.Fuzz(func(t *testing.T, msg []byte, kind uint16) {
		q, _, err := dnsQuery("home.example.com", dnsmessage.Type(kind), true)
		if err != nil {
			t.Fatal(err)
		}
		a, err := readDNS(msg, 7, q)
		if err != nil && !errors.Is(err, errNotOurs) && !errors.Is(err, errDamaged) {
			t.Fatal(err)
		}
		for _, ip := range a.addrs {
			if ip.Is4() != (q.Type == dnsmessage.TypeA) {
				t.Errorf("%s for %s", ip, q.Type)
			}
		}
		if a.zone != "" && a.zone != "home.example.com" && !strings.HasSuffix("home.example.com", "."+a.zone) {
			t.Errorf("zone %q", a.zone)
		}
		if len(a.addrs) > mostRecords || len(a.servers) > mostRecords || len(a.glue) > mostRecords {
			t.Errorf("%d records", len(a.addrs))
		}
	})
}
