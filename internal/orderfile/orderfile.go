// Package orderfile reads orders from CSV files: which column means what, what
// a row says, and what is wrong with it, by column. It reads any size in bounded
// memory and talks to nobody.
package orderfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rapport-crm/rapport/domain"
)

// Format says how to read a file.
type Format struct {
	Columns  map[string]string // field (see Fields) to column name
	Currency string            // ISO 4217
	Exponent int               // decimals of the currency: 2 for USD, 0 for JPY
	Zone     *time.Location    // in which the file's dates and times are meant
}

// The fields a column may be mapped to. The first three are required.
var Fields = []string{"customer", "date", "amount", "order", "quantity", "sku", "channel"}

// ParseColumns reads a mapping such as "customer=customer_id,date=day,amount=total".
func ParseColumns(s string) (map[string]string, error) {
	columns := map[string]string{}
	for _, pair := range strings.Split(s, ",") {
		field, column, ok := strings.Cut(pair, "=")
		field, column = strings.TrimSpace(field), strings.TrimSpace(column)
		switch {
		case !ok || column == "":
			return nil, fmt.Errorf("%q is not a pair such as customer=COLUMN", pair)
		case !slices.Contains(Fields, field):
			return nil, fmt.Errorf("there is no field %q; the fields are %s", field, strings.Join(Fields, ", "))
		case columns[field] != "":
			return nil, fmt.Errorf("%s is mapped twice", field)
		}
		columns[field] = column
	}
	for _, field := range Fields[:3] {
		if columns[field] == "" {
			return nil, fmt.Errorf("%s is not mapped; customer, date and amount must be", field)
		}
	}
	return columns, nil
}

// Row is one order of a file.
type Row struct {
	Line     int // in the file, the header is 1
	Customer string
	At       time.Time   // the start of the day when the file says no time
	On       domain.Date // the local date in the format's zone
	Amount   int64       // minor units
	Order    string      // empty without an order column
	Quantity int64       // 0 without a quantity column
	SKU      string
	Channel  string
	Record   []string // the row as the file has it
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

// File is an open file of orders. The caller closes it.
type File struct {
	format Format
	file   *os.File
	gz     *gzip.Reader
	read   *counter
	csv    *csv.Reader
	Header []string
	index  map[string]int // field to column number
	Size   int64          // bytes on disk
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

// Open opens a CSV file, plain or gzipped, and reads its header.
func Open(path string, format Format) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	file := &File{format: format, file: f, index: map[string]int{}}
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
		if f.gz, err = gzip.NewReader(buffered); err != nil {
			return err
		}
		content = f.gz
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
	for field, column := range f.format.Columns {
		i := slices.Index(f.Header, column)
		if i < 0 {
			return fmt.Errorf("there is no column %q for %s; the columns are %s", column, field, strings.Join(f.Header, ", "))
		}
		f.index[field] = i
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Read returns the bytes of the file read so far, of Size.
func (f *File) Read() int64 { return f.read.n }

// Rows yields every row or, as a *RowError, what is wrong with it; the rows after
// it follow. Any other error ends the iteration.
func (f *File) Rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for {
			record, err := f.csv.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
				if !yield(Row{}, &RowError{Line: parse.StartLine, Code: "row_malformed", Detail: parse.Err.Error()}) {
					return
				}
				continue
			}
			if err != nil {
				yield(Row{}, err)
				return
			}
			line, _ := f.csv.FieldPos(0)
			row, bad := f.row(line, record)
			if bad != nil {
				if !yield(Row{}, bad) {
					return
				}
				continue
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

func (f *File) row(line int, record []string) (Row, error) {
	bad := func(field, code, format string, args ...any) error {
		return &RowError{Line: line, Column: f.format.Columns[field], Code: code, Detail: fmt.Sprintf(format, args...), Record: record}
	}
	if len(record) != len(f.Header) {
		return Row{}, bad("", "row_malformed", "%d columns, the header has %d", len(record), len(f.Header))
	}
	value := func(field string) string {
		if i, ok := f.index[field]; ok {
			return strings.TrimSpace(record[i])
		}
		return ""
	}
	row := Row{Line: line, Record: record, Customer: value("customer"), Order: value("order"), SKU: value("sku"), Channel: value("channel")}
	for field, i := range f.index {
		if !utf8.ValidString(record[i]) {
			return Row{}, bad(field, "encoding_invalid", "not valid UTF-8")
		}
	}
	if row.Customer == "" {
		return Row{}, bad("customer", "customer_missing", "no customer")
	}
	if _, mapped := f.index["order"]; mapped && row.Order == "" {
		return Row{}, bad("order", "order_missing", "no order id")
	}
	var err error
	if row.At, err = parseTime(value("date"), f.format.Zone); err != nil {
		return Row{}, bad("date", "date_invalid", "%v", err)
	}
	row.On = domain.DateOf(row.At, f.format.Zone)
	if row.Amount, err = ParseAmount(value("amount"), f.format.Exponent); err != nil {
		return Row{}, bad("amount", "amount_invalid", "%v", err)
	}
	if row.Amount < 0 {
		return Row{}, bad("amount", "amount_negative", "%s is negative; refunds are not orders", value("amount"))
	}
	if q := value("quantity"); q != "" {
		if row.Quantity, err = strconv.ParseInt(q, 10, 64); err != nil || row.Quantity < 0 {
			return Row{}, bad("quantity", "quantity_invalid", "%q is not a whole number from 0 up", q)
		}
	}
	return row, nil
}

var layouts = []string{"2006-01-02", time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04"}

func parseTime(s string, zone *time.Location) (time.Time, error) {
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date such as 2006-01-02 or a time such as 2006-01-02T15:04:05Z", s)
}

// ParseAmount reads a decimal number of major units as minor units, exactly.
func ParseAmount(s string, exponent int) (int64, error) {
	if len(s) > 40 || strings.ContainsAny(s, "eE/_xXpP") {
		return 0, fmt.Errorf("%.40q is not an amount such as 12.50", s)
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, fmt.Errorf("%q is not an amount such as 12.50", s)
	}
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)))
	if !r.IsInt() {
		return 0, fmt.Errorf("%s has more than %d decimals", s, exponent)
	}
	if !r.Num().IsInt64() {
		return 0, fmt.Errorf("%s is too large", s)
	}
	return r.Num().Int64(), nil
}
