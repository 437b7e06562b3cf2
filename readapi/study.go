package readapi

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// ErrCurrencyMixed refuses scores of a day on which orders cannot be counted in the
// currency of the policy.
var ErrCurrencyMixed = &domain.Error{Kind: domain.Conflict, Code: rules.CodeCurrencyMixed}

// PolicyDraft is a policy that need not be published.
type PolicyDraft struct {
	Policy rules.Policy `json:"policy"`
}

// StudyOf says what a study is of.
type StudyOf struct {
	AsOf          domain.Date  `json:"as_of"`                    // the business day at whose end customers are scored
	KnownAt       *time.Time   `json:"known_at,omitempty"`       // what was recorded later is left out
	KnownOn       *domain.Date `json:"known_on,omitempty"`       // the same, by business date of recording
	PolicyVersion int          `json:"policy_version,omitempty"` // absent: a draft
	Policy        string       `json:"policy"`                   // its name
	Currency      string       `json:"currency"`
}

// inquiry is what studies of some days have in common: by which policy they score, and
// what of the log they may know.
type inquiry struct {
	policy  *rules.Policy
	version int // 0: a draft
	known   recorded
	zone    *time.Location
	now     *projections.World // what holds for all customers today
	upTo    uint64             // the last position that is read; 0: the head of the log
}

// inquiry reads the policy of a study, from the body of a POST or by its version, and
// the bound on what was known. The caller reads its own parameters and asks for p.err.
func (p *params) inquiry(a *API) (*inquiry, error) {
	ctx := p.r.Context()
	t, err := a.timeline(ctx)
	if err != nil {
		return nil, err
	}
	q := &inquiry{known: p.recorded("known_at", t, true), zone: t.zone, now: t.world(moment{})}
	if p.r.Method == http.MethodPost {
		body, err := web.Body(p.r)
		if err != nil {
			return nil, err
		}
		var d PolicyDraft
		if err := web.Decode(body, &d); err != nil {
			return nil, err
		}
		q.policy = &d.Policy
		return q, d.Policy.Validate()
	}
	if version := p.number("policy_version", 0, 1, math.MaxInt32); version != 0 {
		if v, ok := t.policies.Version(policy.KindRFM, version); ok {
			q.policy, q.version = v.RFM, version
		} else {
			p.bad("policy_version", "%d is not a version of the policy; GET /v1/policies/rfm lists them", version)
		}
		return q, nil
	}
	// The policy of today is that by which the last closed day is scored.
	now, _, err := a.businessNow(ctx, q.now)
	if err != nil {
		return nil, err
	}
	today := domain.DateOf(now, t.zone)
	if q.now.Closed != nil {
		today = *q.now.Closed + 1
	}
	if v, ok := t.policies.On(policy.KindRFM, today); ok {
		q.policy, q.version = v.RFM, v.Version
	} else {
		p.bad("policy_version", "is required: no policy is in force on %s", today)
	}
	return q, nil
}

// day reads a business day; absent it is the last one closed.
func (p *params) day(name string, q *inquiry) domain.Date {
	switch d := p.date(name); {
	case d != nil:
		return *d
	case p.q.Get(name) != "": // noted already
	case q.now.Closed != nil:
		return *q.now.Closed
	default:
		p.bad(name, "is required: no day was closed yet")
	}
	return 0
}

func (q *inquiry) of(asOf domain.Date) StudyOf {
	return StudyOf{
		AsOf: asOf, KnownAt: q.known.at, KnownOn: q.known.on,
		PolicyVersion: q.version, Policy: q.policy.Name, Currency: q.policy.Currency,
	}
}

// orderFacts is every event that the scores of a customer follow from.
var orderFacts = []any{customer.OrderRecorded{}, customer.OrderPaid{}, customer.OrderCancelled{}, customer.RefundRecorded{}}

// orderTypes is how the types of these events begin, whatever their version.
var orderTypes = sync.OnceValue(func() []string { return typePrefixes(orderFacts) })

