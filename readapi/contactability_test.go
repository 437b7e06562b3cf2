package readapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/contact"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/readapi"
)

func day(n int, hour float64) time.Time {
	return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC).Add(time.Duration(hour * float64(time.Hour)))
}

// village is a shop with a policy of contacts and three customers: one who consents,
// one who lives in Shanghai, and one whose data must not be used. Business now is
// the beginning of 5 March in Berlin.
func village(t testing.TB) (s *shop, ids map[string]uuid.UUID) {
	s = newShop(t)
	s.policy()
	p := contact.Policy{
		Name: "test", Channels: []string{"email", "phone", "visit"},
		Purposes: []contact.Purpose{{Name: "marketing", Basis: contact.Consent}, {Name: "transaction", Basis: contact.Contract, Free: true}},
		Quiet:    &contact.Hours{From: "21:00", To: "08:00"}, Cap: &contact.Cap{Contacts: 2, Days: 7},
	}
	s.append(policy.Stream(policy.KindContact), uuid.Nil, policy.Published{Kind: policy.KindContact, Version: 1, EffectiveFrom: policy.Always, Contact: &p})
	ids = map[string]uuid.UUID{}
	note := func(name string, raw eventschema.Raw) { ids[name] = raw.ID }
	for n := range 3 {
		c := someone(uint64(n + 1))
		s.register(c, customer.Name{Given: "Ann"}, "web")
		s.customer(c, customer.ContactPointAdded{ContactPointID: "e", Type: "email", Value: "ann@example.com", Lookup: fmt.Sprint("l", n), AddedAt: s.clock})
	}
	ann, li, bo := someone(1), someone(2), someone(3)
	until := day(30, 0)
	note("grant", s.customer(ann, customer.ConsentGranted{Purpose: "marketing", Channel: "email", LegalBasis: "consent", Evidence: "form", GrantedAt: day(2, 9), ExpiresAt: &until}))
	note("preference", s.customer(ann, customer.ChannelPreferenceSet{Channels: []string{"visit", "email"}}))
	note("first", s.customer(ann, customer.ContactRecorded{Purpose: "marketing", Channel: "email", WindowDays: 7, ContactedAt: day(3, 9)}))
	note("second", s.customer(ann, customer.ContactRecorded{Purpose: "marketing", Channel: "email", WindowDays: 7, ContactedAt: day(4, 9)}))
	s.customer(li, customer.ProfileUpdated{Fields: []string{"time_zone"}, Changes: []customer.Change{{Field: "time_zone", Became: "Asia/Shanghai"}}})
	s.customer(li, customer.ConsentGranted{Purpose: "marketing", Channel: "*", LegalBasis: "consent", GrantedAt: day(2, 9)})
	note("restricted", s.customer(bo, customer.ProcessingRestricted{Ground: "dispute", RestrictedAt: day(2, 9)}))
	note("withdrawn", s.customer(bo, customer.ConsentWithdrawn{Purpose: "*", Channel: "*", WithdrawnAt: day(2, 10)}))
	s.closeDay("2026-03-04")
	s.project()
	return s, ids
}

func (s *shop) contactability(c uuid.UUID, query string) (a readapi.Contactability) {
	s.t.Helper()
	s.get("/v1/customers/" + c.String() + "/contactability" + query).status(200).json(&a)
	return a
}

