package policy_test

import (
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/care"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/policy"
)

func TestPublishCare(t *testing.T) {
	closed := domain.NewDate(2026, 2, 28)
	today := domain.Subject{Now: (closed + 1).Start(time.UTC)}
	first, second, wrong := care.Example(), care.Example(), care.Example()
	second.Occasions = second.Occasions[:1]
	wrong.Occasions[0].Kind = "wedding"
	published := func(version int, from domain.Date, p care.Policy) Published {
		return Published{Kind: KindCare, Version: version, EffectiveFrom: from, Care: &p}
	}
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{
			Name: "the first version may hold from a day that is closed", When: PublishCare{Publication{Subject: today, Closed: &closed, EffectiveFrom: &closed}, first},
			Then: []Event{published(1, closed, first)},
		},
		{
			Name: "the next one", Given: []Event{published(1, Always, first)},
			When: PublishCare{Publication{Subject: today, Closed: &closed}, second}, Then: []Event{published(2, closed+1, second)},
		},
		{
			Name: "the policy that holds already is nothing to do", Given: []Event{published(1, Always, first)},
			When: PublishCare{Publication{Subject: today, Closed: &closed}, first},
		},
		{
			Name: "a closed day is not decided again", Given: []Event{published(1, Always, first)},
			When: PublishCare{Publication{Subject: today, Closed: &closed, EffectiveFrom: &closed}, second}, Error: ErrBackDated,
		},
		{
			Name: "a policy must be right in itself", When: PublishCare{Publication{Subject: today}, wrong},
			Error: domain.ErrValidation, Fields: []string{"/policy/occasions/0/kind"},
		},
	})
}
