package customer_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/rapport-crm/rapport/domain/contact"
	. "github.com/rapport-crm/rapport/domain/customer"
)

// event returns the id of the n-th event of a history.
func event(n int) uuid.UUID { return uuid.UUID{15: byte(n), 14: byte(n >> 8), 6: 0x40, 8: 0x80} }

// told folds a history into what decides on contacts. The n-th event has the id event(n).
func told(events ...Event) (x Permissions, c Contacts, r Rights) {
	for n, e := range events {
		record := Record{Event: e, ID: event(n)}
		x.Fold(record)
		c.Fold(record)
		r.Fold(record)
	}
	return x, c, r
}

// askedOf is a question about marketing by e-mail at noon.
func askedOf(c Contacts, r Rights) Question {
	return Question{Purpose: "marketing", Channel: "email", At: noon, Policy: contactRules(), Version: 3, Contacts: c, Rights: r}
}

// short is a reason in one line.
func short(r ContactReason) string {
	s := r.Effect + " " + r.Code
	for _, id := range r.EventIDs {
		s += fmt.Sprintf(" #%d", id[15])
	}
	if r.PolicyVersion != 0 {
		s += fmt.Sprintf(" v%d", r.PolicyVersion)
	}
	if r.Until != nil {
		s += " until " + r.Until.Format("01-02 15:04")
	}
	return s
}

