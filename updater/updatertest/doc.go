// Package updatertest holds stateful simulators of the providers, written
// from the providers' documents, with a ledger of every request and of every
// rule that a request broke. Tests and cmd/wandns-sim use them; nothing of
// them is in the router's binary.
package updatertest
