package updater

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// metrics is a status in Prometheus' text format, for a textfile collector.
// Times are points in time, since the file is only written when the status
// changes. It holds no secrets.
func metrics(st Status, up bool, limits map[string]Limits, faults map[string]int) []byte {
	var w gauges
	w.family("wandns_up", "gauge", "Whether the daemon runs; one that was killed could not say so.")
	w.add(truth(up))
	w.family("wandns_build_info", "gauge", "The version.")
	w.add(1, "version", st.Version)
	w.family("wandns_clock_ok", "gauge", "Whether nothing waits for the clock to be set.")
	w.add(truth(st.Clock == "ok"))
	w.family("wandns_problems", "gauge", "What is wrong with the state or the configuration; wandns status tells.")
	w.add(int64(len(st.Problems)))

	w.family("wandns_wan_default_route", "gauge", "Whether a device holds a default route.")
	for _, d := range st.WAN {
		w.add(truth(d.Default4), "device", d.Device, "family", "ipv4")
		w.add(truth(d.Default6), "device", d.Device, "family", "ipv6")
	}

	w.family("wandns_service_state", "gauge", "1 for the state that a service is in.")
	for _, s := range st.Services {
		for _, state := range [...]State{OK, Sending, Verifying, Waiting, NeedsUser, NoAddress, BadClock, Disabled} {
			w.add(truth(s.State == state), "service", s.Name, "provider", s.Provider, "state", string(state))
		}
	}
	w.family("wandns_record_current", "gauge", "Whether a name has the address that it should have.")
	for _, s := range st.Services {
		for _, r := range s.Records {
			w.add(truth(r.Published == r.Wanted), "service", s.Name, "hostname", r.Hostname, "type", r.Type)
		}
	}
	w.family("wandns_record_published_timestamp_seconds", "gauge", "When the provider confirmed a name's address.")
	for _, s := range st.Services {
		for _, r := range s.Records {
			w.at(r.Since, "service", s.Name, "hostname", r.Hostname, "type", r.Type)
		}
	}
	w.family("wandns_next_attempt_timestamp_seconds", "gauge", "When a service tries again, if it waits.")
	for _, s := range st.Services {
		w.at(s.Next, "service", s.Name)
	}
	w.family("wandns_requests_total", "counter", "Requests to the provider, ever.")
	for _, s := range st.Services {
		w.add(int64(s.Sent), "service", s.Name)
	}
	w.family("wandns_requests_today", "gauge", "Requests to the provider on the day (UTC) of the last change.")
	for _, s := range st.Services {
		w.add(int64(s.SentToday), "service", s.Name)
	}
	w.family("wandns_request_faults_total", "counter", "Requests to the provider that failed, since the start.")
	for _, s := range st.Services {
		w.add(int64(faults[s.Name]), "service", s.Name)
	}
	w.family("wandns_quota", "gauge", "What the provider allows: requests in an hour, changes of a name in a day.")
	for _, s := range st.Services {
		if n := limits[s.Name].PerHour; n > 0 {
			w.add(int64(n), "service", s.Name, "per", "hour")
		}
		if n := limits[s.Name].PerDay; n > 0 {
			w.add(int64(n), "service", s.Name, "per", "day")
		}
	}
	return w.text
}

// gauges writes families of metrics, without those that have none.
type gauges struct {
	text       []byte
	name, head string
}

func (w *gauges) family(name, kind, help string) {
	w.name, w.head = name, "# HELP "+name+" "+help+"\n# TYPE "+name+" "+kind+"\n"
}

// add writes a value with its labels, names and values in turn.
func (w *gauges) add(value int64, labels ...string) {
	w.text = append(w.text, w.head+w.name...)
	w.head = ""
	between, end := "{", ""
	for pair := range slices.Chunk(labels, 2) {
		w.text = append(w.text, between+pair[0]+`="`+escape.Replace(pair[1])+`"`...)
		between, end = ",", "}"
	}
	w.text = append(strconv.AppendInt(append(w.text, end+" "...), value, 10), '\n')
}

// at writes an RFC 3339 time, if there is one.
func (w *gauges) at(when string, labels ...string) {
	if t, err := time.Parse(time.RFC3339, when); err == nil {
		w.add(t.Unix(), labels...)
	}
}

//nolint:gochecknoglobals // a constant
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// count remembers a fault for the metrics.
func (r *Runner) count(o outcome) {
	d, ok := o.event.(Done)
	if ok && (d.Err != nil || slices.ContainsFunc(d.Results, func(r Result) bool { return r.Fault != nil })) {
		r.faults[d.Service]++
	}
}

func (r *Runner) measure(st Status, up bool) {
	if r.Measure == nil {
		return
	}
	said := ""
	if err := r.Measure(func() []byte { return metrics(st, up, r.Engine.limits(), r.faults) }); err != nil {
		said = err.Error()
	}
	if said != r.unsaid && said != "" {
		r.Log.Warn("the metrics could not be written; make the folder of metrics_file one that wandns can write to, and restart wandns", "error", said)
	}
	r.unsaid = said
}

func (e *Engine) limits() map[string]Limits {
	limits := map[string]Limits{}
	for _, s := range e.services {
		limits[s.Name] = s.Limits
	}
	return limits
}
