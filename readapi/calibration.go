package readapi

import (
	"context"
	"math"
	"net/http"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// CalibrationProgress says whether all scores follow the last closed day.
type CalibrationProgress struct {
	State          string       `json:"state"`                      // none, pending, applied, failed
	CalibratedAsOf *domain.Date `json:"calibrated_as_of,omitempty"` // the closed day whose calibration was applied, or failed
	PolicyVersion  int          `json:"policy_version,omitempty"`
	Population     int          `json:"population,omitempty"` // customers the cut points were computed from
	Code           string       `json:"code,omitempty"`       // of the failure
	Detail         string       `json:"detail,omitempty"`
	Stamp
}

// calibrationProgress asks in this order: every lane is at the position asked for, then
// the world, then the checkpoints. So what the world says stands in all of them.
func (a *API) calibrationProgress(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	least := p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	o, err := a.overall(r.Context(), least)
	if err != nil {
		return err
	}
	progress, err := a.progressOf(r.Context(), &o)
	if err != nil {
		return err
	}
	answer := CalibrationProgress{
		State: progress.State, CalibratedAsOf: progress.AsOf, PolicyVersion: progress.PolicyVersion,
		Population: progress.Population, Code: progress.Code, Detail: progress.Detail, Stamp: o.stamp(),
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) progressOf(ctx context.Context, o *overall) (rfm.Progress, error) {
	stored, _, err := a.Documents.World(ctx, o.rfm, 0)
	if err != nil {
		return rfm.Progress{}, err
	}
	if o.world, err = a.worlds.decode(stored); err != nil {
		return rfm.Progress{}, err
	}
	checkpoints, err := a.Documents.Checkpoints(ctx, o.rfm, o.partitions)
	if err != nil {
		return rfm.Progress{}, err
	}
	o.position = math.MaxUint64
	for _, c := range checkpoints {
		o.position = min(o.position, c.Position)
	}
	return rfm.ProgressOf(o.world, checkpoints, nil), nil
}

func (a *API) calibrationRoute() web.Route {
	return web.Route{
		Method: "GET", Path: "/v1/rfm/calibration", Tag: "rfm",
		Summary: "Show whether all scores follow the last closed day",
		Detail: "With the position that closing a day or publishing a policy answered as `min_position`: " +
			"`pending` until the calibration it asked for is applied everywhere, then `applied`, or `failed` and why.",
		Params:  minParams,
		Answers: []web.Answer{{Status: 200, Detail: "How far the scores are.", Body: CalibrationProgress{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.calibrationProgress,
	}
}
