package reservation

import (
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Name is a name that may belong to one customer only, in clear.
type Name struct {
	Kind, Value string
	// Shared says that several customers may have it: it is looked up, not claimed.
	Shared bool
}

// Claim is a claim on a name, as the customer's stream confirms it. Lookup is the
// keyed hash of the name; ID is empty where several customers may have it.
type Claim struct {
	Kind, Lookup, ID string
	// Objected says that an earlier holder objected to being contacted and was erased.
	Objected bool
}

// ErrTaken is the refusal of a name of a kind that belongs to somebody else.
func ErrTaken(kind string) *domain.Error {
	return &domain.Error{Kind: domain.Conflict, Code: kind + "_taken"}
}

// Taken refuses a name of a kind and says who holds it.
func Taken(kind string, holder uuid.UUID) *domain.Error {
	what := strings.ReplaceAll(kind, "_", " ")
	switch kind {
	case "email":
		what = "e-mail address"
	case "phone":
		what = "phone number"
	}
	e := ErrTaken(kind).With("the %s belongs to the customer %s", what, holder)
	e.Holder = holder.String()
	return e
}

// Take claims a free name. Over is a claim of somebody else that was abandoned
// and may be taken over.
type Take struct {
	Claim
	Customer uuid.UUID
	Until    time.Time
	Over     string
}

// Stream implements domain.Command.
func (c Take) Stream() string { return Stream(c.Kind, c.Lookup) }

// Decide implements domain.Command. The same claim again is nothing to do. What the
// customer claimed before, in another attempt that broke off, they claim anew:
// the attempt, should it still be under way, sees that the name is not its own to give back.
func (c Take) Decide(s State) ([]Event, error) {
	if s.Held && s.Claim == c.ID {
		return nil, nil
	}
	if s.Held && s.Customer != c.Customer && (c.Over == "" || s.Claim != c.Over) {
		return nil, Taken(c.Kind, s.Customer)
	}
	return []Event{Claimed{Claim: c.ID, Customer: c.Customer, Until: c.Until.UTC()}}, nil
}
