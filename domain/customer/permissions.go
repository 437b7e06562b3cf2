package customer

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/contact"
)

// Permissions is for what, on which channel and when a customer may be contacted.
type Permissions struct {
	Consents     []Consent     `json:"consents,omitempty"` // by purpose, then channel
	Preference   *Preference   `json:"preference,omitempty"`
	Suppressions []Suppression `json:"suppressions,omitempty"` // as they came; lifted ones among them
	// Recent are the contacts that a frequency cap may count, by time.
	Recent []Contacted `json:"recent_contacts,omitempty"`
}

// Consent is what the customer said of a purpose and a channel, either of which may
// be Every.
type Consent struct {
	Purpose string `json:"purpose"`
	Channel string `json:"channel"`
	// Facts are the latest of what was said, the latest first. Of two of one instant
	// the withdrawal comes first, else what was recorded last.
	Facts []ConsentFact `json:"facts"`
}

// ConsentFact is one grant or withdrawal.
type ConsentFact struct {
	EventID     uuid.UUID  `json:"event_id,omitzero"`
	Withdrawn   bool       `json:"withdrawn,omitempty"`
	At          time.Time  `json:"at"`
	LegalBasis  string     `json:"legal_basis,omitempty"`
	TextVersion string     `json:"text_version,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	Via         string     `json:"via,omitempty"`
}

// Preference is how the customer likes to be contacted.
type Preference struct {
	EventID      uuid.UUID      `json:"event_id,omitzero"`
	Channels     []string       `json:"channels,omitempty"` // the best first
	Language     string         `json:"language,omitempty"`
	QuietHours   *contact.Hours `json:"quiet_hours,omitempty"`
	FrequencyCap *contact.Cap   `json:"frequency_cap,omitempty"`
}

// Suppression is a time in which the customer must not be contacted.
type Suppression struct {
	ID         string     `json:"suppression_id"`
	EventID    uuid.UUID  `json:"event_id,omitzero"`
	Scope      string     `json:"scope"`
	Purpose    string     `json:"purpose,omitempty"`
	Channel    string     `json:"channel,omitempty"`
	ReasonCode string     `json:"reason_code"`
	Reason     string     `json:"reason,omitempty"`
	Legal      bool       `json:"legal,omitempty"`
	Role       string     `json:"role,omitempty"`
	From       time.Time  `json:"from,omitzero"`
	LiftedAt   *time.Time `json:"lifted_at,omitempty"` // exclusive
	LiftedBy   uuid.UUID  `json:"lifted_by,omitzero"`  // the event
}

// Contacted is one contact that we made.
type Contacted struct {
	EventID    uuid.UUID `json:"event_id,omitzero"`
	ContactID  string    `json:"contact_id,omitempty"`
	Purpose    string    `json:"purpose"`
	Channel    string    `json:"channel"`
	At         time.Time `json:"at"`
	Free       bool      `json:"free,omitempty"`
	WindowDays int       `json:"window_days,omitempty"`
}

// What is remembered is bounded. Of one purpose and channel the latest facts are
// exact for every instant since the oldest of them; of contacts, those as far back
// as a frequency cap ever looked, and at least leastWindow days.
const (
	maxFacts        = 16
	maxConsents     = 1000 // pairs of purpose and channel
	maxSuppressions = 100
	maxContacts     = 1000
	leastWindow     = 31
)

// Fold brings the permissions up to date with an event.
func (x *Permissions) Fold(r Record) {
	switch e := r.Event.(type) {
	case ConsentGranted:
		x.said(e.Purpose, e.Channel, ConsentFact{
			EventID: r.ID, At: e.GrantedAt, LegalBasis: e.LegalBasis, TextVersion: e.TextVersion, ExpiresAt: e.ExpiresAt,
		})
	case ConsentWithdrawn:
		x.said(e.Purpose, e.Channel, ConsentFact{EventID: r.ID, Withdrawn: true, At: e.WithdrawnAt, Via: e.Via})
	case ChannelPreferenceSet:
		x.Preference = &Preference{
			EventID: r.ID, Channels: e.Channels, Language: e.Language, QuietHours: e.QuietHours, FrequencyCap: e.FrequencyCap,
		}
	case ContactSuppressed:
		x.suppress(Suppression{
			ID: e.SuppressionID, EventID: r.ID, Scope: e.Scope, Purpose: e.Purpose, Channel: e.Channel,
			ReasonCode: e.ReasonCode, Reason: e.Reason, Legal: e.Legal, Role: e.Role, From: e.SuppressedAt,
		})
	case SuppressionLifted:
		if s := x.suppression(e.SuppressionID); s != nil && s.LiftedAt == nil {
			s.LiftedAt, s.LiftedBy = &e.LiftedAt, r.ID
		}
	case ContactRecorded:
		x.contacted(Contacted{
			EventID: r.ID, ContactID: e.ContactID, Purpose: e.Purpose, Channel: e.Channel,
			At: e.ContactedAt, Free: e.Free, WindowDays: e.WindowDays,
		})
	case CareActionDone:
		x.contacted(Contacted{
			EventID: r.ID, Purpose: e.Purpose, Channel: e.Channel, At: e.At, Free: e.Free, WindowDays: e.WindowDays,
		})
	case ContactPointAdded:
		x.objectedBefore(r, e.Objected, e.AddedAt)
	case ExternalIDLinked:
		x.objectedBefore(r, e.Objected, e.LinkedAt)
	case PersonalDataErased:
		x.forget()
	}
}

// objectedBefore holds on to the objection of somebody who was erased and comes
// back, as a contact point or an external id of theirs tells.
func (x *Permissions) objectedBefore(r Record, objected bool, at time.Time) {
	if objected {
		x.suppress(Suppression{
			ID: SuppressedEarlier, EventID: r.ID, Scope: SuppressAll, ReasonCode: SuppressedEarlier, From: at,
		})
	}
}

// forget leaves what outlives an erasure: what was consented to and what was
// objected to, in codes.
func (x *Permissions) forget() {
	x.Preference, x.Recent = nil, nil
	for i := range x.Suppressions {
		x.Suppressions[i].Reason = ""
	}
}

// said notes a fact of a purpose and a channel.
func (x *Permissions) said(purpose, channel string, f ConsentFact) {
	i, found := slices.BinarySearchFunc(x.Consents, Consent{Purpose: purpose, Channel: channel}, compareConsents)
	if !found {
		x.Consents = slices.Insert(x.Consents, i, Consent{Purpose: purpose, Channel: channel})
	}
	facts := &x.Consents[i].Facts
	before := func(g ConsentFact) bool { return g.At.After(f.At) || g.At.Equal(f.At) && g.Withdrawn && !f.Withdrawn }
	n := 0
	for n < len(*facts) && before((*facts)[n]) {
		n++
	}
	*facts = slices.Insert(*facts, n, f)
	*facts = (*facts)[:min(len(*facts), maxFacts)]
}

func compareConsents(a, b Consent) int {
	return cmp.Or(strings.Compare(a.Purpose, b.Purpose), strings.Compare(a.Channel, b.Channel))
}

// consent returns what was said of exactly this purpose and channel, nil if nothing was.
func (x *Permissions) consent(purpose, channel string) *Consent {
	i, found := slices.BinarySearchFunc(x.Consents, Consent{Purpose: purpose, Channel: channel}, compareConsents)
	if !found {
		return nil
	}
	return &x.Consents[i]
}

// at returns what had been said last at an instant, nil if nothing had.
func (c Consent) at(t time.Time) *ConsentFact {
	for i := range c.Facts {
		if !c.Facts[i].At.After(t) {
			return &c.Facts[i]
		}
	}
	return nil
}

// Granted says whether a grant is among what was said, whether or not it stands.
func (c Consent) Granted() bool {
	return slices.ContainsFunc(c.Facts, func(f ConsentFact) bool { return !f.Withdrawn })
}

// deciding returns the fact that decides on a purpose and a channel at an instant:
// the latest, also of those about every purpose or every channel; of one instant the
// withdrawal, else the one that says it more exactly. Nil if nobody said anything.
func (x Permissions) deciding(purpose, channel string, at time.Time) (latest *ConsentFact) {
	for _, pair := range [...][2]string{{purpose, channel}, {purpose, Every}, {Every, channel}, {Every, Every}} {
		c := x.consent(pair[0], pair[1])
		if c == nil {
			continue
		}
		f := c.at(at)
		if f != nil && (latest == nil || f.At.After(latest.At) || f.At.Equal(latest.At) && f.Withdrawn && !latest.Withdrawn) {
			latest = f
		}
	}
	return latest
}

// expired says whether a grant has ended by itself.
func (f ConsentFact) expired(at time.Time) bool {
	return f.ExpiresAt != nil && !at.Before(*f.ExpiresAt)
}

// Consented says whether a grant stands for a purpose and a channel at an instant,
// on whatever legal basis. It does not say that the customer may be contacted.
func (x Permissions) Consented(purpose, channel string, at time.Time) bool {
	f := x.deciding(purpose, channel, at)
	return f != nil && !f.Withdrawn && !f.expired(at)
}

// ExpiringConsent is a grant that ends by itself.
type ExpiringConsent struct {
	Purpose   string    `json:"purpose"`
	Channel   string    `json:"channel"`
	ExpiresAt time.Time `json:"expires_at"`
	EventID   uuid.UUID `json:"event_id,omitzero"`
}

// Expiring returns the grants that stand, or stood last, and end at or before an
// instant, the first to end first. Those that have ended already are among them.
func (x Permissions) Expiring(by time.Time) (list []ExpiringConsent) {
	for _, c := range x.Consents {
		f := x.deciding(c.Purpose, c.Channel, forever)
		if f == &c.Facts[0] && !f.Withdrawn && f.ExpiresAt != nil && !f.ExpiresAt.After(by) {
			list = append(list, ExpiringConsent{c.Purpose, c.Channel, *f.ExpiresAt, f.EventID})
		}
	}
	slices.SortStableFunc(list, func(a, b ExpiringConsent) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
	return list
}

// forever is after every fact.
var forever = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// covers says whether a purpose or channel, which may be Every, takes in another.
func covers(a, b string) bool { return a == Every || a == b }

// overlaps says whether two purposes or channels have something in common.
func overlaps(a, b string) bool { return covers(a, b) || covers(b, a) }

func (x *Permissions) suppression(id string) *Suppression {
	i := slices.IndexFunc(x.Suppressions, func(s Suppression) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return &x.Suppressions[i]
}

// suppress notes a suppression, in the place of a lifted one of its id. When there
// are too many, the oldest lifted one is forgotten.
func (x *Permissions) suppress(s Suppression) {
	switch old := x.suppression(s.ID); {
	case old == nil:
		x.Suppressions = append(x.Suppressions, s)
	case old.LiftedAt != nil:
		*old = s
	}
	if len(x.Suppressions) > maxSuppressions {
		if i := slices.IndexFunc(x.Suppressions, func(s Suppression) bool { return s.LiftedAt != nil }); i >= 0 {
			x.Suppressions = slices.Delete(x.Suppressions, i, i+1)
		}
	}
}

// active says whether the suppression holds at an instant.
func (s Suppression) active(at time.Time) bool {
	return !at.Before(s.From) && (s.LiftedAt == nil || at.Before(*s.LiftedAt))
}

// about says whether the suppression covers a purpose on a channel, either of
// which may be Every.
func (s Suppression) about(purpose, channel string) bool {
	switch s.Scope {
	case SuppressPurpose:
		return s.Purpose == purpose
	case SuppressChannel:
		return s.Channel == channel
	}
	return true
}

// contacted notes a contact and forgets those that no cap looks back at.
func (x *Permissions) contacted(c Contacted) {
	n := len(x.Recent)
	for n > 0 && x.Recent[n-1].At.After(c.At) {
		n--
	}
	x.Recent = slices.Insert(x.Recent, n, c)
	window := leastWindow
	if x.Preference != nil && x.Preference.FrequencyCap != nil {
		window = max(window, x.Preference.FrequencyCap.Days)
	}
	for _, o := range x.Recent {
		window = max(window, o.WindowDays)
	}
	oldest := x.Recent[len(x.Recent)-1].At.Add(-time.Duration(window) * day)
	first := max(0, len(x.Recent)-maxContacts)
	for !x.Recent[first].At.After(oldest) {
		first++
	}
	x.Recent = slices.Delete(x.Recent, 0, first)
}

const day = 24 * time.Hour

// Objects says whether the customer, or the law, said no in a way that must outlive
// the erasure of their data: an objection, a complaint or a legal suppression that
// was not lifted, or consents that were withdrawn without any that is left. When in
// doubt it is yes: who is forgotten must not be written to as if they had never
// said anything.
func (x Permissions) Objects() bool {
	if slices.ContainsFunc(x.Suppressions, Suppression.objects) {
		return true
	}
	withdrawn := false
	for _, c := range x.Consents {
		if !x.deciding(c.Purpose, c.Channel, forever).Withdrawn {
			return false
		}
		withdrawn = true
	}
	return withdrawn
}

// objects says whether the suppression stands for somebody's no.
func (s Suppression) objects() bool {
	if s.LiftedAt != nil {
		return false
	}
	switch s.ReasonCode {
	case SuppressedObjection, SuppressedEarlier, SuppressedComplaint, SuppressedLaw:
		return true
	}
	return s.Legal
}

// Said says whether the last that was said of a purpose and a channel is a consent,
// and until when, exclusively; nil: until it is withdrawn. It may be over.
func (x Permissions) Said(purpose, channel string) (until *time.Time, ok bool) {
	last := x.deciding(purpose, channel, forever)
	if last == nil || last.Withdrawn {
		return nil, false
	}
	return last.ExpiresAt, true
}

// SuppressedEntirely says whether the customer must not be contacted at all.
func (x Permissions) SuppressedEntirely() bool {
	return slices.ContainsFunc(x.Suppressions, func(s Suppression) bool { return s.Scope == SuppressAll && s.LiftedAt == nil })
}
