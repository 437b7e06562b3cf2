package readapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/segments"
)

// ClusterCustomers is a page of the customers of a clustering.
type ClusterCustomers struct {
	ClusterID  string            `json:"cluster_id"`
	Version    int               `json:"version"`  // of the fit; 0: there is none
	Settling   bool              `json:"settling"` // some customers are listed in the clusters of the fit before
	Customers  []ClusterCustomer `json:"customers"`
	NextCursor string            `json:"next_cursor,omitempty"`
	Stamp
}

// ClusterCustomer is a customer, the cluster they are in, and by what.
type ClusterCustomer struct {
	CustomerID  uuid.UUID           `json:"customer_id"`
	ExternalIDs []customer.LinkedID `json:"external_ids"`
	Cluster     int                 `json:"cluster"`
	Features    map[string]int64    `json:"features"` // as of the day of the fit, with all that came since; amounts in minor units
}

func (a *API) clusterCustomers(w http.ResponseWriter, r *http.Request) error {
	p, ctx, id := paramsOf(r), r.Context(), mux.Vars(r)["cluster_id"]
	number := p.number("cluster", 0, 1, cluster.MostK)
	limit, least := p.limit(), p.minPosition()
	var at place
	p.cursor(a.cursors(), &at)
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
	answer := ClusterCustomers{ClusterID: id, Customers: []ClusterCustomer{}, Stamp: s}
	fit := l.world.Clusters[id]
	if fit == nil {
		return writeJSON(w, answer.Stamp, answer)
	}
	answer.Version, answer.Settling = is.Fit.Version, is.Fit.Settling
	in := stretch{generation: l.generation, index: segments.IndexCluster, prefix: id + "|"}
	if number != 0 {
		in.prefix = segments.ClusterKey(id, number) + "\x00"
	}
	fetch := func(cs []*candidate) error {
		ids := make([]uuid.UUID, len(cs))
		for i, c := range cs {
			ids[i] = c.id
		}
		stored, err := a.Documents.Documents(ctx, l.generation, l.partitions, ids)
		if err != nil {
			return err
		}
		for i, b := range stored {
			d := new(segments.Document)
			if b != nil {
				if err := json.Unmarshal(b, d); err != nil {
					return fmt.Errorf("segments document of %v: %w", ids[i], err)
				}
			}
			cs[i].item = d
		}
		return nil
	}
	// Who moved since the index was read comes where they are now.
	keep := func(c *candidate) bool {
		return segments.ClusterKey(id, c.item.(*segments.Document).Stood.Clusters[id]) == c.key
	}
	found, next, err := a.walk(ctx, l.partitions, []stretch{in}, at, limit, fetch, keep)
	if err != nil {
		return err
	}
	for _, c := range found {
		d := c.item.(*segments.Document)
		answer.Customers = append(answer.Customers, ClusterCustomer{
			CustomerID: c.id, ExternalIDs: slices.Clip(append([]customer.LinkedID{}, d.Contacts.ExternalIDs...)),
			Cluster: d.Stood.Clusters[id], Features: fit.Values(d.Features(fit, l.world)),
		})
	}
	if next != nil {
		answer.NextCursor = p.next(a.cursors(), next)
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) clusterRoutes() []web.Route {
	refuses := []string{ErrClusteringNotFound.Code, ErrParameters.Code, ErrBehind.Code}
	return []web.Route{
		{
			Method: "GET", Path: "/v1/clusters", Tag: "clusters",
			Summary: "List the clusterings",
			Detail:  "Every clustering that was ever asked for, with the fit that stands. `pending` says that it was asked for again and not answered yet, `failed` that the last attempt came to nothing, and why; the fit before it stands.",
			Params:  minParams,
			Answers: []web.Answer{{Status: 200, Detail: "The clusterings.", Body: Clusterings{}, Headers: stampHeaders}},
			Refuses: []string{ErrParameters.Code, ErrBehind.Code},
			Handler: a.listClusterings,
		},
		{
			Method: "GET", Path: "/v1/clusters/features", Tag: "clusters",
			Summary: "List what customers can be grouped by",
			Answers: []web.Answer{{Status: 200, Detail: "The features.", Body: ClusterFeatures{}}},
			Refuses: []string{ErrParameters.Code},
			Handler: a.clusterFeatures,
		},
		{
			Method: "GET", Path: "/v1/clusters/{cluster_id}", Tag: "clusters",
			Summary: "Show the clusters of a clustering, in numbers and in words",
			Detail: "With the position that asking for it answered as `min_position`: `pending` until it is answered, then `fitted`, or `failed` and why; " +
				"while the fit is `settling` some customers still are in the clusters of the one before.",
			Params:  slices.Concat([]web.Param{clusterParam}, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "The clustering.", Body: ClusteringAnswer{}, Headers: stampHeaders}},
			Refuses: refuses,
			Handler: a.oneClustering,
		},
		{
			Method: "GET", Path: "/v1/clusters/{cluster_id}/customers", Tag: "clusters",
			Summary: "List who is in a cluster",
			Detail:  "By cluster and customer id, with the values that put them there.",
			Params: slices.Concat([]web.Param{clusterParam,
				query("cluster", "integer", "", "Only customers of the cluster of this number; all if absent."),
			}, pageParams, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "A page of customers.", Body: ClusterCustomers{}, Headers: stampHeaders}},
			Refuses: refuses,
			Handler: a.clusterCustomers,
		},
	}
}
