package readapi

import (
	"strings"

	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/profile"
)

// particulars is the part of the question that asks what a customer is, beside
// name and origin.
type particulars struct {
	tag, kind string
	key, text string // of an attribute of the schema
}

func readParticulars(p *params) particulars {
	f := particulars{tag: customer.TagKey(p.text("tag")), kind: p.oneOf("kind", "", customer.Person, customer.Organisation)}
	if s := p.text("attribute"); s != "" {
		var ok bool
		if f.key, f.text, ok = strings.Cut(s, ":"); !ok || f.key == "" || f.text == "" {
			p.bad("attribute", "is not of the form key:value")
		}
	}
	return f
}

// stretches says which index finds them, nil if none does.
func (f particulars) stretches(in func(index, prefix string) stretch) (found []stretch) {
	switch {
	case f.key != "":
		for _, text := range profile.ValueTexts(f.text) {
			found = append(found, in(profile.IndexAttribute, profile.AttributeKey(f.key, text)+"\x00"))
		}
	case f.tag != "":
		found = []stretch{in(profile.IndexTag, f.tag+"\x00")}
	case f.kind == customer.Organisation:
		found = []stretch{in(profile.IndexKind, f.kind+"\x00")}
	}
	return found
}

// wants says whether a customer is as asked for.
func (f particulars) wants(d *profile.Document) bool {
	return (f.tag == "" || d.HasTag(f.tag)) && (f.kind == "" || d.Kind == f.kind) && (f.key == "" || d.HasAttribute(f.key, f.text))
}

var particularsParams = []web.Param{
	query("tag", "string", "", "Who carries this tag, whatever its case."),
	{Name: "kind", In: "query", Type: "string", Enum: []string{customer.Person, customer.Organisation}, Detail: "Persons or organisations."},
	query("attribute", "string", "", "Who has this value of an attribute of the schema: key:value."),
}
