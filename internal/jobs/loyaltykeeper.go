package jobs

import (
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/projections/loyalty"
)

// Loyalty is the duty of the loyalty keeper: it books that points became spendable
// or lapsed, and that holds and tiers are over.
func Loyalty() Duty {
	return Duty{
		Name: "loyalty keeper", Actor: "loyalty-keeper",
		View: loyalty.Name, Index: loyalty.IndexDue,
		Kinds: []string{policy.KindLoyalty, policy.KindTier},
		Space: uuid.NewSHA1(uuid.NameSpaceURL, []byte("rapport:loyalty-keeper")),
		Wire:  "settle-loyalty",
		Command: func(s domain.Subject, w *world.World) domain.Command[customer.State, customer.Event] {
			return customer.SettleLoyalty{Subject: s, Known: world.Known{World: w}}
		},
		AtOnce: customer.SettledAtOnce,
		Done:   "accounts of points are as time has made them",
		Failed: "accounts of points could not be brought up to date",
	}
}