func TestMayContact(t *testing.T) {
	before := with(granted, func(e *ConsentGranted) { e.GrantedAt = placed })
	withdrawn := ConsentWithdrawn{Purpose: "marketing", Channel: "email", WithdrawnAt: paid}
	suppressed := ContactSuppressed{SuppressionID: "s", Scope: "all", ReasonCode: "objection", SuppressedAt: paid}
	legal := with(suppressed, func(e *ContactSuppressed) { e.Legal, e.ReasonCode, e.Role = true, "law", "legal" })
	was := func(h float64) ContactRecorded {
		return ContactRecorded{Purpose: "marketing", Channel: "email", WindowDays: 7, ContactedAt: hours(h)}
	}
	for _, c := range []struct {
		name  string
		given []Event
		ask   func(*Question)
		want  []string
		no    bool
	}{
		{name: "the consent lets it", given: []Event{email, before}, want: []string{"allows consent #1"}},
		{
			name:  "a consent that ends lets it until then",
			given: []Event{email, with(before, func(e *ConsentGranted) { e.ExpiresAt = ptr(hours(1)) })},
			want:  []string{"allows consent #1 until 03-01 13:00"},
		},
		{name: "nobody consented", given: []Event{email}, want: []string{"forbids consent_missing v3"}, no: true},
		{name: "the consent came later", given: []Event{email, before}, ask: func(q *Question) { q.At = hours(-3) }, want: []string{"forbids consent_missing v3"}, no: true},
		{name: "the consent was withdrawn", given: []Event{email, before, withdrawn}, want: []string{"forbids consent_withdrawn #2"}, no: true},
		{name: "before it was withdrawn it stood", given: []Event{email, before, withdrawn}, ask: func(q *Question) { q.At = hours(-1.5) }, want: []string{"allows consent #1"}},
		{
			name:  "at the moment it ends it has ended",
			given: []Event{email, with(before, func(e *ConsentGranted) { e.ExpiresAt = &noon })},
			want:  []string{"forbids consent_expired #1"}, no: true,
		},
		{name: "an older grant that arrives late does not revive", given: []Event{email, withdrawn, before}, want: []string{"forbids consent_withdrawn #1"}, no: true},
		{
			name:  "of one instant the withdrawal decides",
			given: []Event{email, withdrawn, with(granted, func(e *ConsentGranted) { e.GrantedAt = paid })},
			want:  []string{"forbids consent_withdrawn #1"}, no: true,
		},
		{name: "a withdrawal of everything ends it", given: []Event{email, before, ConsentWithdrawn{Every, Every, "", paid}}, want: []string{"forbids consent_withdrawn #2"}, no: true},
		{
			name:  "a later grant stands against a withdrawal of everything",
			given: []Event{email, ConsentWithdrawn{Every, Every, "", placed}, with(granted, func(e *ConsentGranted) { e.GrantedAt = paid })},
			want:  []string{"allows consent #2"},
		},
		{
			name:  "a grant for every channel lets it",
			given: []Event{email, with(before, func(e *ConsentGranted) { e.Channel = Every })},
			want:  []string{"allows consent #1"},
		},
		{
			name:  "another legal basis lets it",
			given: []Event{email, with(before, func(e *ConsentGranted) { e.LegalBasis = "contract" })},
			want:  []string{"allows legal_basis #1"},
		},
		{
			name:  "the purpose needs no consent",
			given: []Event{email}, ask: func(q *Question) { q.Purpose = "service" },
			want: []string{"allows legal_basis v3"},
		},
		{
			name:  "who objects ends a legitimate interest",
			given: []Event{email, with(withdrawn, func(e *ConsentWithdrawn) { e.Purpose = "service" })}, ask: func(q *Question) { q.Purpose = "service" },
			want: []string{"forbids consent_withdrawn #1 v3"}, no: true,
		},
		{
			name:  "who objects does not end a contract",
			given: []Event{email, ConsentWithdrawn{Every, Every, "", paid}}, ask: func(q *Question) { q.Purpose = "transaction" },
			want: []string{"allows legal_basis v3"},
		},
		{name: "a suppression stops a consent", given: []Event{email, before, suppressed}, want: []string{"forbids suppressed #2", "allows consent #1"}, no: true},
		{
			name: "a suppression is not lifted by a later consent", given: []Event{email, suppressed, granted},
			want: []string{"forbids suppressed #1", "allows consent #2"}, no: true,
		},
		{name: "a suppression does not hold before it begins", given: []Event{email, before, suppressed}, ask: func(q *Question) { q.At = hours(-1.5) }, want: []string{"allows consent #1"}},
		{
			name: "a lifted suppression is none", given: []Event{email, before, suppressed, SuppressionLifted{"s", "", hours(-0.5)}},
			want: []string{"allows consent #1"},
		},
		{
			name: "it was one until it was lifted", given: []Event{email, before, suppressed, SuppressionLifted{"s", "", hours(-0.5)}}, ask: func(q *Question) { q.At = hours(-0.75) },
			want: []string{"forbids suppressed #2", "allows consent #1"}, no: true,
		},
		{
			name: "a suppression stops a legitimate interest", given: []Event{email, suppressed}, ask: func(q *Question) { q.Purpose = "service" },
			want: []string{"forbids suppressed #1", "allows legal_basis v3"}, no: true,
		},
		{
			name: "a suppression does not stop a contract", given: []Event{email, suppressed}, ask: func(q *Question) { q.Purpose = "transaction" },
			want: []string{"allows legal_basis v3", "advises suppression_not_binding #1"},
		},
		{
			name: "the law stops a contract", given: []Event{email, legal}, ask: func(q *Question) { q.Purpose = "transaction" },
			want: []string{"forbids suppressed #1", "allows legal_basis v3"}, no: true,
		},
		{
			name: "the law does not stop what the law demands", given: []Event{email, legal}, ask: func(q *Question) {
				q.Purpose = "recall"
				q.Policy.Purposes = []contact.Purpose{{Name: "recall", Basis: contact.LegalObligation}}
			},
			want: []string{"allows legal_basis v3", "advises suppression_not_binding #1"},
		},
		{
			name: "a suppression of another channel does not matter", given: []Event{email, before, with(suppressed, func(e *ContactSuppressed) { e.Scope, e.Channel = "channel", "phone" })},
			want: []string{"allows consent #1"},
		},
		{
			name: "a suppression of the channel does", given: []Event{email, before, with(suppressed, func(e *ContactSuppressed) { e.Scope, e.Channel = "channel", "email" })},
			want: []string{"forbids suppressed #2", "allows consent #1"}, no: true,
		},
		{
			name: "who had the address before objected", given: []Event{with(email, func(e *ContactPointAdded) { e.Objected = true }), before},
			want: []string{"forbids suppressed #0", "allows consent #1"}, no: true,
		},
		{name: "it is quiet", given: []Event{email, before}, ask: func(q *Question) { q.At = hours(10) }, want: []string{"forbids quiet_hours v3 until 03-02 08:00", "allows consent #1"}, no: true},
		{
			name: "it is quiet where the customer lives", given: []Event{email, before}, ask: func(q *Question) { q.Zone = time.FixedZone("there", 10*60*60) },
			want: []string{"forbids quiet_hours v3 until 03-01 22:00", "allows consent #1"}, no: true,
		},
		{
			name: "the customer's own hours hold instead", given: []Event{email, before, ChannelPreferenceSet{QuietHours: &contact.Hours{From: "11:00", To: "14:00"}}},
			want: []string{"forbids quiet_hours #2 until 03-01 14:00", "allows consent #1"}, no: true,
		},
		{
			name: "and the policy's do not", given: []Event{email, before, ChannelPreferenceSet{QuietHours: &contact.Hours{From: "11:00", To: "14:00"}}}, ask: func(q *Question) { q.At = hours(10) },
			want: []string{"allows consent #1"},
		},
		{
			name: "a free purpose is bound by neither hours nor cap", given: []Event{email, was(-5), was(-4), was(-3), was(-2)}, ask: func(q *Question) { q.Purpose, q.At = "transaction", hours(10) },
			want: []string{"allows legal_basis v3"},
		},
		{
			name: "four contacts in seven days are enough", given: []Event{email, before, was(-5), was(-168), was(-4), was(-3), was(-2), with(was(-1), func(e *ContactRecorded) { e.Free = true })},
			want: []string{"forbids frequency_cap #2 #4 #5 #6 v3 until 03-08 07:00", "allows consent #1"}, no: true,
		},
		{
			name: "when the oldest is seven days ago the next is possible", given: []Event{email, before, was(-4), was(-3), was(-2), was(-1)}, ask: func(q *Question) { q.At = hours(168 - 4) },
			want: []string{"allows consent #1"},
		},
		{
			name: "a contact that comes later does not count", given: []Event{email, before, was(-1), was(-1), was(-1), was(0.05)},
			want: []string{"allows consent #1"},
		},
		{
			name: "the customer's own cap holds instead", given: []Event{email, before, ChannelPreferenceSet{FrequencyCap: &contact.Cap{Contacts: 1, Days: 30}}, was(-400)},
			want: []string{"forbids frequency_cap #2 #3 until 03-14 20:00", "allows consent #1"}, no: true,
		},
		{
			name: "whoever wants more gets more", given: []Event{email, before, ChannelPreferenceSet{FrequencyCap: &contact.Cap{Contacts: 9, Days: 7}}, was(-5), was(-4), was(-3), was(-2)},
			want: []string{"allows consent #1"},
		},
		{
			name: "a cap of none never ends", given: []Event{email, before, ChannelPreferenceSet{FrequencyCap: &contact.Cap{Contacts: 0, Days: 7}}},
			want: []string{"forbids frequency_cap #2", "allows consent #1"}, no: true,
		},
		{name: "there is no address", given: []Event{before}, want: []string{"forbids channel_unavailable", "allows consent #0"}, no: true},
		{
			name: "the only address is invalid", given: []Event{email, before, ContactPointInvalidated{ContactPointID: "e1", Type: "email", InvalidatedAt: paid}},
			want: []string{"forbids channel_unavailable", "allows consent #1"}, no: true,
		},
		{name: "a phone is reached by text message", given: []Event{with(email, func(e *ContactPointAdded) { e.Type = "phone" })}, ask: func(q *Question) { q.Purpose, q.Channel = "service", "sms" }, want: []string{"allows legal_basis v3"}},
		{name: "a visit needs no contact point", ask: func(q *Question) { q.Purpose, q.Channel = "service", "visit" }, want: []string{"allows legal_basis v3"}},
		{
			name: "the customer prefers something else", given: []Event{email, before, ChannelPreferenceSet{Channels: []string{"wechat", "post"}}},
			want: []string{"allows consent #1", "advises channel_not_preferred #2"},
		},
		{
			name: "nobody knows purpose and channel", given: []Event{email}, ask: func(q *Question) { q.Purpose, q.Channel = "spam", "pigeon" },
			want: []string{"forbids unknown_purpose v3", "forbids unknown_channel v3"}, no: true,
		},
		{
			name: "the data may not be used", given: []Event{email, before, ProcessingRestricted{Ground: "dispute", RestrictedAt: paid}},
			want: []string{"forbids processing_restricted #2", "allows consent #1"}, no: true,
		},
		{
			name: "the customer was erased", given: []Event{email, before, PersonalDataErased{ErasedAt: paid}},
			want: []string{"forbids customer_erased #2", "forbids channel_unavailable", "allows consent #1"}, no: true,
		},
		{
			name: "the customer is about to be erased", given: []Event{email, before, asked, approved},
			want: []string{"forbids customer_erased #3", "allows consent #1"}, no: true,
		},
		{
			name: "that the customer asked to be erased forbids nothing", given: []Event{email, before, asked},
			want: []string{"allows consent #1"},
		},
		{
			name: "all reasons are said", given: []Event{withdrawn, suppressed, ChannelPreferenceSet{Channels: []string{"post"}, FrequencyCap: &contact.Cap{Contacts: 1, Days: 7}}, was(-5), ProcessingRestricted{RestrictedAt: paid}},
			ask: func(q *Question) { q.At = hours(10) },
			want: []string{
				"forbids processing_restricted #4", "forbids channel_unavailable", "forbids consent_withdrawn #0", "forbids suppressed #1",
				"forbids quiet_hours v3 until 03-02 08:00", "forbids frequency_cap #2 #3 until 03-08 07:00", "advises channel_not_preferred #2",
			},
			no: true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, contacts, rights := told(c.given...)
			q := askedOf(contacts, rights)
			if c.ask != nil {
				c.ask(&q)
			}
			answer := x.MayContact(q)
			var got []string
			for _, r := range answer.Reasons {
				got = append(got, short(r))
			}
			if diff := cmp.Diff(c.want, got); diff != "" || answer.Allowed == c.no {
				t.Errorf("allowed: %v\n%s", answer.Allowed, diff)
			}
			if err := answer.Err(); (err != nil) != c.no {
				t.Error(err)
			}
		})
	}
}

