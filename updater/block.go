package updater

import (
	"time"

	"wandns/persist"
)

// heed takes in what an answer says of the login that was sent and of its
// account, whatever a reload has made of the service meanwhile.
func (e *Engine) heed(d Done) {
	fault, _ := d.Err.(*Fault) //nolint:errorlint // Update's contract: a *Fault itself
	faults, accepted := []*Fault{fault}, false
	for _, r := range d.Results {
		faults = append(faults, r.Fault)
		accepted = accepted || r.Fault == nil && (r.V4.IsValid() || r.V6.IsValid())
	}
	for _, f := range faults {
		if f != nil && f.Kind == Blocked {
			e.block(d.Account, d.Login, f)
			accepted = false
		}
	}
	if accepted {
		e.accept(d.Account, d.Login)
	}
}

// block stops every service with a login, or of an account, that the provider
// does not accept: also those that are gone and may come back.
func (e *Engine) block(account, login string, f *Fault) {
	e.each(account, func(r *persist.Record, _ bool) bool {
		if f.Login && (r.Login != login || r.Blocked != "" && !r.BlockedLogin) {
			return false
		}
		r.Blocked, r.BlockedLogin = f.Error(), f.Login
		return true
	})
}

// accept lifts the block of a login that the provider accepts. What it held
// against the whole account is up to the user, but for services that are gone.
func (e *Engine) accept(account, login string) {
	e.each(account, func(r *persist.Record, gone bool) bool {
		if r.Blocked == "" || r.BlockedLogin && r.Login != login || !r.BlockedLogin && !gone {
			return false
		}
		lift(r)
		return true
	})
}

// resume lifts the blocks of a service's login and account, and looks up what
// only the DNS said of it.
func (e *Engine) resume(now time.Time, name string) {
	named := e.find(name)
	if named == nil {
		return
	}
	named.doubt(now)
	e.each(named.Account, func(r *persist.Record, gone bool) bool {
		switch {
		case r.Blocked != "" && r.BlockedLogin && r.Login != named.Login:
			return false
		case !gone:
			return unblock(r)
		case r.Blocked == "":
			return false
		}
		lift(r)
		return true
	})
}

// each calls change with every record of an account, and notes those of which
// it reports that it did change them.
func (e *Engine) each(account string, change func(r *persist.Record, gone bool) bool) {
	for _, s := range e.services {
		if s.Account == account && change(&s.rec, false) {
			e.dirty[s.Name] = true
		}
	}
	for name, r := range e.records {
		if r.Account == account && change(&r, true) {
			e.records[name] = r
			e.dirty[name] = true
		}
	}
}

// unblock forgets that the user had to act.
func unblock(r *persist.Record) (changed bool) {
	changed = r.Blocked != ""
	for name, h := range r.Hosts.All() {
		if h.Refused != "" || h.Suspect != "" {
			h.Refused, h.Suspect, changed = "", "", true
			r.Hosts.Set(name, h)
		}
	}
	if changed {
		lift(r)
	}
	return changed
}

func lift(r *persist.Record) {
	r.Blocked, r.BlockedLogin, r.Failures, r.Error = "", false, 0, ""
}

// fresh is what a service has that its record did not have before.
type fresh struct{ account, login bool }

// share gives a service with a new login what is held against that, and one that
// is new to the account what is held against all of it. Of services that are gone
// only those with the same login say anything, for with another one the user has
// acted.
func (e *Engine) share(s *service) {
	e.each(s.Account, func(r *persist.Record, gone bool) bool {
		concerns := r.Login == s.Login && (r.BlockedLogin || s.fresh.account) || !gone && !r.BlockedLogin && s.fresh.account
		if r.Blocked != "" && concerns && (s.rec.Blocked == "" || s.rec.BlockedLogin) {
			s.rec.Blocked, s.rec.BlockedLogin = r.Blocked, r.BlockedLogin
			e.dirty[s.Name] = true
		}
		return false
	})
}
