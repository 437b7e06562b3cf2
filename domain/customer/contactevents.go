package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain/reservation"
)

// ContactPointAdded says how a customer can be reached.
type ContactPointAdded struct {
	ContactPointID string         `json:"contact_point_id"`
	Type           string         `json:"type"`
	Value          string         `json:"value,omitempty" personal:"true"`      // as it was given
	Normalized     string         `json:"normalized,omitempty" personal:"true"` // as it is compared, where that differs
	Address        *PostalAddress `json:"address,omitempty" personal:"true"`
	Label          string         `json:"label,omitempty" personal:"true"`
	Lookup         string         `json:"lookup"`          // keyed hash of the normalised value: finds the customer, reveals nothing
	Claim          string         `json:"claim,omitempty"` // the reservation claim that this confirms; none where several may have it
	// Objected says that somebody who had it before objected to being contacted,
	// and was erased since. The objection holds on.
	Objected bool      `json:"objected,omitempty"`
	AddedAt  time.Time `json:"added_at"`
}

// ContactPointVerified says that the customer was shown to be reached there.
type ContactPointVerified struct {
	ContactPointID string    `json:"contact_point_id"`
	Type           string    `json:"type"`
	Method         string    `json:"method,omitempty"`
	Evidence       string    `json:"evidence,omitempty" personal:"true"`
	VerifiedAt     time.Time `json:"verified_at"`
}

// ContactPointMadePrimary says which of the contact points of a type is used first.
type ContactPointMadePrimary struct {
	ContactPointID string    `json:"contact_point_id"`
	Type           string    `json:"type"`
	Was            string    `json:"was,omitempty"` // the one before
	MadePrimaryAt  time.Time `json:"made_primary_at"`
}

// ContactPointRemoved says that a contact point is none any more. Its name, if
// it was reserved, is free.
type ContactPointRemoved struct {
	ContactPointID string    `json:"contact_point_id"`
	Type           string    `json:"type"`
	Lookup         string    `json:"lookup"`
	Claim          string    `json:"claim,omitempty"` // the reservation claim that ends
	RemovedAt      time.Time `json:"removed_at"`
}

// ContactPointInvalidated says that the customer is not reached there. It is not
// the primary one any more if it was.
type ContactPointInvalidated struct {
	ContactPointID string    `json:"contact_point_id"`
	Type           string    `json:"type"`
	BounceCode     string    `json:"bounce_code,omitempty"`
	Reason         string    `json:"reason,omitempty" personal:"true"`
	InvalidatedAt  time.Time `json:"invalidated_at"`
}

// ExternalIDUnlinked says that another system does not know the customer under
// an id any more.
type ExternalIDUnlinked struct {
	System     string    `json:"system"`
	Lookup     string    `json:"lookup"`
	Claim      string    `json:"claim"` // the reservation claim that ends
	UnlinkedAt time.Time `json:"unlinked_at"`
}

func (ContactPointAdded) customerEvent()       {}
func (ContactPointVerified) customerEvent()    {}
func (ContactPointMadePrimary) customerEvent() {}
func (ContactPointRemoved) customerEvent()     {}
func (ContactPointInvalidated) customerEvent() {}
func (ExternalIDUnlinked) customerEvent()      {}

// Occurred implements domain.Dated.
func (e ContactPointAdded) Occurred() time.Time       { return e.AddedAt }
func (e ContactPointVerified) Occurred() time.Time    { return e.VerifiedAt }
func (e ContactPointMadePrimary) Occurred() time.Time { return e.MadePrimaryAt }
func (e ContactPointRemoved) Occurred() time.Time     { return e.RemovedAt }
func (e ContactPointInvalidated) Occurred() time.Time { return e.InvalidatedAt }
func (e ExternalIDUnlinked) Occurred() time.Time      { return e.UnlinkedAt }

// Frees returns the reservation that ends with the event.
func (e ContactPointRemoved) Frees() (reservation.Claim, bool) {
	return reservation.Claim{Kind: e.Type, Lookup: e.Lookup, ID: e.Claim}, e.Claim != ""
}

// Frees returns the reservation that ends with the event.
func (e ExternalIDUnlinked) Frees() (reservation.Claim, bool) {
	return reservation.Claim{Kind: reservation.KindExternalID, Lookup: e.Lookup, ID: e.Claim}, e.Claim != ""
}
