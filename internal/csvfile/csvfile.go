// Package csvfile reads CSV files, plain or gzipped, of any size in bounded
// memory: which column means which field, what a row says of it, and what is
// wrong with a row, by line and column. It talks to nobody.
package csvfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Mapping says which fields a kind of file has.
type Mapping struct {
	Fields   []string
	Required []string
	// Open is the beginning of fields whose rest is anybody's choice, such as
	// "attribute."; empty: there are none.
	Open string
}

// Parse reads which column is which field: "customer=customer_id,date=day". A
// column whose name has a comma cannot be named.
func (m Mapping) Parse(s string) (map[string]string, error) {
	columns := map[string]string{}
	for _, pair := range strings.Split(s, ",") {
		field, column, ok := strings.Cut(pair, "=")
		field, column = strings.TrimSpace(field), strings.TrimSpace(column)
		switch {
		case !ok || column == "":
			return nil, fmt.Errorf("%q is not a pair such as %s=COLUMN", pair, m.Fields[0])
		case !slices.Contains(m.Fields, field) && !m.isOpen(field):
			return nil, fmt.Errorf("there is no field %q; the fields are %s", field, strings.Join(m.names(), ", "))
		case columns[field] != "":
			return nil, fmt.Errorf("%s is mapped twice", field)
		}
		columns[field] = column
	}
	for _, field := range m.Required {
		if columns[field] == "" {
			return nil, fmt.Errorf("%s is not mapped; %s must be", field, list(m.Required))
		}
	}
	return columns, nil
}

func (m Mapping) isOpen(field string) bool {
	return m.Open != "" && strings.HasPrefix(field, m.Open) && field != m.Open
}

func (m Mapping) names() []string {
	if m.Open == "" {
		return m.Fields
	}
	return append(slices.Clone(m.Fields), m.Open+"KEY")
}

func list(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return names[0]
}

// ColumnError says that a file lacks a column that a field is mapped to.
type ColumnError struct {
	Field, Column string
	Header        []string // the columns there are
}

func (e *ColumnError) Error() string {
	return fmt.Sprintf("there is no column %q for %s; the columns are %s", e.Column, e.Field, strings.Join(e.Header, ", "))
}

// RowError says what is wrong with a row. Code is stable.
type RowError struct {
	Line   int
	Column string // of the file; empty if the row cannot be split into columns
	Code   string
	Detail string
	Record []string
}

func (e *RowError) Error() string {
	where := fmt.Sprintf("line %d", e.Line)
	if e.Column != "" {
		where += ", column " + e.Column
	}
	return where + ": " + e.Detail
}

// Record is one row of a file, split into columns.
type Record struct {
	Line   int // in the file, the header is 1
	Fields []string
	file   *File
}

// Value returns what the row says of a field, without white space around it; ""
// also if the field is not mapped.
func (r Record) Value(field string) string {
	if i, ok := r.file.index[field]; ok {
		return strings.TrimSpace(r.Fields[i])
	}
	return ""
}

// Mapped says whether a column is mapped to the field.
func (r Record) Mapped(field string) bool { return r.file.columns[field] != "" }

// Bad says that the row is wrong in the column of a field, "" for the whole row.
func (r Record) Bad(field, code, format string, args ...any) *RowError {
	return &RowError{Line: r.Line, Column: r.file.columns[field], Code: code, Detail: fmt.Sprintf(format, args...), Record: r.Fields}
}

// File is an open file. The caller closes it.
type File struct {
	Header []string
	Size   int64 // bytes on disk

	columns map[string]string // field to column name
	index   map[string]int    // field to column number
	order   []string          // the fields, by column number
	file    *os.File
	read    *counter
	csv     *csv.Reader
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Open opens a file whose fields stand in the given columns, and reads its
// header. A column that is not there is a *ColumnError.
func Open(path string, columns map[string]string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	file := &File{columns: columns, file: f, index: map[string]int{}}
	if err := file.start(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

func (f *File) start() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	f.Size = info.Size()
	f.read = &counter{r: f.file}
	buffered := bufio.NewReaderSize(f.read, 1<<16)
	var content io.Reader = buffered
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		if content, err = gzip.NewReader(buffered); err != nil {
			return err
		}
	}
	f.csv = csv.NewReader(content)
	f.csv.FieldsPerRecord = -1
	f.Header, err = f.csv.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty: a header line is needed")
	}
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	f.Header[0] = strings.TrimPrefix(f.Header[0], "\ufeff")
	for field, column := range f.columns {
		i := slices.Index(f.Header, column)
		if i < 0 {
			return &ColumnError{Field: field, Column: column, Header: f.Header}
		}
		f.index[field] = i
		f.order = append(f.order, field)
	}
	slices.SortFunc(f.order, func(a, b string) int {
		if f.index[a] != f.index[b] {
			return f.index[a] - f.index[b]
		}
		return strings.Compare(a, b)
	})
	return nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Done returns the bytes of the file read so far, of Size.
func (f *File) Done() int64 { return f.read.n }

// Records yields every row or, as a *RowError, what is wrong with it: another
// number of columns than the header's, quotes that do not end, text that is not
// UTF-8 in a mapped column. The rows after it follow. Any other error ends the
// iteration.
func (f *File) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			fields, err := f.csv.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
				if !yield(Record{}, &RowError{Line: parse.StartLine, Code: "row_malformed", Detail: parse.Err.Error()}) {
					return
				}
				continue
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
			line, _ := f.csv.FieldPos(0)
			r := Record{Line: line, Fields: fields, file: f}
			if bad := r.check(); bad != nil {
				if !yield(Record{}, bad) {
					return
				}
				continue
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (r Record) check() *RowError {
	if len(r.Fields) != len(r.file.Header) {
		return r.Bad("", "row_malformed", "%d columns, the header has %d", len(r.Fields), len(r.file.Header))
	}
	for _, field := range r.file.order {
		if !utf8.ValidString(r.Fields[r.file.index[field]]) {
			return r.Bad(field, "encoding_invalid", "not valid UTF-8")
		}
	}
	return nil
}

// Rows makes rows of records. What read says is wrong is yielded like what was
// wrong before.
func Rows[R any](f *File, read func(Record) (R, *RowError)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for record, err := range f.Records() {
			var row R
			if err == nil {
				if r, bad := read(record); bad != nil {
					err = bad
				} else {
					row = r
				}
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

var layouts = []string{"2006-01-02", time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04"}

// ParseTime reads a date or a time, which is meant in the zone where it names none.
func ParseTime(s string, zone *time.Location) (time.Time, error) {
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date such as 2006-01-02 or a time such as 2006-01-02T15:04:05Z", s)
}
