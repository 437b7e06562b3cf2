package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/segments"
)

// ErrClusteringNotFound refuses a clustering that nobody ever asked for.
var ErrClusteringNotFound = &domain.Error{Kind: domain.NotFound, Code: "clustering_not_found"}

// States of a clustering, and of each time it was asked for.
const (
	clusteringPending = "pending" // it was asked for, and not answered yet
	clusteringFitted  = "fitted"
	clusteringFailed  = "failed" // the last time it was asked for; what stood before stands
)

// Clusterings is every clustering that was ever asked for.
type Clusterings struct {
	Clusterings []Clustering `json:"clusterings"` // by id
	Stamp
}

// Clustering is a way to group the customers, and how good the fit that stands is.
type Clustering struct {
	ClusterID string `json:"cluster_id"`
	// State is of the last time that it was asked for. What stood before goes on to
	// stand while it is pending, and where it failed.
	State  string      `json:"state" jsonschema:"enum=pending,enum=fitted,enum=failed"`
	Code   string      `json:"code,omitempty"` // why it failed
	Detail string      `json:"detail,omitempty"`
	Fit    *ClusterFit `json:"fit" jsonschema:"nullable"` // that stands; null before the first
}

// ClusterFit is a fit in short.
type ClusterFit struct {
	Version    int         `json:"version"` // 1, 2, 3, …
	AsOf       domain.Date `json:"as_of"`   // the closed day whose customers were grouped
	Features   []string    `json:"features"`
	K          int         `json:"k"`          // how many clusters
	Population int         `json:"population"` // customers who were grouped
	Silhouette float64     `json:"silhouette"` // -1 to 1: how much nearer customers are to their own cluster than to the next
	// Settling says that some customers are not in the clusters of this fit yet: lists
	// and numbers of today have those of the one before for them.
	Settling bool `json:"settling"`
}

// ClusteringAnswer is a clustering and what its clusters are.
type ClusteringAnswer struct {
	Clustering
	Stands *StandingFit `json:"stands" jsonschema:"nullable"` // the fit that stands in full; null before the first
	// Failed is the attempt after it, if that failed.
	Failed   *FailedFit       `json:"failed" jsonschema:"nullable"`
	Versions []ClusterVersion `json:"versions"` // every time that it was asked for, the oldest first
	Stamp
}

// StandingFit is how the customers were grouped, and who is where now.
type StandingFit struct {
	Currency     string             `json:"currency"` // of amounts, which are in its minor units
	Excluded     int                `json:"excluded"` // customers who lacked a feature, and were not grouped
	Scales       []cluster.Scale    `json:"scales"`   // by which the features are made comparable
	Dropped      []cluster.Constant `json:"dropped"`  // features in which nobody differed
	Seed         uint64             `json:"seed"`
	Iterations   int                `json:"iterations"`
	Settled      bool               `json:"settled"`       // false: the iterations ended before nobody moved any more
	SilhouetteOf int                `json:"silhouette_of"` // customers, drawn by the seed, that the silhouettes are computed from
	Tried        []cluster.Tried    `json:"tried"`         // every number of clusters that was tried
	Clusters     []ClusterNow       `json:"clusters"`      // by number
	Customers    int64              `json:"customers"`     // who are in one now
	Outside      int64              `json:"outside"`       // who are in none: they lack a feature, or are not to be looked at
}

// ClusterNow is a cluster as it was fitted, and how many customers are in it now.
type ClusterNow struct {
	Number      int           `json:"number"` // from 1, the highest spending first
	Name        string        `json:"name"`
	Description string        `json:"description"`
	Size        int           `json:"size"`                        // customers at the fit
	Customers   int64         `json:"customers"`                   // now
	Share       *string       `json:"share" jsonschema:"nullable"` // of those who are in a cluster now, a decimal of four digits
	Centroid    []float64     `json:"centroid"`                    // a coordinate for each scale, standardised
	Profile     []ClusterLine `json:"profile"`                     // a line for each scale
	Rule        string        `json:"rule"`                        // of a segment of its customers
}

// ClusterLine is how a cluster stood in one feature at the fit, against everybody.
type ClusterLine struct {
	Feature string  `json:"feature"`
	Unit    string  `json:"unit" jsonschema:"enum=days,enum=orders,enum=points,enum=money"` // money is in minor units of the currency
	Mean    float64 `json:"mean"`
	Least   int64   `json:"least"`
	Most    int64   `json:"most"`
	Average float64 `json:"average"` // of everybody who was grouped
	Level   string  `json:"level" jsonschema:"enum=very_low,enum=low,enum=average,enum=high,enum=very_high"`
}

