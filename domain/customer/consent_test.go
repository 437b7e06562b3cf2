package customer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/domain/world"
)

// contactRules is the policy that the tests of consents go by.
func contactRules() contact.Policy {
	p := contact.Default()
	p.Purposes[0].Texts = []string{"2025-11", "2026-01"}
	return p
}

// knows is a world with a policy of contacts, and with staff.
func knows(p contact.Policy, people ...staff.Event) world.Known {
	w := new(world.World).With(uuid.Nil, policy.Published{Kind: policy.KindContact, Version: 3, Contact: &p})
	for _, e := range people {
		w = w.With(uuid.Nil, e)
	}
	return world.Known{World: w}
}

var (
	rules = knows(contactRules())

	granted = ConsentGranted{Purpose: "marketing", Channel: "email", LegalBasis: "consent", TextVersion: "2026-01", GrantedAt: noon}
	grant   = GrantConsent{Subject: at, Known: rules, Grant: Grant{Purpose: "marketing", Channel: "email", TextVersion: "2026-01"}}
	email   = ContactPointAdded{ContactPointID: "e1", Type: "email", Value: "ada@example.com", Lookup: "l1", AddedAt: placed}
)

// hours returns noon moved by some hours.
func hours(n float64) time.Time { return noon.Add(time.Duration(n * float64(time.Hour))) }

