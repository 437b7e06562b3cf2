package customer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
)

// Question asks whether a customer may be contacted.
type Question struct {
	Purpose string
	Channel string
	At      time.Time
	Policy  contact.Policy // in force at that time
	Version int            // of the policy
	Zone    *time.Location // where the customer lives, else the business zone; nil: UTC
	// Contacts and Rights are what else is known of the customer.
	Contacts Contacts
	Rights   Rights
}

// Answer says whether a customer may be contacted, and everything that speaks for
// and against it.
type Answer struct {
	Allowed bool            `json:"allowed"`
	Reasons []ContactReason `json:"reasons"` // what forbids first, then what allows, then advice
}

// ContactReason is one thing that speaks for or against a contact.
type ContactReason struct {
	Code     string      `json:"code"`
	Effect   string      `json:"effect" jsonschema:"enum=forbids,enum=allows,enum=advises"`
	Detail   string      `json:"detail"`
	EventIDs []uuid.UUID `json:"event_ids"` // the events behind it
	// PolicyVersion is that of the policy behind it.
	PolicyVersion int `json:"policy_version,omitempty"`
	// LegalBasis is what lets the contact be made, of a reason that allows it.
	LegalBasis string `json:"legal_basis,omitempty"`
	// Until is when the reason ends by itself, if it does.
	Until *time.Time `json:"until,omitempty"`
}

// What a reason does.
const (
	Forbids = "forbids"
	Allows  = "allows"
	Advises = "advises"
)

// The codes of reasons.
const (
	WhyErased        = "customer_erased"
	WhyRestricted    = "processing_restricted"
	WhyPurpose       = "unknown_purpose"
	WhyChannel       = "unknown_channel"
	WhyUnavailable   = "channel_unavailable"
	WhyNoConsent     = "consent_missing"
	WhyWithdrawn     = "consent_withdrawn"
	WhyExpired       = "consent_expired"
	WhySuppressed    = "suppressed"
	WhyQuiet         = "quiet_hours"
	WhyCap           = "frequency_cap"
	WhyConsent       = "consent"
	WhyBasis         = "legal_basis"
	WhyNotPreferred  = "channel_not_preferred"
	WhyNotSuppressed = "suppression_not_binding" // there is one, but it does not stop this contact
)

// MayContact says whether the customer may be contacted, with every reason. One
// that forbids is enough for a no; what advises is not for or against.
func (x Permissions) MayContact(q Question) Answer {
	if q.Zone == nil {
		q.Zone = time.UTC
	}
	a := answering{q: q}
	purpose, known := q.Policy.Purpose(q.Purpose)
	a.locked()
	if !known {
		a.say(Forbids, WhyPurpose, nil, true, "the policy knows no purpose %q", q.Purpose)
	}
	if !slices.Contains(q.Policy.Channels, q.Channel) {
		a.say(Forbids, WhyChannel, nil, true, "the policy knows no channel %q", q.Channel)
	} else if !reachedBy(q.Contacts, q.Channel) {
		a.say(Forbids, WhyUnavailable, nil, false, "no valid contact point is known for the channel %s", q.Channel)
	}
	if known {
		a.grounds(x, purpose)
	}
	if !purpose.Free {
		a.quiet(x)
		a.cap(x)
	}
	if p := x.Preference; p != nil && len(p.Channels) > 0 && !slices.Contains(p.Channels, q.Channel) {
		a.say(Advises, WhyNotPreferred, &p.EventID, false, "the customer prefers %s", strings.Join(p.Channels, ", "))
	}
	return a.answer()
}

// reachedBy says whether there is a contact point for a channel that was not found
// invalid. A channel that no type of contact point serves, such as a visit, needs none.
func reachedBy(c Contacts, channel string) bool {
	serves := func(kind string) bool { return slices.Contains(channelsOf(kind), channel) }
	return !slices.ContainsFunc(ContactTypes, serves) || c.First(channel) != nil
}

// answering is an answer in the making.
type answering struct {
	q       Question
	reasons []ContactReason
}

func (a *answering) answer() Answer {
	order := []string{Forbids, Allows, Advises}
	slices.SortStableFunc(a.reasons, func(x, y ContactReason) int {
		return slices.Index(order, x.Effect) - slices.Index(order, y.Effect)
	})
	return Answer{Allowed: a.reasons[0].Effect != Forbids, Reasons: a.reasons}
}

