package main

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"wandns/wan/wantest"
)

// tally is what the kernel has counted of a process.
type tally struct {
	switches int           // of its threads, to and from the processor
	cpu      time.Duration // of its children too, once they have ended
	written  int           // bytes, by any call
	own, rss int           // KiB: anonymous memory, which nobody else can have; and with the program's pages
}

func (g *rig) tally(pid int) (u tally) {
	g.Helper()
	dir := fmt.Sprintf("/proc/%d/", pid)
	tasks, err := filepath.Glob(dir + "task/*")
	g.check(err)
	for _, t := range tasks {
		if run, err := os.ReadFile(t + "/schedstat"); err == nil { // or the thread has ended
			ns, _, _ := strings.Cut(string(run), " ")
			n, err := strconv.Atoi(ns)
			g.check(err)
			u.cpu += time.Duration(n)
			u.switches += g.number(t+"/status", "voluntary_ctxt_switches:") + g.number(t+"/status", "nonvoluntary_ctxt_switches:")
		}
	}
	stat, err := os.ReadFile(dir + "stat")
	g.check(err)
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, ticks := range f[13:15] {
		n, err := strconv.Atoi(ticks)
		g.check(err)
		u.cpu += time.Duration(n) * 10 * time.Millisecond
	}
	u.written = g.number(dir+"io", "wchar:")
	u.own, u.rss = g.number(dir+"smaps_rollup", "Anonymous:"), g.number(dir+"smaps_rollup", "Rss:")
	return u
}

// number returns what stands behind a key in a file of /proc.
func (g *rig) number(file, key string) (n int) {
	b, _ := os.ReadFile(file) // a thread may end
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key {
			n, _ = strconv.Atoi(f[1])
		}
	}
	return n
}

// row is one measure of all programs.
type row struct {
	name  string
	cells map[*peer]cell
}

type cell struct {
	value float64 // for the ratio
	text  string
}

// put notes what was measured of a program.
func (g *rig) put(name string, p *peer, value float64, format string, args ...any) {
	i := slices.IndexFunc(g.rows, func(r row) bool { return r.name == name })
	if i < 0 {
		i = len(g.rows)
		g.rows = append(g.rows, row{name, map[*peer]cell{}})
	}
	g.rows[i].cells[p] = cell{value, fmt.Sprintf(format, args...)}
}

