package customer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/domaintest"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/domain/world"
)

var (
	verifiedOnly = knows(with(contact.Default(), func(p *contact.Policy) { p.VerifiedPrimary = true }))
	sharedPhones = knows(with(contact.Default(), func(p *contact.Policy) { p.Shared = []string{"phone"} }))

	// The customer's e-mail address, added two hours ago under an id of the caller's choice.
	mail         = ContactPointAdded{ContactPointID: "m1", Type: "email", Value: "Ada@Example.com", Normalized: "ada@example.com", Lookup: "l1", Claim: "c1", AddedAt: placed}
	mailVerified = ContactPointVerified{ContactPointID: "m1", Type: "email", Method: "link", VerifiedAt: paid}
	mailPrimary  = ContactPointMadePrimary{ContactPointID: "m1", Type: "email", MadePrimaryAt: paid}
	mailInvalid  = ContactPointInvalidated{ContactPointID: "m1", Type: "email", BounceCode: "5.1.1", InvalidatedAt: paid}
	mailRemoved  = ContactPointRemoved{ContactPointID: "m1", Type: "email", Lookup: "l1", Claim: "c1", RemovedAt: noon}
	otherMail    = ContactPointAdded{ContactPointID: "m2", Type: "email", Value: "ada@work.example", Lookup: "l2", Claim: "c2", AddedAt: paid}
	phonePoint   = ContactPointAdded{ContactPointID: "p1", Type: "phone", Value: "+4930901820", Lookup: "l3", AddedAt: placed}
)

// derived is the id of a contact point for which the caller chose none.
func derived(kind, lookup string) string {
	return uuid.NewSHA1(id, fmt.Appendf(nil, "contact point %s %s", kind, lookup)).String()
}

func claimed(cmd AddContactPoint, claim reservation.Claim) domain.Command[State, Event] {
	claim.Kind = cmd.Type
	if claim.Lookup == "" {
		claim.Lookup, claim.ID = "l1", "c1"
	}
	return cmd.WithClaims([]reservation.Claim{claim})
}

