package readapi

import (
	"net/http"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// Why there is no value beside what domain/value says.
const (
	reasonNoPolicy      = "no_policy"      // no policy of values is in force
	reasonNotCalibrated = "not_calibrated" // nobody was compared with the others yet
)

// CustomerValue is what a customer is worth, and why.
type CustomerValue struct {
	CustomerID    uuid.UUID `json:"customer_id"`
	PolicyVersion int       `json:"policy_version,omitempty"`
	Currency      string    `json:"currency"` // of all amounts
	// The window is the days from From to To, both among them, and what came since; null before the
	// first day was closed: then all that is known counts.
	WindowDays   int                       `json:"window_days"`
	From         *domain.Date              `json:"from" jsonschema:"nullable"`
	To           *domain.Date              `json:"to" jsonschema:"nullable"`
	Contribution *domain.Money             `json:"contribution" jsonschema:"nullable"` // null: not known
	Reason       string                    `json:"reason,omitempty"`                   // why it is not known
	Parts        ValueParts                `json:"parts"`
	Orders       []value.CountedOrder      `json:"orders"`      // that count, by date
	Redemptions  []value.CountedRedemption `json:"redemptions"` // of points, that count
	Costs        []value.CountedCost       `json:"costs"`       // that count, by date
	Measures     []ValueMeasure            `json:"measures"`
	Band         string                    `json:"band"`                  // top, middle, base, negative or unknown
	BandReason   string                    `json:"band_reason,omitempty"` // why it is unknown
	Calibration  *CalibrationBehind        `json:"calibration" jsonschema:"nullable"`
	Then         *Moment                   `json:"then,omitempty"`
	Stamp
}

// ValueParts is what a contribution consists of: the revenue less all others. Where it
// is not known they are the sums of what could be counted.
type ValueParts struct {
	Revenue domain.Money            `json:"revenue"` // net of refunds
	Goods   domain.Money            `json:"goods"`   // the cost of the goods
	Points  domain.Money            `json:"points"`  // the value of redeemed points, less what was reversed
	Costs   map[string]domain.Money `json:"costs"`   // recorded, by kind
}

// ValueMeasure is a measure by which customers are compared.
type ValueMeasure struct {
	Name       string `json:"name"`
	Value      *int64 `json:"value" jsonschema:"nullable"`      // minor units, or orders; null: not known
	Reason     string `json:"reason,omitempty"`                 // why it is not known
	Percentile *int   `json:"percentile" jsonschema:"nullable"` // the highest, 1 to 99, that it reaches; 0: none; null: nothing to compare with
	Population int64  `json:"population"`                       // customers it is compared with
}

func (a *API) customerValue(w http.ResponseWriter, r *http.Request) error {
	m, err := a.memberOf(r, nil)
	if err != nil {
		return err
	}
	answer := CustomerValue{
		CustomerID: m.id, Band: value.Unknown, Then: m.then, Stamp: m.stamp(), Parts: ValueParts{Costs: map[string]domain.Money{}},
		Orders: []value.CountedOrder{}, Redemptions: []value.CountedRedemption{}, Costs: []value.CountedCost{}, Measures: []ValueMeasure{},
	}
	p, day, ok := segments.Valuing(m.world)
	if !ok {
		answer.Reason, answer.BandReason = reasonNoPolicy, reasonNoPolicy
		return writeJSON(w, answer.Stamp, answer)
	}
	answer.PolicyVersion = valuedBy(m.world)
	answer.explain(&m.doc.Books.Inputs, p, day, m.world.Value)
	if answer.Calibration, err = a.calibrationBehind(r.Context(), m.world, byWorth); err != nil {
		return err
	}
	return writeJSON(w, answer.Stamp, answer)
}

// valuedBy returns the version of the policy by which customers are valued.
func valuedBy(w *projections.World) int {
	if w.Value != nil {
		return w.Value.PolicyVersion
	}
	on := policy.Always
	if w.Closed != nil {
		on = *w.Closed + 1
	}
	published, _ := w.Policy(policy.KindValue, on)
	return published.Version
}

func (v *CustomerValue) explain(in *value.Inputs, p *value.Policy, day value.Day, c *value.Calibrated) {
	v.Currency, v.WindowDays = p.Currency, p.WindowDays
	if day.AsOf != nil {
		from, to := *day.AsOf-domain.Date(p.WindowDays)+1, *day.AsOf
		v.From, v.To = &from, &to
	}
	money := func(minor int64) domain.Money { return domain.Money{AmountMinor: minor, Currency: p.Currency} }
	x := value.Explain(in, p, day)
	v.Orders, v.Redemptions, v.Costs, v.Reason = x.Orders, x.Redemptions, x.Costs, x.Reason
	if x.Known {
		contribution := money(x.ContributionMinor)
		v.Contribution = &contribution
	}
	v.Parts.Revenue, v.Parts.Goods, v.Parts.Points = money(x.Parts.RevenueMinor), money(x.Parts.GoodsMinor), money(x.Parts.PointsMinor)
	for kind, minor := range x.Parts.CostsMinor {
		v.Parts.Costs[kind] = money(minor)
	}
	if c != nil { // before the first calibration rules find nobody in a band, who costs more than they bring neither
		v.Band = c.Band(p, x.Result)
	}
	switch {
	case v.Band != value.Unknown:
	case !x.Known:
		v.BandReason = x.Reason
	default:
		v.BandReason = reasonNotCalibrated
	}
	for _, of := range value.MeasuresOf(in, p, day) {
		v.Measures = append(v.Measures, measureOf(of, c))
	}
}

func measureOf(of value.Measure, c *value.Calibrated) ValueMeasure {
	m := ValueMeasure{Name: of.Name, Reason: of.Reason}
	cuts := c.Of(of.Name)
	if cuts != nil {
		m.Population = cuts.Population
	}
	if !of.Known {
		return m
	}
	if m.Value = &of.Value; cuts == nil {
		return m
	}
	reached := len(cuts.Cuts)
	for reached > 0 && !c.Reaches(of.Name, of.Value, reached) {
		reached--
	}
	m.Percentile = &reached
	return m
}

// ValuePyramid is how customers are distributed over the bands of the value pyramid.
type ValuePyramid struct {
	PolicyVersion int          `json:"policy_version,omitempty"`
	Currency      string       `json:"currency"` // of all amounts
	WindowDays    int          `json:"window_days"`
	Customers     int64        `json:"customers"` // there are; those in no band were not put into one yet
	Bands         []ValueBand  `json:"bands"`     // from the top
	Calibration   *PyramidCuts `json:"calibration" jsonschema:"nullable"`
	Stamp
}

// ValueBand is a band of the pyramid.
type ValueBand struct {
	Band         string        `json:"band"`
	Customers    int64         `json:"customers"`
	Revenue      domain.Money  `json:"revenue"`                            // net, of the whole history; without who paid in a currency that has no rate
	Contribution *domain.Money `json:"contribution" jsonschema:"nullable"` // of the window; null: not known
	// Share is the part of the customers who are in a band: a decimal of four digits,
	// such as 0.0500; null where nobody is.
	Share *string `json:"share" jsonschema:"nullable"`
}

// PyramidCuts is the calibration that customers are put into bands by.
type PyramidCuts struct {
	CalibrationBehind
	Population int64     `json:"population"`                   // whose contribution is known
	Unknown    int64     `json:"unknown"`                      // whose contribution is not
	Top        *BandEdge `json:"top" jsonschema:"nullable"`    // null: nobody was there
	Middle     *BandEdge `json:"middle" jsonschema:"nullable"` // likewise
}

// BandEdge is where a band begins: contributions from here on are in it, or in one
// above.
type BandEdge struct {
	Percentile  int    `json:"percentile"`
	Numerator   int64  `json:"numerator"` // exactly this over the denominator, in minor units
	Denominator int64  `json:"denominator"`
	Decimal     string `json:"decimal"` // in major units; rounded to 6 digits where it does not end
}

func (a *API) valuePyramid(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	least := p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	o, err := a.across(r.Context(), segments.Name, least)
	if err != nil {
		return err
	}
	totals, at, err := a.Documents.Metrics(r.Context(), o.generation, o.partitions)
	if err != nil {
		return err
	}
	o.position = min(o.position, at)
	answer := ValuePyramid{PolicyVersion: valuedBy(o.world), Customers: totals[segments.MetricAll+"|"+segments.MetricCustomers], Stamp: o.stamp()}
	rules, _, ok := segments.Valuing(o.world)
	if ok {
		answer.Currency, answer.WindowDays = rules.Currency, rules.WindowDays
	}
	answer.band(totals)
	if c := o.world.Value; ok && c != nil {
		behind, err := a.calibrationBehind(r.Context(), o.world, byWorth)
		if err != nil {
			return err
		}
		answer.Calibration = &PyramidCuts{CalibrationBehind: *behind}
		answer.Calibration.cut(c, rules)
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (v *ValuePyramid) band(totals map[string]int64) {
	all := int64(0)
	for _, name := range value.Bands {
		of := segments.MetricBand + name + "|"
		b := ValueBand{
			Band: name, Customers: totals[of+segments.MetricCustomers],
			Revenue: domain.Money{AmountMinor: totals[of+segments.MetricRevenue], Currency: v.Currency},
		}
		if name != value.Unknown {
			b.Contribution = &domain.Money{AmountMinor: totals[of+segments.MetricContribution], Currency: v.Currency}
		}
		all += b.Customers
		v.Bands = append(v.Bands, b)
	}
	for i := range v.Bands {
		v.Bands[i].Share = rate(v.Bands[i].Customers, all)
	}
}

func (x *PyramidCuts) cut(c *value.Calibrated, p *value.Policy) {
	for _, m := range c.Measures {
		if m.Name == value.Contributed {
			x.Population, x.Unknown = m.Population, m.Unknown
		}
	}
	cuts := c.Of(value.Contributed)
	if cuts == nil {
		return
	}
	digits, _ := domain.MinorUnits(c.Currency)
	edge := func(percent int) *BandEdge {
		n := cuts.Cuts[percent-1]
		return &BandEdge{percent, n, c.Denominator, decimal(n, c.Denominator, digits)}
	}
	x.Top, x.Middle = edge(100-p.TopPercent), edge(100-p.TopPercent-p.MiddlePercent)
}
