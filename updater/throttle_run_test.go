package updater_test

import (
	"fmt"
	"iter"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"wandns/persist"
	"wandns/updater"
	"wandns/updater/providers"
	"wandns/updater/updatertest"
)

// hasty is a service whose every answer asks to be asked again at once.
type hasty struct {
	updatertest.Service
	answer func(http.ResponseWriter)
	asked  atomic.Int32
}

func (h *hasty) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if h.asked.Add(1) > 1000 { // enough to see it
		panic(http.ErrAbortHandler)
	}
	h.answer(w)
}

// saves counts what is stored.
type saves struct {
	updater.Journal
	count atomic.Int32
}

func (s *saves) Save(now persist.Moment, records iter.Seq2[string, persist.Record]) error {
	s.count.Add(1)
	return s.Journal.Save(now, records)
}

// A server, or what stands before it, that asks for a second each time costs
// neither more requests nor more flash than one that is out of order.
func TestEveryProviderThatAsksForAMoment(t *testing.T) {
	header := func(status int, name string, value func() string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set(name, value())
			w.WriteHeader(status)
		}
	}
	text := func(s string) func() string { return func() string { return s } }
	inASecond := func(layout string) func() string {
		return func() string { return time.Now().UTC().Add(time.Second).Format(layout) }
	}
	for _, spec := range providers.All() {
		for name, answer := range map[string]func(http.ResponseWriter){
			"429":         header(429, "Retry-After", text("1")),
			"503":         header(503, "Retry-After", text("1")),
			"200":         header(200, "Retry-After", text("1")),
			"a date":      header(429, "Retry-After", inASecond(http.TimeFormat)),
			"59 seconds":  header(429, "Retry-After", text("59")),
			"X-RateLimit": header(429, "X-RateLimit-Reset", inASecond(time.RFC3339)),
			"w1s":         func(w http.ResponseWriter) { fmt.Fprint(w, "w1s") },
			"w1ns":        func(w http.ResponseWriter) { fmt.Fprint(w, "w1ns") },
			"429 and w1s": func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests); fmt.Fprint(w, "w1s") },
			"a problem of 429": func(w http.ResponseWriter) {
				w.WriteHeader(http.StatusTooManyRequests)
				fmt.Fprint(w, `{"status":429,"retry_after":1}`)
			},
		} {
			t.Run(spec.Name+" "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := subjects()[spec.Name]
					sim, stored := &hasty{Service: s.simulator(), answer: answer}, &saves{}
					n := &tenant{house: houseOf(t, sim), subject: s, spec: spec}
					n.values = n.sim.Fields()
					n.journal = func(j updater.Journal) updater.Journal { stored.Journal = j; return stored }
					n.lives("84.0.0.2", "2a00:1:2:3::1")
					n.start(n.account(n.hosts...))
					time.Sleep(day)
					asked, saved := sim.asked.Load(), stored.count.Load()
					if asked > 24 || saved > 2*asked+1 { // an update may be several requests
						t.Errorf("%d requests in a day, stored %d times: %+v", asked, saved, n.service())
					}
					n.off()
				})
			})
		}
	}
}
