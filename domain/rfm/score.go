package rfm

import (
	"errors"
	"math/bits"

	"github.com/rapport-crm/rapport/domain"
)

// MaxAmount bounds sums of money and given thresholds, in minor units: large
// enough for everything, small enough that no exact cut point overflows.
const MaxAmount = domain.MaxSumMinor

// Values are what a customer is scored by on one day.
type Values struct {
	RecencyDays   int64 `json:"recency_days"` // since the last counted order
	Frequency     int64 `json:"frequency"`    // counted orders, in the window if there is one
	MonetaryMinor int64 `json:"monetary_minor"`
}

// Scores are three digits from 1 to the number of bins; higher is better. The
// zero value is "not scored".
type Scores struct {
	R int `json:"r"`
	F int `json:"f"`
	M int `json:"m"`
}

// Number returns 100 r + 10 f + m.
func (s Scores) Number() int { return 100*s.R + 10*s.F + s.M }

// Code returns the three digits as text, such as "545".
func (s Scores) Code() string {
	return string([]byte{'0' + byte(s.R), '0' + byte(s.F), '0' + byte(s.M)})
}

var errScores = errors.New("rfm: not three digits within the bins")

// ParseScores reads a code such as "545".
func ParseScores(code string, bins int) (Scores, error) {
	if len(code) != 3 {
		return Scores{}, errScores
	}
	var digits [3]int
	for i := range 3 {
		digits[i] = int(code[i]) - '0'
		if digits[i] < 1 || digits[i] > min(bins, MaxBins) {
			return Scores{}, errScores
		}
	}
	return Scores{digits[0], digits[1], digits[2]}, nil
}

// Label returns what the policy calls customers of these scores: the first label
// that matches, else Otherwise.
func (p *Policy) Label(s Scores) string {
	code := s.Code()
	for i := range p.Labels {
		if p.Labels[i].matches(s, code) {
			return p.Labels[i].Name
		}
	}
	return p.Otherwise
}

func (l *Label) matches(s Scores, code string) bool {
	for _, c := range l.Codes {
		if c == code {
			return true
		}
	}
	return l.Recency.has(s.R) && l.Frequency.has(s.F) && l.Monetary.has(s.M)
}

func (r *Range) has(score int) bool { return r != nil && r.From <= score && score <= r.To }

// CutPoints separate the scores: a value scores one more than the number of cut
// points it reaches (recency the other way round). Each is exact: the numerator
// listed here over Denominator, in days, orders and minor units, ascending.
type CutPoints struct {
	Denominator int64
	Recency     []int64
	Frequency   []int64
	Monetary    []int64
}

// Score returns the scores of a customer with at least one counted order. Values
// outside the calibrated range take the outer scores. Who has nothing left in the
// policy's window scores 1 in frequency and monetary value.
func (c CutPoints) Score(v Values) Scores {
	bins := len(c.Recency) + 1
	s := Scores{R: bins - reached(v.RecencyDays, c.Recency, c.Denominator), F: 1, M: 1}
	if v.Frequency > 0 {
		s.F = 1 + reached(v.Frequency, c.Frequency, c.Denominator)
		s.M = 1 + reached(v.MonetaryMinor, c.Monetary, c.Denominator)
	}
	return s
}

// reached counts the ascending cut points n/denominator that are not above v.
func reached(v int64, cuts []int64, denominator int64) int {
	n := len(cuts)
	for n > 0 && !AtLeast(v, cuts[n-1], denominator) {
		n--
	}
	return n
}

// AtLeast reports v ≥ numerator/denominator exactly, for a positive denominator. The product has up to 128 bits.
func AtLeast(v, numerator, denominator int64) bool {
	switch {
	case v >= 0 && numerator <= 0:
		return true
	case v < 0 && numerator >= 0:
		return false
	}
	hi, lo := bits.Mul64(magnitude(v), uint64(denominator))
	n := magnitude(numerator)
	if v >= 0 {
		return hi > 0 || lo >= n
	}
	return hi == 0 && lo <= n
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// CutPoints returns the cut points that the calibration fixed.
func (c *Calibrated) CutPoints() CutPoints {
	return CutPoints{c.Denominator, c.Recency, c.Frequency, c.Monetary}
}

// Empty says that nobody could be calibrated by: no customer is scored with it.
func (c *Calibrated) Empty() bool { return len(c.Recency) == 0 }
