package policy

import "github.com/rapport-crm/rapport/domain"

// ErrNoDayClosed refuses a calibration where no day was closed yet.
var ErrNoDayClosed = &domain.Error{Kind: domain.Conflict, Code: "no_day_closed"}

// Calibrate asks for new cut points as of the last closed day, from what is
// recorded now: orders that came late count.
type Calibrate struct {
	domain.Subject `json:"-"`

	// Closed is the last closed day, nil before the first.
	Closed *domain.Date `json:"-"`
}

// SetClosed tells the last day closed.
func (c *Calibrate) SetClosed(d *domain.Date) { c.Closed = d }

// Stream implements domain.Command.
func (Calibrate) Stream() string { return Stream(KindRFM) }

// Refuses lists the refusals that are the command's own.
func (Calibrate) Refuses() []*domain.Error { return []*domain.Error{ErrNoDayClosed} }

// Decide implements domain.Command.
func (c Calibrate) Decide(State) ([]Event, error) {
	return requested(KindRFM, c.Closed, "scored")
}

// CalibrateValue asks for the percentiles of what customers are worth, as of the last
// closed day, from what is recorded now.
type CalibrateValue struct {
	domain.Subject `json:"-"`

	// Closed is the last closed day, nil before the first.
	Closed *domain.Date `json:"-"`
}

// SetClosed tells the last day closed.
func (c *CalibrateValue) SetClosed(d *domain.Date) { c.Closed = d }

// Stream implements domain.Command.
func (CalibrateValue) Stream() string { return Stream(KindValue) }

// Refuses lists the refusals that are the command's own.
func (CalibrateValue) Refuses() []*domain.Error { return []*domain.Error{ErrNoDayClosed} }

// Decide implements domain.Command.
func (c CalibrateValue) Decide(State) ([]Event, error) {
	return requested(KindValue, c.Closed, "valued")
}

func requested(kind string, closed *domain.Date, what string) ([]Event, error) {
	if closed == nil {
		return nil, ErrNoDayClosed.With("customers are %s as of a closed day; close one first", what)
	}
	return []Event{CalibrationRequested{Kind: kind, AsOf: *closed}}, nil
}
