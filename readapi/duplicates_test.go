package readapi_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/duplicate"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/duplicates"
	"github.com/rapport-crm/rapport/readapi"

	gocmp "github.com/google/go-cmp/cmp"
)

// reject says that two customers are two.
func (s *shop) reject(a, b uuid.UUID) {
	s.t.Helper()
	p := duplicate.PairOf(a, b)
	s.append(p.Stream(), p.A, duplicate.Rejected{A: p.A, B: p.B, Verdict: duplicate.NotDuplicate, Reason: "namesake"})
}

// contact adds a contact point.
func (s *shop) contact(c uuid.UUID, kind, value string) {
	s.t.Helper()
	s.customer(c, customer.ContactPointAdded{ContactPointID: kind + value, Type: kind, Value: value, Lookup: "l", AddedAt: s.clock})
}

func (s *shop) born(c uuid.UUID, day string) {
	s.t.Helper()
	s.customer(c, customer.DemographicsUpdated{Fields: []string{"demographics.birth_date"}, Changes: []customer.Change{{Field: "demographics.birth_date", Became: day}}, At: s.clock})
}

// everyPair walks the list page by page.
func (s *shop) everyPair(query string, limit int) (pairs []readapi.DuplicatePair, capped []readapi.CappedValue) {
	s.t.Helper()
	for cursor, pages := "", 0; ; pages++ {
		var page readapi.Duplicates
		s.get(fmt.Sprintf("/v1/duplicates?limit=%d&cursor=%s%s", limit, cursor, query)).status(200).json(&page)
		if len(page.Pairs) > limit || pages > 10_000 {
			s.t.Fatalf("a page of %d pairs, limit %d, page %d", len(page.Pairs), limit, pages)
		}
		pairs, capped = append(pairs, page.Pairs...), append(capped, page.Capped...)
		if cursor = page.NextCursor; cursor == "" {
			return pairs, capped
		}
	}
}

// naive compares everybody with everybody who shares a key, as far as it is stated.
func (s *shop) naive(state string, least int) map[duplicate.Pair]int {
	s.t.Helper()
	view, all := duplicates.New(), map[uuid.UUID]*duplicates.Document{}
	groups := map[string][]uuid.UUID{}
	for c := range s.keys {
		stored, _, _, err := s.store.Document(s.t.Context(), projections.Generation{View: duplicates.Name, Number: 1}, projections.PartitionOf(c, partitions), c)
		if err != nil {
			s.t.Fatal(err)
		}
		if stored == nil {
			continue
		}
		d := new(duplicates.Document)
		if err := json.Unmarshal(stored, d); err != nil {
			s.t.Fatal(err)
		}
		all[c] = d
		for _, p := range view.Indexes(d, nil) {
			if p.Index == duplicates.IndexMatch {
				groups[p.Key] = append(groups[p.Key], c)
			}
		}
	}
	found := map[duplicate.Pair]int{}
	for _, ids := range groups {
		slices.SortFunc(ids, func(a, b uuid.UUID) int { return cmp.Compare(a.String(), b.String()) })
		ids = ids[:min(len(ids), 50)]
		for i, a := range ids {
			for _, b := range ids[i+1:] {
				score, _ := duplicates.Compare(all[a].Traits(), all[b].Traits())
				if _, rejected := all[a].RejectedWith(b); rejected == (state == "rejected") && score >= least {
					found[duplicate.PairOf(a, b)] = score
				}
			}
		}
	}
	return found
}

func scores(t testing.TB, pairs []readapi.DuplicatePair) map[duplicate.Pair]int {
	t.Helper()
	found := map[duplicate.Pair]int{}
	for _, p := range pairs {
		pair := duplicate.Pair{A: p.A.CustomerID, B: p.B.CustomerID}
		if _, twice := found[pair]; twice || pair != duplicate.PairOf(pair.A, pair.B) {
			t.Errorf("%v comes twice, or the wrong way round", pair)
		}
		found[pair] = p.Score
	}
	return found
}

