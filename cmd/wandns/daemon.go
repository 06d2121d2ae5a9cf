package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"wandns/persist"
	"wandns/updater"
	"wandns/wan"
)

func setupRun(flags *flag.FlagSet) func(*cli, []string) int {
	once := flags.Bool("once", false, "update what is due, wait for the answers and exit")
	user := flags.String("user", "", "started as root, go on as `USER` who may only listen to routers")
	adopted := flags.String("adopted", "", "for the init script of OpenWrt only: read what it has laid in `FOLDER`")
	return func(c *cli, _ []string) int {
		// Before all else, for whoever changes the configuration amid the start:
		// what is read below may be what was there before. Other signals may still
		// end the program.
		hup := make(chan os.Signal, 1)
		if !*once {
			signal.Notify(hup, syscall.SIGHUP)
		}
		toil()
		src := c.source(*adopted)
		cfg, wrong := src.read()
		if cfg != nil && src.last == "" && cfg.hopeless() {
			cfg, wrong = nil, cfg.bad(c.config)
		}
		if cfg == nil {
			explain(c.stderr, wrong)
			return exitConfig
		}
		if *user != "" {
			if err := become(*user, src.file, cfg, *once); err != nil {
				return c.fail(exitFailed, "it could not go on as user %s: %v", *user, err)
			}
		}
		return c.daemon(src, cfg, wrong, *once, hup)
	}
}

// daemon composes the parts and runs them until a signal. wrong is why the
// configuration is that of before.
func (c *cli) daemon(src source, cfg *config, wrong error, once bool, hup <-chan os.Signal) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := newLog(c.stdout, c.stderr, cfg.LogLevel)
	for _, w := range cfg.Warnings {
		log.Warn(w)
	}
	limit()
	syscall.Umask(0o022) // status is for everybody to read

	if err := os.MkdirAll(cfg.RunDir, 0o755); err != nil {
		log.Warn("run_dir could not be made, so there is no status", "error", err)
	}
	sign := signIn(cfg.RunDir)
	defer sign.Close()
	store, records, err := persist.Open(cfg.StateDir, cfg.RunDir)
	if err != nil {
		return c.fail(exitFailed, "%v", startHint(err))
	}
	defer store.Close()
	if once && errors.Is(store.Trouble(), persist.ErrNewer) {
		return c.fail(exitFailed, "%v", store.Trouble())
	}
	commands := make(chan updater.Command)
	var services atomic.Pointer[[]string]
	var metrics atomic.Pointer[string]
	netifd, networks := wan.NewNetifd(), false
	stateDir, runDir := cfg.StateDir, cfg.RunDir
	folders := []string{stateDir, runDir, metricsDir}
	if cfg.MetricsFile != "" {
		folders = append(folders, filepath.Dir(cfg.MetricsFile))
	}
	adopt := func(cfg *config) {
		if cfg.StateDir != stateDir || cfg.RunDir != runDir {
			log.Warn("state_dir and run_dir change with the next start only")
		}
		log.limit(cfg.LogLevel)
		services.Store(cfg.names())
		file := cfg.MetricsFile // alone: a pointer into it would keep all of cfg
		if c.config == defaultConfig && os.Geteuid() == 0 {
			file = "" // root writes, and removes, nothing at a lesser editor's word; the init script says so
		}
		if file != "" && os.Geteuid() != 0 && !slices.Contains(folders, filepath.Dir(file)) { // see harden
			log.Warn("a metrics_file in another folder changes with the next start only")
			file = *metrics.Load()
		}
		metrics.Store(&file)
		networks = cfg.usesNetworks() || networks && len(cfg.Mistakes) > 0 // what goes on as before may use them
		netifd.Want(networks)
	}
	adopt(cfg)
	if !once {
		l, err := listenControl(ctx, cfg.RunDir)
		if errors.Is(err, errRunning) {
			return c.fail(exitFailed, "%v", startHint(err))
		}
		if err != nil {
			log.Warn("there is no control socket, so update and resume cannot reach this daemon", "error", err)
		} else {
			defer l.Close()
			go serveControl(ctx, l, commands, func() []string { return *services.Load() }, log)
		}
	}

	clock := updater.NewTimekeeper(store.Moment(), updater.ReadClock(src.handed()))
	if clock.Steps, err = updater.ClockSteps(ctx); err != nil {
		log.Warn("a clock that is set is noticed late", "error", err)
	}
	resolvers, err := updater.ResolverChanges(ctx)
	if err != nil {
		log.Warn("other DNS servers are noticed late", "error", err)
	}
	stirred := make(chan struct{}, 1)
	stir := func() {
		select {
		case stirred <- struct{}{}:
		default:
		}
	}
	measured := "" // the file that the runner last wrote
	runner := &updater.Runner{
		Engine:   updater.NewEngine(records, store.Clock(), rand.Uint64()),
		Clock:    clock,
		DNS:      resolvers,
		Journal:  store,
		WAN:      wan.Watch(ctx, log, netifd, stir),
		Commands: commands,
		Log:      log,
		Version:  version,
		PID:      os.Getpid(),
		Once:     once,
		Toil:     toil,
		Rest:     rest,
		Stirred:  stirred,
		Problems: c.problems(cfg, wrong, log),
		Publish:  func(b []byte) error { return replaceFile(filepath.Join(runDir, statusName), b) },
		Measure: func(text func() []byte) error {
			path := *metrics.Load()
			if measured != "" && measured != path {
				_ = os.Remove(measured) // or it would tell of the past for ever
			}
			if measured = path; path == "" {
				return nil
			}
			return replaceFile(path, text())
		},
	}
	harden(log, folders...)
	if !once {
		go c.reload(ctx, src, cfg.awaited(), hup, commands, log, adopt)
	}
	if err := store.Trouble(); errors.Is(err, persist.ErrNewer) {
		runner.Engine.Shut(err.Error())
	}
	if !once {
		log.Info("wandns "+version+" started", "config", c.config)
	}
	bad := cfg.bad(c.config)
	status := runner.Run(ctx, cfg.accounts(c.advice())) // and nothing keeps cfg
	switch {
	case once && bad != nil:
		explain(c.stderr, bad)
		return exitConfig
	case once:
		return verdict(status)
	}
	log.Info("wandns stopped")
	return exitDone
}

