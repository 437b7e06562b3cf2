package commands_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
)

// Several processes work on few customers over a store that often fails, loses
// answers and loses appends; every caller repeats until there is an answer. What
// was answered is in the log, once, and nothing else is.
func TestWhatIsAnsweredIsInTheLogOnce(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, 2))
	chance := func(of int) bool {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(of) == 0
	}
	log.before = func(string) error {
		switch {
		case chance(10):
			return commands.ErrUnknownOutcome
		case chance(10):
			return errors.New("connection refused")
		}
		return nil
	}
	log.after = func(string) error {
		if chance(10) {
			return commands.ErrUnknownOutcome
		}
		return nil
	}
	c := new(clock)
	processes := []*commands.Writer{writer(log, c), writer(log, c), writer(log, c)}
	processes[1].CacheBytes = 1 // forgets everything at once
	ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}

	type done struct {
		commands.Result
		run func(*commands.Writer) (commands.Result, error)
	}
	answered := map[uuid.UUID]done{}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(3, uint64(worker)))
			for range 60 {
				r, run := randomCommand(random, ids, c)
				for {
					result, err := run(processes[random.IntN(len(processes))])
					if errors.Is(err, commands.ErrUnavailable) || errors.Is(err, commands.ErrContended) {
						continue
					}
					var refusal *domain.Error
					if err != nil && !errors.As(err, &refusal) {
						t.Errorf("%s: %v", r.Name, err)
					}
					if err == nil && result.Changed {
						mu.Lock()
						answered[r.Command] = done{result, run}
						mu.Unlock()
					}
					break
				}
			}
		})
	}
	wg.Wait()
	log.before, log.after = nil, nil

	stored := map[uuid.UUID]commands.Result{}
	for _, id := range ids {
		if _, _, err := eventschema.VerifyChain(log.Read(t.Context(), customer.Stream(id), 0)); err != nil {
			t.Error(err)
		}
		recorded := time.Time{}
		for raw, err := range log.Read(t.Context(), customer.Stream(id), 0) {
			if err != nil {
				t.Fatal(err)
			}
			m, err := eventschema.Events.Meta(raw)
			if err != nil {
				t.Fatal(err)
			}
			if m.RecordedAt.Before(recorded) {
				t.Errorf("recorded_at goes back from %s to %s", recorded, m.RecordedAt)
			}
			recorded = m.RecordedAt
			if raw.Type == "customer.claim_abandoned.v1" {
				continue
			}
			s, again := stored[m.Command]
			if again && s.Revision != int64(raw.Revision)-1 {
				t.Errorf("the command %s appended at %d and at %d", m.Command, s.Revision, raw.Revision)
			}
			s.Revision, s.Position, s.Changed = int64(raw.Revision), raw.Position, true
			s.Events = append(s.Events, commands.EventRef{ID: raw.ID, Type: eventschema.Events.Name(raw.Type)})
			stored[m.Command] = s
		}
		for i, w := range processes {
			cached, folded, ok, err := commands.Remembered(t.Context(), w, id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(folded, cached, cmp.Exporter(func(reflect.Type) bool { return true })); ok && diff != "" {
				t.Errorf("process %d remembers the customer otherwise (-folded +cached):\n%s", i, diff)
			}
		}
	}
	if len(stored) < 50 {
		t.Errorf("%d commands only", len(stored))
	}
	for command, s := range stored {
		if diff := cmp.Diff(s, answered[command].Result); diff != "" {
			t.Errorf("command %s (-stored +answered):\n%s", command, diff)
		}
	}
	for command, d := range answered {
		if _, ok := stored[command]; !ok {
			t.Errorf("the command %s was answered and is not stored", command)
		}
		for i, w := range append(processes, writer(log, c)) {
			again, err := d.run(w)
			if diff := cmp.Diff(d.Result, again); err != nil || diff != "" {
				t.Errorf("command %s again in process %d: %v\n%s", command, i, err, diff)
			}
		}
	}
}

// randomCommand returns a command about one of the customers and how to execute it.
func randomCommand(random *rand.Rand, ids []uuid.UUID, c *clock) (commands.Request, func(*commands.Writer) (commands.Result, error)) {
	c.Set(c.Now().Add(time.Duration(random.IntN(20)-5) * time.Second))
	id := ids[random.IntN(len(ids))]
	subject := domain.Subject{Customer: id, Now: noon}
	o := fmt.Sprint("o", random.IntN(10))
	amount := domain.Money{AmountMinor: int64(1 + random.IntN(50)), Currency: "EUR"}
	switch random.IntN(7) {
	case 0:
		r := request("register-customer")
		r.New = random.IntN(2) == 0
		return execution(r, customer.Register{
			Subject: subject, Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "shop"},
			ExternalIDs: []customer.ExternalID{{System: "shop", ID: fmt.Sprint(random.IntN(5))}},
		})
	case 1:
		return execution(request("link-external-id"), customer.LinkExternalID{Subject: subject, System: "shop", ID: fmt.Sprint(random.IntN(5))})
	case 2:
		r := request("update-profile")
		r.Reason = "a whim"
		locale := []string{"de", "en", ""}[random.IntN(3)]
		return execution(r, customer.UpdateProfile{Subject: subject, Locale: &locale})
	case 3:
		return execution(request("record-refund"), customer.RecordRefund{
			Subject: subject, RefundID: uuid.NewString(), OrderID: o, Amount: amount, Reason: "broken",
			Lines: []customer.RefundLine{{Line: 0, AmountMinor: amount.AmountMinor}},
		})
	case 5:
		return execution(request("unlink-external-id"), customer.UnlinkExternalID{Subject: subject, System: "shop", ID: fmt.Sprint(random.IntN(5))})
	case 4:
		return execution(request("cancel-order"), customer.CancelOrder{Subject: subject, OrderID: o})
	}
	placed, quantity := noon.Add(-time.Hour), int64(1)
	return execution(request("record-order"), customer.RecordOrder{
		Subject: subject, OrderID: o, Total: domain.Money{AmountMinor: 100, Currency: "EUR"}, PlacedAt: placed, PaidAt: &placed,
		Lines: []customer.OrderLine{{SKU: "a", Quantity: quantity, UnitPriceMinor: &[]int64{100}[0]}},
		FX:    &customer.FX{Rate: "1.08", Base: "USD", AsOf: domain.NewDate(2026, 3, 1)},
	})
}

func execution(r commands.Request, cmd domain.Command[customer.State, customer.Event]) (commands.Request, func(*commands.Writer) (commands.Result, error)) {
	return r, func(w *commands.Writer) (commands.Result, error) {
		return commands.Execute(background, w, r, cmd)
	}
}