func TestGrantConsent(t *testing.T) {
	later := noon.AddDate(1, 0, 0)
	legal := ContactSuppressed{SuppressionID: "s", Scope: "all", ReasonCode: "law", Legal: true, Role: "legal", SuppressedAt: placed}
	by := func(change func(*GrantConsent)) GrantConsent { return with(grant, change) }
	run(t, []spec{
		{Name: "a consent is granted now", Given: []Event{registered}, When: grant, Then: []Event{granted}},
		{
			Name: "a consent says how it is known, when it was given and until when it holds", Given: []Event{registered},
			When: by(func(c *GrantConsent) {
				c.Evidence, c.GrantedAt, c.ExpiresAt = "form 7", ptr(hours(-48)), &later
			}),
			Then: []Event{with(granted, func(e *ConsentGranted) { e.Evidence, e.GrantedAt, e.ExpiresAt = "form 7", hours(-48), &later })},
		},
		{
			Name: "a consent may be for every channel", Given: []Event{registered},
			When: by(func(c *GrantConsent) { c.Channel = Every }),
			Then: []Event{with(granted, func(e *ConsentGranted) { e.Channel = Every })},
		},
		{
			Name: "another legal basis needs no text", Given: []Event{registered},
			When: by(func(c *GrantConsent) { c.TextVersion, c.LegalBasis = "", "contract" }),
			Then: []Event{with(granted, func(e *ConsentGranted) { e.TextVersion, e.LegalBasis = "", "contract" })},
		},
		{
			Name: "a purpose without listed texts takes any, or none", Given: []Event{registered},
			When: by(func(c *GrantConsent) { c.Purpose, c.TextVersion = "survey", "v9" }),
			Then: []Event{with(granted, func(e *ConsentGranted) { e.Purpose, e.TextVersion = "survey", "v9" })},
		},
		{
			Name: "who says yes after a no that was dated later today means it", Given: []Event{registered, ConsentWithdrawn{"marketing", Every, "", hours(0.05)}},
			When: grant, Then: []Event{with(granted, func(e *ConsentGranted) { e.GrantedAt = hours(0.05).Add(time.Millisecond) })},
		},
		{
			Name: "a consent can be granted while contacts are suppressed, but not by law", Given: []Event{registered, with(legal, func(e *ContactSuppressed) { e.Legal = false })},
			When: grant, Then: []Event{granted},
		},
		{
			Name: "a suppression by law that was lifted is none", Given: []Event{registered, legal, SuppressionLifted{"s", "", paid}},
			When: grant, Then: []Event{granted},
		},
		{
			Name: "a suppression by law of another channel does not matter", Given: []Event{registered, with(legal, func(e *ContactSuppressed) { e.Scope, e.Channel = "channel", "phone" })},
			When: grant, Then: []Event{granted},
		},
		{Name: "the same again is quiet", Given: []Event{registered, with(granted, func(e *ConsentGranted) { e.GrantedAt = placed })}, When: grant},
		{
			Name: "the same at the same time again is quiet", Given: []Event{registered, with(granted, func(e *ConsentGranted) { e.GrantedAt = placed })},
			When: by(func(c *GrantConsent) { c.GrantedAt = &placed }),
		},
		{
			Name: "the same at another time is a consent of its own", Given: []Event{registered, with(granted, func(e *ConsentGranted) { e.GrantedAt = placed })},
			When: by(func(c *GrantConsent) { c.GrantedAt = &noon }), Then: []Event{granted},
		},
		{
			Name: "the same with evidence is recorded", Given: []Event{registered, with(granted, func(e *ConsentGranted) { e.GrantedAt = placed })},
			When: by(func(c *GrantConsent) { c.Evidence = "again" }), Then: []Event{with(granted, func(e *ConsentGranted) { e.Evidence = "again" })},
		},
		{Name: "nobody is registered", When: grant, Error: ErrNotFound},
		{Name: "no policy is in force", Given: []Event{registered}, When: by(func(c *GrantConsent) { c.Known = world.Known{} }), Error: ErrNoContactPolicy},
		{Name: "the law forbids contacts", Given: []Event{registered, legal}, When: grant, Error: ErrContactSuppressed},
		{
			Name: "the law forbids the purpose", Given: []Event{registered, with(legal, func(e *ContactSuppressed) { e.Scope, e.Purpose = "purpose", "marketing" })},
			When: grant, Error: ErrContactSuppressed,
		},
		{
			Name: "purpose and channel are required", Given: []Event{registered}, When: GrantConsent{Subject: at, Known: rules},
			Error: domain.ErrValidation, Fields: []string{"/purpose", "/channel"},
		},
		{
			Name: "every purpose is nobody's consent", Given: []Event{registered}, When: by(func(c *GrantConsent) { c.Purpose = Every }),
			Error: domain.ErrValidation, Fields: []string{"/purpose"},
		},
		{
			Name: "unknown purpose, channel and basis", Given: []Event{registered},
			When: by(func(c *GrantConsent) {
				c.Purpose, c.Channel, c.LegalBasis, c.TextVersion = "spam", "pigeon", "greed", ""
			}),
			Error: domain.ErrValidation, Fields: []string{"/purpose", "/channel", "/legal_basis"},
		},
		{
			Name: "unknown text version", Given: []Event{registered}, When: by(func(c *GrantConsent) { c.TextVersion = "2024-01" }),
			Error: domain.ErrValidation, Fields: []string{"/text_version"},
		},
		{
			Name: "missing text version", Given: []Event{registered}, When: by(func(c *GrantConsent) { c.TextVersion = "" }),
			Error: domain.ErrValidation, Fields: []string{"/text_version"},
		},
		{
			Name: "the expiry lies in the past", Given: []Event{registered},
			When:  by(func(c *GrantConsent) { c.GrantedAt, c.ExpiresAt = ptr(hours(-48)), ptr(hours(-24)) }),
			Error: domain.ErrValidation, Fields: []string{"/expires_at"},
		},
		{
			Name: "the expiry is not after the grant", Given: []Event{registered},
			When:  by(func(c *GrantConsent) { c.ExpiresAt = &noon }),
			Error: domain.ErrValidation, Fields: []string{"/expires_at"},
		},
		{
			Name: "the grant lies in the future", Given: []Event{registered}, When: by(func(c *GrantConsent) { c.GrantedAt = ptr(hours(1)) }),
			Error: domain.ErrValidation, Fields: []string{"/granted_at"},
		},
		{
			Name: "the evidence is too long", Given: []Event{registered}, When: by(func(c *GrantConsent) { c.Evidence = strings.Repeat("x", 2001) }),
			Error: domain.ErrValidation, Fields: []string{"/evidence"},
		},
	})
}

