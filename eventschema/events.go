package eventschema

import (
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/duplicate"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/staff"
)

// Events is every event type there is. Names and versions are for ever: add
// lines and steps, never change them.
var Events = NewRegistry(
	event[customer.Registered]("customer.registered"),
	event[customer.ProfileUpdated]("customer.profile_updated"),
	event[customer.ExternalIDLinked]("customer.external_id_linked"),
	event[customer.ClaimAbandoned]("customer.claim_abandoned"),
	event[customer.OrderRecorded]("customer.order_recorded"),
	event[customer.OrderPaid]("customer.order_paid"),
	event[customer.OrderCancelled]("customer.order_cancelled"),
	event[customer.RefundRecorded]("customer.refund_recorded"),

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

	broadcast[calendar.DayClosed]("calendar.day_closed"),
	broadcast[policy.Published]("policy.published"),
	broadcast[policy.CalibrationRequested]("policy.calibration_requested"),
	broadcast[rfm.Calibrated]("rfm.calibrated"),
	broadcast[rfm.CalibrationFailed]("rfm.calibration_failed"),

	event[reservation.Claimed]("reservation.claimed"),
	event[reservation.Released]("reservation.released"),
	event[deployment.Created]("deployment.created"),
	event[datakey.Created]("datakey.created"),
	event[operations.EventParked]("operations.event_parked"),

	event[staff.EmployeeEnrolled]("staff.employee_enrolled"),
	event[staff.EmployeeChanged]("staff.employee_changed"),
	event[staff.EmployeeDeactivated]("staff.employee_deactivated"),
	event[staff.EmployeeReactivated]("staff.employee_reactivated"),
	event[duplicate.Rejected]("duplicate.rejected"),
)
