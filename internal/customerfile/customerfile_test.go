package customerfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rapport-crm/rapport/internal/csvfile"
	"github.com/rapport-crm/rapport/internal/customerfile"
)

// Every row is read or refused by line, column and code; the others follow.
func TestRows(t *testing.T) {
	const content = "id,name,mail,tel,dob,land,labels,kind,since,size\n" +
		`1, Ada ,Ada@Example.com,030 901820,1990-12-10,de,"vip; tea, TEA|x",Person,2026-01-05 10:00,7` + "\n" +
		"2,Bo,,+1 212-555-0123,,,,,,\n" +
		",Nobody,,,,,,,,\n" +
		"4,No,mail at home,,,,,,,\n" +
		"5,No,,030 901820,,,,,,\n" +
		"6,No,,,10.12.1990,,,,,\n" +
		"7,No,,,,,,,yesterday,\n" +
		"8,No,,,,XY,,,,\n" +
		"9,No\n" +
		"10,\xff,,,,,,,,\n" +
		"11,,,,,,,,,\n"
	columns, err := customerfile.Mapping.Parse("customer=id,given=name,email=mail,phone=tel,birth_date=dob,country=land,tags=labels,kind=kind,registered_at=since,attribute.size=size")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "customers.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	zone := time.FixedZone("", 3600)
	f, err := customerfile.Open(path, customerfile.Format{Columns: columns, Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []customerfile.Row
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
	since := time.Date(2026, 1, 5, 10, 0, 0, 0, zone)
	want := []customerfile.Row{
		{
			Line: 2, Customer: "1",
			Values: map[string]string{"given": "Ada", "birth_date": "1990-12-10", "country": "DE", "kind": "person", "attribute.size": "7"},
			Email:  customerfile.Contact{Value: "Ada@Example.com", Normalized: "ada@example.com"},
			Phone:  customerfile.Contact{Value: "030 901820", Normalized: "+4930901820"},
			Tags:   []string{"vip", "tea", "x"}, RegisteredAt: &since,
		},
		{Line: 3, Customer: "2", Values: map[string]string{"given": "Bo"}, Phone: customerfile.Contact{Value: "+1 212-555-0123", Normalized: "+12125550123"}},
		{Line: 12, Customer: "11", Values: map[string]string{}},
	}
	if diff := cmp.Diff(want, rows, cmpopts.IgnoreFields(customerfile.Row{}, "Record")); diff != "" {
		t.Error(diff)
	}
	wantBad := []csvfile.RowError{
		{Line: 4, Column: "id", Code: "customer_missing"},
		{Line: 5, Column: "mail", Code: "email_invalid"},
		{Line: 6, Column: "tel", Code: "phone_invalid"},
		{Line: 7, Column: "dob", Code: "date_invalid"},
		{Line: 8, Column: "since", Code: "date_invalid"},
		{Line: 9, Column: "land", Code: "country_invalid"},
		{Line: 10, Code: "row_malformed"},
		{Line: 11, Column: "name", Code: "encoding_invalid"},
	}
	if diff := cmp.Diff(wantBad, bad); diff != "" {
		t.Error(diff)
	}
}

func TestColumnsAreNamed(t *testing.T) {
	for mapping, want := range map[string]string{
		"email=a":                          "customer is not mapped; customer must be",
		"customer=a,attribute.=b":          `there is no field "attribute."; the fields are customer, kind, given, family, display, organisation, email, phone, birth_date, gender, address, postal_code, city, region, country, locale, currency, time_zone, tags, channel, registered_at, attribute.KEY`,
		"customer=a,attribute.x=":          `"attribute.x=" is not a pair such as customer=COLUMN`,
		"customer=a,tags=x,customer=other": "customer is mapped twice",
	} {
		if _, err := customerfile.Mapping.Parse(mapping); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", mapping, err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "customers.csv")
	if err := os.WriteFile(path, []byte("\ufeffa,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := customerfile.Open(path, customerfile.Format{Columns: map[string]string{"customer": "a", "email": "c"}})
	missing := (*csvfile.ColumnError)(nil)
	if !errors.As(err, &missing) || missing.Error() != `there is no column "c" for email; the columns are a, b` {
		t.Errorf("%v", err)
	}
}
