package readapi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	programme "github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/loyalty"
)

// loyaltyFacts is every event that an account of points follows from.
var loyaltyFacts = []any{
	customer.OrderPaid{}, customer.OrderCancelled{}, customer.RefundRecorded{},
	customer.ProgramJoined{}, customer.ProgramLeft{}, customer.PointsForfeited{},
	customer.PointsEarned{}, customer.PointsGranted{}, customer.PointsActivated{},
	customer.PointsHeld{}, customer.HoldReleased{}, customer.HoldCaptured{},
	customer.PointsRedeemed{}, customer.RedemptionReversed{},
	customer.PointsEarnReversed{}, customer.PointsExpired{}, customer.ExpiryExtended{},
	customer.PointsProposed{}, customer.ProposalRejected{}, customer.PointsAdjusted{},
	customer.PointsTransferredOut{}, customer.PointsTransferredIn{},
	customer.TierUpgraded{}, customer.TierRetained{}, customer.TierDowngraded{}, customer.TierOverridden{}, customer.TierOverrideLifted{},
	customer.PersonalDataErased{},
}

// loyaltyTypes is how the types of these events begin, whatever their version.
var loyaltyTypes = sync.OnceValue(func() []string { return typePrefixes(loyaltyFacts) })

// typePrefixes is how the types of some events begin, whatever their version.
func typePrefixes(facts []any) []string {
	prefixes := make([]string, len(facts))
	for i, fact := range facts {
		wire, _ := eventschema.Events.Wire(fact)
		prefixes[i] = eventschema.Events.Name(wire) + ".v"
	}
	return prefixes
}

// pointsLook is when the accounts of all members are looked at, and what held for
// all of them then.
type pointsLook struct {
	world    *projections.World
	zone     *time.Location
	today    domain.Date // by which policies are in force
	at       time.Time   // zero: as they are booked
	position uint64
	then     *Moment // nil: the present
	past     moment
}

func (l *pointsLook) stamp() Stamp { return stamp(l.position, l.world) }

// account returns an account as it is at the time of the look, with what fell due by
// then, whether or not it is booked.
func (l *pointsLook) account(a *customer.Account) customer.Account {
	if l.at.IsZero() {
		return *a
	}
	return a.At(l.at, l.zone, l.world.Policies)
}

// ladder returns the ladder in force.
func (l *pointsLook) ladder() (tier.Version, bool) {
	return tier.On(l.world.Policies.Tiers(), l.today)
}

// program returns the programme in force.
func (l *pointsLook) program() (programme.Version, bool) {
	return programme.On(l.world.Policies.Loyalties(), l.today)
}

// level returns the level of an account, the base of the ladder where nothing says
// another; empty for who is no member.
func (l *pointsLook) level(a *customer.Account) string {
	switch {
	case !a.Joined:
		return ""
	case a.Tier.Level != "":
		return a.Tier.Level
	}
	return l.base()
}

// base returns the level that every member has, empty without a ladder.
func (l *pointsLook) base() string {
	if v, ok := l.ladder(); ok {
		return v.Policy.Base()
	}
	return ""
}

// setNow sets the time of the look to business now. Before the first day is closed
// by hand there is none: then everything is as it is booked.
func (a *API) setNow(ctx context.Context, l *pointsLook) error {
	now, zone, err := a.businessNow(ctx, l.world)
	if err != nil {
		return err
	}
	l.zone, l.today = zone, domain.DateOf(now, zone)
	a.past.mu.Lock()
	manual := a.past.manual()
	a.past.mu.Unlock()
	if !manual || l.world.Closed != nil {
		l.at = now
	}
	return nil
}

// pointsLook reads as_of and known_at. Of the present the caller sets the world.
func (p *params) pointsLook(ctx context.Context, a *API) (*pointsLook, error) {
	l := new(pointsLook)
	if p.text("as_of") == "" && p.text("known_at") == "" {
		return l, nil
	}
	t, err := a.timeline(ctx)
	if err != nil {
		return nil, err
	}
	zone := &projections.World{Zone: t.created.Zone}
	l.past = moment{asOf: p.instant("as_of", zone, true), known: p.recorded("known_at", t, true)}
	l.then, l.world = l.past.shown(), t.world(l.past)
	if l.past.asOf == nil {
		return l, a.setNow(ctx, l)
	}
	l.zone, l.at, l.today = t.zone, l.past.asOf.UTC(), domain.DateOf(*l.past.asOf, t.zone)
	return l, nil
}

// pointsParams ask for a past of the accounts.
var pointsParams = momentParams[:2]

// everyAccount folds the accounts of all customers from the log, as of the moment of
// a look. It holds all of them in memory, and no more than that.
func (a *API) everyAccount(ctx context.Context, l *pointsLook) (map[uuid.UUID]*customer.Account, error) {
	all := map[uuid.UUID]*customer.Account{}
	parked, err := a.parked(ctx)
	if err != nil {
		return nil, err
	}
	head, err := a.follow(ctx, 0, loyaltyTypes(), func(raw eventschema.Raw) error {
		id, ok := eventschema.CustomerOf(raw)
		if !ok || parked[raw.ID] {
			return nil
		}
		// Nothing that an account follows from is personal, so that no key is needed.
		e, err := eventschema.Events.Open(raw, eventschema.Erased)
		if err != nil {
			return fmt.Errorf("event %v of %s: %w", raw.ID, raw.Stream, err)
		}
		fact, ok := e.Data.(customer.Event)
		if !ok || !l.past.has(raw, e.Meta) {
			return nil
		}
		of := all[id]
		if of == nil {
			of = new(customer.Account)
			all[id] = of
		}
		of.Fold(customer.Record{Event: fact, ID: e.ID})
		return nil
	})
	l.position = head
	return all, err
}

// parked returns the events that the read models pass over because an operator said so.
func (a *API) parked(ctx context.Context) (map[uuid.UUID]bool, error) {
	events := map[uuid.UUID]bool{}
	for raw, err := range a.Log.Read(ctx, operations.Stream, 0) {
		if err != nil {
			return nil, err
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			return nil, err
		}
		if p, ok := e.Data.(operations.EventParked); ok {
			events[p.EventID] = true
		}
	}
	return events, nil
}

// accounts yields every account as of a look at the past that is worth telling, with
// what fell due by then. One request at a time does so, for the sake of memory.
func (a *API) accounts(ctx context.Context, l *pointsLook, each func(uuid.UUID, *loyalty.Document)) error {
	if err := a.reading.enter(ctx); err != nil {
		return err
	}
	defer a.reading.leave()
	all, err := a.everyAccount(ctx, l)
	if err != nil {
		return err
	}
	for id, of := range all {
		if d := (&loyalty.Document{Account: l.account(of)}); d.Kept() {
			each(id, d)
		}
		delete(all, id)
	}
	return nil
}

// turnstile lets one in at a time. The zero value is open.
type turnstile struct {
	once sync.Once
	free chan struct{}
}

// enter waits for its turn. Who has entered leaves.
func (t *turnstile) enter(ctx context.Context) error {
	t.once.Do(func() { t.free = make(chan struct{}, 1) })
	select {
	case t.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *turnstile) leave() { <-t.free }
