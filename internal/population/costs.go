package population

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// Cost is what a customer cost beside the goods, in US dollars.
type Cost struct {
	ID    string
	Kind  string // as the commands call it: service, compensation or campaign
	At    time.Time
	Minor int64 // cents
}

// costs invents what customer number i costs: the goods, which of one in five nobody
// noted, and campaigns and trouble of few. Their generator is one of its own: what
// customers buy does not depend on what they cost.
func costs(seed uint64, i int, c *Customer, until domain.Date) {
	r := rand.New(rand.NewPCG(seed^0xd1b54a32d192ed03, uint64(i)))
	noted := r.IntN(5) > 0
	for n := range c.Orders {
		share := int64(40 + r.IntN(31)) // per cent
		if noted {
			c.Orders[n].CostMinor = max(1, c.Orders[n].Minor*share/100)
		}
	}
	if !noted {
		return
	}
	for _, k := range []struct {
		kind        string
		oneIn       int
		least, most int64
	}{{"campaign", 4, 50, 500}, {"service", 6, 300, 2500}, {"compensation", 25, 1000, 6000}} {
		if r.IntN(k.oneIn) > 0 {
			continue
		}
		at := c.Orders[r.IntN(len(c.Orders))].At.Add(time.Duration(1+r.IntN(72)) * time.Hour)
		if end := (until + 1).Start(time.UTC).Add(-time.Second); at.After(end) {
			at = end
		}
		c.Costs = append(c.Costs, Cost{ID: fmt.Sprintf("%s-%s", c.ID, k.kind), Kind: k.kind, At: at, Minor: k.least + r.Int64N(k.most-k.least)})
	}
}