func TestAddContactPoint(t *testing.T) {
	cmd := AddContactPoint{Subject: at, NewContactPoint: NewContactPoint{ContactPointID: "m1", Type: "email", Value: " Ada@Example.com "}}
	added := with(mail, func(e *ContactPointAdded) { e.AddedAt = noon })
	by := func(change func(*AddContactPoint)) domain.Command[State, Event] {
		return claimed(with(cmd, change), reservation.Claim{})
	}
	plain := by(func(*AddContactPoint) {})
	invalid := func(name string, fields []string, change func(*AddContactPoint)) spec {
		return spec{Name: name, Given: []Event{registered}, When: by(change), Error: domain.ErrValidation, Fields: fields}
	}
	full := []Event{registered}
	for i := range 100 {
		full = append(full, ContactPointAdded{ContactPointID: fmt.Sprint(i), Type: "other", Lookup: fmt.Sprint("x", i), AddedAt: placed})
	}
	address := PostalAddress{Recipient: "Ada Berg", Street: "Lindenstraße 5", PostalCode: "10969", City: "Berlin", Country: "DE"}
	run(t, []spec{
		{Name: "an address is kept as it was given, and as it is compared", Given: []Event{registered}, When: plain, Then: []Event{added}},
		{
			Name: "without an id of the caller's, type and value make one", Given: []Event{registered},
			When: by(func(c *AddContactPoint) { c.ContactPointID = "" }),
			Then: []Event{with(added, func(e *ContactPointAdded) { e.ContactPointID = derived("email", "l1") })},
		},
		{
			Name: "a value that is compared as it is, is kept once", Given: []Event{registered},
			When: by(func(c *AddContactPoint) { c.Value = "ada@example.com" }),
			Then: []Event{with(added, func(e *ContactPointAdded) { e.Value, e.Normalized = "ada@example.com", "" })},
		},
		{
			Name: "an earlier one, verified, and the primary one", Given: []Event{registered, otherMail, ContactPointMadePrimary{ContactPointID: "m2", Type: "email", MadePrimaryAt: hours(-0.5)}},
			When: by(func(c *AddContactPoint) {
				c.AddedAt, c.Label, c.Primary = &placed, "private", true
				c.Verification = &Verification{Method: "call", Evidence: "rang", VerifiedAt: &paid}
				c.Known = verifiedOnly
			}),
			Then: []Event{
				with(mail, func(e *ContactPointAdded) { e.Label = "private" }),
				ContactPointVerified{ContactPointID: "m1", Type: "email", Method: "call", Evidence: "rang", VerifiedAt: paid},
				ContactPointMadePrimary{ContactPointID: "m1", Type: "email", Was: "m2", MadePrimaryAt: hours(-0.5)},
			},
		},
		{
			Name: "an objection of who had it before holds on", Given: []Event{registered},
			When: claimed(cmd, reservation.Claim{Lookup: "l1", ID: "c1", Objected: true}),
			Then: []Event{with(added, func(e *ContactPointAdded) { e.Objected = true })},
		},
		{
			Name: "a national number with its region", Given: []Event{registered},
			When: claimed(AddContactPoint{Subject: at, NewContactPoint: NewContactPoint{ContactPointID: "p1", Type: "phone", Value: "(030) 90 18 20", Region: "DE"}}, reservation.Claim{}),
			Then: []Event{ContactPointAdded{ContactPointID: "p1", Type: "phone", Value: "(030) 90 18 20", Normalized: "+4930901820", Lookup: "l1", Claim: "c1", AddedAt: noon}},
		},
		{
			Name: "a postal address", Given: []Event{registered},
			When: claimed(AddContactPoint{Subject: at, NewContactPoint: NewContactPoint{ContactPointID: "a1", Type: "post", Address: &address}}, reservation.Claim{Lookup: "l9"}),
			Then: []Event{ContactPointAdded{ContactPointID: "a1", Type: "post", Address: &address, Lookup: "l9", AddedAt: noon}},
		},
		{
			Name: "a messenger, without the sign before the name", Given: []Event{registered},
			When: claimed(AddContactPoint{Subject: at, NewContactPoint: NewContactPoint{ContactPointID: "t1", Type: "telegram", Value: "@AdaBerg"}}, reservation.Claim{Lookup: "l9"}),
			Then: []Event{ContactPointAdded{ContactPointID: "t1", Type: "telegram", Value: "@AdaBerg", Normalized: "adaberg", Lookup: "l9", AddedAt: noon}},
		},
		{Name: "what the customer has already is nothing to do", Given: []Event{registered, mail}, When: plain},
		{
			Name: "under another id, and invalid, as well", Given: []Event{registered, mail, mailInvalid},
			When: by(func(c *AddContactPoint) { c.ContactPointID, c.Primary = "m7", true }),
		},
		{
			Name: "one that was shared before it had to be the customer's alone stays", Given: []Event{registered, with(mail, func(e *ContactPointAdded) { e.Claim = "" })},
			When: plain,
		},
		{Name: "what was removed is added again", Given: []Event{registered, mail, mailRemoved}, When: plain, Then: []Event{added}},
		{Name: "nobody is there", When: plain, Error: ErrNotFound},
		{Name: "an id is one contact point's", Given: []Event{registered, with(otherMail, func(e *ContactPointAdded) { e.ContactPointID = "m1" })}, When: plain, Error: ErrContactPointExists},
		{Name: "the policy wants a primary one verified", Given: []Event{registered}, When: by(func(c *AddContactPoint) { c.Known, c.Primary = verifiedOnly, true }), Error: ErrContactPointUnverified, Fields: []string{"/primary"}},
		{Name: "there are enough", Given: full, When: plain, Error: ErrTooManyContactPoints},
		{Name: "after the erasure there are none", Given: []Event{registered, PersonalDataErased{ErasedAt: noon}}, When: plain, Error: ErrErased},
		invalid("an unknown type", []string{"/type"}, func(c *AddContactPoint) { c.Type = "pigeon" }),
		invalid("no value", []string{"/value"}, func(c *AddContactPoint) { c.Value = "" }),
		invalid("no e-mail address", []string{"/value"}, func(c *AddContactPoint) { c.Value = "ada.example.com" }),
		invalid("a value that is too long", []string{"/value"}, func(c *AddContactPoint) { c.Value = strings.Repeat("ä", 321) }),
		invalid("a control character", []string{"/value"}, func(c *AddContactPoint) { c.Value = "a\x00@example.com" }),
		invalid("a number without a country", []string{"/value"}, func(c *AddContactPoint) { c.Type, c.Value = "phone", "030 901820" }),
		invalid("a number that its country does not have", []string{"/value"}, func(c *AddContactPoint) { c.Type, c.Value, c.Region = "fax", "030 1", "DE" }),
		invalid("a region that is none", []string{"/region", "/value"}, func(c *AddContactPoint) { c.Type, c.Value, c.Region = "phone", "030 901820", "Berlin" }),
		invalid("a region of an e-mail address", []string{"/region"}, func(c *AddContactPoint) { c.Region = "DE" }),
		invalid("a name with a space", []string{"/value"}, func(c *AddContactPoint) { c.Type, c.Value = "wechat", "ada berg" }),
		invalid("spaces only", []string{"/value"}, func(c *AddContactPoint) { c.Type, c.Value = "other", "  " }),
		invalid("an address of an e-mail address", []string{"/address"}, func(c *AddContactPoint) { c.Address = &address }),
		invalid("a letter without an address", []string{"/value", "/region", "/address"}, func(c *AddContactPoint) { c.Type, c.Region = "post", "DE" }),
		invalid("an address without a street, and of no country", []string{"/address/street", "/address/country"}, func(c *AddContactPoint) {
			c.Type, c.Value, c.Address = "post", "", &PostalAddress{City: "Berlin", Country: "de"}
		}),
		invalid("an id, a label and a proof that are none", []string{"/contact_point_id", "/label", "/verification/method"}, func(c *AddContactPoint) {
			c.ContactPointID, c.Label, c.Verification = "m 1", strings.Repeat("x", 101), &Verification{Method: "guess"}
		}),
		invalid("a proof that says nothing", []string{"/verification/evidence"}, func(c *AddContactPoint) { c.Verification = &Verification{Evidence: " "} }),
		invalid("before there was a customer", []string{"/added_at"}, func(c *AddContactPoint) { c.AddedAt = ptr(placed.Add(-time.Hour)) }),
		invalid("in the future", []string{"/added_at"}, func(c *AddContactPoint) { c.AddedAt = ptr(hours(1)) }),
		invalid("verified before it was added", []string{"/verification/verified_at"}, func(c *AddContactPoint) {
			c.Verification = &Verification{Method: "call", VerifiedAt: &paid}
		}),
	})
}

