package commands_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

var (
	asker    = eventschema.Actor{Kind: "user", ID: "e-17"}
	approver = eventschema.Actor{Kind: "user", ID: "e-18"}
)

// subject is what a writer tells a command, with an actor.
func subject(w *commands.Writer, id uuid.UUID, a eventschema.Actor) domain.Subject {
	s := w.World.Subject(id)
	s.Actor = a
	return s
}

func execute(t *testing.T, w *commands.Writer, r commands.Request, cmd domain.Command[customer.State, customer.Event]) commands.Result {
	t.Helper()
	result, err := commands.Execute(t.Context(), w, r, cmd)
	if err != nil {
		t.Fatalf("%s: %v", r.Name, err)
	}
	return result
}

// approve asks for an erasure and agrees to it.
func approve(t *testing.T, w *commands.Writer, id uuid.UUID) {
	t.Helper()
	execute(t, w, request("request-erasure"), customer.RequestErasure{Subject: subject(w, id, asker), Requester: customer.RequesterCustomer, Evidence: "a letter"})
	execute(t, w, request("approve-erasure"), customer.ApproveErasure{Subject: subject(w, id, approver)})
}

func rename(w *commands.Writer, id uuid.UUID, name string) customer.UpdateProfile {
	return customer.UpdateProfile{Subject: w.World.Subject(id), Name: &customer.NamePatch{Given: &name}}
}

