package commands_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/eventschema"
)

func TestStagesOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	at := s.register(t) + "/"
	for _, step := range []struct{ command, body, want string }{
		{"change-stage", `{"to":"potential"}`, "200 unchanged"},
		{"change-stage", `{"to":"at_risk"}`, "409 stage_not_allowed"},
		{"change-stage", `{"to":"active"}`, "409 stage_needs_order"},
		{"change-stage", `{"to":"active","override":true}`, "422 validation_failed /reason_code"},
		{"change-stage", `{"to":"dormant"}`, "422 validation_failed /to"},
		{"change-stage", `{}`, "422 validation_failed /to"},
		{"change-stage", `{"to":"converting","reason_code":"trial","note":"asked for a demo"}`, "200 stage_entered"},
		{"change-stage", `{"to":"converting"}`, "200 unchanged"},
		{"record-order", `{"order_id":"o1","total":{"amount_minor":100,"currency":"EUR"},"placed_at":"2026-03-01T09:00:00Z","paid_at":"2026-03-01T09:05:00Z"}`, "201 order_recorded order_paid stage_entered"},
		{"record-order", `{"order_id":"o2","total":{"amount_minor":100,"currency":"EUR"},"placed_at":"2026-03-01T09:00:00Z"}`, "201 order_recorded"},
		{"pay-order", `{"order_id":"o2"}`, "200 order_paid"},
		{"change-stage", `{"to":"churned"}`, "422 validation_failed /reason_code"},
		{"change-stage", `{"to":"churned","reason_code":"moved"}`, "200 stage_entered"},
		{"change-stage", `{"to":"active","reason_code":"back","override":true}`, "409 stage_needs_order"},
		{"change-stage", `{"to":"reactivating","reason_code":"campaign"}`, "200 stage_entered"},
		{"cancel-order", `{"order_id":"o2"}`, "200 order_cancelled"},
		{"assess-stage", `{}`, "404 not_found"}, // nobody sends it
	} {
		if got := told(t, s.Post(at+step.command, step.body)); got != step.want {
			t.Errorf("%s %s: %s, want %s", step.command, step.body, got, step.want)
		}
	}
	nobody := "/v1/customers/" + uuid.NewString() + "/change-stage"
	if got := told(t, s.Post(nobody, `{"to":"converting"}`)); got != "404 customer_not_found" {
		t.Error(got)
	}
}

// A move that a policy decides names its version; one of a person names none.
func TestAMoveNamesThePolicy(t *testing.T) {
	s := serve(t, deployment.Wall)
	at := s.register(t) + "/"
	s.Post(at+"change-stage", `{"to":"converting"}`)
	s.Post(at+"record-order", `{"order_id":"o1","total":{"amount_minor":100,"currency":"EUR"},"placed_at":"2025-06-01T09:00:00Z","paid_at":"2025-06-01T09:05:00Z"}`)
	type move struct {
		To, Trigger string
		Version     int
		Policies    []domain.PolicyRef
	}
	var got []move
	id := uuid.MustParse(at[len("/v1/customers/") : len(at)-1])
	key := dataKey(t, s.log, id)
	for raw, err := range s.log.Read(t.Context(), customer.Stream(id), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(raw, key)
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := e.Data.(customer.StageEntered); ok {
			got = append(got, move{m.Stage, m.Trigger, m.PolicyVersion, e.Meta.Policies})
		}
	}
	standard := []domain.PolicyRef{{Kind: policy.KindLifecycle, Version: 1}}
	if diff := cmp.Diff([]move{
		{"converting", customer.TriggerManual, 0, nil}, {"active", customer.TriggerLateOrder, 1, standard},
		{"at_risk", customer.TriggerLateOrder, 1, standard}, {"churned", customer.TriggerLateOrder, 1, standard},
	}, got); diff != "" {
		t.Error(diff)
	}
}