// maxDays is how many days one reading of the log can be about.
const maxDays = 2

// buyer is what a customer had ordered by the end of each day that is asked about.
type buyer struct {
	docs [maxDays]rfm.Document
	last struct { // order recorded
		id string
		at time.Time
		on domain.Date
	}
}

// on returns the business day from which an event counts. Who pays with the order
// pays on its day, whatever the time zone in which that is a date.
func (b *buyer) on(data any, zone *time.Location) domain.Date {
	switch d := data.(type) {
	case customer.OrderRecorded:
		b.last.id, b.last.at, b.last.on = d.OrderID, d.PlacedAt, d.PlacedOn
		return d.PlacedOn
	case customer.OrderPaid:
		if d.OrderID == b.last.id && d.PaidAt.Equal(b.last.at) {
			return b.last.on
		}
		return domain.DateOf(d.PaidAt, zone)
	case customer.OrderCancelled:
		return domain.DateOf(d.CancelledAt, zone)
	case customer.RefundRecorded:
		return d.RefundedOn
	}
	return rfm.Forever
}

// buyers folds the orders of all customers from the log, each as of the end of some
// days. It holds them in memory, some 200 bytes an order and 120 for another day, and
// no more than that. It returns the position that it has read to.
func (a *API) buyers(ctx context.Context, q *inquiry, days []domain.Date) (map[uuid.UUID]*buyer, uint64, error) {
	all, currencies := map[uuid.UUID]*buyer{}, map[string]string{}
	parked, err := a.parked(ctx)
	if err != nil {
		return nil, 0, err
	}
	head, err := a.follow(ctx, 0, orderTypes(), func(raw eventschema.Raw) error {
		if q.upTo != 0 && raw.Position > q.upTo {
			return errHead
		}
		id, ok := eventschema.CustomerOf(raw)
		if !ok || parked[raw.ID] {
			return nil
		}
		// Nothing that scores follow from is personal, so that no key is needed.
		e, err := eventschema.Events.Open(raw, eventschema.Erased)
		if err != nil {
			return fmt.Errorf("event %v of %s: %w", raw.ID, raw.Stream, err)
		}
		if !q.known.has(raw.Position, e.Meta.RecordedAt, e.Meta.BusinessDate) {
			return nil
		}
		b := all[id]
		if b == nil {
			b = new(buyer)
			all[id] = b
		}
		if d, ok := e.Data.(customer.OrderRecorded); ok { // what is kept of it must not keep the page that it came with
			d.OrderID, d.Total.Currency = strings.Clone(d.OrderID), intern(currencies, d.Total.Currency)
			if d.FX != nil {
				d.FX.Base = intern(currencies, d.FX.Base)
			}
			e.Data = d
		}
		if d, ok := e.Data.(customer.OrderPaid); ok && d.FX != nil {
			d.FX.Base = intern(currencies, d.FX.Base)
		}
		on := b.on(e.Data, q.zone)
		for i, day := range days {
			if on <= day {
				rfmView.Fold(&b.docs[i], e)
			}
		}
		return nil
	})
	if q.upTo != 0 {
		head = min(head, q.upTo)
	}
	return all, head, err
}

func intern(known map[string]string, s string) string {
	kept, ok := known[s]
	if !ok {
		kept = strings.Clone(s)
		known[kept] = kept
	}
	return kept
}

// study is the scores of all customers at the end of a day.
type study struct {
	*inquiry
	asOf       domain.Date
	population int64
	world      *projections.World // of the policy and the calibration of the study alone
	mixed      string             // why there is no calibration; empty if there is one
	customers  []studied          // who had ordered by then, ascending by id
	spread     rfm.Distribution
	position   uint64
}

// studied is what is kept of a customer.
type studied struct {
	id     uuid.UUID
	values rules.Values
	reason string // why there are no scores
}

