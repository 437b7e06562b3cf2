package segments_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
)

func (w *town) noon(on domain.Date) time.Time {
	zone, _ := time.LoadLocation(w.zone)
	return on.Start(zone).Add(time.Duration(w.IntN(23*60)) * time.Minute).UTC()
}

// someday is a day near today, mostly before it.
func (w *town) someday() domain.Date {
	return w.closed + 1 - domain.Date(w.IntN(pick(w.dice, 2, 40, 400)))
}

func (w *town) register(n int) {
	id := partitiontest.CustomerID(n)
	keyID, wrapped, key, err := partitiontest.Keyring.NewDataKey()
	if err != nil {
		w.t.Fatal(err)
	}
	w.say(datakey.Stream(id), id, datakey.Created{KeyID: keyID, MasterKey: "test", Wrapped: wrapped})
	w.keys[id], w.stored[id] = key, projections.KeyDocument{KeyID: keyID, Wrapped: wrapped}
	w.say(customer.Stream(id), id, customer.Registered{
		Kind: pick(w.dice, customer.Person, customer.Organisation), Name: customer.Name{Display: "Somebody"},
		Source: customer.Source{Channel: pick(w.dice, "web", "store")}, Locale: "de-DE", RegisteredAt: w.noon(w.someday()),
	})
}

