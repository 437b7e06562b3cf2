package readapi

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/loyalty"
)

// Liability is what the loyalty programme owes its members, and what it ever gave
// and took.
type Liability struct {
	At            *time.Time `json:"at" jsonschema:"nullable"` // null: as it is booked; no day was closed yet
	PolicyVersion int        `json:"policy_version,omitempty"` // of the programme in force that day, by which points have a value
	Accounts      int64      `json:"accounts"`                 // of everybody who is or was a member
	Members       int64      `json:"members"`
	// Outstanding is all that members have: spendable, pending and held points.
	Outstanding Worth `json:"outstanding"`
	Spendable   Worth `json:"spendable"`
	Pending     Worth `json:"pending"` // not spendable yet
	Held        Worth `json:"held"`
	Deficit     Worth `json:"deficit"` // owed by members, and in none of the above
	// ByMonth is the spendable and the pending points by the month in which they lapse,
	// ascending; those that never do come last. Held points are in none.
	ByMonth []ExpiryMonth   `json:"by_month"`
	ByTier  []TierMembers   `json:"by_tier"` // as the ladder has them
	Totals  ProgrammeTotals `json:"totals"`
	Then    *Moment         `json:"then,omitempty"`
	Stamp
}

// Worth is points and their value in money; null without a programme.
type Worth struct {
	Points int64         `json:"points"`
	Value  *domain.Money `json:"value" jsonschema:"nullable"`
}

// ExpiryMonth is points that lapse in a month. They lapse with the first instant of a
// business date, so that points of the first of a month could last be spent in the
// month before. The values of all months are that of their points together.
type ExpiryMonth struct {
	Month     string `json:"month"` // such as 2027-03, or never
	Spendable int64  `json:"spendable"`
	Pending   int64  `json:"pending"`
	Worth
}

// TierMembers counts the members of a level.
type TierMembers struct {
	Tier    string `json:"tier"`           // empty without a ladder
	Name    string `json:"name,omitempty"` // absent if the ladder does not have it any more
	From    *int64 `json:"from,omitempty"` // of the measure, at least; likewise
	Members int64  `json:"members"`
}

// ProgrammeTotals is what was ever credited and debited.
type ProgrammeTotals struct {
	Earned         int64 `json:"earned"`
	Granted        int64 `json:"granted"`
	TransferredIn  int64 `json:"transferred_in"`
	Restored       int64 `json:"restored"`
	AdjustedUp     int64 `json:"adjusted_up"`
	Redeemed       int64 `json:"redeemed"`
	Expired        int64 `json:"expired"`
	Reversed       int64 `json:"reversed"`
	Forfeited      int64 `json:"forfeited"`
	TransferredOut int64 `json:"transferred_out"`
	AdjustedDown   int64 `json:"adjusted_down"`
	// Issued is what was given and not taken back: earned, granted and adjusted up,
	// less what was reversed and adjusted down.
	Issued int64 `json:"issued"`
	// RedemptionRate is the share of Issued that was redeemed and not restored, and
	// BreakageRate that which lapsed or was forfeited: decimals of four digits, such
	// as 0.1250; null where nothing was issued.
	RedemptionRate *string `json:"redemption_rate" jsonschema:"nullable"`
	BreakageRate   *string `json:"breakage_rate" jsonschema:"nullable"`
}

// totals is the totals of the view, by name.
type totals map[string]int64

// add counts a document in, or with a sign of -1 out.
func (t totals) add(l *pointsLook, d *loyalty.Document, sign int64) {
	for _, m := range loyaltyView.Metrics(d, l.world) {
		t[m.Name] += sign * m.Value
	}
}

// pointTotals adds up the accounts of all members at the time of a look.
func (a *API) pointTotals(ctx context.Context, l *pointsLook, least uint64) (totals, error) {
	sums := totals{}
	if l.then != nil {
		return sums, a.accounts(ctx, l, func(_ uuid.UUID, d *loyalty.Document) { sums.add(l, d, 1) })
	}
	o, err := a.pointsNow(ctx, l, least)
	if err != nil {
		return nil, err
	}
	return a.totalsNow(ctx, l, o)
}

