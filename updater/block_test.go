package updater

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"wandns/persist"
)

// two are services of one account; the second has another password.
func two() (right, wrong Service) {
	right, wrong = home("right.example.com"), home("wrong.example.com")
	right.Name, right.Login = "right", "right"
	wrong.Name, wrong.Login = "wrong", "wrong"
	return right, wrong
}

func denial() *Fault {
	return &Fault{Kind: Blocked, Login: true, Detail: "wrong password", Next: "correct it"}
}

func denied(j Job) Done { return Done{Job: j, Err: denial()} }

func of(j Job, services ...Service) Service {
	return services[slices.IndexFunc(services, func(s Service) bool { return s.Name == j.Service })]
}

// answered plays a provider that knows one password until nothing is due.
func (s *script) answered(password string) (sent []string) {
	s.t.Helper()
	for range 10 {
		switch {
		case len(s.plan.Jobs) > 0:
			j := s.plan.Jobs[0]
			sent = append(sent, j.Service)
			if j.Login == password {
				s.after(time.Second, good(j))
			} else {
				s.after(time.Second, denied(j))
			}
		case !s.plan.Wake.IsZero():
			s.now = s.plan.Wake
			s.step(Tick{})
		default:
			return sent
		}
	}
	s.t.Fatal("it does not come to rest")
	return nil
}

func (s *script) states(want ...State) {
	s.t.Helper()
	for i, st := range s.e.Status(s.now).Services {
		if st.State != want[i] {
			s.t.Errorf("%s is %s (%s), want %s", st.Name, st.State, st.Reason, want[i])
		}
	}
}

func TestAWrongLoginStopsNobodyWithARightOne(t *testing.T) {
	right, wrong := two()
	for _, services := range [][]Service{{right, wrong}, {wrong, right}} {
		states := []State{OK, NeedsUser}
		if services[0].Name == "wrong" {
			slices.Reverse(states)
		}
		s := begin(t, services...)
		s.step(Seen{WANWith("84.0.0.2")})
		if sent := s.answered("right"); len(sent) != 2 {
			t.Errorf("sent by %v", sent)
		}
		s.states(states...)

		rightOnly := func(addr string) {
			t.Helper()
			s.after(time.Hour, Seen{WANWith(addr)})
			if sent := s.answered("right"); !slices.Equal(sent, []string{"right"}) {
				t.Errorf("%s is sent by %v", addr, sent)
			}
			s.states(states...)
		}
		rightOnly("84.0.0.3")
		for i := range 2 { // a reboot
			s.e = NewEngine(s.saved, s.now, 2)
			s.step(Configure{services})
			rightOnly([]string{"84.0.0.4", "84.0.0.5"}[i])
		}
		slices.Reverse(services)
		slices.Reverse(states)
		s.step(Configure{services})
		rightOnly("84.0.0.6")
		if st := s.e.find("wrong"); !strings.HasSuffix(s.e.serviceStatus(s.now, st).Reason, "correct it, then run: wandns resume wrong") {
			t.Errorf("reason = %q", s.e.serviceStatus(s.now, st).Reason)
		}

		corrected := wrong
		corrected.Login, corrected.Config = "right", "corrected"
		s.after(time.Minute, Configure{[]Service{right, corrected}})
		if sent := s.answered("right"); !slices.Equal(sent, []string{"wrong"}) {
			t.Errorf("after the correction it is sent by %v", sent)
		}
		s.states(OK, OK)
	}
}