// stored returns a customer's events as they read without the key.
func stored(t *testing.T, log commands.Log, id uuid.UUID) (events []eventschema.Event) {
	t.Helper()
	for raw, err := range log.Read(t.Context(), customer.Stream(id), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(raw, eventschema.Erased)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// Two processes know a customer. One erases them; the other, whose memory is
// older and holds the key still, stores nothing with it, whenever it comes.
func TestAStaleProcessStoresNothingWithADestroyedKey(t *testing.T) {
	log := new(memlog.Log)
	c := new(clock)
	eraser, stale, id := writer(log, c), writer(log, c), uuid.New()
	mustRegister(t, eraser, id)
	paid := noon
	o := order(eraser, id, "o1", 100)
	o.PaidAt = &paid
	execute(t, eraser, request("record-order"), o)
	before := request("update-profile")
	execute(t, stale, before, rename(stale, id, "Eve")) // warm

	refund := func(n string) customer.RecordRefund {
		return customer.RecordRefund{Subject: stale.World.Subject(id), RefundID: n, OrderID: "o1", Amount: domain.Money{AmountMinor: 10, Currency: "EUR"}}
	}
	words := refund("words")
	words.Reason = "Eve asked"
	// gone says that the other process is told that nobody is there.
	gone := func(when string) {
		t.Helper()
		n := count(t, log, customer.Stream(id))
		for name, cmd := range map[string]domain.Command[customer.State, customer.Event]{
			"a change": rename(stale, id, "Mallory"), "an order": order(stale, id, "o2", 1), "a refund in words": words,
			"a registration": customer.Register{Subject: stale.World.Subject(id), Name: customer.Name{Given: "Eve"}, Source: customer.Source{Channel: "shop"}},
		} {
			if _, err := commands.Execute(t.Context(), stale, request("x"), cmd); !errors.Is(err, customer.ErrErased) {
				t.Errorf("%s, %s: %v, want %v", when, name, err, customer.ErrErased)
			}
		}
		if now := count(t, log, customer.Stream(id)); now != n {
			t.Errorf("%s: %d events were appended", when, now-n)
		}
	}

	approve(t, eraser, id)
	gone("after the approval")
	if err := log.Destroy(t.Context(), datakey.Stream(id)); err != nil {
		t.Fatal(err)
	}
	gone("after the destruction")
	aloud := request("record-refund")
	aloud.Reason = "Eve asked for it"
	execute(t, stale, aloud, refund("r1")) // what is due is still settled
	certify := request("erase")
	execute(t, eraser, certify, customer.Erase{Subject: eraser.World.Subject(id), EventCount: 6, ChainHead: "ab", KeyIDs: []string{"k"}})
	gone("after the certificate")
	aloud.Command = uuid.New()
	execute(t, stale, aloud, refund("r2"))

	events := stored(t, log, id)
	var types []string
	approved := false
	for i, e := range events {
		types = append(types, e.Type)
		if approved = approved || e.Type == "customer.erasure_approved"; approved && (e.Erased || e.Meta.Key != "") {
			t.Errorf("event %d, %s, holds something encrypted with the key %q", i, e.Type, e.Meta.Key)
		}
	}
	if diff := cmp.Diff([]string{
		"customer.registered", "customer.order_recorded", "customer.order_paid", "customer.profile_updated", "customer.erasure_requested",
		"customer.erasure_approved", "customer.refund_recorded", "customer.personal_data_erased", "customer.refund_recorded",
	}, withoutStages(types)); diff != "" {
		t.Error(diff)
	}
	if _, n, err := eventschema.VerifyChain(log.Read(t.Context(), customer.Stream(id), 0)); err != nil || int(n) != len(events) {
		t.Errorf("the chain of %d of %d events: %v", n, len(events), err)
	}

	// What was done before is answered as before, by whoever is asked: nobody
	// knows any more what the body was.
	for name, w := range map[string]*commands.Writer{"stale": stale, "eraser": eraser, "cold": writer(log, c)} {
		result, err := commands.Execute(t.Context(), w, before, rename(w, id, "Another"))
		if err != nil || len(result.Events) != 1 || result.Events[0].Type != "customer.profile_updated" {
			t.Errorf("%s: sent again: %+v, %v", name, result, err)
		}
		if result, err := commands.Execute(t.Context(), w, certify, customer.Erase{Subject: w.World.Subject(id)}); err != nil || len(result.Events) != 1 {
			t.Errorf("%s: certified again: %+v, %v", name, result, err)
		}
		again := customer.RequestErasure{Subject: subject(w, id, asker), Requester: customer.RequesterCustomer, Evidence: "another letter"}
		if result, err := commands.Execute(t.Context(), w, request("request-erasure"), again); err != nil || result.Changed {
			t.Errorf("%s: asked again: %+v, %v", name, result, err)
		}
	}
}

// withoutStages leaves out what an order does to the stage of a customer.
func withoutStages(types []string) (rest []string) {
	for _, name := range types {
		if name != "customer.stage_entered" && name != "customer.stage_left" {
			rest = append(rest, name)
		}
	}
	return rest
}

// slowly is a log in which something happens just before an append.
type slowly struct {
	commands.Log
	once func()
}

func (l *slowly) Append(ctx context.Context, stream string, after int64, events []eventschema.Raw) (uint64, error) {
	if l.once != nil {
		f := l.once
		l.once = nil
		f()
	}
	return l.Log.Append(ctx, stream, after, events)
}

// A command that was decided before the approval is stored after it by nobody.
func TestACommandUnderWayLosesAgainstTheApproval(t *testing.T) {
	log := new(memlog.Log)
	c := new(clock)
	w, id := writer(log, c), uuid.New()
	mustRegister(t, w, id)
	slow := &slowly{Log: log}
	other := writer(slow, c)
	slow.once = func() {
		approve(t, w, id)
		if err := log.Destroy(t.Context(), datakey.Stream(id)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := commands.Execute(t.Context(), other, request("update-profile"), rename(other, id, "Mallory")); !errors.Is(err, customer.ErrErased) {
		t.Errorf("%v, want %v", err, customer.ErrErased)
	}
	if n := count(t, log, customer.Stream(id)); n != 3 {
		t.Errorf("%d events, want the registration, the request and the approval", n)
	}
}

// Over HTTP: the statuses and codes of the rights, and that an export is recorded
// for the revision it was found at.
func TestRightsOverHTTP(t *testing.T) {
	s := serve(t, "manual")
	id := uuid.New()
	path := "/v1/customers/" + id.String() + "/"
	if a := s.Post("/v1/customers", `{"customer_id":"`+id.String()+`","name":{"given":"Ada"},"source":{"channel":"shop"}}`); a.Status != 201 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for _, step := range []struct {
		command, body, actor string
		status               int
		code                 string
	}{
		{"approve-erasure", `{}`, "e-18", 409, "erasure_not_requested"},
		{"request-erasure", `{"requester":"nobody"}`, "e-17", 422, "validation_failed"},
		{"request-erasure", `{"requester":"customer","evidence":"letter"}`, "e-17", 200, ""},
		{"approve-erasure", `{}`, "e-17", 403, "four_eyes"},
		{"place-legal-hold", `{"hold_id":"LG-1","ground":"legal_claim"}`, "e-17", 200, ""},
		{"approve-erasure", `{}`, "e-18", 409, "legal_hold"},
		{"lift-legal-hold", `{"hold_id":"LG-1"}`, "e-17", 422, "validation_failed"},
		{"lift-legal-hold", `{"hold_id":"LG-2","ground":"settled"}`, "e-17", 404, "legal_hold_not_found"},
		{"refuse-erasure", `{"ground":"legal_claim"}`, "e-18", 200, ""},
		{"lift-legal-hold", `{"hold_id":"LG-1","ground":"settled"}`, "e-17", 200, ""},
		{"lift-restriction", `{"ground":"settled"}`, "e-17", 409, "not_restricted"},
		{"restrict-processing", `{"ground":"objection"}`, "e-17", 200, ""},
		{"update-profile", `{"locale":"de"}`, "e-17", 423, "processing_restricted"},
		{"lift-restriction", `{}`, "e-17", 422, "validation_failed"},
		{"lift-restriction", `{"ground":"settled"}`, "e-17", 200, ""},
		{"request-export", `{}`, "e-17", 503, "log_unavailable"},
	} {
		a := s.Post(path+step.command, step.body, "Rapport-Actor", step.actor)
		if a.Status != step.status || decode(t, a).Code != step.code {
			t.Errorf("%s %s by %s: %d %s, want %d %s", step.command, step.body, step.actor, a.Status, a.Body, step.status, step.code)
		}
	}
}

// whatever is a body of every command about a customer that nothing is wrong with.
var whatever = map[string]string{
	"register-customer": `{"customer_id":"ID","name":{"given":"Eve"},"source":{"channel":"shop"}}`, "update-profile": `{"locale":"de"}`,
	"update-demographics": `{"gender":"female"}`, "update-psychographics": `{"interests":["chess"]}`, "record-market-attitude": `{"dependency":1,"method":"survey"}`,
	"add-tag": `{"tag":"vip"}`, "remove-tag": `{"tag":"vip"}`, "set-attribute": `{"key":"size","value":1}`, "clear-attribute": `{"key":"size"}`,
	"classify-customer": `{"type":"consumer"}`, "link-external-id": `{"system":"shop","id":"1"}`, "unlink-external-id": `{"system":"shop","id":"1"}`,
	"add-contact-point": `{"type":"email","value":"eve@example.com"}`, "verify-contact-point": `{"contact_point_id":"m","method":"call"}`,
	"set-primary-contact-point": `{"contact_point_id":"m"}`, "remove-contact-point": `{"contact_point_id":"m"}`,
	"mark-contact-point-invalid": `{"contact_point_id":"m","bounce_code":"5.1.1"}`,
	"record-order":               `{"order_id":"o1","total":{"amount_minor":1,"currency":"EUR"},"placed_at":"2026-03-01T10:00:00Z"}`,
	"pay-order":                  `{"order_id":"o1"}`, "cancel-order": `{"order_id":"o1"}`,
	"record-refund": `{"refund_id":"r1","order_id":"o1","amount":{"amount_minor":1,"currency":"EUR"}}`,
	"grant-consent": `{"purpose":"marketing","channel":"email"}`, "withdraw-consent": `{}`, "set-channel-preference": `{"language":"de"}`,
	"suppress-contact": `{"scope":"all"}`, "lift-suppression": `{"id":"all"}`, "record-contact": `{"purpose":"service","channel":"visit"}`,
	"change-stage": `{"to":"converting"}`, "request-erasure": `{"requester":"customer"}`, "approve-erasure": `{}`, "refuse-erasure": `{"ground":"unfounded"}`,
	"place-legal-hold": `{"hold_id":"LG-1","ground":"legal_claim"}`, "lift-legal-hold": `{"hold_id":"LG-1","ground":"settled"}`,
	"restrict-processing": `{"ground":"objection"}`, "lift-restriction": `{"ground":"settled"}`, "request-export": `{}`,
	"assign-owner": `{"employee_id":"ann"}`, "release-to-pool": `{}`, "claim-from-pool": `{"employee_id":"ann"}`,
	"designate-key-account": `{"level":"A"}`, "revoke-key-account": `{}`, "introduce-successor": `{"channel":"phone"}`,
	"record-care-action":  `{"occasion":"birthday","year":2026,"channel":"email"}`,
	"grant-annual-reward": `{"kind":"reward","period":2025,"value":{"gift":"calendar"}}`,
	"issue-coupon":        `{"coupon_id":"K1","benefit":{"kind":"percent","percent":10},"valid_until":"2999-12-31"}`,
	"redeem-coupon":       `{"coupon_id":"K1","order_id":"o1"}`, "void-coupon": `{"coupon_id":"K1","reason":"fraud"}`,
	"enrol-in-program": `{}`, "leave-program": `{}`, "earn-points": `{"activity":"review","ref":"1"}`, "reverse-points-earn": `{"order_id":"o1","points":1}`,
	"hold-points": `{"hold_id":"h","points":1}`, "release-hold": `{"hold_id":"h"}`, "capture-hold": `{"hold_id":"h"}`,
	"redeem-points": `{"redemption_id":"r","points":1}`, "reverse-redemption": `{"redemption_id":"r"}`,
	"extend-expiry": `{"lots":["bonus:b"],"to":"2999-12-31","reason":"late"}`,
	"grant-bonus":   `{"bonus_id":"b","points":1,"reason":"waited"}`, "adjust-points": `{"adjustment_id":"a","points":1,"reason":"wrong"}`,
	"approve-points": `{"proposal_id":"a"}`, "reject-points": `{"proposal_id":"a","reason":"right"}`,
	"record-cost": `{"cost_id":"c1","kind":"service","amount":{"amount_minor":1,"currency":"EUR"}}`, "cancel-cost": `{"cost_id":"c1","reason":"typed twice"}`,
	"add-to-segment": `{"segment_id":"guests"}`, "remove-from-segment": `{"segment_id":"guests"}`,
	"override-tier": `{"tier":"gold","until":"2026-12-31","reason":"loyal"}`, "lift-tier-override": `{"reason":"wrong"}`, "evaluate-tier": `{}`,
}

// Every command there is, by the catalogue: of a restricted customer all are refused
// but a few, and of one who is being erased, or was, all but fewer.
func TestWhichCommandsTheRestrictedAndTheErasedTake(t *testing.T) {
	always := []string{"pay-order", "cancel-order", "record-refund", "withdraw-consent", "request-erasure", "approve-erasure"}
	restricted := append([]string{
		"suppress-contact", "refuse-erasure", "place-legal-hold", "lift-legal-hold", "restrict-processing", "lift-restriction", "request-export",
	}, always...)
	s := serve(t, "wall")
	at := s.register(t)
	text := strings.TrimPrefix(at, "/v1/customers/")
	id := uuid.MustParse(text)
	api := &commands.API{Writer: s.writer, Export: func(_ context.Context, of uuid.UUID) (customer.Export, error) {
		return customer.Export{Revision: int64(count(t, s.log, customer.Stream(of)) - 1), Digest: "ab"}, nil
	}}
	client := webtest.NewClient(t, web.Router(api.Routes(), web.Config{Title: "Rapport"}))
	only := func(when string, status int, code string, but []string, before func()) {
		t.Helper()
		for _, d := range commands.Catalogue {
			body, known := whatever[d.Name]
			switch {
			case !d.Group.Customer:
				continue
			case !known:
				t.Fatalf("what is a body of %s?", d.Name)
			}
			before()
			a := client.Post(strings.Replace(d.Path(), "{customer_id}", text, 1), strings.Replace(body, "ID", text, 1))
			if taken := slices.Contains(but, d.Name); taken && (a.Status == 410 || a.Status == 423) || !taken && (a.Status != status || decode(t, a).Code != code) {
				t.Errorf("%s %s: %d %s", d.Name, when, a.Status, a.Body)
			}
		}
	}
	only("of the restricted", 423, "processing_restricted", restricted, func() {
		if a := client.Post(at+"/restrict-processing", `{"ground":"accuracy_contested"}`); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	})
	approve(t, s.writer, id)
	only("after the approval", 410, "customer_erased", always, func() {})
	if err := s.log.Destroy(t.Context(), datakey.Stream(id)); err != nil {
		t.Fatal(err)
	}
	only("without the key", 410, "customer_erased", always, func() {})
	execute(t, s.writer, request("erase"), customer.Erase{Subject: s.writer.World.Subject(id), EventCount: 5, ChainHead: "ab", KeyIDs: []string{"k"}})
	only("of the erased", 410, "customer_erased", always, func() {})
}

// An export is recorded behind the very event it ends with, also when the
// customer moves on meanwhile.
func TestAnExportIsRecordedAtItsRevision(t *testing.T) {
	log := new(memlog.Log)
	c := new(clock)
	w, id := writer(log, c), uuid.New()
	mustRegister(t, w, id)
	meanwhile := 2
	api := &commands.API{Writer: w, Export: func(_ context.Context, of uuid.UUID) (customer.Export, error) {
		export := customer.Export{Revision: int64(count(t, log, customer.Stream(of)) - 1), Digest: "ab"}
		if meanwhile > 0 {
			meanwhile--
			execute(t, w, request("record-order"), order(w, of, []string{"a", "b"}[meanwhile], 1))
		}
		return export, nil
	}}
	client := webtest.NewClient(t, web.Router(api.Routes(), web.Config{Title: "Rapport"}))
	path := "/v1/customers/" + id.String() + "/request-export"
	key := uuid.NewString()
	for range 2 {
		if a := client.Post(path, `{}`, "Idempotency-Key", key); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	events := stored(t, log, id)
	last := events[len(events)-1]
	want := customer.PersonalDataExported{Format: customer.FormatJSON, Revision: int64(last.Revision) - 1, Digest: "ab", ExportedAt: last.Meta.OccurredAt}
	if diff := cmp.Diff(want, last.Data); diff != "" {
		t.Error(diff)
	}
	exports := 0
	for _, e := range events {
		if e.Type == "customer.personal_data_exported" {
			exports++
		}
	}
	if exports != 1 {
		t.Errorf("one export was recorded %d times", exports)
	}
	for _, c := range []struct {
		path, body, match string
		status            int
	}{
		{path, `{}`, `"0"`, 412},
		{path, `{}`, fmt.Sprintf("%q", fmt.Sprint(len(events)-1)), 200},
		{path, `{"format":"pdf"}`, "*", 422},
		{"/v1/customers/" + uuid.NewString() + "/request-export", `{}`, "*", 404},
	} {
		if a := client.Post(c.path, c.body, "If-Match", c.match); a.Status != c.status {
			t.Errorf("%s %s if it is %s: %d %s, want %d", c.path, c.body, c.match, a.Status, a.Body, c.status)
		}
	}
}
