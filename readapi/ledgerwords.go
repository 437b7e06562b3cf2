package readapi

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	programme "github.com/rapport-crm/rapport/domain/loyalty"
)

// points writes a number of points.
func points(n int64) string { return count(n, "point") }

// sentences joins what is not empty.
func sentences(list ...string) string {
	var said []string
	for _, s := range list {
		if s != "" {
			said = append(said, s)
		}
	}
	return strings.Join(said, " ")
}

// words says why points move; false: the event moves none.
func (b *bookkeeper) words(fact any) (string, bool) {
	switch e := fact.(type) {
	case customer.PointsEarned:
		return sentences(
			awardWords(e)+".",
			fmt.Sprintf("%s%s, %s, by version %d of the programme.", sourceWords(e.Lot.Source), ruleWords(e.Lot.Source), placedWords(e.Lot.Source, e.PlacedOn), e.PolicyVersion),
			b.pendingWords(e.Lot, e.BookedAt), b.lapseWords(e.Lot, e.Expiry, e.PlacedOn), paidWords(e.DeficitPaid)), true
	case customer.PointsGranted:
		by := " by " + actorWords(e.GrantedBy)
		if e.ApprovedBy != nil {
			by += ", approved by " + actorWords(*e.ApprovedBy)
		}
		return sentences(points(e.Lot.Points)+" granted"+by+": "+sourceWords(e.Lot.Source)+".", b.pendingWords(e.Lot, e.GrantedAt), b.lapseWords(e.Lot, e.Expiry, e.PlacedOn), paidWords(e.DeficitPaid)), true
	case customer.PointsActivated:
		return sentences(fmt.Sprintf("%s of lot %s can be spent from now on.", points(e.Points), e.LotID), paidWords(e.DeficitPaid)), true
	case customer.PointsHeld:
		until := "until they are released"
		if e.ExpiresAt != nil {
			until = "until " + b.moment(*e.ExpiresAt)
		}
		return fmt.Sprintf("%s set aside as %s, %s.", points(e.Points), e.HoldID, until), true
	case customer.HoldReleased:
		lapsed := ""
		if n := sumOf(e.Lapsed); n > 0 {
			lapsed = fmt.Sprintf("%s lapsed: the end of their lots came while they were held.", points(n))
		}
		return sentences(fmt.Sprintf("%s of the hold %s released: %s.", points(e.Points), e.HoldID, releaseWords(e.Cause)), lapsed, paidWords(e.DeficitPaid)), true
	case customer.HoldCaptured:
		return fmt.Sprintf("%s of the hold %s spent: %s", points(e.Points), e.HoldID, spentWords(e.RedemptionID, e.OrderID, e.Reward, e.Value, e.Rate, e.PolicyVersion)), true
	case customer.PointsRedeemed:
		return fmt.Sprintf("%s spent: %s", points(e.Points), spentWords(e.RedemptionID, e.OrderID, e.Reward, e.Value, e.Rate, e.PolicyVersion)), true
	case customer.RedemptionReversed:
		lapsed := ""
		if n := sumOf(e.Lapsed); n > 0 {
			lapsed = fmt.Sprintf("%s did not come back: their lots have lapsed meanwhile.", points(n))
		}
		return sentences(fmt.Sprintf("%s of the redemption %s come back: %s.", points(e.Points), e.RedemptionID, causeWords(e.Cause)), lapsed, paidWords(e.DeficitPaid)), true
	case customer.PointsEarnReversed:
		return takenWords(e), true
	case customer.EarnReversalDeclined:
		return fmt.Sprintf("%s are not taken back, though %s: version %d of the programme takes back only what cannot be spent yet.",
			points(e.Points), causeWords(e.Cause), e.PolicyVersion), true
	case customer.PointsExpired:
		return fmt.Sprintf("%s of lot %s lapsed.", points(e.Points), e.LotID), true
	case customer.ExpiryExtended:
		lapse := "lapse"
		if len(e.Lots) == 1 {
			lapse = "lapses"
		}
		return fmt.Sprintf("%s %s on %s only.", count(int64(len(e.Lots)), "lot"), lapse, domain.DateOf(e.To, b.zone)), true
	case customer.PointsForfeited:
		why := "the customer left the programme"
		if e.Cause == customer.ForfeitErased {
			why = "the customer was erased"
		}
		return fmt.Sprintf("%s lost: %s.", points(e.Points), why), true
	case customer.PointsAdjusted:
		what := fmt.Sprintf("%s added", points(e.Points))
		if e.Points < 0 {
			what = fmt.Sprintf("%s taken", points(-e.Points))
		}
		owed, lapse := "", ""
		if e.Deficit > 0 {
			owed = fmt.Sprintf("%s were not there and are owed.", points(e.Deficit))
		}
		if e.Lot != nil && e.Expiry != nil {
			lapse = b.lapseWords(*e.Lot, *e.Expiry, domain.DateOf(e.AdjustedAt, b.zone))
		}
		return sentences(fmt.Sprintf("%s by the adjustment %s, proposed by %s and approved by %s.", what, e.AdjustmentID, actorWords(e.ProposedBy), actorWords(e.ApprovedBy)),
			owed, lapse, paidWords(e.DeficitPaid)), true
	case customer.PointsTransferredOut:
		return fmt.Sprintf("%s went to the customer %s.", points(e.Points), e.To), true
	case customer.PointsTransferredIn:
		return sentences(fmt.Sprintf("%s came from the customer %s; they lapse when they would have there.", points(e.Points), e.From), paidWords(e.DeficitPaid)), true
	}
	return "", false
}