// startHint adds what to do about another daemon.
func startHint(err error) error {
	if errors.Is(err, persist.ErrInUse) || errors.Is(err, errRunning) {
		return errors.Join(errors.New("it is running already; use: wandns update"), err)
	}
	return err
}

// reload reads the configuration anew at each SIGHUP, and when a file changes
// that a faulty service names. What has mistakes then stays as it is in force.
func (c *cli) reload(ctx context.Context, src source, files []watched, hup <-chan os.Signal, commands chan<- updater.Command, log *lines, adopt func(*config)) {
	for {
		var look <-chan time.Time
		wait := lookFirst
		for changed := false; !changed; {
			if len(files) > 0 {
				look = time.After(wait)
			}
			select {
			case <-ctx.Done():
				return
			case <-hup:
				changed = true
			case <-look:
				changed = slices.ContainsFunc(files, watched.changed)
				wait = min(wait*11/10, lookLast)
			}
		}
		toil()
		files = nil
		cfg, err := src.read()
		command := updater.Command{Event: updater.Tick{}, Problems: c.problems(cfg, err, log)}
		if cfg != nil {
			adopt(cfg)
			files = cfg.awaited()
			command.With, command.Unnamed = cfg.accounts(c.advice()), cfg.unnamed()
		}
		if err == nil {
			log.Info("configuration reloaded")
		}
		select {
		case commands <- command:
		case <-ctx.Done():
			return
		}
	}
}

// problems logs what is wrong with a configuration, but for single services,
// and returns it for the status.
func (c *cli) problems(cfg *config, wrong error, log *lines) []string {
	var list []string
	if bad, ok := errors.AsType[*badConfig](wrong); ok {
		for _, m := range bad.mistakes {
			log.Error(bad.file + ": " + m.String())
		}
		list = append(list, fmt.Sprintf("the configuration in force is not the one in %s, which cannot be used; run: %s", c.config, c.hint("check")))
	} else if wrong != nil {
		list = append(list, "the configuration in force is the one before: "+wrong.Error())
	}
	if cfg != nil && wrong == nil {
		for _, m := range cfg.Mistakes {
			if !m.ofService() {
				list = append(list, c.config+": "+m.String())
			}
		}
	}
	for _, p := range list {
		log.Error(p)
	}
	return list
}

// advice is how to go on after mistakes in a service.
func (c *cli) advice() string {
	return "correct it and " + c.onOpenWrt("run: service wandns reload", "send wandns a SIGHUP")
}

func (c *config) names() *[]string {
	names := []string{}
	for _, s := range c.Services {
		names = append(names, s.label())
	}
	return &names
}

// usesNetworks reports whether a service names a network of netifd.
func (c *config) usesNetworks() bool {
	return slices.ContainsFunc(c.Services, func(s serviceConfig) bool { return s.Enabled && s.Policy.Interface != "" })
}

// verdict is the exit code of a single pass.
func verdict(st updater.Status) int {
	code := exitDone
	for _, s := range st.Services {
		switch s.State {
		case updater.OK, updater.Disabled:
		case updater.NeedsUser:
			code = max(code, exitRefused)
		default:
			code = max(code, exitFailed)
		}
	}
	return code
}

// replaceFile replaces a file for everybody to read, in memory: no fsync.
func replaceFile(path string, b []byte) error {
	temp := path + ".tmp"
	_ = os.Remove(temp) // a crash left it, or somebody a link to another file
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
