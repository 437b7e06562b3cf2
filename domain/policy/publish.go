package policy

import (
	"reflect"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/rfm"
)

// PublishRFM publishes the next version of the policy that scores customers.
type PublishRFM struct {
	domain.Subject `json:"-"`

	Policy rfm.Policy `json:"policy"`
	// EffectiveFrom is the business date from which it holds; today if absent,
	// or the beginning of time while no day was ever closed.
	EffectiveFrom *domain.Date `json:"effective_from,omitempty"`

	// Closed is the last day closed, nil before the first: what a closed day was
	// scored with is not changed afterwards.
	Closed *domain.Date `json:"-"`
}

// Always is the date from which a policy holds that holds from the beginning.
var Always = domain.NewDate(1, 1, 1)

// Why a policy is not published.
var (
	ErrBackDated = &domain.Error{Kind: domain.Conflict, Code: "policy_back_dated"}
	ErrOverlaps  = &domain.Error{Kind: domain.Conflict, Code: "policy_overlaps"}
)

// Stream implements domain.Command.
func (c PublishRFM) Stream() string { return Stream(KindRFM) }

// Refuses lists the refusals that are the command's own.
func (PublishRFM) Refuses() []*domain.Error { return []*domain.Error{ErrBackDated, ErrOverlaps} }

// Decide implements domain.Command. The policy that is the current one already
// is nothing to do.
func (c PublishRFM) Decide(s State) ([]Event, error) {
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	from := Always
	switch {
	case c.EffectiveFrom != nil:
		from = *c.EffectiveFrom
	case c.Closed != nil:
		from = c.Today()
	}
	version := 1
	if n := len(s.Versions); n > 0 {
		last := s.Versions[n-1]
		version = last.Version + 1
		same := last.RFM != nil && reflect.DeepEqual(*last.RFM, c.Policy)
		switch {
		case same && (c.EffectiveFrom == nil || from == last.EffectiveFrom):
			return nil, nil
		case from < last.EffectiveFrom:
			return nil, ErrOverlaps.With("version %d holds from %s on; a later version cannot begin before it", last.Version, last.EffectiveFrom)
		}
	}
	if c.Closed != nil && from <= *c.Closed {
		return nil, ErrBackDated.With("%s is closed; a policy can begin on %s at the earliest", *c.Closed, *c.Closed+1)
	}
	return []Event{Published{Kind: KindRFM, Version: version, EffectiveFrom: from, RFM: &c.Policy}}, nil
}