// What is the customer's alone is claimed; what the policy shares, and what is
// no address of one person, is only looked up.
func TestContactPointNames(t *testing.T) {
	for name, c := range map[string]struct {
		known world.Known
		point NewContactPoint
		want  reservation.Name
	}{
		"an e-mail address": {rules, NewContactPoint{Type: "email", Value: "Ada@Bücher.example"}, reservation.Name{Kind: "email", Value: "ada@xn--bcher-kva.example"}},
		"a phone number":    {rules, NewContactPoint{Type: "phone", Value: "030 901820", Region: "DE"}, reservation.Name{Kind: "phone", Value: "+4930901820"}},
		"a shared one":      {sharedPhones, NewContactPoint{Type: "phone", Value: "+49 30 901820"}, reservation.Name{Kind: "phone", Value: "+4930901820", Shared: true}},
		"no policy":         {world.Known{}, NewContactPoint{Type: "email", Value: "a@b.example"}, reservation.Name{Kind: "email", Value: "a@b.example"}},
		"a fax":             {rules, NewContactPoint{Type: "fax", Value: "+49 30 901820"}, reservation.Name{Kind: "fax", Value: "+4930901820", Shared: true}},
		"a letter box":      {rules, NewContactPoint{Type: "post", Address: &PostalAddress{Recipient: "Ada", Street: " Linden  STRASSE 5", City: "Berlin", Country: "DE"}}, reservation.Name{Kind: "post", Value: "linden strasse 5\n\n\nberlin\n\nde", Shared: true}},
		"nothing":           {rules, NewContactPoint{Type: "post"}, reservation.Name{Kind: "post", Shared: true}},
	} {
		cmd := AddContactPoint{Subject: at, Known: c.known, NewContactPoint: c.point}
		if diff := cmp.Diff([]reservation.Name{c.want}, cmd.Names()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff([]domain.PolicyRef{{Kind: "contact", Version: 3}}, AddContactPoint{Subject: at, Known: rules}.Uses()); diff != "" {
		t.Error(diff)
	}
}

func TestVerifyContactPoint(t *testing.T) {
	cmd := VerifyContactPoint{Subject: at, ContactPointID: "m1", Method: "link", Evidence: "clicked"}
	verified := ContactPointVerified{ContactPointID: "m1", Type: "email", Method: "link", Evidence: "clicked", VerifiedAt: noon}
	run(t, []spec{
		{Name: "it is verified now", Given: []Event{registered, mail}, When: cmd, Then: []Event{verified}},
		{
			Name: "or was before", Given: []Event{registered, mail}, When: with(cmd, func(c *VerifyContactPoint) { c.VerifiedAt = &paid }),
			Then: []Event{with(verified, func(e *ContactPointVerified) { e.VerifiedAt = paid })},
		},
		{Name: "an invalid one is verified again", Given: []Event{registered, mail, mailVerified, mailInvalid}, When: cmd, Then: []Event{verified}},
		{Name: "a valid one once", Given: []Event{registered, mail, mailVerified}, When: cmd},
		{
			Name: "a proof from before it was found invalid says nothing new", Given: []Event{registered, mail, mailVerified, mailInvalid},
			When: with(cmd, func(c *VerifyContactPoint) { c.VerifiedAt = ptr(hours(-1.5)) }),
		},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "no such contact point", Given: []Event{registered, otherMail}, When: cmd, Error: ErrContactPointNotFound},
		{
			Name: "no id and no proof", Given: []Event{registered, mail}, When: VerifyContactPoint{Subject: at},
			Error: domain.ErrValidation, Fields: []string{"/evidence", "/contact_point_id"},
		},
		{
			Name: "an unknown method", Given: []Event{registered, mail}, When: with(cmd, func(c *VerifyContactPoint) { c.Method = "guess" }),
			Error: domain.ErrValidation, Fields: []string{"/method"},
		},
		{
			Name: "before it was added", Given: []Event{registered, mail}, When: with(cmd, func(c *VerifyContactPoint) { c.VerifiedAt = ptr(placed.Add(-time.Hour)) }),
			Error: domain.ErrValidation, Fields: []string{"/verified_at"},
		},
	})
}

func TestSetPrimaryContactPoint(t *testing.T) {
	cmd := SetPrimaryContactPoint{Subject: at, Known: rules, ContactPointID: "m1"}
	strict := with(cmd, func(c *SetPrimaryContactPoint) { c.Known = verifiedOnly })
	first := ContactPointMadePrimary{ContactPointID: "m1", Type: "email", MadePrimaryAt: noon}
	run(t, []spec{
		{Name: "one of a type comes first", Given: []Event{registered, mail, phonePoint, ContactPointMadePrimary{ContactPointID: "p1", Type: "phone", MadePrimaryAt: paid}}, When: cmd, Then: []Event{first}},
		{
			Name: "instead of another", Given: []Event{registered, mail, otherMail, ContactPointMadePrimary{ContactPointID: "m2", Type: "email", MadePrimaryAt: paid}}, When: cmd,
			Then: []Event{with(first, func(e *ContactPointMadePrimary) { e.Was = "m2" })},
		},
		{Name: "a verified one, as the policy wants", Given: []Event{registered, mail, mailVerified}, When: strict, Then: []Event{first}},
		{Name: "it is already", Given: []Event{registered, mail, mailPrimary}, When: strict},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "no such contact point", Given: []Event{registered, mail, mailRemoved}, When: cmd, Error: ErrContactPointNotFound},
		{Name: "the policy wants it verified", Given: []Event{registered, mail}, When: strict, Error: ErrContactPointUnverified},
		{Name: "an invalid one", Given: []Event{registered, mail, mailVerified, mailInvalid}, When: cmd, Error: ErrContactPointInvalid},
		{Name: "no id", Given: []Event{registered, mail}, When: SetPrimaryContactPoint{Subject: at}, Error: domain.ErrValidation, Fields: []string{"/contact_point_id"}},
	})
}

