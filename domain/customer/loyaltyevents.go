package customer

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
)

// A lot is points that were credited together. What is spent, held, taken back or
// lapses is always points of named lots, and the event says of which: in the order
// in which they lapse, then in which they were earned, then of their ids.
//
// A credit pays what the customer owes first. How much of it did is said in the
// event; it comes off the credited lots in the order in which they are listed.

// Lot is points that were credited together.
type Lot struct {
	LotID       string     `json:"lot_id"` // unique within the customer
	Points      int64      `json:"points"` // as credited
	EarnedAt    time.Time  `json:"earned_at"`
	AvailableAt time.Time  `json:"available_at"`         // not spendable before
	ExpiresAt   *time.Time `json:"expires_at,omitempty"` // not spendable from then on; absent: it never lapses
	// Rolling says that the lot lapses later when the customer earns or redeems.
	Rolling bool      `json:"rolling,omitempty"`
	Source  LotSource `json:"source"`
}

// LotSource is what a lot was credited for.
type LotSource struct {
	Kind string `json:"kind"`           // one of the Lot… constants
	Ref  string `json:"ref"`            // the order, the bonus, the transfer, …
	Rule string `json:"rule,omitempty"` // of the programme
}

// What lots are credited for.
const (
	LotOrder      = "order"
	LotActivity   = "activity"
	LotBonus      = "bonus"
	LotAdjustment = "adjustment"
	LotTransfer   = "transfer"
	LotCare       = "care"
	LotReward     = "annual_reward"
	LotCoupon     = "coupon"
)

// Portion is points of a lot.
type Portion struct {
	LotID  string `json:"lot_id"`
	Points int64  `json:"points"`
}

// Restored is points that came back to the lot that they were spent from.
type Restored struct {
	LotID  string `json:"lot_id"` // that they were spent from
	Points int64  `json:"points"`
	// Lot is that lot as it is now; it lapses when it did before. With Grace it is a
	// lot of its own, because the other has lapsed.
	Lot   Lot  `json:"lot"`
	Grace bool `json:"grace,omitempty"`
}

// Qualifying is what of an order counts towards the tier.
type Qualifying struct {
	On         domain.Date `json:"on"`          // the business date of the placing
	SpendMinor int64       `json:"spend_minor"` // in the programme's currency
	Orders     int64       `json:"orders"`
}

// ProgramJoined says since when a customer is a member of the loyalty programme.
// An order that becomes known late may date it back.
type ProgramJoined struct {
	Trigger  string    `json:"trigger"` // TriggerRequest or TriggerFirstOrder
	OrderID  string    `json:"order_id,omitempty"`
	JoinedAt time.Time `json:"joined_at"`
}

// What made a customer a member.
const (
	TriggerRequest    = "request"
	TriggerFirstOrder = "first_order"
)

// ProgramLeft says that a customer is no member any more.
type ProgramLeft struct {
	Reason string    `json:"reason,omitempty" personal:"true"`
	LeftAt time.Time `json:"left_at"`
}

// PointsForfeited says that all points were lost that were not held.
type PointsForfeited struct {
	Points      int64     `json:"points"`
	From        []Portion `json:"from"`  // pending lots too
	Cause       string    `json:"cause"` // ForfeitLeft or ForfeitErased
	ForfeitedAt time.Time `json:"forfeited_at"`
}

// Why points are forfeited.
const (
	ForfeitLeft   = "left"
	ForfeitErased = "erased"
)

// PointsEarned says which points a rule of the programme gave, and from what they
// follow.
type PointsEarned struct {
	Lot       Lot            `json:"lot"`
	Inputs    loyalty.Inputs `json:"inputs"`
	Remainder string         `json:"remainder,omitempty"` // what rounding took, as a fraction
	Expiry    loyalty.Expiry `json:"expiry"`              // from which Lot.ExpiresAt follows
	PlacedOn  domain.Date    `json:"placed_on"`           // the business date from which everything counts
	Tier      string         `json:"tier,omitempty"`      // the customer's, when it was decided
	// PolicyVersion is that of the programme that was in force on PlacedOn.
	PolicyVersion int        `json:"policy_version"`
	DeficitPaid   int64      `json:"deficit_paid,omitempty"`
	RollsTo       *time.Time `json:"rolls_to,omitempty"` // when rolling lots lapse from now on
	BookedAt      time.Time  `json:"booked_at"`          // when they became the customer's
}

