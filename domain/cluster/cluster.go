// Package cluster groups customers who are alike: k-means over a few numbers of
// each of them (Lloyd 1982, "Least squares quantization in PCM"), started as
// k-means++ does (Arthur and Vassilvitskii 2007, "k-means++: the advantages of
// careful seeding"), the number of groups given or chosen by the silhouette
// (Rousseeuw 1987, "Silhouettes: a graphical aid to the interpretation and
// validation of cluster analysis").
//
// The numbers are put on a logarithmic scale where they spread widely, and
// standardised. The centroids stand in the event, so that who belongs where is
// a pure function of the event and the customer's numbers. It gives the same
// cluster on every machine: every product is rounded before it is added to
// anything, so that no compiler fuses the two, and nothing is left to a library
// whose last digit differs.
package cluster

import (
	"regexp"

	"github.com/rapport-crm/rapport/domain"
)

// Event is one of the facts of a clustering.
//
//sumtype:decl
type Event interface{ clusterEvent() }

// Requested says that customers shall be grouped as of a closed day.
type Requested struct {
	ClusterID     string      `json:"cluster_id"`
	AsOf          domain.Date `json:"as_of"`           // the last closed day
	Features      []string    `json:"features"`        // what customers are grouped by
	K             int         `json:"k,omitempty"`     // how many clusters; 0: chosen from MinK to MaxK by the silhouette
	MinK          int         `json:"min_k,omitempty"` // 0 where K is given
	MaxK          int         `json:"max_k,omitempty"`
	Seed          uint64      `json:"seed"`
	MaxIterations int         `json:"max_iterations"`
}

// Fitted says which clusters there are from now on.
type Fitted struct {
	ClusterID       string      `json:"cluster_id"`
	Version         int         `json:"version"`          // 1, 2, 3, …
	Trigger         string      `json:"trigger"`          // id of the event that asked
	TriggerPosition uint64      `json:"trigger_position"` // its position in the log
	AsOf            domain.Date `json:"as_of"`
	Currency        string      `json:"currency"`   // of amounts
	Population      int         `json:"population"` // customers who have every feature
	Excluded        int         `json:"excluded"`   // customers who lack one, and are in no cluster
	Features        []Scale     `json:"features"`
	Dropped         []Constant  `json:"dropped,omitempty"` // features asked for in which nobody differs
	K               int         `json:"k"`
	Seed            uint64      `json:"seed"`
	Iterations      int         `json:"iterations"` // of the run that won
	Settled         bool        `json:"settled"`    // false: the iterations ended before nobody moved any more
	Silhouette      float64     `json:"silhouette"` // -1 to 1: how much nearer customers are to their own cluster than to the next
	// SilhouetteOf is how many customers the silhouettes were computed from: the
	// population, or a sample of it drawn by the seed.
	SilhouetteOf int       `json:"silhouette_of"`
	Tried        []Tried   `json:"tried"`    // every number of clusters that was tried
	Clusters     []Cluster `json:"clusters"` // by number
}

// Scale is a feature and how a value of it becomes a coordinate: divided by Unit,
// transformed, less Mean, divided by Deviation.
type Scale struct {
	Name      string  `json:"name"`
	Transform string  `json:"transform"`
	Unit      int64   `json:"unit"`      // 1; of amounts, the minor units of one unit of the currency
	Mean      float64 `json:"mean"`      // of the transformed values of the population
	Deviation float64 `json:"deviation"` // likewise; the standard deviation
	Average   float64 `json:"average"`   // the mean of the values as they are
}

// Constant is a feature that has one value in the whole population.
type Constant struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

// Tried is a number of clusters and how well it fits.
type Tried struct {
	K          int     `json:"k"`
	Silhouette float64 `json:"silhouette"`
}

// Cluster is one group of customers.
type Cluster struct {
	Number      int       `json:"number"` // from 1, the highest spending first
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Size        int       `json:"size"`
	Centroid    []float64 `json:"centroid"` // a coordinate for each feature
	Profile     []Line    `json:"profile"`  // a line for each feature
}

// Line is how a cluster stands in one feature.
type Line struct {
	Feature string  `json:"feature"`
	Mean    float64 `json:"mean"` // of the values as they are
	Least   int64   `json:"least"`
	Most    int64   `json:"most"`
	Level   string  `json:"level"` // the mean against that of the population; see Level
}

// FitFailed says why there are no new clusters; those before stand.
type FitFailed struct {
	ClusterID       string      `json:"cluster_id"`
	Trigger         string      `json:"trigger"`
	TriggerPosition uint64      `json:"trigger_position"`
	AsOf            domain.Date `json:"as_of"`
	Code            string      `json:"code"` // too_few_customers or no_variance
	Detail          string      `json:"detail"`
}

func (Requested) clusterEvent() {}
func (Fitted) clusterEvent()    {}
func (FitFailed) clusterEvent() {}

// Why a fit fails.
const (
	CodeTooFew     = "too_few_customers" // there are fewer different customers than clusters
	CodeNoVariance = "no_variance"       // nobody differs from anybody in any feature
)

// Stream names the stream of a clustering.
func Stream(id string) string { return "cluster-" + id }

// StreamPrefix is how the name of every clustering's stream begins.
const StreamPrefix = "cluster-"

var slug = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
