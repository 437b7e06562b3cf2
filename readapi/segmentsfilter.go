package readapi

import (
	"context"
	"math"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/projections/segments"
)

// segmentFilter is the part of the question for customers that asks who belongs to a
// segment. The zero value asks nothing.
type segmentFilter struct {
	segment string
	look    *segmentsLook
	at      *uint64 // of a segment that is being filled: it is answered who belonged to it before
}

func readSegmentFilter(p *params) segmentFilter {
	f := segmentFilter{segment: p.text("segment")}
	if f.segment != "" && !segment.IsID(f.segment) {
		p.bad("segment", "%q cannot be the id of a segment", f.segment)
	}
	return f
}

func (f *segmentFilter) asks() bool { return f.segment != "" }

// wants says whether a customer is as asked for.
func (f *segmentFilter) wants(d *listed) bool { return !f.asks() || d.belongs }

// open looks at the segments, at a position or later.
func (f *segmentFilter) open(ctx context.Context, a *API, o *overall, least uint64) (err error) {
	if f.look, err = a.segments(ctx, least, f.segment); err != nil {
		return err
	}
	if _, err = f.look.segment(f.segment); err != nil {
		return err
	}
	upTo := f.look.upTo(f.segment)
	if f.look.filling(f.segment) {
		f.at = &upTo
	}
	o.position = min(o.position, upTo)
	return nil
}

// stretches says which indexes find them: that of who belongs to it, and then that of
// who did.
func (f *segmentFilter) stretches() []stretch {
	upTo := uint64(math.MaxUint64)
	if f.at != nil {
		upTo = *f.at
	}
	in := func(index string) stretch {
		return stretch{generation: f.look.generation, index: index, prefix: f.segment + "|"}
	}
	is, was := in(segments.IndexMembers), in(segments.IndexStays)
	is.only = func(c *candidate) bool {
		from, _, err := parseStay(c.key)
		return err == nil && from <= upTo
	}
	was.past = func(string) bool { return f.at == nil }
	was.only = func(c *candidate) bool {
		from, to, err := parseStay(c.key)
		return err == nil && from <= upTo && to > upTo
	}
	return []stretch{is, was}
}

// fetch reads how candidates stand to the segment.
func (f *segmentFilter) fetch(ctx context.Context, a *API, cs []*candidate) error {
	if !f.asks() {
		return nil
	}
	ids := make([]uuid.UUID, len(cs))
	for i, c := range cs {
		ids[i] = c.id
	}
	docs, err := a.standings(ctx, f.look.across, ids)
	for i := range docs {
		cs[i].item.(*listed).belongs = docs[i].stay(f.segment, f.at) != nil
	}
	return err
}
