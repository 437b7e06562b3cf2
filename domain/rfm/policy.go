// Package rfm is recency, frequency and monetary value: the policy that says how
// customers are scored, the calibration that fixes the cut points of a day, and
// the pure functions between them. The semantics are those of the R package rfm
// (quantile cut points of type 7 plus one unit), in exact integers.
package rfm

import "github.com/rapport-crm/rapport/domain"

// Methods of a policy.
const (
	Quantiles  = "quantiles"  // cut points are quantiles of the population, plus one unit
	Thresholds = "thresholds" // cut points are given
)

// What a policy counts and sums.
const (
	CountRecorded = "recorded" // every order ever recorded
	CountPaid     = "paid"     // orders paid and not cancelled

	Gross = "gross" // refunds are ignored
	Net   = "net"   // refunds are subtracted
)

// Policy says how customers are scored and labelled.
type Policy struct {
	Name       string    `json:"name"`
	Currency   string    `json:"currency"` // ISO 4217; orders of another one make the calibration fail
	Method     string    `json:"method"`   // Quantiles or Thresholds
	Bins       int       `json:"bins"`     // scores run from 1 to Bins, 2 to 9
	Cuts       *Cuts     `json:"cuts,omitempty"`
	WindowDays int       `json:"window_days,omitempty"` // 0: the whole history; else the last n days up to the closed day
	Orders     string    `json:"orders"`                // CountRecorded or CountPaid
	Amounts    string    `json:"amounts"`               // Gross or Net
	Labels     []Label   `json:"labels"`                // first match wins
	Otherwise  string    `json:"otherwise"`             // the label of who matches none
	Examples   []Example `json:"examples,omitempty"`    // publishing a policy that fails them is refused
}

// Cuts are given thresholds: each list has Bins-1 strictly increasing values,
// and a value scores one more than the number of cuts it reaches.
type Cuts struct {
	RecencyDays   []int64 `json:"recency_days"`
	Frequency     []int64 `json:"frequency"`
	MonetaryMinor []int64 `json:"monetary_minor"`
}

// Label names the customers whose scores match: either one of the codes (such
// as "545"), or the three ranges.
type Label struct {
	Name      string   `json:"name"`
	Codes     []string `json:"codes,omitempty"`
	Recency   *Range   `json:"recency,omitempty"`
	Frequency *Range   `json:"frequency,omitempty"`
	Monetary  *Range   `json:"monetary,omitempty"`
}

// Range is an inclusive range of scores.
type Range struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Example is a score and the label it must get.
type Example struct {
	R     int    `json:"r"`
	F     int    `json:"f"`
	M     int    `json:"m"`
	Label string `json:"label"`
}

// CalibrationStream is the stream of the calibrations.
const CalibrationStream = "calibration-rfm"

// Event is one of the facts of the calibration stream.
//
//sumtype:decl
type Event interface{ rfmEvent() }

// Calibrated fixes the cut points of one closed day for one policy version.
// A cut point is exact: the numerator listed here over Denominator, in days,
// orders and minor units.
type Calibrated struct {
	Trigger         string      `json:"trigger"`          // id of the event that asked: a day closed or a policy published
	TriggerPosition uint64      `json:"trigger_position"` // its position in the log
	AsOf            domain.Date `json:"as_of"`            // the last closed day
	PolicyVersion   int         `json:"policy_version"`
	Currency        string      `json:"currency"`
	Population      int         `json:"population"`  // customers with a counted order
	Denominator     int64       `json:"denominator"` // of all cut points
	Recency         []int64     `json:"recency"`
	Frequency       []int64     `json:"frequency"`
	Monetary        []int64     `json:"monetary"`
}

// CalibrationFailed says why a day has no calibration; the one before stands.
type CalibrationFailed struct {
	Trigger         string      `json:"trigger"`
	TriggerPosition uint64      `json:"trigger_position"`
	AsOf            domain.Date `json:"as_of"`
	PolicyVersion   int         `json:"policy_version"`
	Code            string      `json:"code"` // currency_mixed
	Detail          string      `json:"detail"`
}

func (Calibrated) rfmEvent()        {}
func (CalibrationFailed) rfmEvent() {}
