package updater

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"wandns/persist"
	"wandns/updater/http1"
)

func (s *script) sent(want int) {
	s.t.Helper()
	if st := s.status(0); st.Sent != want || st.SentToday != want {
		s.t.Errorf("%s: %d sent, %d today; want %d", st.State, st.Sent, st.SentToday, want)
	}
}

func TestWhatNeverLeftIsNotCountedAsSent(t *testing.T) {
	for name, outcome := range map[string]func(Job) Done{
		"unreachable":       func(j Job) Done { return failed(j, Unreachable) },
		"a clock":           func(j Job) Done { return failed(j, Clock) },
		"nobody was asked":  func(j Job) Done { d := failed(j, Blocked); d.Unasked = true; return d },
		"refused by itself": func(j Job) Done { d := failed(j, Refused); d.Unasked = true; return d },
	} {
		for _, floor := range []time.Duration{0, time.Minute} {
			svc := home()
			svc.Limits.Floor = floor
			s := begin(t, svc)
			s.step(Seen{WANWith("84.0.0.2")})
			s.sent(0) // in flight: it has not left as far as anybody knows
			s.after(time.Second, outcome(s.job()))
			s.sent(0)
			s.step(Stop{})
			if r := s.saved["home"]; r.Intent != nil || r.Sent != 0 {
				t.Errorf("%s: stored %+v", name, r)
			}
			s.e = NewEngine(s.saved, s.now, 2)
			s.step(Configure{[]Service{svc}})
			s.sent(0)
		}
	}
}

func TestWhatMayHaveLeftIsCountedAsSentOnce(t *testing.T) {
	for name, outcome := range map[string]func(Job) Done{
		"good":        good,
		"refused":     func(j Job) Done { return failed(j, Refused) },
		"blocked":     func(j Job) Done { return failed(j, Blocked) },
		"throttled":   func(j Job) Done { return failed(j, Throttled) },
		"unconfirmed": func(j Job) Done { return failed(j, Unconfirmed) },
		"given up":    func(j Job) Done { return Done{Job: j, Err: context.Canceled} },
		"a power cut": nil,
	} {
		for _, floor := range []time.Duration{0, time.Minute} {
			svc := home()
			svc.Limits.Floor = floor
			s := begin(t, svc)
			s.step(Seen{WANWith("84.0.0.2")})
			if outcome != nil {
				s.step(Stop{})
				s.step(outcome(s.flight()))
				s.sent(1)
			}
			for range 2 { // a restart
				s.e = NewEngine(s.saved, s.now, 2)
				s.step(Configure{[]Service{svc}})
				if st := s.status(0); st.Sent != 1 || st.SentToday != 1 {
					t.Errorf("%s, floor %s: %d sent, %d today", name, floor, st.Sent, st.SentToday)
				}
				s.saved = snapshot(s.e)
			}
		}
	}

	s := begin(t, home())
	s.step(Seen{WANWith("84.0.0.2")})
	s.step(Configure{nil}) // gone amid the request
	s.step(Configure{[]Service{home()}})
	s.sent(1)
}

// flight is the request of the only service.
func (s *script) flight() Job {
	svc := s.e.services[0]
	return Job{svc.Name, svc.Account, svc.Login, svc.Config, *svc.flight}
}

// The version before counted a request before it left.
func TestARequestOfAnOlderStateIsNotCountedTwice(t *testing.T) {
	var r persist.Record
	text := `{"account":"account","login":"login","config":"config","sent":7,"day":"2026-11-21","sentToday":2,"intent":{"at":"2026-11-21T09:00:00Z","hosts":["home.example.com"],"v4":"84.0.0.2"}}`
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	s := begin(t)
	s.e = NewEngine(map[string]persist.Record{"home": r}, start, 1)
	s.step(Configure{[]Service{home()}})
	if st := s.status(0); st.Sent != 7 || st.SentToday != 2 {
		t.Errorf("status = %+v", st)
	}
}

// talker makes two requests for an update. For the second there is no way.
type talker struct{ client *Client }

func (p talker) Update(ctx context.Context, _ Request) ([]Result, error) {
	for _, server := range []string{"http://api.test/", "http://away.test/"} {
		req, err := http1.NewRequest(http1.MethodGet, server, "")
		if err == nil {
			_, err = p.client.Do(ctx, req)
		}
		if err != nil {
			return []Result{{Host: "home.example.com", Fault: err.(*Fault)}}, err //nolint:errorlint,forcetypeassert // Do's contract
		}
	}
	return nil, nil
}

// A request that left has left, whatever became of the next one.
func TestAFailureAfterARequestThatLeft(t *testing.T) {
	dial := func(_ context.Context, _, address string) (net.Conn, error) {
		if address == "away.test:80" {
			return nil, errors.New("connection refused")
		}
		here, there := net.Pipe()
		go func() {
			_, _ = there.Read(make([]byte, 4<<10))
			_, _ = io.WriteString(there, "HTTP/1.1 200 OK\r\n\r\n")
			there.Close()
		}()
		return here, nil
	}
	d := work(t.Context(), Job{}, Carrier{Provider: talker{NewClient(ClientConfig{Dial: dial})}})
	fault, _ := errors.AsType[*Fault](d.Err)
	if fault == nil || fault.Kind != Transient || d.Results[0].Fault.Kind != Transient || d.Left != 1 || d.Unasked {
		t.Errorf("%+v: %v", d, fault)
	}
}

// A provider counts every request that it sees.
func TestRequestsOfOneUpdateCountPerHour(t *testing.T) {
	svc := home()
	svc.Limits = Limits{PerHour: 5}
	for name, outcome := range map[string]func(Job) Done{
		"good":     good,
		"failed":   func(j Job) Done { return failed(j, Transient) },
		"given up": func(j Job) Done { return Done{Job: j, Err: context.Canceled} },
	} {
		s := begin(t, svc)
		s.step(Seen{WANWith("84.0.0.2")})
		d := outcome(s.job())
		d.Left = 3
		s.step(d)
		if n := len(s.e.ledger.requests[[2]string{svc.Provider, svc.Name}]); n != 3 {
			t.Errorf("%s: %d requests are counted, want 3", name, n)
		}
	}
}

// mute refuses by itself, or after it has asked.
type mute struct{ asks *Client }

func (m mute) Update(ctx context.Context, _ Request) ([]Result, error) {
	if m.asks != nil {
		req, err := http1.NewRequest(http1.MethodGet, "http://api.test/", "")
		if err == nil {
			_, err = m.asks.Do(ctx, req)
		}
		if err == nil {
			return nil, errors.New("it was answered")
		}
	}
	return nil, &Fault{Kind: Blocked, Detail: "there is no key in the configuration"}
}

func TestAProviderThatAsksNobody(t *testing.T) {
	refused := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }
	for _, by := range []mute{{}, {NewClient(ClientConfig{Dial: refused})}} {
		if d := work(t.Context(), Job{}, Carrier{Provider: by}); d.Unasked != (by.asks == nil) {
			t.Errorf("%+v: unasked %t", by, d.Unasked)
		}
	}
}
