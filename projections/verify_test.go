package projections_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/projections"
)

// A verification finds nothing where nothing is wrong, and names what is.
func TestVerify(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		for i := range 200 {
			s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), int64(i), today))
			if i%40 == 0 {
				s.append(s.write.Close(today))
			}
		}
		m := s.manager(s.store)
		stop := s.manage(m)
		s.caughtUp(m)
		views := []string{"spend", "count", "keys"}
		together, err := m.Verify(t.Context(), views...)
		if err != nil {
			t.Fatal(err)
		}
		for i, view := range views {
			alone, err := m.Verify(t.Context(), view)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []projections.Report{alone[0], together[i]} {
				if r.View != view || !r.OK() || r.Documents != lanes || r.Position != s.log.Head() || !r.Indexes {
					t.Errorf("%s: %+v", view, r)
				}
			}
		}
		if _, err := m.Verify(t.Context(), "nothing"); err == nil {
			t.Error("a view that does not exist is verified")
		}
		stop()

		g := projections.Generation{View: "spend", Number: 1}
		at, _ := s.store.Checkpoints(t.Context(), g, lanes)
		victim, ghost := inLane(2), uuid.MustParse("ffffffff-0000-4000-8000-000000000000")
		err = s.store.Commit(t.Context(), 2, []projections.Change{{
			Generation: g, From: at[2], To: at[2],
			Documents: map[uuid.UUID][]byte{victim: []byte(`{"total":1}`), ghost: []byte(`{}`)},
			Add:       []projections.Entry{{Index: "total", Member: "x\x00" + ghost.String()}},
			Metrics:   map[string]int64{"revenue": 7},
			World:     []byte(`{"zone":"Mars"}`),
		}})
		if err != nil {
			t.Fatal(err)
		}
		reports, err := m.Verify(t.Context(), "count", "spend")
		if err != nil {
			t.Fatal(err)
		}
		if !reports[0].OK() {
			t.Errorf("nothing is wrong with %+v", reports[0])
		}
		r := reports[1]
		found := map[string]int{}
		for _, d := range r.Differences {
			found[d.Kind]++
			if d.Partition != 2 {
				t.Errorf("a difference where none is: %+v", d)
			}
		}
		want := map[string]int{"document": 2, "index": 1, "metric": 1, "world": 1}
		if fmt.Sprint(found) != fmt.Sprint(want) {
			t.Errorf("found %v, not %v", found, want)
		}
	})
}

// A verification needs no quiet.
func TestVerifyUnderWrites(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		store := &busy{Store: s.store}
		m := s.manager(store)
		defer s.manage(m)()
		s.caughtUp(m)
		n := 0
		store.onLoad = func() {
			if n++; n > 10 {
				return
			}
			s.append(s.write.Order(inLane(n%lanes), fmt.Sprint("v", n), 1, today))
			s.caughtUp(m)
		}
		r, err := m.Verify(t.Context(), "spend")
		if err != nil || !r[0].OK() {
			t.Fatalf("%+v, %v", r, err)
		}
		if n < 10 {
			t.Errorf("only %d writes came between", n)
		}
	})
}

// busy does something whenever customers are listed, which verifications do.
type busy struct {
	projections.Store
	onLoad func()
}

func (b *busy) Customers(ctx context.Context, p int, g projections.Generation) ([]uuid.UUID, error) {
	if b.onLoad != nil {
		b.onLoad()
	}
	return b.Store.Customers(ctx, p, g)
}