// lines writes an answer, a reason a line, with the events by their names.
func lines(a readapi.Contactability, ids map[string]uuid.UUID) (lines []string) {
	for _, c := range a.Contacts {
		for _, r := range c.Reasons {
			line := fmt.Sprintf("%s %s: %s %s", c.Purpose, c.Channel, r.Effect, r.Code)
			for _, id := range r.EventIDs {
				for name, known := range ids {
					if known == id {
						line += " " + name
					}
				}
			}
			if r.PolicyVersion != 0 {
				line += fmt.Sprintf(" v%d", r.PolicyVersion)
			}
			if r.Until != nil {
				line += " until " + r.Until.Format("02T15:04")
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func TestWhoMayBeContactedAndWhy(t *testing.T) {
	s, ids := village(t)
	for _, c := range []struct {
		name    string
		who     uint64
		query   string
		allowed bool
		want    []string
	}{
		{
			name: "everything now, as the customer ranks it", who: 1, allowed: true,
			want: []string{
				"marketing visit: forbids consent_missing v1", "marketing visit: forbids quiet_hours v1 until 05T07:00",
				"marketing visit: forbids frequency_cap first second v1 until 10T09:00",
				"marketing email: forbids quiet_hours v1 until 05T07:00", "marketing email: forbids frequency_cap first second v1 until 10T09:00",
				"marketing email: allows consent grant until 30T00:00",
				"marketing phone: forbids channel_unavailable", "marketing phone: forbids consent_missing v1",
				"marketing phone: forbids quiet_hours v1 until 05T07:00", "marketing phone: forbids frequency_cap first second v1 until 10T09:00",
				"marketing phone: advises channel_not_preferred preference",
				"transaction visit: allows legal_basis v1", "transaction email: allows legal_basis v1",
				"transaction phone: forbids channel_unavailable", "transaction phone: allows legal_basis v1",
				"transaction phone: advises channel_not_preferred preference",
			},
		},
		{
			name: "a purpose and a channel when the cap allows it again", who: 1, query: "?purpose=marketing&channel=email&at=2026-03-10T09:00:00Z", allowed: true,
			want: []string{"marketing email: allows consent grant until 30T00:00"},
		},
		{
			name: "when the consent has ended", who: 1, query: "?purpose=marketing&channel=email&at=2026-03-30T09:00:00Z",
			want: []string{"marketing email: forbids consent_expired grant"},
		},
		{
			name: "in the past, before the second contact", who: 1, query: "?purpose=marketing&channel=email&at=2026-03-03T18:00:00Z", allowed: true,
			want: []string{"marketing email: allows consent grant until 30T00:00"},
		},
		{
			name: "in the past, before the consent", who: 1, query: "?purpose=marketing&channel=email&at=2026-03-02T08:59:59Z",
			want: []string{"marketing email: forbids consent_missing v1"},
		},
		{
			name: "by night in Shanghai it is afternoon in Berlin", who: 2, query: "?purpose=marketing&channel=email&at=2026-03-05T14:00:00Z",
			want: []string{"marketing email: forbids quiet_hours v1 until 06T00:00", "marketing email: allows consent"},
		},
		{
			name: "whose data must not be used", who: 3, query: "?purpose=transaction&channel=email",
			want: []string{"transaction email: forbids processing_restricted restricted", "transaction email: allows legal_basis v1"},
		},
		{
			name: "all reasons against", who: 3, query: "?channel=phone&at=2026-03-05T22:00:00%2B01:00",
			want: []string{
				"marketing phone: forbids processing_restricted restricted", "marketing phone: forbids channel_unavailable",
				"marketing phone: forbids consent_withdrawn withdrawn", "marketing phone: forbids quiet_hours v1 until 06T07:00",
				"transaction phone: forbids processing_restricted restricted", "transaction phone: forbids channel_unavailable", "transaction phone: allows legal_basis v1",
			},
		},
		{
			name: "what no policy knows", who: 1, query: "?purpose=spam&channel=pigeon&at=2026-03-12T09:00:00Z",
			want: []string{
				"spam pigeon: forbids unknown_purpose v1", "spam pigeon: forbids unknown_channel v1", "spam pigeon: advises channel_not_preferred preference",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := *s
			s.t = t
			a := s.contactability(someone(c.who), c.query)
			if diff := cmp.Diff(c.want, lines(a, ids)); diff != "" || a.Allowed != c.allowed {
				t.Errorf("allowed: %v\n%s", a.Allowed, diff)
			}
		})
	}
	a := s.contactability(someone(2), "")
	if a.At != day(4, 23) || a.TimeZone != "Asia/Shanghai" || a.PolicyVersion != 1 || a.Position != s.position || a.AsOf.String() != "2026-03-04" {
		t.Errorf("%+v", a)
	}
	a = s.contactability(someone(1), "?purpose=transaction")
	if a.TimeZone != "Europe/Berlin" {
		t.Error(a.TimeZone)
	}
	used := map[string]string{}
	for _, c := range a.Contacts {
		used[c.Channel] = c.ContactPointID
	}
	if diff := cmp.Diff(map[string]string{"visit": "", "email": "e", "phone": ""}, used); diff != "" {
		t.Errorf("contact points used: %s", diff)
	}
}

func TestContactabilityShowsACommandsOwnEffect(t *testing.T) {
	s, ids := village(t)
	raw := s.customer(someone(2), customer.ConsentWithdrawn{Purpose: "*", Channel: "*", WithdrawnAt: day(4, 12)})
	path := "/v1/customers/" + someone(2).String() + "/contactability?purpose=marketing&channel=email&at=2026-03-05T04:00:00Z"
	if code := s.get(fmt.Sprintf("%s&min_position=%d", path, raw.Position)).status(503).problem().Code; code != "projection_behind" {
		t.Error(code)
	}
	s.project()
	ids["now"] = raw.ID
	var a readapi.Contactability
	s.get(fmt.Sprintf("%s&min_position=%d", path, raw.Position)).status(200).json(&a)
	if diff := cmp.Diff([]string{"marketing email: forbids consent_withdrawn now"}, lines(a, ids)); diff != "" {
		t.Error(diff)
	}
}

func TestContactabilityIsRefused(t *testing.T) {
	s, _ := village(t)
	path := "/v1/customers/" + someone(1).String() + "/contactability"
	for query, want := range map[string]string{
		"?at=2026-03-05":                "at",
		"?at=2026-03-05T00:00:00+01:00": "at",
		"?when=now":                     "when",
		"?purpose=a&purpose=b":          "purpose",
		"?min_position=x":               "min_position",
	} {
		p := s.get(path + query).status(400).problem()
		if p.Code != "parameter_invalid" || len(p.Errors) != 1 || p.Errors[0].Pointer != "/"+want {
			t.Errorf("%s: %+v", query, p)
		}
	}
	for _, path := range []string{"/v1/customers/nobody/contactability", "/v1/customers/" + someone(9).String() + "/contactability", path + "?at=2026-02-01T00:00:00Z"} {
		if code := s.get(path).status(404).problem().Code; code != "customer_not_found" {
			t.Errorf("%s: %s", path, code)
		}
	}
	bare := newShop(t)
	bare.register(someone(1), customer.Name{Given: "Ann"}, "web")
	bare.closeDay("2026-03-04")
	bare.project()
	if code := bare.get(path).status(409).problem().Code; code != "contact_policy_missing" {
		t.Error(code)
	}
}

// TestBeforeTheFirstCloseTheClockSaysWhatTimeItIs: under a manual calendar as well.
func TestBeforeTheFirstCloseTheClockSaysWhatTimeItIs(t *testing.T) {
	s := newShop(t)
	s.register(someone(1), customer.Name{Given: "Ann"}, "web")
	p := contact.Default()
	s.append(policy.Stream(policy.KindContact), uuid.Nil, policy.Published{Kind: policy.KindContact, Version: 1, EffectiveFrom: policy.Always, Contact: &p})
	s.project()
	s.api.Clock = func() time.Time { return day(20, 11) }
	if at := s.contactability(someone(1), "").At; at != day(20, 11) {
		t.Error(at)
	}
}

func TestCustomersAreListedByConsent(t *testing.T) {
	s, _ := village(t)
	for query, want := range map[string]string{
		"marketing:email":           "1 2",
		"marketing:phone":           "2",
		"transaction:email":         "",
		"marketing:email&source=no": "",
		"marketing:email&sort=name": "1 2",
	} {
		var page readapi.Customers
		s.get("/v1/customers?consent=" + query).status(200).json(&page)
		var got []string
		for _, c := range page.Customers {
			for n := range uint64(3) {
				if c.CustomerID == someone(n+1) {
					got = append(got, fmt.Sprint(n+1))
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
	s.customer(someone(1), customer.ConsentWithdrawn{Purpose: "marketing", Channel: "*", WithdrawnAt: day(4, 10)})
	s.customer(someone(2), customer.ConsentGranted{Purpose: "marketing", Channel: "email", LegalBasis: "consent", GrantedAt: day(4, 10)})
	s.project()
	var page readapi.Customers
	s.get("/v1/customers?consent=marketing:email").status(200).json(&page)
	if len(page.Customers) != 1 || page.Customers[0].CustomerID != someone(2) {
		t.Errorf("%+v", page.Customers)
	}
	s.closeDay("2026-03-31")
	s.customer(someone(1), customer.ConsentGranted{Purpose: "marketing", Channel: "email", LegalBasis: "consent", GrantedAt: day(5, 10), ExpiresAt: new(day(30, 0))})
	s.project()
	s.get("/v1/customers?consent=marketing:email").status(200).json(&page)
	if len(page.Customers) != 1 || page.Customers[0].CustomerID != someone(2) {
		t.Errorf("who consented until yesterday is listed: %+v", page.Customers)
	}
	for _, wrong := range []string{"marketing", ":email", "marketing:", "*:email", "marketing:*"} {
		p := s.get("/v1/customers?consent=" + wrong).status(400).problem()
		if len(p.Errors) != 1 || p.Errors[0].Pointer != "/consent" {
			t.Errorf("%s: %+v", wrong, p)
		}
	}
}
