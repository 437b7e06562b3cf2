package readapi

import (
	"bufio"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Content types.
const (
	jsonType = "application/json"
	ndjson   = "application/x-ndjson"
	csvType  = "text/csv"
)

// stampHeaders are the headers of every answer that reflects a position.
var stampHeaders = []string{"Rapport-Position"}

// accepts says whether the request prefers a content type to JSON: it names the
// type, and JSON not before it.
func accepts(r *http.Request, contentType string) bool {
	for _, header := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(header, ",") {
			named, options, err := mime.ParseMediaType(part)
			if err != nil || options["q"] == "0" {
				continue
			}
			switch named {
			case contentType:
				return true
			case jsonType:
				return false
			}
		}
	}
	return false
}

func answerHeaders(w http.ResponseWriter, contentType string, position uint64) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store") // personal data, true of one position only
	h.Set("Rapport-Position", strconv.FormatUint(position, 10))
}

// writeJSON answers a query.
func writeJSON(w http.ResponseWriter, s Stamp, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return writeBytes(w, s, append(b, '\n'))
}

// writeBytes answers a query whose body is JSON already.
func writeBytes(w http.ResponseWriter, s Stamp, body []byte) error {
	answerHeaders(w, jsonType, s.Position)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, err := w.Write(body)
	return err
}

// stream writes a long answer. Until its buffer has run over for the first time
// nothing is sent, so that an early failure is still answered as a problem; after
// a late one the connection is cut, for nobody must take a part for the whole.
type stream struct {
	w           http.ResponseWriter
	contentType string
	buf         *bufio.Writer
	sent        bool
}

var streamBuffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 32<<10) }}

func newStream(w http.ResponseWriter, contentType string) *stream {
	s := &stream{w: w, contentType: contentType, buf: streamBuffers.Get().(*bufio.Writer)}
	s.buf.Reset(sender{s})
	return s
}

// sender is where the buffer runs over to.
type sender struct{ s *stream }

func (o sender) Write(p []byte) (int, error) {
	o.s.begin()
	return o.s.w.Write(p)
}

// begin sets the headers, once.
func (s *stream) begin() {
	if !s.sent {
		s.sent = true
		h := s.w.Header()
		h.Set("Content-Type", s.contentType)
		h.Set("Cache-Control", "no-store")
	}
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) { return s.buf.Write(p) }

// finish ends the answer, unless there was an error.
func (s *stream) finish(err error) error {
	if err != nil {
		return err
	}
	s.begin() // of an answer without a line too
	return s.buf.Flush()
}

// release gives the buffer back.
func (s *stream) release() {
	s.buf.Reset(nil)
	streamBuffers.Put(s.buf)
}
