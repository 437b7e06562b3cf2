package readapi

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	programme "github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections/loyalty"
)

// LedgerEntry is a movement of points, and what it follows from.
type LedgerEntry struct {
	EventID  uuid.UUID   `json:"event_id,omitzero"` // that says so; absent where nothing does yet
	Revision *uint64     `json:"revision,omitempty"`
	Booked   bool        `json:"booked"` // false: it fell due, and no event says so yet
	At       time.Time   `json:"at"`
	On       domain.Date `json:"on"`   // the business date
	Kind     string      `json:"kind"` // one of the kinds of movements
	// Points is by how much all that the customer has grows: spendable, pending and
	// held points less the deficit. 0 where points only change their state.
	Points  int64            `json:"points"`
	Change  customer.Balance `json:"change"`
	Balance customer.Balance `json:"balance"` // after it
	Lots    []LotChange      `json:"lots"`    // in the order in which the event names them

	Because       string              `json:"because"` // why, in words
	Source        *customer.LotSource `json:"source,omitempty"`
	OrderID       string              `json:"order_id,omitempty"`
	RefundID      string              `json:"refund_id,omitempty"`
	HoldID        string              `json:"hold_id,omitempty"`
	RedemptionID  string              `json:"redemption_id,omitempty"`
	TransferID    uuid.UUID           `json:"transfer_id,omitzero"`
	OtherCustomer uuid.UUID           `json:"other_customer,omitzero"` // of a transfer
	Value         *domain.Money       `json:"value,omitempty"`         // what redeemed points were worth
	Inputs        *programme.Inputs   `json:"inputs,omitempty"`        // from which earned points follow
	Remainder     string              `json:"remainder,omitempty"`     // what rounding took of them, as a fraction
	DeficitPaid   int64               `json:"deficit_paid,omitempty"`
	PolicyVersion int                 `json:"policy_version,omitempty"` // of the programme
	Actor         eventschema.Actor   `json:"actor,omitzero"`           // absent where time alone does it
	Reason        string              `json:"reason,omitempty"`

	seq uint64 // among those of the same time
}

// LotChange is what a movement does to a lot.
type LotChange struct {
	LotID  string `json:"lot_id"`
	Points int64  `json:"points"`         // by how much what is left of it and not held grows
	Held   int64  `json:"held,omitempty"` // by how much what is held of it grows
}

// Kinds of movements.
const (
	movedEarned      = "earned"
	movedGranted     = "granted"
	movedActivated   = "activated"
	movedHeld        = "held"
	movedReleased    = "released"
	movedCaptured    = "captured"
	movedRedeemed    = "redeemed"
	movedRestored    = "restored"
	movedTakenBack   = "taken_back"
	movedDeclined    = "declined"
	movedExpired     = "expired"
	movedExtended    = "extended"
	movedForfeited   = "forfeited"
	movedAdjusted    = "adjusted"
	movedTransferOut = "transferred_out"
	movedTransferIn  = "transferred_in"
)

var ledgerKinds = []string{
	movedEarned, movedGranted, movedActivated, movedHeld, movedReleased, movedCaptured, movedRedeemed, movedRestored, movedTakenBack,
	movedDeclined, movedExpired, movedExtended, movedForfeited, movedAdjusted, movedTransferOut, movedTransferIn,
}

// bookkeeper folds the events of a customer into a ledger and the story of each lot.
type bookkeeper struct {
	zone    *time.Location
	doc     loyalty.Document
	seen    bool // an event of the customer, of whatever it is
	entries []LedgerEntry
	lots    map[string]*LotStory
	inOrder []*LotStory // as they came
}

// apply folds an event. Without a revision it is none yet.
func (b *bookkeeper) apply(e eventschema.Event, revision *uint64) {
	b.seen = true
	x, moves := b.entry(e)
	if !moves {
		loyaltyView.Fold(&b.doc, e)
		return
	}
	x.Revision, x.Booked, x.seq = revision, revision != nil, uint64(len(b.entries))
	before, after := make([]lotNow, len(x.Lots)), make([]lotNow, len(x.Lots))
	for i, l := range x.Lots {
		before[i] = b.look(l.LotID)
	}
	owed := b.doc.Deficit
	loyaltyView.Fold(&b.doc, e)
	x.Change.Deficit = max(0, b.doc.Deficit) - max(0, owed)
	x.Change.Spendable = min(0, owed) - min(0, b.doc.Deficit) // as (*customer.Account).Balance has it
	for i := range x.Lots {
		l := &x.Lots[i]
		after[i] = b.look(l.LotID)
		l.Points, l.Held = after[i].left-before[i].left, after[i].held-before[i].held
		x.Change.Held += l.Held
		before[i].count(&x.Change, -1)
		after[i].count(&x.Change, 1)
	}
	x.Points = total(x.Change)
	b.tell(&x, e.Data, before, after)
	b.entries = append(b.entries, x)
}

