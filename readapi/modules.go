package readapi

import "strings"

// The modules of a customer: what an event, or a field, is about.
const (
	moduleProfile   = "profile"
	moduleContacts  = "contacts"
	moduleConsent   = "consent"
	moduleLifecycle = "lifecycle"
	moduleOwnership = "ownership"
	moduleOrders    = "orders"
	moduleRights    = "rights"
	moduleCare      = "care"
	moduleCoupons   = "coupons"
	moduleLoyalty   = "loyalty"
	moduleValue     = "value"
	moduleSegments  = "segments"
)

var modules = []string{moduleProfile, moduleContacts, moduleConsent, moduleLifecycle, moduleOwnership, moduleOrders, moduleRights, moduleCoupons, moduleCare, moduleLoyalty, moduleValue, moduleSegments}

// eventModules says what the events of a customer are about, by how their names
// begin; the first line that fits decides.
var eventModules = []struct{ prefix, module string }{
	{"customer.registered", moduleProfile},
	{"customer.profile_", moduleProfile},
	{"customer.demographics_", moduleProfile},
	{"customer.psychographics_", moduleProfile},
	{"customer.market_attitude_", moduleProfile},
	{"customer.tag_", moduleProfile},
	{"customer.attribute_", moduleProfile},
	{"customer.classified", moduleProfile},
	{"customer.contact_point_", moduleContacts},
	{"customer.external_id_", moduleContacts},
	{"customer.claim_", moduleContacts},
	{"customer.consent_", moduleConsent},
	{"customer.channel_", moduleConsent},
	{"customer.contact_", moduleConsent},
	{"customer.suppression_", moduleConsent},
	{"customer.lifecycle_", moduleLifecycle},
	{"customer.stage_", moduleLifecycle},
	{"customer.owner_", moduleOwnership},
	{"customer.released", moduleOwnership},
	{"customer.claimed", moduleOwnership},
	{"customer.pool_", moduleOwnership},
	{"customer.key_account_", moduleOwnership},
	{"customer.handover_", moduleOwnership},
	{"customer.successor_", moduleOwnership},
	{"customer.care_", moduleCare},
	{"customer.annual_reward_", moduleCare},
	{"customer.order_", moduleOrders},
	{"customer.refund_", moduleOrders},
	{"customer.coupon_", moduleCoupons},
	{"customer.cost_", moduleValue},
	{"customer.added_to_segment", moduleSegments},
	{"customer.removed_from_segment", moduleSegments},
	{"customer.program_", moduleLoyalty},
	{"customer.points_", moduleLoyalty},
	{"customer.redemption_", moduleLoyalty},
	{"customer.earn_", moduleLoyalty},
	{"customer.expiry_", moduleLoyalty},
	{"customer.proposal_", moduleLoyalty},
	{"customer.tier_", moduleLoyalty},
	{"customer.transfer_", moduleLoyalty},
	{"customer.erasure_", moduleRights},
	{"customer.personal_data_", moduleRights},
	{"customer.legal_hold_", moduleRights},
	{"customer.hold_", moduleRights},
	{"customer.processing_", moduleRights},
	{"customer.restriction_", moduleRights},
	{"customer.data_", moduleRights},
	{"customer.export_", moduleRights},
}

// moduleOf returns what an event is about, "" for one that no module claims.
func moduleOf(event string) string {
	for _, line := range eventModules {
		if strings.HasPrefix(event, line.prefix) {
			return line.module
		}
	}
	return ""
}

// fieldModules says what the members of a customer's document are about; those
// that are not named here are profile.
var fieldModules = map[string]string{
	"external_ids": moduleContacts, "contact_points": moduleContacts,
	"permissions": moduleConsent,
	"lifecycle":   moduleLifecycle,
	"ownership":   moduleOwnership,
	"orders":      moduleOrders,
	"rights":      moduleRights,
	"care":        moduleCare,
	"coupons":     moduleCoupons,
	"loyalty":     moduleLoyalty,
	"lists":       moduleSegments,
}

// moduleOfField returns what a field is about, by its path.
func moduleOfField(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		path = path[:i]
	}
	if m, ok := fieldModules[path]; ok {
		return m
	}
	return moduleProfile
}
