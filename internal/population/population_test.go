package population_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/internal/population"
)

var (
	from   = domain.NewDate(2025, time.January, 1)
	joined = domain.NewDate(2025, time.March, 31)
	until  = from + 39*7
)

func TestSameSeedSamePopulation(t *testing.T) {
	a, b := population.Generate(1, 50, from, joined, until), population.Generate(1, 200, from, joined, until)
	if diff := cmp.Diff(a, b[:50]); diff != "" {
		t.Error(diff)
	}
}

func TestOrdersLieInTheWatchedTime(t *testing.T) {
	for _, c := range population.Generate(7, 2000, from, joined, until) {
		if len(c.Orders) == 0 || domain.DateOf(c.Orders[0].At, time.UTC) > joined {
			t.Fatalf("%s has no first order between %v and %v: %v", c.ID, from, joined, c.Orders)
		}
		for i, o := range c.Orders {
			if day := domain.DateOf(o.At, time.UTC); day < from || day > until || i > 0 && o.At.Before(c.Orders[i-1].At) {
				t.Fatalf("%s: order %v", c.ID, o)
			}
		}
	}
}

// What customers tell of themselves is right, and nobody's address or number is
// another's.
func TestParticulars(t *testing.T) {
	seen := map[string]bool{}
	var told struct{ email, phone, born, twins int }
	people := population.Generate(1, 4000, from, joined, until)
	for i, c := range people {
		for kind, value := range map[string]string{customer.TypeEmail: c.Email, customer.TypePhone: c.Phone} {
			if value == "" {
				continue
			}
			normalized, problem := customer.NormalizeContact(kind, value, "")
			if problem != "" || seen[normalized] {
				t.Fatalf("%s: %s %s %s", c.ID, kind, value, problem)
			}
			seen[normalized] = true
		}
		if !domain.IsCountry(c.Country) || c.City == "" {
			t.Fatalf("%+v", c)
		}
		if c.Email != "" {
			told.email++
		}
		if c.Phone != "" {
			told.phone++
		}
		if c.Born != nil {
			told.born++
		}
		if i > 0 && c.Given == people[i-1].Given && c.Family == people[i-1].Family && strings.Contains(c.Email, "+again@") {
			told.twins++
		}
		for _, x := range c.Consents {
			if x.Withdrawn != nil && (x.Withdrawn.Before(c.Orders[0].At) || domain.DateOf(*x.Withdrawn, time.UTC) > until) {
				t.Fatalf("%s: %+v", c.ID, x)
			}
		}
	}
	if told.email < 3000 || told.phone < 1800 || told.born < 2200 || told.twins < 30 {
		t.Errorf("%+v", told)
	}
}

// Of most customers it is known what they cost, and some cost more than they bring.
func TestCosts(t *testing.T) {
	var noted, extra, losses int
	for _, c := range population.Generate(1, 2000, from, joined, until) {
		contribution := int64(0)
		for _, o := range c.Orders {
			if (o.CostMinor > 0) != (c.Orders[0].CostMinor > 0) || o.CostMinor > o.Minor {
				t.Fatalf("%s: %+v", c.ID, o)
			}
			contribution += o.Minor - o.CostMinor
		}
		for _, x := range c.Costs {
			if x.Minor <= 0 || x.At.Before(c.Orders[0].At) || domain.DateOf(x.At, time.UTC) > until || !slices.Contains(value.CostKinds, x.Kind) {
				t.Fatalf("%s: %+v", c.ID, x)
			}
			contribution -= x.Minor
			extra++
		}
		if c.Orders[0].CostMinor > 0 {
			noted++
		}
		if contribution < 0 {
			losses++
		}
	}
	if noted < 1500 || noted > 1700 || extra < 600 || losses < 40 || losses > 400 {
		t.Errorf("%d noted, %d other costs, %d losses", noted, extra, losses)
	}
}

// The population repeats what the model says: E[X(t)] = (a+b−1)/(a−1)·[1 − (α/(α+t))^r ₂F₁(r, b; a+b−1; t/(α+t))].
// and the mean amount is pγ/(q−1) = 35.22.
func TestModelMeans(t *testing.T) {
	var repeats, sum, orders float64
	const n = 40_000
	for _, c := range population.Generate(3, n, from, from, from+39*7) {
		repeats += float64(len(c.Orders) - 1)
		for _, o := range c.Orders[:1] {
			sum += float64(o.Minor) / 100
			orders++
		}
	}
	if got, want := repeats/n, expectedRepeats(39); math.Abs(got-want) > 0.05*want {
		t.Errorf("%.4f repeat orders in 39 weeks, the model says %.4f", got, want)
	}
	if got, want := sum/orders, 6.25*15.44/(3.74-1); math.Abs(got-want) > 0.05*want {
		t.Errorf("mean amount %.2f, the model says %.2f", got, want)
	}
}

func expectedRepeats(t float64) float64 {
	const r, alpha, a, b = 0.243, 4.414, 0.793, 2.426
	z, term, f := t/(alpha+t), 1.0, 1.0
	for k := 0.0; k < 10_000; k++ { // the series of ₂F₁(r, b; a+b−1; z)
		term *= (r + k) * (b + k) / ((a + b - 1 + k) * (k + 1)) * z
		f += term
	}
	return (a + b - 1) / (a - 1) * (1 - math.Pow(alpha/(alpha+t), r)*f)
}
