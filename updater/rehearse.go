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

type askedKey struct{}

// noted makes a context that tells whether it was to make a request.
func noted(ctx context.Context) (context.Context, *atomic.Bool) {
	var asked atomic.Bool
	return context.WithValue(ctx, askedKey{}, &asked), &asked
}

// rehearsed notes a request that is about to be made, and shows one that is not
// to be sent.
func rehearsed(ctx context.Context, req *http1.Request) error {
	if asked, ok := ctx.Value(askedKey{}).(*atomic.Bool); ok {
		asked.Store(true)
	}
	show, ok := ctx.Value(rehearsalKey{}).(func(*http1.Request))
	if !ok {
		return nil
	}
	show(req)
	return &Fault{Kind: Refused, Detail: "nothing was sent"}
}
