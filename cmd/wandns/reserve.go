package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"wandns/persist"
	"wandns/updater"
)

// shortly is how long a verb waits for its turn.
const shortly = 15 * time.Second

// reserve makes a request keep the provider's rules, as the daemon's own
// requests do. Every request of a verb passes here before it leaves: it is
// allowed and counted, waits a moment, or is a *updater.Fault.
func (e *errand) reserve(ctx context.Context, hosts []string) error {
	if e.cfg == nil {
		return nil // no daemon has sent anything for this account
	}
	ev := reservation{Service: e.service.Name, Hosts: hosts, Changes: min(len(hosts), 1)}
	last := time.Now().Add(shortly)
	for {
		p, err := e.permit(ctx, ev)
		switch {
		case err != nil:
			return fmt.Errorf("nothing was sent: %w", err)
		case p.Why == "":
			return nil
		case p.Until.IsZero():
			return &updater.Fault{Kind: updater.Blocked, Detail: "nothing was sent: " + p.Why}
		case p.Until.After(last):
			return &updater.Fault{Kind: updater.Throttled, Detail: "nothing was sent: " + p.Why, Next: "try again at " + p.Until.Local().Format(time.DateTime)}
		}
		select {
		case <-time.After(max(time.Until(p.Until), time.Second)):
		case <-ctx.Done():
			return &updater.Fault{Kind: updater.Transient, Detail: "interrupted; nothing was sent"}
		}
	}
}

// tell makes known what a request met that was allowed: what was not carried
// out does not count, and what the provider demands holds for the daemon too.
func (e *errand) tell(ctx context.Context, hosts []string, err error) error {
	fault, ok := errors.AsType[*updater.Fault](err)
	if e.cfg == nil || !ok {
		return nil
	}
	_, err = e.permit(ctx, reservation{e.service.Name, hosts, min(len(hosts), 1), fault})
	return err
}

// permit asks the engine of the running daemon or, without one, an engine made
// from the store.
func (e *errand) permit(ctx context.Context, r reservation) (updater.Permit, error) {
	reply, err := askDaemon(ctx, e.cfg.RunDir, controlRequest{Reserve: &r})
	switch {
	case errors.Is(err, errNoDaemon):
		return e.permitAlone(r.event())
	case err != nil:
		return updater.Permit{}, err
	case reply.Error != "":
		return updater.Permit{}, errors.New(reply.Error)
	case reply.Permit == nil:
		return updater.Permit{}, errors.New("the running daemon is another version; restart it")
	}
	return *reply.Permit, nil
}

func (e *errand) permitAlone(ev updater.Event) (updater.Permit, error) {
	store, records, err := persist.Open(e.cfg.StateDir, e.cfg.RunDir)
	if errors.Is(err, persist.ErrInUse) {
		return updater.Permit{}, fmt.Errorf("%w; try again when it has ended", err)
	}
	if err != nil {
		return updater.Permit{}, err
	}
	defer store.Close()
	if err := store.Trouble(); errors.Is(err, persist.ErrNewer) {
		return updater.Permit{}, err
	}
	var services []updater.Service
	for _, a := range e.cfg.accounts("") {
		if a.Wrong == "" {
			services = append(services, a.Service)
		}
	}
	now := time.Now()
	clock := updater.NewTimekeeper(store.Moment(), updater.ReadClock(handedDir))
	news, _ := clock.News(false)
	engine := updater.NewEngine(records, store.Clock(), rand.Uint64())
	engine.Step(now, updater.Configure{Services: services})
	aged := engine.Step(now, news).Save
	plan := engine.Step(now, ev)
	if aged || plan.Save {
		if err := store.Save(clock.Moment(engine.Stamp(now)), engine.Records()); err != nil {
			return updater.Permit{}, err
		}
	}
	return plan.Permit, nil
}
