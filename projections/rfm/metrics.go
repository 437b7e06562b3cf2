package rfm

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/projections"
)

// The totals of the view, by name:
//
//	cell:545:customers      customers with these scores
//	cell:545:orders         their counted orders, in the policy's window
//	cell:545:revenue_minor  and what those are worth
//	unscored:REASON         customers without scores
//	currency:EUR            customers with an order in this currency
const (
	metricCell     = "cell:"
	metricUnscored = "unscored:"
	metricCurrency = "currency:"

	metricCustomers = ":customers"
	metricOrders    = ":orders"
	metricRevenue   = ":revenue_minor"
)

// cellNames are the names of a cell's totals, made once.
var cellNames = func() (names [1000][3]string) {
	for n := 111; n <= 999; n++ {
		cell := metricCell + rfm.Scores{R: n / 100, F: n / 10 % 10, M: n % 10}.Code()
		names[n] = [3]string{cell + metricCustomers, cell + metricOrders, cell + metricRevenue}
	}
	return names
}()

func metrics(d *Document, w *projections.World) []projections.Metric {
	m := make([]projections.Metric, 0, 4)
	if s, _ := score(d, w); s.Reason == "" {
		names := &cellNames[s.Scores.Number()]
		m = append(m,
			projections.Metric{Name: names[0], Value: 1},
			projections.Metric{Name: names[1], Value: s.Values.Frequency},
			projections.Metric{Name: names[2], Value: s.Values.MonetaryMinor})
	} else {
		m = append(m, projections.Metric{Name: metricUnscored + s.Reason, Value: 1})
	}
	for i, o := range d.Orders {
		if i > 0 && o.Currency == d.Orders[i-1].Currency {
			continue
		}
		if slices.ContainsFunc(d.Orders[:i], func(before Order) bool { return before.Currency == o.Currency }) {
			continue
		}
		m = append(m, projections.Metric{Name: metricCurrency + o.Currency, Value: 1})
	}
	return m
}

// Total is what customers of one cell or label have in common.
type Total struct {
	Customers    int64 `json:"customers"`
	Orders       int64 `json:"orders"`
	RevenueMinor int64 `json:"revenue_minor"`
}

// Plus returns both together.
func (t Total) Plus(o Total) Total {
	return Total{t.Customers + o.Customers, t.Orders + o.Orders, t.RevenueMinor + o.RevenueMinor}
}

// AverageMinor returns the revenue by customer, rounded to the nearest minor unit, half
// away from zero; 0 without customers.
func (t Total) AverageMinor() int64 {
	if t.Customers == 0 {
		return 0
	}
	return domain.ShareMinor(t.RevenueMinor, 1, t.Customers)
}

// Cell is the customers of the same three scores.
type Cell struct {
	rfm.Scores
	Total
}

// Labelled is the customers of the same label.
type Labelled struct {
	Label string `json:"label"`
	Total
}

// Distribution is how all customers who ever ordered are distributed.
type Distribution struct {
	Cells      []Cell           // those that are not empty, by score ascending
	Labels     []Labelled       // all of the policy's, in its order
	Unscored   map[string]int64 // customers by reason
	Currencies map[string]int64 // customers by currency of an order
	All        Total            // of the scored
}

// DistributionOf reads the view's totals in a world.
func DistributionOf(totals map[string]int64, w *projections.World) Distribution {
	dist := Distribution{Unscored: map[string]int64{}, Currencies: map[string]int64{}}
	cells := map[rfm.Scores]*Cell{}
	for name, n := range totals {
		if rest, ok := strings.CutPrefix(name, metricUnscored); ok {
			dist.Unscored[rest] = n
			continue
		}
		if rest, ok := strings.CutPrefix(name, metricCurrency); ok {
			dist.Currencies[rest] = n
			continue
		}
		rest, _ := strings.CutPrefix(name, metricCell)
		code, what, _ := strings.Cut(rest, ":")
		s, err := rfm.ParseScores(code, rfm.MaxBins)
		if err != nil {
			continue
		}
		c := cells[s]
		if c == nil {
			c = &Cell{Scores: s}
			cells[s] = c
		}
		switch ":" + what {
		case metricCustomers:
			c.Customers = n
		case metricOrders:
			c.Orders = n
		case metricRevenue:
			c.RevenueMinor = n
		}
	}
	for _, c := range cells {
		dist.Cells = append(dist.Cells, *c)
		dist.All = dist.All.Plus(c.Total)
	}
	slices.SortFunc(dist.Cells, func(a, b Cell) int { return cmp.Compare(a.Number(), b.Number()) })
	if _, p := standing(w); p != nil {
		dist.Labels = labelled(dist.Cells, p)
	}
	return dist
}

func labelled(cells []Cell, p *rfm.Policy) []Labelled {
	var labels []Labelled
	find := func(name string) *Labelled {
		for i := range labels {
			if labels[i].Label == name {
				return &labels[i]
			}
		}
		labels = append(labels, Labelled{Label: name})
		return &labels[len(labels)-1]
	}
	for _, l := range p.Labels {
		find(l.Name)
	}
	for _, c := range cells {
		l := find(p.Label(c.Scores))
		l.Total = l.Total.Plus(c.Total)
	}
	return labels
}
