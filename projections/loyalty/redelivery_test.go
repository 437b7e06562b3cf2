package loyalty_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	programme "github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/readapi"
)

// spenders is the log of some members who earn, hold, spend and give back.
func spenders(t *testing.T, w *partitiontest.Writer, r *rand.Rand) (log []eventschema.Raw) {
	t.Helper()
	known := world.Known{World: new(world.World).With(uuid.UUID{1}, policy.Published{
		Kind: policy.KindLoyalty, Version: 1, EffectiveFrom: domain.NewDate(2026, 1, 1), Loyalty: &programme.Policy{
			Name: "cents", Currency: "EUR", Enrolment: programme.FirstOrder, Earn: []programme.Rule{{ID: "base", Points: 1, PerMinor: 1}},
			Expiry: programme.Expiry{Kind: programme.Months, Months: 1}, PendingDays: 2, Redemption: programme.Redemption{Points: 100, ValueMinor: 100},
		},
	})}
	const members = 6
	var states [members]customer.State
	add := func(raws ...eventschema.Raw) {
		for _, raw := range raws {
			raw.Position = uint64(len(log)+1) * 3
			log = append(log, raw)
		}
	}
	for i := range states {
		id := partitiontest.CustomerID(i)
		raws := w.Register(id, fmt.Sprint("Customer ", i))
		states[i] = states[i].Evolve(w.Opened(raws)[1].Data.(customer.Event))
		add(raws...)
	}
	for n := range 300 {
		i, points := r.IntN(members), 1+r.Int64N(30)
		of := domain.Subject{Customer: partitiontest.CustomerID(i), Now: time.Date(2026, 1, 2, n*6, 0, 0, 0, time.UTC)}
		name := func(kind string, of int) string { return fmt.Sprint(kind, r.IntN(of)) }
		var cmd domain.Command[customer.State, customer.Event]
		switch r.IntN(7) {
		case 0, 1:
			cmd = customer.RecordOrder{
				Subject: of, Known: known, OrderID: fmt.Sprint("o", n), Total: domain.Money{AmountMinor: points, Currency: "EUR"}, PlacedAt: of.Now, PaidAt: &of.Now,
			}
		case 2:
			cmd = customer.HoldPoints{Subject: of, Known: known, HoldID: name("h", 20), Points: points}
		case 3:
			cmd = customer.CaptureHold{Subject: of, Known: known, HoldID: name("h", 20), RedemptionID: fmt.Sprint("c", n)}
		case 4:
			cmd = customer.ReverseRedemption{Subject: of, Known: known, RedemptionID: name("r", 20)}
		case 5:
			cmd = customer.RecordRefund{Subject: of, Known: known, OrderID: name("o", n), RefundID: fmt.Sprint("f", n), Amount: domain.Money{AmountMinor: 1, Currency: "EUR"}}
		default:
			cmd = customer.RedeemPoints{Subject: of, Known: known, RedemptionID: name("r", 20), Points: points}
		}
		events, err := domain.Decide(states[i], cmd)
		if refusal := (*domain.Error)(nil); err != nil && !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		for _, e := range events {
			states[i] = states[i].Evolve(e)
			add(w.Event(customer.Stream(of.Customer), of.Customer, e))
		}
	}
	return log
}

// forgetful is a store that loses some commits, and the answers to others.
type forgetful struct {
	projections.Store
	r *rand.Rand
}

var errLost = errors.New("connection lost")

func (f forgetful) Commit(ctx context.Context, n int, changes []projections.Change) error {
	switch f.r.IntN(6) {
	case 0:
		return errLost
	case 1:
		return errors.Join(f.Store.Commit(ctx, n, changes), errLost)
	}
	return f.Store.Commit(ctx, n, changes)
}

// What is delivered again, in other pieces, to a writer that was restarted or lost an
// answer, changes nothing: the accounts, places and totals are those of the log.
func TestDeliveredAgain(t *testing.T) {
	w, r, store := partitiontest.NewWriter(t), rand.New(rand.NewPCG(4, 2)), memstore.New()
	log := spenders(t, w, r)
	view := loyalty.New()
	filling := projections.Filling{View: view, Number: 1}
	rules := projections.Rules{
		Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: w, DirtyBytes: 4000, CacheBytes: 8000, Slice: 3,
	}
	var p *projections.Partition
	restarts, last := 0, log[len(log)-1].Position
	for p == nil || p.Committed() < last {
		if p == nil {
			p = projections.NewPartition(0, forgetful{store, r}, rules, filling)
			if err := p.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			restarts++
		}
		from := 0
		for from < len(log) && log[from].Position <= p.Position() {
			from++
		}
		from = max(0, from-r.IntN(30)) // again
		b := projections.Batch{Events: log[from:min(len(log), from+1+r.IntN(90))], Live: true}
		if from > 0 {
			b.After = log[from-1].Position
		}
		b.End = b.Events[len(b.Events)-1].Position
		if err := p.Apply(t.Context(), b); errors.Is(err, errLost) || err == nil && r.IntN(10) == 0 {
			p = nil
		} else if err != nil {
			t.Fatal(err)
		}
	}
	want := partitiontest.Expect(t, view, 1, w.Opened(log))
	g := filling.Generation()
	got := partitiontest.Read(t.Context(), t, store, g, 1, nil)
	for index := range want.Indexes {
		members, _, err := store.Range(t.Context(), g, 1, readapi.RangeQuery{Index: index, Limit: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		got.Indexes[index] = members
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the store is not the fold of the log (-want +got):\n%s", diff)
	}
	if restarts < 5 || len(want.Documents) == 0 || len(want.Indexes) < 5 || len(log) < 200 {
		t.Errorf("%d restarts, %d documents, %d indexes, %d events are too few to prove anything", restarts, len(want.Documents), len(want.Indexes), len(log))
	}
	t.Logf("%d events, %d restarts, %d documents, %d indexes", len(log), restarts, len(want.Documents), len(want.Indexes))
}
