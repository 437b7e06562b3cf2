package readapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/profile"
)

// CustomerCoupons is the coupons of a customer and what state they are in.
type CustomerCoupons struct {
	CustomerID uuid.UUID     `json:"customer_id"`
	At         time.Time     `json:"at"`      // the time at which they are in their states
	Coupons    []CouponState `json:"coupons"` // by when they were issued
	Then       *Moment       `json:"then,omitempty"`
	Stamp
}

// CouponState is a coupon and the state it is in.
type CouponState struct {
	State string `json:"state"` // one of customer.CouponStates
	customer.Coupon
}

func (a *API) coupons(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	p := paramsOf(r)
	least, state := p.minPosition(), p.oneOf("state", append([]string{""}, customer.CouponStates...)...)
	m, t, err := p.moment(r.Context(), a)
	if err != nil {
		return err
	}
	if err := p.err(); err != nil {
		return err
	}
	answer := CustomerCoupons{CustomerID: id, Coupons: []CouponState{}}
	var stored []byte
	if m.present() {
		s, err := a.snapshot(r.Context(), id, least, profile.Name)
		if err != nil {
			return err
		}
		if answer.At, _, err = a.businessNow(r.Context(), s.world); err != nil {
			return err
		}
		stored, answer.Stamp = s.docs[0], stamp(s.position, s.world)
	} else {
		docs, position, err := a.then(r.Context(), id, m)
		if err != nil {
			return err
		}
		if stored, err = docs.profile.document(); err != nil {
			return err
		}
		world := t.world(m)
		if answer.At, _, err = a.businessNow(r.Context(), world); err != nil {
			return err
		}
		if m.asOf != nil {
			answer.At = m.asOf.UTC()
		}
		answer.Then, answer.Stamp = m.shown(), stamp(position, world)
	}
	if stored == nil {
		return ErrCustomerNotFound.With("no customer has the id %v, or had it then", id)
	}
	var d profile.Document
	if err := json.Unmarshal(stored, &d); err != nil {
		return fmt.Errorf("profile of %v: %w", id, err)
	}
	for _, c := range slices.Concat(d.Coupons.Ended, d.Coupons.Open) {
		c.Lookup, c.Claim = "", ""
		if is := c.State(answer.At); state == "" || state == is {
			answer.Coupons = append(answer.Coupons, CouponState{State: is, Coupon: c})
		}
	}
	slices.SortFunc(answer.Coupons, func(a, b CouponState) int {
		return cmp.Or(a.IssuedAt.Compare(b.IssuedAt), strings.Compare(a.ID, b.ID))
	})
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) couponRoutes() []web.Route {
	return []web.Route{{
		Method: "GET", Path: "/v1/customers/{customer_id}/coupons", Tag: "customers",
		Summary: "List the coupons of a customer",
		Detail: "All that can still be redeemed, and the last 50 that cannot. A coupon whose time is over has expired, whether or not that is recorded: " +
			"the states are those of business now, under a manual calendar the first instant of the day after the last one closed, or of the time that `as_of` names.",
		Params: slices.Concat([]web.Param{customerParam,
			{Name: "state", In: "query", Type: "string", Enum: customer.CouponStates, Detail: "Only coupons in this state."},
		}, momentParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The coupons.", Body: CustomerCoupons{}, Headers: stampHeaders}},
		Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.coupons,
	}}
}
