package loyalty

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
)

// The indexes of the view. Dates are business dates, such as 2026-03-01. All of
// them say what is booked.
const (
	// IndexAll has the account of everybody who is or was a member; no key, so that
	// they come by id.
	IndexAll = "all"
	// IndexDue says when something falls due that time alone brings about: the date
	// on which it does.
	IndexDue = "due"
	// IndexExpiring says which points lapse when if they are not spent or held: one
	// key for each date, ExpiringKey.
	IndexExpiring = "expiring"
	// IndexMembers has every member by the instant of joining: InstantKey.
	IndexMembers = "members"
	// IndexJoined has every member by the day of the year of joining: 03-01.
	IndexJoined = "joined"
	// IndexTier has every member by level and then by points that can be spent:
	// TierPrefix and PointsKey.
	IndexTier = "tier"
	// IndexSpendable has every member by the points that can be spent: PointsKey.
	IndexSpendable = "spendable"
	// IndexEarned has every member by the points ever earned: PointsKey.
	IndexEarned = "earned"
	// IndexActivity has every member by the date of the last earning or redemption,
	// or of joining where there was none.
	IndexActivity = "activity"
	// IndexTierChanges has every tier change: ChangeKey.
	IndexTierChanges = "tier_changes"
)

// zones are the time zones seen so far: looking one up reads a file.
var zones sync.Map

// zoneOf returns the business time zone; UTC before it is known.
func zoneOf(w *projections.World) *time.Location {
	if w == nil || w.Zone == "" {
		return time.UTC
	}
	if zone, ok := zones.Load(w.Zone); ok {
		return zone.(*time.Location)
	}
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		panic("business time zone: " + err.Error()) // it was there when the deployment was made
	}
	zones.Store(w.Zone, zone)
	return zone
}

func indexes(d *Document, w *projections.World) []projections.Place {
	if !d.Kept() {
		return nil
	}
	zone := zoneOf(w)
	places := make([]projections.Place, 0, 9+len(d.TierChanges))
	add := func(index, key string) { places = append(places, projections.Place{Index: index, Key: key}) }
	add(IndexAll, "")
	if at, ok := d.NextDue(); ok {
		add(IndexDue, domain.DateOf(at, zone).String())
	}
	if d.Joined {
		balance, joined := d.Balance(), domain.DateOf(d.JoinedAt, zone)
		spendable, last := PointsKey(balance.Spendable), joined
		if !d.LastActivity.IsZero() {
			last = domain.DateOf(d.LastActivity, zone)
		}
		add(IndexMembers, InstantKey(d.JoinedAt))
		add(IndexJoined, joined.String()[len("2006-"):])
		add(IndexTier, TierPrefix(d.Tier.Level)+spendable)
		add(IndexSpendable, spendable)
		add(IndexEarned, PointsKey(d.Sums.Earned))
		add(IndexActivity, last.String())
	}
	for i, n := 0, 0; i < len(d.Lots) && d.Lots[i].ExpiresAt != nil; i = n { // in the order in which they lapse
		on, points := domain.DateOf(*d.Lots[i].ExpiresAt, zone), int64(0)
		for before := on.End(zone); n < len(d.Lots) && d.Lots[n].ExpiresAt != nil && !d.Lots[n].ExpiresAt.After(before); n++ {
			points += d.Lots[n].Remaining
		}
		add(IndexExpiring, ExpiringKey(on, points))
	}
	for i, c := range d.TierChanges {
		add(IndexTierChanges, ChangeKey(c, i))
	}
	return places
}

// InstantKey returns an instant as it stands in keys: as text it orders like time.
func InstantKey(t time.Time) string { return t.UTC().Format(instantLayout) }

const instantLayout = "2006-01-02T15:04:05.000000000Z"

// PointsKey returns points as they stand in keys: as text they order like numbers.
func PointsKey(points int64) string { return fmt.Sprintf("%019d", max(0, points)) }

// ParsePoints reads a PointsKey.
func ParsePoints(key string) (int64, error) { return strconv.ParseInt(key, 10, 64) }

// TierPrefix begins the keys of IndexTier of a level. The empty level is that of
// members of whom no event says which they have: it is the base of the ladder.
func TierPrefix(level string) string { return level + "|" }

// ExpiringKey returns the key of points that lapse with the beginning of a date.
func ExpiringKey(on domain.Date, points int64) string {
	return on.String() + "|" + strconv.FormatInt(points, 10)
}

// ParseExpiring reads an ExpiringKey.
func ParseExpiring(key string) (on domain.Date, points int64, err error) {
	date, rest, _ := strings.Cut(key, "|")
	if on, err = domain.ParseDate(date); err == nil {
		points, err = strconv.ParseInt(rest, 10, 64)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%s key %q: %w", IndexExpiring, key, err)
	}
	return on, points, nil
}

// ChangeKey returns the key of a tier change, the number-th of its member: instant,
// kind, level before, level after, type of the cause, number.
func ChangeKey(c TierChange, number int) string {
	cause := ""
	if c.Cause != nil {
		cause = c.Cause.Type
	}
	return strings.Join([]string{InstantKey(c.At), c.Kind, c.From, c.To, cause, strconv.Itoa(number)}, "|")
}

// ParseChange reads a ChangeKey: what it says of a change, and its number.
func ParseChange(key string) (c TierChange, number int, err error) {
	parts := strings.Split(key, "|")
	if len(parts) != 6 {
		return c, 0, fmt.Errorf("%s key %q", IndexTierChanges, key)
	}
	c.Kind, c.From, c.To = parts[1], parts[2], parts[3]
	if parts[4] != "" {
		c.Cause = &customer.TierCause{Type: parts[4]}
	}
	if c.At, err = time.Parse(instantLayout, parts[0]); err == nil {
		number, err = strconv.Atoi(parts[5])
	}
	if err != nil {
		return c, 0, fmt.Errorf("%s key %q: %w", IndexTierChanges, key, err)
	}
	return c, number, nil
}
