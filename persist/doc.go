// Package persist keeps what must survive a power cut, on any flash.
//
// [Store.Save] makes a bbolt database in memory and publishes it as
// DIR/state.db: the whole database into a temporary file, fsync, rename,
// fsync of the directory. A reader sees the old file or the new one, never
// half of one, and the mmap that bbolt needs (which jffs2 refuses) happens in
// memory only. Bbolt's own tool reads the published file; this package reads it
// without bbolt, for which a wrong number in a page is a fault or a loop.
//
// After bbolt's pages comes a trailer: eight bytes naming the format and the
// SHA-256 of all before it. A file that is cut, flipped, foreign or of an
// unknown format is recognised by it. A damaged file is set aside as state.db.bad, and
// the store starts empty and says so. A file of a newer format stays where it
// is, untouched.
//
// This package knows bbolt and files. It does not know what a record means.
package persist