func TestWithdrawConsent(t *testing.T) {
	withdraw := WithdrawConsent{Subject: at, Purpose: "marketing", Channel: "email", Via: "link"}
	withdrawn := ConsentWithdrawn{Purpose: "marketing", Channel: "email", Via: "link", WithdrawnAt: noon}
	before := with(granted, func(e *ConsentGranted) { e.GrantedAt = placed })
	by := func(change func(*WithdrawConsent)) WithdrawConsent { return with(withdraw, change) }
	erased := PersonalDataErased{ErasedAt: noon}
	restricted := ProcessingRestricted{Ground: "dispute", RestrictedAt: paid}
	run(t, []spec{
		{Name: "a consent is withdrawn", Given: []Event{registered, before}, When: withdraw, Then: []Event{withdrawn}},
		{Name: "what was never granted is withdrawn", Given: []Event{registered}, When: withdraw, Then: []Event{withdrawn}},
		{
			Name: "without purpose and channel everything is withdrawn", Given: []Event{registered, before},
			When: WithdrawConsent{Subject: at}, Then: []Event{ConsentWithdrawn{Every, Every, "", noon}},
		},
		{
			Name: "a purpose that no policy knows is withdrawn", Given: []Event{registered},
			When: by(func(c *WithdrawConsent) { c.Purpose = "newsletter" }), Then: []Event{with(withdrawn, func(e *ConsentWithdrawn) { e.Purpose = "newsletter" })},
		},
		{
			Name: "a withdrawal may be dated back", Given: []Event{registered, before},
			When: by(func(c *WithdrawConsent) { c.WithdrawnAt = &paid }), Then: []Event{with(withdrawn, func(e *ConsentWithdrawn) { e.WithdrawnAt = paid })},
		},
		{
			Name: "a withdrawal of the future holds from now on", Given: []Event{registered, before},
			When: by(func(c *WithdrawConsent) { c.WithdrawnAt = ptr(hours(24)) }), Then: []Event{withdrawn},
		},
		{
			Name: "who says no now takes back what was dated later today", Given: []Event{registered, with(granted, func(e *ConsentGranted) { e.GrantedAt = hours(0.05) })},
			When: withdraw, Then: []Event{with(withdrawn, func(e *ConsentWithdrawn) { e.WithdrawnAt = hours(0.05) })},
		},
		{Name: "the same again is quiet", Given: []Event{registered, before, with(withdrawn, func(e *ConsentWithdrawn) { e.WithdrawnAt = paid })}, When: withdraw},
		{Name: "less than was withdrawn is quiet", Given: []Event{registered, before, ConsentWithdrawn{"marketing", Every, "", paid}}, When: withdraw},
		{
			Name: "more than was withdrawn is withdrawn", Given: []Event{registered, before, with(withdrawn, func(e *ConsentWithdrawn) { e.WithdrawnAt = paid })},
			When: WithdrawConsent{Subject: at, Purpose: "marketing"}, Then: []Event{ConsentWithdrawn{"marketing", Every, "", noon}},
		},
		{
			Name: "a new grant can be withdrawn again", Given: []Event{registered, with(withdrawn, func(e *ConsentWithdrawn) { e.WithdrawnAt = placed }), with(granted, func(e *ConsentGranted) { e.GrantedAt = paid })},
			When: withdraw, Then: []Event{withdrawn},
		},
		{
			Name: "a grant of a part is ended by the withdrawal of the whole", Given: []Event{registered, ConsentWithdrawn{Every, Every, "", placed}, with(granted, func(e *ConsentGranted) { e.GrantedAt = paid })},
			When: WithdrawConsent{Subject: at}, Then: []Event{ConsentWithdrawn{Every, Every, "", noon}},
		},
		{
			Name: "the same at the same time again is quiet", Given: []Event{registered, withdrawn, with(granted, func(e *ConsentGranted) { e.GrantedAt = paid })},
			When: by(func(c *WithdrawConsent) { c.WithdrawnAt = &noon }),
		},
		{
			Name: "what is dated later than the withdrawal that stands is recorded", Given: []Event{registered, with(withdrawn, func(e *ConsentWithdrawn) { e.WithdrawnAt = paid })},
			When: by(func(c *WithdrawConsent) { c.WithdrawnAt = &noon }), Then: []Event{withdrawn},
		},
		{Name: "an erased customer says no in vain", Given: []Event{registered, before, erased}, When: withdraw},
		{Name: "a restricted customer says no", Given: []Event{registered, before, restricted}, When: withdraw, Then: []Event{withdrawn}},
		{Name: "nobody is registered", When: withdraw, Error: ErrNotFound},
		{
			Name: "what is stored in the clear must be codes", Given: []Event{registered},
			When:  WithdrawConsent{Subject: at, Purpose: "to sell me things", Channel: "é", Via: strings.Repeat("x", 65)},
			Error: domain.ErrValidation, Fields: []string{"/purpose", "/channel", "/via"},
		},
		{
			Name: "a withdrawal is not older than living memory", Given: []Event{registered}, When: by(func(c *WithdrawConsent) { c.WithdrawnAt = new(time.Time) }),
			Error: domain.ErrValidation, Fields: []string{"/withdrawn_at"},
		},
	})
}

