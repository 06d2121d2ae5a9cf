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

func (m *Moment) store(meta *bbolt.Bucket) error {
	m.Time, m.Wall = m.Time.UTC().Round(0), m.Wall.UTC().Round(0)
	v, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return meta.Put(momentKey, v)
}