func TestMarkContactPointInvalid(t *testing.T) {
	cmd := MarkContactPointInvalid{Subject: at, ContactPointID: "m1", BounceCode: "5.1.1", Reason: "unknown"}
	marked := ContactPointInvalidated{ContactPointID: "m1", Type: "email", BounceCode: "5.1.1", Reason: "unknown", InvalidatedAt: noon}
	run(t, []spec{
		{Name: "a bounce", Given: []Event{registered, mail}, When: cmd, Then: []Event{marked}},
		{
			Name: "that came earlier, in words", Given: []Event{registered, mail}, When: with(cmd, func(c *MarkContactPointInvalid) { c.BounceCode, c.InvalidatedAt = "", &paid }),
			Then: []Event{with(marked, func(e *ContactPointInvalidated) { e.BounceCode, e.InvalidatedAt = "", paid })},
		},
		{Name: "once", Given: []Event{registered, mail, mailInvalid}, When: cmd},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "no such contact point", Given: []Event{registered}, When: cmd, Error: ErrContactPointNotFound},
		{
			Name: "no id and no reason", Given: []Event{registered, mail}, When: MarkContactPointInvalid{Subject: at},
			Error: domain.ErrValidation, Fields: []string{"/bounce_code", "/contact_point_id"},
		},
		{
			Name: "before it was verified", Given: []Event{registered, mail, mailVerified}, When: with(cmd, func(c *MarkContactPointInvalid) { c.InvalidatedAt = &placed }),
			Error: domain.ErrValidation, Fields: []string{"/invalidated_at"},
		},
	})
}

