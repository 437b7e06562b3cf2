package customer

import (
	"slices"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

// Points that people book by hand: a bonus, or an adjustment of a balance that is
// wrong. What one alone may not book is proposed, and somebody else decides.

// grant books points that somebody gives. The lot counts from today.
func (b *booker) grant(v loyalty.Version, e PointsGranted, source LotSource, points int64) {
	e.PlacedOn, e.GrantedAt = b.today(), b.now
	e.Lot = b.newLot(v.Policy, source, points, e.PlacedOn, b.now, 0)
	e.Expiry, e.PolicyVersion, e.DeficitPaid = v.Policy.Expiry, v.Version, b.owed(points)
	b.book(e)
}

// enrolled returns the programme of today, unless there is none or the customer is
// no member of it.
func (b *booker) enrolled() (loyalty.Version, error) {
	v, ok := b.program(b.today())
	switch {
	case !ok:
		return v, ErrNoProgram.With("no loyalty programme is in force on %s", b.today())
	case !b.Joined:
		return v, ErrNotEnrolled.With("the customer is not a member of the loyalty programme; enrol-in-program comes first")
	}
	return v, nil
}

// manual begins a booking by hand: the customer is known, and nobody books on their
// own account.
func (s State) manual(of domain.Subject, known world.Known) (*booker, error) {
	if err := s.exists(of); err != nil {
		return nil, err
	}
	if ownRecord(of, known) {
		return nil, ErrOwnAccount.With("the account is that of %s; somebody else has to do it", of.Actor)
	}
	return newBooker(of, known, s, of.Now), nil
}

// all returns what was due, and then what was booked.
func (b *booker) all() []Event { return slices.Concat(b.due, b.taken()) }

// deducts returns the adjustment of a balance by points that are taken: from lots in
// order, and where they do not reach, on credit.
func (b *booker) deducts(v loyalty.Version, points int64) (e PointsAdjusted, err error) {
	from, missing := b.allocate(points, "")
	if owes := b.Deficit + missing; missing > 0 && owes > v.Policy.Manual.DeficitLimit {
		return e, ErrDeficitLimit.With("%d can be taken, and then the customer would owe %d; the programme allows %d",
			points-missing, owes, v.Policy.Manual.DeficitLimit)
	}
	return PointsAdjusted{Points: -points, From: from, Deficit: missing}, nil
}

// proposed finds a proposal that is waiting. decided says whether it was decided: as
// the caller wants it, then there is nothing to do, or otherwise, then it is refused.
func (s State) proposed(id string, approve bool) (e PointsProposed, decided bool, err error) {
	e, known := s.ledger.proposals[id]
	if !known {
		return e, false, ErrProposalNotFound.With("nothing was proposed under %q", id)
	}
	_, granted := s.ledger.grants[LotSource{Kind: LotBonus, Ref: id}.key()]
	_, adjusted := s.ledger.adjustments[id]
	switch approved, rejected := granted || adjusted, s.ledger.rejected[id]; {
	case approved && !approve:
		return e, true, ErrProposalDecided.With("the proposal %q was approved; adjust-points corrects what should not have been", id)
	case rejected && approve:
		return e, true, ErrProposalDecided.With("the proposal %q was rejected; propose it anew under another id", id)
	default:
		return e, approved || rejected, nil
	}
}

// checkByHand notes what is wrong with what all that is booked by hand has.
func checkByHand(p *domain.Problems, idAt, id, reason string) {
	checkCode(p, idAt, id, maxID)
	p.Required("/reason", reason, maxText)
}

// Why a booking by hand is refused.
var (
	ErrBonusExists      = &domain.Error{Kind: domain.Conflict, Code: "bonus_exists"}
	ErrProposalExists   = &domain.Error{Kind: domain.Conflict, Code: "proposal_exists"}
	ErrProposalNotFound = &domain.Error{Kind: domain.NotFound, Code: "proposal_not_found"}
	ErrProposalDecided  = &domain.Error{Kind: domain.Conflict, Code: "proposal_decided"}
	ErrDeficitLimit     = &domain.Error{Kind: domain.Conflict, Code: "deficit_limit"}
)
