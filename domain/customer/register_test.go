package customer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/reservation"
)

func TestRegister(t *testing.T) {
	cmd := Register{Subject: at, Name: Name{Given: "Ada"}, Source: Source{Channel: "shop"}, Locale: "en", RegisteredAt: &placed}
	invalid := func(name string, fields []string, change func(*Register)) spec {
		return spec{Name: name, When: with(cmd, change), Error: domain.ErrValidation, Fields: fields}
	}
	run(t, []spec{{
		Name: "somebody becomes a customer",
		When: cmd,
		Then: []Event{registered},
	}, {
		Name: "now, if no time is given",
		When: with(cmd, func(c *Register) { c.RegisteredAt = nil }),
		Then: []Event{Registered{Kind: Person, Name: Name{Given: "Ada"}, Source: Source{Channel: "shop"}, Locale: "en", RegisteredAt: noon}},
	}, {
		Name: "an external id alone identifies, and is linked at once",
		When: with(cmd, func(c *Register) { c.Name, c.ExternalIDs = Name{}, []ExternalID{shop} }).WithClaims([]reservation.Claim{shopClaim}),
		Then: []Event{
			Registered{Kind: Person, Source: Source{Channel: "shop"}, Locale: "en", RegisteredAt: placed},
			linked,
		},
	}, {
		Name:  "a claim that was given up does not make a customer",
		Given: []Event{ClaimAbandoned{Kind: shopClaim.Kind, Lookup: "abc", Claim: "claim-1"}},
		When:  cmd,
		Then:  []Event{registered},
	}, {
		Name:  "an id is registered once",
		Given: []Event{registered},
		When:  cmd,
		Error: ErrExists,
	},
		invalid("nothing identifies", []string{"/name"}, func(c *Register) { c.Name = Name{} }),
		invalid("no source channel", []string{"/source/channel"}, func(c *Register) { c.Source.Channel = "" }),
		invalid("an unknown kind", []string{"/kind"}, func(c *Register) { c.Kind = "robot" }),
		invalid("a name that is too long", []string{"/name/given"}, func(c *Register) { c.Name.Given = strings.Repeat("ä", 201) }),
		invalid("a control character", []string{"/name/given"}, func(c *Register) { c.Name.Given = "A\x00da" }),
		invalid("an unknown language", []string{"/locale"}, func(c *Register) { c.Locale = "klingonese!" }),
		invalid("an unknown currency", []string{"/currency"}, func(c *Register) { c.Currency = "eur" }),
		invalid("an unknown time zone", []string{"/time_zone"}, func(c *Register) { c.TimeZone = "Mars/Olympus" }),
		invalid("in the future", []string{"/registered_at"}, func(c *Register) { c.RegisteredAt = ptr(noon.Add(time.Hour)) }),
		invalid("before there were computers", []string{"/registered_at"}, func(c *Register) { c.RegisteredAt = &time.Time{} }),
		invalid("a bad external id", []string{"/external_ids/0/system", "/external_ids/0/id"}, func(c *Register) { c.ExternalIDs = []ExternalID{{"my shop", ""}} }),
		invalid("an external id twice", []string{"/external_ids/1"}, func(c *Register) { c.ExternalIDs = []ExternalID{shop, shop} }),
		invalid("too many external ids", []string{"/external_ids"}, func(c *Register) { c.ExternalIDs = make([]ExternalID, 21) }),
	})
}

