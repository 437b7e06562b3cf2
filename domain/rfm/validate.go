package rfm

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rapport-crm/rapport/domain"
)

// Limits of a policy.
const (
	MinBins = 2
	MaxBins = 9 // a score is one digit

	maxName       = 100
	maxLabels     = 1000
	maxExamples   = 1000
	maxWindowDays = 36500
)

// Validate returns domain.ErrValidation with every problem of the policy, nil if
// it may be published.
func (p *Policy) Validate() error {
	var problems domain.Problems
	p.Check(&problems)
	return problems.Err()
}

// Check notes what is wrong with the policy. Pointers begin with /policy, where
// the command that publishes it has its body.
func (p *Policy) Check(problems *domain.Problems) {
	checkName(problems, "/policy/name", p.Name)
	if _, known := domain.MinorUnits(p.Currency); !known {
		problems.Add("/policy/currency", "must be an ISO 4217 currency such as EUR")
	}
	binsOK := p.Bins >= MinBins && p.Bins <= MaxBins
	if !binsOK {
		problems.Add("/policy/bins", "must be %d to %d", MinBins, MaxBins)
	}
	switch p.Method {
	case Quantiles:
		if p.Cuts != nil {
			problems.Add("/policy/cuts", "must be absent: the method quantiles computes the cut points")
		}
	case Thresholds:
		if p.Cuts == nil {
			problems.Add("/policy/cuts", "is required by the method thresholds")
		} else if binsOK {
			checkCuts(problems, "/policy/cuts/recency_days", p.Cuts.RecencyDays, p.Bins)
			checkCuts(problems, "/policy/cuts/frequency", p.Cuts.Frequency, p.Bins)
			checkCuts(problems, "/policy/cuts/monetary_minor", p.Cuts.MonetaryMinor, p.Bins)
		}
	default:
		problems.Add("/policy/method", "must be %s or %s", Quantiles, Thresholds)
	}
	if p.WindowDays < 0 || p.WindowDays > maxWindowDays {
		problems.Add("/policy/window_days", "must be 0 (the whole history) to %d", maxWindowDays)
	}
	if p.Orders != CountRecorded && p.Orders != CountPaid {
		problems.Add("/policy/orders", "must be %s or %s", CountRecorded, CountPaid)
	}
	if p.Amounts != Gross && p.Amounts != Net {
		problems.Add("/policy/amounts", "must be %s or %s", Gross, Net)
	}
	checkName(problems, "/policy/otherwise", p.Otherwise)
	if binsOK && p.checkLabels(problems) {
		p.checkExamples(problems)
	}
}

func checkName(problems *domain.Problems, pointer, name string) {
	switch {
	case strings.TrimSpace(name) == "":
		problems.Add(pointer, "is required")
	case strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		problems.Add(pointer, "must not have white space around it nor control characters")
	case utf8.RuneCountInString(name) > maxName:
		problems.Add(pointer, "must be at most %d characters", maxName)
	}
}

func checkCuts(problems *domain.Problems, pointer string, cuts []int64, bins int) {
	if len(cuts) != bins-1 {
		problems.Add(pointer, "must have %d values, one less than bins", bins-1)
		return
	}
	for i, c := range cuts {
		at := pointer + "/" + strconv.Itoa(i)
		if c < -MaxAmount || c > MaxAmount {
			problems.Add(at, "must be between -%d and %d", MaxAmount, MaxAmount)
		}
		if i > 0 && c <= cuts[i-1] {
			problems.Add(at, "must be greater than the value before it (%d)", cuts[i-1])
		}
	}
}

// checkLabels reports whether every label can be matched.
func (p *Policy) checkLabels(problems *domain.Problems) bool {
	ok := true
	bad := func(pointer, format string, args ...any) {
		problems.Add(pointer, format, args...)
		ok = false
	}
	if len(p.Labels) > maxLabels {
		bad("/policy/labels", "must be at most %d", maxLabels)
		return ok
	}
	for i, l := range p.Labels {
		at := "/policy/labels/" + strconv.Itoa(i)
		checkName(problems, at+"/name", l.Name)
		ranges := map[string]*Range{"/recency": l.Recency, "/frequency": l.Frequency, "/monetary": l.Monetary}
		any := l.Recency != nil || l.Frequency != nil || l.Monetary != nil
		switch {
		case len(l.Codes) > 0 && any:
			bad(at, "must have codes or ranges, not both")
		case len(l.Codes) == 0 && !any:
			bad(at, "must have codes or the ranges recency, frequency and monetary")
		case any:
			for _, name := range []string{"/recency", "/frequency", "/monetary"} {
				switch r := ranges[name]; {
				case r == nil:
					bad(at+name, "is required beside the other ranges")
				case r.From < 1 || r.To > p.Bins || r.From > r.To:
					bad(at+name, "must be a range within 1 to %d", p.Bins)
				}
			}
		}
		for j, code := range l.Codes {
			if _, err := ParseScores(code, p.Bins); err != nil {
				bad(at+"/codes/"+strconv.Itoa(j), "must be three digits from 1 to %d", p.Bins)
			}
		}
	}
	return ok
}

func (p *Policy) checkExamples(problems *domain.Problems) {
	if len(p.Examples) > maxExamples {
		problems.Add("/policy/examples", "must be at most %d", maxExamples)
		return
	}
	for i, e := range p.Examples {
		at := "/policy/examples/" + strconv.Itoa(i)
		inside := true
		for _, d := range []struct {
			name  string
			score int
		}{{"/r", e.R}, {"/f", e.F}, {"/m", e.M}} {
			if d.score < 1 || d.score > p.Bins {
				problems.Add(at+d.name, "must be 1 to %d", p.Bins)
				inside = false
			}
		}
		if !inside {
			continue
		}
		if got := p.Label(Scores{e.R, e.F, e.M}); got != e.Label {
			problems.Add(at+"/label", "the policy says %q for %d%d%d", got, e.R, e.F, e.M)
		}
	}
}