// lotNow is what there is of a lot.
type lotNow struct {
	left, held int64
	pending    bool
	ends       *time.Time
	there      bool
}

// count adds what is left to a balance, or takes it off.
func (l lotNow) count(b *customer.Balance, sign int64) {
	if l.pending {
		b.Pending += sign * l.left
	} else {
		b.Spendable += sign * l.left
	}
}

// look finds what there is of a lot.
func (b *bookkeeper) look(lot string) (is lotNow) {
	for i := range b.doc.Holds {
		for _, part := range b.doc.Holds[i].From {
			if part.Lot.LotID == lot {
				is.held += part.Points
				is.ends, is.there = part.Lot.ExpiresAt, true
			}
		}
	}
	if l := b.doc.Lot(lot); l != nil {
		is.left, is.pending, is.ends, is.there = l.Remaining, l.Pending, l.ExpiresAt, true
	}
	return is
}

// total is all that a balance amounts to.
func total(b customer.Balance) int64 { return b.Spendable + b.Pending + b.Held - b.Deficit }

// settle applies what fell due up to a time and is not booked.
func (b *bookkeeper) settle(l *pointsLook) {
	if l.at.IsZero() {
		return
	}
	for _, fact := range b.doc.Due(l.at, l.zone, l.world.Policies) {
		e := eventschema.Event{Data: fact}
		if d, ok := fact.(domain.Dated); ok {
			e.Meta.OccurredAt = d.Occurred()
		}
		b.apply(e, nil)
	}
}

// inTime returns the movements in the order in which they happened, with the balance
// after each of them.
func (b *bookkeeper) inTime() []LedgerEntry {
	slices.SortStableFunc(b.entries, func(x, y LedgerEntry) int { return x.At.Compare(y.At) })
	var balance customer.Balance
	for i := range b.entries {
		x := &b.entries[i]
		balance.Spendable += x.Change.Spendable
		balance.Pending += x.Change.Pending
		balance.Held += x.Change.Held
		balance.Deficit += x.Change.Deficit
		x.Balance = balance
	}
	return b.entries
}

// compareEntries orders movements as inTime does.
func compareEntries(x, y LedgerEntry) int {
	return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.seq, y.seq))
}

// books reads the ledger of a customer at a moment from the log, with what fell due
// by then. ErrCustomerNotFound: nobody was there.
func (a *API) books(ctx context.Context, id uuid.UUID, m moment, t *timeline) (b *bookkeeper, l *pointsLook, err error) {
	b = &bookkeeper{zone: time.UTC, lots: map[string]*LotStory{}}
	w, err := a.world(ctx, loyalty.Name)
	if err != nil {
		return b, nil, err
	}
	if t != nil {
		w = t.world(m)
	}
	if b.zone, err = zoneOf(w); err != nil {
		return b, nil, err
	}
	position := uint64(0)
	err = a.events(ctx, id, 0, func(raw eventschema.Raw, e eventschema.Event) (bool, error) {
		if m.before(raw) {
			return false, nil
		}
		if m.has(raw, e.Meta) {
			b.apply(e, &e.Revision)
			position = raw.Position
		}
		return true, nil
	})
	if err != nil {
		return b, nil, err
	}
	if !b.seen {
		return b, nil, ErrCustomerNotFound.With("no customer has the id %v, or had it then", id)
	}
	if l, err = a.accountLook(ctx, &b.doc, w, m); err != nil {
		return b, nil, err
	}
	l.position = position
	b.settle(l)
	return b, l, nil
}