func TestRemoveContactPoint(t *testing.T) {
	cmd := RemoveContactPoint{Subject: at, ContactPointID: "m1"}
	texts := RemoveContactPoint{Subject: at, ContactPointID: "p1"}
	sms := with(granted, func(e *ConsentGranted) { e.Channel = "sms" })
	everywhere := with(granted, func(e *ConsentGranted) { e.Channel = Every })
	run(t, []spec{
		{Name: "it is removed, and its name is free", Given: []Event{registered, mail, mailPrimary}, When: cmd, Then: []Event{mailRemoved}},
		{
			Name: "one that several may have frees nothing", Given: []Event{registered, phonePoint}, When: texts,
			Then: []Event{ContactPointRemoved{ContactPointID: "p1", Type: "phone", Lookup: "l3", RemovedAt: noon}},
		},
		{Name: "another one of the channel is left", Given: []Event{registered, mail, otherMail, granted}, When: cmd, Then: []Event{mailRemoved}},
		{Name: "the consent was withdrawn", Given: []Event{registered, mail, granted, ConsentWithdrawn{Purpose: "marketing", Channel: "email", WithdrawnAt: noon}}, When: cmd, Then: []Event{mailRemoved}},
		{Name: "the consent is for another channel", Given: []Event{registered, mail, sms}, When: cmd, Then: []Event{mailRemoved}},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "it was removed before", Given: []Event{registered, mail, mailRemoved}, When: cmd, Error: ErrContactPointNotFound},
		{Name: "the last one of a channel with a consent", Given: []Event{registered, mail, phonePoint, granted}, When: cmd, Error: ErrContactPointNeeded},
		{Name: "the last phone with a consent to messages", Given: []Event{registered, mail, phonePoint, sms}, When: texts, Error: ErrContactPointNeeded},
		{Name: "the last one at all with a consent for every channel", Given: []Event{registered, mail, everywhere}, When: cmd, Error: ErrContactPointNeeded},
		{Name: "one of two with a consent for every channel", Given: []Event{registered, mail, phonePoint, everywhere}, When: cmd, Then: []Event{mailRemoved}},
		{Name: "no id", Given: []Event{registered, mail}, When: RemoveContactPoint{Subject: at}, Error: domain.ErrValidation, Fields: []string{"/contact_point_id"}},
	})
}

