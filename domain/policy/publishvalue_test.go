package policy_test

import (
	"testing"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/value"
)

func TestPublishValue(t *testing.T) {
	standard := value.Default("EUR")
	first := Published{Kind: KindValue, Version: 1, EffectiveFrom: Always, Value: &standard}
	quarter := value.Policy{Currency: "EUR", WindowDays: 90, TopPercent: 1, MiddlePercent: 98}
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{Name: "the first version", When: PublishValue{Policy: standard}, Then: []Event{first}},
		{Name: "the next one", Given: []Event{first}, When: PublishValue{Policy: quarter}, Then: []Event{Published{Kind: KindValue, Version: 2, EffectiveFrom: Always, Value: &quarter}}},
		{Name: "the current one", Given: []Event{first}, When: PublishValue{Policy: standard}},
		{Name: "nothing", When: PublishValue{}, Error: domain.ErrValidation, Fields: []string{"/policy/currency", "/policy/window_days", "/policy/top_percent", "/policy/middle_percent"}},
		{
			Name: "an impossible one", Error: domain.ErrValidation, Fields: []string{"/policy/window_days", "/policy/top_percent", "/policy/middle_percent"},
			When: PublishValue{Policy: value.Policy{Currency: "EUR", WindowDays: 36501, TopPercent: 99, MiddlePercent: -1}},
		},
		{
			Name: "no base", Error: domain.ErrValidation, Fields: []string{"/policy/middle_percent"},
			When: PublishValue{Policy: value.Policy{Currency: "EUR", WindowDays: 1, TopPercent: 50, MiddlePercent: 50}},
		},
	})
}
