package readapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
	"golang.org/x/sync/errgroup"
)

// segmentsLook is the read model of the segments: how far its partitions are, and what
// is on its way through their documents.
type segmentsLook struct {
	across
	checkpoints []projections.Checkpoint
	sweeps      []*projections.Sweep // by partition; nil: none has one
}

// segments waits until the lists of some segments, if any are named, reflect a position.
// What is being filled for another segment does not hold them up.
func (a *API) segments(ctx context.Context, least uint64, ids ...string) (l *segmentsLook, err error) {
	err = a.atLeast(ctx, least, func(ctx context.Context) (uint64, error) {
		if l, err = a.lookAtSegments(ctx); err != nil {
			return 0, err
		}
		return l.upTo(ids...), nil
	})
	return l, err
}

// lookAtSegments asks how far the partitions are, and then what sweeps through those
// that say that something does. What is over by then is in the documents.
func (a *API) lookAtSegments(ctx context.Context) (*segmentsLook, error) {
	l := new(segmentsLook)
	var err error
	if l.generation, l.partitions, err = a.serving(ctx, segments.Name); err != nil {
		return nil, err
	}
	if l.checkpoints, err = a.Documents.Checkpoints(ctx, l.generation, l.partitions); err != nil {
		return nil, err
	}
	l.position = math.MaxUint64
	for _, c := range l.checkpoints {
		l.position = min(l.position, c.Position)
	}
	stored, _, err := a.Documents.World(ctx, l.generation, 0)
	if err != nil {
		return nil, err
	}
	if l.world, err = a.worlds.decode(stored); err != nil {
		return nil, err
	}
	l.sweeps, err = a.sweeping(ctx, l)
	return l, err
}

// worldsAtOnce bounds how many worlds are read at the same time.
const worldsAtOnce = 16

// sweeping returns what sweeps through the documents, by partition; nil for nothing.
// The checkpoint of a partition says whether there is anything.
func (a *API) sweeping(ctx context.Context, l *segmentsLook) ([]*projections.Sweep, error) {
	if !slices.ContainsFunc(l.checkpoints, func(c projections.Checkpoint) bool { return c.Cursor != "" }) {
		return nil, nil
	}
	found := make([]*projections.Sweep, l.partitions)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(worldsAtOnce)
	for p, c := range l.checkpoints {
		if c.Cursor == "" {
			continue
		}
		group.Go(func() error {
			stored, _, err := a.Documents.World(ctx, l.generation, p)
			if err != nil {
				return err
			}
			if found[p], err = sweepIn(stored); err != nil {
				return fmt.Errorf("world of partition %d: %w", p, err)
			}
			return nil
		})
	}
	return found, group.Wait()
}

// sweepIn returns what a stored world says of a sweep, nil for nothing. It is all that
// differs between partitions, and not worth decoding the rest again and again.
func sweepIn(world []byte) (*projections.Sweep, error) {
	const member = `"sweep":{` // no text has it: quotes are escaped there
	at := bytes.LastIndex(world, []byte(member))
	if at < 0 {
		return nil, nil
	}
	s := new(projections.Sweep)
	return s, json.NewDecoder(bytes.NewReader(world[at+len(member)-1:])).Decode(s)
}

// all returns a segment and those that its rule asks for, directly or through others.
func (l *segmentsLook) all(id string) map[string]bool {
	set := map[string]bool{}
	var add func(id string)
	add = func(id string) {
		if set[id] {
			return
		}
		set[id] = true
		is, _ := l.world.Segments.Segment(id)
		for _, other := range is.Asks {
			add(other)
		}
	}
	add(id)
	return set
}

// before returns the position before that from which on a cause may change who belongs
// to one of some segments; false if it does not.
func (l *segmentsLook) before(c projections.Cause, of map[string]bool) (uint64, bool) {
	if c.Kind == segments.ByCalibration {
		for id := range of {
			if p := l.world.Plan().Planned(id); p != nil && (p.Has("rfm") || p.Has("value") || p.Has("percentiles") || p.Has("clusters")) {
				return c.Position - 1, true
			}
		}
		return 0, false
	}
	if of[c.Subject] {
		return c.Position - 1, true
	}
	for _, other := range c.Joined {
		if at, concerned := l.before(other, of); concerned {
			return at, true
		}
	}
	return 0, false
}

