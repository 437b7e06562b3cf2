// Package customerfile reads customers from CSV files: which column means what,
// what a row says of somebody, and what is wrong with it, by column.
package customerfile

import (
	"iter"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/csvfile"
)

// Attribute is the beginning of the fields that are attributes of the schema.
const Attribute = "attribute."

// Mapping is the fields a column may be mapped to.
var Mapping = csvfile.Mapping{
	Fields: []string{
		"customer", "kind", "given", "family", "display", "organisation", "email", "phone", "birth_date", "gender",
		"address", "postal_code", "city", "region", "country", "locale", "currency", "time_zone", "tags", "channel", "registered_at",
	},
	Required: []string{"customer"},
	Open:     Attribute,
}

// Format says how to read a file.
type Format struct {
	Columns map[string]string // field (see Mapping) to column name
	Zone    *time.Location    // in which the file's dates and times are meant
}

// Row is one customer of a file. What the file does not say is empty.
type Row struct {
	Line         int // in the file, the header is 1
	Customer     string
	Values       map[string]string // by field: what is not empty, and not named below
	Email, Phone Contact
	Tags         []string
	RegisteredAt *time.Time
	Record       []string // the row as the file has it
}

// Contact is a contact point as it stands in the file and as it is compared.
type Contact struct{ Value, Normalized string }

// File is an open file of customers. The caller closes it.
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
	row := Row{Line: r.Line, Record: r.Fields, Customer: r.Value("customer"), Values: map[string]string{}}
	if row.Customer == "" {
		return Row{}, r.Bad("customer", "customer_missing", "no customer")
	}
	for field := range f.format.Columns {
		if value := r.Value(field); value != "" {
			row.Values[field] = value
		}
	}
	for _, field := range []string{"customer", "email", "phone", "tags", "registered_at"} {
		delete(row.Values, field)
	}
	if bad := row.dates(r, f.format.Zone); bad != nil {
		return Row{}, bad
	}
	if country := strings.ToUpper(row.Values["country"]); country != "" {
		if !domain.IsCountry(country) {
			return Row{}, r.Bad("country", "country_invalid", "%.40q is not a country of ISO 3166-1 in two letters, such as DE", row.Values["country"])
		}
		row.Values["country"] = country
	}
	for _, field := range []string{"kind", "gender"} {
		if value, ok := row.Values[field]; ok {
			row.Values[field] = strings.ToLower(value)
		}
	}
	row.tags(r.Value("tags"))
	return row, row.contacts(r)
}

func (row *Row) dates(r csvfile.Record, zone *time.Location) *csvfile.RowError {
	if born := row.Values["birth_date"]; born != "" {
		at, err := csvfile.ParseTime(born, zone)
		if err != nil {
			return r.Bad("birth_date", "date_invalid", "%v", err)
		}
		row.Values["birth_date"] = domain.DateOf(at, at.Location()).String()
	}
	if since := r.Value("registered_at"); since != "" {
		at, err := csvfile.ParseTime(since, zone)
		if err != nil {
			return r.Bad("registered_at", "date_invalid", "%v", err)
		}
		row.RegisteredAt = &at
	}
	return nil
}

// tags splits a cell at semicolons, commas and bars.
func (row *Row) tags(cell string) {
	seen := map[string]bool{}
	for _, tag := range strings.FieldsFunc(cell, func(r rune) bool { return r == ';' || r == ',' || r == '|' }) {
		if tag = strings.TrimSpace(tag); tag != "" && !seen[customer.TagKey(tag)] {
			row.Tags, seen[customer.TagKey(tag)] = append(row.Tags, tag), true
		}
	}
}

// contacts reads e-mail address and phone number. A number without a country code
// is one of the row's country.
func (row *Row) contacts(r csvfile.Record) *csvfile.RowError {
	for _, c := range []struct {
		kind, code string
		into       *Contact
	}{{customer.TypeEmail, "email_invalid", &row.Email}, {customer.TypePhone, "phone_invalid", &row.Phone}} {
		value := r.Value(c.kind)
		if value == "" {
			continue
		}
		normalized, problem := customer.NormalizeContact(c.kind, value, row.Values["country"])
		if problem != "" {
			return r.Bad(c.kind, c.code, "%.100q %s", value, problem)
		}
		*c.into = Contact{value, normalized}
	}
	return nil
}
