package reservation

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Name is a name that may belong to one customer only, in clear.
type Name struct{ Kind, Value string }

// Claim is a claim on a name, as the customer's stream confirms it. Lookup is the
// keyed hash of the name.
type Claim struct{ Kind, Lookup, ID string }

// ErrTaken is the refusal of a name of a kind that belongs to somebody else.
func ErrTaken(kind string) *domain.Error {
	return &domain.Error{Kind: domain.Conflict, Code: kind + "_taken"}
}

// Taken refuses a name of a kind and says who holds it.
func Taken(kind string, holder uuid.UUID) *domain.Error {
	e := ErrTaken(kind).With("it belongs to the customer %s", holder)
	e.Holder = holder.String()
	return e
}

// Take claims a free name. Over is a lapsed claim that was abandoned and may be
// taken over.
type Take struct {
	Claim
	Customer uuid.UUID
	Until    time.Time
	Over     string
}

// Stream implements domain.Command.
func (c Take) Stream() string { return Stream(c.Kind, c.Lookup) }

// Decide implements domain.Command. A name that the customer holds already is
// nothing to do, unless that claim is the one to take over.
func (c Take) Decide(s State) ([]Event, error) {
	if s.Held && (c.Over == "" || s.Claim != c.Over) {
		if s.Customer == c.Customer {
			return nil, nil
		}
		return nil, Taken(c.Kind, s.Customer)
	}
	return []Event{Claimed{Claim: c.ID, Customer: c.Customer, Until: c.Until.UTC()}}, nil
}