func TestTheOnlyRoomLeftIsForAWithdrawalOfEverything(t *testing.T) {
	given := []Event{registered}
	for i := range 1000 {
		given = append(given, ConsentWithdrawn{Purpose: "p", Channel: "c" + string(rune('a'+i/100)) + string(rune('a'+i/10%10)) + string(rune('a'+i%10)), WithdrawnAt: placed})
	}
	run(t, []spec{
		{Name: "a withdrawal widens", Given: given, When: WithdrawConsent{Subject: at, Purpose: "p", Channel: "one_more"}, Then: []Event{ConsentWithdrawn{Every, Every, "", noon}}},
		{Name: "a grant is refused", Given: given, When: grant, Error: ErrTooManyConsents},
	})
}

func TestSetChannelPreference(t *testing.T) {
	set := SetChannelPreference{
		Subject: at, Known: rules, Channels: []string{"wechat", "email"}, Language: "de-AT",
		QuietHours: &contact.Hours{From: "20:00", To: "09:30"}, FrequencyCap: &contact.Cap{Contacts: 2, Days: 30},
	}
	said := ChannelPreferenceSet{
		Channels: []string{"wechat", "email"}, Language: "de-AT",
		QuietHours: &contact.Hours{From: "20:00", To: "09:30"}, FrequencyCap: &contact.Cap{Contacts: 2, Days: 30},
	}
	only := func(change func(*SetChannelPreference)) SetChannelPreference {
		return with(SetChannelPreference{Subject: at, Known: rules}, change)
	}
	run(t, []spec{
		{Name: "everything is said", Given: []Event{registered}, When: set, Then: []Event{said}},
		{
			Name: "what is not said is left to the policy", Given: []Event{registered, said},
			When: only(func(c *SetChannelPreference) { c.Language = "en" }), Then: []Event{ChannelPreferenceSet{Language: "en"}},
		},
		{Name: "the same again is quiet", Given: []Event{registered, said}, When: set},
		{Name: "nobody is registered", When: set, Error: ErrNotFound},
		{Name: "no policy is in force", Given: []Event{registered}, When: SetChannelPreference{Subject: at, Language: "en"}, Error: ErrNoContactPolicy},
		{Name: "nothing is said", Given: []Event{registered}, When: only(func(*SetChannelPreference) {}), Error: domain.ErrValidation, Fields: []string{""}},
		{
			Name: "a channel is not supported, another is listed twice", Given: []Event{registered},
			When:  only(func(c *SetChannelPreference) { c.Channels = []string{"pigeon", "email", "email"} }),
			Error: domain.ErrValidation, Fields: []string{"/channels/0", "/channels/2"},
		},
		{
			Name: "there are too many channels", Given: []Event{registered},
			When:  only(func(c *SetChannelPreference) { c.Channels = make([]string, 101) }),
			Error: domain.ErrValidation, Fields: []string{"/channels"},
		},
		{
			Name: "language, hours and cap are none", Given: []Event{registered},
			When: only(func(c *SetChannelPreference) {
				c.Language, c.QuietHours, c.FrequencyCap = "deutsch!", &contact.Hours{From: "9", To: "25:00"}, &contact.Cap{Contacts: -1}
			}),
			Error:  domain.ErrValidation,
			Fields: []string{"/language", "/quiet_hours/from", "/quiet_hours/to", "/frequency_cap/contacts", "/frequency_cap/days"},
		},
		{
			Name: "the hours are none at all", Given: []Event{registered},
			When:  only(func(c *SetChannelPreference) { c.QuietHours = &contact.Hours{From: "09:00", To: "09:00"} }),
			Error: domain.ErrValidation, Fields: []string{"/quiet_hours/to"},
		},
	})
}

