// Package lifecycle is the read model of the stages customers go through: every
// move of each of them, who is where and was where when, and who moves next if
// nothing happens.
package lifecycle

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	stages "github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/projections"
)

// Name is the name of the view.
const Name = "lifecycle"

// The indexes of the view. Their keys order by time, and are read by the
// functions of this package.
const (
	IndexMoves     = "moves"     // every move: MoveKey
	IndexIntervals = "intervals" // every stay in a stage: StayKey
	IndexActive    = "active"    // who is active now: ActiveKey
	IndexDue       = "due"       // who moves by time alone: the date, 2026-03-01
)

// MetricStage and a stage name the number of customers who are in it.
const MetricStage = "stage:"

// New returns the view.
func New() *projections.View[Document] {
	return &projections.View[Document]{Name: Name, Fold: fold, Indexes: indexes, Metrics: metrics, Rescores: rescores}
}

// Document is the way of a customer through the stages.
type Document struct {
	Standing customer.Standing `json:"standing,omitzero"`
	Moves    []Move            `json:"moves,omitempty"` // as they came, the registration first
	Erased   bool              `json:"erased,omitempty"`
}

// Move is a move from one stage to another. The note of who made it stands in the
// customer's history only: it is personal.
type Move struct {
	From          string              `json:"from,omitempty"` // empty: the customer became known
	To            string              `json:"to"`
	At            time.Time           `json:"at"`
	Trigger       string              `json:"trigger"`
	Cause         customer.StageCause `json:"cause,omitzero"`
	ReasonCode    string              `json:"reason_code,omitempty"`
	Override      bool                `json:"override,omitempty"`
	EventID       uuid.UUID           `json:"event_id,omitzero"`
	PolicyVersion int                 `json:"policy_version,omitempty"`
	Actor         domain.Actor        `json:"actor,omitzero"`
	// What the four-stage view needs to know of the moment.
	PaidOrders  int          `json:"paid_orders,omitempty"`
	FirstPaidOn *domain.Date `json:"first_paid_on,omitempty"`
}

func fold(d *Document, event projections.Event) bool {
	r, ok := projections.RecordOf(event)
	if !ok {
		return false
	}
	move := Move{
		EventID: event.ID, Actor: event.Meta.Actor,
		PaidOrders: d.Standing.PaidOrders, FirstPaidOn: d.Standing.FirstPaidOn,
	}
	switch e := r.Event.(type) {
	case customer.Registered:
		d.Standing.Fold(r)
		move.To, move.At, move.Trigger = stages.Potential, e.RegisteredAt, customer.TriggerRegistration
		d.Moves = append(d.Moves, move)
	case customer.StageEntered:
		d.Standing.Fold(r)
		move.From, move.To, move.At, move.Trigger, move.Cause = e.From, e.Stage, e.EnteredAt, e.Trigger, d.Standing.Cause
		move.ReasonCode, move.Override, move.PolicyVersion = e.ReasonCode, e.Override, e.PolicyVersion
		d.Moves = append(d.Moves, move)
	case customer.OrderPaid, customer.OrderCancelled, customer.RefundRecorded:
		before := d.Standing
		if d.Standing.Fold(r); d.Standing == before {
			return false
		}
	case customer.PersonalDataErased:
		d.Erased = true
	default:
		return false
	}
	return true
}

// rescores says that a policy moves the dates of moves to come.
func rescores(e projections.Event) bool {
	p, ok := e.Data.(policy.Published)
	return ok && p.Kind == policy.KindLifecycle
}

func indexes(d *Document, w *projections.World) []projections.Place {
	if len(d.Moves) == 0 {
		return nil
	}
	places := make([]projections.Place, 0, 2*len(d.Moves)+2)
	for i := range d.Moves {
		places = append(places,
			projections.Place{Index: IndexMoves, Key: d.move(i).key()},
			projections.Place{Index: IndexIntervals, Key: d.stay(i).key()})
	}
	if d.Standing.Stage == stages.Active {
		places = append(places, projections.Place{Index: IndexActive, Key: Bought{d.Standing.PaidOrders, d.Standing.FirstPaidOn}.key()})
	}
	if on, ok := d.due(w); ok {
		places = append(places, projections.Place{Index: IndexDue, Key: on.String()})
	}
	return places
}

// due returns from which business date on the customer may have to move. It may
// be too early by a day, because what is stored says when a stage was entered, and
// not on which business date; never too late.
func (d *Document) due(w *projections.World) (domain.Date, bool) {
	if d.Erased || w == nil {
		return 0, false
	}
	if d.Standing.Unmoved() {
		return *d.Standing.FirstPaidOn, true
	}
	m, ok := d.Standing.Due(domain.DateOf(d.Standing.Since, time.UTC)-1, w.Policies.Lifecycles())
	return m.On, ok
}

