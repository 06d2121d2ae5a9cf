// Command wandns keeps DNS names pointing at a router whose address changes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"wandns/updater"
)

// Set by the linker; see the Makefile.
//
//nolint:gochecknoglobals // -ldflags -X can only set package variables
var (
	version = "0.0.0-dev"
	commit  = "unknown"
	contact = "packager@wandns.invalid"
)

// Exit codes, as the contract has them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConfig      = 3
	exitRefused     = 4
	exitUnconfirmed = 5
)

// verb is a command of the program.
type verb struct {
	name, args, help string
	// setup declares the verb's flags and returns what runs it with the
	// arguments that are left.
	setup func(*flag.FlagSet) func(c *cli, args []string) int
	about func() string // more for --help; nil for nothing
}

// cli is what every verb gets.
type cli struct {
	config         string // --config
	configGiven    bool
	initScript     string // empty for that of OpenWrt
	adopted        bool   // it was procd who started this
	stdin          *os.File
	stdout, stderr io.Writer
}

func verbs() []verb {
	list := []verb{
		{name: "run", help: "keep the names up to date until told to stop", setup: setupRun},
		{name: "check", help: "say what is wrong with the configuration, or print it as it is understood", setup: setupCheck},
		{name: "status", help: "show what is published, what is wanted and what is wrong", setup: setupStatus},
		{name: "update", args: "[SERVICE...]", help: "ask the running daemon to act now", setup: setupUpdate},
		{name: "resume", args: "SERVICE", help: "go on with a blocked service, once its cause is corrected", setup: setupResume},
		{name: "wan", help: "show the router's addresses and which of them can be published", setup: setupWAN},
		{name: "providers", args: "[NAME]", help: "list the providers, or the configuration keys of one", setup: setupProviders},
	}
	for _, v := range accountVerbs() {
		list = append(list, v.verb())
	}
	return append(list,
		verb{name: "import", args: "PROGRAM FILE", help: "print a configuration made from that of ddns-scripts, inadyn or ddclient", setup: setupImport},
		verb{name: "rpcd", args: "list|call METHOD", help: "be a plugin of OpenWrt's rpcd, for LuCI", setup: setupRPCD},
		verb{name: "version", help: "print the version", setup: setupVersion},
	)
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "--help", "-help", "-h":
		if len(args) == 1 {
			usage(stdout)
			return exitDone
		}
		args = []string{args[1], "--help"}
	case "--version", "-version":
		args = []string{"version"}
	}
	stdout, stderr = harmless{stdout}, harmless{stderr}
	var names []string
	for _, v := range verbs() {
		if v.name == args[0] {
			return v.run(&cli{stdin: os.Stdin, stdout: stdout, stderr: stderr}, args[1:])
		}
		names = append(names, v.name)
	}
	hint := "run: wandns help"
	if s := closest(args[0], names); s != "" {
		hint = "did you mean: wandns " + s
	}
	fmt.Fprintf(stderr, "wandns: there is no command %q; %s\n", args[0], hint)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprintf(w, "wandns %s keeps DNS names pointing at a router whose address changes.\n\nUsage: wandns COMMAND [--config FILE] ...\n\n", version)
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-28s %s\n", strings.TrimSpace(v.name+" "+v.args), v.help)
	}
	fmt.Fprintf(w, "\nThe configuration is %s unless --config names another file.\nwandns COMMAND --help tells more about it.\n", defaultConfig)
}

func (v verb) run(c *cli, args []string) int {
	flags := flag.NewFlagSet("wandns "+v.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.config, "config", defaultConfig, "read the configuration from `FILE`")
	do := v.setup(flags)
	rest, err := parse(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(c.stdout, "Usage: wandns %s\n\n%s.\n\n", strings.TrimSpace(v.name+" [options] "+v.args), strings.ToUpper(v.help[:1])+v.help[1:])
		if v.about != nil {
			fmt.Fprintln(c.stdout, v.about())
		}
		flags.VisitAll(func(f *flag.Flag) {
			name, help := flag.UnquoteUsage(f)
			fmt.Fprintf(c.stdout, "  %-16s %s\n", strings.TrimSpace("--"+f.Name+" "+name), help)
		})
		return exitDone
	case err != nil:
		what := strings.NewReplacer("flag provided but not defined: -", "there is no option --", "flag needs an argument: -", "a value is missing after --").Replace(err.Error())
		fmt.Fprintf(c.stderr, "wandns %s: %s; run: wandns %s --help\n", v.name, what, v.name)
		return exitUsage
	}
	flags.Visit(func(f *flag.Flag) { c.configGiven = c.configGiven || f.Name == "config" })
	if v.args == "" && len(rest) > 0 {
		fmt.Fprintf(c.stderr, "wandns %s: %q is one argument too many; run: wandns %s --help\n", v.name, rest[0], v.name)
		return exitUsage
	}
	return do(c, rest)
}

// parse lets options stand before, between and after the arguments.
func parse(flags *flag.FlagSet, args []string) ([]string, error) {
	var rest, last []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, last = args[:i], args[i+1:]
	}
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		args = flags.Args()
		if len(args) == 0 {
			return append(rest, last...), nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

// fail prints one line for a person.
func (c *cli) fail(code int, format string, args ...any) int {
	fmt.Fprintf(c.stderr, "wandns: "+format+"\n", args...)
	return code
}

func agent() updater.Agent {
	return updater.Agent{Version: version, Model: runtime.GOARCH, Contact: contact}
}

func setupVersion(*flag.FlagSet) func(*cli, []string) int {
	return func(c *cli, _ []string) int {
		fmt.Fprintf(c.stdout, "wandns %s, commit %s, %s %s/%s\n", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitDone
	}
}

func setupCheck(flags *flag.FlagSet) func(*cli, []string) int {
	keep := flags.String("keep", "", "write what can be used to `FILE`, in which services with mistakes stay as they are")
	return func(c *cli, _ []string) int {
		cfg, err := readConfig(c.config, c.config)
		if err == nil && *keep != "" {
			if err := cfg.keep(c.config, *keep); err != nil {
				return c.fail(exitFailed, "%s could not be written: %v", *keep, err)
			}
		}
		if err == nil {
			err = cfg.bad(c.config)
		}
		if err != nil {
			explain(c.stderr, err)
			return exitConfig
		}
		fmt.Fprint(c.stdout, cfg)
		for _, w := range cfg.Warnings {
			fmt.Fprintln(c.stderr, "wandns: "+w)
		}
		if cfg.off {
			fmt.Fprintf(c.stderr, "wandns: all of it is switched off; switch it on with: %s\n", c.switchOn())
		}
		if len(cfg.Services) == 0 {
			fmt.Fprintln(c.stderr, "wandns: there is no service, so nothing is to be done; "+cfg.firstService())
		}
		return exitDone
	}
}