// one lets something happen to a customer.
func (w *town) one(id uuid.UUID) {
	say := func(data any) { w.say(customer.Stream(id), id, data) }
	at := w.noon(w.someday())
	orders := w.orders[id]
	n := w.IntN(30)
	if (w.theme == points || w.theme == reach) && w.IntN(2) == 0 {
		n = 29
	}
	if w.erased[id] { // what may still come has nothing personal
		if n = pick(w.dice, 8, 11, 12, 19, 21, 22); n < 13 && len(orders) == 0 {
			return
		}
	}
	switch {
	case n < 8:
		on := w.someday()
		if w.IntN(8) == 0 {
			on = w.closed + domain.Date(w.IntN(20)) // dated ahead
		}
		name := fmt.Sprint("o", len(orders))
		w.orders[id] = append(orders, name)
		var cost *int64
		if w.IntN(2) == 0 {
			cost = new(int64)
			*cost = w.Int64N(800)
		}
		amount := w.Int64N(1500)
		say(customer.OrderRecorded{
			OrderID: name, Total: domain.Money{AmountMinor: amount, Currency: pick(w.dice, "EUR", "EUR", "EUR", "EUR", "USD")},
			Lines:   []customer.Line{{SKU: pick(w.dice, "a", "b"), Category: pick(w.dice, "tea", "cups"), Quantity: 1 + w.Int64N(3), AmountMinor: amount, CostMinor: cost}},
			Channel: pick(w.dice, "web", "store"), PlacedOn: on, PlacedAt: w.noon(on),
		})
	case n < 11 && len(orders) > 0:
		say(customer.OrderPaid{OrderID: pick(w.dice, orders...), PaidAt: at})
	case n == 11 && len(orders) > 0:
		say(customer.OrderCancelled{OrderID: pick(w.dice, orders...), CancelledAt: at})
	case n == 12 && len(orders) > 0:
		on := w.someday()
		say(customer.RefundRecorded{
			RefundID: fmt.Sprint("r", len(w.log)), OrderID: pick(w.dice, orders...), Amount: domain.Money{AmountMinor: w.Int64N(500), Currency: "EUR"},
			RefundedAt: w.noon(on), RefundedOn: on,
		})
	case n < 15:
		say(customer.TagAdded{Tag: pick(w.dice, "vip", "new", "old"), At: at})
	case n == 15:
		say(customer.TagRemoved{Tag: pick(w.dice, "vip", "new", "old"), At: at})
	case n == 16 || n == 17:
		key := pick(w.dice, slices.Sorted(maps.Keys(attributes))...)
		text := map[string]string{
			attribute.Text: pick(w.dice, "red", "blue"), attribute.Enum: pick(w.dice, "L", "M"), attribute.Number: fmt.Sprint(w.IntN(3), ".75"),
			attribute.Integer: strconv.Itoa(w.IntN(3)), attribute.Boolean: pick(w.dice, "true", "false"), attribute.Date: w.someday().String(),
		}[attributes[key]]
		set := customer.AttributeSet{Key: key, Type: attributes[key], Value: text, At: at}
		if key == "colour" {
			set.Value, set.PersonalValue = "", text
		}
		say(set)
	case n == 18:
		say(customer.AttributeCleared{Key: pick(w.dice, slices.Sorted(maps.Keys(attributes))...), At: at})
	case n == 19:
		say(customer.StageEntered{Stage: pick(w.dice, "active", "at_risk", "churned"), From: "potential", Trigger: customer.TriggerManual, EnteredAt: at})
	case n == 20:
		granted := customer.ConsentGranted{Purpose: pick(w.dice, "marketing", "service"), Channel: pick(w.dice, "email", "phone", customer.Every), LegalBasis: "consent", GrantedAt: at}
		if w.IntN(2) == 0 {
			until := at.AddDate(0, 0, w.IntN(60))
			granted.ExpiresAt = &until
		}
		say(granted)
	case n == 21:
		say(customer.ConsentWithdrawn{Purpose: pick(w.dice, "marketing", customer.Every), Channel: pick(w.dice, "email", customer.Every), WithdrawnAt: at})
	case n == 22:
		on := w.someday()
		say(customer.CostRecorded{CostID: fmt.Sprint("c", len(w.log)), Kind: "service", Amount: domain.Money{AmountMinor: w.Int64N(900), Currency: "EUR"}, IncurredAt: w.noon(on), IncurredOn: on})
	case n == 23:
		say(customer.DemographicsUpdated{Fields: []string{"demographics.birth_date"}, Changes: []customer.Change{{Field: "demographics.birth_date", Became: w.birth().String()}}, At: at})
	case n == 24 && len(w.static) > 0:
		list := pick(w.dice, w.static...)
		if w.IntN(3) > 0 {
			say(customer.AddedToSegment{SegmentID: list, AddedAt: at})
		} else {
			say(customer.RemovedFromSegment{SegmentID: list, RemovedAt: at})
		}
	case n == 25:
		if w.IntN(2) == 0 {
			say(customer.ProcessingRestricted{Ground: "accuracy_contested", RestrictedAt: at})
		} else {
			say(customer.RestrictionLifted{Ground: "verified", LiftedAt: at})
		}
	case n == 26 && w.IntN(5) == 0:
		say(customer.PersonalDataErased{Requester: "customer", ErasedAt: at})
		w.erased[id] = true
	default:
		for range 20 { // rather one of the theme
			e := pick(w.dice, w.examples...)
			kind := strings.ToLower(fmt.Sprintf("%T", e))
			about := map[string][]string{points: {"points", "hold", "program", "tier"}, reach: {"contact", "suppress", "externalid"}}[w.theme]
			if about == nil || slices.ContainsFunc(about, func(word string) bool { return strings.Contains(kind, word) }) {
				say(e)
				return
			}
		}
	}
}

// all lets something happen that holds for everybody.
func (w *town) all() {
	n := w.IntN(20)
	if w.theme == worth && w.IntN(3) == 0 {
		n = 19
	}
	switch {
	case n < 10:
		w.closed += domain.Date(pick(w.dice, 1, 1, 1, 1, 2, 7, 30, 366))
		w.say(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: w.closed, Zone: w.zone})
	case n < 13:
		id := fmt.Sprint("s", len(w.dyn)+len(w.static))
		x := w.definition(id, w.dyn)
		if x.Kind == segment.Static {
			w.static = append(w.static, id)
		} else {
			w.dyn = append(w.dyn, id)
		}
		w.made[id] = 1
		w.say(segment.Stream(id), uuid.Nil, x)
	case n < 15 && len(w.dyn) > 0:
		at := w.IntN(len(w.dyn))
		id := w.dyn[at]
		x := w.definition(id, w.dyn[:at])
		if x.Kind == segment.Static {
			return
		}
		w.made[id]++
		w.say(segment.Stream(id), uuid.Nil, segment.VersionPublished{SegmentID: id, Version: w.made[id], Name: id, Rule: x.Rule, Attributes: x.Attributes, Asks: x.Asks})
	case n == 15 && len(w.dyn)+len(w.static) > 0:
		id := pick(w.dice, slices.Concat(w.dyn, w.static)...)
		w.say(segment.Stream(id), uuid.Nil, segment.Archived{SegmentID: id})
	case n == 16:
		w.publish(pick(w.dice, policy.KindRFM, policy.KindValue))
	default:
		w.calibrate()
	}
}

