package tier

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// Day is what qualified on a business date, less what was refunded of it.
type Day struct {
	On         domain.Date `json:"on"`
	Points     int64       `json:"points,omitempty"`
	SpendMinor int64       `json:"spend_minor,omitempty"`
	Orders     int64       `json:"orders,omitempty"`
}

// Span returns the first and the last business date of the window that ends on a
// date; both count.
func (p *Policy) Span(on domain.Date) (from, to domain.Date) {
	switch p.Window.Kind {
	case Rolling:
		return on.AddMonths(-p.Window.Months) + 1, on
	case CalendarYear:
		return domain.NewDate(on.Year(), time.January, 1), on
	}
	return min(domain.NewDate(1, time.January, 1), on), on
}

// Until returns the first business date on which a level is no longer valid that
// was reached or retained on a date, grace included. nil: it is valid for good.
func (p *Policy) Until(on domain.Date) *domain.Date {
	var until domain.Date
	switch p.Validity.Kind {
	case Months:
		until = on.AddMonths(p.Validity.Months)
	case EndOfYear:
		until = domain.NewDate(on.Year()+1, time.January, 1)
	case EndOfNextYear:
		until = domain.NewDate(on.Year()+2, time.January, 1)
	default:
		return nil
	}
	until += domain.Date(p.GraceDays)
	return &until
}

// Sum returns what qualified from one date to another, both of which count. Days
// may come in any order.
func (p *Policy) Sum(days []Day, from, to domain.Date) (sum int64) {
	for _, d := range days {
		if d.On < from || d.On > to {
			continue
		}
		switch p.Measure {
		case Points:
			sum += d.Points
		case Spend:
			sum += d.SpendMinor
		case Orders:
			sum += d.Orders
		}
	}
	return sum
}
