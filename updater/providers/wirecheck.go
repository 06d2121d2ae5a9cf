package providers

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"wandns/updater"
	"wandns/wan"
)

// What is checked before anything is sent.

// refuse is a fault of what the user asks for.
func refuse(next, format string, args ...any) error {
	return &updater.Fault{Kind: updater.Refused, Detail: fmt.Sprintf(format, args...), Next: next}
}

// oneOf is a Field's Check for a value out of a few.
func oneOf(values ...string) func(string) string {
	return func(v string) string {
		if slices.Contains(values, v) {
			return ""
		}
		return fmt.Sprintf("%q is not one of %s", v, strings.Join(values, ", "))
	}
}

// checkName returns the complaint about a name that can be no host's, or "".
func checkName(h, complaint string) string {
	switch {
	case len(h) > 253:
		return complaint
	case !updater.IsASCII(h):
		return complaint + "; write other letters in their xn-- form"
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			return complaint
		}
	}
	return ""
}

// isAddress reports a record type whose value is an address.
func isAddress(recordType string) bool { return recordType == "A" || recordType == "AAAA" }

// checkAddress refuses a value that an A or AAAA record cannot have.
func checkAddress(recordType, value string) error {
	a, err := netip.ParseAddr(value)
	if isAddress(recordType) && (err != nil || a.Zone() != "" || a.Is4In6() || wan.Of(a).RecordType() != recordType) {
		return refuse("correct the value", "%q is no address that an %s record can have", value, recordType)
	}
	return nil
}

// overFamily makes requests leave over the family of an address record, for a
// provider that takes the connection's address for a missing value.
func overFamily(ctx context.Context, recordType string) context.Context {
	w := updater.WayOf(ctx)
	w.Only = updater.OnlyIPv6
	if recordType == "A" {
		w.Only = updater.OnlyIPv4
	}
	return updater.By(ctx, w)
}

const noProbe = "the address of this connection is not known"

// seen reads the address that a provider sees.
func (w wire) seen(ctx context.Context, text string, r reply) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	a = a.Unmap()
	only := updater.WayOf(ctx).Only
	if r.Status/100 != 2 || err != nil || a.Zone() != "" || only != updater.EitherFamily && only != updater.Over(wan.Of(a)) {
		return netip.Addr{}, w.fault(noProbe, r.Status, r)
	}
	return a, nil
}
