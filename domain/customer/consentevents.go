package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain/contact"
)

// ConsentGranted says that the customer may be contacted for a purpose on a
// channel, and on which legal basis.
type ConsentGranted struct {
	Purpose     string     `json:"purpose"`
	Channel     string     `json:"channel"`                // or Every
	LegalBasis  string     `json:"legal_basis"`            // contact.Consent or another basis
	TextVersion string     `json:"text_version,omitempty"` // what they agreed to
	Evidence    string     `json:"evidence,omitempty" personal:"true"`
	GrantedAt   time.Time  `json:"granted_at"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"` // exclusive
}

// ConsentWithdrawn says that the customer does not want to be contacted for a
// purpose on a channel.
type ConsentWithdrawn struct {
	Purpose     string    `json:"purpose"` // or Every
	Channel     string    `json:"channel"` // or Every
	Via         string    `json:"via,omitempty"`
	WithdrawnAt time.Time `json:"withdrawn_at"`
}

// ChannelPreferenceSet says how the customer likes to be contacted. What it does
// not say, nobody knows any more.
type ChannelPreferenceSet struct {
	Channels     []string       `json:"channels,omitempty"` // the best first
	Language     string         `json:"language,omitempty"` // BCP 47
	QuietHours   *contact.Hours `json:"quiet_hours,omitempty"`
	FrequencyCap *contact.Cap   `json:"frequency_cap,omitempty"`
}

// ContactSuppressed says that the customer must not be contacted.
type ContactSuppressed struct {
	SuppressionID string    `json:"suppression_id"`
	Scope         string    `json:"scope"`             // one of SuppressScopes
	Purpose       string    `json:"purpose,omitempty"` // of SuppressPurpose
	Channel       string    `json:"channel,omitempty"` // of SuppressChannel
	ReasonCode    string    `json:"reason_code"`       // one of SuppressionReasons
	Reason        string    `json:"reason,omitempty" personal:"true"`
	Legal         bool      `json:"legal,omitempty"` // the law demands it
	Role          string    `json:"role,omitempty"`  // who may lift what the law demands
	SuppressedAt  time.Time `json:"suppressed_at"`
}

// SuppressionLifted says that a suppression ended.
type SuppressionLifted struct {
	SuppressionID string    `json:"suppression_id"`
	Reason        string    `json:"reason,omitempty" personal:"true"`
	LiftedAt      time.Time `json:"lifted_at"`
}

// ContactRecorded says that we contacted the customer.
type ContactRecorded struct {
	ContactID  string `json:"contact_id,omitempty"`
	Purpose    string `json:"purpose"`
	Channel    string `json:"channel"`
	CampaignID string `json:"campaign_id,omitempty"`
	LegalBasis string `json:"legal_basis"`    // what let it be made
	Free       bool   `json:"free,omitempty"` // does not count for the frequency cap
	// WindowDays is how far back a frequency cap looked when the contact was decided.
	WindowDays  int       `json:"window_days,omitempty"`
	ContactedAt time.Time `json:"contacted_at"`
}

func (ConsentGranted) customerEvent()       {}
func (ConsentWithdrawn) customerEvent()     {}
func (ChannelPreferenceSet) customerEvent() {}
func (ContactSuppressed) customerEvent()    {}
func (SuppressionLifted) customerEvent()    {}
func (ContactRecorded) customerEvent()      {}

// Occurred implements domain.Dated.
func (e ConsentGranted) Occurred() time.Time    { return e.GrantedAt }
func (e ConsentWithdrawn) Occurred() time.Time  { return e.WithdrawnAt }
func (e ContactSuppressed) Occurred() time.Time { return e.SuppressedAt }
func (e SuppressionLifted) Occurred() time.Time { return e.LiftedAt }
func (e ContactRecorded) Occurred() time.Time   { return e.ContactedAt }

// Every stands for every purpose, or every channel. No policy can name one like it.
const Every = "*"

// What a suppression covers.
const (
	SuppressAll     = "all"
	SuppressChannel = "channel"
	SuppressPurpose = "purpose"
)

// SuppressScopes is every scope of a suppression.
var SuppressScopes = []string{SuppressAll, SuppressChannel, SuppressPurpose}

// Why contacts are suppressed.
const (
	SuppressedObjection     = "objection"         // the customer objects
	SuppressedEarlier       = "earlier_objection" // who had this contact point before, and was erased, objected
	SuppressedComplaint     = "complaint"
	SuppressedLaw           = "law" // a court, an authority, a public register
	SuppressedUndeliverable = "undeliverable"
	SuppressedDeceased      = "deceased"
	SuppressedInternal      = "internal"
)

// SuppressionReasons is every reason that a command can name.
var SuppressionReasons = []string{SuppressedObjection, SuppressedComplaint, SuppressedLaw, SuppressedUndeliverable, SuppressedDeceased, SuppressedInternal}

// RoleLegal is the role that lifts what the law demanded, unless the suppression
// names another.
const RoleLegal = "legal"
