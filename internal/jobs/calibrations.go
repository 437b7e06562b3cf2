package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/projections"
	rfmview "github.com/rapport-crm/rapport/projections/rfm"
	"github.com/rapport-crm/rapport/projections/segments"
)

// Calibration is a kind of calibration: which view asks for it and contributes to it,
// by which kind of policy, and how it is answered.
type Calibration struct {
	view     string
	kind     string
	salt     string   // tells the commands of kinds apart that one event asks for
	triggers []string // the events that may ask
	note     func(trigger uint64) string
	asked    func(*projections.World) []projections.AskedCalibration
	answer   func(context.Context, *commands.Writer, commands.Request, question) error
}

// question is a calibration that is asked for, and all contributions to it.
type question struct {
	projections.AskedCalibration
	policy policy.Published
	notes  [][]byte // by partition
}

// Scores is the calibration of the scores.
var Scores = Calibration{
	view: rfmview.Name, kind: policy.KindRFM, triggers: triggers,
	note:   rfmview.NoteName,
	asked:  func(w *projections.World) []projections.AskedCalibration { return w.Asked },
	answer: recording(score),
}

// Worth is the calibration of what the customers are worth. A rule that is published
// may be the first to ask for it.
var Worth = Calibration{
	view: segments.Name, kind: policy.KindValue, salt: "value ", triggers: append(slices.Clip(triggers), "segment."),
	note:   segments.NoteName,
	asked:  func(w *projections.World) []projections.AskedCalibration { return w.ValueAsked },
	answer: recording(appraise),
}

var errNoPolicy = errors.New("the policy says nothing of its kind")

// recording computes an answer and records it.
func recording[S domain.State[S, E], E any, C domain.Command[S, E]](compute func(question) (C, error)) func(context.Context, *commands.Writer, commands.Request, question) error {
	return func(ctx context.Context, w *commands.Writer, r commands.Request, q question) error {
		what, err := compute(q)
		if err != nil {
			return fmt.Errorf("calibration as of %s: %w", q.AsOf, err)
		}
		_, err = commands.Execute(ctx, w, r, domain.Command[S, E](what))
		if err != nil && !errors.Is(err, commands.ErrKeyReused) { // reused: answered long ago, by another program, in other words
			return fmt.Errorf("record the calibration as of %s: %w", q.AsOf, err)
		}
		return nil
	}
}

// contributions reads the notes, in memory for nothing but themselves.
func contributions[C any](q question, decode func([]byte) (*C, error), of func(*C) (domain.Date, int), differ error) ([]*C, error) {
	all := make([]*C, len(q.notes))
	for i, n := range q.notes {
		c, err := decode(n)
		if err != nil {
			return nil, fmt.Errorf("partition %d: %w", i, err)
		}
		if asOf, version := of(c); asOf != q.AsOf || version != q.PolicyVersion {
			return nil, fmt.Errorf("partition %d contributes to %s by policy version %d: %w", i, asOf, version, differ)
		}
		all[i] = c
	}
	return all, nil
}

// score computes the cut points of the scores.
func score(q question) (rfm.Answer, error) {
	p := q.policy.RFM
	if p == nil {
		return rfm.Answer{}, errNoPolicy
	}
	all, err := contributions(q, rfmview.DecodeContribution,
		func(c *rfmview.Contribution) (domain.Date, int) { return c.AsOf, c.PolicyVersion }, rfmview.ErrDiffer)
	if err != nil {
		return rfm.Answer{}, err
	}
	population, foreign, err := rfmview.Merge(all)
	if err != nil {
		return rfm.Answer{}, err
	}
	if len(foreign) > 0 {
		return rfm.Answer{Failed: &rfm.CalibrationFailed{
			Trigger: q.Event.String(), TriggerPosition: q.Position, AsOf: q.AsOf, PolicyVersion: q.PolicyVersion,
			Code: rfm.CodeCurrencyMixed, Detail: rfmview.Mixed(p, foreign),
		}}, nil
	}
	cuts := rfm.Calibrate(p, population)
	return rfm.Answer{Calibrated: &rfm.Calibrated{
		Trigger: q.Event.String(), TriggerPosition: q.Position, AsOf: q.AsOf, PolicyVersion: q.PolicyVersion,
		Currency: p.Currency, Population: int(population.Size),
		Denominator: cuts.Denominator, Recency: cuts.Recency, Frequency: cuts.Frequency, Monetary: cuts.Monetary,
	}}, nil
}

// appraise computes the percentiles of all measures. Of whom something is not known,
// because of a currency or because nobody recorded costs, is counted with it: that
// fails nothing.
func appraise(q question) (value.Answer, error) {
	p := q.policy.Value
	if p == nil {
		return value.Answer{}, errNoPolicy
	}
	all, err := contributions(q, segments.DecodeContribution,
		func(c *segments.Contribution) (domain.Date, int) { return c.AsOf, c.PolicyVersion }, segments.ErrDiffer)
	if err != nil {
		return value.Answer{}, err
	}
	populations, err := segments.MergeMeasured(all)
	if err != nil {
		return value.Answer{}, err
	}
	c := value.Calibrate(value.Calibrated{
		Trigger: q.Event.String(), TriggerPosition: q.Position, AsOf: q.AsOf, PolicyVersion: q.PolicyVersion,
		Currency: p.Currency,
	}, populations)
	return value.Answer{Calibrated: &c}, nil
}
