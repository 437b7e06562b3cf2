package eventschema

import (
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/duplicate"
	"github.com/rapport-crm/rapport/domain/handover"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/domain/transfer"
	"github.com/rapport-crm/rapport/domain/value"
)

// Events is every event type there is. Names and versions are for ever: add
// lines and steps, never change them.
var Events = NewRegistry(
	event[customer.Registered]("customer.registered"),
	event[customer.ProfileUpdated]("customer.profile_updated"),
	event[customer.ExternalIDLinked]("customer.external_id_linked"),
	event[customer.ClaimAbandoned]("customer.claim_abandoned"),
	event[customer.ExternalIDUnlinked]("customer.external_id_unlinked"),
	event[customer.ContactPointAdded]("customer.contact_point_added"),
	event[customer.ContactPointVerified]("customer.contact_point_verified"),
	event[customer.ContactPointMadePrimary]("customer.contact_point_made_primary"),
	event[customer.ContactPointRemoved]("customer.contact_point_removed"),
	event[customer.ContactPointInvalidated]("customer.contact_point_invalidated"),
	event[customer.OrderRecorded]("customer.order_recorded"),
	event[customer.OrderPaid]("customer.order_paid"),
	event[customer.OrderCancelled]("customer.order_cancelled"),
	event[customer.RefundRecorded]("customer.refund_recorded"),
	event[customer.ConsentGranted]("customer.consent_granted"),
	event[customer.ConsentWithdrawn]("customer.consent_withdrawn"),
	event[customer.ChannelPreferenceSet]("customer.channel_preference_set"),
	event[customer.ContactSuppressed]("customer.contact_suppressed"),
	event[customer.SuppressionLifted]("customer.suppression_lifted"),
	event[customer.ContactRecorded]("customer.contact_recorded"),

	event[customer.DemographicsUpdated]("customer.demographics_updated"),
	event[customer.PsychographicsUpdated]("customer.psychographics_updated"),
	event[customer.MarketAttitudeRecorded]("customer.market_attitude_recorded"),
	event[customer.TagAdded]("customer.tag_added"),
	event[customer.TagRemoved]("customer.tag_removed"),
	event[customer.AttributeSet]("customer.attribute_set"),
	event[customer.AttributeCleared]("customer.attribute_cleared"),
	event[customer.Classified]("customer.classified"),
	event[customer.StageEntered]("customer.stage_entered"),

	event[customer.OwnerAssigned]("customer.owner_assigned"),
	event[customer.CustomerReleased]("customer.released"),
	event[customer.CustomerClaimed]("customer.claimed"),
	event[customer.KeyAccountDesignated]("customer.key_account_designated"),
	event[customer.KeyAccountRevoked]("customer.key_account_revoked"),
	event[customer.HandoverOpened]("customer.handover_opened"),
	event[customer.HandoverClosed]("customer.handover_closed"),
	event[customer.SuccessorIntroduced]("customer.successor_introduced"),

	event[customer.ProgramJoined]("customer.program_joined"),
	event[customer.ProgramLeft]("customer.program_left"),
	event[customer.PointsForfeited]("customer.points_forfeited"),
	event[customer.PointsEarned]("customer.points_earned"),
	event[customer.PointsGranted]("customer.points_granted"),
	event[customer.PointsActivated]("customer.points_activated"),
	event[customer.PointsHeld]("customer.points_held"),
	event[customer.HoldReleased]("customer.points_hold_released"),
	event[customer.HoldCaptured]("customer.points_hold_captured"),
	event[customer.PointsRedeemed]("customer.points_redeemed"),
	event[customer.RedemptionReversed]("customer.redemption_reversed"),
	event[customer.PointsEarnReversed]("customer.points_earn_reversed"),
	event[customer.EarnReversalDeclined]("customer.earn_reversal_declined"),
	event[customer.PointsExpired]("customer.points_expired"),
	event[customer.ExpiryExtended]("customer.expiry_extended"),
	event[customer.PointsProposed]("customer.points_proposed"),
	event[customer.ProposalRejected]("customer.proposal_rejected"),
	event[customer.PointsAdjusted]("customer.points_adjusted"),
	event[customer.PointsTransferredOut]("customer.points_transferred_out"),
	event[customer.PointsTransferredIn]("customer.points_transferred_in"),
	event[customer.TransferDeclined]("customer.transfer_declined"),
	event[customer.TierUpgraded]("customer.tier_upgraded"),
	event[customer.TierRetained]("customer.tier_retained"),
	event[customer.TierDowngraded]("customer.tier_downgraded"),
	event[customer.TierOverridden]("customer.tier_overridden"),
	event[customer.TierOverrideLifted]("customer.tier_override_lifted"),

	event[customer.ErasureRequested]("customer.erasure_requested"),
	event[customer.ErasureApproved]("customer.erasure_approved"),
	event[customer.ErasureRefused]("customer.erasure_refused"),
	event[customer.PersonalDataErased]("customer.personal_data_erased"),
	event[customer.ErasureCompleted]("customer.erasure_completed"),
	event[customer.LegalHoldPlaced]("customer.legal_hold_placed"),
	event[customer.LegalHoldLifted]("customer.legal_hold_lifted"),
	event[customer.ProcessingRestricted]("customer.processing_restricted"),
	event[customer.RestrictionLifted]("customer.restriction_lifted"),
	event[customer.PersonalDataExported]("customer.personal_data_exported"),

	event[customer.CareActionDone]("customer.care_action_done"),
	event[customer.AnnualRewardGranted]("customer.annual_reward_granted"),

	event[customer.CouponIssued]("customer.coupon_issued"),
	event[customer.CouponRedeemed]("customer.coupon_redeemed"),
	event[customer.CouponRestored]("customer.coupon_restored"),
	event[customer.CouponVoided]("customer.coupon_voided"),
	event[customer.CouponExpired]("customer.coupon_expired"),

	event[customer.CostRecorded]("customer.cost_recorded"),
	event[customer.CostCancelled]("customer.cost_cancelled"),
	event[customer.AddedToSegment]("customer.added_to_segment"),
	event[customer.RemovedFromSegment]("customer.removed_from_segment"),

	broadcast[calendar.DayClosed]("calendar.day_closed"),
	broadcast[policy.Published]("policy.published"),
	broadcast[policy.CalibrationRequested]("policy.calibration_requested"),
	broadcast[rfm.Calibrated]("rfm.calibrated"),
	broadcast[rfm.CalibrationFailed]("rfm.calibration_failed"),
	broadcast[value.Calibrated]("value.calibrated"),
	broadcast[value.CalibrationFailed]("value.calibration_failed"),
	broadcast[cluster.Requested]("cluster.requested"),
	broadcast[cluster.Fitted]("cluster.fitted"),
	broadcast[cluster.FitFailed]("cluster.fit_failed"),
	broadcast[segment.Defined]("segment.defined"),
	broadcast[segment.VersionPublished]("segment.version_published"),
	broadcast[segment.Archived]("segment.archived"),
	event[segment.AudienceFrozen]("segment.audience_frozen"),

	event[attribute.Defined]("schema.attribute_defined"),
	event[attribute.Retired]("schema.attribute_retired"),

	event[reservation.Claimed]("reservation.claimed"),
	event[reservation.Released]("reservation.released"),
	event[deployment.Created]("deployment.created"),
	event[datakey.Created]("datakey.created"),
	event[operations.EventParked]("operations.event_parked"),

	event[staff.EmployeeEnrolled]("staff.employee_enrolled"),
	event[staff.EmployeeChanged]("staff.employee_changed"),
	event[staff.EmployeeDeactivated]("staff.employee_deactivated"),
	event[staff.EmployeeReactivated]("staff.employee_reactivated"),
	event[portfolio.SeatTaken]("portfolio.seat_taken"),
	event[portfolio.SeatFreed]("portfolio.seat_freed"),
	event[handover.Requested]("handover.requested"),
	event[handover.Opened]("handover.opened"),
	event[handover.Failed]("handover.failed"),
	event[handover.ItemsAcknowledged]("handover.items_acknowledged"),
	event[handover.Accepted]("handover.accepted"),
	event[handover.Rejected]("handover.rejected"),
	event[handover.CompletionStarted]("handover.completion_started"),
	event[handover.Completed]("handover.completed"),
	event[handover.Closed]("handover.closed"),

	event[transfer.Proposed]("transfer.proposed"),
	event[transfer.CancellationRequested]("transfer.cancellation_requested"),
	event[transfer.Completed]("transfer.completed"),
	event[transfer.Cancelled]("transfer.cancelled"),
	event[duplicate.Rejected]("duplicate.rejected"),
)
