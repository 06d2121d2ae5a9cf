package updater

import (
	"context"
	"net/http"
)

type rehearsalKey struct{}

// Rehearse makes the requests of a context known to show in place of sending
// them. Whoever makes one is told that it was refused.
func Rehearse(ctx context.Context, show func(*http.Request)) context.Context {
	return context.WithValue(ctx, rehearsalKey{}, show)
}

// rehearsed shows a request that is not to be sent.
func rehearsed(req *http.Request) error {
	show, ok := req.Context().Value(rehearsalKey{}).(func(*http.Request))
	if !ok {
		return nil
	}
	show(req)
	return &Fault{Kind: Refused, Detail: "nothing was sent"}
}
