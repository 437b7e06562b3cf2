package projections

import (
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/segment"
)

// Trying returns the world as it would be after an event of a segment that nobody
// recorded: for a look at what a rule would do.
func (w *World) Trying(e segment.Event) *World {
	next := *w
	next.Segments = w.Segments.With(e, uuid.Nil, 0)
	next.plan = &plan{of: next.Segments}
	return &next
}
