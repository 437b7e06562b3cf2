package loyalty

import (
	"math/big"
	"slices"

	"github.com/rapport-crm/rapport/domain"
)

// Purchase is an order as the rules see it. Amounts are in the minor unit of its
// own currency.
type Purchase struct {
	AmountMinor int64       `json:"amount_minor"`
	Currency    string      `json:"currency"`
	Rate        string      `json:"rate,omitempty"` // decimal: one unit of Currency in units of Base
	Base        string      `json:"base,omitempty"`
	Items       []Item      `json:"items,omitempty"` // none: the order as a whole
	PlacedOn    domain.Date `json:"placed_on"`
}

// Item is one line of a purchase.
type Item struct {
	SKU         string `json:"sku,omitempty"`
	Category    string `json:"category,omitempty"`
	Quantity    int64  `json:"quantity"`
	AmountMinor int64  `json:"amount_minor"`
	Excluded    bool   `json:"excluded,omitempty"` // it gives no points
}

// Shopper is what the rules ask of a customer.
type Shopper struct {
	Tier string
	Tags []string
	Type string
	// Net returns what orders of a range of dates, both included, gave so far, net
	// of what was taken back; nil: nothing.
	Net func(from, to domain.Date) int64
}

// Award is what a rule gives for an order, and why.
type Award struct {
	Rule      string
	Points    int64
	Remainder string // what rounding took, as a fraction such as 3/50; negative where it gave; empty: nothing
	Inputs    Inputs
}

// Inputs is all that an award follows from, so that it can be computed again, of
// the whole order or of what is left of it.
type Inputs struct {
	Quantity int64  `json:"quantity"`           // minor units of Currency, or pieces where PerMinor is 0
	Lines    []int  `json:"lines,omitempty"`    // of the order, counted from 0; absent: the order as a whole
	Currency string `json:"currency,omitempty"` // of the order
	// Rate converts one unit of Currency into units of Target; absent where they are one.
	Rate   string `json:"rate,omitempty"`
	Target string `json:"target,omitempty"`

	Points   int64    `json:"points"` // for every PerMinor of Target, or every piece
	PerMinor int64    `json:"per_minor,omitempty"`
	Rounding string   `json:"rounding"`
	Factors  []Factor `json:"factors,omitempty"`
	// Limit is what caps left; absent: there was none.
	Limit *int64 `json:"limit,omitempty"`
}

// Factor is a multiplier that was applied.
type Factor struct {
	ID     string `json:"id"`
	Factor string `json:"factor"`
}

// ErrFXMissing refuses an order in another currency than the programme's that does
// not say at which rate.
var ErrFXMissing = &domain.Error{Kind: domain.Conflict, Code: "fx_missing"}

// CanConvert refuses a purchase that cannot be converted into the currency of the
// programme.
func (p *Policy) CanConvert(o Purchase) error {
	if o.Currency == p.Currency || o.Rate != "" && o.Base == p.Currency {
		return nil
	}
	return ErrFXMissing.With("the order is in %s and the programme counts in %s; give its rate in fx, with base %s", o.Currency, p.Currency, p.Currency)
}

// Award returns what every rule gives for a purchase, in the order of the rules;
// rules that give nothing are left out. ErrFXMissing refuses it.
func (p *Policy) Award(o Purchase, s Shopper) ([]Award, error) {
	if err := p.CanConvert(o); err != nil {
		return nil, err
	}
	var awards []Award
	sum := int64(0)
	taken := make([]bool, len(o.Items))
	for _, r := range p.Earn {
		if !during(o.PlacedOn, r.From, r.Until) || !p.reaches(o, r.MinimumOrder) {
			continue
		}
		in := p.inputs(r, o, taken)
		if in.Quantity <= 0 {
			continue
		}
		in.Factors = p.factors(r, o, s)
		in.Limit = p.limit(r, o, s, sum)
		points, remainder := in.Award(new(big.Rat).SetInt64(in.Quantity))
		if points <= 0 {
			continue
		}
		awards = append(awards, Award{Rule: r.ID, Points: points, Remainder: remainder, Inputs: in})
		sum += points
	}
	return awards, nil
}

// reaches says whether the order's total is at least an amount of the programme's
// currency.
func (p *Policy) reaches(o Purchase, least int64) bool {
	if least == 0 {
		return true
	}
	return p.Convert(o, new(big.Rat).SetInt64(o.AmountMinor)).Cmp(new(big.Rat).SetInt64(least)) >= 0
}

// Convert returns an amount of a purchase, in its own minor units, in the minor
// units of the programme's currency, exactly.
func (p *Policy) Convert(o Purchase, minor *big.Rat) *big.Rat {
	rate := ""
	if o.Currency != p.Currency {
		rate = o.Rate
	}
	return convert(minor, o.Currency, rate, p.Currency)
}

// Spend returns the total of a purchase in the programme's currency, rounded down
// to the minor unit, and of it what is left after some of it was refunded.
func (p *Policy) Spend(o Purchase, refunded int64) int64 {
	return floor(p.Convert(o, new(big.Rat).SetInt64(o.AmountMinor-refunded)))
}

func convert(minor *big.Rat, currency, rate, target string) *big.Rat {
	if rate == "" {
		return minor
	}
	r, ok := new(big.Rat).SetString(rate)
	from, okFrom := domain.MajorUnit(currency)
	to, okTo := domain.MajorUnit(target)
	if !ok || !okFrom || !okTo {
		return new(big.Rat)
	}
	r.Mul(r, minor)
	return r.Mul(r, big.NewRat(to, from))
}

