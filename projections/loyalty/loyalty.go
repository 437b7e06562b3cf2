// Package loyalty is the read model of the loyalty programme: the account of every
// member, when something of it falls due next, and what the company owes all of
// them.
package loyalty

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
)

// Name is the name of the view.
const Name = "loyalty"

// New returns the view.
func New() *projections.View[Document] {
	return &projections.View[Document]{Name: Name, Fold: fold, Indexes: indexes, Metrics: metrics}
}

// Document is the account of a customer who is or was a member, as it is booked.
// What fell due since is not in it: At is.
type Document struct {
	customer.Account
	TierChanges []TierChange `json:"tier_changes,omitempty"` // as they came
	Erased      bool         `json:"erased,omitempty"`
}

// TierChange is an event that says which level a member has. Why somebody gave one
// by hand stands in the customer's history only: it is personal.
type TierChange struct {
	Kind       string               `json:"kind"` // one of the Tier… constants
	From       string               `json:"from"`
	To         string               `json:"to"`
	At         time.Time            `json:"at"`
	ValidUntil *time.Time           `json:"valid_until,omitempty"` // absent: for good
	Evaluation *customer.Evaluation `json:"evaluation,omitempty"`  // absent: it was given by hand
	Cause      *customer.TierCause  `json:"cause,omitempty"`       // likewise
	EventID    uuid.UUID            `json:"event_id,omitzero"`
	Actor      domain.Actor         `json:"actor,omitzero"`
	// PolicyVersion is that of the ladder.
	PolicyVersion int `json:"policy_version"`
}

// Kinds of tier changes.
const (
	TierUpgraded   = "upgraded"
	TierRetained   = "retained"
	TierDowngraded = "downgraded"
	TierOverridden = "overridden"
)

// TierKinds is every kind of tier change.
var TierKinds = []string{TierUpgraded, TierRetained, TierDowngraded, TierOverridden}

// Kept says whether there is anything to keep.
func (d *Document) Kept() bool {
	return d.Ever || d.Erased || !d.Clock.IsZero() || len(d.Days) > 0 || len(d.Proposals) > 0
}

func fold(d *Document, event projections.Event) bool {
	r, ok := projections.RecordOf(event)
	if !ok {
		return false
	}
	switch e := r.Event.(type) {
	case customer.OrderPaid:
		ok = e.Qualifying != nil
	case customer.OrderCancelled:
		ok = e.Qualifying != nil
	case customer.RefundRecorded:
		ok = e.Qualifying != nil
	case customer.PersonalDataErased:
		ok = d.Kept()
		d.Erased = ok
	case customer.ProgramJoined, customer.ProgramLeft, customer.PointsForfeited, customer.PointsEarned, customer.PointsGranted,
		customer.PointsActivated, customer.PointsHeld, customer.HoldReleased, customer.HoldCaptured, customer.PointsRedeemed,
		customer.RedemptionReversed, customer.PointsEarnReversed, customer.PointsExpired, customer.ExpiryExtended,
		customer.PointsProposed, customer.ProposalRejected, customer.PointsAdjusted, customer.PointsTransferredOut, customer.PointsTransferredIn,
		customer.TierOverrideLifted: // another event says which level follows
	case customer.TierUpgraded:
		d.moved(event, TierChange{
			Kind: TierUpgraded, From: e.From, To: e.To, At: e.ChangedAt, ValidUntil: e.ValidUntil,
			Evaluation: &e.Evaluation, Cause: &e.Cause, PolicyVersion: e.Evaluation.PolicyVersion,
		})
	case customer.TierDowngraded:
		d.moved(event, TierChange{
			Kind: TierDowngraded, From: e.From, To: e.To, At: e.ChangedAt, ValidUntil: e.ValidUntil,
			Evaluation: &e.Evaluation, Cause: &e.Cause, PolicyVersion: e.Evaluation.PolicyVersion,
		})
	case customer.TierRetained:
		d.moved(event, TierChange{
			Kind: TierRetained, From: e.Tier, To: e.Tier, At: e.RetainedAt, ValidUntil: e.ValidUntil,
			Evaluation: &e.Evaluation, Cause: &e.Cause, PolicyVersion: e.Evaluation.PolicyVersion,
		})
	case customer.TierOverridden:
		until := e.Until
		d.moved(event, TierChange{
			Kind: TierOverridden, From: e.From, To: e.To, At: e.OverriddenAt, ValidUntil: &until, PolicyVersion: e.PolicyVersion,
		})
	default:
		return false
	}
	if !ok {
		return false
	}
	d.Account.Fold(r)
	return true
}

func (d *Document) moved(by projections.Event, c TierChange) {
	c.EventID, c.Actor = by.ID, by.Meta.Actor
	d.TierChanges = append(d.TierChanges, c)
}
