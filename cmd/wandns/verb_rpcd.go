package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"wandns/wan"
)

// rpcd starts a plugin with list or call METHOD, writes the arguments to its
// standard input and leaves that open. Whom it lets call which method is in
// its ACL; see openwrt/luci-app-wandns.

// rpcArgs are the arguments of all methods.
type rpcArgs struct {
	Session  string            `json:"ubus_rpc_session"` // not needed
	Service  string            `json:"service"`
	Services []string          `json:"services"`
	Values   map[string]any    `json:"values"`
	Drop     []string          `json:"drop"`
	Enabled  bool              `json:"enabled"`
	Verb     string            `json:"verb"`
	Action   string            `json:"action"`
	Args     []string          `json:"args"`
	Options  map[string]string `json:"options"`
	Username string            `json:"username"`
	Password string            `json:"password"`
}

type rpcMethod struct {
	name string
	args string // examples, by whose types rpcd checks a call
	do   func(*rpcd, rpcArgs) any
}

// rpcd is a call.
type rpcd struct {
	*cli
	ddns string                    // the configuration of ddns-scripts
	tell func(config string) error // procd, what has changed
}

const draftArgs = `{"service":"","values":{},"drop":[]}`

func rpcMethods() []rpcMethod {
	return []rpcMethod{
		{"config", `{}`, (*rpcd).configuration},
		{"providers", `{}`, (*rpcd).providers},
		{"wan", `{}`, func(r *rpcd, _ rpcArgs) any { return r.verb("wan", "--json") }},
		{"status", `{}`, (*rpcd).status},
		{"log", `{}`, (*rpcd).log},
		{"check", draftArgs, (*rpcd).check},
		{"preview", `{}`, (*rpcd).preview},
		{"save", draftArgs, func(r *rpcd, a rpcArgs) any { return r.change(a, (*rpcd).saved) }},
		{"enable", `{"service":"","enabled":true}`, func(r *rpcd, a rpcArgs) any { return r.change(a, (*rpcd).enabled) }},
		{"remove", `{"service":""}`, func(r *rpcd, a rpcArgs) any { return r.change(a, (*rpcd).removed) }},
		{"rehearse", draftArgs, (*rpcd).rehearse},
		{"update", `{"services":[]}`, func(r *rpcd, a rpcArgs) any { return r.verb("update", append([]string{"--"}, a.Services...)...) }},
		{"resume", `{"service":""}`, func(r *rpcd, a rpcArgs) any { return r.verb("resume", "--", a.Service) }},
		{"account", `{"service":"","verb":"","action":"","args":[],"options":{},"username":"","password":""}`, (*rpcd).account},
		{"takeover", `{"services":[]}`, (*rpcd).takeover},
	}
}

func setupRPCD(flags *flag.FlagSet) func(*cli, []string) int {
	ddns := flags.String("ddns", "/etc/config/ddns", "take services over from `FILE`")
	return func(c *cli, args []string) int {
		if len(args) > 0 && strings.HasPrefix(args[0], "/") {
			args = args[1:] // the script that names wandns as its interpreter
		}
		var methods []string
		for _, m := range rpcMethods() {
			methods = append(methods, fmt.Sprintf("%q:%s", m.name, m.args))
		}
		switch {
		case len(args) == 1 && args[0] == "list":
			fmt.Fprintf(c.stdout, "{%s}\n", strings.Join(methods, ","))
			return exitDone
		case len(args) != 2 || args[0] != "call":
			return c.fail(exitUsage, "rpcd takes list, or call METHOD")
		}
		answer := json.NewEncoder(c.stdout)
		refuse := func(why string) int {
			_ = answer.Encode(said{Code: exitUsage, Error: why})
			return exitUsage
		}
		i := slices.IndexFunc(rpcMethods(), func(m rpcMethod) bool { return m.name == args[1] })
		if i < 0 {
			return refuse(fmt.Sprintf("there is no method %q", args[1]))
		}
		var a rpcArgs
		in := json.NewDecoder(io.LimitReader(c.stdin, maxConfig))
		in.DisallowUnknownFields()
		if err := in.Decode(&a); err != nil {
			return refuse(fmt.Sprintf("the arguments of %s are no JSON that it takes", args[1])) // they may hold a secret
		}
		if err := answer.Encode(rpcMethods()[i].do(&rpcd{c, *ddns, wan.ConfigChanged}, a)); err != nil {
			return c.fail(exitFailed, "%v", err)
		}
		return exitDone
	}
}

