package commands_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/memlog"
)

// rush sends asks at the same time to all processes, each until there is an answer.
func rush(t *testing.T, m *member, asks []ask) []reply {
	t.Helper()
	replies := make([]reply, len(asks))
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i, q := range asks {
		wg.Go(func() {
			<-begin
			err := error(commands.ErrContended)
			for errors.Is(err, commands.ErrContended) {
				replies[i], err = m.send(t.Context(), i%len(m.processes), q)
			}
			if err != nil {
				t.Errorf("%+v: %v", q, err)
			}
		})
	}
	close(begin)
	wg.Wait()
	return replies
}

// rushes sends two hundred requests for the last hundred points at the same time, and
// again all of them when it is over: to processes that know nothing.
func rushes(t *testing.T, log commands.Log) {
	const requests = 200
	m := enrol(t, log)
	nothing := reply{code: want}
	for round, c := range []struct {
		name   string
		of     func(i int) ask
		others func(first reply) reply // what all but one are told
	}{
		{"of two hundred redemptions one succeeds", func(i int) ask {
			return ask{what: "redeem-points", id: fmt.Sprint("a", i), points: 100, command: uuid.New()}
		}, func(reply) reply { return nothing }},
		{"one redemption sent two hundred times is one", func(int) ask {
			return ask{what: "redeem-points", id: "b", points: 100, command: uuid.UUID{1}}
		}, func(first reply) reply { return first }},
		{"one redemption that two hundred ask for is one", func(int) ask {
			return ask{what: "redeem-points", id: "c", points: 100, command: uuid.New()}
		}, func(first reply) reply { return reply{code: unchanged, revision: first.revision} }},
		{"of two hundred holds one succeeds", func(i int) ask {
			return ask{what: "hold-points", id: fmt.Sprint("d", i), points: 100, command: uuid.New()}
		}, func(reply) reply { return reply{code: want, balance: customer.Balance{Held: 100}} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a := rush(t, m, []ask{{what: "record-order", id: fmt.Sprint("o", round), points: 100, command: uuid.New()}}); a[0].code != changed {
				t.Fatal(a)
			}
			stream := customer.Stream(m.id)
			before := count(t, log, stream)
			asks := make([]ask, requests)
			for i := range asks {
				asks[i] = c.of(i)
			}
			replies := rush(t, m, asks)
			first := reply{code: changed, revision: int64(before), appended: 1}
			done := 0
			for i, r := range replies {
				if r == first {
					done++
				} else if r != c.others(first) {
					t.Errorf("%+v: %+v", asks[i], r)
				}
			}
			if one := c.others(first) != first; one && done != 1 || !one && done != requests {
				t.Errorf("%d succeeded", done)
			}
			m.through(log)
			if diff := cmp.Diff(replies, rush(t, m, asks), cmp.AllowUnexported(reply{})); diff != "" {
				t.Errorf("asked again (-first +again):\n%s", diff)
			}
			_, balance := confirm(t, log, m.id, nil)
			after := customer.Balance{Held: c.others(first).balance.Held}
			if n := count(t, log, stream) - before; n != 1 || balance != after {
				t.Errorf("%d events, and the balance is %+v, want %+v", n, balance, after)
			}
		})
	}
}

func TestTheLastPointsAreSpentOnce(t *testing.T) { rushes(t, new(memlog.Log)) }

func TestTheLastPointsAreSpentOnceThroughTheNode(t *testing.T) { rushes(t, node(t)) }
