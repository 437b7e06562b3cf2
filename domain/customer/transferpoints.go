package customer

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// The steps of a transfer of points in the streams of its two customers. They are
// the commands of the transfer itself, not of a caller; each may come again, and each
// stream decides once: the sender's, whether the points are held for it, the
// recipient's, whether they are taken. What was declined stays so, whoever wakes up
// late. That is why a step is never refused, and why nothing keeps it from being
// taken: points that cannot go on go back.

// TransferDeclined says that a transfer does not take place as far as the customer is
// concerned: nothing was held, or nothing is taken.
type TransferDeclined struct {
	TransferID uuid.UUID `json:"transfer_id"`
	Role       string    `json:"role"` // RoleSender or RoleRecipient
	With       uuid.UUID `json:"with"` // the other customer
	Points     int64     `json:"points"`
	Code       string    `json:"code"` // of what stood against it, or TransferCalledOff
	DeclinedAt time.Time `json:"declined_at"`
}

// What a customer is in a transfer.
const (
	RoleSender    = "sender"
	RoleRecipient = "recipient"
)

// TransferCalledOff is why a transfer is declined that somebody cancelled.
const TransferCalledOff = "cancelled"

func (TransferDeclined) customerEvent() {}

// Occurred implements domain.Dated.
func (e TransferDeclined) Occurred() time.Time { return e.DeclinedAt }

// TransferHold is the id of the hold of a transfer.
func TransferHold(transfer uuid.UUID) string { return "transfer:" + transfer.String() }

// TransferStep is how far a transfer has come with a customer.
type TransferStep struct {
	State string    // one of the Transfer… constants; empty: nothing was decided yet
	Lots  []HeldLot // of TransferHeld
	At    time.Time // of TransferHeld and TransferReceived: when that was
	Code  string    // of TransferDeclined: why
}

// What a transfer is to one of its customers.
const (
	TransferIsHeld     = "held"     // the sender's points wait
	TransferIsSent     = "sent"     // they have gone
	TransferIsReleased = "released" // they came back
	TransferIsReceived = "received" // the recipient has them
	TransferIsDeclined = "declined" // nothing was held, or nothing is taken
)

// Transfer says how far a transfer has come with the customer.
func (s State) Transfer(id uuid.UUID) TransferStep {
	hold := TransferHold(id)
	if h := s.Loyalty.Hold(hold); h != nil {
		return TransferStep{State: TransferIsHeld, Lots: append([]HeldLot(nil), h.From...), At: h.HeldAt}
	}
	if _, ok := s.ledger.sent[id]; ok {
		return TransferStep{State: TransferIsSent}
	}
	if e, ok := s.ledger.received[id]; ok {
		return TransferStep{State: TransferIsReceived, At: e.TransferredAt}
	}
	if code, ok := s.ledger.declined[id]; ok {
		return TransferStep{State: TransferIsDeclined, Code: code}
	}
	if _, ok := s.ledger.holds[hold]; ok {
		return TransferStep{State: TransferIsReleased}
	}
	return TransferStep{}
}

// usable refuses a transfer with somebody whose data may not be used.
func (s State) usable(of domain.Subject) error {
	switch err := s.exists(of); {
	case err != nil:
		return err
	case s.Erasing():
		return ErrErased.With("the personal data of the customer %s was erased, or is about to be", of.Customer)
	case s.Restricted:
		return ErrRestricted.With("the processing of the data of the customer %s is restricted", of.Customer)
	}
	return nil
}

// MaySend refuses a transfer of points that the customer cannot or may not send.
func (s State) MaySend(of domain.Subject, known world.Known, points int64) error {
	_, _, err := s.sends(of, known, points)
	return err
}

func (s State) sends(of domain.Subject, known world.Known, points int64) (b *booker, from []Portion, err error) {
	if err := s.usable(of); err != nil {
		return nil, nil, err
	}
	b = newBooker(of, known, s, of.Now)
	v, err := b.enrolled()
	if err != nil {
		return nil, nil, err
	}
	switch t := v.Policy.Transfer; {
	case !t.Allowed:
		return nil, nil, ErrTransferNotAllowed.With("members of the programme cannot give points to each other")
	case points < t.Minimum:
		return nil, nil, ErrBelowMinimum.With("a transfer is of %d points at least, not of %d", t.Minimum, points)
	case t.Maximum > 0 && points > t.Maximum:
		return nil, nil, ErrAboveMaximum.With("a transfer is of %d points at most, not of %d", t.Maximum, points)
	}
	if from, err = b.spend(points); err == nil && len(from) > maxTransferLots {
		err = ErrTransferTooWide.With("the points are of %d lots, and a transfer is of %d at most; give fewer points at a time", len(from), maxTransferLots)
	}
	return b, from, err
}

