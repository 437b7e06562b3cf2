package loyalty

import (
	"fmt"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/projections"
)

// The totals of the view: what is booked. Those that end in a colon are followed by
// what they are told apart by.
const (
	MetricMembers  = "members"
	MetricAccounts = "accounts" // of those who are or were members
	MetricTier     = "tier:"    // members by level; the empty one is the base of the ladder
	// MetricOutstanding is points that can be spent, by the date on which they lapse,
	// or Never.
	MetricOutstanding = "outstanding:"
	// MetricPending is points that cannot be spent yet: by the date on which they can,
	// a colon, and the date on which they lapse, or Never.
	MetricPending = "pending:"
	MetricHeld    = "held"
	MetricDeficit = "deficit"

	// What was ever credited and debited.
	MetricEarned         = "earned"
	MetricGranted        = "granted"
	MetricTransferredIn  = "transferred_in"
	MetricRestored       = "restored"
	MetricAdjustedUp     = "adjusted_up"
	MetricRedeemed       = "redeemed"
	MetricExpired        = "expired"
	MetricReversed       = "reversed"
	MetricForfeited      = "forfeited"
	MetricTransferredOut = "transferred_out"
	MetricAdjustedDown   = "adjusted_down"
)

// Never stands where a date would, of points that do not lapse.
const Never = "never"

func metrics(d *Document, w *projections.World) []projections.Metric {
	if !d.Kept() {
		return nil
	}
	list := make([]projections.Metric, 0, 12)
	add := func(name string, value int64) {
		if value != 0 {
			list = append(list, projections.Metric{Name: name, Value: value})
		}
	}
	add(MetricAccounts, 1)
	if d.Joined {
		add(MetricMembers, 1)
		add(MetricTier+d.Tier.Level, 1)
	}
	d.outstanding(w, add)
	balance := d.Balance()
	add(MetricHeld, balance.Held)
	add(MetricDeficit, balance.Deficit)
	add(MetricEarned, d.Sums.Earned)
	add(MetricGranted, d.Sums.Granted)
	add(MetricTransferredIn, d.Sums.TransferredIn)
	add(MetricRestored, d.Sums.Restored)
	add(MetricAdjustedUp, d.Sums.AdjustedUp)
	add(MetricRedeemed, d.Sums.Redeemed)
	add(MetricExpired, d.Sums.Expired)
	add(MetricReversed, d.Sums.Reversed)
	add(MetricForfeited, d.Sums.Forfeited)
	add(MetricTransferredOut, d.Sums.TransferredOut)
	add(MetricAdjustedDown, d.Sums.AdjustedDown)
	return list
}

// outstanding adds up what is left of lots, one total for each name.
func (d *Document) outstanding(w *projections.World, add func(name string, value int64)) {
	zone := zoneOf(w)
	sums, names := map[string]int64{}, []string(nil)
	var end *time.Time // of the lot before, and how it reads
	ends := Never
	for i := range d.Lots {
		l := &d.Lots[i]
		switch {
		case l.ExpiresAt == nil:
			ends = Never
		case end == nil || !end.Equal(*l.ExpiresAt):
			ends = domain.DateOf(*l.ExpiresAt, zone).String()
		}
		end = l.ExpiresAt
		name := MetricOutstanding + ends
		if l.Pending {
			name = MetricPending + domain.DateOf(l.AvailableAt, zone).String() + ":" + ends
		}
		if _, known := sums[name]; !known {
			names = append(names, name)
		}
		sums[name] += l.Remaining
	}
	for _, name := range names {
		add(name, sums[name])
	}
}

// ParseLot reads the name of a total of lots: the date on which they can be spent,
// nil if they can, and the date on which they lapse, nil if they never do. false:
// it is not one.
func ParseLot(metric string) (available, expires *domain.Date, ok bool, err error) {
	date := func(text string) (d *domain.Date) {
		if text == Never || err != nil {
			return nil
		}
		d = new(domain.Date)
		*d, err = domain.ParseDate(text)
		return d
	}
	if rest, is := strings.CutPrefix(metric, MetricOutstanding); is {
		expires, ok = date(rest), true
	} else if rest, is := strings.CutPrefix(metric, MetricPending); is {
		from, to, _ := strings.Cut(rest, ":")
		available, expires, ok = date(from), date(to), true
	}
	if err != nil {
		return nil, nil, false, fmt.Errorf("total %q: %w", metric, err)
	}
	return available, expires, ok, nil
}
