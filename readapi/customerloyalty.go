package readapi

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	programme "github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/projections/profile"
)

// CustomerLoyalty is where a customer stands in the loyalty programme, and why.
type CustomerLoyalty struct {
	CustomerID  uuid.UUID  `json:"customer_id"`
	At          *time.Time `json:"at" jsonschema:"nullable"` // the time at which all of this is so; null: there is nothing yet
	Member      bool       `json:"member"`
	MemberSince *time.Time `json:"member_since,omitempty"`
	LeftAt      *time.Time `json:"left_at,omitempty"` // the last time
	Erased      bool       `json:"erased,omitempty"`

	Balance customer.Balance `json:"balance"`
	Value   *domain.Money    `json:"value" jsonschema:"nullable"` // of what can be spent, by the programme in force; null without one
	Program *ProgramShown    `json:"program" jsonschema:"nullable"`
	Lots    []LotShown       `json:"lots"`                       // of which something is left, in the order in which they are spent
	Holds   []customer.Hold  `json:"holds"`                      // as they came
	Next    []DueShown       `json:"next"`                       // what time alone brings about, at most the next 20
	Sums    customer.Sums    `json:"sums"`                       // what was ever credited and debited
	Tier    *TierShown       `json:"tier" jsonschema:"nullable"` // null without a ladder, and of who is no member
	// Proposals is points that wait for an approval.
	Proposals    []customer.Proposal `json:"proposals"`
	LastActiveAt *time.Time          `json:"last_active_at,omitempty"` // the last earning or redemption
	Policies     []domain.PolicyRef  `json:"policies"`                 // in force
	Then         *Moment             `json:"then,omitempty"`
	Stamp
}

// ProgramShown is the programme in force.
type ProgramShown struct {
	Name       string        `json:"name"`
	Version    int           `json:"version"`
	From       domain.Date   `json:"effective_from"`
	Redemption customer.Rate `json:"rate"` // so many points are worth so much
	Currency   string        `json:"currency"`
	Minimum    int64         `json:"minimum,omitempty"` // of one redemption
	Step       int64         `json:"step,omitempty"`    // a redemption is a multiple of it
}

// LotShown is a lot of which something is left.
type LotShown struct {
	customer.OpenLot
	State   string        `json:"state"` // open or pending
	Value   *domain.Money `json:"value" jsonschema:"nullable"`
	Because string        `json:"because"` // for what it was credited, and why it lapses when
}

// DueShown is what time alone brings about.
type DueShown struct {
	At     time.Time   `json:"at"`
	On     domain.Date `json:"on"`
	What   string      `json:"what"` // one of the kinds of what is due
	Points int64       `json:"points,omitempty"`
	LotID  string      `json:"lot_id,omitempty"`
	HoldID string      `json:"hold_id,omitempty"`
	Tier   string      `json:"tier,omitempty"` // that is over
}

// Kinds of what is due.
const (
	dueSpendable = "points_can_be_spent"
	dueLapse     = "points_lapse"
	dueHoldEnds  = "hold_ends"
	dueTierEnds  = "tier_ends"
)

// nextShown is how much of what is due is shown.
const nextShown = 20

// CustomerTier is the level of a member and how it came about.
type CustomerTier struct {
	CustomerID uuid.UUID         `json:"customer_id"`
	At         *time.Time        `json:"at" jsonschema:"nullable"`
	Member     bool              `json:"member"`
	Tier       *TierShown        `json:"tier" jsonschema:"nullable"` // null without a ladder, and of who is no member
	Changes    []TierChangeShown `json:"changes"`                    // the oldest first
	Then       *Moment           `json:"then,omitempty"`
	Stamp
}