// said is what a verb printed, and how it ended.
type said struct {
	Code  int             `json:"code"`
	Data  json.RawMessage `json:"data,omitempty"`
	Text  string          `json:"text,omitempty"`
	Error string          `json:"error,omitempty"`
}

// quiet is the call with its output kept, and lines of input for prompts.
func (r *rpcd) quiet(input string, do func(*cli) int) said {
	in, w, err := os.Pipe()
	if err != nil {
		return said{Code: exitFailed, Error: err.Error()}
	}
	defer in.Close()
	_, _ = io.WriteString(w, input) // shorter than a pipe holds
	w.Close()
	var out, wrong bytes.Buffer
	code := do(&cli{config: r.config, configGiven: r.configGiven, stdin: in, stdout: &out, stderr: &wrong})
	s := said{Code: code, Error: strings.ReplaceAll(strings.TrimSpace(wrong.String()), "wandns: ", "")}
	if json.Valid(out.Bytes()) {
		s.Data = out.Bytes()
	} else {
		s.Text = strings.TrimSpace(out.String())
	}
	return s
}

// verb is what a command of the program prints.
func (r *rpcd) verb(name string, args ...string) said {
	list := verbs()
	v := list[slices.IndexFunc(list, func(v verb) bool { return v.name == name })]
	if r.configGiven {
		args = append([]string{"--config", r.config}, args...)
	}
	return r.quiet("", func(c *cli) int { return v.run(c, args) })
}

// status is that of the verb, and whether the daemon runs, also one that has
// not got that far.
func (r *rpcd) status(rpcArgs) any {
	dir, _ := r.runDir()
	pid, _ := signed(dir)
	return struct {
		said
		Running bool `json:"running"`
	}{r.verb("status", "--json"), pid != 0}
}

// log is what wandns wrote to the system's log. What others wrote is none of a
// LuCI user's business.
func (r *rpcd) log(rpcArgs) any {
	lines, err := wan.SystemLog("wandns")
	if err != nil {
		return said{Code: exitFailed, Error: fmt.Sprintf("the system's log cannot be read (%v); try: logread -e wandns", err)}
	}
	return map[string][]wan.LogLine{"log": lines}
}

// account carries out an action of an account verb. Who calls it has asked the
// user before anything is deleted. A key is shown when it is made, and never
// again.
func (r *rpcd) account(a rpcArgs) any {
	list := accountVerbs()
	i := slices.IndexFunc(list, func(v accountVerb) bool { return v.name == a.Verb })
	if i < 0 {
		return said{Code: exitUsage, Error: fmt.Sprintf("there is no account verb %q", a.Verb)}
	}
	flags := flag.NewFlagSet(a.Verb, flag.ContinueOnError)
	w := list[i].declare(flags)
	w.json, w.yes, w.showSecrets = true, true, a.Action == "create"
	for name, value := range a.Options {
		err := errors.New("it is not for this page")
		if slices.Contains([]string{"preference", "replace", "ttl"}, name) {
			err = flags.Set(name, value)
		}
		if err != nil {
			return said{Code: exitUsage, Error: fmt.Sprintf("option %s: %v", name, err)}
		}
	}
	input := ""
	if a.Username != "" || a.Password != "" {
		if strings.ContainsAny(a.Username+a.Password, "\r\n") || len(a.Username)+len(a.Password) > maxAnswer {
			return said{Code: exitUsage, Error: "a user name and a password are one line each"}
		}
		input = a.Username + "\n" + a.Password + "\n"
	}
	return r.quiet(input, func(c *cli) int {
		return list[i].order(c, flags, w, append([]string{a.Service, a.Action}, a.Args...))
	})
}
