package readapi

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/rfm"
)

// CutPoint is where a score changes: values from here on get Score. It is
// exactly Numerator over Denominator, in days, orders or minor units of money.
type CutPoint struct {
	Score       int    `json:"score"`
	Numerator   int64  `json:"numerator"`
	Denominator int64  `json:"denominator"`
	Decimal     string `json:"decimal"` // in days, orders or major units; rounded to 6 digits where it does not end
}

// CutPoints are those of the three dimensions, ascending.
type CutPoints struct {
	Recency   []CutPoint `json:"recency"`
	Frequency []CutPoint `json:"frequency"`
	Monetary  []CutPoint `json:"monetary"`
}

func cutPointsOf(c *rfm.Calibrated) CutPoints {
	n := len(c.Recency)
	digits, _ := domain.MinorUnits(c.Currency)
	list := func(numerators []int64, digits int, score func(i int) int) []CutPoint {
		out := make([]CutPoint, len(numerators))
		for i, v := range numerators {
			out[i] = CutPoint{score(i), v, c.Denominator, decimal(v, c.Denominator, digits)}
		}
		return out
	}
	up := func(i int) int { return i + 2 }
	return CutPoints{
		Recency:   list(c.Recency, 0, func(i int) int { return n - i }),
		Frequency: list(c.Frequency, 0, up),
		Monetary:  list(c.Monetary, digits, up),
	}
}

// decimal writes numerator/denominator with the point moved by some digits, and
// at least that many decimals: exactly if that ends within 12, else rounded to 6.
func decimal(numerator, denominator int64, digits int) string {
	x := new(big.Rat).SetFrac64(numerator, denominator)
	x.Quo(x, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)))
	n, exact := x.FloatPrec()
	if !exact || n > 12 {
		return x.FloatString(6)
	}
	return x.FloatString(max(n, digits))
}

// major writes an amount in major units with all its decimals: 8900 USD is "89.00".
func major(minor int64, currency string) string {
	return domain.Money{AmountMinor: minor, Currency: currency}.Major()
}

// Dimension is one digit of a score and why it is what it is.
type Dimension struct {
	Value     string     `json:"value"` // in the unit
	Unit      string     `json:"unit"`  // days, orders, or a currency
	Score     int        `json:"score"`
	CutPoints []CutPoint `json:"cut_points"`
	Because   string     `json:"because"`
}

// Why explains a score.
type Why struct {
	Recency     Dimension   `json:"recency"`
	Frequency   Dimension   `json:"frequency"`
	Monetary    Dimension   `json:"monetary"`
	Calibration Calibration `json:"calibration"`
	LabelRule   string      `json:"label_rule"`
	Sentence    string      `json:"sentence"`
}

// Calibration is where cut points come from.
type Calibration struct {
	AsOf            domain.Date `json:"as_of"`
	PolicyVersion   int         `json:"policy_version"`
	Policy          string      `json:"policy"`
	Population      int         `json:"population"`
	Currency        string      `json:"currency"`
	Trigger         string      `json:"trigger"`          // id of the event that asked for it: a day closed, or a policy published
	TriggerPosition uint64      `json:"trigger_position"` // the population is that of the log up to here
}

func calibrationOf(c *rfm.Calibrated, p *rfm.Policy) Calibration {
	return Calibration{c.AsOf, c.PolicyVersion, p.Name, c.Population, c.Currency, c.Trigger, c.TriggerPosition}
}

// explain says why values get scores and a label by a calibration.
func explain(v rfm.Values, s rfm.Scores, c *rfm.Calibrated, p *rfm.Policy) Why {
	cuts := cutPointsOf(c)
	windowless := v.Frequency == 0
	w := Why{
		Recency:     dimension(strconv.FormatInt(v.RecencyDays, 10), "days", v.RecencyDays, s.R, c.Denominator, cuts.Recency, false),
		Frequency:   dimension(strconv.FormatInt(v.Frequency, 10), "orders", v.Frequency, s.F, c.Denominator, cuts.Frequency, windowless),
		Monetary:    dimension(major(v.MonetaryMinor, c.Currency), c.Currency, v.MonetaryMinor, s.M, c.Denominator, cuts.Monetary, windowless),
		Calibration: calibrationOf(c, p),
	}
	label := p.Label(s)
	w.LabelRule = labelRule(p, s, label)
	w.Sentence = fmt.Sprintf("%s: the last order is %s before the end of %s (recency %d), %s (frequency %d) make %s %s (monetary value %d). %s. "+
		"The cut points are those of policy %q version %d, computed as of %s over %s.",
		label, count(v.RecencyDays, "day"), c.AsOf, s.R, count(v.Frequency, "counted order"), s.F, major(v.MonetaryMinor, c.Currency), c.Currency, s.M,
		w.LabelRule, p.Name, c.PolicyVersion, c.AsOf, count(int64(c.Population), "customer"))
	return w
}

// count writes a number of things.
func count(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.FormatInt(n, 10) + " " + thing
}

func dimension(text, unit string, value int64, score int, denominator int64, cuts []CutPoint, windowless bool) Dimension {
	d := Dimension{Value: text, Unit: unit, Score: score, CutPoints: cuts}
	n := 0 // cut points reached
	for n < len(cuts) && new(big.Int).Mul(big.NewInt(value), big.NewInt(denominator)).Cmp(big.NewInt(cuts[n].Numerator)) >= 0 {
		n++
	}
	what := text + " " + unit
	if text == "1" {
		what = strings.TrimSuffix(what, "s")
	}
	is := "is"
	if strings.HasSuffix(what, "s") {
		is = "are"
	}
	switch {
	case windowless:
		d.Because = fmt.Sprintf("No counted order is left in the policy's window: score %d.", score)
	case len(cuts) == 0:
		d.Because = fmt.Sprintf("There are no cut points: score %d.", score)
	case n == 0:
		d.Because = fmt.Sprintf("%s %s below the lowest cut point, %s: score %d.", what, is, cuts[0].Decimal, score)
	case n == len(cuts):
		d.Because = fmt.Sprintf("%s %s at or above the highest cut point, %s: score %d.", what, is, cuts[n-1].Decimal, score)
	default:
		d.Because = fmt.Sprintf("%s %s at or above the cut point %s and below %s: score %d.", what, is, cuts[n-1].Decimal, cuts[n].Decimal, score)
	}
	return d
}

// labelRule says which line of the policy gives the label.
func labelRule(p *rfm.Policy, s rfm.Scores, label string) string {
	code := s.Code()
	for i, l := range p.Labels {
		switch {
		case l.Name != label:
		case slices.Contains(l.Codes, code):
			return fmt.Sprintf("%s is one of the codes of %q, label %d of the policy", code, label, i+1)
		case l.Recency != nil && l.Frequency != nil && l.Monetary != nil &&
			inside(s.R, l.Recency) && inside(s.F, l.Frequency) && inside(s.M, l.Monetary):
			return fmt.Sprintf("%s lies in the ranges %d-%d, %d-%d, %d-%d of %q, label %d of the policy, and in those of none before it", code,
				l.Recency.From, l.Recency.To, l.Frequency.From, l.Frequency.To, l.Monetary.From, l.Monetary.To, label, i+1)
		}
	}
	return fmt.Sprintf("%s matches no label of the policy, and %q is for the rest", code, label)
}

func inside(score int, r *rfm.Range) bool { return r.From <= score && score <= r.To }