// totalsNow returns the totals as they are booked, but for whom something fell due
// that is not: of those it counts what is true now.
func (a *API) totalsNow(ctx context.Context, l *pointsLook, o across) (totals, error) {
	stored, at, err := a.Documents.Metrics(ctx, o.generation, o.partitions)
	if err != nil {
		return nil, err
	}
	l.position = min(l.position, at)
	sums := totals(maps.Clone(stored))
	if l.at.IsZero() {
		return sums, nil
	}
	return sums, a.overdue(ctx, l, o, func(_ uuid.UUID, booked, is *loyalty.Document) {
		sums.add(l, booked, -1)
		sums.add(l, is, 1)
	})
}

// overdue yields the accounts of which something may be due and not booked yet: as
// they are booked, and as they are.
func (a *API) overdue(ctx context.Context, l *pointsLook, o across, each func(id uuid.UUID, booked, is *loyalty.Document)) error {
	due := func(key string) bool { return key <= l.today.String() }
	for after := ""; ; {
		members, _, err := a.Documents.Range(ctx, o.generation, o.partitions, RangeQuery{Index: loyalty.IndexDue, After: after, Limit: exportBatch})
		if err != nil {
			return err
		}
		ids := make([]uuid.UUID, 0, len(members))
		for _, m := range members {
			c, err := parseMember(m)
			if err != nil {
				return err
			}
			if !due(c.key) {
				break
			}
			ids = append(ids, c.id)
		}
		docs, err := a.loyaltyDocuments(ctx, o, ids)
		if err != nil {
			return err
		}
		for i, d := range docs {
			if d != nil {
				is := *d
				is.Account = l.account(&d.Account)
				each(ids[i], d, &is)
			}
		}
		if len(ids) < exportBatch {
			return nil
		}
		after = members[len(members)-1]
	}
}

// worth returns what points are worth by the programme in force, rounded down.
func (l *pointsLook) worth(points int64) Worth {
	w := Worth{Points: points}
	if v, ok := l.program(); ok {
		w.Value = &domain.Money{AmountMinor: v.Policy.Redemption.Value(points), Currency: v.Policy.Currency}
	}
	return w
}

// liabilityOf reads totals as what they mean.
func (l *pointsLook) liabilityOf(sums totals) (Liability, error) {
	answer := Liability{
		Accounts: sums[loyalty.MetricAccounts], Members: sums[loyalty.MetricMembers],
		Held: l.worth(sums[loyalty.MetricHeld]), Deficit: l.worth(sums[loyalty.MetricDeficit]),
		ByTier: l.tiers(sums), Totals: programmeTotals(sums), Then: l.then, Stamp: l.stamp(),
	}
	if !l.at.IsZero() {
		answer.At = new(l.at.UTC())
	}
	if v, ok := l.program(); ok {
		answer.PolicyVersion = v.Version
	}
	months := map[string]*ExpiryMonth{}
	for name, points := range sums {
		available, expires, ok, err := loyalty.ParseLot(name)
		if err != nil {
			return answer, err
		}
		if !ok || points == 0 {
			continue
		}
		month := loyalty.Never
		if expires != nil {
			month = expires.String()[:len("2006-01")]
		}
		m := months[month]
		if m == nil {
			m = &ExpiryMonth{Month: month}
			months[month] = m
		}
		if available == nil {
			m.Spendable += points
		} else {
			m.Pending += points
		}
	}
	spendable, pending := int64(0), int64(0)
	answer.ByMonth = make([]ExpiryMonth, 0, len(months))
	for _, m := range months {
		answer.ByMonth = append(answer.ByMonth, *m)
	}
	slices.SortFunc(answer.ByMonth, func(a, b ExpiryMonth) int { return strings.Compare(a.Month, b.Month) }) // digits come before never
	for i := range answer.ByMonth {
		m := &answer.ByMonth[i]
		before := l.worth(spendable + pending)
		spendable, pending = spendable+m.Spendable, pending+m.Pending
		if m.Worth = l.worth(spendable + pending); m.Value != nil {
			m.Value.AmountMinor -= before.Value.AmountMinor
		}
		m.Points = m.Spendable + m.Pending
	}
	answer.Spendable, answer.Pending = l.worth(spendable), l.worth(pending)
	answer.Outstanding = l.worth(spendable + pending + answer.Held.Points)
	return answer, nil
}