// FailedFit is an attempt that could not be made.
type FailedFit struct {
	AsOf   domain.Date `json:"as_of"`
	Code   string      `json:"code"`
	Detail string      `json:"detail"`
}

// ClusterVersion is a time that a clustering was asked for, and what came of it.
type ClusterVersion struct {
	State      string            `json:"state" jsonschema:"enum=pending,enum=fitted,enum=failed"`
	Version    int               `json:"version,omitempty"` // of the fit
	AsOf       domain.Date       `json:"as_of"`
	Features   []string          `json:"features"` // asked for
	AskedK     int               `json:"asked_k"`  // how many clusters were asked for; 0: that with the best silhouette
	Seed       uint64            `json:"seed"`
	K          int               `json:"k,omitempty"` // how many it came to
	Population int               `json:"population,omitempty"`
	Silhouette *float64          `json:"silhouette,omitempty"`
	Code       string            `json:"code,omitempty"` // why it failed
	Detail     string            `json:"detail,omitempty"`
	At         time.Time         `json:"at"` // when it was asked for
	By         eventschema.Actor `json:"by"`
	Position   uint64            `json:"position"` // of the request
	EventID    uuid.UUID         `json:"event_id"`
	// Answer is the position of the event that answered; absent while it is pending, and
	// of a request that a later one took the place of.
	Answer uint64 `json:"answer,omitempty"`
}

var clusterParam = web.Param{Name: "cluster_id", In: "path", Required: true, Type: "string", Detail: "The clustering."}

// fitting returns how far the clusters of a fit are in the documents: the lists and
// totals have everything up to this position.
func (l *segmentsLook) fitting(id string) (upTo uint64) {
	upTo = l.position
	fitted := l.world.Clusterings[id].FittedAt
	for _, s := range l.sweeps {
		if s != nil && s.Cause.Position == fitted {
			upTo = min(upTo, fitted-1)
		}
	}
	return upTo
}

// clustering returns what is known of a clustering; false if nobody ever asked for it.
func (l *segmentsLook) clustering(id string) (Clustering, bool) {
	is, asked := l.world.Clusterings[id]
	if !asked {
		return Clustering{}, false
	}
	c := Clustering{ClusterID: id, State: clusteringFitted}
	switch {
	case is.Asked != nil:
		c.State = clusteringPending
	case is.Failed != nil:
		c.State, c.Code, c.Detail = clusteringFailed, is.Failed.Code, is.Failed.Detail
	}
	if f := l.world.Clusters[id]; f != nil {
		c.Fit = &ClusterFit{
			Version: f.Version, AsOf: f.AsOf, Features: f.Names(), K: f.K, Population: f.Population, Silhouette: f.Silhouette,
			Settling: is.FittedAt > l.fitting(id),
		}
	}
	return c, true
}

// clusterLook waits until the clusters of a clustering reflect a position; of all of
// them, if none is named.
func (a *API) clusterLook(ctx context.Context, id string, least uint64) (l *segmentsLook, s Stamp, err error) {
	err = a.atLeast(ctx, least, func(ctx context.Context) (uint64, error) {
		if l, err = a.lookAtSegments(ctx); err != nil {
			return 0, err
		}
		s = l.stamp()
		for one := range l.world.Clusterings {
			if id == "" || one == id {
				s.Position = min(s.Position, l.fitting(one))
			}
		}
		return s.Position, nil
	})
	return l, s, err
}

