package rfm

import "github.com/rapport-crm/rapport/domain"

// Default returns the policy a deployment begins with: five bins by the quantiles
// of the whole history, every order ever recorded, gross, in one currency, with
// the labels of segment_11.
func Default(currency string) Policy {
	return Policy{
		Name:      "standard",
		Currency:  currency,
		Method:    Quantiles,
		Bins:      5,
		Orders:    CountRecorded,
		Amounts:   Gross,
		Labels:    LabelTable(Segment11),
		Otherwise: "Others",
		Examples: []Example{
			{5, 5, 5, "Champions"},
			{5, 1, 1, "New Customers"},
			{1, 5, 5, "Can't Lose Them"},
			{1, 1, 1, "Lost"},
		},
	}
}

// Shipped returns the policies that come with the program, for a currency, the
// default first. Each may be published as it is or changed first.
func Shipped(currency string) []Policy {
	labelled := func(name, table string) Policy {
		p := Default(currency)
		p.Name, p.Labels, p.Examples = name, LabelTable(table), nil
		return p
	}
	thresholds := Default(currency)
	thresholds.Name, thresholds.Method = "fixed-thresholds", Thresholds
	unit, _ := domain.MajorUnit(currency)
	thresholds.Cuts = &Cuts{
		RecencyDays:   []int64{31, 91, 181, 366},
		Frequency:     []int64{2, 3, 5, 10},
		MonetaryMinor: []int64{50 * unit, 100 * unit, 250 * unit, 1000 * unit},
	}
	rolling := Default(currency)
	rolling.Name, rolling.WindowDays = "rolling-365", 365
	net := Default(currency)
	net.Name, net.Orders, net.Amounts = "net-of-refunds", CountPaid, Net
	return []Policy{
		Default(currency),
		labelled("segment-v", SegmentV),
		labelled("segment-t", SegmentT),
		thresholds,
		rolling,
		net,
	}
}