func TestUnlinkExternalID(t *testing.T) {
	cmd := UnlinkExternalID{Subject: at, System: "shop", ID: "4711"}
	unlinked := ExternalIDUnlinked{System: "shop", Lookup: "abc", Claim: "claim-1", UnlinkedAt: noon}
	run(t, []spec{
		{Name: "an id is taken off", Given: []Event{registered, linked}, When: cmd, Then: []Event{unlinked}},
		{Name: "and can be linked again", Given: []Event{registered, linked, unlinked}, When: LinkExternalID{Subject: at, System: "shop", ID: "4711"}.WithClaims([]reservation.Claim{shopClaim}), Then: []Event{with(linked, func(e *ExternalIDLinked) { e.LinkedAt = noon })}},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "another id", Given: []Event{registered, linked}, When: with(cmd, func(c *UnlinkExternalID) { c.ID = "4712" }), Error: ErrExternalIDNotFound},
		{Name: "once", Given: []Event{registered, linked, unlinked}, When: cmd, Error: ErrExternalIDNotFound},
		{Name: "a bad id", When: UnlinkExternalID{Subject: at}, Error: domain.ErrValidation, Fields: []string{"/system", "/id"}},
	})
}

// fold returns the contacts after events.
func foldContacts(events ...Event) (c Contacts) {
	for _, e := range events {
		c.Fold(Record{Event: e})
	}
	return c
}

