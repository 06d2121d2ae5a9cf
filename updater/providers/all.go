package providers

import "wandns/updater"

// All returns every provider's description, by name.
func All() []updater.Spec {
	return []updater.Spec{freeDNS(), hostup(), hostway(), noip(), sonic()}
}

// Find returns the description of the provider with this name.
func Find(name string) (updater.Spec, bool) {
	for _, s := range All() {
		if s.Name == name {
			return s, true
		}
	}
	return updater.Spec{}, false
}
