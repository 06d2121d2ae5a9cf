package persist

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// resealed is a file with good checksums, also of bbolt's own, around any pages.
func resealed(all []byte) []byte {
	for at := 0; at <= leastPage && at+headSize+64 <= len(all); at += leastPage {
		sum := fnv.New64a()
		sum.Write(all[at+headSize:][:56])
		binary.NativeEndian.PutUint64(all[at+headSize+56:], sum.Sum64())
	}
	return seal(all)
}

func pagesOf(t testing.TB, n int) []byte {
	t.Helper()
	records := map[string]Record{}
	for i := range n {
		records[fmt.Sprintf("service%d", i)] = laden(i)
	}
	all, err := encode(Moment{Time: time.Unix(1_795_000_000, 0)}, maps.All(records))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// opensSomehow opens a file: all of it, or nothing, and then it is kept.
func opensSomehow(t *testing.T, file []byte) opened {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), file, 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir)
	if _, err := os.Stat(filepath.Join(dir, badName)); (err == nil) != (s.Trouble() != nil) || err == nil && len(s.records) > 0 {
		t.Fatalf("%d records, trouble %v, and %s: %v", len(s.records), s.Trouble(), badName, err)
	}
	s.Close()
	return s
}

// Pages with good checksums that would be faults, loops or endless in bbolt.
func TestPagesThatMakeNoSense(t *testing.T) {
	good := pagesOf(t, 300)
	pages := func(flag uint16) (ids []int) {
		for at := 0; at < len(good); at += leastPage {
			if binary.NativeEndian.Uint64(good[at:]) == uint64(at/leastPage) && binary.NativeEndian.Uint16(good[at+8:]) == flag && at > leastPage {
				ids = append(ids, at/leastPage)
			}
		}
		return ids
	}
	branches, leaves := pages(branchPage), pages(leafPage)
	if len(branches) < 2 || len(leaves) < 3 {
		t.Fatalf("branches %v, leaves %v", branches, leaves)
	}
	spoil := func(what string, do func(b []byte)) {
		b := bytes.Clone(good)
		do(b)
		s := opensSomehow(t, resealed(b))
		if s.Trouble() == nil {
			t.Errorf("%s: it opens, with %d records", what, len(s.records))
		}
		s = mustOpen(t, s.dir)
		mustSave(t, s, map[string]Record{"home": sample(1)})
		if s.Close(); mustOpen(t, s.dir).records["home"].Sent != 1 {
			t.Errorf("%s: what was saved after it is not there", what)
		}
	}
	put16, put32, put64 := binary.NativeEndian.PutUint16, binary.NativeEndian.PutUint32, binary.NativeEndian.PutUint64
	for _, id := range branches {
		at := id * leastPage
		spoil("a page below itself", func(b []byte) { put64(b[at+headSize+8:], uint64(id)) })
		spoil("a page below two", func(b []byte) { copy(b[at+headSize+elemSize+8:][:8], b[at+headSize+8:]) })
		spoil("a page beyond the end", func(b []byte) { put64(b[at+headSize+8:], 1<<40) })
		spoil("more pages than fit", func(b []byte) { put16(b[at+10:], 0xffff) })
	}
	for _, id := range leaves[len(leaves)-3:] {
		at := id * leastPage
		spoil("a name beyond the end", func(b []byte) { put32(b[at+headSize+4:], 1<<31) })
		spoil("a value beyond the end", func(b []byte) { put32(b[at+headSize+12:], 0xffffffff) })
		spoil("a page of no kind", func(b []byte) { put16(b[at+8:], 0x40) })
		spoil("a page that takes all", func(b []byte) { put32(b[at+12:], 1<<20) })
	}
	for _, meta := range []int{0, leastPage} {
		for offset, to := range map[int]uint32{8: 1, 12 + 4: 1 << 30, 0: 7} { // page size, first page, whose it is
			spoil("a wrong beginning", func(b []byte) {
				for _, at := range []int{0, leastPage} {
					if at <= meta {
						put32(b[at+headSize+offset:], to)
					}
				}
				if meta == 0 { // the other one goes
					put32(b[leastPage+headSize:], 0)
				}
			})
		}
	}
}

// What bbolt wrote by itself, in many steps and larger pages.
func TestWhatBboltWroteIsRead(t *testing.T) {
	for _, size := range []int{leastPage, 4096, 65536} {
		path := filepath.Join(t.TempDir(), "db")
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: size, NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]Record{}
		for round := range 20 {
			err = errors.Join(err, db.Update(func(tx *bbolt.Tx) error {
				meta, err := tx.CreateBucketIfNotExists(metaBucket)
				services, err2 := tx.CreateBucketIfNotExists(serviceBucket)
				_, err3 := tx.CreateBucketIfNotExists([]byte("later"))
				if err := errors.Join(err, err2, err3); err != nil {
					return err
				}
				m := Moment{Time: time.Unix(int64(round), 0)}
				err = m.store(meta)
				for i := range 15 {
					name := fmt.Sprint("service", (round*7+i)%40)
					if delete(want, name); i%3 == 0 {
						err = errors.Join(err, services.Delete([]byte(name)))
						continue
					}
					want[name] = laden(round * i)
					v, err2 := json.Marshal(want[name])
					err = errors.Join(err, err2, services.Put([]byte(name), v))
				}
				return err
			}))
		}
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		all, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		moment, records, err := decode(all)
		if err != nil || moment.Time.Unix() != 19 || !reflect.DeepEqual(records, want) {
			t.Errorf("pages of %d: %v, %v, %d records of %d", size, err, moment.Time, len(records), len(want))
		}
	}
}

// FuzzOpen opens a real state in which some bytes are others: where, and what.
func FuzzOpen(f *testing.F) {
	var states [3][]byte
	for i, n := range []int{0, 1, 40} {
		states[i] = pagesOf(f, n)
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{2, 10, 0xff, 2, 11, 0xff, 2, 24, 2})
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		all := bytes.Clone(states[int(which)%len(states)])
		for ; len(changes) > 2; changes = changes[3:] {
			all[int(binary.BigEndian.Uint16(changes))%len(all)] = changes[2]
		}
		opensSomehow(t, resealed(all))
	})
}
