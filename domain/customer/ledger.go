package customer

import (
	"math/big"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
)

// ledger is what decisions need to know of past movements beside the account:
// what each id was used for, and what can still be reversed. It is folded before
// the account, and looks lots up there.
type ledger struct {
	earns       map[string][]*earn // by kind and reference of their source
	redemptions map[string]*redemption
	spentOn     map[string][]string // redemptions, by order
	refunded    map[string]int64    // money that went back, by order
	holds       map[string]PointsHeld
	captured    map[string]string               // redemptions, by hold
	givenBack   map[string]RedemptionReversed   // by the id of the request, where it had one
	takenBack   map[string][]PointsEarnReversed // likewise
	grants      map[string]PointsGranted        // likewise
	adjustments map[string]PointsAdjusted
	proposals   map[string]PointsProposed
	rejected    map[string]bool   // proposals
	lapsed      map[string]int64  // of a lot, unspent or when they should have come back; forfeited, too
	graces      map[string]string // the lot that a lot of a grace came from
	sent        map[uuid.UUID]PointsTransferredOut
	received    map[uuid.UUID]PointsTransferredIn
	declined    map[uuid.UUID]string // transfers, and why
}

// earn is points that a rule gave, and what of them is kept.
type earn struct {
	PointsEarned
	kept   int64
	lapsed int64 // of what was taken back: it had lapsed
}

// redemption is points that were spent.
type redemption struct {
	PointsRedeemed
	left     []HeldLot // that can come back: the lots as they were spent from, in that order
	reversed int64
	refunded int64 // of the order, when they were spent
}

func (s LotSource) key() string { return s.Kind + ":" + s.Ref }

