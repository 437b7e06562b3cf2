package policy

import (
	"reflect"

	"github.com/rapport-crm/rapport/domain"
)

// Publication is what all commands have in common that publish the next version
// of a policy. They embed it.
type Publication struct {
	domain.Subject `json:"-"`

	// EffectiveFrom is the business date from which it holds; today if absent,
	// or the beginning of time while no day was ever closed. The first version of
	// a kind may begin on a day that is closed.
	EffectiveFrom *domain.Date `json:"effective_from,omitempty"`

	// Closed is the last day closed, nil before the first: what was decided on a
	// closed day by one version is not changed by another.
	Closed *domain.Date `json:"-"`
}

// SetClosed tells the last day closed.
func (c *Publication) SetClosed(d *domain.Date) { c.Closed = d }

// Always is the date from which a policy holds that holds from the beginning.
var Always = domain.NewDate(1, 1, 1)

// Why a policy is not published.
var (
	ErrBackDated = &domain.Error{Kind: domain.Conflict, Code: "policy_back_dated"}
	ErrOverlaps  = &domain.Error{Kind: domain.Conflict, Code: "policy_overlaps"}
)

// Refuses lists the refusals that are the command's own.
func (Publication) Refuses() []*domain.Error { return []*domain.Error{ErrBackDated, ErrOverlaps} }

// publish decides on the next version; next says its kind and its body, which is
// valid. The policy that is the current one already is nothing to do.
func (c Publication) publish(s State, next Published) ([]Event, error) {
	next.Version, next.EffectiveFrom = 1, Always
	switch {
	case c.EffectiveFrom != nil:
		next.EffectiveFrom = *c.EffectiveFrom
	case c.Closed != nil:
		next.EffectiveFrom = c.Today()
	}
	if n := len(s.Versions); n > 0 {
		last := s.Versions[n-1]
		next.Version = last.Version + 1
		same := reflect.DeepEqual(last.Body(), next.Body())
		switch {
		case same && (c.EffectiveFrom == nil || next.EffectiveFrom == last.EffectiveFrom):
			return nil, nil
		case next.EffectiveFrom < last.EffectiveFrom:
			return nil, ErrOverlaps.With("version %d holds from %s on; a later version cannot begin before it", last.Version, last.EffectiveFrom)
		}
	}
	if next.Version > 1 && c.Closed != nil && next.EffectiveFrom <= *c.Closed {
		return nil, ErrBackDated.With("%s is closed; a later version can begin on %s at the earliest", *c.Closed, *c.Closed+1)
	}
	return []Event{next}, nil
}
