package updater

import (
	"context"
	"sync/atomic"

	"wandns/updater/http1"
)

type rehearsalKey struct{}

// Rehearse makes the requests of a context known to show in place of sending
// them. Whoever makes one is told that it was refused.
func Rehearse(ctx context.Context, show func(*http1.Request)) context.Context {
	return context.WithValue(ctx, rehearsalKey{}, show)
}

type notesKey struct{}

// notes are what became of the requests of a context.
type notes struct {
	asked atomic.Bool  // one was to be made
	left  atomic.Int32 // so many left, redirected ones included
}

func noted(ctx context.Context) (context.Context, *notes) {
	n := new(notes)
	return context.WithValue(ctx, notesKey{}, n), n
}

// leaves notes that a request leaves.
func leaves(ctx context.Context) {
	if n, ok := ctx.Value(notesKey{}).(*notes); ok {
		n.left.Add(1)
	}
}

// judge makes of a fault that means that nothing left one that does not, if
// something left before.
func (n *notes) judge(f *Fault) *Fault {
	if f == nil || n.left.Load() == 0 || f.Kind != Unreachable && f.Kind != Clock {
		return f
	}
	later := *f
	later.Kind = Transient
	return &later
}

// rehearsed notes a request that is about to be made, and shows one that is not
// to be sent.
func rehearsed(ctx context.Context, req *http1.Request) error {
	if n, ok := ctx.Value(notesKey{}).(*notes); ok {
		n.asked.Store(true)
	}
	show, ok := ctx.Value(rehearsalKey{}).(func(*http1.Request))
	if !ok {
		return nil
	}
	show(req)
	return &Fault{Kind: Refused, Detail: "nothing was sent"}
}
