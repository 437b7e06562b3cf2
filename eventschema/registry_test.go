package eventschema

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A type whose past has everything: names that moved, members that came and
// went, personal ones among them.
type saleV3 struct {
	Cents    int64  `json:"cents"`
	Currency string `json:"currency"`
	Buyer    string `json:"buyer,omitempty" personal:"true"`
	Note     string `json:"note,omitempty" personal:"true"` // was stored in the clear before version 3
}

type saleV2 struct {
	Cents    int64  `json:"cents"`
	Currency string `json:"currency"`
	Name     string `json:"name,omitempty" personal:"true"`
	Note     string `json:"note,omitempty"`
	Till     int    `json:"till"`
}

type saleV1 struct {
	Amount int64  `json:"amount"`
	Name   string `json:"name,omitempty" personal:"true"`
	Note   string `json:"note,omitempty"`
}

var (
	toV2 = each(rename("amount", "cents"), add("currency", `"EUR"`), add("till", "1"))
	toV3 = each(rename("name", "buyer"), drop("till"))

	sales = NewRegistry(event[saleV3]("sale.made", toV2, toV3))
)

// An event of any version reads as the current one, with the key and without.
func TestUpcast(t *testing.T) {
	key := dataKey()
	m := envelope()
	m.Reason = "phoned"
	for wire, c := range map[string]struct {
		registry *Registry
		data     any
	}{
		"sale.made.v1": {NewRegistry(event[saleV1]("sale.made")), saleV1{500, "Zoë", "hers"}},
		"sale.made.v2": {NewRegistry(event[saleV2]("sale.made", toV2)), saleV2{500, "EUR", "Zoë", "hers", 3}},
		"sale.made.v3": {sales, saleV3{500, "EUR", "Zoë", "hers"}},
	} {
		raw, _, err := c.registry.Seal(Chain{}, "sale-1", 0, m, c.data, key)
		if err != nil || raw.Type != wire {
			t.Fatalf("%s: %v", raw.Type, err)
		}
		e, err := sales.Open(raw, key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(any(saleV3{500, "EUR", "Zoë", "hers"}), e.Data); diff != "" || e.Meta.Reason != "phoned" || e.Type != "sale.made" {
			t.Errorf("%s reads as %+v:\n%s", wire, e, diff)
		}
		e, err = sales.Open(raw, Erased)
		if diff := cmp.Diff(any(saleV3{Cents: 500, Currency: "EUR"}), e.Data); err != nil || diff != "" || !e.Erased {
			t.Errorf("%s reads without its key as %+v, %v:\n%s", wire, e, err, diff)
		}
		if _, err := sales.Open(raw, nil); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: %v", wire, err)
		}
	}
}

func TestUpcastRefuses(t *testing.T) {
	for data, want := range map[string]string{
		`{"amount":1,"currency":"EUR"}`: "currency is there already",
		`{"amount":1}{}`:                errSyntax.Error(),
		`{"amount":1`:                   errSyntax.Error(),
		`{"amount":"1"}`:                errType.Error(),
		`[]`:                            errType.Error(),
	} {
		_, err := sales.Open(Raw{Type: "sale.made.v1", Data: []byte(data), Metadata: []byte("{}")}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", data, err, want)
		}
	}
	failing := NewRegistry(event[saleV1]("sale.made", func(map[string]json.RawMessage) error { return errors.New("cannot") }))
	if _, err := failing.Open(Raw{Type: "sale.made.v1", Data: []byte("{}"), Metadata: []byte("{}")}, nil); err == nil || !strings.Contains(err.Error(), "step from version 1: cannot") {
		t.Error(err)
	}
}

func TestWrongTables(t *testing.T) {
	type a struct {
		A int `json:"a"`
	}
	type b struct {
		A int `json:"a"`
	}
	type noTag struct{ A int }
	type embedded struct {
		a `json:"a"`
	}
	type taken struct {
		A string `json:"personal"`
	}
	twice := reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: reflect.TypeFor[int](), Tag: `json:"a"`},
		{Name: "B", Type: reflect.TypeFor[int](), Tag: `json:"a,omitempty"`},
	})
	type secret struct {
		A string `json:"a" personal:"true"`
	}
	type nested struct {
		S secret `json:"s"`
	}
	type option struct {
		A int `json:"a,string"`
	}
	for name, table := range map[string]func(){
		"one name twice":         func() { NewRegistry(event[a]("x.y"), event[b]("x.y")) },
		"one type twice":         func() { NewRegistry(event[a]("x.y"), event[a]("x.z")) },
		"a name without subject": func() { NewRegistry(event[a]("registered")) },
		"a name with a version":  func() { NewRegistry(event[a]("x.y.v1")) },
		"a name with capitals":   func() { NewRegistry(event[a]("x.Y")) },
		"a field without name":   func() { event[noTag]("x.y") },
		"an embedded field":      func() { event[embedded]("x.y") },
		"the name personal":      func() { event[taken]("x.y") },
		"two members of a name":  func() { compiler{}.structOf(twice, true) },
		"a personal field below": func() { event[nested]("x.y") },
		"an unknown option":      func() { event[option]("x.y") },
		"a personal broadcast":   func() { NewRegistry(broadcast[secret]("x.y")) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is let pass", name)
				}
			}()
			table()
		}()
	}
}

