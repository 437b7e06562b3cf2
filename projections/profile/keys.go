package profile

import (
	"slices"

	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
)

// The indexes of what customers are told apart by. Tags and the values of
// attributes are personal data; they go when they go from the document.
const (
	IndexKind      = "kind"      // organisations, which are few; persons are found among all
	IndexTag       = "tag"       // customer.TagKey of each tag
	IndexAttribute = "attribute" // key and value of each attribute of the schema: AttributeKey
)

// particulars says where a document stands in these indexes.
func particulars(places []projections.Place, d *Document) []projections.Place {
	if d.Kind == customer.Organisation && !d.RegisteredAt.IsZero() {
		places = append(places, projections.Place{Index: IndexKind, Key: d.Kind})
	}
	for _, tag := range d.Tags {
		places = append(places, projections.Place{Index: IndexTag, Key: clean(customer.TagKey(tag))})
	}
	for key, value := range d.Attributes {
		places = append(places, projections.Place{Index: IndexAttribute, Key: AttributeKey(key, value.Text())})
	}
	return places
}

// AttributeKey returns the key in IndexAttribute of an attribute whose value is
// kept as a text. Of a long text it has the beginning only.
func AttributeKey(key, text string) string {
	if len(text) > maxKey {
		runes := []rune(text)
		text = string(runes[:min(len(runes), maxKey)])
	}
	return key + "=" + clean(text)
}

// HasAttribute says whether an attribute has the value that a text means: 1.50
// is the number 1.5.
func (d *Document) HasAttribute(key, text string) bool {
	v, ok := d.Attributes[key]
	if !ok {
		return false
	}
	return slices.Contains(ValueTexts(text), v.Text()) && (v.Text() == text || v[0] != '"')
}

// ValueTexts returns the texts by which a value may be kept that somebody writes
// as text: as it is, and as a number is kept.
func ValueTexts(text string) []string {
	if number, ok := attribute.Decimal(text); ok && number != text {
		return []string{text, number}
	}
	return []string{text}
}
