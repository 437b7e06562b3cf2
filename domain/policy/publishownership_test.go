package policy_test

import (
	"testing"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/portfolio"
)

func TestPublishOwnership(t *testing.T) {
	standard := portfolio.Default()
	first := Published{Kind: KindOwnership, Version: 1, EffectiveFrom: Always, Ownership: &standard}
	strict := portfolio.Policy{Name: "strict", ClaimCoolDownDays: 90}
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{Name: "the first version", When: PublishOwnership{Policy: standard}, Then: []Event{first}},
		{Name: "the next one", Given: []Event{first}, When: PublishOwnership{Policy: strict}, Then: []Event{Published{Kind: KindOwnership, Version: 2, EffectiveFrom: Always, Ownership: &strict}}},
		{Name: "the current one", Given: []Event{first}, When: PublishOwnership{Policy: standard}},
		{Name: "an impossible one", When: PublishOwnership{Policy: portfolio.Policy{ClaimCoolDownDays: -1}}, Error: domain.ErrValidation, Fields: []string{"/policy/name", "/policy/claim_cool_down_days"}},
	})
}
