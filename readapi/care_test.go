package readapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/care"
	"github.com/rapport-crm/rapport/domain/contact"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/readapi"
)

// caringShop has a policy of care and five customers: 1 was born on 29 February,
// joined the programme on the same day in Berlin and consents, 2 was born on 1 March,
// joined on 31 December and lives in Shanghai, 3 was born on 31 December, has been
// thought of and joins in a week, 4 was erased and 5 left. Business today is 26 February
// 2026.
func caringShop(t testing.TB) *shop {
	s := newShop(t)
	s.policy()
	contacts := contact.Policy{
		Name: "test", Channels: []string{"email", "phone"}, Purposes: []contact.Purpose{{Name: "marketing", Basis: contact.Consent}},
		Quiet: &contact.Hours{From: "21:00", To: "08:00"},
	}
	moments := care.Policy{Name: "test", Occasions: []care.Occasion{
		{ID: "birthday", Kind: care.Birthday, Channels: []string{"email", "phone"}, Purpose: "marketing", LeadDays: 7, FollowDays: 7},
		{ID: "anniversary", Kind: care.Anniversary, Channels: []string{"email"}, Purpose: "marketing"},
		{ID: "new_year", Kind: care.Festival, Festival: &care.MonthDay{Calendar: care.Solar, Month: 1, Day: 1}, Channels: []string{"email"}, Purpose: "marketing"},
		{ID: "spring_festival", Kind: care.Festival, Festival: &care.MonthDay{Calendar: care.ChineseLunar, Month: 1, Day: 1}, Channels: []string{"email"}, Purpose: "marketing"},
		{ID: "laba", Kind: care.Festival, Festival: &care.MonthDay{Calendar: care.ChineseLunar, Month: 12, Day: 8}, Channels: []string{"email"}, Purpose: "marketing"},
	}}
	s.append(policy.Stream(policy.KindContact), uuid.Nil, policy.Published{Kind: policy.KindContact, Version: 1, EffectiveFrom: policy.Always, Contact: &contacts})
	s.append(policy.Stream(policy.KindCare), uuid.Nil, policy.Published{Kind: policy.KindCare, Version: 1, EffectiveFrom: policy.Always, Care: &moments})
	for n, born := range []string{"1984-02-29", "1990-03-01", "1990-12-31", "1990-03-02", ""} {
		c := someone(uint64(n + 1))
		s.register(c, customer.Name{Given: "Ann"}, "web")
		s.customer(c, customer.ContactPointAdded{ContactPointID: "e", Type: "email", Value: "ann@example.com", Lookup: fmt.Sprint("l", n), AddedAt: s.clock})
		if born != "" {
			s.customer(c, customer.DemographicsUpdated{Fields: []string{"demographics.birth_date"}, Changes: []customer.Change{{Field: "demographics.birth_date", Became: born}}, At: s.clock})
		}
	}
	s.customer(someone(1), customer.ConsentGranted{Purpose: "marketing", Channel: "*", LegalBasis: "consent", GrantedAt: day(-20, 9)})
	s.customer(someone(2), customer.ProfileUpdated{Fields: []string{"time_zone"}, Changes: []customer.Change{{Field: "time_zone", Became: "Asia/Shanghai"}}})
	s.customer(someone(3), customer.CareActionDone{
		Occasion: "birthday", Year: 2026, On: domain.NewDate(2026, 12, 31), Channel: "email", Purpose: "marketing", LegalBasis: "consent", Note: "a card", At: day(3, 9),
	})
	for n, joined := range []string{"2024-02-28T23:30:00Z", "2025-12-31T11:00:00Z", "2026-03-05T11:00:00Z", "2025-03-05T11:00:00Z", "2025-03-05T11:00:00Z"} {
		at, err := time.Parse(time.RFC3339, joined)
		if err != nil {
			t.Fatal(err)
		}
		s.customer(someone(uint64(n+1)), customer.ProgramJoined{Trigger: customer.TriggerRequest, JoinedAt: at})
	}
	s.customer(someone(5), customer.ProgramLeft{LeftAt: day(1, 0)})
	s.customer(someone(4), customer.PersonalDataErased{ErasedAt: day(4, 9)})
	s.closeDay("2026-02-25")
	s.project()
	return s
}

func (s *shop) upcoming(query string) (got readapi.UpcomingCare) {
	s.t.Helper()
	s.get("/v1/care/upcoming" + query).status(200).json(&got)
	return got
}