// say notes a reason, with the event behind it if it is known, and the version of
// the policy if that is behind it.
func (a *answering) say(effect, code string, event *uuid.UUID, byPolicy bool, format string, args ...any) *ContactReason {
	r := ContactReason{Code: code, Effect: effect, Detail: fmt.Sprintf(format, args...), EventIDs: []uuid.UUID{}}
	if event != nil && *event != uuid.Nil {
		r.EventIDs = append(r.EventIDs, *event)
	}
	if byPolicy {
		r.PolicyVersion = a.q.Version
	}
	a.reasons = append(a.reasons, r)
	return &a.reasons[len(a.reasons)-1]
}

func (a *answering) locked() {
	switch r := a.q.Rights; {
	case r.Erased:
		a.say(Forbids, WhyErased, r.erasedBy(), false, "the personal data of the customer was erased")
	case r.Erasing():
		a.say(Forbids, WhyErased, r.erasedBy(), false, "the erasure of the customer's personal data was approved")
	}
	if a.q.Rights.Restricted {
		var event *uuid.UUID
		if r := a.q.Rights.Restriction; r != nil {
			event = &r.Event
		}
		a.say(Forbids, WhyRestricted, event, false, "the processing of the customer's data is restricted")
	}
}

// ground is a legal basis that there is, and how its reason is said.
type ground struct {
	basis string
	say   func() *ContactReason
}

// grounds says which legal bases let the contact be made, or why none does.
func (a *answering) grounds(x Permissions, purpose contact.Purpose) {
	q := a.q
	said := x.deciding(q.Purpose, q.Channel, q.At)
	var found []ground
	switch {
	case said == nil || said.Withdrawn || said.expired(q.At):
	case said.LegalBasis == contact.Consent:
		found = append(found, ground{contact.Consent, func() *ContactReason {
			return a.granted(WhyConsent, "the customer consented on %s", said)
		}})
	default:
		found = append(found, ground{said.LegalBasis, func() *ContactReason {
			return a.granted(WhyBasis, "the legal basis is "+named(said.LegalBasis)+" since %s", said)
		}})
	}
	objected := said != nil && said.Withdrawn && contact.Objectable(purpose.Basis)
	if purpose.Basis != contact.Consent && !objected {
		found = append(found, ground{purpose.Basis, func() *ContactReason {
			return a.say(Allows, WhyBasis, nil, true, "the legal basis of the purpose is %s", named(purpose.Basis))
		}})
	}
	for _, g := range found {
		g.say().LegalBasis = g.basis
	}
	if len(found) == 0 {
		a.groundless(purpose, said)
	}
	for _, s := range x.Suppressions {
		if !s.active(q.At) || !s.about(q.Purpose, q.Channel) {
			continue
		}
		stops := func(g ground) bool { return contact.Objectable(g.basis) || s.Legal && contact.Forbidden(g.basis) }
		if all(found, stops) {
			a.say(Forbids, WhySuppressed, &s.EventID, false, "%s", s.sentence())
		} else {
			a.say(Advises, WhyNotSuppressed, &s.EventID, false, "%s, which does not stop what the legal basis demands", s.sentence())
		}
	}
}

func all(grounds []ground, f func(ground) bool) bool {
	return !slices.ContainsFunc(grounds, func(g ground) bool { return !f(g) })
}

// named is how a legal basis is called in a sentence.
func named(basis string) string { return strings.ReplaceAll(basis, "_", " ") }

func (a *answering) granted(code, format string, f *ConsentFact) *ContactReason {
	r := a.say(Allows, code, &f.EventID, false, format, stamped(f.At))
	if f.ExpiresAt != nil {
		until := *f.ExpiresAt
		r.Detail, r.Until = r.Detail+" until "+stamped(until), &until
	}
	return r
}

// groundless says why there is no legal basis at all.
func (a *answering) groundless(purpose contact.Purpose, said *ConsentFact) {
	switch {
	case said == nil:
		a.say(Forbids, WhyNoConsent, nil, true, "the customer has not consented, and the purpose needs that")
	case said.Withdrawn && purpose.Basis != contact.Consent:
		a.say(Forbids, WhyWithdrawn, &said.EventID, true, "the customer objected on %s, which ends the legal basis of the purpose, %s", stamped(said.At), named(purpose.Basis))
	case said.Withdrawn:
		a.say(Forbids, WhyWithdrawn, &said.EventID, false, "the customer withdrew the consent on %s", stamped(said.At))
	default:
		a.say(Forbids, WhyExpired, &said.EventID, false, "the consent ended on %s", stamped(*said.ExpiresAt))
	}
}

