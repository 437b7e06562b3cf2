package policy_test

import (
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
)

func TestPublishRFM(t *testing.T) {
	closed := domain.NewDate(1998, 6, 30)
	today := domain.Subject{Now: (closed + 1).Start(time.UTC)}
	euro, dollar := rfm.Default("EUR"), rfm.Default("USD")
	published := func(version int, from domain.Date, p rfm.Policy) Published {
		return Published{Kind: KindRFM, Version: version, EffectiveFrom: from, RFM: &p}
	}
	wrong := rfm.Default("EUR")
	wrong.Examples = []rfm.Example{{R: 5, F: 5, M: 5, Label: "Lost"}}
	domaintest.Run(t, []domaintest.Spec[State, Event]{{
		Name: "before the calendar begins a policy holds from the beginning",
		When: PublishRFM{Publication{Subject: today}, euro},
		Then: []Event{published(1, Always, euro)},
	}, {
		Name:  "afterwards from today",
		Given: []Event{published(1, Always, euro)},
		When:  PublishRFM{Publication{Subject: today, Closed: &closed}, dollar},
		Then:  []Event{published(2, closed+1, dollar)},
	}, {
		Name:  "or from a later day",
		Given: []Event{published(1, Always, euro)},
		When:  PublishRFM{Publication{Subject: today, Closed: &closed, EffectiveFrom: ptr(closed + 9)}, dollar},
		Then:  []Event{published(2, closed+9, dollar)},
	}, {
		Name:  "the policy that holds already is nothing to do",
		Given: []Event{published(1, Always, euro)},
		When:  PublishRFM{Publication{Subject: today, Closed: &closed}, euro},
	}, {
		Name:  "a closed day is not scored again",
		Given: []Event{published(1, Always, euro)},
		When:  PublishRFM{Publication{Subject: today, Closed: &closed, EffectiveFrom: &closed}, dollar},
		Error: ErrBackDated,
	}, {
		Name:  "before the version before it",
		Given: []Event{published(1, closed+9, euro)},
		When:  PublishRFM{Publication{Subject: today, Closed: &closed}, dollar},
		Error: ErrOverlaps,
	}, {
		Name:  "a policy that fails its own examples",
		When:  PublishRFM{Publication{Subject: today}, wrong},
		Error: domain.ErrValidation,
	}})
}

func ptr[T any](v T) *T { return &v }
