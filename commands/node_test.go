package commands_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esdb"
	"github.com/rapport-crm/rapport/internal/esnode/esnodetest"
)

// node is a log in an embedded node, through the official client.
func node(t testing.TB) *esdb.Store {
	t.Helper()
	address, _ := esnodetest.Start(t)
	store, err := esdb.Open(esdb.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func TestFiftyRegistrationsOfOneExternalIDThroughTheNode(t *testing.T) {
	registerFifty(t, node(t))
}

// The same bulk request twice, the second time in a new process: nothing new.
func TestBulkThroughTheNodeTwice(t *testing.T) {
	log := node(t)
	var body strings.Builder
	for i := range 200 {
		id := uuid.NewString()
		fmt.Fprintf(&body, `{"command":"register-customer","id":"c%d","body":{"customer_id":%q,"source":{"channel":"import"},"external_ids":[{"system":"shop","id":"%d"}]}}`+"\n", i, id, i)
		for n := range 3 {
			fmt.Fprintf(&body, `{"command":"record-order","customer_id":%q,"id":"o%d","body":{"order_id":"%d","total":{"amount_minor":%d,"currency":"EUR"},"placed_at":"2026-03-01T10:00:00Z"}}`+"\n", id, n, n, i)
		}
	}
	var first []commands.LineAnswer
	for run := range 2 {
		s := serveLog(t, log, deployment.Manual)
		got := s.bulk(t, body.String())
		if len(got) != 800 {
			t.Fatalf("%d answers", len(got))
		}
		for i, l := range got {
			if l.Status != 201 || run == 1 && (*l.Position != *first[i].Position || l.Events[0] != first[i].Events[0]) {
				t.Fatalf("run %d, line %d: %+v", run, l.Line, l)
			}
		}
		first = got
	}
	id := *first[0].CustomerID
	if _, n, err := eventschema.VerifyChain(log.Read(t.Context(), customer.Stream(id), 0)); err != nil || n != 5 {
		t.Errorf("%d events, %v", n, err)
	}
}