// The names are for ever: a change of this list other than at its end is a
// change of the past.
func TestTable(t *testing.T) {
	var got string
	for _, typ := range Events.Types() {
		got += fmt.Sprintf("%s broadcast=%v personal=%v\n", typ.Wire(), typ.Broadcast, typ.Personal)
	}
	want := `customer.registered.v1 broadcast=false personal=[name]
customer.profile_updated.v1 broadcast=false personal=[changes]
customer.external_id_linked.v1 broadcast=false personal=[id]
customer.claim_abandoned.v1 broadcast=false personal=[]
customer.external_id_unlinked.v1 broadcast=false personal=[]
customer.contact_point_added.v1 broadcast=false personal=[value normalized address label]
customer.contact_point_verified.v1 broadcast=false personal=[evidence]
customer.contact_point_made_primary.v1 broadcast=false personal=[]
customer.contact_point_removed.v1 broadcast=false personal=[]
customer.contact_point_invalidated.v1 broadcast=false personal=[reason]
customer.order_recorded.v1 broadcast=false personal=[]
customer.order_paid.v1 broadcast=false personal=[]
customer.order_cancelled.v1 broadcast=false personal=[reason]
customer.refund_recorded.v1 broadcast=false personal=[reason]
customer.consent_granted.v1 broadcast=false personal=[evidence]
customer.consent_withdrawn.v1 broadcast=false personal=[]
customer.channel_preference_set.v1 broadcast=false personal=[]
customer.contact_suppressed.v1 broadcast=false personal=[reason]
customer.suppression_lifted.v1 broadcast=false personal=[reason]
customer.contact_recorded.v1 broadcast=false personal=[]
customer.demographics_updated.v1 broadcast=false personal=[changes]
customer.psychographics_updated.v1 broadcast=false personal=[lists preferences]
customer.market_attitude_recorded.v1 broadcast=false personal=[scores]
customer.tag_added.v1 broadcast=false personal=[tag]
customer.tag_removed.v1 broadcast=false personal=[tag]
customer.attribute_set.v1 broadcast=false personal=[personal_value]
customer.attribute_cleared.v1 broadcast=false personal=[]
customer.classified.v1 broadcast=false personal=[basis]
customer.stage_entered.v1 broadcast=false personal=[note]
customer.owner_assigned.v1 broadcast=false personal=[]
customer.released.v1 broadcast=false personal=[]
customer.claimed.v1 broadcast=false personal=[]
customer.key_account_designated.v1 broadcast=false personal=[criteria]
customer.key_account_revoked.v1 broadcast=false personal=[]
customer.handover_opened.v1 broadcast=false personal=[]
customer.handover_closed.v1 broadcast=false personal=[]
customer.successor_introduced.v1 broadcast=false personal=[]
customer.program_joined.v1 broadcast=false personal=[]
customer.program_left.v1 broadcast=false personal=[reason]
customer.points_forfeited.v1 broadcast=false personal=[]
customer.points_earned.v1 broadcast=false personal=[]
customer.points_granted.v1 broadcast=false personal=[reason]
customer.points_activated.v1 broadcast=false personal=[]
customer.points_held.v1 broadcast=false personal=[]
customer.points_hold_released.v1 broadcast=false personal=[]
customer.points_hold_captured.v1 broadcast=false personal=[]
customer.points_redeemed.v1 broadcast=false personal=[]
customer.redemption_reversed.v1 broadcast=false personal=[reason]
customer.points_earn_reversed.v1 broadcast=false personal=[reason]
customer.earn_reversal_declined.v1 broadcast=false personal=[reason]
customer.points_expired.v1 broadcast=false personal=[]
customer.expiry_extended.v1 broadcast=false personal=[reason]
customer.points_proposed.v1 broadcast=false personal=[reason]
customer.proposal_rejected.v1 broadcast=false personal=[reason]
customer.points_adjusted.v1 broadcast=false personal=[reason]
customer.points_transferred_out.v1 broadcast=false personal=[]
customer.points_transferred_in.v1 broadcast=false personal=[]
customer.transfer_declined.v1 broadcast=false personal=[]
customer.tier_upgraded.v1 broadcast=false personal=[]
customer.tier_retained.v1 broadcast=false personal=[]
customer.tier_downgraded.v1 broadcast=false personal=[]
customer.tier_overridden.v1 broadcast=false personal=[reason]
customer.tier_override_lifted.v1 broadcast=false personal=[reason]
customer.erasure_requested.v1 broadcast=false personal=[evidence]
customer.erasure_approved.v1 broadcast=false personal=[note]
customer.erasure_refused.v1 broadcast=false personal=[note]
customer.personal_data_erased.v1 broadcast=false personal=[]
customer.erasure_completed.v1 broadcast=false personal=[]
customer.legal_hold_placed.v1 broadcast=false personal=[note]
customer.legal_hold_lifted.v1 broadcast=false personal=[note]
customer.processing_restricted.v1 broadcast=false personal=[note]
customer.restriction_lifted.v1 broadcast=false personal=[note]
customer.personal_data_exported.v1 broadcast=false personal=[]
customer.care_action_done.v1 broadcast=false personal=[note]
customer.annual_reward_granted.v1 broadcast=false personal=[note]
customer.coupon_issued.v1 broadcast=false personal=[code reason]
customer.coupon_redeemed.v1 broadcast=false personal=[]
customer.coupon_restored.v1 broadcast=false personal=[]
customer.coupon_voided.v1 broadcast=false personal=[reason]
customer.coupon_expired.v1 broadcast=false personal=[]
customer.cost_recorded.v1 broadcast=false personal=[note]
customer.cost_cancelled.v1 broadcast=false personal=[reason]
customer.added_to_segment.v1 broadcast=false personal=[]
customer.removed_from_segment.v1 broadcast=false personal=[]
calendar.day_closed.v1 broadcast=true personal=[]
policy.published.v1 broadcast=true personal=[]
policy.calibration_requested.v1 broadcast=true personal=[]
rfm.calibrated.v1 broadcast=true personal=[]
rfm.calibration_failed.v1 broadcast=true personal=[]
value.calibrated.v1 broadcast=true personal=[]
value.calibration_failed.v1 broadcast=true personal=[]
cluster.requested.v1 broadcast=true personal=[]
cluster.fitted.v1 broadcast=true personal=[]
cluster.fit_failed.v1 broadcast=true personal=[]
segment.defined.v1 broadcast=true personal=[]
segment.version_published.v1 broadcast=true personal=[]
segment.archived.v1 broadcast=true personal=[]
segment.audience_frozen.v1 broadcast=false personal=[]
schema.attribute_defined.v1 broadcast=false personal=[]
schema.attribute_retired.v1 broadcast=false personal=[]
reservation.claimed.v1 broadcast=false personal=[]
reservation.released.v1 broadcast=false personal=[]
deployment.created.v1 broadcast=false personal=[]
datakey.created.v1 broadcast=false personal=[]
operations.event_parked.v1 broadcast=false personal=[]
staff.employee_enrolled.v1 broadcast=false personal=[]
staff.employee_changed.v1 broadcast=false personal=[]
staff.employee_deactivated.v1 broadcast=false personal=[]
staff.employee_reactivated.v1 broadcast=false personal=[]
portfolio.seat_taken.v1 broadcast=false personal=[]
portfolio.seat_freed.v1 broadcast=false personal=[]
handover.requested.v1 broadcast=false personal=[]
handover.opened.v1 broadcast=false personal=[]
handover.failed.v1 broadcast=false personal=[]
handover.items_acknowledged.v1 broadcast=false personal=[]
handover.accepted.v1 broadcast=false personal=[]
handover.rejected.v1 broadcast=false personal=[]
handover.completion_started.v1 broadcast=false personal=[]
handover.completed.v1 broadcast=false personal=[]
handover.closed.v1 broadcast=false personal=[]
transfer.proposed.v1 broadcast=false personal=[]
transfer.cancellation_requested.v1 broadcast=false personal=[]
transfer.completed.v1 broadcast=false personal=[]
transfer.cancelled.v1 broadcast=false personal=[]
duplicate.rejected.v1 broadcast=false personal=[]
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLookups(t *testing.T) {
	for wire, want := range map[string]struct {
		known, broadcast bool
		name             string
	}{
		"calendar.day_closed.v1":     {true, true, "calendar.day_closed"},
		"calendar.day_closed.v2":     {false, true, "calendar.day_closed"},
		"customer.order_recorded.v1": {true, false, "customer.order_recorded"},
		"customer.order_recorded.v9": {false, false, "customer.order_recorded"},
		"calendar.day_closed":        {false, true, "calendar.day_closed"},
		"calendar.day_closed.vx":     {false, false, "calendar.day_closed.vx"},
		"$metadata":                  {false, false, "$metadata"},
		"":                           {false, false, ""},
	} {
		if Events.Known(wire) != want.known || Events.Broadcast(wire) != want.broadcast || Events.Name(wire) != want.name {
			t.Errorf("%q: known %v, broadcast %v, name %q; want %+v", wire, Events.Known(wire), Events.Broadcast(wire), Events.Name(wire), want)
		}
	}
	if wire, ok := Events.Wire(order()); !ok || wire != "customer.order_recorded.v1" {
		t.Error(wire, ok)
	}
	if wire, ok := Events.Wire(nil); ok {
		t.Error(wire, ok)
	}
}
