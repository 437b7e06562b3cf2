package cluster

import "slices"

// State is what is remembered of a clustering.
type State struct {
	Version int         // of the clusters that stand; 0: none were found yet
	Open    []Requested // what was asked for since the last answer
	Any     bool
	Last    uint64 // the position of the last request that was answered
}

// Evolve returns the state after e.
func (s State) Evolve(e Event) State {
	switch e := e.(type) {
	case Requested:
		s.Open = append(s.Open, e)
	case Fitted:
		s.Version = e.Version
		s.answered(e.TriggerPosition)
	case FitFailed:
		s.answered(e.TriggerPosition)
	}
	return s
}

// answered forgets all that is open: what is asked for again meanwhile is computed
// again, which is better than what was passed over being asked for in vain for ever.
func (s *State) answered(position uint64) {
	s.Any, s.Last, s.Open = true, position, nil
}

// asked says whether the same is asked for and not answered yet.
func (s State) asked(e Requested) bool {
	return slices.ContainsFunc(s.Open, func(o Requested) bool {
		return slices.Equal(o.Features, e.Features) && o.AsOf == e.AsOf && o.K == e.K && o.MinK == e.MinK && o.MaxK == e.MaxK &&
			o.Seed == e.Seed && o.MaxIterations == e.MaxIterations
	})
}

// Answer records what came of a fit that was asked for: exactly one of its fields
// is set. Requests of a clustering are answered in the order of the log, each
// once; a second answer is nothing to do. Whoever computed it need not know the
// version: it is given here.
type Answer struct {
	Fitted *Fitted    `json:"fitted,omitempty"`
	Failed *FitFailed `json:"failed,omitempty"`
}

// Stream implements domain.Command.
func (a Answer) Stream() string {
	if a.Failed != nil {
		return Stream(a.Failed.ClusterID)
	}
	return Stream(a.Fitted.ClusterID)
}

// Decide implements domain.Command.
func (a Answer) Decide(s State) ([]Event, error) {
	if a.Failed != nil {
		if s.Any && a.Failed.TriggerPosition <= s.Last {
			return nil, nil
		}
		return []Event{*a.Failed}, nil
	}
	if s.Any && a.Fitted.TriggerPosition <= s.Last {
		return nil, nil
	}
	e := *a.Fitted
	e.Version = s.Version + 1
	return []Event{e}, nil
}
