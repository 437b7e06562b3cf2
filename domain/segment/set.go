package segment

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Set is every segment there ever was. It is not changed: With returns another
// one. A nil Set has none.
type Set struct {
	List []Segment `json:"list"` // by id
}

// With returns the set after an event of a segment.
func (s *Set) With(e Event, id uuid.UUID, position uint64) *Set {
	var name string
	switch e := e.(type) {
	case Defined:
		name = e.SegmentID
	case VersionPublished:
		name = e.SegmentID
	case Archived:
		name = e.SegmentID
	case AudienceFrozen:
		return s
	}
	next := &Set{List: slices.Clone(s.All())}
	at, found := next.find(name)
	if !found {
		next.List = slices.Insert(next.List, at, Segment{})
	}
	is := next.List[at].with(e)
	is.Event, is.Position = id, position
	next.List[at] = is
	return next
}

func (s *Set) find(id string) (int, bool) {
	return slices.BinarySearchFunc(s.All(), id, func(is Segment, id string) int { return cmp.Compare(is.ID, id) })
}

// Segment returns a segment.
func (s *Set) Segment(id string) (Segment, bool) {
	at, ok := s.find(id)
	if !ok {
		return Segment{}, false
	}
	return s.List[at], true
}

// All returns every segment, the archived ones too, by id. It must not be changed.
func (s *Set) All() []Segment {
	if s == nil {
		return nil
	}
	return s.List
}

// Plan is how the segments in use are decided: each after those that its rule asks
// for. It is not changed.
type Plan struct {
	// Order is every segment that can be decided, in an order in which it can be.
	Order []*Planned
	// Broken are the segments that cannot be decided by anybody, and why.
	Broken map[string]string
	byID   map[string]*Planned
}

// Planned is a segment and its rule.
type Planned struct {
	Segment
	Rule *Rule // nil of a static segment
	Uses Uses
	// After are the segments whose rules ask for this one, directly or through others.
	After map[string]bool
}

// Planned returns a segment of the plan, nil if it is not in it.
func (p *Plan) Planned(id string) *Planned { return p.byID[id] }

// Has says whether the rule rests on a part of the customer document.
func (p *Planned) Has(part string) bool { return slices.Contains(p.Uses.Parts, part) }

// Plan returns how the segments are decided. compile is Compile, or remembers what
// it gave.
func (s *Set) Plan(compile func(text string, attributes Attributes) (*Rule, error)) *Plan {
	p := &Plan{Broken: map[string]string{}, byID: map[string]*Planned{}}
	state := map[string]int{} // 1: on the way, 2: done
	var visit func(id string, way []string) string
	visit = func(id string, way []string) (broken string) {
		is, ok := s.Segment(id)
		switch {
		case !ok:
			return fmt.Sprintf("there is no segment %q; GET /v1/segments lists them", id)
		case is.Archived || state[id] == 2:
			return "" // nobody is in an archived one
		case state[id] == 1:
			return "the rules ask for each other: " + strings.Join(append(way[slices.Index(way, id):], id), ", ")
		}
		state[id] = 1
		defer func() { state[id] = 2 }()
		next := &Planned{Segment: is, After: map[string]bool{}}
		if is.Kind == Dynamic {
			rule, err := compile(is.Rule, is.Attributes)
			if err != nil {
				p.Broken[id] = err.Error()
				return ""
			}
			next.Rule, next.Uses = rule, rule.Uses()
		}
		for _, other := range is.Asks {
			if broken := visit(other, append(way, id)); broken != "" {
				p.Broken[id] = broken
				return ""
			}
		}
		p.Order, p.byID[id] = append(p.Order, next), next
		return ""
	}
	for _, is := range s.All() {
		visit(is.ID, nil)
	}
	// Whoever asks for a segment comes after it.
	for _, later := range slices.Backward(p.Order) {
		for _, other := range later.Asks {
			if asked := p.byID[other]; asked != nil {
				asked.After[later.ID] = true
				for id := range later.After {
					asked.After[id] = true
				}
			}
		}
	}
	return p
}

// cycle returns the way on which a rule would ask for its own segment, nil for none.
func (s *Set) cycle(id string, asks []string) []string {
	seen := map[string]bool{}
	var search func(at string, way []string) []string
	search = func(at string, way []string) []string {
		way = append(way[:len(way):len(way)], at)
		if at == id {
			return way
		}
		if seen[at] {
			return nil
		}
		seen[at] = true
		is, _ := s.Segment(at)
		for _, next := range is.Asks {
			if found := search(next, way); found != nil {
				return found
			}
		}
		return nil
	}
	for _, first := range asks {
		if found := search(first, []string{id}); found != nil {
			return found
		}
	}
	return nil
}

// users returns the segments in use whose rules ask for one, by id.
func (s *Set) users(id string) (users []string) {
	for _, is := range s.All() {
		if !is.Archived && slices.Contains(is.Asks, id) {
			users = append(users, is.ID)
		}
	}
	return users
}

// room refuses one more segment where there are as many as there may be.
func (s *Set) room() error {
	inUse := 0
	for _, is := range s.All() {
		if !is.Archived {
			inUse++
		}
	}
	if inUse >= MaxSegments {
		return ErrTooMany.With("there are %d segments already; archive those that nobody needs", inUse)
	}
	return nil
}
