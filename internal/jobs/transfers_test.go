package jobs_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	daily "github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/transfer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/internal/memlog"
)

// A process dies right after it recorded that points shall change hands. Two others
// go on with it.
func TestTransfersGoOnAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memlog.Log{}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		follow := func() *commands.Writer {
			w := &commands.Writer{Log: log, Keys: keyring(), World: &commands.World{}}
			if _, _, err := w.EnsureDeployment(ctx, commands.Deployment{Calendar: daily.Wall}); err != nil {
				t.Fatal(err)
			}
			group.Go(func() {
				if err := w.World.Follow(ctx, log, eventschema.Events); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			return w
		}
		w := follow()
		for range 2 {
			other := follow()
			group.Go(func() {
				if err := (&jobs.Transfers{Writer: other}).Run(ctx); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		request := func(name string) commands.Request {
			return commands.Request{Command: uuid.New(), Name: name, Actor: eventschema.Actor{Kind: "user", ID: "bob"}}
		}
		from := domain.NewDate(2000, 1, 1) // the first programme may be back-dated
		must(t, w, request("publish-policy"), policy.PublishLoyalty{
			Publication: policy.Publication{Subject: w.World.Subject(uuid.Nil), EffectiveFrom: &from},
			Policy: loyalty.Policy{
				Name: "club", Currency: "EUR", Enrolment: loyalty.Explicit, Expiry: loyalty.Expiry{Kind: loyalty.Never},
				Redemption: loyalty.Redemption{Points: 1, ValueMinor: 1}, Manual: loyalty.Manual{BonusLimit: 100}, Transfer: loyalty.Transfer{Allowed: true},
			},
		})
		synctest.Wait()
		ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
		for _, of := range ids {
			must(t, w, request("register-customer"), customer.Register{Subject: w.World.Subject(of), Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "shop"}})
			enrol := customer.EnrolInProgram{Subject: w.World.Subject(of)}
			w.World.Tell(&enrol)
			must(t, w, request("enrol-in-program"), enrol)
			bonus := customer.GrantBonus{Subject: w.World.Subject(of), BonusID: "b", Points: 100, Reason: "x"}
			w.World.Tell(&bonus)
			must(t, w, request("grant-bonus"), bonus)
		}
		for i := range ids {
			must(t, w, request("request-transfer"), transfer.Request{
				Named: transfer.Named{Subject: w.World.Subject(uuid.Nil), TransferID: uuid.New()}, From: ids[i], To: ids[(i+1)%3], Points: int64(10 * (i + 1)),
			})
		}
		synctest.Wait()
		if left := w.World.PendingTransfers(); len(left) > 0 {
			t.Errorf("%+v", left)
		}
		for i, want := range []int64{120, 90, 90} {
			var state customer.State
			for raw, err := range log.Read(ctx, customer.Stream(ids[i]), 0) {
				if err != nil {
					t.Fatal(err)
				}
				e, err := eventschema.Events.Open(raw, eventschema.Erased)
				if err != nil {
					t.Fatal(err)
				}
				state = state.Evolve(e.Data.(customer.Event))
			}
			if is := state.Loyalty.Balance(); is.Spendable != want || is.Held != 0 {
				t.Errorf("%d: %+v, want %d", i, is, want)
			}
		}
		cancel()
		group.Wait()
	})
}