// entry reads what an event says of a movement; false: it is none. The lots are
// those that it names.
func (b *bookkeeper) entry(event eventschema.Event) (x LedgerEntry, moves bool) {
	x = LedgerEntry{EventID: event.ID, At: event.Meta.OccurredAt.UTC(), Actor: event.Meta.Actor, Lots: []LotChange{}}
	x.On = domain.DateOf(x.At, b.zone)
	x.Because, moves = b.words(event.Data)
	switch e := event.Data.(type) {
	case customer.PointsEarned:
		x.Kind, x.Source, x.Inputs, x.Remainder, x.DeficitPaid, x.PolicyVersion = movedEarned, &e.Lot.Source, &e.Inputs, e.Remainder, e.DeficitPaid, e.PolicyVersion
		x.of(customer.Portion{LotID: e.Lot.LotID})
		if e.Lot.Source.Kind == customer.LotOrder {
			x.OrderID = e.Lot.Source.Ref
		}
	case customer.PointsGranted:
		x.Kind, x.Source, x.Reason, x.DeficitPaid, x.PolicyVersion = movedGranted, &e.Lot.Source, e.Reason, e.DeficitPaid, e.PolicyVersion
		x.of(customer.Portion{LotID: e.Lot.LotID})
	case customer.PointsActivated:
		x.Kind, x.DeficitPaid = movedActivated, e.DeficitPaid
		x.of(customer.Portion{LotID: e.LotID})
	case customer.PointsHeld:
		x.Kind, x.HoldID, x.TransferID = movedHeld, e.HoldID, e.Transfer
		x.of(e.From...)
	case customer.HoldReleased:
		x.Kind, x.HoldID, x.DeficitPaid = movedReleased, e.HoldID, e.DeficitPaid
		x.of(e.Returned...)
		x.of(e.Lapsed...)
	case customer.HoldCaptured:
		x.Kind, x.HoldID, x.RedemptionID, x.OrderID, x.Value, x.PolicyVersion = movedCaptured, e.HoldID, e.RedemptionID, e.OrderID, &e.Value, e.PolicyVersion
		x.of(e.From...)
	case customer.PointsRedeemed:
		x.Kind, x.RedemptionID, x.OrderID, x.Value, x.PolicyVersion = movedRedeemed, e.RedemptionID, e.OrderID, &e.Value, e.PolicyVersion
		x.of(e.From...)
	case customer.RedemptionReversed:
		x.Kind, x.RedemptionID, x.OrderID, x.RefundID = movedRestored, e.RedemptionID, e.Cause.OrderID, e.Cause.RefundID
		x.DeficitPaid, x.PolicyVersion, x.Reason = e.DeficitPaid, e.PolicyVersion, e.Reason
		for _, back := range e.Restored {
			x.of(customer.Portion{LotID: back.Lot.LotID})
		}
	case customer.PointsEarnReversed:
		x.Kind, x.Source, x.OrderID, x.RefundID, x.PolicyVersion, x.Reason = movedTakenBack, &e.Source, e.Cause.OrderID, e.Cause.RefundID, e.PolicyVersion, e.Reason
		x.of(e.From...)
	case customer.EarnReversalDeclined:
		x.Kind, x.Source, x.OrderID, x.RefundID, x.PolicyVersion, x.Reason = movedDeclined, &e.Source, e.Cause.OrderID, e.Cause.RefundID, e.PolicyVersion, e.Reason
	case customer.PointsExpired:
		x.Kind = movedExpired
		x.of(customer.Portion{LotID: e.LotID})
	case customer.ExpiryExtended:
		x.Kind, x.Reason = movedExtended, e.Reason
		for _, lot := range e.Lots {
			x.of(customer.Portion{LotID: lot})
		}
	case customer.PointsForfeited:
		x.Kind = movedForfeited
		x.of(e.From...)
	case customer.PointsAdjusted:
		x.Kind, x.Reason, x.DeficitPaid, x.PolicyVersion = movedAdjusted, e.Reason, e.DeficitPaid, e.PolicyVersion
		if e.Lot != nil {
			x.Source = &e.Lot.Source
			x.of(customer.Portion{LotID: e.Lot.LotID})
		}
		x.of(e.From...)
	case customer.PointsTransferredOut:
		x.Kind, x.HoldID, x.TransferID, x.OtherCustomer = movedTransferOut, e.HoldID, e.TransferID, e.To
		x.of(e.From...)
	case customer.PointsTransferredIn:
		x.Kind, x.TransferID, x.OtherCustomer, x.DeficitPaid = movedTransferIn, e.TransferID, e.From, e.DeficitPaid
		for _, l := range e.Lots {
			x.of(customer.Portion{LotID: l.LotID})
		}
	}
	return x, moves
}

// of notes lots that a movement names, each once.
func (x *LedgerEntry) of(portions ...customer.Portion) {
	for _, p := range portions {
		if !slices.ContainsFunc(x.Lots, func(l LotChange) bool { return l.LotID == p.LotID }) {
			x.Lots = append(x.Lots, LotChange{LotID: p.LotID})
		}
	}
}
