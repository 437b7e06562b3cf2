// Package orderfile reads orders from CSV files: which column means what, what
// a row says, and what is wrong with it, by column.
package orderfile

import (
	"fmt"
	"iter"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/csvfile"
)

// Format says how to read a file.
type Format struct {
	Columns  map[string]string // field (see Mapping) to column name
	Currency string            // ISO 4217
	Exponent int               // decimals of the currency: 2 for USD, 0 for JPY
	Zone     *time.Location    // in which the file's dates and times are meant
}

// Mapping is the fields a column may be mapped to.
var Mapping = csvfile.Mapping{
	Fields:   []string{"customer", "date", "amount", "order", "quantity", "sku", "channel"},
	Required: []string{"customer", "date", "amount"},
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

// File is an open file of orders. The caller closes it.
type File struct {
	*csvfile.File
	format Format
}

// Open opens a CSV file, plain or gzipped, and reads its header.
func Open(path string, format Format) (*File, error) {
	f, err := csvfile.Open(path, format.Columns)
	if err != nil {
		return nil, err
	}
	return &File{f, format}, nil
}

// Rows yields every row or, as a *csvfile.RowError, what is wrong with it; the
// rows after it follow. Any other error ends the iteration.
func (f *File) Rows() iter.Seq2[Row, error] { return csvfile.Rows(f.File, f.row) }

func (f *File) row(r csvfile.Record) (Row, *csvfile.RowError) {
	row := Row{
		Line: r.Line, Record: r.Fields,
		Customer: r.Value("customer"), Order: r.Value("order"), SKU: r.Value("sku"), Channel: r.Value("channel"),
	}
	if row.Customer == "" {
		return Row{}, r.Bad("customer", "customer_missing", "no customer")
	}
	if r.Mapped("order") && row.Order == "" {
		return Row{}, r.Bad("order", "order_missing", "no order id")
	}
	var err error
	if row.At, err = csvfile.ParseTime(r.Value("date"), f.format.Zone); err != nil {
		return Row{}, r.Bad("date", "date_invalid", "%v", err)
	}
	row.On = domain.DateOf(row.At, f.format.Zone)
	if row.Amount, err = ParseAmount(r.Value("amount"), f.format.Exponent); err != nil {
		return Row{}, r.Bad("amount", "amount_invalid", "%v", err)
	}
	if row.Amount < 0 {
		return Row{}, r.Bad("amount", "amount_negative", "%s is negative; refunds are not orders", r.Value("amount"))
	}
	if q := r.Value("quantity"); q != "" {
		if row.Quantity, err = strconv.ParseInt(q, 10, 64); err != nil || row.Quantity < 0 {
			return Row{}, r.Bad("quantity", "quantity_invalid", "%q is not a whole number from 0 up", q)
		}
	}
	return row, nil
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