// table has a column for each program, with its ratio to the first one.
func (g *rig) table() string {
	head, line := "| |", "|---|"
	for _, p := range g.peers {
		head, line = head+" "+p.name+" |", line+"---|"
	}
	var b strings.Builder
	b.WriteString(head + "\n" + line + "\n")
	for _, r := range g.rows {
		own := r.cells[g.peers[0]].value
		fmt.Fprintf(&b, "| %s |", r.name)
		for i, p := range g.peers {
			c, ok := r.cells[p]
			if !ok {
				c.text = "-"
			} else if i > 0 && own > 0 {
				digits := 1
				if c.value >= 10*own {
					digits = 0
				}
				c.text += fmt.Sprintf(" (× %s)", strconv.FormatFloat(c.value/own, 'f', digits, 64))
			}
			fmt.Fprintf(&b, " %s |", c.text)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// duration reads a variable of the environment.
func (g *rig) duration(name, otherwise string) time.Duration {
	g.Helper()
	d, err := time.ParseDuration(cmp.Or(os.Getenv(name), otherwise))
	g.check(err)
	return d
}

// changes measures how long a program takes from its start, and from a new
// address, to its request.
func (g *rig) changes() {
	g.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("BENCH_CHANGES"), "100"))
	g.check(err)
	limit := g.duration("BENCH_LIMIT", "5m")
	late := lateness()
	all := g.samples(n, limit, false)
	slept := late()
	own := func(s sample) time.Duration { return s.cold }
	g.put("this machine wakes a sleeper late: median, p99", g.peers[0], 0, "%.1f ms, %.1f ms", ms(rank(slept, 50, own)), ms(rank(slept, 99, own)))
	for _, p := range g.peers {
		s := all[p]
		reaction := func(s sample) time.Duration { return s.reaction }
		median := rank(s, 50, reaction)
		g.put("new address to request, best setting: median, p99, of", p, ms(median), "%.1f ms, %.1f ms, %d", ms(median), ms(rank(s, 99, reaction)), len(s))
		if period := p.periods[1]; period > 0 {
			g.put("the same by default", p, ms(period/2), "%v, half of its period; not measured", period/2)
		} else {
			g.put("the same by default", p, ms(median), "the same")
		}
		cpu := rank(s, 50, func(s sample) time.Duration { return s.cpu })
		g.put("processor's time for it", p, ms(cpu), "%.1f ms", ms(cpu))
		cold := rank(s, 50, func(s sample) time.Duration { return s.cold })
		g.put("start to request", p, ms(cold), "%.1f ms", ms(cold))
	}
	for p, s := range g.samples(min(n, 20), limit/5, true) {
		cold := rank(s, 50, func(s sample) time.Duration { return s.cold })
		g.put("start to request, TLS", p, ms(cold), "%.1f ms", ms(cold))
		if p.periods[0] <= time.Second {
			reaction := rank(s, 50, func(s sample) time.Duration { return s.reaction })
			g.put("new address to request, TLS", p, ms(reaction), "%.1f ms", ms(reaction))
		}
	}
}

// lateness measures how late the machine itself is, until it is asked.
func lateness() (asked func() []sample) {
	const nap = 5 * time.Millisecond
	stop, all := make(chan struct{}), make(chan []sample)
	go func() {
		var list []sample
		for {
			began := time.Now()
			time.Sleep(nap)
			list = append(list, sample{cold: time.Since(began) - nap})
			select {
			case <-stop:
				all <- list
				return
			default:
			}
		}
	}()
	return func() []sample { close(stop); return <-all }
}

// memory measures what a program occupies once it has published: what is its
// alone, what the machine has less of for others, and with pages that the
// kernel may drop.
func (g *rig) memory() {
	g.Helper()
	available := func() int { return g.number("/proc/meminfo", "MemAvailable:") }
	for _, tls := range []bool{false, true} {
		for _, p := range g.peers {
			var all []tally
			var lost []int
			for range 5 { // others use this machine's memory too
				w := g.prepare(p, tls, 1)
				before := available()
				pid, end := g.start(w)
				g.asked(w, 1)
				g.settled(pid)
				all, lost = append(all, g.tally(pid)), append(lost, before-available())
				end()
			}
			slices.SortFunc(all, func(a, b tally) int { return a.own - b.own })
			slices.Sort(lost)
			u, mb := all[2], func(kib int) float64 { return float64(kib) / 1024 }
			name := "after an update by " + map[bool]string{false: "HTTP", true: "TLS"}[tls] + ": anonymous memory, MemAvailable lost, RSS"
			g.put(name, p, float64(u.own), "%.1f MB, %.1f MB, %.1f MB", mb(u.own), mb(lost[2]), mb(u.rss))
		}
	}
}

// verbs measures what a person or LuCI waits for.
func (g *rig) verbs() {
	g.Helper()
	p := g.peers[0]
	w := g.prepare(p, false, 1)
	pid, end := g.start(w)
	defer end()
	g.asked(w, 1)
	g.settled(pid)
	for _, verb := range []string{"version", "status"} {
		var all []sample
		for range 50 {
			began := time.Now()
			out, err := exec.Command(w.command(w)[0], verb, "--config", w.path("conf.toml")).CombinedOutput()
			all = append(all, sample{cold: time.Since(began)})
			if err != nil {
				g.Fatalf("%s: %v\n%s", verb, err, out)
			}
		}
		took := rank(all, 50, func(s sample) time.Duration { return s.cold })
		g.put("wandns "+verb, p, ms(took), "%.1f ms", ms(took))
	}
}

// services measures what many cost.
func (g *rig) services() {
	g.Helper()
	const most = time.Minute
	for _, n := range []int{10, 100, 1000} {
		for _, p := range g.peers {
			w := g.prepare(p, false, n)
			began := time.Now()
			pid, end := g.start(w)
			at, missing := g.wait(n, most)
			u := g.tally(pid)
			end()
			if missing > 0 {
				g.put(fmt.Sprintf("%d services: start to the last request", n), p, ms(most), "%d missing after %v", missing, most)
				continue
			}
			took := at.Sub(began)
			g.put(fmt.Sprintf("%d services: start to the last request", n), p, ms(took), "%.0f ms", ms(took))
			g.put(fmt.Sprintf("%d services: anonymous memory, RSS", n), p, float64(u.own), "%.1f MB, %.1f MB", float64(u.own)/1024, float64(u.rss)/1024)
		}
	}
}

// addresses measures how a change is found among many.
func (g *rig) addresses() {
	g.Helper()
	bulk, err := wantest.NewBulk()
	g.check(err)
	have := 1
	for _, n := range []int{10, 100, 1000} {
		for ; have < n; have++ {
			bulk.Addr(true, "isp0", wantest.Nth(netip.MustParsePrefix("10.0.0.0/32"), have))
		}
		bulk.Flush()
		for _, p := range g.peers {
			if p.periods[0] > time.Second {
				continue // its period is all that shows
			}
			var all []sample
			for range 5 {
				all = append(all, g.sample(p, false))
			}
			reaction, cpu := rank(all, 50, func(s sample) time.Duration { return s.reaction }), rank(all, 50, func(s sample) time.Duration { return s.cpu })
			g.put(fmt.Sprintf("%d addresses: new address to request, processor's time", n), p, ms(cpu), "%.1f ms, %.1f ms", ms(reaction), ms(cpu))
		}
	}
	for ; have > 1; have-- {
		bulk.Addr(false, "isp0", wantest.Nth(netip.MustParsePrefix("10.0.0.0/32"), have-1))
	}
	g.check(bulk.Close())
}

// idle runs all programs side by side while nothing happens.
func (g *rig) idle() {
	g.Helper()
	length := g.duration("BENCH_IDLE", "5m")
	pids := map[*peer]int{}
	before := map[*peer]tally{}
	for _, p := range g.peers {
		w := g.prepare(p, true, 1)
		pid, end := g.start(w)
		defer end()
		g.asked(w, 1)
		pids[p] = pid
	}
	time.Sleep(35 * time.Second) // the runtime of Go forgets timers of a request when they would have fired
	for p, pid := range pids {
		before[p] = g.tally(pid)
	}
	asked := len(g.arrivals)
	time.Sleep(length)
	for p, pid := range pids {
		u, was := g.tally(pid), before[p]
		if n := u.switches - was.switches; p == g.peers[0] && n > max(2, int(12*length/(5*time.Minute))) {
			g.Errorf("wandns: %d context switches in %v", n, length)
		}
		g.put(fmt.Sprintf("idle for %v: context switches", length), p, float64(u.switches-was.switches), "%d", u.switches-was.switches)
		g.put(fmt.Sprintf("idle for %v: processor's time", length), p, float64(u.cpu-was.cpu), "%.1f ms", ms(u.cpu-was.cpu))
		g.put(fmt.Sprintf("idle for %v: bytes written", length), p, float64(u.written-was.written), "%d", u.written-was.written)
	}
	n := len(g.arrivals) - asked
	for _, p := range g.peers {
		g.put(fmt.Sprintf("idle for %v: requests of all", length), p, float64(n), "%d", n)
	}
}

// flash counts what one change of address writes to files that last.
func (g *rig) flash() {
	g.Helper()
	for _, p := range g.peers {
		if p.once == "" {
			continue
		}
		w := g.prepare(p, false, 1)
		args := append(w.command(w), p.once)
		file := w.path("trace")
		for first := true; ; first = false { // the second is a change
			g.change()
			trace := exec.Command("strace", append([]string{"-f", "-qq", "-y", "-e", "trace=write,pwrite64,writev,fsync,fdatasync", "-o", file}, args...)...)
			if out, err := trace.CombinedOutput(); err != nil {
				g.Errorf("%v: %v\n%s", args, err, out)
			}
			g.asked(w, 1)
			if !first {
				break
			}
			time.Sleep(p.pause)
		}
		calls, err := os.ReadFile(file)
		g.check(err)
		bytes, syncs := 0, 0
		// As the call begins: its end may stand in another line.
		for _, call := range regexp.MustCompile(`(\w+)\(\d+<`+regexp.QuoteMeta(w.path("state"))+`[^>]*>(?:, .*, (\d+))?(?:\)| <unfinished)`).FindAllStringSubmatch(string(calls), -1) {
			if strings.HasSuffix(call[1], "sync") {
				syncs++
			}
			n, _ := strconv.Atoi(call[2])
			bytes += n
		}
		g.put("bytes of flash for an update, fsyncs", p, float64(bytes), "%d, %d", bytes, syncs)
	}
}