// studies scores all customers at the end of some days. One request at a time does
// so, for the sake of memory.
func (a *API) studies(ctx context.Context, q *inquiry, days ...domain.Date) ([]*study, error) {
	if err := a.reading.enter(ctx); err != nil {
		return nil, err
	}
	defer a.reading.leave()
	all, position, err := a.buyers(ctx, q, days)
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	list := make([]*study, len(days))
	for i, day := range days {
		list[i] = &study{inquiry: q, asOf: day, position: position}
		if err := list[i].score(ids, func(id uuid.UUID) *rfm.Document { return &all[id].docs[i] }); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// score calibrates by all customers who have ordered, as the calibrator does, and
// scores them by that.
func (s *study) score(ids []uuid.UUID, of func(uuid.UUID) *rfm.Document) error {
	tally := rfm.NewTally(s.asOf, s.version)
	for _, id := range ids {
		tally.Add(of(id), s.policy)
	}
	contribution, err := rfm.DecodeContribution(tally.Encode())
	if err != nil {
		return err
	}
	population, foreign, err := rfm.Merge([]*rfm.Contribution{contribution})
	if err != nil {
		return err
	}
	s.population = population.Size
	s.world = &projections.World{Policies: policy.Set{}.With(policy.Published{Kind: policy.KindRFM, Version: s.version, RFM: s.policy})}
	if len(foreign) > 0 {
		s.mixed = rfm.Mixed(s.policy, foreign)
	} else {
		cuts := rules.Calibrate(s.policy, population)
		s.world.Calibration = &rules.Calibrated{
			AsOf: s.asOf, PolicyVersion: s.version, Currency: s.policy.Currency, Population: int(population.Size),
			Denominator: cuts.Denominator, Recency: cuts.Recency, Frequency: cuts.Frequency, Monetary: cuts.Monetary,
		}
	}
	sums, unscored := map[string]int64{}, map[string]int64{}
	for _, id := range ids {
		d := of(id)
		if len(d.Orders) == 0 {
			continue
		}
		is := rfm.Of(d, s.world)
		if s.mixed != "" {
			if _, reason := rfm.Values(d, s.policy, s.asOf, s.asOf); reason != "" {
				is.Reason = reason
			}
		}
		if is.Reason != "" {
			unscored[is.Reason]++
		}
		s.customers = append(s.customers, studied{id, is.Values, is.Reason})
		for _, m := range rfmView.Metrics(d, s.world) {
			sums[m.Name] += m.Value
		}
	}
	s.spread = rfm.DistributionOf(sums, s.world)
	s.spread.Unscored = unscored
	return nil
}

// calibration returns the cut points of the study, nil if it could not be made or
// nobody was there to make it by.
func (s *study) calibration() *rules.Calibrated {
	c, _ := calibrated(s.world)
	return c
}

// refusal returns ErrCurrencyMixed if customers cannot be scored because of that.
func (s *study) refusal() error {
	if s.mixed == "" {
		return nil
	}
	return ErrCurrencyMixed.With("As of %s, %s.", s.asOf, s.mixed)
}

// standing returns how a customer of the study scores.
func (s *study) standing(c *studied) RFM {
	is := rfm.Standing{Reason: c.reason, AsOf: s.asOf, PolicyVersion: s.version, Values: c.values}
	if c.reason == "" {
		is.Scores = s.world.Calibration.CutPoints().Score(c.values)
		is.Label = s.policy.Label(is.Scores)
	}
	return standing(is, s.world)
}

// find returns a customer of the study, nil for who had not ordered yet.
func (s *study) find(id uuid.UUID) *studied {
	i, ok := slices.BinarySearchFunc(s.customers, id, func(c studied, id uuid.UUID) int { return bytes.Compare(c.id[:], id[:]) })
	if !ok {
		return nil
	}
	return &s.customers[i]
}

func (s *study) stamp() Stamp { return stamp(s.position, s.now) }
