package customer_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/domaintest"
)

var (
	clerk   = domain.Actor{Kind: "user", ID: "e-17", Asserted: true}
	officer = domain.Actor{Kind: "user", ID: "e-18", Asserted: true}

	asked     = ErasureRequested{Scope: ScopeAll, Requester: RequesterCustomer, Evidence: "letter", RequestedBy: clerk, RequestedAt: noon, Deadline: today + 30}
	approved  = ErasureApproved{ApprovedBy: officer, ApprovedAt: noon}
	turned    = ErasureRefused{Ground: "legal_obligation", RefusedBy: officer, RefusedAt: noon}
	held      = LegalHoldPlaced{HoldID: "LG-1", Ground: "legal_claim", PlacedBy: clerk, PlacedAt: noon}
	lifted    = LegalHoldLifted{HoldID: "LG-1", Ground: "claim_settled", LiftedBy: clerk, LiftedAt: noon}
	locked    = ProcessingRestricted{Ground: "accuracy_contested", RestrictedAt: noon}
	unlocked  = RestrictionLifted{Ground: "accuracy_verified", LiftedAt: noon}
	erasedNow = PersonalDataErased{
		Requester: RequesterCustomer, RequestedAt: noon, RequestedBy: clerk, ApprovedAt: noon, ApprovedBy: officer,
		EventCount: 3, ChainHead: "ab", KeyIDs: []string{"k"}, ReadModels: []string{"profile"}, ErasedAt: noon,
	}
	done = ErasureCompleted{Store: StoreCompacted, ReadModels: RedisRewritten, CompletedAt: noon}
)

// as returns the subject with an actor.
func as(a domain.Actor) domain.Subject {
	s := at
	s.Actor = a
	return s
}

func TestRequestErasure(t *testing.T) {
	cmd := RequestErasure{Subject: as(clerk), Requester: RequesterCustomer, Evidence: "letter"}
	yesterday := noon.Add(-time.Hour)
	run(t, []spec{
		{Name: "the request has a deadline of 30 days", Given: []Event{registered}, When: cmd, Then: []Event{asked}},
		{Name: "or another, counted from the day it was asked", Given: []Event{registered},
			When: with(cmd, func(c *RequestErasure) {
				c.RequestedAt, c.DeadlineDays, c.Scope, c.Requester = &yesterday, ptr(60), ScopeAll, RequesterAuthority
			}),
			Then: []Event{ErasureRequested{Scope: ScopeAll, Requester: RequesterAuthority, Evidence: "letter", RequestedBy: clerk, RequestedAt: yesterday, Deadline: today + 60}}},
		{Name: "under a legal hold it is recorded, too: the deadline runs", Given: []Event{registered, held}, When: cmd, Then: []Event{asked}},
		{Name: "under a restriction", Given: []Event{registered, locked}, When: cmd, Then: []Event{asked}},
		{Name: "again after a refusal", Given: []Event{registered, asked, turned}, When: cmd, Then: []Event{asked}},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "one is waiting", Given: []Event{registered, asked}, When: cmd},
		{Name: "one is being done", Given: []Event{registered, asked, approved}, When: with(cmd, func(c *RequestErasure) { c.Evidence = "" })},
		{Name: "it is done", Given: []Event{registered, asked, approved, erasedNow}, When: cmd},
		{Name: "it is completed", Given: []Event{registered, asked, approved, erasedNow, done}, When: cmd},
		{Name: "wrong fields", Given: []Event{registered}, Error: domain.ErrValidation,
			When:   RequestErasure{Subject: as(clerk), Scope: "some", Requester: "me", Evidence: "\x00", RequestedAt: ptr(placed.Add(-time.Hour)), DeadlineDays: ptr(91)},
			Fields: []string{"/scope", "/requester", "/evidence", "/deadline_days", "/requested_at"}},
		{Name: "nobody asks", Given: []Event{registered}, When: RequestErasure{Subject: as(clerk), DeadlineDays: ptr(0)},
			Error: domain.ErrValidation, Fields: []string{"/requester", "/deadline_days"}},
	})
}

