package duplicates_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/duplicate"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/duplicates"
)

// no returns a fixed id.
func no(n byte) uuid.UUID { return uuid.UUID{6: 0x40, 8: 0x80, 15: n} }

// events are facts, the first of the id 1.
func events(data ...any) []projections.Event {
	es := make([]projections.Event, len(data))
	for i, d := range data {
		es[i] = projections.Event{ID: no(byte(i + 1)), Data: d}
	}
	return es
}

func registered(n customer.Name) customer.Registered {
	return customer.Registered{Kind: customer.Person, Name: n, RegisteredAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
}

func email(id, address string) customer.ContactPointAdded {
	return customer.ContactPointAdded{ContactPointID: id, Type: customer.TypeEmail, Value: address}
}

func born(day string) customer.DemographicsUpdated {
	return demographics("demographics.birth_date", day)
}

func demographics(pairs ...string) (e customer.DemographicsUpdated) {
	for i := 0; i < len(pairs); i += 2 {
		e.Fields = append(e.Fields, pairs[i])
		e.Changes = append(e.Changes, customer.Change{Field: pairs[i], Became: pairs[i+1]})
	}
	return e
}

func letters(code, country string) customer.ContactPointAdded {
	return customer.ContactPointAdded{ContactPointID: "post", Type: customer.TypePost, Address: &customer.PostalAddress{Street: "x", PostalCode: code, Country: country}}
}

func rejected(with uuid.UUID) duplicate.Rejected {
	return duplicate.Rejected{A: no(100), B: with, Verdict: duplicate.NotDuplicate}
}

func TestADocumentIsWhatOthersMayShare(t *testing.T) {
	view := duplicates.New()
	d, _ := view.Of(events(
		registered(customer.Name{Title: "Dr.", Given: "Ada", Family: "Berg"}),
		customer.ContactPointAdded{ContactPointID: "p1", Type: customer.TypePhone, Value: "030 901820", Normalized: "+4930901820"},
		email("e1", "ada@example.com"),
		email("e2", "gone@example.com"),
		customer.ProfileUpdated{Fields: []string{"locale", "name.family"}, Changes: []customer.Change{{Field: "locale", Became: "de"}, {Field: "name.family", Was: "Berg", Became: "Tal"}}},
		customer.ContactPointRemoved{ContactPointID: "e2", Type: customer.TypeEmail},
		born("1990-12-10"),
		letters("10115", "DE"),
		rejected(no(200)), rejected(no(150)), rejected(no(200)),
		customer.OrderPaid{OrderID: "o"},
	)...)
	want := duplicates.Document{
		Registered: true, Given: duplicates.Fact{Value: "Ada", From: no(1)}, Family: duplicates.Fact{Value: "Tal", From: no(5)},
		Birth: duplicates.Fact{Value: "1990-12-10", From: no(7)},
		Points: []duplicates.Point{
			{ID: "p1", Type: customer.TypePhone, Value: "+4930901820", From: no(2)},
			{ID: "e1", Type: customer.TypeEmail, Value: "ada@example.com", From: no(3)},
			{ID: "post", Type: customer.TypePost, Postal: "10115", Country: "DE", From: no(8)},
		},
		Rejected: []duplicates.Rejection{{With: no(150), From: no(10)}, {With: no(200), From: no(9)}},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
	stored, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	var back duplicates.Document
	if err := json.Unmarshal(stored, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, back); diff != "" {
		t.Error("a document changes when it is stored:\n" + diff)
	}
	if event, ok := d.RejectedWith(no(150)); !ok || event != no(10) {
		t.Error(event, ok)
	}
	if _, ok := d.RejectedWith(no(151)); ok {
		t.Error("a pair that nobody rejected")
	}
	places := map[string]int{}
	for _, p := range view.Indexes(&d, nil) {
		places[p.Index]++
		if p.Index == duplicates.IndexMatch && len(p.Key) != 33 {
			t.Errorf("a key of another length: %q", p.Key)
		}
	}
	if diff := cmp.Diff(map[string]int{duplicates.IndexMatch: 4, duplicates.IndexRejected: 2}, places); diff != "" {
		t.Error(diff)
	}
}

// Of who was erased nothing is left, whether their key was there or not.
func TestErasureLeavesNothing(t *testing.T) {
	view := duplicates.New()
	life := events(registered(customer.Name{Given: "Ada", Family: "Berg"}), email("e", "ada@example.com"), born("1990-12-10"), rejected(no(200)), customer.PersonalDataErased{})
	if d, there := view.Of(life...); there {
		t.Errorf("%+v", d)
	}
	blind := events(customer.Registered{Kind: customer.Person}, customer.ContactPointAdded{ContactPointID: "e", Type: customer.TypeEmail}, customer.DemographicsUpdated{}, rejected(no(200)), customer.PersonalDataErased{})
	if d, there := view.Of(blind...); there {
		t.Errorf("%+v", d)
	}
	d, there := view.Of(blind[:3]...)
	if places := view.Indexes(&d, nil); !there || len(places) > 0 {
		t.Errorf("without the key nothing can be shared: %v", places)
	}
}

func TestFolding(t *testing.T) {
	for address, want := range map[string]string{
		"ada.berg+news@gmail.com":  "adaberg@gmail.com",
		"a.d.a@googlemail.com":     "ada@gmail.com",
		"ada.berg+x@example.com":   "ada.berg@example.com",
		"+x@example.com":           "+x@example.com",
		"...@gmail.com":            "...@gmail.com",
		"ada@mail.gmail.com.co.uk": "ada@mail.gmail.com.co.uk",
	} {
		if got := duplicates.FoldEmail(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	for name, want := range map[string]string{
		"Zoë O'Brien": "brien o zoe", "BRIEN,  O zoe": "brien o zoe", "Ada": "", "": "", "王伟": "伟 王", "伟 王": "伟 王", "王": "", "Anna-Lena Berg": "anna berg lena",
	} {
		if got := duplicates.PersonKey(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"Müller & Söhne GmbH & Co. KG": "muller sohne", "muller sohne": "muller sohne", "ACME Inc.": "acme", "S.A.": "sa", "Sas Ltd": "sas ltd", "": "",
	} {
		if got := duplicates.CompanyKey(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestScores(t *testing.T) {
	view := duplicates.New()
	ada := customer.Name{Given: "Ada", Family: "Berg"}
	company := func(name string) customer.Registered {
		return customer.Registered{Kind: customer.Organisation, Name: customer.Name{Organisation: name}}
	}
	phone := customer.ContactPointAdded{ContactPointID: "p", Type: customer.TypePhone, Value: "+4930901820"}
	whatsapp := phone
	whatsapp.ContactPointID, whatsapp.Type = "w", customer.TypeWhatsApp
	wechat := customer.ContactPointAdded{ContactPointID: "c", Type: customer.TypeWeChat, Value: "ada"}
	for _, c := range []struct {
		name     string
		a, b     []any
		score    int
		features []duplicates.Feature
	}{
		{"nothing", []any{registered(ada)}, []any{registered(ada)}, 0, nil},
		{"one address", []any{email("1", "a@b.co")}, []any{email("1", "x@b.co"), email("2", "a@b.co")}, 100, []duplicates.Feature{duplicates.Email}},
		{"one address but for a tag", []any{email("1", "a+1@b.co")}, []any{email("1", "a+2@b.co")}, 70, []duplicates.Feature{duplicates.EmailFolded}},
		{"one address, and one but for a tag", []any{email("1", "a@b.co")}, []any{email("1", "a@b.co"), email("2", "a+1@b.co")}, 100, []duplicates.Feature{duplicates.Email}},
		{"one number, called or written to", []any{phone}, []any{whatsapp}, 90, []duplicates.Feature{duplicates.Phone}},
		{"one account", []any{wechat}, []any{wechat}, 90, []duplicates.Feature{duplicates.Account}},
		{"accounts of two services", []any{wechat}, []any{customer.ContactPointAdded{Type: customer.TypeTelegram, Value: "ada"}}, 0, nil},
		{"what stands under other", []any{customer.ContactPointAdded{Type: customer.TypeOther, Value: "ada"}}, []any{customer.ContactPointAdded{Type: customer.TypeOther, Value: "ada"}}, 0, nil},
		{"name and birth", []any{registered(ada), born("1990-12-10")}, []any{registered(customer.Name{Display: "BERG, Ada"}), born("1990-12-10")}, 80, []duplicates.Feature{duplicates.NameAndBirth}},
		{"name and place", []any{registered(ada), letters("10 115", "DE")}, []any{registered(ada), letters("10115", "DE")}, 50, []duplicates.Feature{duplicates.NameAndPlace}},
		{"name and place, said otherwise", []any{registered(ada), letters("10115", "DE")}, []any{registered(ada), demographics("demographics.postal_code", "10115", "demographics.country", "DE")}, 50,
			[]duplicates.Feature{duplicates.NameAndPlace}},
		{"name and place of another country", []any{registered(ada), letters("10115", "DE")}, []any{registered(ada), letters("10115", "US")}, 0, nil},
		{"organisations", []any{company("ACME Ltd")}, []any{company("Acme")}, 60, []duplicates.Feature{duplicates.Company}},
		{"organisations of a place", []any{company("ACME Ltd"), letters("1", "DE")}, []any{company("Acme"), letters("1", "DE")}, 100, []duplicates.Feature{duplicates.Company, duplicates.NameAndPlace}},
		{"a person and an organisation", []any{registered(customer.Name{Display: "Ada Berg"})}, []any{company("Ada Berg")}, 0, nil},
		{"several", []any{registered(ada), born("1990-12-10"), email("1", "a+1@b.co")}, []any{registered(ada), born("1990-12-10"), email("1", "a@b.co")}, 100,
			[]duplicates.Feature{duplicates.NameAndBirth, duplicates.EmailFolded}},
	} {
		a, _ := view.Of(events(c.a...)...)
		b, _ := view.Of(events(c.b...)...)
		for _, swapped := range []bool{false, true} {
			x, y := a.Traits(), b.Traits()
			if swapped {
				x, y = y, x
			}
			score, evidence := duplicates.Compare(x, y)
			var features []duplicates.Feature
			for _, e := range evidence {
				features = append(features, e.Feature)
				if len(e.A) == 0 || len(e.B) == 0 || len(e.Values) == 0 || e.Points != duplicates.Points[e.Feature] {
					t.Errorf("%s: %+v", c.name, e)
				}
			}
			if diff := cmp.Diff(c.features, features); score != c.score || diff != "" {
				t.Errorf("%s: %d, want %d\n%s", c.name, score, c.score, diff)
			}
		}
	}
}

// The evidence names the events that say what is shared, in each of the histories.
func TestEvidence(t *testing.T) {
	view := duplicates.New()
	a, _ := view.Of(events(registered(customer.Name{Given: "Ada", Family: "Berg"}), born("1990-12-10"))...)
	b, _ := view.Of(events(
		registered(customer.Name{Given: "Ada", Family: "Tal"}), email("e", "x@y.zz"), born("1990-12-10"),
		customer.ProfileUpdated{Fields: []string{"name.family"}, Changes: []customer.Change{{Field: "name.family", Was: "Tal", Became: "Berg"}}},
	)...)
	_, evidence := duplicates.Compare(a.Traits(), b.Traits())
	want := []duplicates.Evidence{{
		Feature: duplicates.NameAndBirth, Points: 80, Values: []string{"1990-12-10 ada berg"},
		A: []uuid.UUID{no(1), no(2)}, B: []uuid.UUID{no(1), no(4), no(3)},
	}}
	if diff := cmp.Diff(want, evidence); diff != "" {
		t.Error(diff)
	}
}

func ExampleFoldEmail() {
	fmt.Println(duplicates.FoldEmail("ada.berg+newsletter@googlemail.com"))
	// Output: adaberg@gmail.com
}
