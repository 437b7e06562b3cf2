package cluster

import (
	"fmt"
	"slices"

	"github.com/rapport-crm/rapport/domain"
)

// The bounds of what can be asked for.
const (
	LeastK         = 2
	MostK          = 20
	MostIterations = 1000
	// MaxSeed is the greatest whole number that every reader of JSON takes exactly.
	MaxSeed = 1<<53 - 1

	defaultMaxK       = 8
	defaultIterations = 100
)

// ErrNoDayClosed refuses to group customers where no day was closed yet.
var ErrNoDayClosed = &domain.Error{Kind: domain.Conflict, Code: "no_day_closed"}

// Named is what the commands about a clustering have in common: which it is.
type Named struct {
	domain.Subject `json:"-"`

	ClusterID string `json:"cluster_id,omitempty" jsonschema:"maxLength=64"` // the one of the route
}

// Stream implements domain.Command.
func (c Named) Stream() string { return Stream(c.ClusterID) }

// SetCluster says which clustering a command is about, if its body does not. It
// refuses a body that names another one.
func (c *Named) SetCluster(id string) error {
	if c.ClusterID != "" && c.ClusterID != id {
		var p domain.Problems
		p.Add("/cluster_id", "differs from the one beside the body")
		return p.Err()
	}
	c.ClusterID = id
	return nil
}

// Fit asks that customers are grouped anew, as of the last closed day. The
// clusters follow by themselves, when every customer was looked at.
type Fit struct {
	Named

	Features      []string `json:"features,omitempty"`       // default: recency_days, frequency and monetary
	K             int      `json:"k,omitempty"`              // how many clusters; absent: chosen by the silhouette
	MinK          int      `json:"min_k,omitempty"`          // the fewest to try, where k is absent; default 2
	MaxK          int      `json:"max_k,omitempty"`          // the most to try; default 8
	Seed          uint64   `json:"seed,omitempty"`           // the same seed finds the same clusters in the same customers
	MaxIterations int      `json:"max_iterations,omitempty"` // default 100

	// Closed is the last closed day, nil before the first.
	Closed *domain.Date `json:"-"`
}

// SetClosed tells the last day closed.
func (c *Fit) SetClosed(d *domain.Date) { c.Closed = d }

// Refuses lists the refusals that are the command's own.
func (Fit) Refuses() []*domain.Error { return []*domain.Error{ErrNoDayClosed} }

// check says what is wrong with the request in itself.
func (c Fit) check() error {
	var p domain.Problems
	if !slug.MatchString(c.ClusterID) {
		p.Add("/cluster_id", "must have 1 to 64 of a-z, 0-9 and -, and begin with a letter")
	}
	if c.ClusterID == "features" { // GET /v1/clusters/features is another thing
		p.Add("/cluster_id", "must be another one: this is what the list of features is called")
	}
	for i, name := range c.Features {
		pointer := fmt.Sprintf("/features/%d", i)
		if i == len(table) {
			p.Add("/features", "must not be more than there are")
			break
		}
		if name == "" {
			p.Add(pointer, "is required")
		}
		p.OneOf(pointer, name, featureNames()...)
		if slices.Contains(c.Features[:i], name) {
			p.Add(pointer, "is there already")
		}
	}
	number := func(pointer string, n, least, most int) {
		if n != 0 && (n < least || n > most) {
			p.Add(pointer, "must be 0, which leaves it to the program, or between %d and %d", least, most)
		}
	}
	number("/k", c.K, LeastK, MostK)
	number("/min_k", c.MinK, LeastK, MostK)
	number("/max_k", c.MaxK, LeastK, MostK)
	number("/max_iterations", c.MaxIterations, 1, MostIterations)
	switch {
	case c.K != 0 && c.MinK != 0:
		p.Add("/min_k", "has no meaning beside k")
	case c.K != 0 && c.MaxK != 0:
		p.Add("/max_k", "has no meaning beside k")
	case c.MaxK != 0 && c.MaxK < c.MinK:
		p.Add("/max_k", "must not be less than min_k")
	}
	if c.Seed > MaxSeed {
		p.Add("/seed", "must be at most %d", int64(MaxSeed))
	}
	return p.Err()
}

// Decide implements domain.Command. What is asked for already and not answered
// yet is nothing to do.
func (c Fit) Decide(s State) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Closed == nil {
		return nil, ErrNoDayClosed.With("customers are grouped as of a closed day; close one first")
	}
	e := Requested{
		ClusterID: c.ClusterID, AsOf: *c.Closed, Features: slices.Clone(c.Features),
		K: c.K, MinK: c.MinK, MaxK: c.MaxK, Seed: c.Seed, MaxIterations: c.MaxIterations,
	}
	if len(e.Features) == 0 {
		e.Features = Default()
	}
	if e.K == 0 {
		if e.MinK == 0 {
			e.MinK = LeastK
		}
		if e.MaxK == 0 {
			e.MaxK = max(defaultMaxK, e.MinK)
		}
	}
	if e.MaxIterations == 0 {
		e.MaxIterations = defaultIterations
	}
	if s.asked(e) {
		return nil, nil
	}
	return []Event{e}, nil
}
