package providers

import (
	"sync"

	"wandns/updater"
)

// All returns every provider's description, by name.
//
//nolint:gochecknoglobals // a thousand services share them
var All = sync.OnceValue(func() []*updater.Spec {
	return []*updater.Spec{
		freeDNS(),
		hostup(),
		hostway(),
		noip(),
		sonic(),
	}
})

// Find returns the description of the provider with this name.
func Find(name string) (*updater.Spec, bool) {
	for _, s := range All() {
		if s.Name == name {
			return s, true
		}
	}
	return new(updater.Spec), false
}