func TestSuppressContact(t *testing.T) {
	suppress := SuppressContact{Subject: at, Scope: "all", Reason: "called and shouted"}
	suppressed := ContactSuppressed{SuppressionID: "all", Scope: "all", ReasonCode: "objection", Reason: "called and shouted", SuppressedAt: noon}
	full := []Event{registered}
	for i := range 100 {
		full = append(full, ContactSuppressed{SuppressionID: string(rune('A' + i)), Scope: "all", ReasonCode: "objection", SuppressedAt: placed})
	}
	run(t, []spec{
		{Name: "all contacts are suppressed", Given: []Event{registered}, When: suppress, Then: []Event{suppressed}},
		{
			Name: "a channel is suppressed, by the caller's id, since a while ago", Given: []Event{registered},
			When: SuppressContact{Subject: at, ID: "s7", Scope: "channel", Channel: "phone", ReasonCode: "complaint", SuppressedAt: &placed},
			Then: []Event{ContactSuppressed{SuppressionID: "s7", Scope: "channel", Channel: "phone", ReasonCode: "complaint", SuppressedAt: placed}},
		},
		{
			Name: "a purpose is suppressed, as the law demands", Given: []Event{registered},
			When: SuppressContact{Subject: at, Scope: "purpose", Purpose: "marketing", Legal: true},
			Then: []Event{ContactSuppressed{SuppressionID: "legal:purpose:marketing", Scope: "purpose", Purpose: "marketing", ReasonCode: "law", Legal: true, Role: "legal", SuppressedAt: noon}},
		},
		{
			Name: "the law names who may lift it", Given: []Event{registered},
			When: SuppressContact{Subject: at, Scope: "all", Legal: true, Role: "privacy"},
			Then: []Event{ContactSuppressed{SuppressionID: "privacy:all", Scope: "all", ReasonCode: "law", Legal: true, Role: "privacy", SuppressedAt: noon}},
		},
		{Name: "a restricted customer objects", Given: []Event{registered, ProcessingRestricted{RestrictedAt: placed}}, When: suppress, Then: []Event{suppressed}},
		{
			Name: "what was lifted can be suppressed again", Given: []Event{registered, with(suppressed, func(e *ContactSuppressed) { e.SuppressedAt = placed }), SuppressionLifted{"all", "", paid}},
			When: suppress, Then: []Event{suppressed},
		},
		{Name: "the same again is quiet", Given: []Event{registered, suppressed}, When: with(suppress, func(c *SuppressContact) { c.Reason = "" })},
		{Name: "nobody is registered", When: suppress, Error: ErrNotFound},
		{Name: "an erased customer", Given: []Event{registered, PersonalDataErased{ErasedAt: noon}}, When: suppress, Error: ErrErased},
		{
			Name: "the id has other content", Given: []Event{registered, suppressed},
			When: SuppressContact{Subject: at, ID: "all", Scope: "channel", Channel: "sms"}, Error: ErrSuppressionExists,
		},
		{Name: "there are too many", Given: full, When: suppress, Error: ErrTooManySuppressions},
		{Name: "the scope is required", Given: []Event{registered}, When: SuppressContact{Subject: at}, Error: domain.ErrValidation, Fields: []string{"/scope"}},
		{
			Name: "unknown scope and reason", Given: []Event{registered}, When: SuppressContact{Subject: at, Scope: "some", ReasonCode: "mood"},
			Error: domain.ErrValidation, Fields: []string{"/scope", "/reason_code"},
		},
		{
			Name: "a channel is required", Given: []Event{registered}, When: SuppressContact{Subject: at, Scope: "channel", Purpose: "marketing"},
			Error: domain.ErrValidation, Fields: []string{"/purpose", "/channel"},
		},
		{
			Name: "every purpose is the scope all", Given: []Event{registered}, When: SuppressContact{Subject: at, Scope: "purpose", Purpose: Every},
			Error: domain.ErrValidation, Fields: []string{"/purpose"},
		},
		{
			Name: "the id is none, the reason too long, the role is for the law", Given: []Event{registered},
			When:  SuppressContact{Subject: at, Scope: "all", ID: "no spaces", Reason: strings.Repeat("x", 2001), Role: "legal"},
			Error: domain.ErrValidation, Fields: []string{"/reason", "/id", "/role"},
		},
		{
			Name: "the role is none, the time lies in the future", Given: []Event{registered},
			When:  SuppressContact{Subject: at, Scope: "all", Legal: true, Role: "no spaces", SuppressedAt: ptr(hours(1))},
			Error: domain.ErrValidation, Fields: []string{"/suppressed_at", "/role"},
		},
	})
}

