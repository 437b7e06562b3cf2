package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/reservation"
)

// UnlinkExternalID says that another system does not know the customer under an
// id any more. The id is free for others then.
type UnlinkExternalID struct {
	domain.Subject `json:"-"`

	System string `json:"system"`
	ID     string `json:"id"`
}

// Stream implements domain.Command.
func (c UnlinkExternalID) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (UnlinkExternalID) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrExternalIDNotFound}
}

// Decide implements domain.Command.
func (c UnlinkExternalID) Decide(s State) ([]Event, error) {
	var p domain.Problems
	id := ExternalID{c.System, c.ID}
	id.check(&p, "")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	for _, x := range s.ExternalIDs {
		if (ExternalID{x.System, x.ID}).ReservedName() == id.ReservedName() {
			return []Event{ExternalIDUnlinked{
				System: x.System, Lookup: x.Lookup, Claim: s.claimOf(reservation.KindExternalID, x.Lookup),
				UnlinkedAt: c.At(&p, "", nil, x.LinkedAt, "the link"),
			}}, nil
		}
	}
	return nil, ErrExternalIDNotFound.With("the system %q does not know the customer as %q", c.System, c.ID)
}

// ErrExternalIDNotFound refuses an external id that the customer does not have.
var ErrExternalIDNotFound = &domain.Error{Kind: domain.NotFound, Code: "external_id_not_found"}