func sumOf(portions []customer.Portion) (n int64) {
	for _, p := range portions {
		n += p.Points
	}
	return n
}

func (b *bookkeeper) moment(t time.Time) string {
	return t.In(b.zone).Format("2006-01-02 15:04")
}

func actorWords(a domain.Actor) string {
	if a.ID == "" {
		return a.Kind
	}
	return a.Kind + " " + a.ID
}

// sourceWords says what points were credited for.
func sourceWords(s customer.LotSource) string {
	switch s.Kind {
	case customer.LotOrder:
		return "Order " + s.Ref
	case customer.LotActivity:
		return "Activity " + s.Ref
	case customer.LotCoupon:
		coupon, order, _ := strings.Cut(s.Ref, "/") // a slash of the coupon's own is a colon there
		return "Coupon " + strings.ReplaceAll(coupon, ":", "/") + " with the order " + order
	}
	return strings.ReplaceAll(s.Kind, "_", " ") + " " + s.Ref
}

// ruleWords names the rule that gave points, if one did.
func ruleWords(s customer.LotSource) string {
	if s.Rule == "" {
		return ""
	}
	return ", rule " + s.Rule
}

func placedWords(s customer.LotSource, on domain.Date) string {
	if s.Kind == customer.LotOrder {
		return "placed on " + on.String()
	}
	return "on " + on.String()
}

// awardWords says how points were computed.
func awardWords(e customer.PointsEarned) string {
	n, in, remainder := e.Lot.Points, e.Inputs, e.Remainder
	var s strings.Builder
	s.WriteString(points(n) + ": " + strconv.FormatInt(in.Points, 10))
	switch {
	case in.PerMinor > 0:
		target := in.Target
		if target == "" {
			target = in.Currency
		}
		fmt.Fprintf(&s, " for each %s %s of %s", major(in.PerMinor, target), target, major(in.Quantity, in.Currency))
		if in.Rate != "" {
			fmt.Fprintf(&s, " %s at %s %s", in.Currency, in.Rate, target)
		}
	case len(in.Lines) == 0:
		s.WriteString(" for the " + e.Lot.Source.Kind)
	default:
		fmt.Fprintf(&s, " for each of %s", count(in.Quantity, "piece"))
	}
	if len(in.Lines) > 0 {
		lines := make([]string, len(in.Lines))
		for i, l := range in.Lines {
			lines[i] = strconv.Itoa(l)
		}
		s.WriteString(" in line " + strings.Join(lines, ", ") + " (counted from 0)")
	}
	for _, f := range in.Factors {
		fmt.Fprintf(&s, ", times %s (%s)", f.Factor, f.ID)
	}
	if remainder != "" {
		s.WriteString(", " + roundingWords(in.Rounding))
		if less, over := strings.CutPrefix(remainder, "-"); over {
			s.WriteString("; " + less + " added")
		} else {
			s.WriteString("; " + remainder + " left")
		}
	}
	if in.Limit != nil && n == *in.Limit {
		fmt.Fprintf(&s, ", limited to %d", n)
	}
	return s.String()
}