func TestLiftSuppression(t *testing.T) {
	suppressed := ContactSuppressed{SuppressionID: "all", Scope: "all", ReasonCode: "objection", SuppressedAt: placed}
	legal := ContactSuppressed{SuppressionID: "l", Scope: "all", ReasonCode: "law", Legal: true, Role: "legal", SuppressedAt: placed}
	people := knows(contactRules(), staff.EmployeeEnrolled{EmployeeID: "ann", Roles: []string{"legal"}}, staff.EmployeeEnrolled{EmployeeID: "bob", Roles: []string{"agent"}})
	lift := func(id, who string) LiftSuppression {
		c := LiftSuppression{Subject: at, Known: people, ID: id, Reason: "asked for it"}
		c.Actor = domain.Actor{Kind: "user", ID: who}
		return c
	}
	run(t, []spec{
		{Name: "a suppression is lifted", Given: []Event{registered, suppressed}, When: lift("all", "bob"), Then: []Event{SuppressionLifted{"all", "asked for it", noon}}},
		{Name: "the law's is lifted by the role", Given: []Event{registered, legal}, When: lift("l", "ann"), Then: []Event{SuppressionLifted{"l", "asked for it", noon}}},
		{
			Name: "it is not lifted before it began", Given: []Event{registered, with(suppressed, func(e *ContactSuppressed) { e.SuppressedAt = hours(0.05) })},
			When: lift("all", "bob"), Then: []Event{SuppressionLifted{"all", "asked for it", hours(0.05)}},
		},
		{Name: "twice is quiet", Given: []Event{registered, suppressed, SuppressionLifted{"all", "", paid}}, When: lift("all", "bob")},
		{Name: "an earlier objection is lifted", Given: []Event{registered, with(email, func(e *ContactPointAdded) { e.Objected = true })}, When: lift("earlier_objection", "bob"), Then: []Event{SuppressionLifted{"earlier_objection", "asked for it", noon}}},
		{Name: "the law's is not lifted by another role", Given: []Event{registered, legal}, When: lift("l", "bob"), Error: ErrSuppressionLegal},
		{
			Name: "the law's is not lifted by a program that has an employee's name", Given: []Event{registered, legal},
			When: with(lift("l", "ann"), func(c *LiftSuppression) { c.Actor.Kind = "rpa" }), Error: ErrSuppressionLegal,
		},
		{
			Name: "the law's is not lifted where nobody knows the staff", Given: []Event{registered, legal},
			When: with(lift("l", "ann"), func(c *LiftSuppression) { c.World = nil }), Error: ErrSuppressionLegal,
		},
		{
			Name: "the law's is not lifted by another role than the one that it names", Given: []Event{registered, with(legal, func(e *ContactSuppressed) { e.Role = "privacy" })},
			When: lift("l", "ann"), Error: ErrSuppressionLegal,
		},
		{Name: "there is none", Given: []Event{registered, suppressed}, When: lift("x", "ann"), Error: ErrSuppressionNotFound},
		{Name: "nobody is registered", When: lift("x", "ann"), Error: ErrNotFound},
		{
			Name: "the id is required, the reason too long", Given: []Event{registered}, When: LiftSuppression{Subject: at, Reason: strings.Repeat("x", 2001)},
			Error: domain.ErrValidation, Fields: []string{"/id", "/reason"},
		},
	})
}

