package policy_test

import (
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/policy"
)

func TestPublishContact(t *testing.T) {
	closed := domain.NewDate(2026, 2, 28)
	today := domain.Subject{Now: (closed + 1).Start(time.UTC)}
	first, second, wrong := contact.Default(), contact.Default(), contact.Default()
	second.Cap = nil
	wrong.Purposes[0].Basis = "greed"
	published := func(version int, from domain.Date, p contact.Policy) Published {
		return Published{Kind: KindContact, Version: version, EffectiveFrom: from, Contact: &p}
	}
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{
			Name: "a policy of contacts is published", Given: []Event{published(1, Always, first)},
			When: PublishContact{Publication{Subject: today, Closed: &closed}, second}, Then: []Event{published(2, closed+1, second)},
		},
		{
			Name: "the policy that holds already is nothing to do", Given: []Event{published(1, Always, first)},
			When: PublishContact{Publication{Subject: today, Closed: &closed}, first},
		},
		{
			Name: "a closed day is not decided again", Given: []Event{published(1, Always, first)},
			When: PublishContact{Publication{Subject: today, Closed: &closed, EffectiveFrom: &closed}, second}, Error: ErrBackDated,
		},
		{
			Name: "a policy must be right in itself", When: PublishContact{Publication{Subject: today}, wrong},
			Error: domain.ErrValidation, Fields: []string{"/policy/purposes/0/basis"},
		},
	})
}
