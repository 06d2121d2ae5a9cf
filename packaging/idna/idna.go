// Package idna stands in for a package of Go's own copy of golang.org/x/net in
// the programs for routers, where that would be a quarter of a megabyte that
// never runs: it is for the proxies of net/http's Transport, and importing
// net/http links it. The Makefile lays this one over it.
package idna

import "errors"

// Profile is what a name is for.
type Profile struct{}

// Lookup is the only profile that net/http uses.
var Lookup = &Profile{} //nolint:gochecknoglobals // as in the original

// ToASCII refuses a name that has another form than ASCII.
func (*Profile) ToASCII(name string) (string, error) { return ToASCII(name) }

// ToASCII refuses a name that has another form than ASCII.
func ToASCII(name string) (string, error) {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return "", errors.New("idna: a name in letters beyond ASCII")
		}
	}
	return name, nil
}