func TestApproveErasure(t *testing.T) {
	cmd := ApproveErasure{Subject: as(officer)}
	run(t, []spec{
		{Name: "by somebody else", Given: []Event{registered, asked}, When: cmd, Then: []Event{approved}},
		{Name: "with a note, under a restriction", Given: []Event{registered, asked, locked}, When: with(cmd, func(c *ApproveErasure) { c.Note = "seen" }),
			Then: []Event{ErasureApproved{ApprovedBy: officer, Note: "seen", ApprovedAt: noon}}},
		{Name: "after the hold was lifted", Given: []Event{registered, held, asked, lifted}, When: cmd, Then: []Event{approved}},
		{Name: "by who requested it", Given: []Event{registered, asked}, When: with(cmd, func(c *ApproveErasure) { c.Subject = as(clerk) }), Error: ErrFourEyes},
		{Name: "by who requested it, checked or not", Given: []Event{registered, asked}, Error: ErrFourEyes,
			When: with(cmd, func(c *ApproveErasure) { c.Subject = as(domain.Actor{Kind: "user", ID: "e-17"}) })},
		{Name: "under a legal hold", Given: []Event{registered, asked, held}, When: cmd, Error: ErrLegalHold},
		{Name: "nothing requested", Given: []Event{registered}, When: cmd, Error: ErrErasureNotRequested},
		{Name: "refused", Given: []Event{registered, asked, turned}, When: cmd, Error: ErrErasureNotRequested},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "approved before", Given: []Event{registered, asked, approved}, When: cmd},
		{Name: "done before", Given: []Event{registered, asked, approved, erasedNow}, When: cmd},
		{Name: "wrong fields", Given: []Event{registered, asked}, When: with(cmd, func(c *ApproveErasure) { c.Note = "\x00" }), Error: domain.ErrValidation, Fields: []string{"/note"}},
	})
}

func TestRefuseErasure(t *testing.T) {
	cmd := RefuseErasure{Subject: as(officer), Ground: "legal_obligation"}
	run(t, []spec{
		{Name: "on a ground", Given: []Event{registered, asked}, When: cmd, Then: []Event{turned}},
		{Name: "under a restriction, with a note", Given: []Event{registered, asked, locked}, When: with(cmd, func(c *RefuseErasure) { c.Note = "invoices" }),
			Then: []Event{ErasureRefused{Ground: "legal_obligation", Note: "invoices", RefusedBy: officer, RefusedAt: noon}}},
		{Name: "on the same ground again", Given: []Event{registered, asked, turned}, When: cmd},
		{Name: "nothing requested", Given: []Event{registered}, When: cmd, Error: ErrErasureNotRequested},
		{Name: "refused on another ground", Given: []Event{registered, asked, turned}, When: with(cmd, func(c *RefuseErasure) { c.Ground = "unfounded" }), Error: ErrErasureNotRequested},
		{Name: "approved", Given: []Event{registered, asked, approved}, When: cmd, Error: ErrErased},
		{Name: "done", Given: []Event{registered, asked, approved, erasedNow}, When: cmd, Error: ErrErased},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "without a ground", Given: []Event{registered, asked}, When: with(cmd, func(c *RefuseErasure) { c.Ground = "" }), Error: domain.ErrValidation, Fields: []string{"/ground"}},
		{Name: "wrong fields", Given: []Event{registered, asked}, When: with(cmd, func(c *RefuseErasure) { c.Ground, c.Note = "she is Ada", "\x00" }),
			Error: domain.ErrValidation, Fields: []string{"/ground", "/note"}},
	})
}