func TestRecordContact(t *testing.T) {
	record := RecordContact{Subject: at, Known: rules, ContactID: "m1", Purpose: "marketing", Channel: "email", CampaignID: "spring"}
	recorded := ContactRecorded{ContactID: "m1", Purpose: "marketing", Channel: "email", CampaignID: "spring", LegalBasis: "consent", WindowDays: 7, ContactedAt: noon}
	given := []Event{registered, email, with(granted, func(e *ConsentGranted) { e.GrantedAt = placed })}
	and := func(more ...Event) []Event { return append(given[:len(given):len(given)], more...) }
	shanghai := time.FixedZone("Asia/Shanghai", 8*60*60)
	by := func(change func(*RecordContact)) RecordContact { return with(record, change) }
	run(t, []spec{
		{Name: "a contact is recorded", Given: given, When: record, Then: []Event{recorded}},
		{
			Name: "a contact of a free purpose does not count", Given: given,
			When: by(func(c *RecordContact) { c.Purpose = "transaction" }),
			Then: []Event{with(recorded, func(e *ContactRecorded) { e.Purpose, e.Free, e.LegalBasis = "transaction", true, "contract" })},
		},
		{
			Name: "a contact may be dated back", Given: given, When: by(func(c *RecordContact) { c.ContactedAt = &paid }),
			Then: []Event{with(recorded, func(e *ContactRecorded) { e.ContactedAt = paid })},
		},
		{
			Name: "the customer's own window is noted", Given: and(ChannelPreferenceSet{FrequencyCap: &contact.Cap{Contacts: 1, Days: 90}}), When: record,
			Then: []Event{with(recorded, func(e *ContactRecorded) { e.WindowDays = 90 })},
		},
		{Name: "the same id again is quiet", Given: and(with(recorded, func(e *ContactRecorded) { e.ContactedAt = paid })), When: record},
		{
			Name: "a contact without an id is another one", Given: and(with(recorded, func(e *ContactRecorded) { e.ContactID = "" })),
			When: by(func(c *RecordContact) { c.ContactID = "" }), Then: []Event{with(recorded, func(e *ContactRecorded) { e.ContactID = "" })},
		},
		{
			Name: "the id is another contact's", Given: and(recorded),
			When: by(func(c *RecordContact) { c.Channel = "sms" }), Error: ErrContactExists,
		},
		{
			Name: "the id is that of a contact of another time", Given: and(recorded),
			When: by(func(c *RecordContact) { c.ContactedAt = &paid }), Error: ErrContactExists,
		},
		{
			Name: "nobody consented and there is no address", Given: []Event{registered}, When: record,
			Error: ErrContactNotAllowed, Fields: []string{"/channel", "/purpose"},
		},
		{
			Name: "the consent came later than the contact", Given: []Event{registered, email, with(granted, func(e *ConsentGranted) { e.GrantedAt = paid })},
			When: by(func(c *RecordContact) { c.ContactedAt = &placed }), Error: ErrContactNotAllowed, Fields: []string{"/purpose"},
		},
		{
			Name: "the address is invalid", Given: and(ContactPointInvalidated{ContactPointID: "e1", Type: "email", InvalidatedAt: paid}), When: record,
			Error: ErrContactNotAllowed, Fields: []string{"/channel"},
		},
		{
			Name: "it is quiet where the customer lives", Given: and(ProfileUpdated{Fields: []string{"time_zone"}, Changes: []Change{{Field: "time_zone", Became: "Asia/Shanghai"}}}),
			When: by(func(c *RecordContact) {
				c.ContactedAt = ptr(hours(1.0 / 60))
				c.Locate = func(name string) *time.Location { return map[string]*time.Location{"Asia/Shanghai": shanghai}[name] }
			}),
			Then: []Event{with(recorded, func(e *ContactRecorded) { e.ContactedAt = hours(1.0 / 60) })},
		},
		{
			Name: "it is quiet where the business is", Given: and(ProfileUpdated{Fields: []string{"time_zone"}, Changes: []Change{{Field: "time_zone", Became: "Mars/Olympus"}}}),
			When: by(func(c *RecordContact) {
				c.Zone, c.Locate = time.FixedZone("there", 10*60*60), func(string) *time.Location { return nil }
			}),
			Error: ErrContactNotAllowed, Fields: []string{"/contacted_at"},
		},
		{Name: "nobody is registered", When: record, Error: ErrNotFound},
		{Name: "no policy is in force", Given: given, When: by(func(c *RecordContact) { c.Known = world.Known{} }), Error: ErrNoContactPolicy},
		{
			Name: "a restricted customer is not contacted", Given: and(ProcessingRestricted{RestrictedAt: paid}), When: record, Error: ErrRestricted,
		},
		{
			Name: "the fields are wrong", Given: given,
			When:  RecordContact{Subject: at, Known: rules, ContactID: strings.Repeat("x", 201), CampaignID: strings.Repeat("x", 201), ContactedAt: ptr(hours(1))},
			Error: domain.ErrValidation, Fields: []string{"/purpose", "/channel", "/contact_id", "/campaign_id", "/contacted_at"},
		},
	})
}