// maxTransferLots bounds what is appended to the stream of the recipient at once.
const maxTransferLots = 1000

// MayReceive refuses a transfer to somebody who cannot have points.
func (s State) MayReceive(of domain.Subject) error {
	if err := s.usable(of); err != nil {
		return err
	}
	if !s.Loyalty.Joined {
		return ErrNotEnrolled.With("the customer %s is not a member of the loyalty programme", of.Customer)
	}
	return nil
}

// HoldForTransfer sets points of the sender aside, or declines.
type HoldForTransfer struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	TransferID uuid.UUID
	To         uuid.UUID
	Points     int64
}

// Stream implements domain.Command.
func (c HoldForTransfer) Stream() string { return Stream(c.Customer) }

// AfterErasure implements domain.AfterErasure: it declines.
func (HoldForTransfer) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted: it declines.
func (HoldForTransfer) WhileRestricted() {}

// Uses names the policies by which it is decided.
func (c HoldForTransfer) Uses() []domain.PolicyRef {
	return pointPolicies(c.Subject, c.Known, c.Today())
}

// Decide implements domain.Command. What was decided before is nothing to do.
func (c HoldForTransfer) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil || s.Transfer(c.TransferID).State != "" {
		return nil, err
	}
	b, from, err := s.sends(c.Subject, c.Known, c.Points)
	if err != nil {
		return s.decline(c.Subject, TransferDeclined{TransferID: c.TransferID, Role: RoleSender, With: c.To, Points: c.Points}, err)
	}
	b.book(PointsHeld{HoldID: TransferHold(c.TransferID), Points: c.Points, From: from, Transfer: c.TransferID, HeldAt: b.now})
	return b.all(), nil
}

// decline says that a transfer does not take place because of a refusal.
func (s State) decline(of domain.Subject, e TransferDeclined, because error) ([]Event, error) {
	refusal := (*domain.Error)(nil)
	if !errors.As(because, &refusal) {
		return nil, because
	}
	e.Code, e.DeclinedAt = refusal.Code, s.decidedAt(of)
	return []Event{e}, nil
}

// TakeTransfer gives the recipient the points that are held for a transfer, or
// declines. What has lapsed meanwhile is booked, and lapses.
type TakeTransfer struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	TransferID uuid.UUID
	From       uuid.UUID
	Points     int64
	Lots       []HeldLot `json:"-"` // as they are held
	HeldAt     time.Time `json:"-"`
}

// Stream implements domain.Command.
func (c TakeTransfer) Stream() string { return Stream(c.Customer) }

// AfterErasure implements domain.AfterErasure: it declines.
func (TakeTransfer) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted: it declines.
func (TakeTransfer) WhileRestricted() {}

// Uses names the policies by which it is decided.
func (c TakeTransfer) Uses() []domain.PolicyRef {
	return pointPolicies(c.Subject, c.Known, c.Today())
}

// Decide implements domain.Command. What was decided before is nothing to do.
func (c TakeTransfer) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil || s.Transfer(c.TransferID).State != "" || len(c.Lots) == 0 {
		return nil, err
	}
	of := since(c.Subject, c.HeldAt)
	if err := s.MayReceive(of); err != nil {
		return s.decline(of, TransferDeclined{TransferID: c.TransferID, Role: RoleRecipient, With: c.From, Points: c.Points}, err)
	}
	b := newBooker(of, c.Known, s, of.Now)
	e := PointsTransferredIn{TransferID: c.TransferID, From: c.From, TransferredAt: b.now}
	usable, lapsed := int64(0), []Event(nil)
	for i, held := range c.Lots {
		l := held.Lot
		l.LotID, l.Points, l.Rolling = fmt.Sprintf("%s:%d", TransferHold(c.TransferID), i+1), held.Points, false
		l.Source = LotSource{Kind: LotTransfer, Ref: c.TransferID.String()}
		e.Points += l.Points
		e.Lots, e.Of = append(e.Lots, l), append(e.Of, held.Lot.LotID)
		switch {
		case l.ExpiresAt != nil && !l.ExpiresAt.After(b.now):
			lapsed = append(lapsed, PointsExpired{LotID: l.LotID, Points: l.Points, ExpiredAt: b.now})
		case !l.AvailableAt.After(b.now):
			usable += l.Points
		}
	}
	e.DeficitPaid = b.owed(usable)
	b.book(e)
	for _, x := range lapsed {
		b.book(x)
	}
	return b.all(), nil
}

