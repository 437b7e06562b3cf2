package customer

import (
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/reservation"
)

// ExternalID is what another system calls a customer.
type ExternalID struct {
	System string `json:"system"` // letters, digits, dot, dash, underscore
	ID     string `json:"id"`
}

// ReservedName returns the name that must be the customer's alone. Everybody
// who looks a customer up by an external id starts from it.
func (x ExternalID) ReservedName() reservation.Name {
	return reservation.Name{Kind: reservation.KindExternalID, Value: x.System + "\x00" + norm.NFC.String(x.ID)}
}

func (x ExternalID) check(p *domain.Problems, pointer string) {
	if x.System == "" || len(x.System) > 64 || strings.Trim(x.System, systemLetters) != "" {
		p.Add(pointer+"/system", "must have 1 to 64 letters, digits, dots, dashes or underscores")
	}
	p.Required(pointer+"/id", x.ID, maxID)
	if strings.TrimSpace(x.ID) != x.ID {
		p.Add(pointer+"/id", "must not begin or end with a space")
	}
}

const systemLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// link returns the event that confirms a claim.
func (x ExternalID) link(c reservation.Claim, at time.Time) ExternalIDLinked {
	return ExternalIDLinked{System: x.System, ID: x.ID, Lookup: c.Lookup, Claim: c.ID, Objected: c.Objected, LinkedAt: at}
}

// ErrExternalIDTaken refuses an external id that belongs to somebody else.
var ErrExternalIDTaken = reservation.ErrTaken(reservation.KindExternalID)