func TestContactsShowWhereACustomerIsReached(t *testing.T) {
	other := with(otherMail, func(e *ContactPointAdded) { e.Label = "work" })
	got := foldContacts(registered, mail, mail, mailVerified, mailPrimary, other, linked,
		ContactPointMadePrimary{ContactPointID: "m2", Type: "email", Was: "m1", MadePrimaryAt: noon},
		ContactPointInvalidated{ContactPointID: "m2", Type: "email", BounceCode: "5.1.1", InvalidatedAt: noon},
		phonePoint, ContactPointRemoved{ContactPointID: "p1", Type: "phone", Lookup: "l3"})
	want := Contacts{
		ContactPoints: []ContactPoint{
			{ID: "m1", Type: "email", Value: "Ada@Example.com", Normalized: "ada@example.com", VerifiedAt: paid, AddedAt: placed, Lookup: "l1"},
			{ID: "m2", Type: "email", Value: "ada@work.example", Label: "work", Invalid: true, InvalidSince: noon, BounceCode: "5.1.1", AddedAt: paid, Lookup: "l2"},
		},
		ExternalIDs: []LinkedID{{System: "shop", ID: "4711", Lookup: "abc", LinkedAt: placed}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again := foldContacts(mail, mailVerified, mailInvalid, ContactPointVerified{ContactPointID: "m1", VerifiedAt: noon})
	if diff := cmp.Diff([]ContactPoint{{ID: "m1", Type: "email", Value: "Ada@Example.com", Normalized: "ada@example.com", VerifiedAt: noon, AddedAt: placed, Lookup: "l1"}}, again.ContactPoints); diff != "" {
		t.Errorf("verified again (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Contacts{}, foldContacts(mail, mailRemoved, linked, ExternalIDUnlinked{System: "shop", Lookup: "abc"})); diff != "" {
		t.Errorf("all removed (-want +got):\n%s", diff)
	}
	// What refers to a contact point that is not there, as in a past that lacks it, changes nothing.
	if diff := cmp.Diff(Contacts{}, foldContacts(mailVerified, mailPrimary, mailInvalid, mailRemoved)); diff != "" {
		t.Errorf("of nothing (-want +got):\n%s", diff)
	}
}

// Without a primary one it is said all the same which contact point is used.
func TestWhichContactPointIsUsedFirst(t *testing.T) {
	otherVerified := ContactPointVerified{ContactPointID: "m2", Type: "email", Method: "link", VerifiedAt: noon}
	for name, c := range map[string]struct {
		given   []Event
		channel string
		want    string
	}{
		"the first":                  {[]Event{mail, otherMail}, "email", "m1"},
		"the first that is verified": {[]Event{mail, otherMail, otherVerified}, "email", "m2"},
		"the primary one":            {[]Event{mail, otherMail, otherVerified, mailPrimary}, "email", "m1"},
		"none that is invalid":       {[]Event{mail, otherMail, mailPrimary, mailInvalid}, "email", "m2"},
		"a phone for text messages":  {[]Event{mail, phonePoint}, "sms", "p1"},
		"none":                       {[]Event{mail}, "phone", ""},
		"a visit needs none":         {[]Event{mail}, "visit", ""},
	} {
		contacts, got := foldContacts(c.given...), ""
		if p := contacts.First(c.channel); p != nil {
			got = p.ID
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAnErasureForgetsTheContactsAndKeepsTheNames(t *testing.T) {
	erased := PersonalDataErased{ErasedAt: noon}
	with := []Event{registered, mail, mailPrimary, phonePoint, linked, otherMail, ContactPointRemoved{ContactPointID: "m2", Type: "email", Lookup: "l2", Claim: "c2"}, erased}
	without := []Event{registered, ContactPointAdded{ContactPointID: "m1", Type: "email", Lookup: "l1", Claim: "c1", AddedAt: placed}, mailPrimary,
		ContactPointAdded{ContactPointID: "p1", Type: "phone", Lookup: "l3", AddedAt: placed},
		ExternalIDLinked{System: "shop", Lookup: "abc", Claim: "claim-1", LinkedAt: placed}, erased}
	names := []reservation.Claim{{Kind: "email", Lookup: "l1", ID: "c1"}, {Kind: "phone", Lookup: "l3"}, {Kind: "external_id", Lookup: "abc", ID: "claim-1"}}
	for name, events := range map[string][]Event{"with keys": with, "without": without} {
		if diff := cmp.Diff(Contacts{}, foldContacts(events...)); diff != "" {
			t.Errorf("%s: the contacts (-want +got):\n%s", name, diff)
		}
		var s State
		for _, e := range events {
			s = s.Evolve(e)
		}
		if diff := cmp.Diff(names, s.Names()); diff != "" || !s.Holds("email", "l1") || s.Holds("email", "l2") {
			t.Errorf("%s: the names (-want +got):\n%s", name, diff)
		}
	}
}

func TestRegisterWithContactPoints(t *testing.T) {
	cmd := Register{Subject: at, Known: rules, Source: Source{Channel: "shop"}, Locale: "en", RegisteredAt: &placed, ExternalIDs: []ExternalID{shop}, ContactPoints: []NewContactPoint{
		{ContactPointID: "m1", Type: "email", Value: "Ada@Example.com", Primary: true, Verification: &Verification{Method: "link", VerifiedAt: &paid}},
		{ContactPointID: "p1", Type: "phone", Value: "+4930901820", Primary: true},
	}}
	claims := []reservation.Claim{shopClaim, {Kind: "email", Lookup: "l1", ID: "c1"}, {Kind: "phone", Lookup: "l3", Objected: true}}
	by := func(change func(*Register)) domain.Command[State, Event] { return with(cmd, change).WithClaims(claims) }
	invalid := func(name string, fields []string, change func(*Register)) spec {
		return spec{Name: name, When: by(change), Error: domain.ErrValidation, Fields: fields}
	}
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{
			Name: "all at once", When: by(func(*Register) {}),
			Then: []Event{
				Registered{Kind: Person, Source: Source{Channel: "shop"}, Locale: "en", RegisteredAt: placed},
				mail, mailVerified, mailPrimary,
				with(phonePoint, func(e *ContactPointAdded) { e.Objected = true }),
				ContactPointMadePrimary{ContactPointID: "p1", Type: "phone", MadePrimaryAt: placed},
				linked,
			},
		},
		{
			Name: "a contact point alone identifies",
			When: with(cmd, func(c *Register) {
				c.ExternalIDs, c.ContactPoints = nil, []NewContactPoint{{ContactPointID: "p1", Type: "phone", Value: "+4930901820"}}
			}).WithClaims([]reservation.Claim{{Kind: "phone", Lookup: "l3"}}),
			Then: []Event{Registered{Kind: Person, Source: Source{Channel: "shop"}, Locale: "en", RegisteredAt: placed}, phonePoint},
		},
		{Name: "the policy wants a primary one verified", When: by(func(c *Register) { c.Known = verifiedOnly }), Error: ErrContactPointUnverified, Fields: []string{"/contact_points/1/primary"}},
		invalid("an address that is none, and a number", []string{"/contact_points/0/value", "/contact_points/1/value"}, func(c *Register) {
			c.ContactPoints = []NewContactPoint{{Type: "email", Value: "ada"}, {Type: "phone", Value: "x"}}
		}),
		invalid("one twice, under one id, both primary", []string{"/contact_points/1", "/contact_points/1/primary", "/contact_points/1/contact_point_id"}, func(c *Register) {
			c.ContactPoints = []NewContactPoint{{ContactPointID: "x", Type: "email", Value: "a@b.example", Primary: true}, {ContactPointID: "x", Type: "email", Value: "A@b.example", Primary: true}}
		}),
		invalid("verified before the customer was registered", []string{"/contact_points/0/verification/verified_at"}, func(c *Register) {
			c.ContactPoints = []NewContactPoint{{Type: "email", Value: "a@b.example", Verification: &Verification{Method: "call", VerifiedAt: ptr(placed.Add(-1))}}, {Type: "other", Value: "x"}}
		}),
		invalid("too many", []string{"/contact_points"}, func(c *Register) { c.ContactPoints = make([]NewContactPoint, 21) }),
	})
	want := []reservation.Name{shop.ReservedName(), {Kind: "email", Value: "ada@example.com"}, {Kind: "phone", Value: "+4930901820"}}
	if diff := cmp.Diff(want, cmd.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	letter := with(cmd, func(c *Register) { c.ContactPoints = append(c.ContactPoints, NewContactPoint{Type: "post"}) })
	for n, field := range []string{"/external_ids/0/id", "/contact_points/0/value", "/contact_points/1/value", "/contact_points/2/address"} {
		if got := letter.NamedAt(n); got != field {
			t.Errorf("the name %d is given by %s, want %s", n, got, field)
		}
	}
}