func TestAWrongLoginStopsAllThatHaveIt(t *testing.T) {
	right, wrong := two()
	same := wrong
	same.Name, same.Hosts = "same", []string{"same.example.com"}
	s := begin(t, right, wrong, same)
	s.step(Seen{WANWith("84.0.0.2")})
	if sent := s.answered("right"); len(sent) != 2 {
		t.Errorf("sent by %v", sent)
	}
	s.states(OK, NeedsUser, NeedsUser)

	// A service that comes or comes back with that login has not been corrected.
	late := wrong
	late.Name, late.Config, late.Hosts = "late", "late", []string{"late.example.com"}
	s.step(Configure{[]Service{right, wrong}})
	s.after(time.Minute, Configure{[]Service{right, wrong, same, late}})
	s.silent()
	s.states(OK, NeedsUser, NeedsUser, NeedsUser)

	// The right one has nothing to do with it.
	s.after(time.Minute, Resume{"right"})
	s.silent()
	s.states(OK, NeedsUser, NeedsUser, NeedsUser)

	// The password was the right one after all: it was corrected at the provider.
	s.after(time.Minute, Resume{"same"})
	if sent := s.answered("wrong"); len(sent) != 3 {
		t.Errorf("after resume it is sent by %v", sent)
	}
	s.states(OK, OK, OK, OK)
}

func TestAnAcceptedLoginIsNotBlockedAnyMore(t *testing.T) {
	right, wrong := two()
	same, gone := wrong, wrong
	same.Name, same.Hosts = "same", []string{"same.example.com"}
	gone.Name, gone.Hosts = "gone", []string{"gone.example.com"}
	for _, restart := range []bool{false, true} {
		s := begin(t, right, wrong, same, gone)
		s.step(Seen{WANWith("84.0.0.2")})
		s.answered("right")
		s.states(OK, NeedsUser, NeedsUser, NeedsUser)
		s.step(Configure{[]Service{right, wrong, same}})
		if restart {
			s.e = NewEngine(s.saved, s.now, 2)
			s.step(Configure{[]Service{right, wrong, same}})
			s.step(Seen{WANWith("84.0.0.2")})
		}
		touched := wrong
		touched.Config = "touched"
		s.after(time.Minute, Configure{[]Service{right, touched, same}})
		if sent := s.answered("wrong"); !slices.Equal(sent, []string{"wrong", "same"}) {
			t.Errorf("sent by %v", sent)
		}
		s.states(OK, OK, OK)
		if s.saved["gone"].Blocked != "" {
			t.Errorf("gone: %+v", s.saved["gone"])
		}
		s.after(time.Minute, Configure{[]Service{right, touched, same, gone}})
		if sent := s.answered("wrong"); !slices.Equal(sent, []string{"gone"}) {
			t.Errorf("sent by %v", sent)
		}
	}
}

func TestABlockedAccountStopsEveryLogin(t *testing.T) {
	right, wrong := two()
	late, absent := wrong, right
	late.Name, late.Login, late.Hosts = "late", "late", []string{"late.example.com"}
	absent.Name, absent.Hosts = "absent", []string{"absent.example.com"}
	for _, restart := range []bool{false, true} {
		s := begin(t, right, wrong, absent)
		s.step(Seen{WANWith("84.0.0.2")})
		s.answered("right")
		s.step(Configure{[]Service{right, wrong}})
		s.after(time.Hour, Seen{WANWith("84.0.0.3")})
		s.after(time.Second, failed(s.job(), Blocked))
		again := func(services ...Service) {
			if restart {
				s.e = NewEngine(s.saved, s.now, 2)
				s.step(Seen{WANWith("84.0.0.3")})
			}
			s.after(time.Hour, Configure{services})
		}
		again(right, wrong, late, absent)
		s.silent()
		s.states(NeedsUser, NeedsUser, NeedsUser, NeedsUser)

		// The user has done something about one of them, and it works again.
		mended := right
		mended.Config = "mended"
		again(mended, wrong, late, absent)
		if sent := s.answered("right"); !slices.Equal(sent, []string{"right"}) {
			t.Errorf("sent by %v", sent)
		}
		s.states(OK, NeedsUser, NeedsUser, NeedsUser)

		s.after(time.Hour, Resume{"absent"})
		if sent := s.answered("right"); len(sent) != 3 {
			t.Errorf("sent by %v", sent)
		}
		s.states(OK, NeedsUser, NeedsUser, OK)
	}
}

