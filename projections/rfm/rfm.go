// Package rfm is the read model of recency, frequency and monetary value: who is
// scored how, and why.
//
// A document is all orders of one customer, small, in the order of their business
// dates. It keeps every order with its id, because every order can still be paid,
// cancelled or refunded by its id, however old it is, and because an explanation
// names them; sums by day would have to stand beside that and say nothing more.
// It grows by some hundred bytes an order, so that ten thousand orders are about
// a megabyte.
//
// Scores are not in the document. They follow from the document and the
// calibration that stands in the world, so that a calibration changes no document.
package rfm

import (
	"math"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/projections"
)

// Name is the name of the view.
const Name = "rfm"

// The indexes of the view.
const (
	IndexAll  = "all"  // every customer who ever ordered; no key, so that they come by id
	IndexCell = "cell" // every customer with scores; the key is their code, such as "545"
)

// Why a customer has no scores.
const (
	NoCalibration  = "no_calibration"      // nothing was calibrated yet, or nobody was there to calibrate by
	NoCountedOrder = "no_counted_order"    // by the policy, none of the orders counts
	CurrencyMixed  = rfm.CodeCurrencyMixed // an order is not in the policy's currency and has no rate to it
)

// New returns the view.
func New() *projections.View[Document] {
	return &projections.View[Document]{
		Name:     Name,
		Fold:     fold,
		Indexes:  indexes,
		Metrics:  metrics,
		Rescores: rescores,
		Contribution: &projections.Contribution[Document]{
			Asked:   Asked,
			Collect: collect,
			Settled: Settled,
		},
	}
}

// rescores: cut points move only with a calibration, and a policy only with the
// calibration that names it.
func rescores(e projections.Event) bool {
	_, ok := e.Data.(rfm.Calibrated)
	return ok
}

// Forever is a date after all others.
const Forever = domain.Date(math.MaxInt32)

// standing returns the calibration that stands and its policy; nil if customers
// cannot be scored.
func standing(w *projections.World) (*rfm.Calibrated, *rfm.Policy) {
	if w.Calibration == nil || w.Calibration.Empty() {
		return nil, nil
	}
	p, ok := w.PolicyVersion(policy.KindRFM, w.Calibration.PolicyVersion)
	if !ok || p.RFM == nil {
		return nil, nil
	}
	return w.Calibration, p.RFM
}

// Standing is how a customer stands: scored, or why not.
type Standing struct {
	Reason        string // why there are no scores; empty if there are
	AsOf          domain.Date
	PolicyVersion int // 0 without a calibration
	Values        rfm.Values
	Scores        rfm.Scores
	Label         string
}

// Of returns how a customer stands live: by the calibration in the world, with
// recency counted to its day, and with all orders, those after that day as well.
func Of(d *Document, w *projections.World) Standing {
	s, p := score(d, w)
	if s.Reason == "" {
		s.Label = p.Label(s.Scores)
	}
	return s
}

// score is Of without the label.
func score(d *Document, w *projections.World) (Standing, *rfm.Policy) {
	c, p := standing(w)
	if c == nil {
		return Standing{Reason: NoCalibration}, nil
	}
	s := Standing{AsOf: c.AsOf, PolicyVersion: c.PolicyVersion}
	if s.Values, s.Reason = Values(d, p, c.AsOf, Forever); s.Reason == "" {
		s.Scores = c.CutPoints().Score(s.Values)
	}
	return s, p
}

func indexes(d *Document, w *projections.World) []projections.Place {
	s, _ := score(d, w)
	places := []projections.Place{{Index: IndexAll}}
	if s.Reason == "" {
		places = append(places, projections.Place{Index: IndexCell, Key: s.Scores.Code()})
	}
	return places
}
