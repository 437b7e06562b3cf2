package commands

import (
	"context"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/internal/web"
)

// Clusters is the group of the commands about a clustering.
var Clusters = Group{Path: "/v1/clusters/{cluster_id}", Tag: "clusters", Slug: "cluster_id"}

// clustering is a pointer to a command about a clustering.
type clustering[C any] interface {
	body[C]
	SetCluster(string) error
}

// defineCluster makes the definition of a command about a clustering: the one that
// the route names; in a line of many, that of the body.
func defineCluster[C domain.Command[cluster.State, cluster.Event], P clustering[C]](name, summary string) Definition {
	d := define[cluster.State, cluster.Event, C, P](Clusters, name, summary)
	d.run = func(ctx context.Context, a *API, r Request, _ uuid.UUID, body []byte) (Result, error) {
		var c C
		if err := web.Decode(body, &c); err != nil {
			return Result{}, err
		}
		if r.Slug != "" {
			if err := P(&c).SetCluster(r.Slug); err != nil {
				return Result{}, err
			}
		}
		P(&c).SetSubject(a.subject(r, uuid.Nil))
		a.Writer.World.Tell(&c)
		return Execute(ctx, a.Writer, r, domain.Command[cluster.State, cluster.Event](c))
	}
	return d
}
