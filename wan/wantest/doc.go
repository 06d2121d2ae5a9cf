// Package wantest makes small networks on a real kernel: network namespaces
// to run a test in, devices, addresses, routes and router advertisements.
//
// Everything but [InNamespace] takes plain strings and returns errors, so a
// demonstration can use it too, in a process prepared by [Isolate].
package wantest
