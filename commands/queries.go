package commands

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/internal/web"
)

// CommandInfo is a command as the catalogue tells of it.
type CommandInfo struct {
	Name    string         `json:"name"`
	Method  string         `json:"method"`
	Route   string         `json:"route"`
	Summary string         `json:"summary"`
	Body    map[string]any `json:"body"`    // JSON Schema
	Refuses []string       `json:"refuses"` // codes beside those that every route may answer
}

// CommandList is the catalogue of commands.
type CommandList struct {
	Commands []CommandInfo `json:"commands"`
}

func (a *API) catalogueRoute() web.Route {
	list := CommandList{}
	for _, d := range Catalogue {
		list.Commands = append(list.Commands, CommandInfo{
			Name: d.Name, Method: http.MethodPost, Route: d.Path(), Summary: d.Summary,
			Body: web.SchemaOf(d.Body), Refuses: d.refuses(),
		})
	}
	return web.Route{
		Method: http.MethodGet, Path: "/v1/commands", Summary: "The catalogue of commands", Tag: "commands",
		Answers: []web.Answer{{Status: http.StatusOK, Body: CommandList{}}},
		Handler: func(w http.ResponseWriter, _ *http.Request) error {
			return web.WriteJSON(w, http.StatusOK, list)
		},
	}
}

// CalendarInfo is what time it is for the business.
type CalendarInfo struct {
	Mode        string       `json:"mode"` // manual or wall
	Zone        string       `json:"zone"` // IANA name of the business time zone
	Today       domain.Date  `json:"today"`
	BusinessNow time.Time    `json:"business_now"`
	LastClosed  *domain.Date `json:"last_closed"` // null before the first close
	Position    uint64       `json:"position"`
}

// ErrBehind says that the write side's world has not reached a position yet.
var ErrBehind = &domain.Error{Kind: domain.Unavailable, Code: "projection_behind"}

var minPosition = []web.Param{{Name: "min_position", In: "query", Type: "integer", Detail: "answer no earlier state than at this position of the log"}}

func (a *API) calendarRoute() web.Route {
	return web.Route{
		Method: http.MethodGet, Path: "/v1/calendar", Summary: "What time it is for the business", Tag: "calendar", Params: minPosition,
		Answers: []web.Answer{{Status: http.StatusOK, Body: CalendarInfo{}}}, Refuses: []string{ErrBehind.Code},
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			facts, err := a.facts(r)
			if err != nil {
				return err
			}
			now := a.Writer.World.Subject([16]byte{})
			mode := facts.Deployment.Calendar
			if mode == "" {
				mode = "wall"
			}
			return web.WriteJSON(w, http.StatusOK, CalendarInfo{
				Mode: mode, Zone: now.Zone.String(), Today: now.Today(), BusinessNow: now.Now, LastClosed: facts.Closed, Position: facts.Position,
			})
		},
	}
}

// PolicyList is every version of a kind of policy.
type PolicyList struct {
	Kind     string          `json:"kind"`
	Current  int             `json:"current"` // the version in force today, 0 for none
	Versions []PolicyVersion `json:"versions"`
	Position uint64          `json:"position"`
}

// PolicyVersion is one version of a policy.
type PolicyVersion struct {
	Version       int         `json:"version"`
	EffectiveFrom domain.Date `json:"effective_from"`
	Policy        any         `json:"policy"` // as publish-policy of its kind takes it
}

func (a *API) policyRoutes() (routes []web.Route) {
	for _, kind := range policy.Kinds {
		routes = append(routes, web.Route{
			Method: http.MethodGet, Path: Policies(kind).Path, Summary: "Every version of the " + kind + " policy", Tag: "policies", Params: minPosition,
			Answers: []web.Answer{{Status: http.StatusOK, Body: PolicyList{}}}, Refuses: []string{ErrBehind.Code},
			Handler: func(w http.ResponseWriter, r *http.Request) error {
				facts, err := a.facts(r)
				if err != nil {
					return err
				}
				list := PolicyList{Kind: kind, Versions: []PolicyVersion{}, Position: facts.Position}
				for _, p := range facts.Policies[kind] {
					list.Versions = append(list.Versions, PolicyVersion{p.Version, p.EffectiveFrom, p.Body()})
				}
				if p, ok := facts.Policies.On(kind, a.Writer.World.Subject(uuid.Nil).Today()); ok {
					list.Current = p.Version
				}
				return web.WriteJSON(w, http.StatusOK, list)
			},
		})
	}
	return routes
}

// ShippedPolicies are the policies that come with the program.
type ShippedPolicies struct {
	Kind     string       `json:"kind"`
	Policies []rfm.Policy `json:"policies"` // each is a body for publish-policy, as it is or changed
}

func (a *API) shippedPoliciesRoute() web.Route {
	return web.Route{
		Method: http.MethodGet, Path: "/v1/policies/rfm/shipped", Summary: "The policies that come with the program", Tag: "policies",
		Detail:  "Each may be published as it is or changed first: send it as `policy` to publish-policy.",
		Params:  []web.Param{{Name: "currency", In: "query", Type: "string", Detail: "ISO 4217; the currency the policies are to name. Default: that of the policy in force."}},
		Answers: []web.Answer{{Status: http.StatusOK, Body: ShippedPolicies{}}},
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			currency := r.URL.Query().Get("currency")
			if published := a.Writer.World.Facts().Policies[policy.KindRFM]; currency == "" && len(published) > 0 {
				currency = published[len(published)-1].RFM.Currency
			}
			var p domain.Problems
			if p.Currency("/currency", currency); p.Err() != nil {
				return p.Err()
			}
			return web.WriteJSON(w, http.StatusOK, ShippedPolicies{Kind: policy.KindRFM, Policies: rfm.Shipped(currency)})
		},
	}
}

// ShippedSegments are the segments that come with the program.
type ShippedSegments struct {
	Segments []segment.Ready `json:"segments"` // each is a body for define-segment, as it is or changed
}

func (a *API) shippedSegmentsRoute() web.Route {
	return web.Route{
		Method: http.MethodGet, Path: "/v1/segments/shipped", Summary: "The segments that come with the program", Tag: "segments",
		Detail:  "Each may be defined as it is or changed first: send it to define-segment. One that asks for others comes after them.",
		Params:  []web.Param{{Name: "label", In: "query", Type: "string", Detail: "Only those with this label, such as rfm, value or lifecycle."}},
		Answers: []web.Answer{{Status: http.StatusOK, Body: ShippedSegments{}}},
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			label, list := r.URL.Query().Get("label"), ShippedSegments{Segments: []segment.Ready{}}
			for _, s := range segment.Shipped() {
				if label == "" || slices.Contains(s.Labels, label) {
					list.Segments = append(list.Segments, s)
				}
			}
			return web.WriteJSON(w, http.StatusOK, list)
		},
	}
}

// facts returns the world, not before the position that a request names.
func (a *API) facts(r *http.Request) (Facts, error) {
	if text := r.URL.Query().Get("min_position"); text != "" {
		position, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			var p domain.Problems
			p.Add("/min_position", "must be a position of the log")
			return Facts{}, p.Err()
		}
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if a.Writer.World.WaitFor(ctx, position) != nil {
			at := a.Writer.World.Facts().Position
			return Facts{}, ErrBehind.With("position %d is not reached yet; the answer would be of %d", position, at)
		}
	}
	return a.Writer.World.Facts(), nil
}