// account answers a query about the account of one customer: as the read model has
// it, or of a past from the log, with what fell due.
func (a *API) account(r *http.Request) (id uuid.UUID, d *loyalty.Document, l *pointsLook, err error) {
	if id, err = customerID(r); err != nil {
		return id, nil, nil, err
	}
	p := paramsOf(r)
	least := p.minPosition()
	m, t, err := p.moment(r.Context(), a)
	if err == nil {
		err = p.err()
	}
	if err != nil {
		return id, nil, nil, err
	}
	var position uint64
	var w *projections.World
	known := false
	if m.present() {
		s, err := a.snapshot(r.Context(), id, least, profile.Name, loyalty.Name)
		if err != nil {
			return id, nil, nil, err
		}
		known, position, w = s.docs[0] != nil, s.position, s.world
		if d, err = loyaltyDocument(s.docs[1]); err != nil {
			return id, nil, nil, err
		}
	} else {
		docs, last, err := a.then(r.Context(), id, m)
		if err != nil {
			return id, nil, nil, err
		}
		d, known, position, w = &docs.loyalty.doc, last > 0, last, t.world(m)
	}
	if !known {
		return id, nil, nil, ErrCustomerNotFound.With("no customer has the id %v, or had it then", id)
	}
	if l, err = a.accountLook(r.Context(), d, w, m); err != nil {
		return id, nil, nil, err
	}
	l.position = position
	if !l.at.IsZero() {
		for _, fact := range d.Due(l.at, l.zone, w.Policies) {
			loyaltyView.Fold(d, projections.Event{Data: fact})
		}
	}
	return id, d, l, nil
}

func (a *API) customerLoyalty(w http.ResponseWriter, r *http.Request) error {
	id, d, l, err := a.account(r)
	if err != nil {
		return err
	}
	x := &d.Account
	answer := CustomerLoyalty{
		CustomerID: id, At: l.time(), Member: x.Joined, Erased: d.Erased, Balance: x.Balance(), Lots: []LotShown{},
		Holds: append([]customer.Hold{}, x.Holds...), Proposals: append([]customer.Proposal{}, x.Proposals...),
		Sums: x.Sums, Next: l.next(x), Tier: l.tierOf(x), Policies: []domain.PolicyRef{}, Then: l.then, Stamp: l.stamp(),
	}
	for to, from := range map[**time.Time]time.Time{&answer.MemberSince: x.JoinedAt, &answer.LeftAt: x.LeftAt, &answer.LastActiveAt: x.LastActivity} {
		if !from.IsZero() {
			*to = &from
		}
	}
	answer.Value = l.worth(answer.Balance.Spendable).Value
	if v, ok := l.program(); ok {
		buys := v.Policy.Redemption
		answer.Program = &ProgramShown{
			Name: v.Policy.Name, Version: v.Version, From: v.From, Redemption: customer.Rate{Points: buys.Points, ValueMinor: buys.ValueMinor},
			Currency: v.Policy.Currency, Minimum: buys.Minimum, Step: buys.Step,
		}
		answer.Policies = append(answer.Policies, domain.PolicyRef{Kind: policy.KindLoyalty, Version: v.Version})
	}
	if v, ok := l.ladder(); ok {
		answer.Policies = append(answer.Policies, domain.PolicyRef{Kind: policy.KindTier, Version: v.Version})
	}
	for _, lot := range x.Lots {
		shown := LotShown{OpenLot: lot, State: lotOpen, Value: l.worth(lot.Remaining).Value, Because: l.lotWords(lot.Lot)}
		if lot.Pending {
			shown.State = lotPending
		}
		answer.Lots = append(answer.Lots, shown)
	}
	return writeJSON(w, answer.Stamp, answer)
}

