package projections

import "github.com/rapport-crm/rapport/domain/customer"

// RecordOf returns an event of a customer with what explains it, as the parts of a
// customer fold it; false: it is none.
func RecordOf(e Event) (customer.Record, bool) {
	fact, ok := e.Data.(customer.Event)
	return customer.Record{
		Event: fact, ID: e.ID, Revision: e.Revision, Actor: e.Meta.Actor,
		OccurredAt: e.Meta.OccurredAt, Causation: e.Meta.Causation, Policies: e.Meta.Policies,
	}, ok
}