// naive decides on a purpose and a channel by looking at every event.
func naive(events []Event, purpose, channel string, at time.Time) (stands bool) {
	type fact struct {
		at        time.Time
		withdrawn bool
		exact     int
		until     *time.Time
	}
	var latest *fact
	for _, e := range events {
		var f fact
		var of [2]string
		switch e := e.(type) {
		case ConsentGranted:
			f, of = fact{at: e.GrantedAt, until: e.ExpiresAt}, [2]string{e.Purpose, e.Channel}
		case ConsentWithdrawn:
			f, of = fact{at: e.WithdrawnAt, withdrawn: true}, [2]string{e.Purpose, e.Channel}
		}
		if f.at.After(at) || of[0] != purpose && of[0] != Every || of[1] != channel && of[1] != Every {
			continue
		}
		if of[0] == purpose {
			f.exact += 2
		}
		if of[1] == channel {
			f.exact++
		}
		if latest == nil || f.at.After(latest.at) || f.at.Equal(latest.at) &&
			(f.withdrawn && !latest.withdrawn || f.withdrawn == latest.withdrawn && f.exact >= latest.exact) {
			latest = &f
		}
	}
	return latest != nil && !latest.withdrawn && (latest.until == nil || at.Before(*latest.until))
}

// TestTheLatestFactDecidesWhateverTheOrderOfArrival: what is kept in bounded size
// decides like a look at every event, as far back as it reaches.
func TestTheLatestFactDecidesWhateverTheOrderOfArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		purpose := rapid.SampledFrom([]string{"marketing", "survey", Every})
		channel := rapid.SampledFrom([]string{"email", "sms", Every})
		hour := rapid.IntRange(0, 12)
		var events []Event
		for range rapid.IntRange(0, 16).Draw(t, "events") {
			p, c, when := purpose.Draw(t, "purpose"), channel.Draw(t, "channel"), hours(float64(hour.Draw(t, "hour")))
			if p == Every || rapid.Bool().Draw(t, "withdrawn") {
				events = append(events, ConsentWithdrawn{Purpose: p, Channel: c, WithdrawnAt: when})
				continue
			}
			e := ConsentGranted{Purpose: p, Channel: c, LegalBasis: "consent", GrantedAt: when}
			if lasts := rapid.IntRange(0, 6).Draw(t, "lasts"); lasts > 0 {
				e.ExpiresAt = ptr(when.Add(time.Duration(lasts) * time.Hour))
			}
			events = append(events, e)
		}
		x, _, _ := told(events...)
		for h := -1; h <= 19; h++ {
			for _, p := range []string{"marketing", "survey"} {
				for _, c := range []string{"email", "sms"} {
					at := hours(float64(h))
					if got, want := x.Consented(p, c, at), naive(events, p, c, at); got != want {
						t.Fatalf("%s by %s at %v: %v, want %v", p, c, at, got, want)
					}
				}
			}
		}
	})
}

