package readapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

// The last step of a replay is what the read models hold, to the byte.
func TestAReplayEndsWhereTheReadModelsAre(t *testing.T) {
	s := city(t, 40)
	for n := range uint64(40) {
		c := someone(n)
		lines := bytes.Split(bytes.TrimSpace(s.get("/v1/customers/"+c.String()+"/replay", "Accept", "application/x-ndjson").status(200).Body.Bytes()), []byte("\n"))
		var last struct{ Profile, RFM, Loyalty json.RawMessage }
		if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil {
			t.Fatal(err)
		}
		found, err := s.store.Together(t.Context(), []projections.Generation{{View: "profile", Number: 1}, {View: "rfm", Number: 1}, {View: "loyalty", Number: 1}},
			projections.PartitionOf(c, partitions), c)
		if err != nil {
			t.Fatal(err)
		}
		for i, replayed := range []json.RawMessage{last.Profile, last.RFM, last.Loyalty} {
			if stored := found[i].Document; !bytes.Equal(stored, replayed) && (stored != nil || string(replayed) != "null") {
				t.Errorf("customer %d: stored %s, replayed %s", n, stored, replayed)
			}
		}
	}
}

// tampered is a log in which one byte of one event is another.
type tampered struct {
	readapi.Log
	revision uint64
	change   func(*eventschema.Raw)
}

func (l tampered) Read(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Raw, error] {
	return func(yield func(eventschema.Raw, error) bool) {
		for raw, err := range l.Log.Read(ctx, stream, from) {
			if raw.Revision == l.revision {
				raw.Data, raw.Metadata = bytes.Clone(raw.Data), bytes.Clone(raw.Metadata)
				l.change(&raw)
			}
			if !yield(raw, err) {
				return
			}
		}
	}
}

func TestVerificationNamesTheFirstEventThatDoesNotFit(t *testing.T) {
	s := town(t)
	stream := customer.Stream(someone(1))
	for name, change := range map[string]func(*eventschema.Raw){
		"data":     func(e *eventschema.Raw) { e.Data[len(e.Data)-3] ^= 1 },
		"envelope": func(e *eventschema.Raw) { e.Metadata[40] ^= 1 },
		"chain":    func(e *eventschema.Raw) { e.Metadata[len(e.Metadata)-5] ^= 1 },
		"type":     func(e *eventschema.Raw) { e.Type = "customer.order_paid.v1" },
		"id":       func(e *eventschema.Raw) { e.ID[3] ^= 1 },
		"revision": func(e *eventschema.Raw) { e.Revision++ },
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			s.api.Log = tampered{s.log, 3, change}
			defer func() { s.api.Log = s.log }()
			var v readapi.HistoryVerification
			s.get("/v1/customers/" + someone(1).String() + "/history/verify").status(200).json(&v)
			if v.OK || v.Events != 3 || v.FirstBad == nil || v.FirstBad.Stream != stream || v.FirstBad.Revision != 3 {
				t.Errorf("%+v %v", v, v.FirstBad)
			}
		})
	}
}

// After an erasure a history lacks what was personal, says so, and still verifies.
func TestAHistoryVerifiesAfterAnErasure(t *testing.T) {
	s := town(t)
	path := "/v1/customers/" + someone(1).String()
	if before := s.get(path + "/history").Body.String(); !strings.Contains(before, "Archer") || !strings.Contains(before, "a typing error") {
		t.Fatal("the search finds nothing")
	}
	s.wrapped[someone(1)] = datakey.Created{} // destroyed
	for _, a := range []answer{
		s.get(path + "/history"),
		s.get(path+"/history", "Accept", "application/x-ndjson"),
		s.get(path + "/replay"),
	} {
		if body := a.status(200).Body.String(); strings.Contains(body, "Archer") || strings.Contains(body, "typing") || strings.Contains(body, "Anne") {
			t.Errorf("it is still there: %s", body)
		}
	}
	var h readapi.History
	s.get(path + "/history").json(&h)
	for _, e := range h.Events {
		if personal := e.Type == "customer.registered" || e.Type == "customer.profile_updated" || e.Type == "customer.external_id_linked"; e.Erased != personal {
			t.Errorf("%s: erased %v", e.Type, e.Erased)
		}
	}
	v, err := readapi.VerifyExport(s.get(path+"/history", "Accept", "application/x-ndjson").Body)
	if err != nil || !v.OK || v.Events != 7 {
		t.Errorf("%+v %v", v, err)
	}
}
