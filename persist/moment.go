package persist

import (
	"encoding/json"
	"time"

	"go.etcd.io/bbolt"
)

// Moment is when something was saved, by every clock that there was.
type Moment struct {
	// Time is by the clock of the records: what they say of waits and limits
	// has to be compared with it, not with the wall clock, which may be wrong
	// now or have been wrong then.
	Time    time.Time     `json:"time"`
	Wall    time.Time     `json:"wall"`
	Trusted bool          `json:"trusted,omitempty"` // Wall was right
	Boot    string        `json:"boot,omitempty"`    // which boot it was; empty if unknown
	Up      time.Duration `json:"up,omitempty"`      // since then
}

// load reads the moment of the last save. A version that knew no more than
// clockKey leaves momentKey as it was.
func (m *Moment) load(meta *bbolt.Bucket) error {
	v := meta.Get(clockKey)
	if v == nil {
		return nil
	}
	at, err := time.Parse(time.RFC3339, string(v))
	if err != nil {
		return err
	}
	if json.Unmarshal(meta.Get(momentKey), m) != nil || !m.Time.Equal(at) {
		*m = Moment{Time: at, Wall: at}
	}
	return nil
}

func (m *Moment) store(meta *bbolt.Bucket) error {
	m.Time, m.Wall = m.Time.UTC().Truncate(time.Second), m.Wall.UTC().Round(0)
	v, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := meta.Put(momentKey, v); err != nil {
		return err
	}
	return meta.Put(clockKey, m.Time.AppendFormat(nil, time.RFC3339))
}