func metrics(d *Document, _ *projections.World) []projections.Metric {
	if d.Standing.Stage == "" {
		return nil
	}
	return []projections.Metric{{Name: MetricStage + d.Standing.Stage, Value: 1}}
}

// Moved is a move as IndexMoves tells it.
type Moved struct {
	At       time.Time
	From, To string    // From is empty where the customer became known
	Since    time.Time // when From was entered
	number   int       // of the move among those of the customer
	Bought             // when the move was made
}

// Stayed is a stay as IndexIntervals tells it.
type Stayed struct {
	Stage   string
	Entered time.Time
	Left    time.Time // zero: not yet
	number  int
}

// Bought is what tells development and retention apart.
type Bought struct {
	PaidOrders  int
	FirstPaidOn *domain.Date
}

// FourStage returns what a stage is in the four-stage view on a date.
func (b Bought) FourStage(stage string, on domain.Date, p stages.Policy) string {
	days := 0
	if b.FirstPaidOn != nil {
		days = max(0, int(on-*b.FirstPaidOn))
	}
	return stages.FourStage(stage, b.PaidOrders, days, p)
}

func (d *Document) move(i int) Moved {
	m := &d.Moves[i]
	moved := Moved{At: m.At, From: m.From, To: m.To, number: i, Bought: Bought{m.PaidOrders, m.FirstPaidOn}}
	if i > 0 {
		moved.Since = d.Moves[i-1].At
	}
	return moved
}

func (d *Document) stay(i int) Stayed {
	m := &d.Moves[i]
	s := Stayed{Stage: m.To, Entered: m.At, number: i}
	if i+1 < len(d.Moves) {
		s.Left = d.Moves[i+1].At
	}
	return s
}

const (
	layout = "2006-01-02T15:04:05.000000Z"
	open   = "~" // behind every instant
)

// InstantKey returns an instant as it stands in keys: as text it orders like time.
func InstantKey(t time.Time) string { return t.UTC().Format(layout) }

// StayPrefix begins the keys of the stays in a stage.
func StayPrefix(stage string) string { return stage + "|" }

func (m Moved) key() string {
	since := ""
	if m.From != "" {
		since = InstantKey(m.Since)
	}
	return strings.Join([]string{InstantKey(m.At), m.From, m.To, since, strconv.Itoa(m.number), m.Bought.key()}, "|")
}

func (s Stayed) key() string {
	left := open
	if !s.Left.IsZero() {
		left = InstantKey(s.Left)
	}
	return strings.Join([]string{s.Stage, InstantKey(s.Entered), left, strconv.Itoa(s.number)}, "|")
}

func (b Bought) key() string {
	first := ""
	if b.FirstPaidOn != nil {
		first = b.FirstPaidOn.String()
	}
	return fmt.Sprintf("%06d|%s", b.PaidOrders, first)
}

// ParseMove reads a key of IndexMoves.
func ParseMove(key string) (m Moved, err error) {
	parts := strings.Split(key, "|")
	if len(parts) != 7 {
		return m, fmt.Errorf("%s key %q", IndexMoves, key)
	}
	m.From, m.To = parts[1], parts[2]
	if m.At, err = time.Parse(layout, parts[0]); err == nil && m.From != "" {
		m.Since, err = time.Parse(layout, parts[3])
	}
	if err == nil {
		m.Bought, err = parseBought(parts[5], parts[6])
	}
	if err != nil {
		return m, fmt.Errorf("%s key %q: %w", IndexMoves, key, err)
	}
	return m, nil
}

// ParseStay reads a key of IndexIntervals.
func ParseStay(key string) (s Stayed, err error) {
	parts := strings.Split(key, "|")
	if len(parts) != 4 {
		return s, fmt.Errorf("%s key %q", IndexIntervals, key)
	}
	s.Stage = parts[0]
	if s.Entered, err = time.Parse(layout, parts[1]); err == nil && parts[2] != open {
		s.Left, err = time.Parse(layout, parts[2])
	}
	if err != nil {
		return s, fmt.Errorf("%s key %q: %w", IndexIntervals, key, err)
	}
	return s, nil
}

// ParseActive reads a key of IndexActive.
func ParseActive(key string) (Bought, error) {
	orders, first, ok := strings.Cut(key, "|")
	b, err := parseBought(orders, first)
	if !ok || err != nil {
		return Bought{}, fmt.Errorf("%s key %q", IndexActive, key)
	}
	return b, nil
}

func parseBought(orders, first string) (b Bought, err error) {
	if b.PaidOrders, err = strconv.Atoi(orders); err == nil && first != "" {
		var on domain.Date
		on, err = domain.ParseDate(first)
		b.FirstPaidOn = &on
	}
	return b, err
}
