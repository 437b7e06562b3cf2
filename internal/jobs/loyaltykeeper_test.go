package jobs_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	programme "github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/loyalty"
)

// newClub is a population whose members earn a point a cent, which can be spent
// after two weeks and lapses after two months, and are silver for a month.
func newClub(t *testing.T) *population {
	d := newPopulation(t)
	d.store = memstore.New()
	d.must(d.store.SaveCatalogue(t.Context(), projections.Catalogue{
		Partitions: partitions, Views: map[string]projections.Slot{loyalty.Name: {Serving: 1, Last: 1}},
	}))
	d.lanes = nil
	for p := range partitions {
		d.lanes = append(d.lanes, projections.NewPartition(p, d.store, projections.Rules{Schema: eventschema.Events, Keys: keyring()},
			projections.Filling{View: loyalty.New(), Number: 1}, projections.Filling{View: projections.NewKeys(), Number: 1}))
	}
	about := policy.Publication{Subject: d.writer.World.Subject(uuid.Nil)}
	points := execute(&d.deployment, policy.PublishLoyalty{Publication: about, Policy: programme.Policy{
		Name: "club", Currency: "EUR", Enrolment: programme.FirstOrder, Earn: []programme.Rule{{ID: "base", Points: 1, PerMinor: 1}},
		PendingDays: 14, Expiry: programme.Expiry{Kind: programme.Months, Months: 2}, Redemption: programme.Redemption{Points: 100, ValueMinor: 100},
	}})
	ladder := execute(&d.deployment, policy.PublishTier{Publication: about, Policy: tier.Policy{
		Name: "metals", Measure: tier.Points, Levels: []tier.Level{{ID: "member", Name: "Member"}, {ID: "silver", Name: "Silver", From: 100}},
		Window: tier.Window{Kind: tier.Rolling, Months: 1}, Validity: tier.Validity{Kind: tier.Months, Months: 1}, Downgrade: tier.OneDown,
	}})
	d.must(d.writer.World.WaitFor(t.Context(), max(points.Position, ladder.Position)))
	return d
}

// booked returns what the loyalty keeper booked, by customer.
func (d *population) booked() (facts map[uuid.UUID][]any, metas []eventschema.Meta) {
	facts = map[uuid.UUID][]any{}
	for _, raw := range d.events() {
		e, err := eventschema.Events.Open(raw, eventschema.Erased)
		d.must(err)
		if e.Meta.Actor.ID == jobs.Loyalty().Actor {
			facts[e.Meta.Customer], metas = append(facts[e.Meta.Customer], e.Data), append(metas, e.Meta)
		}
	}
	return facts, metas
}

// What fell due is booked at the instants at which it did, once, however late the
// days are closed and however many keepers there are.
func TestWhatFallsDueIsBookedAsIfInTime(t *testing.T) {
	begin := domain.NewDate(1999, 1, 10)
	var told []map[uuid.UUID][]any
	for _, processes := range []int{3, 1} {
		for _, step := range []domain.Date{1, 100} {
			synctest.Test(t, func(t *testing.T) {
				d := newClub(t)
				defer d.stop()
				for n := range 6 {
					d.buy(n, begin+domain.Date(n), true)
				}
				if processes > 1 {
					defer d.keep(processes, func(k *jobs.Keeper) { k.Duty = jobs.Loyalty() })()
				}
				for day := begin + 10; day <= begin+110; day += step {
					d.closeDay(day)
					d.settle()
				}
				if processes == 1 { // it starts when all is over
					defer d.keep(1, func(k *jobs.Keeper) { k.Duty = jobs.Loyalty() })()
					d.settle()
				}
				facts, metas := d.booked()
				for _, m := range metas {
					if m.Actor.Kind != "system" || m.Causation == uuid.Nil || !cmp.Equal(m.Policies, []domain.PolicyRef{{Kind: policy.KindLoyalty, Version: 1}, {Kind: policy.KindTier, Version: 1}}) {
						t.Errorf("%+v", m)
					}
				}
				told = append(told, facts)
			})
		}
	}
	berlin, _ := time.LoadLocation("Europe/Berlin")
	start := func(on domain.Date) time.Time { return on.Start(berlin).UTC() }
	for n := range 6 {
		on := begin + domain.Date(n)
		lot := "order:" + on.String() + ":base"
		end := on.AddMonths(1)
		from, to := (&tier.Policy{Window: tier.Window{Kind: tier.Rolling, Months: 1}}).Span(end - 1)
		want := []any{
			customer.PointsActivated{LotID: lot, Points: 100, ActivatedAt: start(on + 14)},
			customer.TierRetained{
				Tier: "silver", ValidUntil: new(start(end.AddMonths(1))), Cause: customer.TierCause{Type: customer.TierPeriodEnd}, RetainedAt: start(end),
				Evaluation: customer.Evaluation{Measure: tier.Points, Qualifying: 100, From: from, To: to, PolicyVersion: 1},
			},
			customer.PointsExpired{LotID: lot, Points: 100, ExpiredAt: start(on.AddMonths(2))},
		}
		end = end.AddMonths(1)
		from, to = (&tier.Policy{Window: tier.Window{Kind: tier.Rolling, Months: 1}}).Span(end - 1)
		want = append(want, customer.TierDowngraded{
			From: "silver", To: "member", Cause: customer.TierCause{Type: customer.TierPeriodEnd}, ChangedAt: start(end),
			Evaluation: customer.Evaluation{Measure: tier.Points, From: from, To: to, PolicyVersion: 1},
		})
		for i, facts := range told {
			if diff := cmp.Diff(want, facts[buyer(n)]); diff != "" {
				t.Errorf("%d: customer %d (-want +got):\n%s", i, n, diff)
			}
		}
	}
}

// Who settles twice books nothing the second time, and nobody waits for what is not due.
func TestNothingIsBookedThatIsNotDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newClub(t)
		defer d.stop()
		defer d.keep(2, func(k *jobs.Keeper) { k.Duty = jobs.Loyalty() })()
		d.buy(1, d.begun, true)
		d.settle()
		d.closeDay(d.begun + 12)
		d.settle()
		if facts, _ := d.booked(); len(facts) != 0 {
			t.Errorf("before anything was due: %v", facts)
		}
		d.closeDay(d.begun + 13)
		d.settle()
		facts, _ := d.booked()
		if len(facts[buyer(1)]) != 1 {
			t.Errorf("%v", facts)
		}
		s := d.writer.World.Subject(buyer(1))
		cmd := jobs.Loyalty().Command(s, d.writer.World.Facts().World)
		r, err := commands.Execute(t.Context(), d.writer, commands.Request{Command: uuid.New(), Name: "settle-loyalty"}, cmd)
		if err != nil || r.Changed {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