// population registers customers who share this and that.
func (s *shop) population(r *rand.Rand, n int) {
	s.t.Helper()
	for i := range n {
		c := someone(uint64(r.Uint32()))
		if s.keys[c] != nil {
			continue
		}
		s.register(c, customer.Name{Given: "Ada", Family: fmt.Sprint("Berg", r.IntN(4))}, "web")
		if r.IntN(2) == 0 {
			s.contact(c, customer.TypeEmail, fmt.Sprintf("a+%d@x%d.com", r.IntN(2), r.IntN(n)))
		}
		if r.IntN(2) == 0 {
			s.contact(c, customer.TypePhone, fmt.Sprintf("+4930%d", r.IntN(n)))
		}
		if r.IntN(2) == 0 {
			s.born(c, fmt.Sprintf("1990-01-%02d", 1+r.IntN(5)))
		}
		if i%8 == 0 {
			s.contact(c, customer.TypeFax, "+4930000") // more than are compared have it
		}
	}
}

// The list is what comparing everybody with everybody finds, each pair once, whatever
// the length of a page, also where a value is everybody's.
func TestDuplicatesAreThoseOfANaiveComparison(t *testing.T) {
	for seed := range uint64(3) {
		s, r := newShop(t), rand.New(rand.NewPCG(seed, 7))
		s.population(r, []int{30, 90, 420}[seed])
		s.project()
		want := s.naive("open", 0)
		if len(want) < 20 {
			t.Fatalf("the population has %d pairs only", len(want))
		}
		var first []readapi.DuplicatePair
		for _, limit := range [][]int{{500, 1, 7}, {500, 1 + r.IntN(40)}, {500, 211}}[seed] {
			pairs, capped := s.everyPair("", limit)
			if diff := gocmp.Diff(want, scores(t, pairs)); diff != "" {
				t.Fatalf("seed %d, limit %d: -naive +listed\n%s", seed, limit, diff)
			}
			if first == nil {
				first = pairs
			} else if diff := gocmp.Diff(first, pairs); diff != "" {
				t.Errorf("the order depends on the length of a page:\n%s", diff)
			}
			fax := readapi.CappedValue{Feature: duplicates.Account, Value: "fax:+4930000"}
			if got := slices.Contains(capped, fax); got != (seed == 2) {
				t.Errorf("seed %d: capped %v", seed, capped)
			}
		}
		pairs, _ := s.everyPair("&min_score=80", 50)
		if diff := gocmp.Diff(s.naive("open", 80), scores(t, pairs)); diff != "" {
			t.Errorf("min_score: -naive +listed\n%s", diff)
		}
		// One customer at a time it is the same, where nothing is capped.
		if seed == 2 {
			continue
		}
		one := map[duplicate.Pair]int{}
		for c := range s.keys {
			var answer readapi.CustomerDuplicates
			s.get("/v1/customers/" + c.String() + "/duplicates?limit=500").status(200).json(&answer)
			for pair, score := range scores(t, answer.Pairs) {
				one[pair] = score
			}
			if !slices.IsSortedFunc(answer.Pairs, func(a, b readapi.DuplicatePair) int { return b.Score - a.Score }) {
				t.Error("the highest score does not come first")
			}
		}
		if diff := gocmp.Diff(want, one); diff != "" {
			t.Errorf("one at a time: -naive +listed\n%s", diff)
		}
	}
}