// tiers counts the members by level: those of the ladder in force, and those that it
// does not have any more.
func (l *pointsLook) tiers(sums totals) []TierMembers {
	counts := map[string]int64{}
	for name, n := range sums {
		if level, ok := strings.CutPrefix(name, loyalty.MetricTier); ok {
			counts[l.level(&customer.Account{Joined: true, Tier: customer.TierStanding{Level: level}})] += n
		}
	}
	list := []TierMembers{}
	if v, ok := l.ladder(); ok {
		for _, level := range v.Policy.Levels {
			list = append(list, TierMembers{Tier: level.ID, Name: level.Name, From: &level.From, Members: counts[level.ID]})
			delete(counts, level.ID)
		}
	}
	known := len(list)
	for level, n := range counts {
		if n != 0 {
			list = append(list, TierMembers{Tier: level, Members: n})
		}
	}
	slices.SortFunc(list[known:], func(a, b TierMembers) int { return strings.Compare(a.Tier, b.Tier) })
	return list
}

func programmeTotals(sums totals) ProgrammeTotals {
	t := ProgrammeTotals{
		Earned: sums[loyalty.MetricEarned], Granted: sums[loyalty.MetricGranted], TransferredIn: sums[loyalty.MetricTransferredIn],
		Restored: sums[loyalty.MetricRestored], AdjustedUp: sums[loyalty.MetricAdjustedUp], Redeemed: sums[loyalty.MetricRedeemed],
		Expired: sums[loyalty.MetricExpired], Reversed: sums[loyalty.MetricReversed], Forfeited: sums[loyalty.MetricForfeited],
		TransferredOut: sums[loyalty.MetricTransferredOut], AdjustedDown: sums[loyalty.MetricAdjustedDown],
	}
	t.Issued = t.Earned + t.Granted + t.AdjustedUp - t.Reversed - t.AdjustedDown
	t.RedemptionRate = rate(t.Redeemed-t.Restored, t.Issued)
	t.BreakageRate = rate(t.Expired+t.Forfeited, t.Issued)
	return t
}

// rate returns a share as a decimal, rounded to four digits.
func rate(part, of int64) *string {
	if of <= 0 {
		return nil
	}
	return new(big.NewRat(part, of).FloatString(4))
}

func (a *API) liability(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	ctx, least := r.Context(), p.minPosition()
	l, err := p.pointsLook(ctx, a)
	if err != nil {
		return err
	}
	if err := p.err(); err != nil {
		return err
	}
	sums, err := a.pointTotals(ctx, l, least)
	if err != nil {
		return err
	}
	answer, err := l.liabilityOf(sums)
	if err != nil {
		return fmt.Errorf("liability: %w", err)
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) liabilityRoute() web.Route {
	return web.Route{
		Method: "GET", Path: "/v1/loyalty/liability", Tag: "loyalty",
		Summary: "Show what the loyalty programme owes its members",
		Detail: "Points that members have, with their value by the programme in force that day, by the month in which they lapse, and what the programme ever gave and took. " +
			"Points that lapsed or became spendable by business now count as such, whether or not that is booked. " +
			"With `as_of` or `known_at` the same of a past, or of a future in which nothing happens: computed from the log, not from the read models.",
		Params:  slices.Concat(pointsParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The liability.", Body: Liability{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.liability,
	}
}
