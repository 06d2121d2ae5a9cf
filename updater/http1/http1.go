// Package http1 is a client's side of HTTP/1.1 (RFC 9110 and 9112): it writes a
// request and reads the answer. Each request has a connection of its own, which
// the caller makes, bounds in time and closes. Errors repeat nothing of what was
// sent or received, which may be secret. It keeps no state.
package http1

import (
	"errors"
	"net/textproto"
	"strings"
	"time"
)

// Header holds the fields of a request or an answer. Its methods take names in
// any case.
type Header = textproto.MIMEHeader

// Methods of RFC 9110, section 9, and RFC 5789.
const (
	MethodGet    = "GET"
	MethodPost   = "POST"
	MethodPut    = "PUT"
	MethodPatch  = "PATCH"
	MethodDelete = "DELETE"
)

// Status codes of RFC 9110, section 15, RFC 6585 and RFC 8470.
const (
	StatusOK                = 200
	StatusCreated           = 201
	StatusNoContent         = 204
	StatusMovedPermanently  = 301
	StatusFound             = 302
	StatusSeeOther          = 303
	StatusNotModified       = 304
	StatusTemporaryRedirect = 307
	StatusPermanentRedirect = 308
	StatusBadRequest        = 400
	StatusUnauthorized      = 401
	StatusForbidden         = 403
	StatusNotFound          = 404
	StatusRequestTimeout    = 408
	StatusConflict          = 409
	StatusGone              = 410
	StatusTooEarly          = 425
	StatusTooManyRequests   = 429
)

// ParseTime reads a date in any of the three formats of RFC 9110, section 5.6.7.
func ParseTime(s string) (time.Time, error) {
	for _, format := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC850, time.ANSIC} {
		if t, err := time.Parse(format, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("not a date of HTTP")
}

// isText reports whether a line is without control characters, which end it or
// hide something (RFC 9110, section 5.5).
func isText(line string) bool {
	return !strings.ContainsFunc(line, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}

// isToken reports what the name of a field can be (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		return !letter && (c < '0' || '9' < c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}
