package value

import "github.com/rapport-crm/rapport/domain"

// The measures by which customers are compared. Money is in minor units of the
// policy's currency. An order that is cancelled or not paid counts in none.
const (
	Revenue       = "revenue"        // net of refunds, of the whole history
	RevenueWindow = "revenue_window" // net of refunds, in the policy's window
	Orders        = "orders"         // how many, of the whole history
	OrdersWindow  = "orders_window"  // how many in the window
	AverageOrder  = "average_order"  // revenue by orders, rounded half away from zero
	Contributed   = "contribution"
)

// MeasureNames is every measure, in the order in which Measures has them.
var MeasureNames = [...]string{Revenue, RevenueWindow, Orders, OrdersWindow, AverageOrder, Contributed}

// Measure is a value of a customer. Who has none belongs to no percentile.
type Measure struct {
	Name   string
	Value  int64
	Known  bool
	Reason string // why it is not known
}

// Measures are all measures of one customer, in the order of MeasureNames.
type Measures [len(MeasureNames)]Measure

// Of returns a measure by its name; one that is not there is not known.
func (m *Measures) Of(name string) Measure {
	for _, x := range m {
		if x.Name == name {
			return x
		}
	}
	return Measure{Name: name}
}

// MeasuresOf returns the measures of a customer. All but the contribution are known
// of those only who ever had an order that counts: percentiles are of buyers.
func MeasuresOf(in *Inputs, p *Policy, day Day) Measures {
	var revenue, recent, orders, recentOrders int64
	mixed, recentMixed := false, false
	all := day
	all.AsOf = nil // nothing has aged
	for i := range in.Orders {
		o := &in.Orders[i]
		c, counts := o.count(p, all)
		if !counts {
			continue
		}
		orders++
		mixed = mixed || c.Foreign
		revenue = domain.AddMinor(revenue, c.AmountMinor-c.RefundedMinor)
		if c, counts = o.count(p, day); counts {
			recentMixed = recentMixed || c.Foreign
			recent = domain.AddMinor(recent, c.AmountMinor-c.RefundedMinor)
		}
		if day.within(o.On, p.WindowDays) {
			recentOrders++
		}
	}
	of := func(name string, value int64, mixed bool) Measure {
		switch {
		case orders == 0:
			return Measure{Name: name, Reason: NoOrder}
		case mixed:
			return Measure{Name: name, Reason: CurrencyMixed}
		}
		return Measure{Name: name, Value: value, Known: true}
	}
	average := int64(0)
	if orders > 0 {
		average = rounded(revenue, orders)
	}
	c := Contribution(in, p, day)
	return Measures{
		of(Revenue, revenue, mixed), of(RevenueWindow, recent, recentMixed),
		of(Orders, orders, false), of(OrdersWindow, recentOrders, false), of(AverageOrder, average, mixed),
		{Name: Contributed, Value: c.ContributionMinor, Known: c.Known, Reason: c.Reason},
	}
}

// rounded returns sum / n, rounded half away from zero.
func rounded(sum, n int64) int64 {
	half := n / 2
	if sum < 0 {
		half = -half
	}
	return (sum + half) / n
}