// SendTransfer says that the recipient has the points that the sender held.
type SendTransfer struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	TransferID uuid.UUID
	To         uuid.UUID
	TakenAt    time.Time `json:"-"`
}

// Stream implements domain.Command.
func (c SendTransfer) Stream() string { return Stream(c.Customer) }

// AfterErasure implements domain.AfterErasure: the points were held before.
func (SendTransfer) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted: they are the recipient's.
func (SendTransfer) WhileRestricted() {}

// Uses names the policies by which it is decided.
func (c SendTransfer) Uses() []domain.PolicyRef {
	return pointPolicies(c.Subject, c.Known, c.Today())
}

// Decide implements domain.Command. Without the hold there is nothing to do.
func (c SendTransfer) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	of := since(c.Subject, c.TakenAt)
	b := newBooker(of, c.Known, s, of.Now)
	h := b.Hold(TransferHold(c.TransferID))
	if h == nil {
		return nil, nil
	}
	b.book(PointsTransferredOut{TransferID: c.TransferID, HoldID: h.HoldID, To: c.To, Points: h.Points, From: whole(h), TransferredAt: b.now})
	return b.all(), nil
}

// DeclineTransfer says that the recipient does not take points of a transfer that was
// cancelled, unless they have them.
type DeclineTransfer struct {
	domain.Subject `json:"-"`

	TransferID uuid.UUID
	From       uuid.UUID
	Points     int64
}

// Stream implements domain.Command.
func (c DeclineTransfer) Stream() string { return Stream(c.Customer) }

// AfterErasure implements domain.AfterErasure.
func (DeclineTransfer) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted.
func (DeclineTransfer) WhileRestricted() {}

// Decide implements domain.Command. What was decided before is nothing to do.
func (c DeclineTransfer) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil || s.Transfer(c.TransferID).State != "" {
		return nil, err
	}
	return []Event{TransferDeclined{
		TransferID: c.TransferID, Role: RoleRecipient, With: c.From, Points: c.Points, Code: TransferCalledOff, DeclinedAt: s.decidedAt(c.Subject),
	}}, nil
}

// CancelTransferHold gives the sender back what the recipient does not take; what was
// not held yet will not be. Who is no member any more, or was erased, loses it.
type CancelTransferHold struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	TransferID uuid.UUID
	To         uuid.UUID
	Points     int64
}

// Stream implements domain.Command.
func (c CancelTransferHold) Stream() string { return Stream(c.Customer) }

// AfterErasure implements domain.AfterErasure: the points were held before.
func (CancelTransferHold) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted: it is what was before.
func (CancelTransferHold) WhileRestricted() {}

// Uses names the policies by which it is decided.
func (c CancelTransferHold) Uses() []domain.PolicyRef {
	return pointPolicies(c.Subject, c.Known, c.Today())
}

// Decide implements domain.Command. What was decided before is nothing to do.
func (c CancelTransferHold) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	b := newBooker(c.Subject, c.Known, s, c.Now)
	if h := b.Hold(TransferHold(c.TransferID)); h != nil {
		b.giveBack(h, whole(h), ReleaseCancelled, b.now)
		b.vacate()
		return b.all(), nil
	}
	if s.Transfer(c.TransferID).State != "" {
		return nil, nil
	}
	return []Event{TransferDeclined{
		TransferID: c.TransferID, Role: RoleSender, With: c.To, Points: c.Points, Code: TransferCalledOff, DeclinedAt: s.decidedAt(c.Subject),
	}}, nil
}

// Why points cannot be transferred.
var (
	ErrTransferNotAllowed = &domain.Error{Kind: domain.Conflict, Code: "transfer_not_allowed"}
	ErrAboveMaximum       = &domain.Error{Kind: domain.Conflict, Code: "above_maximum"}
	ErrTransferTooWide    = &domain.Error{Kind: domain.Conflict, Code: "transfer_of_too_many_lots"}
)
