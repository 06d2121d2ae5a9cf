package updatertest

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Fault scripts one answer. The text is sent as it is, with status 200,
// except for the words below, which name a behaviour, and [Status].
type Fault string

// Behaviours.
const (
	Normal    Fault = "normal"     // as if nothing had been scripted
	Cut       Fault = "cut"        // close the connection, nothing done
	CutAfter  Fault = "cut-after"  // carry it out, then close the connection
	Slow      Fault = "slow"       // never answer
	SlowAfter Fault = "slow-after" // carry it out, then never answer
	Huge      Fault = "huge"       // a megabyte
	HTML      Fault = "html"       // a login page
	Empty     Fault = "empty"
	Wrong     Fault = "wrong" // success, but for 9.9.9.9 wherever the provider chooses or names the address
	Error500  Fault = "500"
	Error401  Fault = "401"
	Error429  Fault = "429"      // asks for two minutes of silence
	Redirect  Fault = "redirect" // to another host
	Echo      Fault = "echo"     // the request with its credentials, as some error pages do
)

// Status scripts an answer with this status, beside the ledger's rules.
func Status(code int, body string) Fault { return Fault(fmt.Sprintf("HTTP %d %s", code, body)) }

var elsewhere = netip.AddrFrom4([4]byte{9, 9, 9, 9})

// reply is a fault in the form that any server might give it.
func (f Fault) reply(x *exchange) reply {
	switch f {
	case Cut, Slow:
		return reply{}
	case Empty:
		return text(http.StatusOK, "")
	case Huge:
		return text(http.StatusOK, strings.Repeat("good ", 1<<18))
	case HTML:
		a := text(http.StatusOK, "<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>goods and services</body></html>")
		return a.with("Content-Type", "text/html")
	case Error500:
		return text(http.StatusInternalServerError, "<h1>Internal Server Error</h1>").with("Content-Type", "text/html")
	case Error401:
		return text(http.StatusUnauthorized, "")
	case Error429:
		return text(http.StatusTooManyRequests, "slow down").with("Retry-After", "120")
	case Redirect:
		return text(http.StatusFound, "").with("Location", "http://portal.invalid/login")
	case Echo:
		user, password, _ := x.r.BasicAuth()
		return text(http.StatusBadRequest, fmt.Sprintf("bad request of %s:%s %s %s %s", user, password, x.r.Header.Get("Authorization"), x.r.URL.RawQuery, x.body))
	default:
	}
	if rest, ok := strings.CutPrefix(string(f), "HTTP "); ok {
		number, body, _ := strings.Cut(rest, " ")
		if code, err := strconv.Atoi(number); err == nil {
			return text(code, body)
		}
	}
	return text(http.StatusOK, string(f))
}

func text(status int, body string) reply {
	return reply{status, map[string]string{"Content-Type": "text/plain"}, body}
}

// with adds a header.
func (a reply) with(name, value string) reply {
	if a.header == nil {
		a.header = map[string]string{}
	}
	a.header[name] = value
	return a
}
