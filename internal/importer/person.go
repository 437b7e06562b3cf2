package importer

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/csvfile"
	"github.com/rapport-crm/rapport/internal/customerfile"
)

// person is a row of a file of customers and what it says in commands.
type person struct {
	customerfile.Row
	id         uuid.UUID // derived from source and external id
	attributes map[string]attribute.Value
	superseded bool // a later row is about the same customer
}

// readPerson reads the attributes of a row by the schema.
func (r *customersRun) readPerson(row customerfile.Row) (person, *csvfile.RowError) {
	p := person{Row: row, id: derive(customers, r.Source, row.Customer)}
	for _, key := range r.keys {
		field := customerfile.Attribute + key
		text := row.Values[field]
		if text == "" {
			continue
		}
		a := r.schema[key]
		if a.Type == attribute.Boolean {
			text = strings.ToLower(text)
		}
		value := attribute.Of(a.Type, text)
		if _, problem := a.Take(value); problem != "" {
			return p, &csvfile.RowError{Line: row.Line, Column: r.Format.Columns[field], Code: "attribute_invalid", Detail: problem, Record: row.Record}
		}
		if p.attributes == nil {
			p.attributes = map[string]attribute.Value{}
		}
		p.attributes[key] = value
	}
	return p, nil
}

// value returns what the row says of a field, nil if nothing.
func (p person) value(field string) *string {
	if text, ok := p.Values[field]; ok {
		return &text
	}
	return nil
}

func (p person) demographics() (d customer.DemographicsPatch, any bool) {
	d = customer.DemographicsPatch{
		BirthDate: p.value("birth_date"), Gender: p.value("gender"), Address: p.value("address"), PostalCode: p.value("postal_code"),
		City: p.value("city"), Region: p.value("region"), Country: p.value("country"),
	}
	return d, d != customer.DemographicsPatch{}
}

// points are the contact points that the row names, and the field of each.
func (p person) points() (list []customer.NewContactPoint, fields []string) {
	if p.Email.Value != "" {
		list, fields = append(list, customer.NewContactPoint{Type: customer.TypeEmail, Value: p.Email.Value}), append(fields, "email")
	}
	if p.Phone.Value != "" {
		list = append(list, customer.NewContactPoint{Type: customer.TypePhone, Value: p.Phone.Value, Region: p.Values["country"]})
		fields = append(fields, "phone")
	}
	return list, fields
}

// registration is the command that makes the person known.
func (p person) registration(source string) customer.Register {
	c := customer.Register{
		CustomerID: p.id, Kind: p.Values["kind"],
		Name:   customer.Name{Given: p.Values["given"], Family: p.Values["family"], Display: p.Values["display"], Organisation: p.Values["organisation"]},
		Source: customer.Source{Channel: p.Values["channel"], Detail: source},
		Locale: p.Values["locale"], Currency: p.Values["currency"], TimeZone: p.Values["time_zone"],
		ExternalIDs:  []customer.ExternalID{{System: source, ID: p.Customer}},
		RegisteredAt: p.RegisteredAt, Tags: p.Tags, Attributes: p.attributes,
	}
	if c.Kind == "" {
		c.Kind = customer.Person
	}
	if c.Source.Channel == "" {
		c.Source.Channel = "import"
	}
	if d, any := p.demographics(); any {
		c.Demographics = &d
	}
	c.ContactPoints, _ = p.points()
	return c
}

// update is one command that brings a known customer to what a row says. Field
// is what of the row it is about, empty if the pointers of a refusal say so.
type update struct {
	name  string
	body  any
	field string
}

// updates are the commands that bring a known customer to what the row says. What
// the row does not say stays as it is.
func (p person) updates() (list []update) {
	profile := customer.UpdateProfile{Locale: p.value("locale"), Currency: p.value("currency"), TimeZone: p.value("time_zone")}
	name := customer.NamePatch{Given: p.value("given"), Family: p.value("family"), Display: p.value("display"), Organisation: p.value("organisation")}
	if name != (customer.NamePatch{}) {
		profile.Name = &name
	}
	if profile.Name != nil || profile.Locale != nil || profile.Currency != nil || profile.TimeZone != nil {
		list = append(list, update{"update-profile", profile, ""})
	}
	if d, any := p.demographics(); any {
		list = append(list, update{"update-demographics", customer.UpdateDemographics{DemographicsPatch: d}, ""})
	}
	points, fields := p.points()
	for i, point := range points {
		list = append(list, update{"add-contact-point", customer.AddContactPoint{NewContactPoint: point}, fields[i]})
	}
	for _, tag := range p.Tags {
		list = append(list, update{"add-tag", customer.AddTag{Tag: tag}, "tags"})
	}
	for _, key := range slices.Sorted(maps.Keys(p.attributes)) {
		list = append(list, update{"set-attribute", customer.SetAttribute{Key: key, Value: p.attributes[key]}, customerfile.Attribute + key})
	}
	return list
}

// fieldOf returns the field of the file that a pointer into a command's body is about.
func (p person) fieldOf(pointer string) string {
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	switch parts[0] {
	case "contact_points":
		if _, fields := p.points(); len(parts) > 1 && len(parts[1]) == 1 && int(parts[1][0]-'0') < len(fields) {
			return fields[parts[1][0]-'0']
		}
	case "external_ids":
		return "customer"
	case "tags":
		return "tags"
	case "attributes":
		return customerfile.Attribute + strings.Join(parts[1:], "/")
	}
	return parts[len(parts)-1] // name.given, demographics.birth_date, source.channel and all that stands on top
}

// mustJSON writes a command's body.
func mustJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // commands are structs of text, and attribute values were checked
	}
	return b
}
