package readapi

import (
	"slices"
	"strings"

	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/profile"
)

// contactFilter is the part of the question that asks where a customer is reached.
type contactFilter struct {
	names []reservation.Name // normalised, of one type each
	keys  []string           // the same, as they stand in the index
}

func readContactFilter(p *params) (f contactFilter) {
	if s := p.text("email"); s != "" {
		f.add(p, "email", customer.TypeEmail, s)
	}
	if s := p.text("phone"); s != "" {
		// The plus of a query that was not escaped is a space.
		if digits := strings.TrimLeft(s, " "); digits != s {
			s = "+" + digits
		}
		f.add(p, "phone", customer.TypePhone, s)
	}
	return f
}

func (f *contactFilter) add(p *params, param, kind, value string) {
	normalized, problem := customer.NormalizeContact(kind, value, "")
	if problem != "" {
		// A query has no region, so the advice to give one leads nowhere.
		problem, _, _ = strings.Cut(problem, "; a national one")
		p.bad(param, "%s", problem)
		return
	}
	f.names = append(f.names, customer.ContactName(kind, normalized))
}

// hashed returns the filter with what is looked up: the values themselves stand nowhere.
func (f contactFilter) hashed(lookup func(kind, value string) string) contactFilter {
	f.keys = nil
	for _, n := range f.names {
		f.keys = append(f.keys, profile.ContactKey(n.Kind, lookup(n.Kind, n.Value)))
	}
	return f
}

// stretches says which index finds them, nil if none does.
func (f contactFilter) stretches(in func(index, prefix string) stretch) []stretch {
	if len(f.keys) == 0 {
		return nil
	}
	return []stretch{in(profile.IndexContact, f.keys[0]+"\x00")}
}

// wants says whether a customer is reached there.
func (f contactFilter) wants(d *profile.Document) bool {
	for _, key := range f.keys {
		if !slices.ContainsFunc(d.ContactPoints, func(c customer.ContactPoint) bool { return profile.ContactKey(c.Type, c.Lookup) == key }) {
			return false
		}
	}
	return true
}

var contactParams = []web.Param{
	query("email", "string", "", "Who is reached at this e-mail address, whatever its case. `sort` does not apply to the few there are."),
	query("phone", "string", "", "Who is reached at this phone number, written with its country code: +49 30 901820. `sort` does not apply to the few there are."),
}