// An answer that a reload overtook is about what was sent, not about what the
// service is now.
func TestARefusalIsAboutWhatWasSent(t *testing.T) {
	right, _ := two()
	same := right
	same.Name, same.Hosts = "same", []string{"same.example.com"}
	for _, c := range []struct {
		name   string
		change func(*Service)
		answer func(Job) Done
		sends  bool // the changed service
	}{
		{"another password, the old one denied", func(s *Service) { s.Login = "new" }, denied, true},
		{"another password, the account blocked", func(s *Service) { s.Login = "new" }, func(j Job) Done { return failed(j, Blocked) }, false},
		{"another account, the old login denied", func(s *Service) { s.Account, s.Login = "new", "new" }, denied, true},
		{"another account, the old one blocked", func(s *Service) { s.Account, s.Login = "new", "new" }, func(j Job) Done { return failed(j, Blocked) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(t, right, same)
			s.step(Seen{WANWith("84.0.0.2")})
			j := s.job()
			changed := of(j, right, same)
			changed.Config = "changed"
			c.change(&changed)
			s.after(time.Second, Configure{[]Service{changed, same}})
			s.after(time.Second, c.answer(j))
			if sends := len(s.plan.Jobs) == 1 && s.plan.Jobs[0].Service == "right"; sends != c.sends || len(s.plan.Jobs) > 0 && !sends {
				t.Errorf("jobs = %+v", s.plan.Jobs)
			}
			if st := s.status(1); st.State != NeedsUser {
				t.Errorf("same = %+v", st)
			}
		})
	}
}

// The version before did not say what a block was about.
func TestABlockOfAnOlderStateConcernsTheAccount(t *testing.T) {
	right, wrong := two()
	records := map[string]persist.Record{}
	for _, s := range []Service{right, wrong} {
		var r persist.Record
		text := `{"account":"account","login":"` + s.Login + `","config":"config","blocked":"wrong password","sent":9}`
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		records[s.Name] = r
	}
	s := begin(t)
	s.e = NewEngine(records, start, 1)
	s.step(Configure{[]Service{right, wrong}})
	s.step(Seen{WANWith("84.0.0.2")})
	s.silent()
	s.states(NeedsUser, NeedsUser)
	s.step(Resume{"right"})
	s.answered("right")
	s.states(OK, NeedsUser)
}

// Of several faults in one answer none hides that the login is denied.
func TestADeniedLoginBesideOtherFaults(t *testing.T) {
	_, wrong := two()
	wrong.Hosts = []string{"a.example.com", "b.example.com", "c.example.com"}
	for _, other := range []Kind{Unreachable, Transient, Throttled, Refused, Clock} {
		s := begin(t, wrong)
		s.step(Seen{WANWith("84.0.0.2")})
		d := good(s.job())
		d.Results[1] = Result{Host: "b.example.com", Fault: denial()}
		d.Results[2] = Result{Host: "c.example.com", Fault: &Fault{Kind: other, Detail: "fault"}}
		s.after(time.Second, d)
		s.after(2*aDay, Seen{WANWith("84.0.0.3")})
		s.silent()
		s.states(NeedsUser)
	}
}

// The user gives a login to others that was refused.
func TestALoginThatWasRefusedIsRefusedForThoseThatGetItLater(t *testing.T) {
	right, wrong := two()
	s := begin(t, right, wrong)
	s.step(Seen{WANWith("84.0.0.2")})
	s.answered("right")
	s.states(OK, NeedsUser)
	right.Login, right.Config = wrong.Login, "changed"
	s.after(time.Hour, Configure{Services: []Service{right, wrong}})
	s.states(NeedsUser, NeedsUser)
	s.step(Seen{WANWith("84.0.0.3")})
	if sent := s.answered("right"); len(sent) > 0 {
		t.Errorf("sent by %v", sent)
	}
	right.Login, right.Config = "right", "mended"
	s.after(time.Hour, Configure{Services: []Service{right, wrong}})
	if sent := s.answered("right"); len(sent) != 1 || sent[0] != "right" {
		t.Errorf("sent by %v", sent)
	}
	s.states(OK, NeedsUser)
}
