// Package providers holds the providers, one per file: its [updater.Spec] and
// the code that speaks its protocol. A new one is one new file and one line
// in [All].
package providers