// TestOldFactsAreForgottenAndTheLatestStillDecides goes beyond what is kept of one
// purpose and channel.
func TestOldFactsAreForgottenAndTheLatestStillDecides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []Event
		for range rapid.IntRange(17, 60).Draw(t, "events") {
			when := hours(float64(rapid.IntRange(0, 90).Draw(t, "hour")))
			if rapid.Bool().Draw(t, "withdrawn") {
				events = append(events, ConsentWithdrawn{Purpose: "marketing", Channel: "email", WithdrawnAt: when})
			} else {
				events = append(events, ConsentGranted{Purpose: "marketing", Channel: "email", GrantedAt: when})
			}
		}
		x, _, _ := told(events...)
		facts := x.Consents[0].Facts
		if len(facts) != 16 {
			t.Fatalf("%d facts are kept", len(facts))
		}
		for h := 0; h <= 90; h++ {
			at := hours(float64(h))
			if at.Before(facts[15].At) {
				continue
			}
			if got, want := x.Consented("marketing", "email", at), naive(events, "marketing", "email", at); got != want {
				t.Fatalf("at %v: %v, want %v", at, got, want)
			}
		}
	})
}

// TestContactsAreKeptAsFarBackAsACapLooks compares the cap with a count over every
// contact, whatever the order in which they were recorded.
func TestContactsAreKeptAsFarBackAsACapLooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.IntRange(1, 90).Draw(t, "window")
		var events []Event
		var last time.Time
		for range rapid.IntRange(1, 40).Draw(t, "contacts") {
			when := noon.AddDate(0, 0, rapid.IntRange(0, 200).Draw(t, "day"))
			if when.After(last) {
				last = when
			}
			events = append(events, ContactRecorded{Purpose: "marketing", Channel: "email", WindowDays: window, ContactedAt: when, Free: rapid.Bool().Draw(t, "free")})
		}
		x, _, _ := told(events...)
		if !slices.IsSortedFunc(x.Recent, func(a, b Contacted) int { return a.At.Compare(b.At) }) {
			t.Fatal("the contacts are not in order")
		}
		q := askedOf(Contacts{}, Rights{})
		q.At = last.AddDate(0, 0, rapid.IntRange(0, 10).Draw(t, "later"))
		counted := 0
		for _, e := range events {
			if c := e.(ContactRecorded); !c.Free && c.ContactedAt.After(q.At.AddDate(0, 0, -window)) {
				counted++
			}
		}
		for most := 0; most <= counted+1; most++ {
			q.Policy.Cap = &contact.Cap{Contacts: most, Days: window}
			capped := slices.IndexFunc(x.MayContact(q).Reasons, func(r ContactReason) bool { return r.Code == WhyCap })
			if (capped >= 0) != (counted >= most) {
				t.Fatalf("%d contacts, %d allowed: %v", counted, most, capped >= 0)
			}
		}
	})
}

