package customer

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// Ownership is who looks after a customer. A customer whom nobody owns is in the
// pool, from their registration on.
type Ownership struct {
	Owner   string    `json:"owner,omitempty"` // an employee; absent: the customer is in the pool
	Role    string    `json:"role,omitempty"`  // as what they look after the customer
	Since   time.Time `json:"since,omitzero"`
	EventID uuid.UUID `json:"event_id,omitzero"` // what decided who the owner is, or that there is none
	Seat    string    `json:"seat,omitempty"`    // the owner's, in their portfolio

	PreviousOwner string      `json:"previous_owner,omitempty"`
	ReleasedAt    time.Time   `json:"released_at,omitzero"` // since when the customer is in the pool again
	KeyAccount    *KeyAccount `json:"key_account,omitempty"`
	Handover      *Handover   `json:"handover,omitempty"`    // under way
	HandedOver    *HandedOver `json:"handed_over,omitempty"` // how the owner came to be
}

// KeyAccount is why a customer is looked after with more than the usual care.
type KeyAccount struct {
	Level    string    `json:"level"`
	Criteria string    `json:"criteria,omitempty"`
	Since    time.Time `json:"since"`
	EventID  uuid.UUID `json:"event_id,omitzero"`
}

// Handover is a handover under way.
type Handover struct {
	HandoverID uuid.UUID `json:"handover_id"`
	To         string    `json:"to"`
	Seat       string    `json:"seat,omitempty"` // kept for the customer in the portfolio of To
	Since      time.Time `json:"since"`
	EventID    uuid.UUID `json:"event_id,omitzero"`
}

// HandedOver is the handover by which a customer came to the owner.
type HandedOver struct {
	HandoverID   uuid.UUID `json:"handover_id"`
	IntroducedAt time.Time `json:"introduced_at,omitzero"`
	Channel      string    `json:"channel,omitempty"` // by which the new owner was introduced
}

// Fold brings it up to date with an event. What it points to is never changed.
func (x *Ownership) Fold(r Record) {
	switch e := r.Event.(type) {
	case OwnerAssigned:
		if e.To != x.Owner {
			x.own(e.To, e.AssignedAt)
			x.Seat = e.Seat
		}
		x.Role, x.EventID, x.HandedOver = e.Role, r.ID, nil
		if e.HandoverID != uuid.Nil {
			x.Handover, x.HandedOver = nil, &HandedOver{HandoverID: e.HandoverID}
		}
	case CustomerClaimed:
		x.own(e.By, e.ClaimedAt)
		x.Role, x.Seat, x.EventID, x.HandedOver = e.Role, e.Seat, r.ID, nil
	case CustomerReleased:
		x.PreviousOwner, x.ReleasedAt, x.EventID = x.Owner, e.ReleasedAt, r.ID
		x.Owner, x.Role, x.Since, x.Seat, x.HandedOver = "", "", time.Time{}, "", nil
	case KeyAccountDesignated:
		x.KeyAccount = &KeyAccount{e.Level, e.Criteria, e.DesignatedAt, r.ID}
	case KeyAccountRevoked:
		x.KeyAccount = nil
	case HandoverOpened:
		x.Handover = &Handover{e.HandoverID, e.To, e.Seat, e.OpenedAt, r.ID}
	case HandoverClosed:
		x.Handover = nil
	case SuccessorIntroduced:
		x.HandedOver = &HandedOver{e.HandoverID, e.IntroducedAt, e.Channel}
	case PersonalDataErased:
		*x = Ownership{} // there is nobody left to look after
	}
}

// own makes an employee the owner.
func (x *Ownership) own(employee string, at time.Time) {
	if x.Owner != "" {
		x.PreviousOwner = x.Owner
	}
	x.Owner, x.Since, x.ReleasedAt = employee, at, time.Time{}
}

// InPool says whether nobody owns the customer.
func (x Ownership) InPool() bool { return x.Owner == "" }

// Sits says whether the customer has a right to a seat in the portfolio of an employee.
func (x Ownership) Sits(employee string) bool {
	return x.Owner == employee || x.Handover != nil && x.Handover.To == employee
}

// settled is when the last thing was said about who looks after the customer:
// nothing is decided of an earlier time.
func (x Ownership) settled() time.Time {
	last := x.Since
	for _, t := range []time.Time{x.ReleasedAt, x.key().Since, x.open().Since, x.handedOver().IntroducedAt} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

func (x Ownership) key() KeyAccount {
	if x.KeyAccount == nil {
		return KeyAccount{}
	}
	return *x.KeyAccount
}

func (x Ownership) open() Handover {
	if x.Handover == nil {
		return Handover{}
	}
	return *x.Handover
}

func (x Ownership) handedOver() HandedOver {
	if x.HandedOver == nil {
		return HandedOver{}
	}
	return *x.HandedOver
}

// Why somebody does not become, or stop being, the owner.
var (
	ErrOwned         = &domain.Error{Kind: domain.Conflict, Code: "customer_owned"}
	ErrNotOwned      = &domain.Error{Kind: domain.Conflict, Code: "customer_not_owned"}
	ErrHandoverOpen  = &domain.Error{Kind: domain.Conflict, Code: "handover_open"}
	ErrOwnRecord     = &domain.Error{Kind: domain.Conflict, Code: "owner_is_customer"}
	ErrCoolDown      = &domain.Error{Kind: domain.Conflict, Code: "claim_cool_down"}
	ErrNoOwner       = &domain.Error{Kind: domain.Conflict, Code: "customer_without_owner"}
	ErrNotOwner      = &domain.Error{Kind: domain.Forbidden, Code: "not_the_owner"}
	ErrNotHandedOver = &domain.Error{Kind: domain.Conflict, Code: "not_handed_over"}
)

// owned refuses because of the owner, and says who that is.
func owned(refusal *domain.Error, owner string) *domain.Error {
	e := refusal.With("the customer is owned by %s", owner)
	if owner == "" {
		e = refusal.With("the customer is in the pool")
	}
	e.Holder = owner
	return e
}

// free refuses while a handover is under way.
func (x Ownership) free() error {
	if x.Handover == nil {
		return nil
	}
	e := ErrHandoverOpen.With("the handover %s to %s must end first", x.Handover.HandoverID, x.Handover.To)
	e.Holder = x.Handover.HandoverID.String()
	return e
}

// ownedAt is when something is decided about who looks after the customer: now,
// and never before what was decided last.
func (s State) ownedAt(of domain.Subject) time.Time {
	after := s.Since
	if t := s.Ownership.settled(); t.After(after) {
		after = t
	}
	var p domain.Problems
	return of.At(&p, "", nil, after, "")
}

// mayOwn refuses an employee who must not own the customer. Who owns whom is
// decided by the staff as the world knows it.
func mayOwn(w world.Known, of domain.Subject, employee, role string) error {
	if w.World == nil {
		return nil
	}
	is, err := w.World.Staff.Working(employee)
	if err == nil && role != "" {
		is, err = w.World.Staff.InRole(employee, role)
	}
	if err != nil {
		return err
	}
	if is.CustomerID == of.Customer && of.Customer != uuid.Nil {
		return ErrOwnRecord.With("%s is this customer: somebody else must look after them", employee)
	}
	return nil
}

// Employee returns the employee who gives a command, "" if it is not a user.
func Employee(a domain.Actor) string {
	if a.Kind != "user" {
		return ""
	}
	return a.ID
}
