package updater

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"wandns/updater/http1"
	"wandns/wan"
)

// outsiders tell everybody who asks which address he has, in plain text, each
// run by somebody else, so that no one of them can lead a name astray.
//
//nolint:gochecknoglobals // a constant table
var outsiders = [2][]string{
	wan.IPv4: {
		"https://api.ipify.org",
		"https://ipv4.icanhazip.com",
		"https://checkip.amazonaws.com",
		"https://4.ident.me",
		"https://ipv4.nsupdate.info/myip",
	},
	wan.IPv6: {
		"https://api6.ipify.org",
		"https://ipv6.icanhazip.com",
		"https://6.ident.me",
		"https://ipv6.nsupdate.info/myip",
		"https://v6.api.ipinfo.io/ip",
	},
}

// Limits of one look.
const (
	mostAsked  = 4
	outsideFor = 10 * time.Second // for each answer
)

// Ask asks outside, in random order, until two agree; whom the user names alone
// is believed alone. An error is a *Fault or, if ctx ended, ctx's.
func (c *Client) Ask(ctx context.Context, l Look) (netip.Addr, error) {
	urls := slices.Clone(l.URLs)
	if len(urls) == 0 {
		urls = slices.Clone(outsiders[l.Family])
	}
	rand.Shuffle(len(urls), func(i, j int) { urls[i], urls[j] = urls[j], urls[i] })
	votes := map[netip.Addr]int{}
	need := min(2, len(urls))
	var worst *Fault
	for _, u := range urls[:min(mostAsked, len(urls))] {
		a, err := c.askOne(By(ctx, l.Way), l.Family, u)
		fault, ok := err.(*Fault) //nolint:errorlint // Do's contract
		switch {
		case ctx.Err() != nil:
			return netip.Addr{}, context.Cause(ctx)
		case ok && fault.Kind == Clock:
			return netip.Addr{}, fault
		case ok:
			worst = graver(worst, fault)
		default:
			if votes[a]++; votes[a] == need {
				return a, nil
			}
		}
	}
	said := slices.Collect(maps.Keys(votes))
	sort.SliceStable(said, func(i, j int) bool { return said[i].Less(said[j]) })
	switch len(said) {
	case 0:
		return netip.Addr{}, worst
	case 1:
		return netip.Addr{}, &Fault{Kind: worst.Kind, Detail: fmt.Sprintf("one service says %s and no other confirms it (%s)", said[0], worst.Detail), Next: worst.Next}
	}
	return netip.Addr{}, &Fault{Kind: Transient, Detail: fmt.Sprintf("the services differ: %s", said), Next: "set web_url4 and web_url6 to services that you trust"}
}

func (c *Client) askOne(ctx context.Context, f wan.Family, address string) (netip.Addr, error) {
	req, err := http1.NewRequest(http1.MethodGet, address, "")
	if err != nil {
		return netip.Addr{}, &Fault{Kind: Transient, Detail: "the address of an outside service cannot be used", Next: "correct web_url4 and web_url6"}
	}
	host := req.URL.Host
	ctx, cancel := context.WithTimeoutCause(ctx, outsideFor, &Fault{Kind: Unreachable, Detail: fmt.Sprintf("%s did not answer within %d seconds", host, outsideFor/time.Second)})
	defer cancel()
	req.Header.Set("User-Agent", "wandns")
	req.Header.Set("Accept", "text/plain, */*;q=0.5")
	answer, err := c.Do(ctx, req)
	if err != nil {
		return netip.Addr{}, asked(host, err)
	}
	if answer.Status != http1.StatusOK {
		return netip.Addr{}, &Fault{Kind: Transient, Detail: fmt.Sprintf("%s answered with HTTP status %d", host, answer.Status)}
	}
	a, ok := readAddr(answer.Body, f, req.URL.Hostname())
	if !ok {
		return a, &Fault{Kind: Transient, Detail: fmt.Sprintf("%s answered without a public %s address", host, f), Next: "check whether the network has a login page"}
	}
	return a, nil
}

// asked puts a fault in the words of a question, for which nothing can land.
func asked(host string, err error) error {
	if f, ok := err.(*Fault); ok && f.Kind == Unconfirmed { //nolint:errorlint // Do's contract
		return &Fault{Kind: Transient, Detail: host + " gave no complete answer"}
	}
	return err
}

// readAddr finds the first public address of a family in text, JSON or HTML.
// Parts of words, versions, URLs and the server's own name are none, and a page
// to fill in is the login page of a network.
func readAddr(body string, f wan.Family, server string) (netip.Addr, bool) {
	if strings.Contains(strings.ToLower(body), "<form") {
		return netip.Addr{}, false
	}
	part := func(r rune) bool { return r == '.' || '0' <= r && r <= '9' }
	if f == wan.IPv6 {
		part = func(r rune) bool { return r == '.' || r == ':' || unicode.Is(unicode.ASCII_Hex_Digit, r) }
	}
	for at := 0; at < len(body); {
		i := strings.IndexFunc(body[at:], part)
		if i < 0 {
			break
		}
		begin := at + i
		at = len(body)
		if i := strings.IndexFunc(body[begin:], func(r rune) bool { return !part(r) }); i >= 0 {
			at = begin + i
		}
		before, _ := utf8.DecodeLastRuneInString(body[:begin])
		after, _ := utf8.DecodeRuneInString(body[at:])
		a, err := netip.ParseAddr(strings.Trim(body[begin:at], ".:"))
		if err != nil || wan.Of(a) != f || a.Is4In6() || joins(before) || joins(after) || a.String() == server {
			continue
		}
		if ok, _ := wan.Reachable(a); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// joins reports whether a character makes more of an address than one.
func joins(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/-_@", r)
}