func TestRememberedContactsAreBounded(t *testing.T) {
	var events []Event
	for i := range 1100 {
		events = append(events, ContactRecorded{Purpose: "marketing", Channel: "email", ContactedAt: noon.Add(time.Duration(i) * time.Minute)})
	}
	x, _, _ := told(events...)
	if len(x.Recent) != 1000 || !x.Recent[0].At.Equal(noon.Add(100*time.Minute)) {
		t.Errorf("%d contacts since %v", len(x.Recent), x.Recent[0].At)
	}
	x.Fold(Record{Event: ContactRecorded{Purpose: "marketing", Channel: "email", ContactedAt: noon.AddDate(0, 0, 40)}})
	if len(x.Recent) != 1 {
		t.Errorf("%d contacts are left after 40 days", len(x.Recent))
	}
}

func TestLiftedSuppressionsAreForgottenWhenThereAreTooMany(t *testing.T) {
	var x Permissions
	for i := range 300 {
		id := fmt.Sprint(i)
		x.Fold(Record{Event: ContactSuppressed{SuppressionID: id, Scope: "all", SuppressedAt: placed}})
		x.Fold(Record{Event: SuppressionLifted{SuppressionID: id, LiftedAt: paid}})
	}
	if len(x.Suppressions) > 101 {
		t.Errorf("%d suppressions are kept", len(x.Suppressions))
	}
}

