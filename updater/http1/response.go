package http1

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Response is an answer.
type Response struct {
	Status int // 200 to 999
	Header Header
	Body   string // as it came: compressed, if the server does that unasked
}

// maxLines is what an answer may have besides its body, in bytes: a header,
// those of interim answers before it, sizes of chunks and trailers.
const maxLines = 64 << 10

var (
	errLines   = fmt.Errorf("its header is longer than %d KiB", maxLines>>10)
	errHTTP    = errors.New("it is not HTTP/1.1")
	errField   = errors.New("its header makes no sense")
	errFraming = errors.New("where its body ends makes no sense")
)

// ReadResponse reads the answer to a request other than HEAD. Interim answers,
// such as 100 Continue, and trailers are dropped. No more than most bytes of a
// body are read: one that long may be longer. An answer that ends too early or
// breaks a rule of RFC 9112 is an error, and nothing of it is returned:
// io.ErrUnexpectedEOF if the connection ended, and its own error if it failed.
func ReadResponse(from io.Reader, most int) (Response, error) {
	r := &reader{Reader: bufio.NewReader(from), left: maxLines}
	answer, length, err := r.head()
	for err == nil && answer.Status/100 == 1 {
		answer, length, err = r.head()
	}
	if err == nil && answer.Status != StatusNoContent && answer.Status != StatusNotModified {
		answer.Body, err = r.body(length, most)
	}
	if err == nil {
		return answer, nil
	}
	if err == io.EOF { //nolint:errorlint // as readers return it
		err = io.ErrUnexpectedEOF
	}
	return Response{}, err
}

// reader reads an answer's parts. Each of them ends, so io.EOF is an error.
type reader struct {
	*bufio.Reader
	left int  // of maxLines
	crlf bool // a line must end in CRLF, not in LF alone (RFC 9112, sections 2.2 and 7.1)
}

// line reads a line and returns it without its end.
func (r *reader) line() (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if r.left -= len(part); r.left < 0 {
			return "", errLines
		}
		line = append(line, part...)
		if err == nil {
			break
		}
		if err != bufio.ErrBufferFull { //nolint:errorlint // as ReadSlice returns it
			return "", err
		}
	}
	s, crlf := strings.CutSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
	if r.crlf && !crlf || !isText(s) {
		return "", errField
	}
	return s, nil
}

// head reads a status line and a header (RFC 9112, sections 4 and 5).
func (r *reader) head() (answer Response, length int64, err error) {
	line, err := r.line()
	if err != nil {
		return answer, 0, err
	}
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	status, err := strconv.ParseUint(code, 10, 16)
	if version != "HTTP/1.1" && version != "HTTP/1.0" || err != nil || len(code) != 3 || status < 100 {
		return answer, 0, errHTTP
	}
	answer.Status = int(status)
	if answer.Header, err = r.header(); err != nil {
		return answer, 0, err
	}
	length, err = framing(version, answer.Header)
	return answer, length, err
}

// header reads fields, each on a line of its own or folded into several, as some
// servers still do (RFC 9112, section 5.2), and the line that ends them.
func (r *reader) header() (Header, error) {
	h := Header{}
	last := "" // field
	for {
		line, err := r.line()
		if err != nil || line == "" {
			return h, err
		}
		if more := strings.TrimLeft(line, " \t"); more != line {
			if last == "" || more == "" {
				return nil, errField
			}
			values := h.Values(last)
			i := len(values) - 1
			values[i] = strings.Trim(values[i]+" "+more, " \t")
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return nil, errField
		}
		h.Add(name, strings.Trim(value, " \t"))
		last = name
	}
}

// Lengths of a body that does not say its own.
const (
	inChunks   = -1
	untilClose = -2
)

// framing returns the length of a body in bytes, or which of the above it has
// (RFC 9112, sections 6.1 and 6.3). If it has both, it is in chunks.
func framing(version string, h Header) (int64, error) {
	length := uint64(0)
	for _, l := range h["Content-Length"] {
		var err error
		if length, err = strconv.ParseUint(l, 10, 63); err != nil || l != h["Content-Length"][0] {
			return 0, errFraming
		}
	}
	switch coding := h["Transfer-Encoding"]; {
	case len(coding) == 1 && isToken(coding[0]) && strings.EqualFold(coding[0], "chunked") && version != "HTTP/1.0":
		return inChunks, nil
	case len(coding) > 0:
		return 0, errFraming
	case len(h["Content-Length"]) == 0:
		return untilClose, nil
	}
	return int64(length), nil
}

// body reads a body.
func (r *reader) body(length int64, most int) (string, error) {
	var b bytes.Buffer
	var err error
	switch length {
	case inChunks:
		err = r.chunks(&b, most)
	case untilClose:
		if err = r.take(&b, math.MaxInt64, most); err == io.EOF { //nolint:errorlint // as CopyN returns it
			err = nil
		}
	default:
		err = r.take(&b, length, most)
	}
	return b.String(), err
}

// chunks reads a body in chunks, and the trailers (RFC 9112, section 7.1).
func (r *reader) chunks(b *bytes.Buffer, most int) error {
	r.crlf = true
	for {
		line, err := r.line()
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(strings.TrimRight(line, " \t"), ";") // what follows is an extension
		n, err := strconv.ParseUint(size, 16, 63)
		switch {
		case err != nil || len(size) > 16:
			return errFraming
		case n == 0:
			_, err := r.header()
			return err
		}
		if err := r.take(b, int64(n), most); err != nil || b.Len() == most {
			return err
		}
		if rest, err := r.line(); err != nil || rest != "" {
			return cmp.Or(err, errFraming)
		}
	}
}

// take reads n bytes of a body, or what is left of most.
func (r *reader) take(b *bytes.Buffer, n int64, most int) error {
	_, err := io.CopyN(b, r, min(n, int64(most-b.Len())))
	return err
}
