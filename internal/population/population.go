// Package population invents customers that buy and drop out the way real ones
// were observed to. The same seed gives the same population for ever.
//
// Buying and dropping out follow the BG/NBD model of Fader, Hardie and Lee,
// "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model,
// Marketing Science 24(2), 2005, with the parameters published there for the
// CDNOW data (time in weeks): r = 0.243, α = 4.414, a = 0.793, b = 2.426.
// Amounts follow the gamma-gamma model of Fader and Hardie, The Gamma-Gamma Model
// of Monetary Value, 2013, with p = 6.25, q = 3.74, γ = 15.44 (dollars).
package population

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"gonum.org/v1/gonum/stat/distuv"
)

// The published parameters.
const (
	bgR, bgAlpha, bgA, bgB = 0.243, 4.414, 0.793, 2.426
	ggP, ggQ, ggGamma      = 6.25, 3.74, 15.44
)

const week = 7 * 24 * time.Hour

// Customer is one invented customer and what they bought, oldest first. The
// first order is the one that made them a customer.
type Customer struct {
	ID            string // in the shop, such as C000042
	Given, Family string
	Channel       string
	Particulars
	Orders []Order
	Costs  []Cost
}

// Order is one purchase, in US dollars.
type Order struct {
	ID    string
	At    time.Time
	Minor int64 // cents
	SKU   string
	// CostMinor is what the goods cost, in cents; 0 where nobody noted it.
	CostMinor int64
}

// Generate invents n customers who first buy between from and joined and are watched
// through until (the last day that may hold an order).
func Generate(seed uint64, n int, from, joined, until domain.Date) []Customer {
	customers := make([]Customer, n)
	for i := range customers {
		// A generator for each customer: a larger population begins with the smaller one.
		customers[i] = generate(rand.New(rand.NewPCG(seed, uint64(i))), i, from, joined, until)
		particulars(seed, i, &customers[i], customers[i].Orders[0].At, until)
		costs(seed, i, &customers[i], until)
		if i%twinEvery == twinEvery-1 {
			customers[i].twin(customers[i-1])
		}
	}
	return customers
}

func generate(r *rand.Rand, i int, from, joined, until domain.Date) Customer {
	c := Customer{
		ID:      fmt.Sprintf("C%06d", i+1),
		Given:   given[r.IntN(len(given))],
		Family:  family[r.IntN(len(family))],
		Channel: channels[r.IntN(len(channels))],
	}
	rate := distuv.Gamma{Alpha: bgR, Beta: bgAlpha, Src: r}.Rand() // orders per week
	dropout := distuv.Beta{Alpha: bgA, Beta: bgB, Src: r}.Rand()   // after each repeat order
	spend := distuv.Gamma{Alpha: ggQ, Beta: ggGamma, Src: r}.Rand()
	amounts := distuv.Gamma{Alpha: ggP, Beta: spend, Src: r}

	at := from.Start(time.UTC).Add(time.Duration(r.Int64N(int64(joined+1-from)))*24*time.Hour + openingHours(r))
	end := (until + 1).Start(time.UTC)
	for at.Before(end) {
		c.Orders = append(c.Orders, Order{
			ID:    fmt.Sprintf("%s-%d", c.ID, len(c.Orders)+1),
			At:    at.Truncate(time.Second),
			Minor: max(99, int64(math.Round(100*amounts.Rand()))),
			SKU:   skus[r.IntN(len(skus))],
		})
		if len(c.Orders) > 1 && r.Float64() < dropout {
			break
		}
		weeks := r.ExpFloat64() / rate
		if weeks > 1000 { // the next order lies beyond any horizon
			break
		}
		at = at.Add(time.Duration(weeks * float64(week)))
	}
	return c
}

// openingHours returns a time of day between 8:00 and 22:00.
func openingHours(r *rand.Rand) time.Duration {
	return 8*time.Hour + time.Duration(r.Int64N(int64(14*time.Hour)))
}

var (
	given = []string{"Ada", "Amir", "Anna", "Bao", "Carla", "Chen", "Diego", "Elif", "Emma", "Farid", "Grace", "Hana",
		"Ivan", "Jonas", "Kofi", "Lena", "Li", "Maria", "Mei", "Noor", "Olga", "Pablo", "Priya", "Quang", "Rosa",
		"Sven", "Tariq", "Uma", "Vera", "Wei", "Xenia", "Yusuf", "Zoe"}
	family = []string{"Abe", "Ahmed", "Baker", "Berg", "Costa", "Diallo", "Dubois", "Evans", "Fischer", "Garcia", "Haddad",
		"Ito", "Jansen", "Kaya", "Kim", "Kowalski", "Larsen", "Lopez", "Mensah", "Nguyen", "Novak", "Okafor", "Patel",
		"Quinn", "Rossi", "Sato", "Silva", "Tan", "Ueda", "Varga", "Wang", "Yilmaz", "Zhang"}
	channels = []string{"web", "store", "wechat", "exhibition", "phone"}
	skus     = []string{"TEA-OOLONG", "TEA-SENCHA", "POT-CLAY", "CUP-PAIR", "KETTLE", "GIFT-BOX"}
)