func TestEraseAndComplete(t *testing.T) {
	erase := Erase{Subject: at, EventCount: 3, ChainHead: "ab", KeyIDs: []string{"k"}, ReadModels: []string{"profile"}}
	complete := CompleteErasure{Subject: at, Store: StoreCompacted, ReadModels: RedisRewritten}
	run(t, []spec{
		{Name: "the certificate", Given: []Event{registered, asked, approved}, When: erase, Then: []Event{erasedNow}},
		{Name: "also under a restriction", Given: []Event{registered, locked, asked, approved}, When: erase, Then: []Event{erasedNow}},
		{Name: "not approved", Given: []Event{registered, asked}, When: erase, Error: ErrErasureNotApproved},
		{Name: "certified", Given: []Event{registered, asked, approved, erasedNow}, When: erase},
		{Name: "its completion", Given: []Event{registered, asked, approved, erasedNow}, When: complete, Then: []Event{done}},
		{Name: "not erased", Given: []Event{registered, asked, approved}, When: complete, Error: ErrErasureNotApproved},
		{Name: "completed", Given: []Event{registered, asked, approved, erasedNow, done}, When: complete},
	})
}

func TestLegalHolds(t *testing.T) {
	place := PlaceLegalHold{Subject: as(clerk), HoldID: "LG-1", Ground: "legal_claim"}
	lift := LiftLegalHold{Subject: as(clerk), HoldID: "LG-1", Ground: "claim_settled"}
	many := []Event{registered}
	for n := range 20 {
		many = append(many, LegalHoldPlaced{HoldID: string(rune('a' + n)), Ground: "legal_claim", PlacedBy: clerk, PlacedAt: noon})
	}
	run(t, []spec{
		{Name: "placed", Given: []Event{registered}, When: place, Then: []Event{held}},
		{Name: "placed under a restriction, with a note", Given: []Event{registered, locked}, When: with(place, func(c *PlaceLegalHold) { c.Note = "Ada v us" }),
			Then: []Event{LegalHoldPlaced{HoldID: "LG-1", Ground: "legal_claim", Note: "Ada v us", PlacedBy: clerk, PlacedAt: noon}}},
		{Name: "placed beside another", Given: []Event{registered, held}, When: with(place, func(c *PlaceLegalHold) { c.HoldID = "LG-2" }),
			Then: []Event{LegalHoldPlaced{HoldID: "LG-2", Ground: "legal_claim", PlacedBy: clerk, PlacedAt: noon}}},
		{Name: "placed again", Given: []Event{registered, held}, When: place},
		{Name: "placed again after it was lifted", Given: []Event{registered, held, lifted}, When: place, Then: []Event{held}},
		{Name: "one id, two grounds", Given: []Event{registered, held}, When: with(place, func(c *PlaceLegalHold) { c.Ground = "tax_audit" }), Error: ErrHoldExists},
		{Name: "too many", Given: many, When: place, Error: ErrTooManyHolds},
		{Name: "nobody to hold", When: place, Error: ErrNotFound},
		{Name: "after the approval", Given: []Event{registered, asked, approved}, When: place, Error: ErrErased},
		{Name: "wrong fields of a hold", Given: []Event{registered}, When: with(place, func(c *PlaceLegalHold) { c.HoldID, c.Ground, c.Note = "Ada's", "", "\x00" }),
			Error: domain.ErrValidation, Fields: []string{"/hold_id", "/ground", "/note"}},
		{Name: "lifted", Given: []Event{registered, held}, When: lift, Then: []Event{lifted}},
		{Name: "lifted under a restriction, with a note", Given: []Event{registered, held, locked}, When: with(lift, func(c *LiftLegalHold) { c.Note = "agreed" }),
			Then: []Event{LegalHoldLifted{HoldID: "LG-1", Ground: "claim_settled", Note: "agreed", LiftedBy: clerk, LiftedAt: noon}}},
		{Name: "lifted without a ground", Given: []Event{registered, held}, When: with(lift, func(c *LiftLegalHold) { c.Ground = "" }), Error: domain.ErrValidation, Fields: []string{"/ground"}},
		{Name: "lifted twice", Given: []Event{registered, held, lifted}, When: lift, Error: ErrHoldNotFound},
		{Name: "nobody to lift of", When: lift, Error: ErrNotFound},
		{Name: "wrong fields of a lifting", Given: []Event{registered, held}, When: LiftLegalHold{Subject: as(clerk), Note: "\x00"},
			Error: domain.ErrValidation, Fields: []string{"/hold_id", "/ground", "/note"}},
	})
}