// inputs says what of a purchase fits a rule. It notes the lines that are taken.
func (p *Policy) inputs(r Rule, o Purchase, taken []bool) Inputs {
	in := Inputs{Points: r.Points, PerMinor: r.PerMinor, Rounding: r.Rounding}
	if in.Rounding == "" {
		in.Rounding = Floor
	}
	if r.PerMinor > 0 {
		in.Currency = o.Currency
		if o.Currency != p.Currency {
			in.Rate, in.Target = o.Rate, p.Currency
		}
	}
	if len(o.Items) == 0 {
		if len(r.SKUs)+len(r.Categories) > 0 {
			return in
		}
		if in.Quantity = 1; r.PerMinor > 0 {
			in.Quantity = o.AmountMinor
		}
		return in
	}
	for i, item := range o.Items {
		if item.Excluded || taken[i] || !r.fits(item) {
			continue
		}
		taken[i] = r.Exclusive
		in.Lines = append(in.Lines, i)
		if r.PerMinor > 0 {
			in.Quantity += item.AmountMinor
		} else {
			in.Quantity += item.Quantity
		}
	}
	return in
}

func (r Rule) fits(item Item) bool {
	return len(r.SKUs)+len(r.Categories) == 0 || slices.Contains(r.SKUs, item.SKU) ||
		item.Category != "" && slices.Contains(r.Categories, item.Category)
}

// factors returns the multipliers that apply.
func (p *Policy) factors(r Rule, o Purchase, s Shopper) []Factor {
	var all []Factor
	for _, m := range p.Multipliers {
		if (len(m.Rules) == 0 || slices.Contains(m.Rules, r.ID)) && m.fits(o, s) {
			all = append(all, Factor{m.ID, m.Factor})
		}
	}
	if p.Stacking == Product || len(all) < 2 {
		return all
	}
	best := slices.MaxFunc(all, func(a, b Factor) int { return rat(a.Factor).Cmp(rat(b.Factor)) })
	return []Factor{best}
}

func (m Multiplier) fits(o Purchase, s Shopper) bool {
	return during(o.PlacedOn, m.From, m.Until) &&
		(len(m.Tiers) == 0 || slices.Contains(m.Tiers, s.Tier)) &&
		(len(m.Types) == 0 || slices.Contains(m.Types, s.Type)) &&
		(len(m.Tags) == 0 || slices.ContainsFunc(m.Tags, func(t string) bool { return slices.Contains(s.Tags, t) }))
}

// limit returns what caps leave for a rule of an order, of which earlier rules gave
// a sum already; nil: there is no cap.
func (p *Policy) limit(r Rule, o Purchase, s Shopper, sum int64) *int64 {
	var left *int64
	lower := func(n int64) {
		if n = max(0, n); left == nil || n < *left {
			left = &n
		}
	}
	if r.MaxPoints > 0 {
		lower(r.MaxPoints)
	}
	for _, c := range p.Caps {
		used := sum
		if from, to, ok := c.span(o.PlacedOn); ok && s.Net != nil {
			used += s.Net(from, to)
		}
		lower(c.Points - used)
	}
	return left
}

// span returns the dates over which a cap counts; false: the order alone.
func (c Cap) span(on domain.Date) (from, to domain.Date, ok bool) {
	switch c.Period {
	case Day:
		return on, on, true
	case Month:
		from = domain.NewDate(on.Year(), on.Month(), 1)
		return from, from.AddMonths(1) - 1, true
	case Year:
		return domain.NewDate(on.Year(), 1, 1), domain.NewDate(on.Year(), 12, 31), true
	}
	return 0, 0, false
}

// Award computes the points for a quantity: all of it, or what is left of it.
// Everything is exact until it is rounded, once.
func (in Inputs) Award(quantity *big.Rat) (points int64, remainder string) {
	exact := new(big.Rat).Set(quantity)
	if in.PerMinor > 0 {
		exact = new(big.Rat).Set(convert(exact, in.Currency, in.Rate, in.Target))
		exact.Mul(exact, big.NewRat(in.Points, in.PerMinor))
	} else {
		exact.Mul(exact, new(big.Rat).SetInt64(in.Points))
	}
	for _, f := range in.Factors {
		exact.Mul(exact, rat(f.Factor))
	}
	points = round(exact, in.Rounding)
	if rest := exact.Sub(exact, new(big.Rat).SetInt64(points)); rest.Sign() != 0 {
		remainder = rest.RatString()
	}
	points = min(points, MaxPoints)
	if in.Limit != nil {
		points = min(points, *in.Limit)
	}
	return points, remainder
}

// rat reads a decimal that was checked when it was published.
func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return new(big.Rat)
	}
	return r
}

// round makes a whole number of what is not negative.
func round(x *big.Rat, how string) int64 {
	whole, rest := new(big.Int).QuoRem(x.Num(), x.Denom(), new(big.Int))
	up := false
	switch half := new(big.Int).Lsh(rest, 1).Cmp(x.Denom()); how {
	case HalfUp:
		up = half >= 0
	case HalfEven:
		up = half > 0 || half == 0 && whole.Bit(0) == 1
	case Ceiling:
		up = rest.Sign() > 0
	}
	if up {
		whole.Add(whole, big.NewInt(1))
	}
	if !whole.IsInt64() {
		return MaxPoints
	}
	return whole.Int64()
}

func floor(x *big.Rat) int64 { return round(x, Floor) }

// mulDiv returns a × b / c, rounded down; none is negative, c is positive.
func mulDiv(a, b, c int64) int64 {
	if high, ok := domain.MulMinor(a, b); ok {
		return high / c
	}
	x := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
	if x.Quo(x, big.NewInt(c)); !x.IsInt64() {
		return MaxPoints
	}
	return x.Int64()
}
