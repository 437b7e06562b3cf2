package readapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections/segments"
)

// SegmentLanguage is what rules can be made of.
type SegmentLanguage struct {
	segment.Doc
	Events      []RuleEvent      `json:"events"`      // for events("name"), by name
	Measures    []string         `json:"measures"`    // for percentile("measure")
	Bands       []string         `json:"bands"`       // of value.band
	Attributes  []RuleAttribute  `json:"attributes"`  // of this deployment, by key
	Segments    []RuleSegment    `json:"segments"`    // for in_segment("id"), by id
	Clusterings []RuleClustering `json:"clusterings"` // for cluster("id"), by id
	Stamp
}

// RuleEvent is a type of event that a rule can ask for.
type RuleEvent struct {
	Name   string           `json:"name"`
	Fields []segments.Field `json:"fields"`
}

// RuleAttribute is an attribute of the deployment's own.
type RuleAttribute struct {
	Key     string   `json:"key"`
	Type    string   `json:"type"`
	Enum    []string `json:"enum,omitempty"`
	Label   string   `json:"label,omitempty"`
	Retired bool     `json:"retired,omitempty"` // customers have their values still
}

// RuleSegment is a segment that a rule can ask for.
type RuleSegment struct {
	ID   string `json:"segment_id"`
	Name string `json:"name"`
}

// RuleClustering is a clustering that a rule can ask for.
type RuleClustering struct {
	ID       string        `json:"cluster_id"`
	Clusters []RuleCluster `json:"clusters"` // by number
}

// RuleCluster is a cluster as the fit that stands describes it.
type RuleCluster struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
}

func (a *API) segmentLanguage(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	least := p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	o, err := a.across(r.Context(), segments.Name, least)
	if err != nil {
		return err
	}
	schema, err := a.attributes(r.Context())
	if err != nil {
		return err
	}
	answer := SegmentLanguage{
		Doc: segment.Language(), Events: ruleEvents(), Measures: value.MeasureNames[:], Bands: value.Bands,
		Attributes: []RuleAttribute{}, Segments: []RuleSegment{}, Clusterings: []RuleClustering{}, Stamp: o.stamp(),
	}
	for _, x := range schema.All() {
		answer.Attributes = append(answer.Attributes, RuleAttribute{x.Key, x.Type, x.Enum, x.Label, x.Retired})
	}
	for _, is := range o.world.Segments.All() {
		if !is.Archived {
			answer.Segments = append(answer.Segments, RuleSegment{is.ID, is.Name})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(o.world.Clusters)) {
		one := RuleClustering{ID: id, Clusters: []RuleCluster{}}
		for _, c := range o.world.Clusters[id].Clusters {
			one.Clusters = append(one.Clusters, RuleCluster{c.Number, c.Name})
		}
		answer.Clusterings = append(answer.Clusterings, one)
	}
	return writeJSON(w, answer.Stamp, answer)
}

// EventFields tells the fields of a type of event that rules can ask for, by name, and
// what they are, as segment.Definition.KnowsFields.
func EventFields(event string) map[string]string { return eventFields()[event] }

var eventFields = sync.OnceValue(func() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, e := range ruleEvents() {
		all[e.Name] = map[string]string{}
		for _, f := range e.Fields {
			all[e.Name][f.Name] = f.Type
		}
	}
	return all
})

// ruleEvents returns the types of events of customers, by name.
func ruleEvents() []RuleEvent {
	list := []RuleEvent{}
	for _, t := range eventschema.Events.Types() {
		if isCustomerEvent(t.Name) {
			list = append(list, RuleEvent{t.Name, append([]segments.Field{}, segments.FieldsOf(t.Name, t.Go)...)})
		}
	}
	slices.SortFunc(list, func(a, b RuleEvent) int { return strings.Compare(a.Name, b.Name) })
	return list
}