func roundingWords(how string) string {
	switch how {
	case programme.HalfUp:
		return "rounded to the nearest, halves up"
	case programme.HalfEven:
		return "rounded to the nearest, halves to even"
	case programme.Ceiling:
		return "rounded up"
	}
	return "rounded down"
}

// pendingWords says from when on points can be spent, if that is not at once.
func (b *bookkeeper) pendingWords(l customer.Lot, at time.Time) string {
	if !l.AvailableAt.After(at) {
		return ""
	}
	return fmt.Sprintf("They can be spent from %s on.", domain.DateOf(l.AvailableAt, b.zone))
}

// lapseWords says when points lapse, and why then.
func (b *bookkeeper) lapseWords(l customer.Lot, rule programme.Expiry, on domain.Date) string {
	if l.ExpiresAt == nil {
		return "They never lapse."
	}
	end := domain.DateOf(*l.ExpiresAt, b.zone)
	switch rule.Kind {
	case programme.Months:
		return fmt.Sprintf("They lapse on %s, %s after %s.", end, count(int64(rule.Months), "month"), on)
	case programme.EndOfYear:
		return fmt.Sprintf("They lapse on %s, when the year %d is over.", end, on.Year()+rule.Years)
	case programme.Inactivity:
		return fmt.Sprintf("They lapse on %s, or %s after the customer last earned or redeemed, if that is later.", end, count(int64(rule.Months), "month"))
	}
	return fmt.Sprintf("They lapse on %s.", end)
}

func paidWords(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s of it paid what was owed.", points(n))
}

func releaseWords(cause string) string {
	switch cause {
	case customer.ReleaseRequested:
		return "somebody asked for it"
	case customer.ReleaseExpired:
		return "its time was over"
	case customer.ReleaseCaptured:
		return "they are the rest of what was spent in part"
	case customer.ReleaseErased:
		return "the customer was erased"
	case customer.ReleaseCancelled:
		return "the transfer did not come about"
	}
	return cause
}

// spentWords says on what points were spent, and what they were worth.
func spentWords(id, order, reward string, value domain.Money, rate customer.Rate, version int) string {
	on := ""
	if order != "" {
		on = ", for the order " + order
	}
	worth := fmt.Sprintf("worth %s %s: %s %s for %s, by version %d of the programme",
		major(value.AmountMinor, value.Currency), value.Currency, major(rate.ValueMinor, value.Currency), value.Currency, points(rate.Points), version)
	if reward != "" {
		worth = fmt.Sprintf("on the reward %s, by version %d of the programme", reward, version)
	}
	return fmt.Sprintf("redemption %s%s, %s.", id, on, worth)
}

// causeWords says why something was reversed.
func causeWords(c customer.ReversalCause) string {
	switch c.Type {
	case customer.ReversalCancelled:
		return "the order " + c.OrderID + " was cancelled"
	case customer.ReversalRefunded:
		return "money of the order " + c.OrderID + " went back with the refund " + c.RefundID
	}
	return "somebody asked for it"
}

// takenWords says what was taken back of earned points, and from where.
func takenWords(e customer.PointsEarnReversed) string {
	var rest []string
	for _, part := range []struct {
		n    int64
		what string
	}{{e.Lapsed, "had lapsed unspent"}, {e.Deficit, "were spent and are owed now"}, {e.Waived, "were spent and are let go"}} {
		if part.n > 0 {
			rest = append(rest, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	because := ""
	if len(rest) > 0 {
		because = "Of them " + strings.Join(rest, ", ") + "."
	}
	why, kept := ": "+causeWords(e.Cause), fmt.Sprintf("For what is left the rule gives %d.", e.Kept)
	if e.Cause.Type == customer.ReversalRequested {
		why = " by hand"
	}
	if e.Cause.Type == customer.ReversalRequested || e.Source.Rule == "" {
		kept = fmt.Sprintf("Of what it gave, %d stay.", e.Kept)
	}
	return sentences(fmt.Sprintf("%s of lot %s taken back%s. %s", points(e.Points), e.LotID, why, kept), because)
}
