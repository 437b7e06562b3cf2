package cluster

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/rapport-crm/rapport/domain"
)

// Levels of the mean of a cluster against that of the population. Where the mean
// of the population is not positive, it is the distance from it that counts,
// against its size: a quarter, a fifth, all and half of it.
const (
	VeryLow  = "very_low"  // at most half of it
	Low      = "low"       // at most four fifths of it
	Average  = "average"   // between
	High     = "high"      // at least five quarters of it
	VeryHigh = "very_high" // at least twice as much
)

// level compares two means, each a sum and of how many, exactly.
func level(sum *big.Int, of int, all *big.Int, ofAll int) string {
	size := new(big.Int).Abs(all)
	size.Mul(size, big.NewInt(int64(of)))
	distance := new(big.Int).Mul(sum, big.NewInt(int64(ofAll)))
	distance.Sub(distance, new(big.Int).Mul(all, big.NewInt(int64(of))))
	reaches := func(times, of int64) bool { // the distance is at least of/times of the size
		return new(big.Int).Mul(new(big.Int).Abs(distance), big.NewInt(times)).Cmp(new(big.Int).Mul(size, big.NewInt(of))) >= 0
	}
	switch sign := distance.Sign(); {
	case sign > 0 && reaches(1, 1):
		return VeryHigh
	case sign > 0 && reaches(4, 1):
		return High
	case sign < 0 && reaches(2, 1):
		return VeryLow
	case sign < 0 && reaches(5, 1):
		return Low
	}
	return Average
}

// words are how a feature is spoken of.
type words struct {
	name           string // of the feature itself
	veryLow, low   string // what they do, after "they", against the average
	high, veryHigh string
	few, many      string // how they are called
	fewIsGood      bool
	one, several   string // the unit; none: an amount
}

var vocabulary = map[string]words{
	RecencyDays: {
		name: "last order", veryLow: "bought far more recently", low: "bought more recently",
		high: "have not bought for longer", veryHigh: "have not bought for far longer",
		few: "recent", many: "dormant", fewIsGood: true, one: "day", several: "days",
	},
	Frequency: {
		name: "orders", veryLow: "placed far fewer orders", low: "placed fewer orders", high: "placed more orders", veryHigh: "placed far more orders",
		few: "infrequent", many: "frequent", one: "order", several: "orders",
	},
	Monetary: {
		name: "spending", veryLow: "spent far less", low: "spent less", high: "spent more", veryHigh: "spent far more",
		few: "low-spending", many: "high-spending",
	},
	AverageOrder: {
		name: "average order", veryLow: "place far smaller orders", low: "place smaller orders",
		high: "place larger orders", veryHigh: "place far larger orders", few: "small-order", many: "large-order",
	},
	TenureDays: {
		name: "time as a customer", veryLow: "have been customers for a far shorter time", low: "have been customers for a shorter time",
		high: "have been customers for a longer time", veryHigh: "have been customers for a far longer time",
		few: "new", many: "long-standing", one: "day", several: "days",
	},
	OrdersWindow: {
		name: "orders of late", veryLow: "placed far fewer orders of late", low: "placed fewer orders of late",
		high: "placed more orders of late", veryHigh: "placed far more orders of late", few: "quiet", many: "active", one: "order", several: "orders",
	},
	PointsSpendable: {
		name: "points to spend", veryLow: "have far fewer points to spend", low: "have fewer points to spend",
		high: "have more points to spend", veryHigh: "have far more points to spend", few: "point-poor", many: "point-rich", one: "point", several: "points",
	},
	Contribution: {
		name: "contribution", veryLow: "bring in far less", low: "bring in less", high: "bring in more", veryHigh: "bring in far more",
		few: "low-margin", many: "high-margin",
	},
}

// describe says in words how each cluster differs from the population.
func (f *Fitted) describe(sums [][]*big.Int) {
	all := make([]*big.Int, len(f.Features))
	for j := range all {
		all[j] = new(big.Int)
		for c := range sums {
			all[j].Add(all[j], sums[c][j])
		}
	}
	for i := range f.Clusters {
		c := &f.Clusters[i]
		for j := range c.Profile {
			line := &c.Profile[j]
			line.Feature = f.Features[j].Name
			line.Mean = ratio(sums[i][j], c.Size)
			line.Level = level(sums[i][j], c.Size, all[j], f.Population)
		}
		c.Description = f.sentences(c, sums[i], all)
	}
	f.call()
}

