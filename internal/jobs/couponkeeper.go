package jobs

import (
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/projections/profile"
)

// Coupons is the duty of the coupon keeper: it records that coupons are over, which
// frees their codes.
func Coupons() Duty {
	return Duty{
		Name: "coupon keeper", Actor: "coupon-keeper",
		View: profile.Name, Index: profile.IndexCoupons,
		Space: uuid.NewSHA1(uuid.NameSpaceURL, []byte("rapport:coupon-keeper")),
		Wire:  "expire-coupons",
		Command: func(s domain.Subject, _ *world.World) domain.Command[customer.State, customer.Event] {
			return customer.ExpireCoupons{Subject: s}
		},
		Done:   "coupons were over and are recorded as expired",
		Failed: "coupons that are over could not be recorded as expired",
	}
}