func TestObjects(t *testing.T) {
	suppressed := ContactSuppressed{SuppressionID: "s", Scope: "channel", Channel: "sms", ReasonCode: "objection", SuppressedAt: paid}
	email := ConsentWithdrawn{Purpose: "marketing", Channel: "email", WithdrawnAt: paid}
	sms := ConsentGranted{Purpose: "marketing", Channel: "sms", LegalBasis: "consent", GrantedAt: placed}
	for _, c := range []struct {
		name  string
		given []Event
		want  bool
	}{
		{"nobody said anything", nil, false},
		{"who consents does not object", []Event{granted}, false},
		{"who withdrew what they gave objects", []Event{with(granted, func(e *ConsentGranted) { e.GrantedAt = placed }), email}, true},
		{"who still consents to something does not", []Event{email, sms}, false},
		{"who withdrew that as well does", []Event{email, sms, ConsentWithdrawn{Every, "sms", "", paid}}, true},
		{"who consented again does not", []Event{ConsentWithdrawn{Every, Every, "", placed}, granted}, false},
		{"an objection is one", []Event{suppressed, granted}, true},
		{"a lifted objection is none", []Event{suppressed, SuppressionLifted{"s", "", noon}, granted}, false},
		{"a complaint is one", []Event{with(suppressed, func(e *ContactSuppressed) { e.ReasonCode = "complaint" })}, true},
		{"a bounce is none", []Event{with(suppressed, func(e *ContactSuppressed) { e.ReasonCode = "undeliverable" })}, false},
		{"what the law demands is one", []Event{with(suppressed, func(e *ContactSuppressed) { e.ReasonCode, e.Legal = "internal", true })}, true},
		{"an earlier objection is one", []Event{ContactPointAdded{ContactPointID: "e", Type: "email", Objected: true, AddedAt: placed}}, true},
		{"an objection outlives the erasure", []Event{suppressed, PersonalDataErased{ErasedAt: noon}}, true},
		{"a withdrawal outlives the erasure", []Event{email, PersonalDataErased{ErasedAt: noon}}, true},
	} {
		x, _, _ := told(c.given...)
		if got := x.Objects(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestExpiring(t *testing.T) {
	until := func(e ConsentGranted, channel string, h float64) ConsentGranted {
		e.Channel, e.ExpiresAt = channel, ptr(hours(h))
		return e
	}
	x, _, _ := told(
		until(granted, "email", 5), until(granted, "sms", 3), until(granted, "post", 9), granted,
		until(granted, "phone", 2), ConsentWithdrawn{"marketing", "phone", "", hours(1)},
		until(with(granted, func(e *ConsentGranted) { e.Purpose = "survey" }), Every, 5),
	)
	want := []ExpiringConsent{
		{"marketing", "sms", hours(3), event(1)}, {"survey", Every, hours(5), event(6)},
	}
	if diff := cmp.Diff(want, x.Expiring(hours(5))); diff != "" {
		t.Error(diff)
	}
}

// TestChannels: the customer's ranking first, then what else there is.
func TestChannels(t *testing.T) {
	p := contact.Policy{Channels: []string{"email", "phone", "sms", "post"}}
	x, _, _ := told()
	if diff := cmp.Diff([]string{"email", "phone", "sms", "post"}, x.Channels(p)); diff != "" {
		t.Error(diff)
	}
	x, _, _ = told(ChannelPreferenceSet{Channels: []string{"post", "wechat", "email"}})
	if diff := cmp.Diff([]string{"post", "email", "phone", "sms"}, x.Channels(p)); diff != "" {
		t.Error(diff)
	}
}

// TestNothingPersonalOutlivesAnErasure: what is left is the same whether or not the
// personal fields could still be read before it.
func TestNothingPersonalOutlivesAnErasure(t *testing.T) {
	open := []Event{
		with(granted, func(e *ConsentGranted) { e.Evidence = "her signature" }),
		ConsentWithdrawn{"marketing", "email", "letter", paid},
		ChannelPreferenceSet{Channels: []string{"post"}, Language: "de"},
		ContactSuppressed{SuppressionID: "s", Scope: "all", ReasonCode: "objection", Reason: "her divorce", SuppressedAt: paid},
		ContactSuppressed{SuppressionID: "r", Scope: "all", ReasonCode: "internal", Reason: "her fame", SuppressedAt: paid},
		SuppressionLifted{"r", "it faded", noon},
		ContactRecorded{ContactID: "m", Purpose: "marketing", Channel: "email", ContactedAt: noon},
	}
	sealed := slices.Clone(open)
	for i, e := range sealed {
		switch e := e.(type) {
		case ConsentGranted:
			e.Evidence = ""
			sealed[i] = e
		case ContactSuppressed:
			e.Reason = ""
			sealed[i] = e
		case SuppressionLifted:
			e.Reason = ""
			sealed[i] = e
		}
	}
	x, _, _ := told(append(open, PersonalDataErased{ErasedAt: noon})...)
	y, _, _ := told(append(sealed, PersonalDataErased{ErasedAt: noon})...)
	a, _ := json.Marshal(x)
	b, _ := json.Marshal(y)
	if diff := cmp.Diff(string(b), string(a)); diff != "" {
		t.Error(diff)
	}
	for _, trace := range []string{"her ", "faded"} {
		if strings.Contains(string(a), trace) {
			t.Errorf("%q is left in %s", trace, a)
		}
	}
}
