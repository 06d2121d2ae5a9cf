package persist

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

func sample(n int) Record {
	return Record{
		Account: "a", Config: "c", Blocked: "stop", NotBefore: time.Unix(1_800_000_000, 0).UTC(), Sent: n,
		Hosts:  Hosts{{"home.example.com", Host{V4: netip.MustParseAddr("84.0.0.2"), V6: netip.MustParseAddr("2a00:1:2:3::1")}}},
		Intent: &Intent{At: time.Unix(1_790_000_000, 0).UTC(), Hosts: []string{"home.example.com"}, V4: netip.MustParseAddr("84.0.0.3")},
	}
}

// opened is a store and what was in it.
type opened struct {
	*Store
	records map[string]Record
}

func mustOpen(t *testing.T, dir string) opened { return mustOpenBoth(t, dir, dir+"-spare") }

func mustOpenBoth(t *testing.T, dir, spare string) opened {
	t.Helper()
	s, records, err := Open(dir, spare)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return opened{s, records}
}

func mustSave(t *testing.T, s opened, records map[string]Record) {
	t.Helper()
	now := Moment{Time: time.Unix(1_795_000_000, 0), Wall: time.Unix(1_795_000_000, 123_456_789), Trusted: true, Boot: "dbb00021-01fc-4f6d-be37-91c785f600ee", Up: 1e15}
	if err := s.Save(now, maps.All(records)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsSavedIsThereAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	s := mustOpen(t, dir)
	mustSave(t, s, map[string]Record{"home": sample(1), "gone": {}})
	mustSave(t, s, map[string]Record{"home": sample(2), "work": {}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = mustOpen(t, dir)
	if want := map[string]Record{"home": sample(2), "work": {}}; !reflect.DeepEqual(s.records, want) {
		t.Errorf("records = %+v, want %+v", s.records, want)
	}
	if s.Trouble() != nil || s.Clock().Unix() != 1_795_000_000 {
		t.Errorf("trouble = %v, clock = %v", s.Trouble(), s.Clock())
	}
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("state.db: %v, %v; want mode 0600", info, err)
	}
}

func TestOneProcessPerDirectory(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir)
	if _, _, err := Open(dir, dir+"-spare"); !errors.Is(err, ErrInUse) {
		t.Errorf("second Open: %v, want ErrInUse", err)
	}
}

func TestBboltReadsThePublishedFile(t *testing.T) {
	dir := t.TempDir()
	mustSave(t, mustOpen(t, dir), map[string]Record{"home": sample(1)})
	db, err := bbolt.Open(filepath.Join(dir, fileName), 0o400, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		if v := tx.Bucket(serviceBucket).Get([]byte("home")); v == nil {
			t.Error("no record of home")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// laden is a record with everything that a service has while it works.
func laden(n int) Record {
	r := sample(n)
	r.Account, r.Login, r.Config = strings.Repeat("a", 16), strings.Repeat("l", 16), strings.Repeat("c", 16)
	r.Provider, r.Day, r.SentToday = "hostup", "2026-11-22", n
	r.Waiting, r.Answer = strings.Repeat("w", 100), strings.Repeat("g", 60)
	r.Tokens = map[string]string{"token4": strings.Repeat("4", 64), "token6": strings.Repeat("6", 64)}
	for i := range 5 {
		r.Requests = append(r.Requests, 1_795_000_000+int64(i))
	}
	return r
}

func TestTenServicesStaySmall(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	ten := map[string]Record{}
	for i := range 300 { // nothing of an earlier save may add up
		ten[fmt.Sprintf("service%d", i%10)] = laden(i)
		mustSave(t, s, ten)
	}
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("state.db of ten services: %d bytes", info.Size())
	if info.Size() > 16<<10 {
		t.Errorf("state.db has %d bytes, want at most 16 KiB", info.Size())
	}
}

// As many services as a configuration can name.
func TestManyServicesAreThereAgain(t *testing.T) {
	dir := t.TempDir()
	many := map[string]Record{}
	for i := range 2500 {
		many[fmt.Sprintf("service%d", i)] = laden(i)
	}
	s := mustOpen(t, dir)
	mustSave(t, s, many)
	s.Close()
	if s = mustOpen(t, dir); !reflect.DeepEqual(s.records, many) {
		t.Errorf("%d records of %d, trouble: %v", len(s.records), len(many), s.Trouble())
	}
}

// What Save takes, Open takes; more than that leaves what there was.
func TestStateThatIsTooLargeIsNotKept(t *testing.T) {
	dir := t.TempDir()
	kept, refused := 0, 0
	for n := maxSize - 6<<10; n < maxSize; n += 512 { // a page each
		s := mustOpen(t, dir)
		err := s.Save(Moment{}, maps.All(map[string]Record{"home": {Answer: strings.Repeat("x", n)}}))
		if err == nil {
			kept = n
		} else if refused++; !strings.Contains(err.Error(), "and 4096 at most are read again") {
			t.Errorf("it does not say why: %v", err)
		}
		s.Close()
		s = mustOpen(t, dir)
		if got := len(s.records["home"].Answer); got != kept || s.Trouble() != nil {
			t.Fatalf("an answer of %d bytes is there again, want %d; trouble: %v", got, kept, s.Trouble())
		}
		s.Close()
	}
	if kept == 0 || refused == 0 {
		t.Errorf("%d bytes were kept, %d states refused; want both", kept, refused)
	}
}

func TestDamageIsSetAside(t *testing.T) {
	origin := t.TempDir()
	s := mustOpen(t, origin)
	mustSave(t, s, map[string]Record{"home": sample(1)})
	good, err := os.ReadFile(filepath.Join(origin, fileName))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(at int) []byte {
		b := append([]byte(nil), good...)
		b[at] ^= 0x10
		return b
	}
	cases := map[string][]byte{
		"empty":                {},
		"foreign":              []byte("config service 'home'\n"),
		"cut in half":          good[:len(good)/2],
		"without its trailer":  good[:len(good)-trailer],
		"last byte missing":    good[:len(good)-1],
		"longer than possible": make([]byte, maxSize+10),
		"pages make no sense":  seal(make([]byte, 4096)),
		"huge and sealed":      seal(make([]byte, maxSize)),
	}
	for at := 0; at < len(good); at += 97 {
		cases[fmt.Sprintf("bit flipped in byte %d", at)] = flip(at)
	}
	for name, b := range cases {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := mustOpen(t, dir)
		if s.Trouble() == nil {
			t.Errorf("%s: no trouble reported", name)
		}
		if len(s.records) != 0 {
			t.Errorf("%s: records %v", name, s.records)
		}
		if kept, err := os.ReadFile(filepath.Join(dir, badName)); err != nil || len(kept) != len(b) {
			t.Errorf("%s: not kept: %v", name, err)
		}
		mustSave(t, s, map[string]Record{"home": {}})
		s.Close()
		if s = mustOpen(t, dir); s.Trouble() != nil {
			t.Errorf("%s: trouble after a new start: %v", name, s.Trouble())
		}
	}
}

// Of a file with one record that cannot be read nothing is believed.
func TestADamagedRecordDamagesTheFile(t *testing.T) {
	db, err := inMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var pages bytes.Buffer
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(metaBucket)
		services, errs := tx.CreateBucket(serviceBucket)
		return errors.Join(err, errs, services.Put([]byte("home"), []byte(`{"sent":1}`)), services.Put([]byte("work"), []byte(`{"sent":`)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.View(func(tx *bbolt.Tx) error { _, err := tx.WriteTo(&pages); return err }); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), seal(pages.Bytes()), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := mustOpen(t, dir); s.Trouble() == nil || len(s.records) != 0 {
		t.Errorf("records %v, trouble: %v", s.records, s.Trouble())
	}
}

func TestNewerFormatIsLeftAlone(t *testing.T) {
	newer := sealAs([]byte("future"), version+1)
	for _, name := range []string{fileName, spareName} {
		dir, spare := t.TempDir(), t.TempDir()
		older := mustOpen(t, dir) // beside a newer one in the spare place
		mustSave(t, older, nil)
		older.Close()
		path := filepath.Join(map[string]string{fileName: dir, spareName: spare}[name], name)
		if err := os.WriteFile(path, newer, 0o600); err != nil {
			t.Fatal(err)
		}
		s := mustOpenBoth(t, dir, spare)
		if !errors.Is(s.Trouble(), ErrNewer) || !strings.HasPrefix(s.Trouble().Error(), path) {
			t.Errorf("%s: trouble = %v", name, s.Trouble())
		}
		if err := s.Save(Moment{}, maps.All(map[string]Record{"home": sample(1)})); !errors.Is(err, ErrNewer) {
			t.Errorf("%s: Save: %v", name, err)
		}
		s.Close()
		if b, err := os.ReadFile(path); err != nil || string(b) != string(newer) {
			t.Errorf("%s was touched: %v", name, err)
		}
	}
}

func TestTheMomentOfASaveIsKept(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	want := Moment{Time: time.Unix(1_795_000_000, 0).UTC(), Wall: time.Unix(5, 17).UTC(), Trusted: true, Boot: "b", Up: 3 * time.Second}
	if err := s.Save(want, maps.All[map[string]Record](nil)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = mustOpen(t, dir)
	if got := s.Moment(); got != want {
		t.Errorf("moment = %+v, want %+v", got, want)
	}
}

func TestDirectoryThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, filepath.Join(file, "below"))
	if s.Trouble() == nil {
		t.Error("no trouble reported")
	}
	if err := s.Save(Moment{Time: time.Now()}, maps.All(map[string]Record{"home": sample(1)})); err == nil {
		t.Error("Save said it was durable")
	}
}

// Flash that cannot be written: the spare place keeps what a restart needs.
func TestSpareKeepsWhatTheFlashDoesNot(t *testing.T) {
	dir, spare := t.TempDir(), t.TempDir()
	s := mustOpenBoth(t, dir, spare)
	mustSave(t, s, map[string]Record{"home": sample(1)})
	blocker := filepath.Join(dir, fileName+tempEnd)
	if err := os.Mkdir(blocker, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(blocker, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(Moment{Time: time.Unix(1_795_000_001, 0)}, maps.All(map[string]Record{"home": sample(2)})); err == nil {
		t.Fatal("Save said it was durable")
	}
	s.Close()

	s = mustOpenBoth(t, dir, spare)
	if s.records["home"].Sent != 2 {
		t.Errorf("after a restart: %+v", s.records)
	}
	if err := os.RemoveAll(blocker); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(Moment{Time: time.Unix(1_795_000_002, 0)}, maps.All(s.records)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if left, err := os.ReadDir(spare); err != nil || len(left) > 0 {
		t.Errorf("left in the spare place: %v, %v", left, err)
	}
	s = mustOpenBoth(t, dir, spare)
	if s.records["home"].Sent != 2 {
		t.Errorf("after a reboot: %+v", s.records)
	}
}

func TestSpareThatCannotBeUsedDoesNotMatterWhileTheFlashWorks(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpenBoth(t, filepath.Join(dir, "state"), filepath.Join(file, "below"))
	mustSave(t, s, map[string]Record{"home": sample(1)})
}

func TestLeftoverOfACrashIsHarmless(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName+tempEnd), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir)
	mustSave(t, s, map[string]Record{"home": sample(1)})
	if _, err := os.Stat(filepath.Join(dir, fileName+tempEnd)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary file is still there: %v", err)
	}
}

func FuzzTrailer(f *testing.F) {
	f.Add([]byte{})
	f.Add(seal(make([]byte, 4096)))
	f.Fuzz(func(t *testing.T, b []byte) {
		pages, err := open(b)
		if (err == nil) != (pages != nil) {
			t.Errorf("pages %d bytes, error %v", len(pages), err)
		}
	})
}