func TestRestriction(t *testing.T) {
	restrict := RestrictProcessing{Subject: as(clerk), Ground: "accuracy_contested"}
	lift := LiftRestriction{Subject: as(clerk), Ground: "accuracy_verified"}
	run(t, []spec{
		{Name: "restricted", Given: []Event{registered}, When: restrict, Then: []Event{locked}},
		{Name: "with a note", Given: []Event{registered, locked, unlocked}, When: with(restrict, func(c *RestrictProcessing) { c.Note = "says so" }),
			Then: []Event{ProcessingRestricted{Ground: "accuracy_contested", Note: "says so", RestrictedAt: noon}}},
		{Name: "restricted before", Given: []Event{registered, locked}, When: restrict},
		{Name: "nobody to restrict", When: restrict, Error: ErrNotFound},
		{Name: "after an erasure", Given: []Event{registered, asked, approved, erasedNow}, When: restrict, Error: ErrErased},
		{Name: "without a ground", Given: []Event{registered}, When: RestrictProcessing{Subject: as(clerk), Note: "\x00"}, Error: domain.ErrValidation, Fields: []string{"/ground", "/note"}},
		{Name: "lifted", Given: []Event{registered, locked}, When: lift, Then: []Event{unlocked}},
		{Name: "lifted with a note", Given: []Event{registered, locked}, When: with(lift, func(c *LiftRestriction) { c.Note = "corrected" }),
			Then: []Event{RestrictionLifted{Ground: "accuracy_verified", Note: "corrected", LiftedAt: noon}}},
		{Name: "lifted without a ground", Given: []Event{registered, locked}, When: LiftRestriction{Subject: as(clerk), Note: "\x00"}, Error: domain.ErrValidation, Fields: []string{"/ground", "/note"}},
		{Name: "nothing to lift", Given: []Event{registered}, When: lift, Error: ErrNotRestricted},
		{Name: "nobody to lift of", When: lift, Error: ErrNotFound},
	})
}

func TestRequestExport(t *testing.T) {
	cmd := RequestExport{Subject: as(clerk), Export: Export{Revision: 4, Digest: "ab"}}
	handed := PersonalDataExported{Format: FormatJSON, Revision: 4, Digest: "ab", ExportedAt: noon}
	run(t, []spec{
		{Name: "recorded", Given: []Event{registered}, When: cmd, Then: []Event{handed}},
		{Name: "each time", Given: []Event{registered, handed}, When: with(cmd, func(c *RequestExport) { c.Format = FormatJSON }), Then: []Event{handed}},
		{Name: "also under a restriction", Given: []Event{registered, locked}, When: cmd, Then: []Event{handed}},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "after an erasure", Given: []Event{registered, asked, approved, erasedNow}, When: cmd, Error: ErrErased},
		{Name: "another format", Given: []Event{registered}, When: with(cmd, func(c *RequestExport) { c.Format = "text/csv" }), Error: domain.ErrValidation, Fields: []string{"/format"}},
	})
}