func TestUpdateProfile(t *testing.T) {
	cmd := UpdateProfile{Subject: at}
	run(t, []spec{{
		Name:  "what changes is recorded with what it was",
		Given: []Event{registered},
		When:  with(cmd, func(c *UpdateProfile) { c.Name, c.Locale = &NamePatch{Given: ptr("Eve"), Family: ptr("Doe")}, ptr("") }),
		Then: []Event{ProfileUpdated{
			Fields:  []string{"name.given", "name.family", "locale"},
			Changes: []Change{{"name.given", "Ada", "Eve"}, {"name.family", "", "Doe"}, {"locale", "en", ""}},
		}},
	}, {
		Name:  "changes add up",
		Given: []Event{registered, ProfileUpdated{Changes: []Change{{"locale", "en", "de"}, {"time_zone", "", "Europe/Berlin"}, {"currency", "", "EUR"}}}},
		When:  with(cmd, func(c *UpdateProfile) { c.Locale, c.TimeZone, c.Currency = ptr("fr"), ptr("Europe/Berlin"), ptr("CHF") }),
		Then: []Event{ProfileUpdated{
			Fields: []string{"locale", "currency"}, Changes: []Change{{"locale", "de", "fr"}, {"currency", "EUR", "CHF"}},
		}},
	}, {
		Name:  "what is so already is nothing to do",
		Given: []Event{registered},
		When:  with(cmd, func(c *UpdateProfile) { c.Name = &NamePatch{Given: ptr("Ada")} }),
	}, {
		Name:  "no field is nothing to do",
		Given: []Event{registered},
		When:  cmd,
	}, {
		Name:  "nobody is there",
		When:  cmd,
		Error: ErrNotFound,
	}, {
		Name:  "every wrong field is named",
		Given: []Event{registered},
		When: with(cmd, func(c *UpdateProfile) {
			c.Name, c.Locale, c.Currency, c.TimeZone = &NamePatch{Display: ptr(strings.Repeat("x", 201))}, ptr("?"), ptr("XAU"), ptr("x")
		}),
		Error: domain.ErrValidation, Fields: []string{"/name/display", "/locale", "/currency", "/time_zone"},
	}})
}

func TestLinkExternalID(t *testing.T) {
	cmd := LinkExternalID{Subject: at, System: "shop", ID: "4711"}
	claimed := cmd.WithClaims([]reservation.Claim{shopClaim})
	run(t, []spec{{
		Name:  "an id is linked",
		Given: []Event{registered},
		When:  claimed,
		Then:  []Event{with(linked, func(e *ExternalIDLinked) { e.LinkedAt = noon })},
	}, {
		Name:  "the same id again is nothing to do",
		Given: []Event{registered, linked},
		When:  claimed,
	}, {
		Name:  "nobody is there",
		When:  claimed,
		Error: ErrNotFound,
	}, {
		Name:  "a bad system and a bad id",
		When:  LinkExternalID{Subject: at, System: strings.Repeat("x", 65), ID: " 4711"},
		Error: domain.ErrValidation, Fields: []string{"/system", "/id"},
	}})
	if a, b := (ExternalID{"shop", "e\u0301"}).ReservedName(), (ExternalID{"shop", "\u00e9"}).ReservedName(); a != b {
		t.Error("two ways to write one letter are two names")
	}
}

func TestAbandonClaim(t *testing.T) {
	cmd := AbandonClaim{Subject: at, Claim: shopClaim, Lapsed: true}
	early := with(cmd, func(c *AbandonClaim) { c.Lapsed = false })
	unlinked := ExternalIDUnlinked{System: "shop", Lookup: "abc", Claim: "claim-1", UnlinkedAt: noon}
	abandoned := ClaimAbandoned{Kind: shopClaim.Kind, Lookup: "abc", Claim: "claim-1"}
	run(t, []spec{{
		Name: "a claim that was never confirmed is given up, also of nobody",
		When: cmd,
		Then: []Event{abandoned},
	}, {
		Name:  "a confirmed name stays",
		Given: []Event{registered, linked},
		When:  cmd,
		Error: ErrExternalIDTaken,
	}, {
		Name:  "once",
		Given: []Event{abandoned},
		When:  cmd,
	}, {
		Name:  "before it lapses it may still be confirmed",
		When:  early,
		Error: ErrExternalIDTaken,
	}, {
		Name:  "a name that was given back is given up at once",
		Given: []Event{registered, linked, unlinked},
		When:  early,
		Then:  []Event{abandoned},
	}, {
		Name:  "but not when it was linked again",
		Given: []Event{registered, linked, unlinked, with(linked, func(e *ExternalIDLinked) { e.Claim = "claim-2" })},
		When:  early,
		Error: ErrExternalIDTaken,
	}, {
		Name:  "restricted or not",
		Given: []Event{registered, ProcessingRestricted{RestrictedAt: noon}},
		When:  cmd,
		Then:  []Event{abandoned},
	}})
}
