package customer

import (
	"reflect"
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// ByModel is the method of a model, which names its version.
const ByModel = "model"

// Methods is how a market attitude can be found out.
var Methods = []string{"survey", "interview", ByModel}

// RecordMarketAttitude records how the customer stands to the brand and to the
// market: scores from 0 to 100, at least one. What is recorded replaces what was
// observed earlier as a whole.
type RecordMarketAttitude struct {
	domain.Subject `json:"-"`
	MarketScores

	Method       string     `json:"method" jsonschema:"enum=survey,enum=interview,enum=model"`
	ModelVersion string     `json:"model_version,omitempty"` // of method model
	ObservedAt   *time.Time `json:"observed_at,omitempty"`   // now if absent
}

// Stream implements domain.Command.
func (c RecordMarketAttitude) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (RecordMarketAttitude) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c RecordMarketAttitude) Decide(s State) ([]Event, error) {
	at, err := c.check(s)
	if err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	is := s.MarketAttitude
	if reflect.DeepEqual(is.MarketScores, c.MarketScores) && is.Method == c.Method && is.ModelVersion == c.ModelVersion && is.ObservedAt.Equal(at) {
		return nil, nil
	}
	return []Event{MarketAttitudeRecorded{c.MarketScores, c.Method, c.ModelVersion, at}}, nil
}

func (c RecordMarketAttitude) check(s State) (at time.Time, err error) {
	var p domain.Problems
	any := false
	for _, score := range []struct {
		name  string
		value *int
	}{
		{"own_brand_attention", c.OwnBrandAttention}, {"competitor_attention", c.CompetitorAttention},
		{"price_sensitivity", c.PriceSensitivity}, {"quality_tolerance", c.QualityTolerance},
		{"need_satisfaction", c.NeedSatisfaction}, {"dependency", c.Dependency},
	} {
		if score.value == nil {
			continue
		}
		any = true
		if *score.value < 0 || *score.value > 100 {
			p.Add("/"+score.name, "must be between 0 and 100")
		}
	}
	if !any {
		p.Add("", "must have at least one score")
	}
	p.Required("/method", c.Method, maxShort)
	p.OneOf("/method", c.Method, Methods...)
	switch {
	case c.Method == ByModel:
		p.Required("/model_version", c.ModelVersion, maxShort)
	case c.ModelVersion != "":
		p.Add("/model_version", "is of the method %s only", ByModel)
	}
	at = c.At(&p, "/observed_at", c.ObservedAt, s.Since, "the customer")
	return at, p.Err()
}
