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
	"github.com/rapport-crm/rapport/domain/handover"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/internal/memlog"
)

// A process dies right after it recorded what was decided about a handover. Two
// others go on with it.
func TestHandoversGoOnAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memlog.Log{}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		follow := func() *commands.Writer {
			w := &commands.Writer{Log: log, Keys: keyring(), World: &commands.World{}}
			if _, _, err := w.EnsureDeployment(ctx, commands.Deployment{Calendar: daily.Manual}); err != nil {
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
				if err := (&jobs.Handovers{Writer: other}).Run(ctx); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
		id := uuid.New()
		request := func(name string) commands.Request {
			return commands.Request{Command: uuid.New(), Name: name, Actor: eventschema.Actor{Kind: "user", ID: "bob"}}
		}
		for _, name := range []string{"ann", "bob"} {
			must(t, w, request("enrol-employee"), staff.EnrolEmployee{Subject: w.World.Subject(uuid.Nil), EmployeeID: name, Name: name})
		}
		synctest.Wait()
		ask := handover.Request{Subject: w.World.Subject(uuid.Nil), HandoverID: id, From: "ann", To: "bob", Reason: "leaver"}
		w.World.Tell(&ask)
		for _, of := range ids {
			must(t, w, request("register-customer"), customer.Register{Subject: w.World.Subject(of), Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "shop"}})
			assign := customer.AssignOwner{Subject: w.World.Subject(of), EmployeeID: "ann"}
			w.World.Tell(&assign)
			must(t, w, request("assign-owner"), assign)
			ask.Gathered.Customers = append(ask.Gathered.Customers,
				handover.Found{Dossier: handover.Dossier{CustomerID: of}, Registered: true, Owner: "ann"})
		}
		must(t, w, request("request-handover"), ask)
		synctest.Wait()
		as := w.World.Subject(uuid.Nil)
		as.Actor = domain.Actor{Kind: "user", ID: "bob"}
		must(t, w, request("accept-handover"), handover.Accept{Named: handover.Named{Subject: as, HandoverID: id}})
		must(t, w, request("complete-handover"), handover.Complete{Named: handover.Named{Subject: as, HandoverID: id}})
		synctest.Wait()
		if state, err := w.DriveHandover(ctx, id); err != nil || state.State != handover.StateCompleted || len(w.World.PendingHandovers()) > 0 {
			t.Errorf("%s, %v", state.State, err)
		}
		for _, of := range ids {
			var state customer.State
			for raw, err := range log.Read(ctx, customer.Stream(of), 0) {
				if err != nil {
					t.Fatal(err)
				}
				e, err := eventschema.Events.Open(raw, eventschema.Erased)
				if err != nil {
					t.Fatal(err)
				}
				state = state.Evolve(e.Data.(customer.Event))
			}
			if state.Ownership.Owner != "bob" || state.Ownership.Handover != nil {
				t.Errorf("%+v", state.Ownership)
			}
		}
		cancel()
		group.Wait()
	})
}

func must[S domain.State[S, E], E any](t *testing.T, w *commands.Writer, r commands.Request, cmd domain.Command[S, E]) {
	t.Helper()
	if _, err := commands.Execute(t.Context(), w, r, cmd); err != nil {
		t.Fatal(err)
	}
}
