// Package updatertest holds stateful simulators of the providers, written
// from the providers' documents, with a ledger of every request and of every
// rule that a request broke. Tests and cmd/wandns-sim use them; nothing of
// them is in the router's binary.
//
// Each simulator is one [Service]: only its own protocol, on a common base
// that keeps the ledger and plays the [Fault] scripts. They are strict:
// whatever the documents do not name, from the method to a member of a body,
// is a violation, and the request fails. They know no clock but time.Now and
// leave no goroutine or timer behind, so they run in a synctest bubble.
package updatertest