// upTo returns up to which position of the log it is known who belongs to segments: as
// far as every partition has read, and not beyond what is still on its way through
// their documents.
func (l *segmentsLook) upTo(ids ...string) uint64 {
	at := l.position
	for _, id := range ids {
		of := l.all(id)
		for _, s := range l.sweeps {
			if s != nil {
				if before, concerned := l.before(s.Cause, of); concerned {
					at = min(at, before)
				}
			}
		}
	}
	return at
}

// segment returns a segment, or refuses one that there is not.
func (l *segmentsLook) segment(id string) (segment.Segment, error) {
	is, ok := l.world.Segments.Segment(id)
	if !ok {
		return is, segment.ErrNotFound.With("there is no segment %q; GET /v1/segments lists them", id)
	}
	return is, nil
}

// changed returns the position at which a segment became what it is, by its own
// definition or by that of another that its rule asks for.
func (l *segmentsLook) changed(id string) (at uint64) {
	for id := range l.all(id) {
		is, _ := l.world.Segments.Segment(id)
		at = max(at, is.Position)
	}
	return at
}

// filling says whether there are customers who were not looked at yet by what a segment
// is now. Then it is answered who belonged to it before.
func (l *segmentsLook) filling(id string) bool { return l.changed(id) > l.upTo(id) }

// stampOf stamps an answer about segments.
func (l *segmentsLook) stampOf(ids ...string) Stamp { return stamp(l.upTo(ids...), l.world) }

// SegmentFilling is how far customers were looked at by a new version of a segment, or
// of one that its rule asks for. Until then it is answered who belonged to it before.
type SegmentFilling struct {
	Version int   `json:"version"` // of the segment, by which they are looked at
	Serving int   `json:"serving"` // by which is answered meanwhile; 0: by none, there was none
	Done    int64 `json:"done"`    // customers who were looked at, about
	Total   int64 `json:"total"`   // customers there are
}

// fillingOf returns how far the filling of a segment is; nil if it is not being filled.
func (a *API) fillingOf(ctx context.Context, l *segmentsLook, is segment.Segment, total int64) (*SegmentFilling, error) {
	if !l.filling(is.ID) {
		return nil, nil
	}
	serving, err := a.versionAt(ctx, is.ID, l.upTo(is.ID))
	if err != nil {
		return nil, err
	}
	f := &SegmentFilling{Version: is.Version, Serving: serving, Total: total}
	if l.partitions == 0 || total == 0 {
		return f, nil
	}
	first, last, err := a.ends(ctx, l)
	if err != nil {
		return nil, err
	}
	share, of, since := new(big.Rat), l.all(is.ID), l.changed(is.ID)
	for p, c := range l.checkpoints {
		var s *projections.Sweep
		if l.sweeps != nil {
			s = l.sweeps[p]
		}
		concerned := false
		if s != nil {
			_, concerned = l.before(s.Cause, of)
		}
		switch {
		case concerned:
			share.Add(share, between(first, last, s.Cursor))
		case c.Position >= since:
			share.Add(share, big.NewRat(1, 1))
		}
	}
	share.Mul(share, big.NewRat(total, int64(l.partitions)))
	f.Done = new(big.Int).Quo(share.Num(), share.Denom()).Int64()
	return f, nil
}

// ends returns the lowest and the highest id of a customer.
func (a *API) ends(ctx context.Context, l *segmentsLook) (first, last uuid.UUID, err error) {
	for _, end := range []struct {
		id         *uuid.UUID
		descending bool
	}{{&first, false}, {&last, true}} {
		members, _, err := a.Documents.Range(ctx, l.generation, l.partitions, RangeQuery{Index: segments.IndexAll, Descending: end.descending, Limit: 1})
		if err != nil {
			return first, last, err
		}
		for _, m := range members {
			c, err := parseMember(m)
			if err != nil {
				return first, last, err
			}
			*end.id = c.id
		}
	}
	return first, last, nil
}

// between returns which share of the way from one id to another a cursor has come.
// Customers' ids are spread evenly enough to tell progress by it.
func between(first, last uuid.UUID, cursor string) *big.Rat {
	at, err := uuid.Parse(cursor)
	if err != nil || strings.Compare(at.String(), first.String()) < 0 {
		return new(big.Rat)
	}
	low, high, here := new(big.Int).SetBytes(first[:]), new(big.Int).SetBytes(last[:]), new(big.Int).SetBytes(at[:])
	if here.Cmp(high) >= 0 {
		return big.NewRat(1, 1)
	}
	return new(big.Rat).SetFrac(here.Sub(here, low), high.Sub(high, low))
}
