package commands_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
)

// moody is a log that now and then fails to append, or does not say that it did.
type moody struct {
	commands.Log
	mu     sync.Mutex
	random *rand.Rand
	calm   bool
}

func (m *moody) Append(ctx context.Context, stream string, after int64, events []eventschema.Raw) (uint64, error) {
	m.mu.Lock()
	mood := m.random.IntN(12)
	if m.calm {
		mood = -1
	}
	m.mu.Unlock()
	switch mood {
	case 0:
		return 0, errors.New("not today")
	case 1:
		if _, err := m.Log.Append(ctx, stream, after, events); errors.Is(err, commands.ErrStale) {
			return 0, err
		}
		return 0, commands.ErrUnknownOutcome
	}
	return m.Log.Append(ctx, stream, after, events)
}

// Two processes assign, claim, release and hand over at random on a log that
// fails at random: nobody ever owns more than they may, whoever is owned has a
// seat, and in the end every seat that is free can be had.
func TestCapacityHoldsWhateverHappens(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			log := &moody{Log: new(memlog.Log), random: rand.New(rand.NewPCG(seed, 1)), calm: true}
			names, capacity := []string{"ann", "bob", "carl"}, 3
			both := two(t, log, capacity, names...)
			both[1].clock = both[0].clock
			both[1].writer.World.Clock = both[0].clock.Now
			var paths []string
			for range 8 {
				paths = append(paths, both[0].register(t))
			}
			log.calm = false
			now := noon
			for round := range 40 {
				var wg sync.WaitGroup
				for i := range 4 {
					s, employee, at, what := both[i%2], names[log.pick(3)], paths[log.pick(8)], log.pick(5)
					wg.Go(func() {
						switch what {
						case 0, 1:
							s.as("", at+"/assign-owner", fmt.Sprintf(`{"employee_id":%q}`, employee))
						case 2:
							s.as("", at+"/release-to-pool", `{}`)
						case 3:
							s.as(employee, at+"/claim-from-pool", `{}`)
						case 4:
							a := s.as("", "/v1/handovers", fmt.Sprintf(`{"from":%q,"to":%q,"reason":"other","customers":[%q]}`, employee, names[round%3], customerOf(t, at)))
							if a.Status == 201 {
								h := "/v1/handovers/" + decode(t, a).HandoverID.String()
								s.as(names[round%3], h+"/accept-handover", `{}`)
								s.as("", h+"/complete-handover", `{}`)
							}
						}
					})
				}
				wg.Wait()
				owns := map[string]int{}
				for _, at := range paths {
					owns[ownershipOf(t, log.Log, at).Owner]++
				}
				for _, name := range names {
					if owns[name] > capacity || owns[name] > seatsOf(t, log.Log, name) {
						t.Fatalf("round %d: %s owns %d, has %d seats and may own %d", round, name, owns[name], seatsOf(t, log.Log, name), capacity)
					}
				}
				now = now.Add(time.Duration(log.pick(50)) * time.Second)
				both[0].clock.Set(now)
			}
			// The log recovers, what hangs is driven on, and the time of every seat is over.
			log.calm = true
			both[0].clock.Set(now.Add(time.Hour))
			pending := both[0].list(t, "?limit=500") // all of them
			for range pending {
				for _, id := range both[0].writer.World.PendingHandovers() {
					if _, err := both[0].writer.DriveHandover(t.Context(), id); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, at := range paths {
				if is := ownershipOf(t, log.Log, at); is.Handover != nil {
					both[0].as(is.Handover.To, "/v1/handovers/"+is.Handover.HandoverID.String()+"/reject-handover", `{"reason":"other"}`)
					both[0].as(is.Handover.To, "/v1/handovers/"+is.Handover.HandoverID.String()+"/accept-handover", `{}`)
					both[0].as("", "/v1/handovers/"+is.Handover.HandoverID.String()+"/complete-handover", `{}`)
				}
				both[0].must(t, 200, "", at+"/release-to-pool", `{}`)
			}
			for i := range capacity {
				both[0].must(t, 200, "", paths[i]+"/assign-owner", `{"employee_id":"ann"}`)
			}
			if a := both[0].must(t, 409, "", paths[capacity]+"/assign-owner", `{"employee_id":"ann"}`); a.Code != "owner_over_capacity" {
				t.Error(a.Code)
			}
		})
	}
}

func (m *moody) pick(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.random.IntN(n)
}
