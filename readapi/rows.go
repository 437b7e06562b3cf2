package readapi

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
)

// table is an export of rows of one type: as CSV, or as a JSON object a line.
type table[R any] struct {
	columns []string                           // the first line of the CSV
	fields  func(dst []string, row R) []string // appends a line of the CSV
}

// rows writes an export.
type rows[R any] interface {
	row(R) error
	end() error
}

// open begins an answer in the format that a request asks for. The caller releases
// the stream and finishes it.
func (t table[R]) open(w http.ResponseWriter, r *http.Request) (*stream, rows[R]) {
	if !accepts(r, csvType) {
		out := newStream(w, ndjson)
		return out, jsonRows[R]{json.NewEncoder(out)}
	}
	out := newStream(w, csvType)
	c := &csvRows[R]{table: t, w: csv.NewWriter(out)}
	_ = c.w.Write(t.columns) // an error shows at the end
	return out, c
}

type jsonRows[R any] struct{ enc *json.Encoder }

func (j jsonRows[R]) row(r R) error { return j.enc.Encode(r) }
func (j jsonRows[R]) end() error    { return nil }

type csvRows[R any] struct {
	table[R]
	w    *csv.Writer
	line []string
}

func (c *csvRows[R]) row(r R) error {
	c.line = c.fields(c.line[:0], r)
	return c.w.Write(c.line)
}

func (c *csvRows[R]) end() error {
	c.w.Flush()
	return c.w.Error()
}
