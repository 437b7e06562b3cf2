package commands

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/duplicate"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/staff"
)

// Catalogue is every command there is. A new command is a file in its domain
// package and a line here.
var Catalogue = []Definition{
	registering(define[customer.State, customer.Event, customer.Register](Customers, "register-customer", "Make somebody known as a customer", probablyNew)),
	define[customer.State, customer.Event, customer.UpdateProfile](Customers, "update-profile", "Change fields of the profile"),
	define[customer.State, customer.Event, customer.LinkExternalID](Customers, "link-external-id", "Say under which id another system knows the customer"),
	define[customer.State, customer.Event, customer.RecordOrder](Customers, "record-order", "Record what the customer ordered").creates(),
	define[customer.State, customer.Event, customer.PayOrder](Customers, "pay-order", "Record that an order was paid"),
	define[customer.State, customer.Event, customer.CancelOrder](Customers, "cancel-order", "Record that an order will not be delivered"),
	define[customer.State, customer.Event, customer.RecordRefund](Customers, "record-refund", "Record that money of a paid order went back").creates(),

	stepwise(define[calendar.State, calendar.Event, calendar.CloseDay](Calendar, "close-day", "Close a business day, and every open day before it")),
	define[policy.State, policy.Event, policy.PublishRFM](Policies(policy.KindRFM), "publish-policy", "Publish the next version of the policy that scores customers").creates(),
	define[policy.State, policy.Event, policy.PublishLifecycle](Policies(policy.KindLifecycle), "publish-policy", "Publish the next version of the policy that moves customers from stage to stage").creates(),
	define[policy.State, policy.Event, policy.PublishContact](Policies(policy.KindContact), "publish-policy", "Publish the next version of the policy that says who may be contacted, how and when").creates(),
	define[policy.State, policy.Event, policy.Calibrate](Policies(policy.KindRFM), "calibrate", "Compute the cut points anew, as of the last closed day"),
	aboutPair(define[duplicate.State, duplicate.Event, duplicate.Reject](Duplicates, "reject-duplicate", "Say that two customers are not one and the same, for ever")),
	define[operations.State, operations.Event, operations.ParkEvent](Operations, "park-event", "Make the projections pass over one event"),

	define[staff.State, staff.Event, staff.EnrolEmployee](Staff, "enrol-employee", "Say that somebody works for us, and as what").creates(),
	define[staff.State, staff.Event, staff.ChangeEmployee](Staff, "change-employee", "Change what is known of an employee"),
	define[staff.State, staff.Event, staff.DeactivateEmployee](Staff, "deactivate-employee", "Say that an employee takes nothing on any more"),
	define[staff.State, staff.Event, staff.ReactivateEmployee](Staff, "reactivate-employee", "Say that an employee is back"),
}

// registering lets the body of a registration choose the customer's id.
func registering(d Definition) Definition {
	d.keyed = func(body []byte) uuid.UUID {
		var c struct {
			CustomerID uuid.UUID `json:"customer_id"`
		}
		_ = json.Unmarshal(body, &c) // what is wrong with it is said when the whole is read
		return c.CustomerID
	}
	return d.creates()
}

// probablyNew spares a registration the reading of a stream that hardly ever exists.
func probablyNew(_ *API, r *Request, _ *customer.Register) { r.New = true }

// stepwise repeats a command that does a bounded part at a time until nothing
// is left to do. Every step has an id that follows from the command's, so that
// sending it again goes on where it stopped.
func stepwise(d Definition) Definition {
	step := d.run
	d.run = func(ctx context.Context, a *API, r Request, of uuid.UUID, body []byte) (Result, error) {
		total, err := step(ctx, a, r, of, body)
		command := r.Command
		for n := 1; err == nil && len(total.Events) == n*calendar.Most; n++ {
			var next Result
			r.Command = uuid.NewSHA1(command, fmt.Appendf(nil, "step %d", n))
			if next, err = step(ctx, a, r, of, body); err != nil || !next.Changed {
				break
			}
			total = Result{next.Revision, next.Position, true, append(total.Events, next.Events...)}
		}
		return total, err
	}
	return d
}
