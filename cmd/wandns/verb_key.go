package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"wandns/updater"
)

func keyVerb() accountVerb {
	return accountVerb{
		name: "key", help: "manage the keys with which names are updated",
		more: "Where the account's own password is needed, it is asked for without echo and not kept. Without a\n" +
			"terminal, user name and password are the first two lines of standard input, or the password\n" +
			"alone with --user. The provider's name may stand for SERVICE there: the first key\n" +
			"comes before the configuration.",
		options: func(flags *flag.FlagSet, w *wish) {
			flags.BoolVar(&w.showSecrets, "show-secrets", false, "print the keys themselves, not ***")
			flags.StringVar(&w.user, "user", "", "the account's user `NAME`, where it is needed")
		},
		actions: []action{
			{
				name: "list", help: "show every key",
				ability: withKeys(func(ctx context.Context, p updater.Keys, _ *errand) (outcome, error) {
					keys, err := p.Keys(ctx)
					return keyTable(keys...), err
				}),
			},
			{
				name: "create", args: "HOST [TYPE]", example: "home.example.com AAAA",
				help:  "make a key that updates a name; TYPE is A or AAAA, where a key serves one of them",
				check: checkKeyType,
				ability: withKeys(func(ctx context.Context, p updater.Keys, e *errand) (outcome, error) {
					k, err := p.CreateKey(ctx, e.arg(0), e.arg(1))
					if err != nil {
						return outcome{}, err
					}
					o := keyTable(k)
					o.did = "there is a key for " + e.arg(0)
					if !e.showSecrets && k.Secret != "" {
						o.note = "The key itself is shown by: " + e.hint("key", e.service.Name, "list", "--show-secrets")
					}
					return o, nil
				}),
			},
			{
				name: "enable", args: "ID", example: "ddns_01hxa3b4", help: "let a key be used again",
				ability: with(func(ctx context.Context, p updater.KeySwitch, e *errand) (outcome, error) {
					return switchKey(ctx, p, e, true)
				}),
			},
			{
				name: "disable", args: "ID", example: "ddns_01hxa3b4", help: "suspend a key",
				ability: with(func(ctx context.Context, p updater.KeySwitch, e *errand) (outcome, error) {
					return switchKey(ctx, p, e, false)
				}),
			},
			{
				name: "delete", args: "ID", example: "ddns_01hxa3b4", deletes: "the key", help: "delete a key for good",
				ability: withKeys(func(ctx context.Context, p updater.Keys, e *errand) (outcome, error) {
					return outcome{did: e.arg(0) + " is deleted", facts: []fact{{"id", e.arg(0)}}}, p.DeleteKey(ctx, e.arg(0))
				}),
			},
			{
				name: "log", args: "ID", example: "ddns_01hxa3b4", help: "show what was done with a key",
				ability: with(func(ctx context.Context, p updater.KeySwitch, e *errand) (outcome, error) {
					events, err := p.KeyLog(ctx, e.arg(0))
					o := outcome{name: "log", cols: []string{"at", "old", "new", "source", "status", "error", "agent"}}
					for _, v := range events {
						o.rows = append(o.rows, []any{v.At, v.Old, v.New, v.Source, v.Status, v.Error, v.Agent})
					}
					return o, err
				}),
			},
		},
	}
}

// withKeys is with[updater.Keys], also of a provider that wants the account's
// password for it.
func withKeys(do func(context.Context, updater.Keys, *errand) (outcome, error)) ability {
	own, asked := with(do), with(func(ctx context.Context, p updater.KeyHolder, e *errand) (outcome, error) {
		return do(ctx, p.SignIn(e.username, e.password), e)
	})
	return ability{
		in:   func(p updater.Provider) bool { return own.in(p) || asked.in(p) },
		asks: func(p updater.Provider) bool { return !own.in(p) && asked.in(p) },
		do: func(ctx context.Context, e *errand) (outcome, error) {
			if own.in(e.provider) {
				return own.do(ctx, e)
			}
			return asked.do(ctx, e)
		},
	}
}

func checkKeyType(w *wish) string {
	if len(w.args) < 2 {
		return ""
	}
	w.args[1] = strings.ToUpper(w.args[1])
	if t := w.args[1]; t != "A" && t != "AAAA" {
		return fmt.Sprintf("%q is not one of A, AAAA", t)
	}
	return ""
}

func keyTable(keys ...updater.Key) outcome {
	o := outcome{name: "keys", cols: []string{"id", "host", "type", "user", "secret", "enabled", "address", "updated"}}
	for _, k := range keys {
		o.rows = append(o.rows, []any{k.ID, k.Host, k.Type, k.User, hidden(k.Secret), k.Enabled, k.Address, k.Updated})
	}
	return o
}

func switchKey(ctx context.Context, p updater.KeySwitch, e *errand, enabled bool) (outcome, error) {
	k, err := p.EnableKey(ctx, e.arg(0), enabled)
	if err != nil {
		return outcome{}, err
	}
	return keyTable(k), nil
}
