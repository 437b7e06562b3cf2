package readapi

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/profile"
)

// Study is how all customers scored at the end of a day, computed from the log.
type Study struct {
	Of         StudyOf       `json:"of"`
	Population int64         `json:"population"`       // customers with a counted order: the cut points are computed from their values
	Failed     *StudyFailure `json:"failed,omitempty"` // why nobody could be scored
	CutPoints  *CutPoints    `json:"cut_points" jsonschema:"nullable"`
	Spread
	Stamp
}

// StudyFailure says why there is no calibration.
type StudyFailure struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (s *study) answer() Study {
	c := s.calibration()
	answer := Study{Of: s.of(s.asOf), Population: s.population, Spread: spreadOf(s.spread, c, s.policy), Stamp: s.stamp()}
	if s.mixed != "" {
		answer.Failed = &StudyFailure{rules.CodeCurrencyMixed, s.mixed}
	}
	if c != nil {
		answer.CutPoints = new(cutPointsOf(c))
	}
	return answer
}

func (a *API) study(w http.ResponseWriter, r *http.Request) error {
	ctx, p := r.Context(), paramsOf(r)
	q, err := p.inquiry(a)
	if err != nil {
		return err
	}
	asOf, source, least := p.day("as_of", q), p.text("source"), p.minPosition()
	inRows := accepts(r, csvType) || accepts(r, ndjson)
	if source != "" && !inRows {
		p.bad("source", "names customers, and there are none without Accept: text/csv or application/x-ndjson")
	}
	if err := p.err(); err != nil {
		return err
	}
	studies, err := a.studies(ctx, q, asOf)
	if err != nil {
		return err
	}
	s := studies[0]
	if !inRows {
		answer := s.answer()
		return writeJSON(w, answer.Stamp, answer)
	}
	if err := s.refusal(); err != nil {
		return err
	}
	w.Header().Set("Rapport-Position", strconv.FormatUint(s.position, 10))
	out, rows := rfmTable.open(w, r)
	defer out.release()
	if source == "" {
		for i := range s.customers {
			c := &s.customers[i]
			if err = rows.row(rowOf(c.id.String(), s.standing(c))); err != nil {
				break
			}
		}
	} else {
		err = a.studyBySource(ctx, s, source, least, rows.row)
	}
	if err == nil {
		err = rows.end()
	}
	return out.finish(err)
}

// studyBySource exports by the external ids that customers have now: they stand in no
// index in clear, so that they are collected and sorted.
func (a *API) studyBySource(ctx context.Context, s *study, source string, least uint64, row func(RFMRow) error) error {
	o, err := a.across(ctx, profile.Name, least)
	if err != nil {
		return err
	}
	var all []named
	for batch := range slices.Chunk(s.customers, exportBatch) {
		ids := make([]uuid.UUID, len(batch))
		for i := range batch {
			ids[i] = batch[i].id
		}
		if all, err = a.appendLinked(ctx, all, o.generation, o.partitions, source, ids); err != nil {
			return err
		}
	}
	slices.SortFunc(all, byName)
	for _, n := range all {
		if err := row(rowOf(n.name, s.standing(s.find(n.id)))); err != nil {
			return err
		}
	}
	return nil
}

var (
	knownParam   = query("known_at", "string", "", "Leave out what was recorded later: a time, or a date, which is its last instant in the business zone; under a manual calendar a date is the business date of recording.")
	versionParam = query("policy_version", "integer", "", "Score by this version of the policy; the one in force today if absent.")
)

// studyRoutes are those of a study, by a published policy and by a draft.
func (a *API) studyRoutes() []web.Route {
	const what = "Computed from the log for any day, as if it had just been closed: orders and refunds by their business dates, payments and cancellations by when they were made, " +
		"cut points from all customers who had ordered by then, late orders included. Neither the read models nor the stored calibrations are touched. " +
		"Answers cut points, population and distribution; with `Accept: text/csv` or `application/x-ndjson` the customers, in the rows of `/v1/rfm/export`, " +
		"by the external ids of today; who has no scores stands there without them, and rows are refused as `currency_mixed` where nobody can be scored."
	params := func(more ...web.Param) []web.Param {
		return slices.Concat([]web.Param{
			query("as_of", "string", "date", "The end of this business day; the last one closed if absent."), knownParam,
		}, more, []web.Param{
			query("source", "string", "", "Of rows: the system whose external ids name the customers; who has none there is left out."),
		}, minParams)
	}
	answers := []web.Answer{
		{Status: 200, Detail: "The study.", Body: Study{}, Headers: stampHeaders},
		{Status: 200, ContentType: ndjson, Body: RFMRow{}, Headers: stampHeaders},
		{Status: 200, ContentType: csvType, Headers: stampHeaders},
	}
	refuses := []string{ErrParameters.Code, ErrCurrencyMixed.Code, ErrBehind.Code}
	return []web.Route{
		{
			Method: "GET", Path: "/v1/rfm/study", Tag: "rfm",
			Summary: "Score all customers as of a past day",
			Detail:  what, Params: params(versionParam), Answers: answers, Refuses: refuses, Handler: a.study,
		},
		{
			Method: "POST", Path: "/v1/rfm/study", Tag: "rfm",
			Summary: "Score all customers as of a past day, by a draft of a policy",
			Detail:  what + " The draft is checked as if it were published, its examples too, and nothing is kept of it.",
			Params:  params(), Body: PolicyDraft{}, Answers: answers, Refuses: refuses, Handler: a.study,
		},
	}
}