func (w *town) publish(kind string) {
	w.made[kind]++
	p := policy.Published{Kind: kind, Version: w.made[kind], EffectiveFrom: w.closed + 1 + domain.Date(w.IntN(5))}
	if p.Version == 1 {
		p.EffectiveFrom = 0
	}
	if kind == policy.KindRFM {
		chosen := pick(w.dice, rfm.Shipped("EUR")...)
		chosen.WindowDays = pick(w.dice, 0, 30, 365)
		p.RFM = &chosen
	} else {
		p.Value = &value.Policy{Currency: pick(w.dice, "EUR", "EUR", "USD"), WindowDays: pick(w.dice, 30, 365), TopPercent: 5, MiddlePercent: 15}
	}
	w.say(policy.Stream(kind), uuid.Nil, p)
}

// calibrate makes a calibration by hand.
func (w *town) calibrate() {
	if w.world.Closed == nil {
		return
	}
	trigger := w.log[len(w.log)-1].Position
	cuts := func(n int, step int64) (all []int64) {
		at := w.Int64N(step)
		for range n {
			all = append(all, at)
			at += 1 + w.Int64N(step)
		}
		return all
	}
	switch w.IntN(3) {
	case 0:
		if w.made[policy.KindRFM] == 0 {
			return
		}
		version := 1 + w.IntN(w.made[policy.KindRFM])
		p, _ := w.world.PolicyVersion(policy.KindRFM, version)
		n := p.RFM.Bins - 1
		w.say(rfm.CalibrationStream, uuid.Nil, rfm.Calibrated{
			TriggerPosition: trigger, AsOf: w.closed, PolicyVersion: version, Currency: "EUR", Population: 5, Denominator: 1,
			Recency: cuts(n, 40), Frequency: cuts(n, 2), Monetary: cuts(n, 900),
		})
	case 1:
		if w.made[policy.KindValue] == 0 {
			return
		}
		c := value.Calibrated{TriggerPosition: trigger, AsOf: w.closed, PolicyVersion: 1 + w.IntN(w.made[policy.KindValue]), Currency: "EUR", Denominator: 100}
		for _, name := range value.MeasureNames {
			all := cuts(99, 1+w.Int64N(8000)) // hundredths
			if name == value.Orders || name == value.OrdersWindow {
				all = cuts(99, 1+w.Int64N(15))
			}
			c.Measures = append(c.Measures, value.Cuts{Name: name, Population: 99, Cuts: all})
		}
		w.say(value.CalibrationStream, uuid.Nil, c)
	default:
		id := pick(w.dice, "habits", "money")
		features := []string{cluster.TenureDays, cluster.PointsSpendable}
		if id == "money" {
			features = []string{cluster.RecencyDays, cluster.Monetary, cluster.OrdersWindow}
		}
		w.made[id]++
		f := cluster.Fitted{ClusterID: id, Version: w.made[id], TriggerPosition: trigger, AsOf: w.closed, Currency: "EUR", K: 2}
		for _, name := range features {
			f.Features = append(f.Features, cluster.Scale{Name: name, Transform: cluster.Identity, Unit: 1, Mean: float64(w.IntN(900)), Deviation: float64(100 + w.IntN(400))})
		}
		for n := range 2 {
			c := cluster.Cluster{Number: n + 1}
			for range features {
				c.Centroid = append(c.Centroid, float64(w.IntN(9)-4))
			}
			f.Clusters = append(f.Clusters, c)
		}
		w.say(cluster.Stream(id), uuid.Nil, f)
	}
}