func (a *API) listClusterings(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	least := p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	l, s, err := a.clusterLook(r.Context(), "", least)
	if err != nil {
		return err
	}
	answer := Clusterings{Clusterings: []Clustering{}, Stamp: s}
	for _, id := range slices.Sorted(maps.Keys(l.world.Clusterings)) {
		c, _ := l.clustering(id)
		answer.Clusterings = append(answer.Clusterings, c)
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) oneClustering(w http.ResponseWriter, r *http.Request) error {
	p, ctx, id := paramsOf(r), r.Context(), mux.Vars(r)["cluster_id"]
	least := p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	l, s, err := a.clusterLook(ctx, id, least)
	if err != nil {
		return err
	}
	is, ok := l.clustering(id)
	if !ok {
		return noClustering(id)
	}
	answer := ClusteringAnswer{Clustering: is, Stamp: s}
	if f := l.world.Clusterings[id].Failed; f != nil {
		answer.Failed = &FailedFit{f.AsOf, f.Code, f.Detail}
	}
	if f := l.world.Clusters[id]; f != nil {
		sums, _, err := a.Documents.Metrics(ctx, l.generation, l.partitions)
		if err != nil {
			return err
		}
		answer.Stands = standingFit(f, sums)
	}
	if answer.Versions, err = a.clusterVersions(ctx, id); err != nil {
		return err
	}
	return writeJSON(w, answer.Stamp, answer)
}

func noClustering(id string) error {
	return ErrClusteringNotFound.With("there is no clustering %q; GET /v1/clusters lists them", id)
}

func standingFit(f *cluster.Fitted, sums totals) *StandingFit {
	s := &StandingFit{
		Currency: f.Currency, Excluded: f.Excluded, Scales: f.Features, Dropped: append([]cluster.Constant{}, f.Dropped...), Seed: f.Seed,
		Iterations: f.Iterations, Settled: f.Settled, SilhouetteOf: f.SilhouetteOf, Tried: f.Tried, Clusters: []ClusterNow{},
	}
	for _, c := range f.Clusters {
		now := ClusterNow{
			Number: c.Number, Name: c.Name, Description: c.Description, Size: c.Size, Centroid: c.Centroid, Profile: []ClusterLine{},
			Customers: sums[segments.ClusterMetric(f.ClusterID, c.Number, segments.MetricCustomers)],
			Rule:      fmt.Sprintf("cluster(%q) == %d", f.ClusterID, c.Number),
		}
		for i, line := range c.Profile {
			of, _ := cluster.FeatureOf(line.Feature)
			now.Profile = append(now.Profile, ClusterLine{line.Feature, of.Unit, line.Mean, line.Least, line.Most, f.Features[i].Average, line.Level})
		}
		s.Customers += now.Customers
		s.Clusters = append(s.Clusters, now)
	}
	for i := range s.Clusters {
		s.Clusters[i].Share = rate(s.Clusters[i].Customers, s.Customers)
	}
	s.Outside = sums[segments.MetricAll+"|"+segments.MetricCustomers] - s.Customers
	return s
}

// clusterVersions returns every time that a clustering was asked for, the oldest first.
func (a *API) clusterVersions(ctx context.Context, id string) ([]ClusterVersion, error) {
	list, answered := []ClusterVersion{}, uint64(0)
	for raw, err := range a.Log.Read(ctx, cluster.Stream(id), 0) {
		if err != nil {
			return nil, err
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			return nil, fmt.Errorf("clustering %q: %w", id, err)
		}
		answer := func(trigger uint64, tell func(*ClusterVersion)) {
			if trigger <= answered {
				return
			}
			answered = trigger
			if i := slices.IndexFunc(list, func(v ClusterVersion) bool { return v.Position == trigger }); i >= 0 {
				list[i].Answer = e.Position
				tell(&list[i])
			}
		}
		switch d := e.Data.(type) {
		case cluster.Requested:
			list = append(list, ClusterVersion{
				State: clusteringPending, AsOf: d.AsOf, Features: d.Features, AskedK: d.K, Seed: d.Seed,
				At: e.Meta.RecordedAt, By: e.Meta.Actor, Position: e.Position, EventID: e.ID,
			})
		case cluster.Fitted:
			answer(d.TriggerPosition, func(v *ClusterVersion) {
				v.State, v.Version, v.K, v.Population, v.Silhouette = clusteringFitted, d.Version, d.K, d.Population, &d.Silhouette
			})
		case cluster.FitFailed:
			answer(d.TriggerPosition, func(v *ClusterVersion) { v.State, v.Code, v.Detail = clusteringFailed, d.Code, d.Detail })
		}
	}
	return list, nil
}

// ClusterFeatures is what customers can be grouped by.
type ClusterFeatures struct {
	Features []ClusterFeature `json:"features"`
}

// ClusterFeature is a number that customers can be grouped by.
type ClusterFeature struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Unit        string `json:"unit" jsonschema:"enum=days,enum=orders,enum=points,enum=money"` // money is in minor units of the currency of the rfm policy
	Transform   string `json:"transform" jsonschema:"enum=log1p,enum=identity"`                // before it is standardised
	Default     bool   `json:"default"`                                                        // taken if none are named
}

func (a *API) clusterFeatures(w http.ResponseWriter, r *http.Request) error {
	if err := paramsOf(r).err(); err != nil {
		return err
	}
	answer := ClusterFeatures{Features: []ClusterFeature{}}
	for _, f := range cluster.Features() {
		answer.Features = append(answer.Features, ClusterFeature{f.Name, f.Description, f.Unit, f.Transform, slices.Contains(cluster.Default(), f.Name)})
	}
	b, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonType)
	_, err = w.Write(append(b, '\n'))
	return err
}
