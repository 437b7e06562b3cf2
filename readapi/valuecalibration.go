package readapi

import (
	"math"
	"net/http"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/rfm"
	"github.com/rapport-crm/rapport/projections/segments"
)

// ValueCalibration is by which percentiles customers are compared, and whether every
// segment follows the calibrations and definitions.
type ValueCalibration struct {
	State string `json:"state"` // none, pending, applied, failed
	// Sweeping is in how many partitions customers have still to take their place in
	// segments after a calibration or a definition; 0: all lists follow.
	Sweeping    int                     `json:"sweeping"`
	Asked       *AskedPercentiles       `json:"asked" jsonschema:"nullable"`       // the next that is to come
	Calibration *StandingPercentiles    `json:"calibration" jsonschema:"nullable"` // the one that stands
	Failed      *FailedValueCalibration `json:"failed" jsonschema:"nullable"`      // the attempt after it, if that failed
	Stamp
}

// AskedPercentiles is a calibration that was asked for and has not come yet.
type AskedPercentiles struct {
	Trigger         string      `json:"trigger"` // id of the event that asks
	TriggerPosition uint64      `json:"trigger_position"`
	AsOf            domain.Date `json:"as_of"`
	PolicyVersion   int         `json:"policy_version"`
}

// StandingPercentiles is a calibration.
type StandingPercentiles struct {
	AskedPercentiles
	Currency    string               `json:"currency"`
	Denominator int64                `json:"denominator"` // of all cuts
	Measures    []MeasurePercentiles `json:"measures"`
}

// MeasurePercentiles are the percentiles of a measure. A value reaches percentile i if
// it is not less than the i-th cut over the denominator.
type MeasurePercentiles struct {
	Name       string  `json:"name"`
	Population int64   `json:"population"` // customers of whom the measure is known
	Unknown    int64   `json:"unknown"`    // customers of whom it is not; who never bought is none of them, but for the contribution
	Cuts       []int64 `json:"cuts"`       // of percentile 1 to 99; none of an empty population
}

// FailedValueCalibration is a calibration that failed; the one before stands.
type FailedValueCalibration struct {
	AskedPercentiles
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// valueCalibration asks in this order: every lane is at the position asked for, then
// the world, then the checkpoints. So what the world says stands in all of them.
func (a *API) valueCalibration(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	least := p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	l, err := a.across(r.Context(), segments.Name, least)
	if err != nil {
		return err
	}
	checkpoints, err := a.Documents.Checkpoints(r.Context(), l.generation, l.partitions)
	if err != nil {
		return err
	}
	pending := len(l.world.ValueAsked) > 0
	answer := ValueCalibration{State: rfm.None}
	l.position = math.MaxUint64
	for _, c := range checkpoints {
		l.position = min(l.position, c.Position)
		pending = pending || c.Position < l.world.ValueAnsweredAt
		if c.Cursor != "" {
			answer.Sweeping++
		}
	}
	if c := l.world.Value; c != nil {
		answer.State = rfm.Applied
		answer.Calibration = &StandingPercentiles{
			AskedPercentiles{c.Trigger, c.TriggerPosition, c.AsOf, c.PolicyVersion}, c.Currency, c.Denominator, make([]MeasurePercentiles, len(c.Measures)),
		}
		for i, m := range c.Measures {
			answer.Calibration.Measures[i] = MeasurePercentiles(m)
		}
	}
	if f := l.world.ValueFailed; f != nil {
		answer.State = rfm.Failed
		answer.Failed = &FailedValueCalibration{AskedPercentiles{f.Trigger, f.TriggerPosition, f.AsOf, f.PolicyVersion}, f.Code, f.Detail}
	}
	if pending {
		answer.State = rfm.Pending
	}
	if len(l.world.ValueAsked) > 0 {
		q := l.world.ValueAsked[0]
		answer.Asked = &AskedPercentiles{q.Event.String(), q.Position, q.AsOf, q.PolicyVersion}
	}
	answer.Stamp = l.stamp()
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) valueCalibrationRoute() web.Route {
	return web.Route{
		Method: "GET", Path: "/v1/value/calibration", Tag: "value",
		Summary: "Show by which percentiles customers are compared, and whether all segments follow",
		Detail: "With the position at which all scores follow (that of `GET /v1/rfm/calibration`) as `min_position`: `pending` until the " +
			"percentiles that were asked for up to there are applied everywhere. Nobody asks for percentiles that no rule of a segment uses, " +
			"but who wants to see them. `sweeping` is 0 when every segment shows what calibrations and definitions brought.",
		Params:  minParams,
		Answers: []web.Answer{{Status: 200, Detail: "The percentiles.", Body: ValueCalibration{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.valueCalibration,
	}
}
