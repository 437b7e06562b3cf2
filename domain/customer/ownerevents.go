package customer

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/portfolio"
)

// OwnerAssigned says who owns the customer from now on.
type OwnerAssigned struct {
	From       string    `json:"from,omitempty"` // who owned them before; absent: nobody
	To         string    `json:"to"`
	Role       string    `json:"role,omitempty"`       // as what the employee looks after them
	HandoverID uuid.UUID `json:"handover_id,omitzero"` // of which this is a part
	Seat       string    `json:"seat,omitempty"`       // the seat in the portfolio of To that this confirms
	LeftSeat   string    `json:"left_seat,omitempty"`  // the seat in that of From which is free now
	AssignedAt time.Time `json:"assigned_at"`
}

// CustomerReleased says that nobody owns the customer from now on.
type CustomerReleased struct {
	From       string    `json:"from"`
	LeftSeat   string    `json:"left_seat,omitempty"`
	ReleasedAt time.Time `json:"released_at"`
}

// CustomerClaimed says who took the customer out of the pool.
type CustomerClaimed struct {
	By        string    `json:"by"`
	Role      string    `json:"role,omitempty"`
	Seat      string    `json:"seat,omitempty"`
	ClaimedAt time.Time `json:"claimed_at"`
}

// KeyAccountDesignated says that the customer is a key account, and of which level.
type KeyAccountDesignated struct {
	Level        string    `json:"level"`
	Criteria     string    `json:"criteria,omitempty" personal:"true"` // why, in words
	DesignatedAt time.Time `json:"designated_at"`
}

// KeyAccountRevoked says that the customer is no key account any more.
type KeyAccountRevoked struct {
	Level     string    `json:"level"` // which it was
	RevokedAt time.Time `json:"revoked_at"`
}

// HandoverOpened says that a handover of the customer is under way: until it ends
// nobody else can be given them.
type HandoverOpened struct {
	HandoverID uuid.UUID `json:"handover_id"`
	From       string    `json:"from"`
	To         string    `json:"to"`
	Seat       string    `json:"seat,omitempty"` // kept in the portfolio of To
	OpenedAt   time.Time `json:"opened_at"`
}

// HandoverClosed says that a handover ended, and the customer stays whose they are.
type HandoverClosed struct {
	HandoverID uuid.UUID `json:"handover_id"`
	To         string    `json:"to"` // who was to have them
	LeftSeat   string    `json:"left_seat,omitempty"`
	ClosedAt   time.Time `json:"closed_at"`
}

// SuccessorIntroduced says that the new owner made themselves known to the customer.
type SuccessorIntroduced struct {
	HandoverID   uuid.UUID `json:"handover_id"`
	By           string    `json:"by"`
	Channel      string    `json:"channel"`
	IntroducedAt time.Time `json:"introduced_at"`
}

func (OwnerAssigned) customerEvent()        {}
func (CustomerReleased) customerEvent()     {}
func (CustomerClaimed) customerEvent()      {}
func (KeyAccountDesignated) customerEvent() {}
func (KeyAccountRevoked) customerEvent()    {}
func (HandoverOpened) customerEvent()       {}
func (HandoverClosed) customerEvent()       {}
func (SuccessorIntroduced) customerEvent()  {}

// Occurred implements domain.Dated.
func (e OwnerAssigned) Occurred() time.Time        { return e.AssignedAt }
func (e CustomerReleased) Occurred() time.Time     { return e.ReleasedAt }
func (e CustomerClaimed) Occurred() time.Time      { return e.ClaimedAt }
func (e KeyAccountDesignated) Occurred() time.Time { return e.DesignatedAt }
func (e KeyAccountRevoked) Occurred() time.Time    { return e.RevokedAt }
func (e HandoverOpened) Occurred() time.Time       { return e.OpenedAt }
func (e HandoverClosed) Occurred() time.Time       { return e.ClosedAt }
func (e SuccessorIntroduced) Occurred() time.Time  { return e.IntroducedAt }

// TakesSeat is the seat that must be taken before the event is appended; that of
// a handover was taken when it was opened.
func (e OwnerAssigned) TakesSeat() (portfolio.Seat, bool) {
	return portfolio.Seat{Employee: e.To, Claim: e.Seat}, e.From != e.To && e.HandoverID == uuid.Nil
}

// TakesSeat is the seat that must be taken before the event is appended.
func (e CustomerClaimed) TakesSeat() (portfolio.Seat, bool) {
	return portfolio.Seat{Employee: e.By, Claim: e.Seat}, true
}

// TakesSeat is the seat that must be taken before the event is appended.
func (e HandoverOpened) TakesSeat() (portfolio.Seat, bool) {
	return portfolio.Seat{Employee: e.To, Claim: e.Seat}, true
}

// FreesSeat is the seat that is free once the event was appended.
func (e OwnerAssigned) FreesSeat() (portfolio.Seat, bool) {
	return portfolio.Seat{Employee: e.From, Claim: e.LeftSeat}, e.From != "" && e.From != e.To
}

// FreesSeat is the seat that is free once the event was appended.
func (e CustomerReleased) FreesSeat() (portfolio.Seat, bool) {
	return portfolio.Seat{Employee: e.From, Claim: e.LeftSeat}, true
}

// FreesSeat is the seat that is free once the event was appended.
func (e HandoverClosed) FreesSeat() (portfolio.Seat, bool) {
	return portfolio.Seat{Employee: e.To, Claim: e.LeftSeat}, true
}
