package audit_test

import (
	"testing"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/audit"
	. "github.com/rapport-crm/rapport/domain/customer"
)

// altered checks that a history is right, whatever is known, and that it is not with a
// change.
func altered(t *testing.T, entries []audit.Entry, code string, change func([]audit.Entry) []audit.Entry) {
	t.Helper()
	for name, r := range map[string]*audit.Rules{"policies known": rules(), "policies unknown": {Zone: berlin}, "nothing known": {}} {
		if _, found := verify(r, entries); found != nil {
			t.Errorf("%s: %v", name, found)
		}
	}
	if _, found := verify(rules(), change(entries)); found == nil || found.Code != code {
		t.Errorf("altered: %v, want %s", found, code)
	}
}

// Who leaves and comes back begins at the base: what qualified before does not count.
func TestWhoComesBackBeginsAnew(t *testing.T) {
	s := &story{t: t}
	s.on(3, 1)
	s.tell(Registered{Kind: Person, RegisteredAt: s.now})
	s.buys("A", 100)
	s.do(&LeaveProgram{})
	s.on(3, 10)
	s.do(&EnrolInProgram{})
	s.buys("B", 90)
	s.on(3, 11)
	s.buys("C", 10)
	altered(t, s.entries, "qualifying", edit(2, func(e *TierUpgraded) { e.Evaluation.From, e.Evaluation.Qualifying = domain.NewDate(2026, 1, 1), 200 }))
}

// What was spent by somebody who was erased is let go: nobody is there to pay it.
func TestAnErasedCustomerOwesNothing(t *testing.T) {
	s := &story{t: t}
	s.on(3, 1)
	s.tell(Registered{Kind: Person, RegisteredAt: s.now})
	s.buys("A", 100)
	s.do(&RedeemPoints{RedemptionID: "x", Points: 70})
	s.tell(PointsForfeited{Points: 30, From: lots("order:A:base", 30), Cause: ForfeitErased, ForfeitedAt: s.now}, PersonalDataErased{ErasedAt: s.now})
	s.on(3, 2)
	s.do(&RecordRefund{RefundID: "r", OrderID: "A", Amount: domain.Money{AmountMinor: 10000, Currency: "EUR"}})
	if b := s.state.Loyalty.Balance(); b != (Balance{}) {
		t.Errorf("there is %+v", b)
	}
	altered(t, s.entries, "deficit", edit(1, func(e *PointsEarnReversed) { e.Deficit, e.Waived = e.Waived, 0 }))
}
