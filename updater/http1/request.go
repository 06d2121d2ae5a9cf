package http1

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Request is what a server is asked.
type Request struct {
	Method string
	URL    *url.URL
	Header Header // besides Host, Connection and Content-Length
	Body   string
}

// NewRequest makes a request without a header. It fails if the address cannot
// be read.
func NewRequest(method, address, body string) (*Request, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("its address cannot be read")
	}
	u.Host = strings.TrimSuffix(u.Host, ":") // an empty port (RFC 3986, section 6.2.3)
	return &Request{method, u, Header{}, body}, nil
}

// SetBasicAuth adds the credentials of RFC 7617.
func (r *Request) SetBasicAuth(user, password string) {
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// Bytes returns the request as it is sent (RFC 9112, section 2.1): with the wish
// that the server close the connection after the answer, and no offer to take it
// compressed. A control character before the body is an error, and a space in the
// address: it could begin another request, or end this one's first line.
func (r *Request) Bytes() ([]byte, error) {
	name := r.URL.Hostname()
	bare, _, _ := strings.Cut(name, "%") // a zone is nothing to the server (RFC 6874)
	host := strings.Replace(r.URL.Host, name, strings.ToLower(bare), 1)
	target := r.URL.RequestURI()
	if strings.Contains(target, " ") {
		return nil, errors.New("a space is in the request's address")
	}
	lines := []string{r.Method + " " + target + " HTTP/1.1", "Host: " + host, "Connection: close"}
	if r.Body != "" || r.Method != MethodGet {
		lines = append(lines, "Content-Length: "+strconv.Itoa(len(r.Body)))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			lines = append(lines, name+": "+value)
		}
	}
	if slices.ContainsFunc(lines, func(l string) bool { return !isText(l) }) {
		return nil, errors.New("a control character is in the request's header")
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n" + r.Body), nil
}