// PointsGranted says that somebody gave points.
type PointsGranted struct {
	Lot           Lot            `json:"lot"`
	Expiry        loyalty.Expiry `json:"expiry"`
	PlacedOn      domain.Date    `json:"placed_on"`
	PolicyVersion int            `json:"policy_version"`
	CampaignID    string         `json:"campaign_id,omitempty"`
	Reason        string         `json:"reason,omitempty" personal:"true"`
	GrantedBy     domain.Actor   `json:"granted_by"`
	ApprovedBy    *domain.Actor  `json:"approved_by,omitempty"` // where one alone may not
	DeficitPaid   int64          `json:"deficit_paid,omitempty"`
	GrantedAt     time.Time      `json:"granted_at"`
}

// PointsActivated says that a pending lot became spendable.
type PointsActivated struct {
	LotID       string    `json:"lot_id"`
	Points      int64     `json:"points"`
	DeficitPaid int64     `json:"deficit_paid,omitempty"`
	ActivatedAt time.Time `json:"activated_at"` // when it was due
}

// PointsHeld says that points were set aside.
type PointsHeld struct {
	HoldID    string     `json:"hold_id"`
	Points    int64      `json:"points"`
	From      []Portion  `json:"from"`
	Transfer  uuid.UUID  `json:"transfer,omitzero"` // that they are held for
	HeldAt    time.Time  `json:"held_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // released by itself then; absent: not by itself
}

// HoldReleased says that held points went back to their lots, or lapsed with them.
type HoldReleased struct {
	HoldID      string    `json:"hold_id"`
	Points      int64     `json:"points"`
	Returned    []Portion `json:"returned,omitempty"`
	Lapsed      []Portion `json:"lapsed,omitempty"`
	DeficitPaid int64     `json:"deficit_paid,omitempty"`
	Cause       string    `json:"cause"` // one of the Release… constants
	ReleasedAt  time.Time `json:"released_at"`
}

// Why a hold is released.
const (
	ReleaseRequested = "requested"
	ReleaseExpired   = "expired"
	ReleaseCaptured  = "captured" // the rest of what was captured in part
	ReleaseErased    = "erased"
	ReleaseCancelled = "transfer_cancelled"
)

// HoldCaptured says that held points were spent: it is a redemption.
type HoldCaptured struct {
	HoldID        string       `json:"hold_id"`
	RedemptionID  string       `json:"redemption_id"`
	Points        int64        `json:"points"`
	From          []Portion    `json:"from"`
	Value         domain.Money `json:"value"` // what they were worth
	Rate          Rate         `json:"rate"`
	Reward        string       `json:"reward,omitempty"`
	OrderID       string       `json:"order_id,omitempty"`
	PolicyVersion int          `json:"policy_version"`
	RollsTo       *time.Time   `json:"rolls_to,omitempty"`
	CapturedAt    time.Time    `json:"captured_at"`
}

// PointsRedeemed says that points were spent.
type PointsRedeemed struct {
	RedemptionID  string       `json:"redemption_id"`
	Points        int64        `json:"points"`
	From          []Portion    `json:"from"`
	Value         domain.Money `json:"value"` // what they were worth
	Rate          Rate         `json:"rate"`
	Reward        string       `json:"reward,omitempty"`
	OrderID       string       `json:"order_id,omitempty"`
	PolicyVersion int          `json:"policy_version"`
	RollsTo       *time.Time   `json:"rolls_to,omitempty"`
	RedeemedAt    time.Time    `json:"redeemed_at"`
}

// Rate says that so many points are worth so much money.
type Rate struct {
	Points     int64 `json:"points"`
	ValueMinor int64 `json:"value_minor"`
}

// RedemptionReversed says that spent points came back: those that were taken last
// first. Those whose lot has lapsed did not, unless the programme has a grace.
type RedemptionReversed struct {
	RedemptionID  string        `json:"redemption_id"`
	Points        int64         `json:"points"`
	Restored      []Restored    `json:"restored,omitempty"`
	Lapsed        []Portion     `json:"lapsed,omitempty"`
	DeficitPaid   int64         `json:"deficit_paid,omitempty"`
	Cause         ReversalCause `json:"cause"`
	Reason        string        `json:"reason,omitempty" personal:"true"`
	PolicyVersion int           `json:"policy_version"`
	ReversedAt    time.Time     `json:"reversed_at"`
}

// ReversalCause is why something was reversed.
type ReversalCause struct {
	Type       string `json:"type"` // one of the Reversal… constants
	OrderID    string `json:"order_id,omitempty"`
	RefundID   string `json:"refund_id,omitempty"`
	ReversalID string `json:"reversal_id,omitempty"` // of the request, where it was one
}

// Why something is reversed.
const (
	ReversalRequested = "requested"
	ReversalCancelled = "order_cancelled"
	ReversalRefunded  = "order_refunded"
)

// PointsEarnReversed says that points that were earned were taken back. Points is
// From and Lapsed and Deficit and Waived together.
type PointsEarnReversed struct {
	Source   LotSource   `json:"source"`
	LotID    string      `json:"lot_id"` // that was credited
	Points   int64       `json:"points"` // by how much less is kept
	Kept     int64       `json:"kept"`   // what the rule gives for what is left
	From     []Portion   `json:"from,omitempty"`
	Lapsed   int64       `json:"lapsed,omitempty"`  // had lapsed or were forfeited: nothing is left to take
	Deficit  int64       `json:"deficit,omitempty"` // is owed now
	Waived   int64       `json:"waived,omitempty"`  // let go, as the programme says, or because the customer was erased
	PlacedOn domain.Date `json:"placed_on"`         // of the earning
	// Remaining is the quantity of Inputs that is left, as a fraction.
	Remaining     string        `json:"remaining,omitempty"`
	Cause         ReversalCause `json:"cause"`
	Reason        string        `json:"reason,omitempty" personal:"true"`
	PolicyVersion int           `json:"policy_version"` // that says what becomes of spent points
	ReversedAt    time.Time     `json:"reversed_at"`
}

// EarnReversalDeclined says that points stay though the money went back, because
// the programme takes only pending points back and they were spendable.
type EarnReversalDeclined struct {
	Source        LotSource     `json:"source"`
	LotID         string        `json:"lot_id"`
	Points        int64         `json:"points"` // that were not taken back
	Cause         ReversalCause `json:"cause"`
	Reason        string        `json:"reason,omitempty" personal:"true"`
	PolicyVersion int           `json:"policy_version"`
	DeclinedAt    time.Time     `json:"declined_at"`
}

// PointsExpired says that what was left of a lot has lapsed.
type PointsExpired struct {
	LotID     string    `json:"lot_id"`
	Points    int64     `json:"points"`
	ExpiredAt time.Time `json:"expired_at"` // when it was due
}

// ExpiryExtended says that lots lapse later than they would have.
type ExpiryExtended struct {
	Lots       []string  `json:"lots"`
	To         time.Time `json:"to"`
	Reason     string    `json:"reason,omitempty" personal:"true"`
	ExtendedAt time.Time `json:"extended_at"`
}

// PointsProposed says that somebody wants points to be booked that another must
// approve.
type PointsProposed struct {
	ProposalID string       `json:"proposal_id"`
	Kind       string       `json:"kind"` // LotBonus or LotAdjustment
	Points     int64        `json:"points"`
	CampaignID string       `json:"campaign_id,omitempty"`
	Reason     string       `json:"reason,omitempty" personal:"true"`
	ProposedBy domain.Actor `json:"proposed_by"`
	ProposedAt time.Time    `json:"proposed_at"`
}

// ProposalRejected says that proposed points are not booked.
type ProposalRejected struct {
	ProposalID string       `json:"proposal_id"`
	Reason     string       `json:"reason,omitempty" personal:"true"`
	RejectedBy domain.Actor `json:"rejected_by"`
	RejectedAt time.Time    `json:"rejected_at"`
}

// PointsAdjusted says that a balance was corrected: up by a lot, or down from lots
// and, where they do not reach, into a deficit.
type PointsAdjusted struct {
	AdjustmentID  string          `json:"adjustment_id"`
	Points        int64           `json:"points"` // negative: taken
	Lot           *Lot            `json:"lot,omitempty"`
	Expiry        *loyalty.Expiry `json:"expiry,omitempty"` // from which Lot.ExpiresAt follows
	From          []Portion       `json:"from,omitempty"`
	Deficit       int64           `json:"deficit,omitempty"`
	DeficitPaid   int64           `json:"deficit_paid,omitempty"`
	Reason        string          `json:"reason,omitempty" personal:"true"`
	ProposedBy    domain.Actor    `json:"proposed_by"`
	ApprovedBy    domain.Actor    `json:"approved_by"`
	PolicyVersion int             `json:"policy_version"`
	AdjustedAt    time.Time       `json:"adjusted_at"`
}

// PointsTransferredOut says that held points went to another customer.
type PointsTransferredOut struct {
	TransferID    uuid.UUID `json:"transfer_id"`
	HoldID        string    `json:"hold_id"`
	To            uuid.UUID `json:"to"`
	Points        int64     `json:"points"`
	From          []Portion `json:"from"`
	TransferredAt time.Time `json:"transferred_at"`
}

// PointsTransferredIn says that points came from another customer. They lapse when
// they would have there.
type PointsTransferredIn struct {
	TransferID    uuid.UUID `json:"transfer_id"`
	From          uuid.UUID `json:"from"`
	Points        int64     `json:"points"`
	Lots          []Lot     `json:"lots"`
	Of            []string  `json:"of"` // likewise: the lots of the sender that they were
	DeficitPaid   int64     `json:"deficit_paid,omitempty"`
	TransferredAt time.Time `json:"transferred_at"`
}

func (ProgramJoined) customerEvent()        {}
func (ProgramLeft) customerEvent()          {}
func (PointsForfeited) customerEvent()      {}
func (PointsEarned) customerEvent()         {}
func (PointsGranted) customerEvent()        {}
func (PointsActivated) customerEvent()      {}
func (PointsHeld) customerEvent()           {}
func (HoldReleased) customerEvent()         {}
func (HoldCaptured) customerEvent()         {}
func (PointsRedeemed) customerEvent()       {}
func (RedemptionReversed) customerEvent()   {}
func (PointsEarnReversed) customerEvent()   {}
func (EarnReversalDeclined) customerEvent() {}
func (PointsExpired) customerEvent()        {}
func (ExpiryExtended) customerEvent()       {}
func (PointsProposed) customerEvent()       {}
func (ProposalRejected) customerEvent()     {}
func (PointsAdjusted) customerEvent()       {}
func (PointsTransferredOut) customerEvent() {}
func (PointsTransferredIn) customerEvent()  {}

// Occurred implements domain.Dated.
func (e ProgramJoined) Occurred() time.Time        { return e.JoinedAt }
func (e ProgramLeft) Occurred() time.Time          { return e.LeftAt }
func (e PointsForfeited) Occurred() time.Time      { return e.ForfeitedAt }
func (e PointsEarned) Occurred() time.Time         { return e.BookedAt }
func (e PointsGranted) Occurred() time.Time        { return e.GrantedAt }
func (e PointsActivated) Occurred() time.Time      { return e.ActivatedAt }
func (e PointsHeld) Occurred() time.Time           { return e.HeldAt }
func (e HoldReleased) Occurred() time.Time         { return e.ReleasedAt }
func (e HoldCaptured) Occurred() time.Time         { return e.CapturedAt }
func (e PointsRedeemed) Occurred() time.Time       { return e.RedeemedAt }
func (e RedemptionReversed) Occurred() time.Time   { return e.ReversedAt }
func (e PointsEarnReversed) Occurred() time.Time   { return e.ReversedAt }
func (e EarnReversalDeclined) Occurred() time.Time { return e.DeclinedAt }
func (e PointsExpired) Occurred() time.Time        { return e.ExpiredAt }
func (e ExpiryExtended) Occurred() time.Time       { return e.ExtendedAt }
func (e PointsProposed) Occurred() time.Time       { return e.ProposedAt }
func (e ProposalRejected) Occurred() time.Time     { return e.RejectedAt }
func (e PointsAdjusted) Occurred() time.Time       { return e.AdjustedAt }
func (e PointsTransferredOut) Occurred() time.Time { return e.TransferredAt }
func (e PointsTransferredIn) Occurred() time.Time  { return e.TransferredAt }
