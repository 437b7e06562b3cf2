package orderfile_test

import (
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/csvfile"
	"github.com/rapport-crm/rapport/internal/orderfile"
)

func format(t *testing.T, columns string) orderfile.Format {
	t.Helper()
	m, err := orderfile.Mapping.Parse(columns)
	if err != nil {
		t.Fatal(err)
	}
	return orderfile.Format{Columns: m, Currency: "USD", Exponent: 2, Zone: time.UTC}
}

func write(t *testing.T, content string, zip bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "orders.csv")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if zip {
		z := gzip.NewWriter(f)
		z.Write([]byte(content))
		z.Close()
		return path
	}
	f.WriteString(content)
	return path
}

// Every row is read or refused by line, column and code; the others follow.
func TestRows(t *testing.T) {
	const content = "id,day,total,cds\n" +
		"a,1997-01-01,12.50,2\n" +
		",1997-01-01,1.00,1\n" +
		"b,01/02/1997,1.00,1\n" +
		"b,1997-01-02,1.005,1\n" +
		"b,1997-01-02,-1.00,1\n" +
		"b,1997-01-02,1.00,many\n" +
		"b,1997-01-02\n" +
		"b\xff,1997-01-02,1.00,1\n" +
		"c,1997-01-03T23:30:00-05:00,0,1\n"
	for _, zip := range []bool{false, true} {
		f, err := orderfile.Open(write(t, content, zip), format(t, "customer=id,date=day,amount=total,quantity=cds"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var rows []orderfile.Row
		var bad []csvfile.RowError
		for row, err := range f.Rows() {
			if e := (*csvfile.RowError)(nil); errors.As(err, &e) {
				bad = append(bad, csvfile.RowError{Line: e.Line, Column: e.Column, Code: e.Code})
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row)
		}
		day := func(s string) domain.Date { d, _ := domain.ParseDate(s); return d }
		want := []orderfile.Row{
			{Line: 2, Customer: "a", On: day("1997-01-01"), Amount: 1250, Quantity: 2},
			{Line: 10, Customer: "c", On: day("1997-01-04"), Amount: 0, Quantity: 1},
		}
		if diff := cmp.Diff(want, rows, cmpopts.IgnoreFields(orderfile.Row{}, "At", "Record")); diff != "" {
			t.Error(diff)
		}
		wantBad := []csvfile.RowError{
			{Line: 3, Column: "id", Code: "customer_missing"},
			{Line: 4, Column: "day", Code: "date_invalid"},
			{Line: 5, Column: "total", Code: "amount_invalid"},
			{Line: 6, Column: "total", Code: "amount_negative"},
			{Line: 7, Column: "cds", Code: "quantity_invalid"},
			{Line: 8, Code: "row_malformed"},
			{Line: 9, Column: "id", Code: "encoding_invalid"},
		}
		if diff := cmp.Diff(wantBad, bad); diff != "" {
			t.Error(diff)
		}
	}
}

func TestColumnsAreNamed(t *testing.T) {
	for mapping, want := range map[string]string{
		"customer=a,date=b":                "amount is not mapped; customer, date and amount must be",
		"customer=a,date=b,amount=":        `"amount=" is not a pair such as customer=COLUMN`,
		"customer=a,date=b,amount=c,foo=d": `there is no field "foo"; the fields are customer, date, amount, order, quantity, sku, channel`,
		"customer=a,customer=b":            "customer is mapped twice",
	} {
		if _, err := orderfile.Mapping.Parse(mapping); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", mapping, err, want)
		}
	}
	path := write(t, "a,b,c\n", false)
	_, err := orderfile.Open(path, format(t, "customer=a,date=b,amount=x"))
	if want := path + `: there is no column "x" for amount; the columns are a, b, c`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestParseAmount(t *testing.T) {
	for _, test := range []struct {
		text     string
		exponent int
		want     int64
		ok       bool
	}{
		{"12.50", 2, 1250, true}, {"12", 2, 1200, true}, {"0.00", 2, 0, true}, {".5", 2, 50, true},
		{"1299", 0, 1299, true}, {"1.234", 3, 1234, true}, {"12.500", 2, 1250, true},
		{"1.5", 0, 0, false}, {"1e3", 2, 0, false}, {"1/3", 2, 0, false}, {"", 2, 0, false}, {"99999999999999999999", 2, 0, false},
	} {
		got, err := orderfile.ParseAmount(test.text, test.exponent)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("%q: %d, %v", test.text, got, err)
		}
	}
}
