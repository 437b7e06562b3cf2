package customer

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
)

// Standing is the stage of its lifecycle in which a customer is, and why.
type Standing struct {
	Stage         string     `json:"stage,omitempty"`
	Since         time.Time  `json:"since,omitzero"`
	Trigger       string     `json:"trigger,omitempty"` // one of the Trigger constants
	Cause         StageCause `json:"cause,omitzero"`
	ReasonCode    string     `json:"reason_code,omitempty"`
	EventID       uuid.UUID  `json:"event_id,omitzero"` // that says so
	PolicyVersion int        `json:"policy_version,omitempty"`
	// PaidOrders is how many orders are paid, and neither cancelled nor refunded in
	// full. The dates are those of all orders that were ever paid.
	PaidOrders  int          `json:"paid_orders"`
	FirstPaidOn *domain.Date `json:"first_paid_on,omitempty"` // business dates of the orders
	LastPaidOn  *domain.Date `json:"last_paid_on,omitempty"`
	// NoPaidOrder says that the stage is one of those who have bought, and that no
	// paid order is left.
	NoPaidOrder bool `json:"no_paid_order,omitempty"`
	// IdleSince is a later date from which idle days count, because somebody decided so.
	IdleSince *domain.Date `json:"idle_since,omitempty"`
	// Paid names the last payment and its event.
	Paid *Payment `json:"last_payment,omitempty"`
}

// Payment names the event that says that an order was paid.
type Payment struct {
	OrderID string    `json:"order_id"`
	EventID uuid.UUID `json:"event_id,omitzero"`
}

// Fold brings it up to date with an event.
func (x *Standing) Fold(r Record) {
	switch e := r.Event.(type) {
	case Registered:
		if x.Stage == "" {
			x.Stage, x.Since, x.Trigger, x.EventID = lifecycle.Potential, e.RegisteredAt, TriggerRegistration, r.ID
		}
	case StageEntered:
		x.Stage, x.Since, x.Trigger, x.Cause = e.Stage, e.EnteredAt, e.Trigger, e.Cause
		x.ReasonCode, x.EventID, x.PolicyVersion = e.ReasonCode, r.ID, e.PolicyVersion
		if x.Paid != nil && e.Cause.OrderID != "" && e.Cause.OrderID == x.Paid.OrderID {
			x.Cause.EventID = x.Paid.EventID
		} else if e.Cause.Type == CauseDay {
			x.Cause.EventID = r.Causation
		}
		if e.IdleSince != nil {
			on := *e.IdleSince
			x.IdleSince = &on
		}
	case OrderPaid:
		x.pay(r, e)
	case OrderCancelled:
		x.left(e.PaidOrdersLeft)
	case RefundRecorded:
		x.left(e.PaidOrdersLeft)
	default:
		return
	}
	x.NoPaidOrder = x.PaidOrders == 0 && x.Stage != "" && x.Stage != lifecycle.Potential && x.Stage != lifecycle.Converting
}

func (x *Standing) pay(r Record, e OrderPaid) {
	on := domain.DateOf(e.PaidAt, time.UTC)
	if e.PlacedOn != nil {
		on = *e.PlacedOn
	}
	x.PaidOrders++
	if x.FirstPaidOn == nil || on < *x.FirstPaidOn {
		x.FirstPaidOn = &on
	}
	if x.LastPaidOn == nil || on > *x.LastPaidOn {
		last := on
		x.LastPaidOn = &last
	}
	x.Paid = &Payment{e.OrderID, r.ID}
}

func (x *Standing) left(orders *int) {
	if orders != nil {
		x.PaidOrders = *orders
	}
}

// Idle returns the date from which idle days count, false if there is none.
func (x *Standing) Idle() (domain.Date, bool) {
	switch {
	case x.LastPaidOn == nil && x.IdleSince == nil:
		return 0, false
	case x.LastPaidOn == nil:
		return *x.IdleSince, true
	case x.IdleSince == nil:
		return *x.LastPaidOn, true
	}
	return max(*x.LastPaidOn, *x.IdleSince), true
}

// Unmoved says that the customer has paid, and that the stage does not show it: the
// payment is older than the stages of customers are.
func (x *Standing) Unmoved() bool {
	return x.PaidOrders > 0 && x.FirstPaidOn != nil && (x.Stage == lifecycle.Potential || x.Stage == lifecycle.Converting)
}

// Due returns the move that is made of the customer if nothing happens. entered
// is the business date on which the stage was entered. false: there is none.
func (x *Standing) Due(entered domain.Date, versions []lifecycle.Version) (lifecycle.Move, bool) {
	idle, ok := x.Idle()
	if !ok {
		return lifecycle.Move{}, false
	}
	return lifecycle.Due(x.Stage, idle, entered, versions)
}

// mover moves a customer from stage to stage, without and with what an order
// says. It collects the events.
type mover struct {
	domain.Subject
	Standing
	versions []lifecycle.Version
	moves    []Event
}

