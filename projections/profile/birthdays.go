package profile

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/projections"
)

// IndexBirthday holds whose date of birth is known, by the day of the year:
// DayKey. That is personal data; it goes when it goes from the document.
const IndexBirthday = "birthday"

// DayKey returns the month and day of a date, such as 03-04: as text it orders
// like the days of a year.
func DayKey(d domain.Date) string { return d.String()[len("2006-"):] }

// birthdays appends where a customer stands by the date of birth.
func birthdays(places []projections.Place, d *Document) []projections.Place {
	if born, ok := d.BirthDate(); ok {
		places = append(places, projections.Place{Index: IndexBirthday, Key: DayKey(born)})
	}
	return places
}
