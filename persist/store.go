package persist

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"wandns/updater/safefile"
)

// Errors of Open and Trouble, to be told apart with errors.Is.
var (
	// ErrInUse means that another process has the directory open.
	ErrInUse = errors.New("in use by another wandns")
	// ErrNewer means that a later version of wandns wrote the file. It is
	// left as it is, and nothing may be sent that it might forbid.
	ErrNewer = errors.New("written by a newer version of wandns")
)

const (
	fileName  = "state.db"
	badName   = "state.db.bad"
	spareName = "unsaved.db" // in the spare directory
	tempEnd   = ".tmp"

	magic   = "wandns\n" // the trailer's first seven bytes
	version = 1          // its eighth
	trailer = len(magic) + 1 + sha256.Size
	maxSize = 4 << 20 // a thousand services need half a megabyte
)

//nolint:gochecknoglobals // bucket and key names; bbolt takes bytes
var (
	metaBucket    = []byte("meta")
	momentKey     = []byte("moment")
	serviceBucket = []byte("services")
)

// Store keeps the records of all services. One process at a time has a
// directory open; the methods are for one goroutine.
type Store struct {
	dir    string
	spare  string
	spared bool     // spare holds something newer than dir
	lock   *os.File // the directory, flocked; nil if it could not be opened
	moment Moment
	lost   error // what became of a file that could not be used
	unkept error // why a reboot would lose what a start found or could not find
}

// Open opens or starts the store in dir, which is created with mode 0700, and
// returns the records in it by name. While dir cannot be written, the state is
// kept as spare/unsaved.db, which may be lost at a reboot: blocks and waits then
// survive a restart at least.
//
// Only ErrInUse is an error. Whatever else is wrong with the directory or the
// file leaves an empty store, and Trouble.
func Open(dir, spare string) (*Store, map[string]Record, error) {
	s := &Store{dir: dir, spare: spare}
	if err := s.openDir(); err != nil {
		return nil, nil, err
	}
	pages, err := s.load()
	records := map[string]Record{}
	if err == nil && pages != nil {
		s.moment, records, err = decode(pages)
	}
	if err != nil {
		if s.lost = err; !errors.Is(err, ErrNewer) {
			s.lost = s.setAside(err)
		}
	} else if s.spared && s.unkept == nil { // a reboot may come before the next Save
		if err := s.publish(pages); err != nil {
			s.unkept = fmt.Errorf("what happened before may be repeated after a reboot: %w; free or repair state_dir", err)
		}
	}
	return s, records, nil
}

func (s *Store) openDir() error {
	err := os.MkdirAll(s.dir, 0o700)
	if err == nil {
		s.lock, err = os.Open(s.dir)
	}
	if err != nil {
		s.unkept = fmt.Errorf("nothing will survive a reboot: %w; make state_dir a writable directory", err)
		return nil
	}
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return errors.Join(fmt.Errorf("%s is %w", s.dir, ErrInUse), s.lock.Close())
	}
	return nil
}

// load returns the published pages, or nil if there are none yet. A sound
// spare file is the newer one: publish removes it.
func (s *Store) load() ([]byte, error) {
	spare, err := read(filepath.Join(s.spare, spareName))
	if errors.Is(err, ErrNewer) {
		return nil, err
	}
	s.spared = err == nil && spare != nil
	if s.lock == nil {
		return spare, nil
	}
	pages, err := read(filepath.Join(s.dir, fileName))
	if s.spared && !errors.Is(err, ErrNewer) {
		return spare, nil
	}
	return pages, err
}