// set puts a value into a map that need not be there.
func set[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

func (l *ledger) fold(event Event, a *Account) {
	switch e := event.(type) {
	case PointsEarned:
		l.roll(e.RollsTo, e.BookedAt, a)
		k := e.Lot.Source.key()
		set(&l.earns, k, append(l.earns[k], &earn{PointsEarned: e, kept: e.Lot.Points}))
	case PointsEarnReversed:
		l.takeBack(e)
	case EarnReversalDeclined:
		l.takeBack(PointsEarnReversed{Source: e.Source, LotID: e.LotID, Points: e.Points, Cause: e.Cause})
	case PointsRedeemed:
		l.spend(e, a.lots(e.From))
		l.roll(e.RollsTo, e.RedeemedAt, a)
	case HoldCaptured:
		set(&l.captured, e.HoldID, e.RedemptionID)
		l.spend(e.redeemed(), a.Hold(e.HoldID).lots(e.From))
		l.roll(e.RollsTo, e.CapturedAt, a)
	case RefundRecorded:
		set(&l.refunded, e.OrderID, l.refunded[e.OrderID]+e.Amount.AmountMinor)
	case RedemptionReversed:
		l.restore(e)
	case PointsExpired:
		l.lapse(e.LotID, e.Points)
	case PointsForfeited:
		for _, p := range e.From {
			l.lapse(p.LotID, p.Points)
		}
	case ExpiryExtended:
		l.extend(e)
	case PointsHeld:
		set(&l.holds, e.HoldID, e)
	case HoldReleased:
		for _, p := range e.Lapsed {
			l.lapse(p.LotID, p.Points)
		}
	case PointsGranted:
		e.Reason = ""
		set(&l.grants, e.Lot.Source.key(), e)
		if e.Lot.Source.Kind == LotBonus {
			l.forget(e.Lot.Source.Ref)
		}
	case PointsAdjusted:
		e.Reason = ""
		set(&l.adjustments, e.AdjustmentID, e)
		l.forget(e.AdjustmentID)
	case PointsProposed:
		set(&l.proposals, e.ProposalID, e)
	case ProposalRejected:
		set(&l.rejected, e.ProposalID, true)
		l.forget(e.ProposalID)
	case PersonalDataErased:
		for id := range l.proposals {
			l.forget(id)
		}
	case PointsTransferredOut:
		set(&l.sent, e.TransferID, e)
	case PointsTransferredIn:
		set(&l.received, e.TransferID, e)
	case TransferDeclined:
		set(&l.declined, e.TransferID, e.Code)
	}
}

// capturedOn says whether a hold was spent on an order.
func (l *ledger) capturedOn(hold, order string) bool {
	r := l.redemptions[l.captured[hold]]
	return r != nil && r.OrderID == order
}

// takeBack counts points that a rule gave and that are not kept.
func (l *ledger) takeBack(e PointsEarnReversed) {
	for _, x := range l.earns[e.Source.key()] {
		if x.Lot.LotID == e.LotID {
			x.kept -= e.Points
			x.lapsed += e.Lapsed
		}
	}
	if id := e.Cause.ReversalID; id != "" {
		e.Reason = ""
		set(&l.takenBack, id, append(l.takenBack[id], e))
	}
}

// extend moves the end of lots of which something was spent: it may come back.
func (l *ledger) extend(e ExpiryExtended) {
	to := e.To
	for _, r := range l.redemptions {
		for i := range r.left {
			if lot := &r.left[i].Lot; slices.Contains(e.Lots, lot.LotID) {
				lot.ExpiresAt = &to
			}
		}
	}
}

// roll moves the end of rolling lots of which something was spent: it may come back.
func (l *ledger) roll(to *time.Time, at time.Time, a *Account) {
	if !a.rolls(to) {
		return
	}
	for _, r := range l.redemptions {
		for i := range r.left {
			r.left[i].Lot.roll(*to, at)
		}
	}
}

// forget drops the words of a proposal: they are needed until it is decided.
func (l *ledger) forget(proposal string) {
	if e, ok := l.proposals[proposal]; ok {
		e.Reason = ""
		l.proposals[proposal] = e
	}
}

// origin returns the lot that points were credited with: that of a grace lot is another.
func (l *ledger) origin(lot string) string {
	if from, ok := l.graces[lot]; ok {
		return from
	}
	return lot
}

func (l *ledger) lapse(lot string, points int64) {
	lot = l.origin(lot)
	set(&l.lapsed, lot, l.lapsed[lot]+points)
}

func (l *ledger) spend(e PointsRedeemed, lots []HeldLot) {
	set(&l.redemptions, e.RedemptionID, &redemption{PointsRedeemed: e, left: lots, refunded: l.refunded[e.OrderID]})
	if e.OrderID != "" {
		set(&l.spentOn, e.OrderID, append(l.spentOn[e.OrderID], e.RedemptionID))
	}
}

func (l *ledger) restore(e RedemptionReversed) {
	r := l.redemptions[e.RedemptionID]
	if r == nil {
		return
	}
	r.reversed += e.Points
	if id := e.Cause.ReversalID; id != "" {
		e.Reason = ""
		set(&l.givenBack, id, e)
	}
	back := func(lot string, points int64) {
		for i := range r.left {
			if r.left[i].Lot.LotID == lot {
				r.left[i].Points -= points
			}
		}
	}
	for _, x := range e.Restored {
		back(x.LotID, x.Points)
		if x.Grace {
			set(&l.graces, x.Lot.LotID, l.origin(x.LotID))
		}
	}
	for _, p := range e.Lapsed {
		back(p.LotID, p.Points)
		l.lapse(p.LotID, p.Points)
	}
}

// redeemed is the capture as the redemption that it is.
func (e HoldCaptured) redeemed() PointsRedeemed {
	return PointsRedeemed{
		e.RedemptionID, e.Points, e.From, e.Value, e.Rate, e.Reward, e.OrderID, e.PolicyVersion, e.RollsTo, e.CapturedAt,
	}
}

// captured is a redemption as the capture of a hold.
func (e PointsRedeemed) captured(hold string) HoldCaptured {
	return HoldCaptured{
		hold, e.RedemptionID, e.Points, e.From, e.Value, e.Rate, e.Reward, e.OrderID, e.PolicyVersion, e.RollsTo, e.RedeemedAt,
	}
}

// lots returns points with the lots of which they are.
func (a *Account) lots(from []Portion) []HeldLot {
	lots := make([]HeldLot, 0, len(from))
	for _, p := range from {
		if l := a.Lot(p.LotID); l != nil {
			lots = append(lots, HeldLot{p.Points, l.Lot})
		}
	}
	return lots
}

func (h *Hold) lots(from []Portion) (lots []HeldLot) {
	if h == nil {
		return nil
	}
	for _, p := range from {
		for _, held := range h.From {
			if held.Lot.LotID == p.LotID {
				lots = append(lots, HeldLot{p.Points, held.Lot})
			}
		}
	}
	return lots
}

// purchase is an order as the programme sees it.
func (o *Order) purchase() loyalty.Purchase {
	p := loyalty.Purchase{AmountMinor: o.Total.AmountMinor, Currency: o.Total.Currency, PlacedOn: o.PlacedOn}
	if o.FX != nil {
		p.Rate, p.Base = o.FX.Rate, o.FX.Base
	}
	for _, l := range o.Lines {
		p.Items = append(p.Items, loyalty.Item{
			SKU: l.SKU, Category: l.Category, Quantity: l.Quantity, AmountMinor: l.AmountMinor,
			Excluded: l.PointsEligible != nil && !*l.PointsEligible,
		})
	}
	return p
}

// remaining returns what is left of a quantity that a rule counted, now that money
// of the order went back: of each line what is left of it, and of that the share
// that was not refunded of the order as a whole.
func (o *Order) remaining(in loyalty.Inputs) *big.Rat {
	if o.Cancelled {
		return new(big.Rat)
	}
	left, byLine := new(big.Rat), int64(0)
	if len(in.Lines) == 0 {
		left.SetInt64(in.Quantity)
	}
	for _, l := range o.RefundedLines {
		byLine += l.AmountMinor
	}
	for _, i := range in.Lines {
		line, gone := o.Lines[i], o.RefundedLines[i]
		if in.PerMinor > 0 {
			left.Add(left, new(big.Rat).SetInt64(line.AmountMinor-gone.AmountMinor))
			continue
		}
		pieces := new(big.Rat).SetInt64(line.Quantity - gone.Quantity)
		if line.AmountMinor > 0 {
			paid := big.NewRat(line.AmountMinor-gone.AmountMinor, line.AmountMinor)
			if paid.Mul(paid, new(big.Rat).SetInt64(line.Quantity)); paid.Cmp(pieces) < 0 {
				pieces = paid
			}
		}
		left.Add(left, pieces)
	}
	if len(in.Lines) == 0 {
		byLine = 0 // of the whole, it does not matter how it was refunded
	}
	if whole := o.Total.AmountMinor - byLine; whole > 0 {
		left.Mul(left, big.NewRat(o.Total.AmountMinor-o.Refunded, whole))
	} else if o.Refunded > 0 {
		left.SetInt64(0)
	}
	return left
}

// Why the loyalty programme refuses a command.
var (
	ErrNoProgram          = &domain.Error{Kind: domain.Conflict, Code: "no_program"}
	ErrNotEnrolled        = &domain.Error{Kind: domain.Conflict, Code: "not_enrolled"}
	ErrInsufficientPoints = &domain.Error{Kind: domain.Conflict, Code: "insufficient_points"}
	ErrPointsHoldNotFound = &domain.Error{Kind: domain.NotFound, Code: "points_hold_not_found"}
	ErrPointsHoldExpired  = &domain.Error{Kind: domain.Conflict, Code: "points_hold_expired"}
	ErrPointsHoldCaptured = &domain.Error{Kind: domain.Conflict, Code: "points_hold_captured"}
	ErrHoldOfTransfer     = &domain.Error{Kind: domain.Conflict, Code: "points_hold_of_transfer"}
	ErrOpenHolds          = &domain.Error{Kind: domain.Conflict, Code: "open_holds"}
	ErrCaptureExceeds     = &domain.Error{Kind: domain.Conflict, Code: "capture_exceeds_hold"}
	ErrPointsHoldExists   = &domain.Error{Kind: domain.Conflict, Code: "points_hold_exists"}
	ErrRedemptionExists   = &domain.Error{Kind: domain.Conflict, Code: "redemption_exists"}
	ErrRedemptionNotFound = &domain.Error{Kind: domain.NotFound, Code: "redemption_not_found"}
	ErrReversalExists     = &domain.Error{Kind: domain.Conflict, Code: "reversal_exists"}
	ErrEarnNotFound       = &domain.Error{Kind: domain.NotFound, Code: "earn_not_found"}
	ErrEarnExceeded       = &domain.Error{Kind: domain.Conflict, Code: "reversal_exceeds_earn"}
	ErrActivityUnknown    = &domain.Error{Kind: domain.Conflict, Code: "activity_unknown"}
	ErrLotNotFound        = &domain.Error{Kind: domain.NotFound, Code: "lot_not_found"}
	ErrLotExpired         = &domain.Error{Kind: domain.Conflict, Code: "lot_expired"}
	ErrRedemptionExceeds  = &domain.Error{Kind: domain.Conflict, Code: "reversal_exceeds_redemption"}
	ErrBelowMinimum       = &domain.Error{Kind: domain.Conflict, Code: "below_minimum"}
	ErrNotAStep           = &domain.Error{Kind: domain.Conflict, Code: "not_a_step"}
	ErrRewardUnavailable  = &domain.Error{Kind: domain.Conflict, Code: "reward_unavailable"}
	ErrOwnAccount         = &domain.Error{Kind: domain.Forbidden, Code: "own_account"}
)