// lotWords says for what a lot was credited, and why it lapses when: by the programme
// of the day on which it was earned, if that is what its end follows from.
func (l *pointsLook) lotWords(lot customer.Lot) string {
	b := bookkeeper{zone: l.zone}
	on := domain.DateOf(lot.EarnedAt, l.zone)
	rule := programme.Expiry{}
	if v, ok := programme.On(l.world.Policies.Loyalties(), on); ok && lot.ExpiresAt != nil {
		lapses := v.Policy.Expiry.Lapses(on)
		if lapses != nil && lapses.Start(l.zone).Equal(*lot.ExpiresAt) || lot.Rolling && v.Policy.Expiry.Kind == programme.Inactivity {
			rule = v.Policy.Expiry
		}
	}
	what := sourceWords(lot.Source)
	if lot.Source.Rule != "" {
		what += ", rule " + lot.Source.Rule
	}
	at := lot.AvailableAt
	if !l.at.IsZero() {
		at = l.at
	}
	return sentences(fmt.Sprintf("%s%s: %s on %s.", strings.ToUpper(what[:1]), what[1:], points(lot.Points), on), b.pendingWords(lot, at), b.lapseWords(lot, rule, on))
}

// next returns what time alone brings about, in the order in which it does.
func (l *pointsLook) next(a *customer.Account) []DueShown {
	list := []DueShown{}
	add := func(at time.Time, d DueShown) {
		d.At, d.On = at, domain.DateOf(at, l.zone)
		list = append(list, d)
	}
	for _, lot := range a.Lots {
		if lot.Pending {
			add(lot.AvailableAt, DueShown{What: dueSpendable, Points: lot.Remaining, LotID: lot.LotID})
		}
		if lot.ExpiresAt != nil {
			add(*lot.ExpiresAt, DueShown{What: dueLapse, Points: lot.Remaining, LotID: lot.LotID})
		}
	}
	for _, h := range a.Holds {
		if h.ExpiresAt != nil {
			add(*h.ExpiresAt, DueShown{What: dueHoldEnds, Points: h.Points, HoldID: h.HoldID})
		}
	}
	if a.Tier.ValidUntil != nil && a.Joined {
		add(*a.Tier.ValidUntil, DueShown{What: dueTierEnds, Tier: a.Tier.Level})
	}
	slices.SortStableFunc(list, func(x, y DueShown) int {
		return cmp.Or(x.At.Compare(y.At), strings.Compare(x.What, y.What))
	})
	return list[:min(len(list), nextShown)]
}

func (a *API) customerTier(w http.ResponseWriter, r *http.Request) error {
	id, d, l, err := a.account(r)
	if err != nil {
		return err
	}
	answer := CustomerTier{
		CustomerID: id, At: l.time(), Member: d.Joined, Tier: l.tierOf(&d.Account), Changes: []TierChangeShown{}, Then: l.then, Stamp: l.stamp(),
	}
	for _, c := range d.TierChanges {
		answer.Changes = append(answer.Changes, TierChangeShown{TierChange: c, Booked: c.EventID != uuid.Nil, Because: l.changeWords(c)})
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) accountRoutes() []web.Route {
	return slices.Concat([]web.Route{{
		Method: "GET", Path: "/v1/customers/{customer_id}/loyalty", Tag: "customers",
		Summary: "Show what a customer has in the loyalty programme",
		Detail: "The balance, the lots behind it and why they lapse when, holds, the tier and how far it is to the next, and what time brings about next. " +
			"What fell due counts as done, whether or not that is recorded: all of it is as of business now, under a manual calendar the first instant of the day after the last one closed, " +
			"or of the time that `as_of` names. Who never was a member has nothing.",
		Params:  slices.Concat([]web.Param{customerParam}, momentParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The account.", Body: CustomerLoyalty{}, Headers: stampHeaders}},
		Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.customerLoyalty,
	}, {
		Method: "GET", Path: "/v1/customers/{customer_id}/tier", Tag: "customers",
		Summary: "Show the tier of a customer, and why",
		Detail:  "The level, what qualifies, how much is missing to the next and by when, what follows when the validity is over, and every change with the evaluation that it follows from.",
		Params:  slices.Concat([]web.Param{customerParam}, momentParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The tier.", Body: CustomerTier{}, Headers: stampHeaders}},
		Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.customerTier,
	}}, a.ledgerRoutes())
}
