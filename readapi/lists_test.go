package readapi_test

import (
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/readapi"
)

// On whose lists a customer stands is told of the customer, then and now, and which
// event put them there or took them off.
func TestListsOfSegmentsAreFields(t *testing.T) {
	s := newShop(t)
	c := someone(1)
	s.append(segment.Stream("guests"), c, segment.Defined{SegmentID: "guests", Kind: segment.Static, Name: "Guests"})
	s.register(c, customer.Name{Given: "Ann"}, "web")
	s.customer(c, customer.AddedToSegment{SegmentID: "guests", AddedAt: s.clock})
	added := s.events[len(s.events)-1].ID
	s.customer(c, customer.AddedToSegment{SegmentID: "friends", AddedAt: s.clock})
	s.customer(c, customer.RemovedFromSegment{SegmentID: "guests", RemovedAt: s.clock})
	s.project()
	path := "/v1/customers/" + c.String()
	for query, want := range map[string]string{"": `"lists":["friends"]`, "?revision=1": `"lists":["guests"]`, "?revision=2": `"lists":["friends","guests"]`} {
		if body := s.get(path + query).status(200).Body.String(); !strings.Contains(strings.Join(strings.Fields(body), ""), want) {
			t.Errorf("%s: %s, want %s", query, body, want)
		}
	}
	var h readapi.History
	s.get(path + "/history?module=segments").status(200).json(&h)
	var told []string
	for _, e := range h.Events {
		for _, x := range e.Changes {
			told = append(told, strings.TrimPrefix(e.Type, "customer.")+" "+x.Field+" "+string(x.Was)+" "+string(x.Became))
		}
	}
	if got, want := strings.Join(told, "\n"), `added_to_segment lists[guests] null "guests"
added_to_segment lists[friends] null "friends"
removed_from_segment lists[guests] "guests" null`; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	var d readapi.Diff
	s.get(path + "/diff?from=0&to=1&module=segments").status(200).json(&d)
	if len(d.Changes) != 1 || d.Changes[0].Field != "lists[guests]" || d.Changes[0].Module != "segments" || len(d.Changes[0].Events) != 1 || d.Changes[0].Events[0] != added {
		t.Errorf("%+v", d.Changes)
	}
}
