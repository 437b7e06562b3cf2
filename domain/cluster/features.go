package cluster

// Transforms of a feature before it is standardised.
const (
	Log1p    = "log1p"    // the natural logarithm of one more: twice as much counts the same everywhere
	Identity = "identity" // as it is
)

// Units of a feature.
const (
	Days   = "days"
	Orders = "orders"
	Points = "points"
	Amount = "money" // minor units of the currency; transformed in major units
)

// Feature is a number that customers have and that they can be grouped by.
type Feature struct {
	Name        string
	Description string
	Unit        string // Days, Orders, Points or Amount
	Transform   string // Log1p or Identity
}

// The features, by their names.
const (
	RecencyDays     = "recency_days"
	Frequency       = "frequency"
	Monetary        = "monetary"
	AverageOrder    = "average_order"
	TenureDays      = "tenure_days"
	OrdersWindow    = "orders_window"
	PointsSpendable = "points_spendable"
	Contribution    = "contribution"
)

// table is every feature there is. A name keeps its meaning for ever: it stands
// in events.
var table = []Feature{
	{RecencyDays, "days from the last order to the day", Days, Log1p},
	{Frequency, "orders, as the rfm policy counts them", Orders, Log1p},
	{Monetary, "what the orders came to, as the rfm policy sums them", Amount, Log1p},
	{AverageOrder, "what an order came to on average", Amount, Log1p},
	{TenureDays, "days from the registration to the day", Days, Identity},
	{OrdersWindow, "orders in the window of the value policy", Orders, Log1p},
	{PointsSpendable, "points that can be spent", Points, Log1p},
	{Contribution, "what the customer brought in the window of the value policy, costs taken off", Amount, Log1p},
}

// Features returns every feature there is.
func Features() []Feature { return append([]Feature(nil), table...) }

// FeatureOf returns the feature of a name.
func FeatureOf(name string) (Feature, bool) {
	for _, f := range table {
		if f.Name == name {
			return f, true
		}
	}
	return Feature{}, false
}

// Default is the features that customers are grouped by if nothing else is said.
func Default() []string { return []string{RecencyDays, Frequency, Monetary} }

func featureNames() []string {
	names := make([]string, len(table))
	for i, f := range table {
		names[i] = f.Name
	}
	return names
}
