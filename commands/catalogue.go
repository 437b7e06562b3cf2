package commands

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/duplicate"
	"github.com/rapport-crm/rapport/domain/handover"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/domain/transfer"
)

// Catalogue is every command there is. A new command is a file in its domain
// package and a line here.
var Catalogue = []Definition{
	registering(define[customer.State, customer.Event, customer.Register](Customers, "register-customer", "Make somebody known as a customer", probablyNew)),
	define[customer.State, customer.Event, customer.UpdateProfile](Customers, "update-profile", "Change fields of the profile"),
	define[customer.State, customer.Event, customer.UpdateDemographics](Customers, "update-demographics", "Change demographic facts"),
	define[customer.State, customer.Event, customer.UpdatePsychographics](Customers, "update-psychographics", "Change how the customer lives and thinks"),
	define[customer.State, customer.Event, customer.RecordMarketAttitude](Customers, "record-market-attitude", "Record how the customer stands to the brand and to the market"),
	define[customer.State, customer.Event, customer.AddTag](Customers, "add-tag", "Put a tag on the customer"),
	define[customer.State, customer.Event, customer.RemoveTag](Customers, "remove-tag", "Take a tag off the customer"),
	define[customer.State, customer.Event, customer.SetAttribute](Customers, "set-attribute", "Give an attribute of the schema a value"),
	define[customer.State, customer.Event, customer.ClearAttribute](Customers, "clear-attribute", "Take the value of an attribute of the schema away"),
	define[customer.State, customer.Event, customer.AddToSegment](Customers, "add-to-segment", "Put the customer on the list of a static segment"),
	define[customer.State, customer.Event, customer.RemoveFromSegment](Customers, "remove-from-segment", "Take the customer off the list of a static segment"),
	define[customer.State, customer.Event, customer.Classify](Customers, "classify-customer", "Say what type of customer this is"),
	define[customer.State, customer.Event, customer.LinkExternalID](Customers, "link-external-id", "Say under which id another system knows the customer"),
	define[customer.State, customer.Event, customer.UnlinkExternalID](Customers, "unlink-external-id", "Say that another system does not know the customer under an id any more"),
	define[customer.State, customer.Event, customer.AddContactPoint](Customers, "add-contact-point", "Say how the customer can be reached").creates(),
	define[customer.State, customer.Event, customer.VerifyContactPoint](Customers, "verify-contact-point", "Say that the customer was shown to be reached there"),
	define[customer.State, customer.Event, customer.SetPrimaryContactPoint](Customers, "set-primary-contact-point", "Say which contact point of a type is used first"),
	define[customer.State, customer.Event, customer.RemoveContactPoint](Customers, "remove-contact-point", "Say that the customer has a contact point no more"),
	define[customer.State, customer.Event, customer.MarkContactPointInvalid](Customers, "mark-contact-point-invalid", "Say that the customer is not reached there"),
	define[customer.State, customer.Event, customer.RecordOrder](Customers, "record-order", "Record what the customer ordered").creates(),
	define[customer.State, customer.Event, customer.PayOrder](Customers, "pay-order", "Record that an order was paid"),
	define[customer.State, customer.Event, customer.CancelOrder](Customers, "cancel-order", "Record that an order will not be delivered"),
	define[customer.State, customer.Event, customer.GrantConsent](Customers, "grant-consent", "Say that the customer may be contacted for a purpose on a channel"),
	define[customer.State, customer.Event, customer.WithdrawConsent](Customers, "withdraw-consent", "Say that the customer does not want to be contacted"),
	define[customer.State, customer.Event, customer.SetChannelPreference](Customers, "set-channel-preference", "Say how the customer likes to be contacted"),
	define[customer.State, customer.Event, customer.SuppressContact](Customers, "suppress-contact", "Say that the customer must not be contacted").creates(),
	define[customer.State, customer.Event, customer.LiftSuppression](Customers, "lift-suppression", "End a suppression"),
	define[customer.State, customer.Event, customer.RecordContact](Customers, "record-contact", "Record that we contacted the customer, if that is allowed", locating).creates(),
	define[customer.State, customer.Event, customer.RecordRefund](Customers, "record-refund", "Record that money of a paid order went back").creates(),
	define[customer.State, customer.Event, customer.RecordCost](Customers, "record-cost", "Record what the customer cost beside the goods").creates(),
	define[customer.State, customer.Event, customer.CancelCost](Customers, "cancel-cost", "Say that a recorded cost was none"),
	define[customer.State, customer.Event, customer.IssueCoupon](Customers, "issue-coupon", "Give the customer a coupon").creates(),
	define[customer.State, customer.Event, customer.RedeemCoupon](Customers, "redeem-coupon", "Redeem a coupon with an order"),
	define[customer.State, customer.Event, customer.VoidCoupon](Customers, "void-coupon", "Say that a coupon cannot be redeemed any more"),
	define[customer.State, customer.Event, customer.EnrolInProgram](Customers, "enrol-in-program", "Make the customer a member of the loyalty programme").creates(),
	define[customer.State, customer.Event, customer.LeaveProgram](Customers, "leave-program", "End the membership: the points are lost"),
	define[customer.State, customer.Event, customer.EarnPoints](Customers, "earn-points", "Give the points of an activity such as a review").creates(),
	define[customer.State, customer.Event, customer.ReversePointsEarn](Customers, "reverse-points-earn", "Take points back that an order or an activity gave").creates(),
	define[customer.State, customer.Event, customer.HoldPoints](Customers, "hold-points", "Set points aside").creates(),
	define[customer.State, customer.Event, customer.ReleaseHold](Customers, "release-hold", "Give held points back"),
	define[customer.State, customer.Event, customer.CaptureHold](Customers, "capture-hold", "Spend held points").creates(),
	define[customer.State, customer.Event, customer.RedeemPoints](Customers, "redeem-points", "Spend points").creates(),
	define[customer.State, customer.Event, customer.ReverseRedemption](Customers, "reverse-redemption", "Give spent points back to their lots").creates(),
	define[customer.State, customer.Event, customer.ExtendExpiry](Customers, "extend-expiry", "Let points lapse later"),
	define[customer.State, customer.Event, customer.ChangeStage](Customers, "change-stage", "Move the customer to another stage of the lifecycle"),
	define[customer.State, customer.Event, customer.RecordCareAction](Customers, "record-care-action", "Record that a moment of the customer was acted on, if that is allowed", locatingCare).creates(),
	define[customer.State, customer.Event, customer.GrantAnnualReward](Customers, "grant-annual-reward", "Give a member the reward of a year").creates(),

	define[customer.State, customer.Event, customer.GrantBonus](Customers, "grant-bonus", "Give a member points, or propose to, where one alone may not").creates(),
	define[customer.State, customer.Event, customer.AdjustPoints](Customers, "adjust-points", "Propose to correct a member's balance").creates(),
	define[customer.State, customer.Event, customer.ApprovePoints](Customers, "approve-points", "Book points that somebody else proposed"),
	define[customer.State, customer.Event, customer.RejectPoints](Customers, "reject-points", "Say that proposed points are not booked"),
	define[customer.State, customer.Event, customer.OverrideTier](Customers, "override-tier", "Give a member a level until a date, whatever they qualify for"),
	define[customer.State, customer.Event, customer.LiftTierOverride](Customers, "lift-tier-override", "End an override of a level before its time"),
	define[customer.State, customer.Event, customer.EvaluateTier](Customers, "evaluate-tier", "Move a member to the level that they qualify for now"),

	define[customer.State, customer.Event, customer.RequestErasure](Customers, "request-erasure", "Ask for the customer's personal data to be erased"),
	define[customer.State, customer.Event, customer.ApproveErasure](Customers, "approve-erasure", "Agree to a requested erasure, as another person than who requested it"),
	define[customer.State, customer.Event, customer.RefuseErasure](Customers, "refuse-erasure", "Turn a requested erasure down, on a ground"),
	define[customer.State, customer.Event, customer.PlaceLegalHold](Customers, "place-legal-hold", "Keep the customer's data from being erased"),
	define[customer.State, customer.Event, customer.LiftLegalHold](Customers, "lift-legal-hold", "End a legal hold"),
	define[customer.State, customer.Event, customer.RestrictProcessing](Customers, "restrict-processing", "Keep the customer's data and use it for nothing"),
	define[customer.State, customer.Event, customer.LiftRestriction](Customers, "lift-restriction", "Let the customer's data be used again"),
	exporting(define[customer.State, customer.Event, customer.RequestExport](Customers, "request-export", "Record that somebody is handed all data of the customer")),

	stepwise(define[calendar.State, calendar.Event, calendar.CloseDay](Calendar, "close-day", "Close a business day, and every open day before it")),
	define[policy.State, policy.Event, policy.PublishRFM](Policies(policy.KindRFM), "publish-policy", "Publish the next version of the policy that scores customers").creates(),
	define[policy.State, policy.Event, policy.PublishLifecycle](Policies(policy.KindLifecycle), "publish-policy", "Publish the next version of the policy that moves customers from stage to stage").creates(),
	define[policy.State, policy.Event, policy.PublishContact](Policies(policy.KindContact), "publish-policy", "Publish the next version of the policy that says who may be contacted, how and when").creates(),
	define[policy.State, policy.Event, policy.PublishOwnership](Policies(policy.KindOwnership), "publish-policy", "Publish the next version of the policy that says how customers change hands").creates(),
	define[policy.State, policy.Event, policy.PublishLoyalty](Policies(policy.KindLoyalty), "publish-policy", "Publish the next version of the loyalty programme").creates(),
	define[policy.State, policy.Event, policy.PublishTier](Policies(policy.KindTier), "publish-policy", "Publish the next version of the ladder of levels that members of the loyalty programme climb").creates(),
	define[policy.State, policy.Event, policy.PublishCare](Policies(policy.KindCare), "publish-policy", "Publish the next version of the policy that says at which moments customers are thought of, and how").creates(),
	define[policy.State, policy.Event, policy.PublishValue](Policies(policy.KindValue), "publish-policy", "Publish the next version of the policy that says how customers are valued").creates(),
	define[policy.State, policy.Event, policy.Calibrate](Policies(policy.KindRFM), "calibrate", "Compute the cut points anew, as of the last closed day"),
	define[policy.State, policy.Event, policy.CalibrateValue](Policies(policy.KindValue), "calibrate", "Compute the percentiles of what customers are worth anew, as of the last closed day"),
	defineCluster[cluster.Fit]("fit-clusters", "Group the customers who are alike, as of the last closed day"),
	aboutPair(define[duplicate.State, duplicate.Event, duplicate.Reject](Duplicates, "reject-duplicate", "Say that two customers are not one and the same, for ever")),
	define[attribute.Schema, attribute.Event, attribute.Define](Schema, "define-attribute", "Say what customers have beside what every customer has").creates(),
	define[attribute.Schema, attribute.Event, attribute.Retire](Schema, "retire-attribute", "Take an attribute out of use"),
	define[segment.State, segment.Event, segment.Define](Segments, "define-segment", "Say who belongs to a new segment", ruled).creates(),
	define[segment.State, segment.Event, segment.Publish](Segments, "publish-version", "Change who belongs to a segment", ruled).creates(),
	define[segment.State, segment.Event, segment.Archive](Segments, "archive-segment", "Take a segment out of use", amongSegments),
	freezing(define[segment.State, segment.Event, segment.Freeze](Segments, "freeze-audience", "Record who belongs to a segment now").creates()),
	define[operations.State, operations.Event, operations.ParkEvent](Operations, "park-event", "Make the projections pass over one event"),

	define[staff.State, staff.Event, staff.EnrolEmployee](Staff, "enrol-employee", "Say that somebody works for us, and as what").creates(),
	define[staff.State, staff.Event, staff.ChangeEmployee](Staff, "change-employee", "Change what is known of an employee"),
	define[staff.State, staff.Event, staff.DeactivateEmployee](Staff, "deactivate-employee", "Say that an employee takes nothing on any more"),
	define[staff.State, staff.Event, staff.ReactivateEmployee](Staff, "reactivate-employee", "Say that an employee is back"),

	define[customer.State, customer.Event, customer.AssignOwner](Customers, "assign-owner", "Give the customer an owner"),
	define[customer.State, customer.Event, customer.ReleaseToPool](Customers, "release-to-pool", "Take the customer from their owner, for others to claim"),
	define[customer.State, customer.Event, customer.ClaimFromPool](Customers, "claim-from-pool", "Become the owner of a customer whom nobody owns"),
	define[customer.State, customer.Event, customer.DesignateKeyAccount](Customers, "designate-key-account", "Make the customer a key account"),
	define[customer.State, customer.Event, customer.RevokeKeyAccount](Customers, "revoke-key-account", "Say that the customer is no key account any more"),
	define[customer.State, customer.Event, customer.IntroduceSuccessor](Customers, "introduce-successor", "Say that the new owner made themselves known to the customer"),

	defineHandover("request-handover", "Ask that customers go from one employee to another", gather).at("/v1/handovers"),
	defineHandover[handover.AcknowledgeItems]("acknowledge-items", "Say, as the successor, what of the dossier was seen", nil),
	defineHandover[handover.Accept]("accept-handover", "Take the customers, as the successor", nil),
	defineHandover[handover.Reject]("reject-handover", "Do not take the customers, as the successor", nil),
	defineHandover("complete-handover", "Make the successor the owner of every customer", resolve),

	defineTransfer("request-transfer", "Give points of a member to another", ofTwo, sent).at("/v1/transfers"),
	defineTransfer[transfer.Cancel]("cancel-transfer", "Cancel a transfer of points that stands still", nil, calledOff),
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