func read(path string) ([]byte, error) {
	f, err := safefile.Read(context.Background(), path, maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	pages, err := open([]byte(f.Text))
	if errors.Is(err, ErrNewer) {
		return nil, fmt.Errorf("%s was %w; install that version again, or move the file away and restart wandns", path, err)
	}
	return pages, err
}

// seal appends the trailer to bbolt's pages.
func seal(pages []byte) []byte { return sealAs(pages, version) }

func sealAs(pages []byte, version byte) []byte {
	pages = append(append(pages, magic...), version)
	sum := sha256.Sum256(pages)
	return append(pages, sum[:]...)
}

// open returns the pages of a sealed file.
func open(b []byte) ([]byte, error) {
	pages := len(b) - trailer
	if pages <= 0 || len(b) > maxSize || string(b[pages:pages+len(magic)]) != magic {
		return nil, errors.New("not a complete wandns state")
	}
	signed := b[:len(b)-sha256.Size]
	if sha256.Sum256(signed) != [sha256.Size]byte(b[len(signed):]) {
		return nil, errors.New("damaged: the checksum does not match")
	}
	if v := signed[len(signed)-1]; v > version {
		return nil, fmt.Errorf("%w (format %d)", ErrNewer, v)
	}
	return b[:pages], nil
}

// setAside keeps a file that cannot be used where a person can look at it.
func (s *Store) setAside(why error) error {
	bad := filepath.Join(s.dir, badName)
	if err := os.Rename(filepath.Join(s.dir, fileName), bad); err != nil {
		return fmt.Errorf("%s cannot be used (%w) nor set aside: %w", fileName, why, err)
	}
	return fmt.Errorf("%s could not be used (%w); it is kept as %s and a new one was started", fileName, why, bad)
}

// decode reads bbolt's pages: all that is in them, or nothing.
func decode(all []byte) (moment Moment, records map[string]Record, err error) {
	defer func() {
		if recover() != nil {
			err = errPages
		}
		if err != nil {
			moment, records = Moment{}, map[string]Record{}
		}
	}()
	records = map[string]Record{}
	p := pages{all: all}
	err = p.buckets([][]byte{metaBucket, serviceBucket}, func(bucket, key, v []byte) error {
		if &bucket[0] == &metaBucket[0] {
			if string(key) != string(momentKey) {
				return nil // a later version's
			}
			return damaged(json.Unmarshal(v, &moment), "when it was saved")
		}
		var r Record
		err := json.Unmarshal(v, &r)
		records[string(key)] = r
		return damaged(err, "the state of "+string(key))
	})
	return moment, records, err
}

func damaged(err error, what string) error {
	if err != nil {
		err = fmt.Errorf("damaged: read %s: %w", what, err)
	}
	return err
}

// encode makes bbolt's pages: ten services fit in 16 KiB.
func encode(moment Moment, records iter.Seq2[string, Record]) ([]byte, error) {
	db, err := inMemory()
	if err != nil {
		return nil, err
	}
	var pages bytes.Buffer
	err = db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		if err := moment.store(meta); err != nil {
			return err
		}
		services, err := tx.CreateBucket(serviceBucket)
		if err != nil {
			return err
		}
		services.FillPercent = 1 // nothing is ever added
		for name, r := range records {
			v, err := json.Marshal(r)
			if err != nil {
				return err
			}
			if err := services.Put([]byte(name), v); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = db.View(func(tx *bbolt.Tx) error {
			_, err := tx.WriteTo(&pages)
			return err
		})
	}
	if short := 4096 - pages.Len(); short > 0 { // bbolt's own tool reads so much to learn the page size
		pages.Write(make([]byte, short))
	}
	return pages.Bytes(), errors.Join(err, db.Close())
}

// inMemory makes an empty database.
func inMemory() (*bbolt.DB, error) {
	fd, err := unix.MemfdCreate("wandns-state", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("get memory for the state: %w", err)
	}
	file := os.NewFile(uintptr(fd), "memory")
	return bbolt.Open("memory", 0o600, &bbolt.Options{
		OpenFile:     func(string, int, os.FileMode) (*os.File, error) { return file, nil },
		PageSize:     leastPage, // the default is the kernel's, up to 64 KiB
		NoSync:       true,
		NoStatistics: true,
		FreelistType: bbolt.FreelistArrayType,
	})
}

// Trouble says why the store is not as durable or as complete as it should
// be, in a sentence; nil if it is.
func (s *Store) Trouble() error {
	if s.unkept != nil {
		return s.unkept
	}
	return s.lost
}

// Moment is when the last save was.
func (s *Store) Moment() Moment { return s.moment }

// Clock is the moment of the last save by the clock of the records.
func (s *Store) Clock() time.Time { return s.moment.Time }

// Save replaces everything by records, and returns when that is durable. If the
// flash refuses, the spare place has it. More than Open would read is refused,
// and leaves what there was. Its error ends with what the user can do.
func (s *Store) Save(now Moment, records iter.Seq2[string, Record]) error {
	if errors.Is(s.lost, ErrNewer) {
		return s.lost
	}
	s.moment = now
	pages, err := encode(now, records)
	if err != nil {
		return fmt.Errorf("the state could not be kept: %w", err)
	}
	if size := len(pages) + trailer; size > maxSize { // it would not be read again
		return fmt.Errorf("the state could not be kept: it takes %d KiB, and %d at most are read again; name fewer hosts, or begin anew with another state_dir", (size+1023)>>10, maxSize>>10)
	}
	if err := s.publish(pages); err != nil {
		return fmt.Errorf("the state could not be kept: %w; free or repair state_dir", err)
	}
	return nil
}

func (s *Store) publish(pages []byte) error {
	file := seal(pages)
	spare := filepath.Join(s.spare, spareName)
	if err := replace(filepath.Join(s.dir, fileName), file); err != nil {
		s.spared = true
		return errors.Join(err, replace(spare, file))
	}
	s.unkept = nil
	if !s.spared {
		return nil
	}
	if err := os.Remove(spare); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.spared = false
	return nil
}

// replace publishes a file; a reader finds the old one or the new one.
func replace(path string, file []byte) error {
	temp := path + tempEnd
	if err := writeSynced(temp, file); err != nil {
		_ = os.Remove(temp) // half a file may take the space that is missing
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeSynced(path string, b []byte) error {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL // never through a link to another file
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, fs.ErrExist) && os.Remove(path) == nil { // a crash left it
		f, err = os.OpenFile(path, flags, 0o600)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close releases the directory. Everything that Save returned for is on flash.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}