// Who was found to be two never comes back, whatever they come to share and
// also after a rebuild; who was erased is of no pair any more.
func TestRejectedAndErased(t *testing.T) {
	s := newShop(t)
	a, b, c := someone(1), someone(2), someone(3)
	for _, id := range []uuid.UUID{a, b, c} {
		s.register(id, customer.Name{Given: "Ada", Family: "Berg"}, "web")
		s.born(id, "1990-12-10")
	}
	s.reject(b, a)
	s.project()
	ids := func(state string) (list []string) {
		pairs, _ := s.everyPair("&state="+state, 50)
		for _, p := range pairs {
			list = append(list, fmt.Sprintf("%d %d %s %d", p.A.CustomerID[15], p.B.CustomerID[15], p.State, p.Score))
			if (p.RejectedBy != nil) != (p.State == "rejected") {
				t.Errorf("%+v", p)
			}
		}
		slices.Sort(list)
		return list
	}
	check := func(what, state string, want ...string) {
		t.Helper()
		if got := ids(state); !slices.Equal(got, want) {
			t.Errorf("%s: %s %v, want %v", what, state, got, want)
		}
	}
	check("at first", "open", "1 3 open 80", "2 3 open 80")
	check("at first", "rejected", "1 2 rejected 80")

	s.contact(a, customer.TypeEmail, "ada@example.com")
	s.contact(b, customer.TypeEmail, "ada@example.com")
	s.project()
	check("they share more", "open", "1 3 open 80", "2 3 open 80")
	check("they share more", "rejected", "1 2 rejected 100")

	s.lanes = nil
	s.rebuildStore()
	s.project()
	check("after a rebuild", "open", "1 3 open 80", "2 3 open 80")
	check("after a rebuild", "rejected", "1 2 rejected 100")
	for id, want := range map[uuid.UUID]int{a: 1, b: 1, c: 0} {
		var answer readapi.CustomerDuplicates
		s.get("/v1/customers/" + id.String() + "/duplicates?state=rejected").status(200).json(&answer)
		if len(answer.Pairs) != want {
			t.Errorf("%v: %+v", id, answer.Pairs)
		}
	}

	s.customer(b, customer.PersonalDataErased{ErasedAt: s.clock, RequestedAt: s.clock, ApprovedAt: s.clock})
	s.project()
	check("one was erased", "open", "1 3 open 80")
	check("one was erased", "rejected")
	var answer readapi.CustomerDuplicates
	s.get("/v1/customers/" + b.String() + "/duplicates").status(200).json(&answer)
	if len(answer.Pairs) != 0 {
		t.Errorf("%+v", answer.Pairs)
	}
}

func TestDuplicatesRefuse(t *testing.T) {
	s := newShop(t)
	s.register(someone(1), customer.Name{Given: "Ada"}, "web")
	s.project()
	for path, want := range map[string]int{
		"/v1/duplicates":                                                  200,
		"/v1/duplicates?min_score=101":                                    400,
		"/v1/duplicates?state=perhaps":                                    400,
		"/v1/duplicates?cursor=x":                                         400,
		"/v1/duplicates?score=1":                                          400,
		"/v1/duplicates?min_position=" + itoa(s.position):                 200,
		"/v1/customers/" + someone(1).String() + "/duplicates":            200,
		"/v1/customers/" + someone(2).String() + "/duplicates":            404,
		"/v1/customers/nobody/duplicates":                                 404,
		"/v1/customers/" + someone(1).String() + "/duplicates?cursor=abc": 400,
	} {
		s.get(path).status(want)
	}
	// A cursor of one list is none of the other.
	for i := range 3 {
		c := someone(uint64(10 + i))
		s.register(c, customer.Name{Given: "Ada", Family: "Berg"}, "web")
		s.contact(c, customer.TypePhone, "+4930")
	}
	s.project()
	var page readapi.Duplicates
	s.get("/v1/duplicates?limit=1").status(200).json(&page)
	if page.NextCursor == "" || page.GroupLimit != 50 {
		t.Fatalf("%+v", page)
	}
	s.get("/v1/duplicates?limit=1&state=rejected&cursor=" + page.NextCursor).status(400)
}

// rebuildStore forgets the read models: they are filled from the log again.
func (s *shop) rebuildStore() {
	s.store = memstore.New()
	s.api.Documents = s.store
	s.openStore()
}
