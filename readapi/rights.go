package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/profile"
)

// Erasure is how far the erasure of a customer's personal data has come, and the
// certificate once it is done.
type Erasure struct {
	CustomerID uuid.UUID            `json:"customer_id"`
	Erasure    *customer.Erasure    `json:"erasure" jsonschema:"nullable"` // null: nobody asked for one
	LegalHolds []customer.LegalHold `json:"legal_holds"`                   // what stands against it
	Stamp
}

// erasure answers also when all else about the customer is erased.
func (a *API) erasure(w http.ResponseWriter, r *http.Request) error {
	id, s, err := a.about(r, nil, profile.Name)
	if err != nil {
		return err
	}
	if s.docs[0] == nil {
		return ErrCustomerNotFound.With("no customer has the id %v", id)
	}
	var d profile.Document
	if err := json.Unmarshal(s.docs[0], &d); err != nil {
		return fmt.Errorf("profile of %v: %w", id, err)
	}
	answer := Erasure{CustomerID: id, Erasure: d.Rights.Erasure, LegalHolds: d.Rights.LegalHolds, Stamp: stamp(s.position, s.world)}
	if answer.LegalHolds == nil {
		answer.LegalHolds = []customer.LegalHold{}
	}
	return writeJSON(w, answer.Stamp, answer)
}

// OpenErasures returns the customers whose erasure was approved and is not
// completed, as the profiles know them, and the position of the log up to which
// they do in every partition. ok is false while no profiles serve.
func OpenErasures(ctx context.Context, d Documents) (customers []uuid.UUID, at uint64, ok bool, err error) {
	c, err := d.Catalogue(ctx)
	if err != nil {
		return nil, 0, false, err
	}
	g := projections.Generation{View: profile.Name, Number: c.Views[profile.Name].Serving}
	if g.Number == 0 || c.Partitions == 0 {
		return nil, 0, false, nil
	}
	at = math.MaxUint64
	for _, state := range []string{customer.ErasureStateApproved, customer.ErasureStateErased} {
		q := RangeQuery{Index: profile.IndexErasure, Prefix: profile.ErasurePrefix(state), Limit: maxLimit}
		for {
			members, low, err := d.Range(ctx, g, c.Partitions, q)
			if err != nil {
				return nil, 0, false, err
			}
			at = min(at, low)
			for _, m := range members {
				c, err := parseMember(m)
				if err != nil {
					return nil, 0, false, err
				}
				customers = append(customers, c.id)
			}
			if len(members) < q.Limit {
				break
			}
			q.After = members[len(members)-1]
		}
	}
	return customers, at, true, nil
}

func (a *API) rightsRoutes() []web.Route {
	path := "/v1/customers/{customer_id}"
	return []web.Route{
		{
			Method: "GET", Path: path + "/erasure", Tag: "customers",
			Summary: "Show the erasure of a customer's personal data",
			Detail: "Whether one was asked for, by when it must be answered, who decided, what stands against it, and the certificate: " +
				"what was destroyed, what the history must verify to, and when the key left the files. It can be read for ever.",
			Params:  slices.Concat([]web.Param{customerParam}, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "The erasure.", Body: Erasure{}, Headers: stampHeaders}},
			Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
			Handler: a.erasure,
		},
		{
			Method: "GET", Path: path + "/export", Tag: "customers",
			Summary: "Hand out everything about a customer",
			Detail: "One JSON document, streamed: every event of the customer with its envelope and its personal data, and what follows from them. " +
				"Its last member is the SHA-256 of all bytes before `,\"digest\"`. `request-export` records that it was handed out, " +
				"with the revision and the digest; ask for that revision to get those bytes. Answers 410 once the data is erased.",
			Params: []web.Param{customerParam,
				query("revision", "integer", "", "Up to this revision of the customer; the latest if absent."),
				query("min_position", "integer", "", "Taken and not needed: the log itself is read."),
			},
			Answers: []web.Answer{{Status: 200, Detail: "Everything about the customer.", Body: DataExport{}}},
			Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, customer.ErrErased.Code},
			Handler: a.exportData,
		},
	}
}