func TestARegistrationCarriesConsents(t *testing.T) {
	register := Register{
		Subject: at, Known: rules, Name: Name{Given: "Ada"}, Source: Source{Channel: "shop"}, RegisteredAt: &placed,
		Consents: []Grant{
			{Purpose: "marketing", Channel: "email", TextVersion: "2026-01"},
			{Purpose: "survey", Channel: Every, Evidence: "form 7", GrantedAt: &paid},
		},
	}
	run(t, []spec{
		{
			Name: "they are granted with it", When: register,
			Then: []Event{
				with(registered, func(e *Registered) { e.Locale = "" }),
				with(granted, func(e *ConsentGranted) { e.GrantedAt = placed }),
				ConsentGranted{Purpose: "survey", Channel: Every, LegalBasis: "consent", Evidence: "form 7", GrantedAt: paid},
			},
		},
		{
			Name: "each is checked",
			When: with(register, func(c *Register) {
				c.Consents = []Grant{{Purpose: "marketing", Channel: "email"}, {Purpose: "survey"}, {Purpose: "survey"}}
			}),
			Error: domain.ErrValidation, Fields: []string{"/consents/0/text_version", "/consents/1/channel", "/consents/2/channel", "/consents/2"},
		},
		{
			Name: "there are too many", When: with(register, func(c *Register) { c.Consents = make([]Grant, 101) }),
			Error: domain.ErrValidation, Fields: []string{"/consents"},
		},
		{Name: "no policy is in force", When: with(register, func(c *Register) { c.Known = world.Known{} }), Error: ErrNoContactPolicy},
	})
}

func TestCommandsNameThePolicyTheyAreDecidedBy(t *testing.T) {
	want := []domain.PolicyRef{{Kind: "contact", Version: 3}}
	for name, c := range map[string]interface{ Uses() []domain.PolicyRef }{
		"grant-consent":          grant,
		"set-channel-preference": SetChannelPreference{Subject: at, Known: rules},
		"record-contact":         RecordContact{Subject: at, Known: rules, ContactedAt: &paid},
		"register-customer":      Register{Subject: at, Known: rules, Consents: []Grant{{}}},
	} {
		if diff := cmp.Diff(want, c.Uses()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if refs := (GrantConsent{Subject: at}).Uses(); refs != nil {
		t.Error(refs)
	}
}
