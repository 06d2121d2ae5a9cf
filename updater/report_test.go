package updater

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"testing"
	"time"
)

// heard is a log that keeps what is above debug.
type heard struct{ lines []string }

func (h *heard) keep(level, msg string, attrs []any) {
	h.lines = append(h.lines, fmt.Sprint(level, " ", attrs[1], ": ", msg))
}

func (h *heard) Debug(string, ...any)           {}
func (h *heard) Info(msg string, attrs ...any)  { h.keep("info", msg, attrs) }
func (h *heard) Warn(msg string, attrs ...any)  { h.keep("warn", msg, attrs) }
func (h *heard) Error(msg string, attrs ...any) { h.keep("error", msg, attrs) }

func TestTheLogTellsWhatLasts(t *testing.T) {
	type moment struct {
		after  time.Duration // since the one before
		state  State
		reason string
		next   time.Duration // from then on
		says   string        // what the log says by then, in addition
	}
	const sending, address = "sending 84.0.0.2 to No-IP", "84.0.0.2"
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for name, moments := range map[string][]moment{
		"a boot": {
			{0, NoAddress, "no route", 0, ""},
			{ms(2500), NoAddress, "tentative", 0, ""},
			{ms(1500), Sending, sending, 0, "info home: " + sending},
			{ms(20), Waiting, "not found in the DNS", 2 * time.Second, ""},
			{ms(2000), Sending, sending, 0, "info home: " + sending},
			{ms(20), Waiting, "the last request left a moment ago", time.Second, ""},
			{ms(1000), Sending, sending, 0, "info home: " + sending},
			{ms(20), OK, "", 0, "info home: published"},
			{time.Hour, OK, "", 0, ""},
		},
		"a boot with everything published": {
			{0, NoAddress, "no route", 0, ""},
			{ms(2500), OK, "", 0, "info home: all is published: home.example.com is " + address},
			{time.Hour, OK, "", 0, ""},
		},
		"a trouble that lasts, and ends by itself": {
			{0, OK, "", 0, "info home: all is published: home.example.com is " + address},
			{time.Hour, NoAddress, "no route", 0, ""},
			{lasting - 1, NoAddress, "no route", 0, ""},
			{1, NoAddress, "no route", 0, "warn home: no-address: no route"},
			{time.Hour, NoAddress, "no route", 0, ""},
			{time.Hour, NoAddress, "tentative", 0, ""},
			{2 * time.Second, OK, "", 0, "info home: all is published: home.example.com is " + address},
			{time.Hour, NoAddress, "no route", 0, ""},
			{lasting, NoAddress, "no route", 0, "warn home: no-address: no route"},
		},
		"a line that flaps": slices.Concat([]moment{{0, OK, "", 0, "info home: all is published: home.example.com is " + address}},
			slices.Repeat([]moment{{time.Second, NoAddress, "no route", 0, ""}, {time.Second, OK, "", 0, ""}}, 100)),
		"a service that is paused, with a mistake": {
			{0, Disabled, "password_file names no file", 0, ""},
			{time.Hour, OK, "", 0, "info home: all is published: home.example.com is " + address},
			{time.Hour, Disabled, "password_file names no file", 0, "info home: it is switched off"},
			{time.Hour, Disabled, "password_file names no file", 0, ""},
		},
		"one trouble after the other": {
			{0, NoAddress, "one", 0, ""},
			{ms(9000), NoAddress, "two", 0, ""},
			{ms(9000), NoAddress, "three", 0, ""},
			{ms(9000), NoAddress, "four", 0, ""},
			{ms(9000), NoAddress, "five", 0, "warn home: no-address: five"},
			{ms(9000), NoAddress, "one", 0, ""},
			{ms(9000), NoAddress, "five", 0, ""},
			{time.Hour, NoAddress, "five", 0, ""},
		},
		"a trouble that is back after another one": {
			{0, Waiting, "500", time.Hour, "warn home: waiting: 500"},
			{time.Minute, NoAddress, "no route", 0, ""},
			{lasting, NoAddress, "no route", 0, "warn home: no-address: no route"},
			{time.Second, Waiting, "500", time.Hour, ""},
			{toldAgain, Waiting, "500", time.Hour, "warn home: waiting: 500"},
			{time.Hour, Waiting, "500", time.Hour, ""},
			{time.Second, NoAddress, "no route", 0, ""},
			{time.Second, Waiting, "500", time.Hour, ""},
			{time.Hour, Waiting, "500", time.Hour, ""},
		},
		"attempts between": {
			{0, Waiting, "unreachable", 2 * time.Second, ""},
			{2 * time.Second, Sending, sending, 0, "info home: " + sending},
			{4 * time.Second, Waiting, "unreachable", 5 * time.Second, ""},
			{4 * time.Second, Waiting, "unreachable", time.Second, "warn home: waiting: unreachable"},
			{time.Second, Sending, sending, 0, ""},
			{time.Second, Waiting, "unreachable", 10 * time.Second, ""},
			{time.Second, OK, "", 0, "info home: all is published: home.example.com is " + address},
		},
		"an attempt that the line made needless": {
			{0, OK, "", 0, "info home: all is published: home.example.com is " + address},
			{time.Hour, Sending, sending, 0, "info home: " + sending},
			{time.Second, OK, "", 0, "info home: published"},
		},
		"what is certain to last": {
			{0, Waiting, "911", 30 * time.Minute, "warn home: waiting: 911"},
			{30 * time.Minute, Sending, sending, 0, ""},
			{time.Second, Waiting, "911", 30 * time.Minute, ""},
		},
		"what the user must mend": {
			{0, NeedsUser, "badauth", 0, "error home: blocked: badauth"},
			{time.Hour, Sending, sending, 0, "info home: " + sending}, // the user has acted
			{time.Second, NeedsUser, "badauth", 0, "error home: blocked: badauth"},
			{time.Hour, Waiting, "unreachable", 20 * time.Second, ""},
			{lasting, Waiting, "unreachable", time.Second, "warn home: waiting: unreachable"},
			{time.Second, NeedsUser, "badauth", 0, "error home: blocked: badauth"},
			{time.Hour, OK, "", 0, "info home: all is published: home.example.com is " + address},
		},
		"a clock that is not right yet": {
			{0, BadClock, "the certificate", 15 * time.Second, ""},
			{15 * time.Second, Sending, sending, 0, "info home: " + sending},
			{time.Second, BadClock, "the certificate", 15 * time.Second, ""},
			{44 * time.Second, BadClock, "the certificate", time.Second, "warn home: clock: the certificate"},
		},
		"a family that is not there": {
			{0, OK, "still has the A record", 0, ""},
			{lasting, OK, "still has the A record", 0, "warn home: still has the A record"},
			{time.Hour, OK, "", 0, "info home: all is published: home.example.com is " + address},
		},
		"switched off": {
			{0, NeedsUser, "badauth", 0, "error home: blocked: badauth"},
			{time.Hour, Disabled, "", 0, "info home: it is switched off"},
			{time.Hour, Disabled, "", 0, ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := &heard{}
			r, now := &Runner{Log: log, began: start, seed: maphash.MakeSeed()}, start
			for i, m := range moments {
				now = now.Add(m.after)
				log.lines = nil
				s := ServiceStatus{Name: "home", State: m.state, Reason: m.reason, Records: []RecordStatus{{Hostname: "home.example.com", Type: "A", Wanted: address}}}
				if m.state == OK {
					s.Records[0].Published = address
				}
				if m.next > 0 {
					s.Next = now.Add(m.next).Format(time.RFC3339)
				}
				r.tell(now, []ServiceStatus{s})
				if got := strings.Join(log.lines, "\n"); got != m.says {
					t.Errorf("%d: %s says %q, want %q", i, m.state, got, m.says)
				}
				calm := m.state == OK && m.reason == "" || m.state == Disabled || m.state == Sending || m.says != ""
				if calm && !r.sayAt.IsZero() || !r.sayAt.IsZero() && !r.sayAt.After(now) {
					t.Errorf("%d: %s wakes it at %v", i, m.state, r.sayAt.Sub(now))
				}
			}
		})
	}
}

func TestAWarningComesByItselfAndOnce(t *testing.T) {
	log := &heard{}
	r, now := &Runner{Log: log, began: start, seed: maphash.MakeSeed()}, start
	s := []ServiceStatus{{Name: "home", State: NoAddress, Reason: "no route"}}
	r.tell(now, s)
	if wait := r.sayAt.Sub(now); wait != lasting {
		t.Fatalf("it speaks after %v", wait)
	}
	r.tell(r.sayAt, s)
	if len(log.lines) != 1 || !r.sayAt.IsZero() {
		t.Errorf("log = %q, next at %v", log.lines, r.sayAt)
	}
}