// What is taken of a restricted and of an erased customer.
func TestAdmitted(t *testing.T) {
	erasing := []Event{registered, ordered, orderPaid, asked, approved}
	erased := append(erasing[:len(erasing):len(erasing)], erasedNow)
	refund := RecordRefund{Subject: at, RefundID: "r1", OrderID: "o1", Amount: eur(300)}
	words := with(refund, func(c *RecordRefund) { c.Reason = "Ada asked" })
	order := RecordOrder{Subject: at, OrderID: "o2", Total: eur(100), PlacedAt: placed}
	rename := UpdateProfile{Subject: at, Locale: ptr("de")}
	for _, c := range []struct {
		name  string
		given []Event
		when  domain.Command[State, Event]
		err   error
	}{
		{"a change of the restricted", []Event{registered, locked}, rename, ErrRestricted},
		{"an order of the restricted", []Event{registered, locked}, order, ErrRestricted},
		{"a refund of the restricted, in words", []Event{registered, ordered, orderPaid, locked}, words, nil},
		{"a change after the restriction", []Event{registered, locked, unlocked}, rename, nil},
		{"a change after the approval", erasing, rename, ErrErased},
		{"an order after the approval", erasing, order, ErrErased},
		{"a registration of the erased", erased, Register{Subject: at, Name: Name{Given: "Ada"}, Source: Source{Channel: "shop"}}, ErrErased},
		{"a change of the erased", erased, rename, ErrErased},
		{"an order of the erased", erased, order, ErrErased},
		{"a refund of the erased", erased, refund, nil},
		{"a refund of the erased, in words", erased, words, ErrErased},
		{"a refund after the approval, in words", erasing, words, ErrErased},
		{"a cancellation of the erased, in words", erased, CancelOrder{Subject: at, OrderID: "o1", Reason: "Ada asked"}, ErrErased},
		{"a payment of the erased", []Event{registered, ordered, asked, approved, erasedNow}, PayOrder{Subject: at, OrderID: "o1"}, nil},
		{"a cancellation of the erased", []Event{registered, ordered, asked, approved, erasedNow}, CancelOrder{Subject: at, OrderID: "o1"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s State
			for _, e := range c.given {
				s = s.Evolve(e)
			}
			if c.err == nil {
				if _, err := domain.Decide(s, c.when); err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			domaintest.Run(t, []spec{{Name: "refused", Given: c.given, When: c.when, Error: c.err}})
		})
	}
}

// The part shows what became of it all, and a part shown before stays as it was.
func TestRightsFold(t *testing.T) {
	var x Rights
	fold := func(e Event) { x.Fold(Record{Event: e, ID: id}) }
	fold(held)
	fold(locked)
	fold(PersonalDataExported{Format: FormatJSON, Revision: 4, Digest: "ab", ExportedAt: noon})
	fold(asked)
	requested := x
	want := Rights{
		Restricted: true, Restriction: &Restriction{Since: noon, Ground: "accuracy_contested", Event: id},
		LegalHolds: []LegalHold{{HoldID: "LG-1", Ground: "legal_claim", Since: noon, Event: id}},
		Erasure: &Erasure{
			State: ErasureStateRequested, Scope: ScopeAll, Requester: RequesterCustomer,
			RequestedAt: noon, RequestedBy: clerk, Deadline: today + 30, Request: id,
		},
		Exports: 1, ExportedAt: noon,
	}
	if diff := cmp.Diff(want, requested); diff != "" {
		t.Errorf("requested (-want +got):\n%s", diff)
	}
	fold(lifted)
	fold(approved)
	fold(erasedNow)
	fold(done)
	if diff := cmp.Diff(want, requested); diff != "" {
		t.Errorf("what was shown before has changed (-want +got):\n%s", diff)
	}
	want = Rights{
		Erased: true, ErasedAt: noon, Exports: 1, ExportedAt: noon,
		Erasure: &Erasure{
			State: ErasureStateCompleted, Scope: ScopeAll, Requester: RequesterCustomer,
			RequestedAt: noon, RequestedBy: clerk, Deadline: today + 30, Request: id,
			ApprovedAt: noon, ApprovedBy: officer, Approval: id,
			Certificate: &Certificate{
				EventCount: 3, ChainHead: "ab", KeyIDs: []string{"k"}, PurgedReadModels: []string{"profile"}, ErasedAt: noon, Backups: BackupsHoldKey, Event: id,
				Store: StoreCompacted, ReadModels: RedisRewritten, CompletedAt: noon, Completion: id,
			},
		},
	}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Errorf("completed (-want +got):\n%s", diff)
	}
	x = Rights{}
	fold(asked)
	fold(turned)
	if x.Erasure.State != ErasureStateRefused || x.Erasure.Ground != "legal_obligation" || x.Erasure.RefusedBy != officer || x.Erasing() {
		t.Errorf("refused: %+v", x.Erasure)
	}
}