// sentences describes a cluster: what is against it first, then what is for it,
// then what is as everywhere.
func (f *Fitted) sentences(c *Cluster, sums, all []*big.Int) string {
	var against, forIt, average []string
	for j, line := range c.Profile {
		w := vocabulary[line.Feature]
		numbers := " (" + f.quantity(w, sums[j], c.Size, true) + " against " + f.quantity(w, all[j], f.Population, false) + ")"
		what := map[string]string{VeryLow: w.veryLow, Low: w.low, High: w.high, VeryHigh: w.veryHigh}[line.Level]
		switch low := line.Level == Low || line.Level == VeryLow; {
		case line.Level == Average:
			average = append(average, w.name+numbers)
		case low == w.fewIsGood:
			forIt = append(forIt, what+numbers)
		default:
			against = append(against, what+numbers)
		}
	}
	var b strings.Builder
	if len(against)+len(forIt) > 0 {
		b.WriteString("Compared with the average, they " + and(against))
		if len(against) > 0 && len(forIt) > 0 {
			b.WriteString(", but ")
		}
		b.WriteString(and(forIt) + ".")
	}
	if len(average) > 0 {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("Close to the average: " + and(average) + ".")
	}
	return b.String()
}

// and joins parts of a sentence.
func and(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

// quantity returns a mean as a person reads it: amounts in units of the currency,
// less than ten of anything else to a tenth. With the unit, if that is asked for.
func (f *Fitted) quantity(w words, sum *big.Int, of int, unit bool) string {
	mean := new(big.Rat).SetFrac(sum, big.NewInt(int64(of)))
	if w.one == "" {
		decimals, _ := domain.MinorUnits(f.Currency)
		minor, _ := domain.MajorUnit(f.Currency)
		text := decimal(mean.Quo(mean, new(big.Rat).SetInt64(minor)), decimals)
		if unit && f.Currency != "" {
			text += " " + f.Currency
		}
		return text
	}
	decimals := 0
	if new(big.Rat).Abs(mean).Cmp(big.NewRat(10, 1)) < 0 {
		decimals = 1
	}
	text := strings.TrimSuffix(decimal(mean, decimals), ".0")
	switch {
	case !unit:
		return text
	case text == "1":
		return text + " " + w.one
	}
	return text + " " + w.several
}

// decimal returns a number rounded to some decimals; nothing has no sign.
func decimal(r *big.Rat, decimals int) string {
	text := r.FloatString(decimals)
	if strings.Trim(text, "-0.") == "" {
		return strings.TrimPrefix(text, "-")
	}
	return text
}

// call gives the clusters names, each another one.
func (f *Fitted) call() {
	names := make([]string, len(f.Clusters))
	for i := range f.Clusters {
		names[i] = f.Clusters[i].called(false)
	}
	for i, name := range unlike(names) {
		if name == "" {
			names[i] = f.Clusters[i].called(true)
		}
	}
	for i, name := range unlike(names) {
		if name == "" {
			name = fmt.Sprintf("%s, group %d", names[i], f.Clusters[i].Number)
		}
		f.Clusters[i].Name = name
	}
}

// unlike returns names without those that come twice.
func unlike(names []string) []string {
	times := map[string]int{}
	for _, name := range names {
		times[name]++
	}
	only := make([]string, len(names))
	for i, name := range names {
		if times[name] == 1 {
			only[i] = name
		}
	}
	return only
}

// called returns the name that follows from the profile; exactly says very.
func (c *Cluster) called(exactly bool) string {
	var parts []string
	for _, line := range c.Profile {
		w := vocabulary[line.Feature]
		word := map[string]string{VeryLow: w.few, Low: w.few, High: w.many, VeryHigh: w.many}[line.Level]
		if word == "" {
			continue
		}
		if exactly && (line.Level == VeryLow || line.Level == VeryHigh) {
			word = "very " + word
		}
		parts = append(parts, word)
	}
	if len(parts) == 0 {
		return "Average"
	}
	name := strings.Join(parts, ", ")
	return strings.ToUpper(name[:1]) + name[1:]
}
