package value

// State is what is remembered of the calibrations.
type State struct {
	Any  bool
	Last uint64 // the position of the last trigger that was answered
}

// Evolve returns the state after e.
func (s State) Evolve(e Event) State {
	switch e := e.(type) {
	case Calibrated:
		return State{true, e.TriggerPosition}
	case CalibrationFailed:
		return State{true, e.TriggerPosition}
	}
	return s
}

// Answer records what came of a calibration that was asked for: exactly one of
// its fields is set. Triggers are answered in the order of the log, each once;
// a second answer is nothing to do.
type Answer struct {
	Calibrated *Calibrated        `json:"calibrated,omitempty"`
	Failed     *CalibrationFailed `json:"failed,omitempty"`
}

// Stream implements domain.Command.
func (Answer) Stream() string { return CalibrationStream }

// Decide implements domain.Command.
func (a Answer) Decide(s State) ([]Event, error) {
	var e Event
	var trigger uint64
	if a.Failed != nil {
		e, trigger = *a.Failed, a.Failed.TriggerPosition
	} else {
		e, trigger = *a.Calibrated, a.Calibrated.TriggerPosition
	}
	if s.Any && trigger <= s.Last {
		return nil, nil
	}
	return []Event{e}, nil
}
