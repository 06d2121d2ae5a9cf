package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"wandns/updater/http1"
)

const (
	ok      = "HTTP/1.1 200 OK\r\n"
	chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	most    = 1000
)

// good are answers of all kinds.
var good = []struct {
	name, says string
	want       http1.Response
	untilClose bool
}{
	{"a length", ok + "Content-Length: 4\r\n\r\ngood", http1.Response{Status: 200, Header: http1.Header{"Content-Length": {"4"}}, Body: "good"}, false},
	{"a length of nothing", ok + "Content-Length: 0\r\n\r\n", http1.Response{Status: 200, Header: http1.Header{"Content-Length": {"0"}}}, false},
	{"one length twice", ok + "Content-Length: 4\r\ncontent-length:4 \r\n\r\ngood", http1.Response{Status: 200, Header: http1.Header{"Content-Length": {"4", "4"}}, Body: "good"}, false},
	{"until the end", ok + "\r\ngood", http1.Response{Status: 200, Header: http1.Header{}, Body: "good"}, true},
	{"of 1996", "HTTP/1.0 404\r\n\r\ngood", http1.Response{Status: 404, Header: http1.Header{}, Body: "good"}, true},
	{"chunks", chunked + "2\r\ngo\r\n02;x=\"\xe4\"\r\nod\r\n000 \r\n\r\n", http1.Response{Status: 200, Header: http1.Header{"Transfer-Encoding": {"chunked"}}, Body: "good"}, false},
	{"trailers", chunked + "4\r\ngood\r\n0\r\nStatus: 500\r\nX: \r\n\r\n", http1.Response{Status: 200, Header: http1.Header{"Transfer-Encoding": {"chunked"}}, Body: "good"}, false},
	{"chunks and a length", ok + "Content-Length: 99\r\nTransfer-Encoding: CHUNKED\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", http1.Response{Status: 200, Header: http1.Header{"Content-Length": {"99"}, "Transfer-Encoding": {"CHUNKED"}}, Body: "0123456789"}, false},
	{"no body", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", http1.Response{Status: 204, Header: http1.Header{"Content-Length": {"4"}}}, false},
	{"no body, by chunks", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", http1.Response{Status: 304, Header: http1.Header{"Transfer-Encoding": {"chunked"}}}, false},
	{"after others", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\nContent-Length: 9\r\n\r\n" + ok + "Content-Length: 4\r\n\r\ngood", http1.Response{Status: 200, Header: http1.Header{"Content-Length": {"4"}}, Body: "good"}, false},
	{"folded fields", ok + "X: y\r\n z\r\nY:\r\n\t Z: z \r\nContent-Length: 0\r\n\r\n", http1.Response{Status: 200, Header: http1.Header{"X": {"y z"}, "Y": {"Z: z"}, "Content-Length": {"0"}}}, false},
	{"two spaces", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", http1.Response{Status: 200, Header: http1.Header{"Content-Length": {"0"}}}, false},
	{"a folded trailer", chunked + "4\r\ngood\r\n0\r\nX: y\r\n z\r\n\r\n", http1.Response{Status: 200, Header: http1.Header{"Transfer-Encoding": {"chunked"}}, Body: "good"}, false},
	{"a header", ok + "Set-cookie:a\r\nX-ratelimit-reset: \t \xff b\tc \t\r\nSET-COOKIE: b\r\nx!#$%&'*+-.^_`|~09:\r\nContent-Length: 0\r\n\r\n", http1.Response{Status: 200, Header: http1.Header{"Set-Cookie": {"a", "b"}, "X-Ratelimit-Reset": {"\xff b\tc"}, "X!#$%&'*+-.^_`|~09": {""}, "Content-Length": {"0"}}}, false},
	{"lines of Unix", "HTTP/1.1 999 \nContent-Length: 4\n\ngood", http1.Response{Status: 999, Header: http1.Header{"Content-Length": {"4"}}, Body: "good"}, false},
}

func TestReadResponse(t *testing.T) {
	for _, c := range good {
		for name, from := range map[string]io.Reader{
			"at once": strings.NewReader(c.says), "byte by byte": iotest.OneByteReader(strings.NewReader(c.says)), "with its end": iotest.DataErrReader(strings.NewReader(c.says)),
		} {
			if got, err := http1.ReadResponse(from, most); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s, %s: %+v, %v; want %+v", c.name, name, got, err, c.want)
			}
		}
	}
}

// Half an answer is none, wherever the connection ends, and the connection's
// own error is told.
func TestResponseThatEndsTooEarly(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range good {
		end := len(c.says)
		if c.untilClose {
			end = strings.Index(c.says, "\r\n\r\n") + 4
		}
		for i := range end {
			got, err := http1.ReadResponse(strings.NewReader(c.says[:i]), most)
			if !errors.Is(err, io.ErrUnexpectedEOF) || !reflect.DeepEqual(got, http1.Response{}) {
				t.Errorf("%s: %q is read as %+v, %v", c.name, c.says[:i], got, err)
			}
		}
		for i := range len(c.says) + 1 {
			got, err := http1.ReadResponse(io.MultiReader(strings.NewReader(c.says[:i]), iotest.ErrReader(broken)), most)
			if c.untilClose || i < len(c.says) {
				if !errors.Is(err, broken) || got.Status != 0 {
					t.Errorf("%s: %q and an error is read as %+v, %v", c.name, c.says[:i], got, err)
				}
			} else if err != nil { // what comes after it is not looked at
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

const secret = "s3cret"

// refused are answers that break a rule.
var refused = map[string]string{
	"HTTP/0.9":                    "good " + secret + "\r\n\r\n",
	"HTTP/2":                      "HTTP/2 200 OK\r\n\r\n",
	"HTTP/2.0":                    "HTTP/2.0 200 OK\r\n\r\n",
	"HTTP/1.2":                    "HTTP/1.2 200 OK\r\n\r\n",
	"HTTP/1.10":                   "HTTP/1.10 200 OK\r\n\r\n",
	"in small letters":            "http/1.1 200 OK\r\n\r\n",
	"a line before":               "\r\n" + ok + "\r\n",
	"no status":                   "HTTP/1.1\r\n\r\n",
	"an empty status":             "HTTP/1.1 \r\n\r\n",
	"a status of two digits":      "HTTP/1.1 20 OK\r\n\r\n",
	"a status of four digits":     "HTTP/1.1 2000 OK\r\n\r\n",
	"a status below 100":          "HTTP/1.1 099 OK\r\n\r\n",
	"a status with a sign":        "HTTP/1.1 +20 OK\r\n\r\n",
	"a status in words":           "HTTP/1.1 2OO " + secret + "\r\n\r\n",
	"a tab":                       "HTTP/1.1\t200 OK\r\n\r\n",
	"NUL in the status line":      "HTTP/1.1 200 O\x00K\r\n\r\n",
	"CR in the status line":       "HTTP/1.1 200 O\rK\r\n\r\n",
	"no colon":                    ok + secret + "\r\n\r\n",
	"no name":                     ok + ": x\r\n\r\n",
	"a space before the colon":    ok + "Content-Length : 4\r\n\r\ngood",
	"a space in a name":           ok + "Content Length: 4\r\n\r\ngood",
	"a name beyond ASCII":         ok + "L\xe4nge: 4\r\n\r\n",
	"a name with a separator":     ok + "X(y): 4\r\n\r\n",
	"a folded first line":         ok + " X: y\r\n\r\n",
	"a line of spaces":            ok + "X: y\r\n  \r\n\r\n",
	"NUL in a value":              ok + "X: y\x00z\r\n\r\n",
	"DEL in a value":              ok + "X: y\x7fz\r\n\r\n",
	"CR in a value":               ok + "X: y\rContent-Length: 4\r\n\r\n",
	"CR twice":                    ok + "X: y\r\r\n\r\n",
	"CR in a name":                ok + "X\r: y\r\n\r\n",
	"two lengths":                 ok + "Content-Length: 4\r\nContent-Length: 5\r\n\r\ngood!",
	"two lengths, no body":        "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
	"one length in two ways":      ok + "Content-Length: 4\r\nContent-Length: 04\r\n\r\ngood",
	"a list of lengths":           ok + "Content-Length: 4, 4\r\n\r\ngood",
	"an empty length":             ok + "Content-Length:\r\n\r\ngood",
	"a negative length":           ok + "Content-Length: -4\r\n\r\ngood",
	"a length with a sign":        ok + "Content-Length: +4\r\n\r\ngood",
	"a length in hex":             ok + "Content-Length: 0x4\r\n\r\ngood",
	"a length beyond all":         ok + "Content-Length: 9223372036854775808\r\n\r\ngood",
	"a wrong length, chunked":     ok + "Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"another coding":              ok + "Transfer-Encoding: gzip\r\n\r\ngood",
	"identity":                    ok + "Transfer-Encoding: identity\r\n\r\ngood",
	"an empty coding":             ok + "Transfer-Encoding:\r\n\r\ngood",
	"a coding beyond ASCII":       ok + "Transfer-Encoding: chun\u212aed\r\n\r\n0\r\n\r\n", // the Kelvin sign has a small letter in ASCII
	"a list of codings":           ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"chunked twice":               ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"another coding and a length": ok + "Transfer-Encoding: gzip\r\nContent-Length: 4\r\n\r\ngood",
	"another coding, no body":     "HTTP/1.1 204 No Content\r\nTransfer-Encoding: gzip\r\n\r\n",
	"chunks of 1996":              "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"no size":                     chunked + "\r\ngood\r\n0\r\n\r\n",
	"no size but an extension":    chunked + ";x\r\ngood\r\n0\r\n\r\n",
	"a space before the size":     chunked + " 4\r\ngood\r\n0\r\n\r\n",
	"a size with a sign":          chunked + "+4\r\ngood\r\n0\r\n\r\n",
	"a negative size":             chunked + "-4\r\ngood\r\n0\r\n\r\n",
	"a size with 0x":              chunked + "0x4\r\ngood\r\n0\r\n\r\n",
	"a size with _":               chunked + "0_4\r\ngood\r\n0\r\n\r\n",
	"a size in words":             chunked + secret + "\r\ngood\r\n0\r\n\r\n",
	"a size beyond all":           chunked + "8000000000000000\r\ngood\r\n0\r\n\r\n",
	"a size below nothing":        chunked + "8000000000000000\r\n\r\n0\r\n\r\n", // were it of 64 bits with a sign
	"a size of 17 digits":         chunked + "00000000000000004\r\ngood\r\n0\r\n\r\n",
	"a size of 65 bits":           chunked + "10000000000000004\r\ngood\r\n0\r\n\r\n",
	"a size that ends in LF":      chunked + "4\ngood\r\n0\r\n\r\n",
	"a size with CR":              chunked + "4\r;\r\ngood\r\n0\r\n\r\n",
	"a size with NUL":             chunked + "4;\x00\r\ngood\r\n0\r\n\r\n",
	"a chunk that ends in LF":     chunked + "4\r\ngood\n0\r\n\r\n",
	"a chunk that does not end":   chunked + "4\r\ngood0\r\n\r\n",
	"a chunk that is longer":      chunked + "3\r\ngood\r\n0\r\n\r\n",
	"a chunk that is shorter":     chunked + "5\r\ngood\r\n0\r\n\r\n",
	"a last one that ends in LF":  chunked + "4\r\ngood\r\n0\n\r\n",
	"an end that is LF":           chunked + "4\r\ngood\r\n0\r\n\n",
	"a trailer that is none":      chunked + "4\r\ngood\r\n0\r\n" + secret + "\r\n\r\n",
	"an interim answer's header":  "HTTP/1.1 100 Continue\r\n" + secret + "\r\n\r\n" + ok + "\r\n",
	"an interim answer's length":  "HTTP/1.1 100 Continue\r\nContent-Length:\r\n\r\n" + ok + "\r\n",
	"only an interim answer":      "HTTP/1.1 100 Continue\r\n\r\ngood",
}

func TestResponsesThatAreRefused(t *testing.T) {
	for name, says := range refused {
		got, err := http1.ReadResponse(strings.NewReader(says), most)
		if err == nil || errors.Is(err, io.EOF) || got.Status != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// endless says one thing, then another for ever, and counts what is read.
type endless struct {
	io.Reader
	more string
	read int
}

func (e *endless) Read(b []byte) (int, error) {
	n, err := e.Reader.Read(b)
	if err == io.EOF {
		e.Reader = strings.NewReader(strings.Repeat(e.more, 1000))
		n, err = e.Reader.Read(b)
	}
	e.read += n
	return n, err
}

func TestResponsesWithoutEnd(t *testing.T) {
	const lines, buffer = 64 << 10, 4 << 10
	body := strings.Repeat("x", most)
	for _, c := range []struct {
		name, says, more string
		least, limit     int
		want             string // or an error
	}{
		{"until the end", ok + "\r\n", "x", most, most + buffer, body},
		{"a length", ok + "Content-Length: 9223372036854775807\r\n\r\n", "x", most, most + buffer, body},
		{"a chunk", chunked + "7FFFFFFFFFFFFFFF\r\n", "x", most, most + buffer, body},
		{"chunks", chunked, "1\r\nx\r\n", 6 * most, 6*most + buffer, body},
		{"a status line", "HTTP/1.1 200 ", "x", lines, lines + buffer, ""},
		{"a field", ok + "X: ", "x", lines, lines + buffer, ""},
		{"a header", ok, "X: y\r\n", lines, lines + buffer, ""},
		{"interim answers", "", "HTTP/1.1 103 Early Hints\r\n\r\n", lines, lines + buffer, ""},
		{"a size", chunked, "0", lines, lines + buffer, ""},
		{"an extension", chunked + "1;", "x", lines, lines + buffer, ""},
		{"extensions", chunked, "1;" + strings.Repeat("x", 200) + "\r\nx\r\n", lines, lines + 2*buffer, ""},
		{"a trailer", chunked + "0\r\nX: ", "x", lines, lines + buffer, ""},
		{"trailers", chunked + "0\r\n", "X: y\r\n", lines, lines + buffer, ""},
	} {
		e := &endless{Reader: strings.NewReader(c.says), more: c.more}
		got, err := http1.ReadResponse(e, most)
		if got.Body != c.want || (c.want == "") != (err != nil) {
			t.Errorf("%s: %d bytes, %v", c.name, len(got.Body), err)
		}
		if c.want == "" && (err == nil || !strings.Contains(err.Error(), "64 KiB")) {
			t.Errorf("%s: %v", c.name, err)
		}
		if e.read < c.least || e.read > c.limit {
			t.Errorf("%s: %d bytes were read, want %d to %d", c.name, e.read, c.least, c.limit)
		}
	}
}

// A header may be as long as is allowed, and not a byte longer.
func TestLongestHeader(t *testing.T) {
	for over := range 2 {
		head := ok + "X: " + strings.Repeat("x", 64<<10-len(ok)-len("X: \r\n\r\n")+over) + "\r\n\r\n"
		got, err := http1.ReadResponse(strings.NewReader(head+"good"), most)
		if over == 0 && (err != nil || got.Body != "good") || over > 0 && err == nil {
			t.Errorf("a header of %d bytes: %q, %v", len(head), got.Body, err)
		}
	}
}

func TestBodyOfTheMostBytes(t *testing.T) {
	body := strings.Repeat("x", most)
	for _, c := range []struct {
		says string
		want int
	}{
		{fmt.Sprintf("Content-Length: %d\r\n\r\n%s", most-1, body[1:]), most - 1},
		{fmt.Sprintf("Content-Length: %d\r\n\r\n%s", most, body), most},
		{fmt.Sprintf("Content-Length: %d\r\n\r\n%s", most+1, body+"x"), most},
		{"\r\n" + body[1:], most - 1},
		{"\r\n" + body + "x", most},
		{fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", most-1, body[1:]), most - 1},
		{fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n1\r\nx\r\n0\r\n\r\n", most, body), most},
		{fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%sx\r\n0\r\n\r\n", most+1, body), most},
	} {
		if got, err := http1.ReadResponse(strings.NewReader(ok+c.says), most); err != nil || len(got.Body) != c.want {
			t.Errorf("%.40q: %d bytes, %v; want %d", c.says, len(got.Body), err, c.want)
		}
	}
}

// What http1 reads, net/http reads too, and the same.
func FuzzReadResponse(f *testing.F) {
	for _, c := range good {
		f.Add([]byte(c.says))
	}
	for _, says := range refused {
		f.Add([]byte(says))
	}
	f.Fuzz(func(t *testing.T, says []byte) {
		if len(says) >= 4<<10 {
			return // net/http has other limits
		}
		got, err := http1.ReadResponse(bytes.NewReader(says), len(says)+1)
		if err != nil {
			if !reflect.DeepEqual(got, http1.Response{}) {
				t.Errorf("%+v, although %v", got, err)
			}
			return
		}
		if _, ok := got.Header["Trailer"]; ok {
			return // announces what http1 drops and net/http reads
		}
		from := bufio.NewReader(bytes.NewReader(says))
		want, err := http.ReadResponse(from, nil)
		for err == nil && want.StatusCode/100 == 1 {
			want, err = http.ReadResponse(from, nil)
		}
		if err != nil {
			t.Fatalf("%v, although %+v", err, got)
		}
		body, err := io.ReadAll(want.Body)
		if err != nil || got.Status != want.StatusCode || got.Body != string(body) {
			t.Errorf("%d %q, %v, although %+v", want.StatusCode, body, err, got)
		}
		// What net/http takes out, adds or makes one of.
		header := map[string][]string(want.Header)
		for _, h := range []map[string][]string{got.Header, header} {
			for _, name := range []string{"Transfer-Encoding", "Content-Length", "Connection", "Cache-Control"} {
				delete(h, name)
			}
		}
		if !maps.EqualFunc(got.Header, header, func(a, b []string) bool { return reflect.DeepEqual(a, b) }) {
			t.Errorf("%q, although %q", header, got.Header)
		}
	})
}