func newMover(of domain.Subject, known world.Known, s State) *mover {
	m := &mover{Subject: of, Standing: s.Standing}
	if known.World != nil {
		m.versions = known.World.Policies.Lifecycles()
	}
	return m
}

// enter makes a move, never before the one before it.
func (m *mover) enter(e StageEntered) {
	e.From = m.Stage
	if e.EnteredAt.Before(m.Since) {
		e.EnteredAt = m.Since
	}
	e.EnteredAt = e.EnteredAt.UTC()
	m.Standing.Fold(Record{Event: e})
	m.moves = append(m.moves, e)
}

// elapse makes every move that is due on a business date, at the instants at
// which they fell due. by says what they follow from beside the day.
func (m *mover) elapse(today domain.Date, by StageEntered) {
	if m.Unmoved() {
		first := *m.FirstPaidOn
		m.enter(StageEntered{
			Stage: lifecycle.Active, Trigger: TriggerOrder, Cause: StageCause{Type: CauseOrder}, EnteredAt: first.Start(m.zone()),
		})
	}
	for {
		due, ok := m.Due(m.DateOf(m.Since), m.versions)
		if !ok || due.On > today {
			return
		}
		e, day := by, due.On-1
		e.Stage, e.PolicyVersion, e.Cause.Day = due.To, due.Version, &day
		e.EnteredAt = due.On.Start(m.zone())
		m.enter(e)
	}
}

// overTime is what a move follows from that only time makes.
var overTime = StageEntered{Trigger: TriggerDayClosed, Cause: StageCause{Type: CauseDay}}

func (m *mover) zone() *time.Location {
	if m.Zone == nil {
		return time.UTC
	}
	return m.Zone
}

// paying returns everything that the payment of an order brings about: what was due
// before it, the order itself if it is new, its payment, the points that it gives,
// and the moves to another stage.
func paying(of domain.Subject, known world.Known, s State, o *Order, paid OrderPaid, points *booker, recorded []Event) ([]Event, error) {
	paid.Qualifying = points.qualifies(o)
	captured := points.taken()
	points.Account.Fold(Record{Event: paid})
	if err := points.earn(s, o, paid.PaidAt); err != nil {
		return nil, err
	}
	before, after := stages(of, known, s, paid)
	return slices.Concat(before, points.due, recorded, captured, []Event{paid}, points.taken(), after), nil
}

// stages returns the moves that were due when an order was paid, and those that
// its payment makes; they belong before and behind it.
func stages(of domain.Subject, known world.Known, s State, paid OrderPaid) (before, after []Event) {
	m := newMover(of, known, s)
	now := decidedAt(of, known, paid.PaidAt)
	if now.Before(m.Since) {
		now = m.Since
	}
	today := m.DateOf(now)
	m.elapse(today, overTime)
	before, m.moves = m.moves, nil

	m.Standing.Fold(Record{Event: paid})
	by := StageEntered{Trigger: TriggerOrder, Cause: StageCause{Type: CauseOrder, OrderID: paid.OrderID}}
	at := paid.PaidAt
	if late := m.DateOf(at) < today; late {
		by.Trigger = TriggerLateOrder
		if m.Stage != lifecycle.Potential && m.Stage != lifecycle.Converting {
			at = now
		}
	}
	stage, version := m.idle(*m.LastPaidOn, today)
	switch {
	case m.Stage == lifecycle.Potential, m.Stage == lifecycle.Converting:
	case m.Stage == lifecycle.AtRisk && stage == lifecycle.Active:
	case (m.Stage == lifecycle.Churned || m.Stage == lifecycle.Reactivating) && stage != lifecycle.Churned:
	default:
		return before, nil
	}
	e := by
	e.Stage, e.PolicyVersion, e.EnteredAt = lifecycle.Active, version, at
	m.enter(e)
	m.elapse(today, by)
	return before, m.moves
}

// idle returns the stage that the days since the last paid order say, and the
// version of the policy by which they do. Without a policy nobody is idle.
func (m *mover) idle(last, today domain.Date) (stage string, version int) {
	stage = lifecycle.Active
	for _, v := range m.versions {
		if v.From <= today {
			stage, version = v.Policy.Idle(int(today-last)), v.Version
		}
	}
	return stage, version
}

// pointPolicies names the versions of the loyalty programme and of the ladder that
// decide on what is of a business date, on the day of a decision.
func pointPolicies(of domain.Subject, known world.Known, on domain.Date) (refs []domain.PolicyRef) {
	if p, ok := known.Policy(policy.KindLoyalty, on); ok {
		refs = append(refs, p.Ref())
	}
	if p, ok := known.Policy(policy.KindTier, of.Today()); ok && len(refs) > 0 {
		refs = append(refs, p.Ref())
	}
	return refs
}

// stagePolicy names the version of the lifecycle policy that is in force on the
// day of a decision.
func stagePolicy(of domain.Subject, known world.Known) []domain.PolicyRef {
	if p, ok := known.Policy(policy.KindLifecycle, of.Today()); ok {
		return []domain.PolicyRef{p.Ref()}
	}
	return nil
}
