package updater

import (
	"context"

	"wandns/updater/http1"
)

type rehearsalKey struct{}

// Rehearse makes the requests of a context known to show in place of sending
// them. Whoever makes one is told that it was refused.
func Rehearse(ctx context.Context, show func(*http1.Request)) context.Context {
	return context.WithValue(ctx, rehearsalKey{}, show)
}

// rehearsed shows a request that is not to be sent.
func rehearsed(ctx context.Context, req *http1.Request) error {
	show, ok := ctx.Value(rehearsalKey{}).(func(*http1.Request))
	if !ok {
		return nil
	}
	show(req)
	return &Fault{Kind: Refused, Detail: "nothing was sent"}
}
