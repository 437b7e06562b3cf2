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
	if c.Closed == nil {
		return nil, ErrNoDayClosed.With("customers are scored as of a closed day; close one first")
	}
	return []Event{CalibrationRequested{Kind: KindRFM, AsOf: *c.Closed}}, nil
}