func (s Suppression) sentence() string {
	what := "all contacts are"
	switch s.Scope {
	case SuppressPurpose:
		what = "contacts for " + s.Purpose + " are"
	case SuppressChannel:
		what = "contacts by " + s.Channel + " are"
	}
	text := what + " suppressed: " + strings.ReplaceAll(s.ReasonCode, "_", " ")
	if s.Legal {
		text += ", as the law demands"
	}
	return text
}

// quiet says whether it is quiet: by the customer's own hours, else by the policy's.
func (a *answering) quiet(x Permissions) {
	hours, event, byPolicy := a.q.Policy.Quiet, (*uuid.UUID)(nil), true
	if x.Preference != nil && x.Preference.QuietHours != nil {
		hours, event, byPolicy = x.Preference.QuietHours, &x.Preference.EventID, false
	}
	if hours == nil {
		return
	}
	until, quiet := hours.Quiet(a.q.At, a.q.Zone)
	if !quiet {
		return
	}
	r := a.say(Forbids, WhyQuiet, event, byPolicy, "it is quiet from %s to %s (%s), until %s", hours.From, hours.To, a.q.Zone, stamped(until))
	r.Until = &until
}

// cap says whether the customer was contacted too often: by their own cap, else by
// the policy's. What counts is the contacts that are not free and not older than the
// cap's days, up to the instant asked about.
func (a *answering) cap(x Permissions) {
	most, event, byPolicy := x.mostContacts(a.q.Policy)
	if most == nil {
		return
	}
	window := time.Duration(most.Days) * day
	from := a.q.At.Add(-window)
	var counted []Contacted
	for _, c := range x.Recent {
		if !c.Free && c.At.After(from) && !c.At.After(a.q.At) {
			counted = append(counted, c)
		}
	}
	if len(counted) < most.Contacts {
		return
	}
	r := a.say(Forbids, WhyCap, event, byPolicy, "%d contacts in %d days are enough, and there were %d", most.Contacts, most.Days, len(counted))
	for _, c := range counted {
		if c.EventID != uuid.Nil {
			r.EventIDs = append(r.EventIDs, c.EventID)
		}
	}
	if most.Contacts > 0 {
		next := counted[len(counted)-most.Contacts].At.Add(window)
		r.Detail, r.Until = r.Detail+"; the next is possible at "+stamped(next), &next
	}
}

// mostContacts returns the frequency cap of the customer, nil if there is none.
func (x Permissions) mostContacts(p contact.Policy) (most *contact.Cap, event *uuid.UUID, byPolicy bool) {
	if x.Preference != nil && x.Preference.FrequencyCap != nil {
		return x.Preference.FrequencyCap, &x.Preference.EventID, false
	}
	return p.Cap, nil, true
}

func stamped(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Channels returns the channels of a policy as the customer ranks them; those that
// they do not name come last, as the policy lists them.
func (x Permissions) Channels(p contact.Policy) []string {
	var ranked []string
	if x.Preference != nil {
		for _, c := range x.Preference.Channels {
			if slices.Contains(p.Channels, c) {
				ranked = append(ranked, c)
			}
		}
	}
	for _, c := range p.Channels {
		if !slices.Contains(ranked, c) {
			ranked = append(ranked, c)
		}
	}
	return ranked
}

// Basis returns the legal basis that lets the contact be made, the first one if there
// are several.
func (a Answer) Basis() string {
	for _, r := range a.Reasons {
		if r.Effect == Allows {
			return r.LegalBasis
		}
	}
	return ""
}

// ErrContactNotAllowed refuses a contact that must not be made, with all reasons.
var ErrContactNotAllowed = &domain.Error{Kind: domain.Conflict, Code: "contact_not_allowed"}

// Err returns the refusal of a contact that is not allowed, nil if it is. Every
// reason stands in it: the field it is about, its code and what it says.
func (a Answer) Err() error {
	if a.Allowed {
		return nil
	}
	var said []string
	var fields []domain.FieldError
	for _, r := range a.Reasons {
		if r.Effect == Forbids {
			said = append(said, r.Detail)
			fields = append(fields, domain.FieldError{Pointer: r.pointer(), Detail: r.Code + ": " + r.Detail})
		}
	}
	e := ErrContactNotAllowed.With("%s", strings.Join(said, "; "))
	e.Fields = fields
	return e
}

// pointer is the field of a request that a reason is about.
func (r ContactReason) pointer() string {
	switch r.Code {
	case WhyChannel, WhyUnavailable:
		return "/channel"
	case WhyQuiet, WhyCap:
		return "/contacted_at"
	}
	return "/purpose"
}
