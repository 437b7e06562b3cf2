package rfm

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/projections"
)

// How far the scores are behind the calendar.
const (
	None    = "none"    // nothing was calibrated yet, and nothing is asked for
	Pending = "pending" // a calibration is being made, or not applied everywhere yet
	Applied = "applied" // the last calibration asked for is applied everywhere
	Failed  = "failed"  // it failed, and the one before stands
)

// Progress is how far the scores are behind the calendar. Unless it is pending,
// every query answers by it.
type Progress struct {
	State         string       `json:"state"`
	AsOf          *domain.Date `json:"as_of,omitempty"` // of the calibration applied or failed
	PolicyVersion int          `json:"policy_version,omitempty"`
	Population    int          `json:"population,omitempty"`
	Code          string       `json:"code,omitempty"` // of the failure
	Detail        string       `json:"detail,omitempty"`
}

// ProgressOf says how far the scores are: from the world of any partition, the
// checkpoints of all, read after it, and the last closed day as the write side
// knows it (nil: none), which may be ahead of that world.
func ProgressOf(w *projections.World, checkpoints []projections.Checkpoint, closed *domain.Date) Progress {
	if closed != nil && (w.Closed == nil || *w.Closed < *closed) || len(w.Asked) > 0 {
		return Progress{State: Pending}
	}
	for _, c := range checkpoints {
		if c.Position < w.AnsweredAt {
			return Progress{State: Pending}
		}
	}
	switch {
	case w.Failed != nil:
		f := w.Failed
		return Progress{State: Failed, AsOf: &f.AsOf, PolicyVersion: f.PolicyVersion, Code: f.Code, Detail: f.Detail}
	case w.Calibration != nil:
		c := w.Calibration
		return Progress{State: Applied, AsOf: &c.AsOf, PolicyVersion: c.PolicyVersion, Population: c.Population}
	}
	return Progress{State: None}
}
