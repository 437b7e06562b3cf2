package profile

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	goccy "github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
)

func born(date string) customer.DemographicsUpdated {
	return customer.DemographicsUpdated{Fields: []string{"demographics.birth_date"}, Changes: []customer.Change{{Field: "demographics.birth_date", Became: date}}}
}

func TestCareIsStoredAsItIs(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	consent := uuid.UUID{0: 7, 6: 0x40, 8: 0x80}
	all := events(registered,
		customer.ConsentGranted{Purpose: "marketing", Channel: "email", LegalBasis: "consent", GrantedAt: at},
		customer.CareActionDone{Occasion: "birthday", Year: 2026, On: domain.NewDate(2026, 3, 4), Channel: "email", Purpose: "marketing", LegalBasis: "consent", ConsentedAt: &at, GiftPoints: 5, Note: "hers", At: at},
		customer.CareActionDone{Occasion: "new_year", Year: 2026, On: domain.NewDate(2026, 1, 1), Channel: "email", Purpose: "service", LegalBasis: "contract", At: at},
		customer.AnnualRewardGranted{Kind: "reward", Period: 2025, Value: customer.RewardValue{Points: 100}, GrantedAt: at},
		customer.AnnualRewardGranted{Kind: "dividend", Period: 2025, Value: customer.RewardValue{Amount: &domain.Money{AmountMinor: 5, Currency: "EUR"}}, GrantedBy: domain.Actor{Kind: "user", ID: "<ann>"}, GrantedAt: at},
	)
	all[1].ID = consent
	d, _ := New().Of(all...)
	if d.Care.Done[0].ConsentEventID != consent || len(d.Care.Rewards) != 2 {
		t.Errorf("%+v", d.Care)
	}
	want, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := goccy.Marshal(&d)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%v\n%s\n%s", err, got, want)
	}
	var back Document
	if err := goccy.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, back); diff != "" {
		t.Error(diff)
	}
}

func TestABirthdayIsFoundAsLongAsItIsKnown(t *testing.T) {
	history := events(registered, born("1984-02-29"), born("1984-03-01"), born(""), born("1984-12-31"), customer.PersonalDataErased{})
	for n, want := range []string{"", "02-29", "03-01", "", "12-31", ""} {
		d, _ := New().Of(history[:n+1]...)
		got := ""
		for _, p := range slices.DeleteFunc(indexes(&d, nil), func(p projections.Place) bool { return p.Index != IndexBirthday }) {
			got += p.Key
		}
		if got != want {
			t.Errorf("after %d events the key is %q, want %q", n+1, got, want)
		}
	}
}