// moments writes an answer, a moment a line.
func moments(got readapi.UpcomingCare) (lines []string) {
	for _, f := range got.Festivals {
		lines = append(lines, fmt.Sprintf("%s %s %d of %d", f.Date, f.Occasion, f.Year, f.Members))
	}
	for _, m := range got.Moments {
		line := fmt.Sprintf("%s %s %d of %s: %d years", m.Date, m.Occasion, m.Year, nameOf(m.CustomerID), m.Years)
		if m.Done != nil {
			line += ", done by " + m.Done.Channel
		}
		for _, c := range m.Contacts {
			line += fmt.Sprintf(", %s %v %s", c.Channel, c.Allowed, c.Reasons[0].Code)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestUpcomingCare(t *testing.T) {
	s := caringShop(t)
	const nobody = ", email false consent_missing, phone false channel_unavailable"
	first := "2026-02-28 birthday 2026 of 1: 42 years, email true consent, phone false channel_unavailable"
	second := "2026-03-01 birthday 2026 of 2: 36 years" + nobody
	third := "2026-12-31 birthday 2026 of 3: 36 years, done by email" + nobody
	joined := "2026-02-28 anniversary 2026 of 1: 2 years, email true consent"
	for query, want := range map[string][]string{
		"":                               {first, second, joined},
		"?days=2":                        {first, joined},
		"?days=0":                        nil,
		"?from=2026-02-28&days=0":        {first, joined},
		"?from=2026-02-28&to=2026-03-01": {first, second, joined},
		"?from=2026-03-01&to=2026-03-05": {second},
		"?from=2028-02-28&days=0":        nil,
		"?from=2028-02-29&days=0": {
			"2028-02-29 birthday 2028 of 1: 44 years, email true consent, phone false channel_unavailable", "2028-02-29 anniversary 2028 of 1: 4 years, email true consent",
		},
		"?occasion=birthday&from=2026-12-01": {third},
		"?occasion=anniversary&from=2027-03-01&to=2028-02-29": {
			"2027-03-05 anniversary 2027 of 3: 1 years, email false consent_missing", "2027-12-31 anniversary 2027 of 2: 2 years, email false consent_missing",
			"2028-02-29 anniversary 2028 of 1: 4 years, email true consent",
		},
		"?from=2026-12-20&to=2027-02-20": {
			"2027-01-01 new_year 2027 of 3", "2027-01-15 laba 2026 of 3", "2027-02-06 spring_festival 2027 of 3",
			third, "2026-12-31 anniversary 2026 of 2: 1 years, email false consent_missing",
		},
		"?occasion=spring_festival&from=2026-01-01&days=366": {"2026-02-17 spring_festival 2026 of 3"},
		"?from=1983-01-01&to=1984-01-01": { // nobody was born yet
			"1983-01-01 new_year 1983 of 3", "1983-01-21 laba 1982 of 3", "1983-02-13 spring_festival 1983 of 3", "1984-01-01 new_year 1984 of 3",
		},
	} {
		if diff := cmp.Diff(want, moments(s.upcoming(query))); diff != "" {
			t.Errorf("%s:\n%s", query, diff)
		}
	}
	got := s.upcoming("")
	if got.From.String() != "2026-02-26" || got.To.String() != "2026-03-28" || got.PolicyVersion != 1 || got.Position != s.position {
		t.Errorf("%+v", got)
	}
	if at := got.Moments[1].At; !at.Equal(time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)) || got.Moments[1].Contacts[0].ContactPointID != "e" {
		t.Errorf("%+v", got.Moments[1])
	}
}

// A page that follows goes on where the first one stopped, though the calendar and
// the policy have moved on.
func TestUpcomingCarePageByPage(t *testing.T) {
	s := caringShop(t)
	page := s.upcoming("?occasion=birthday&limit=1&days=360")
	pages := [][]string{moments(page)}
	s.append(policy.Stream(policy.KindCare), uuid.Nil, policy.Published{Kind: policy.KindCare, Version: 2, EffectiveFrom: policy.Always, Care: &care.Policy{Name: "less"}})
	s.closeDay("2026-03-31")
	s.project()
	for page.NextCursor != "" {
		page = s.upcoming("?occasion=birthday&limit=1&days=360&cursor=" + page.NextCursor)
		pages = append(pages, moments(page))
	}
	if page.From.String() != "2026-02-26" || page.PolicyVersion != 1 {
		t.Errorf("%+v", page)
	}
	var dates []string
	for _, p := range pages {
		for _, line := range p {
			dates = append(dates, line[:10])
		}
	}
	if diff := cmp.Diff([]string{"2026-02-28", "2026-03-01", "2026-12-31"}, dates); diff != "" {
		t.Error(diff)
	}
}

func TestUpcomingCareIsRefused(t *testing.T) {
	s := caringShop(t)
	for query, want := range map[string]string{
		"?from=soon":                     "from",
		"?to=2026-02-25":                 "to",
		"?to=2027-03-01":                 "to",
		"?to=2026-03-01&days=3":          "days",
		"?days=367":                      "days",
		"?occasion=wedding":              "occasion",
		"?limit=0":                       "limit",
		"?cursor=x":                      "cursor",
		"?customer=x":                    "customer",
		"?from=2026-02-01&to=2026-01-01": "to",
	} {
		p := s.get("/v1/care/upcoming" + query).status(400).problem()
		if p.Code != "parameter_invalid" || len(p.Errors) != 1 || p.Errors[0].Pointer != "/"+want {
			t.Errorf("%s: %+v", query, p)
		}
	}
	bare := newShop(t)
	bare.closeDay("2026-03-04")
	bare.project()
	if code := bare.get("/v1/care/upcoming").status(409).problem().Code; code != "care_policy_missing" {
		t.Error(code)
	}
}

// What was done stands in the document, and goes with what else is personal.
func TestCareInTheDocument(t *testing.T) {
	s := caringShop(t)
	var one readapi.CustomerAnswer
	s.get("/v1/customers/" + someone(3).String()).status(200).json(&one)
	if d := one.Care.Done; len(d) != 1 || d[0].Occasion != "birthday" || d[0].Year != 2026 || d[0].EventID == uuid.Nil {
		t.Errorf("%+v", d)
	}
	if recent := one.Permissions.Recent; len(recent) != 1 || recent[0].Channel != "email" {
		t.Errorf("%+v", recent)
	}
}
