package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/care"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/projections/profile"
)

// UpcomingCare is who has which moment when, within business dates.
type UpcomingCare struct {
	From          domain.Date   `json:"from"`
	To            domain.Date   `json:"to"`             // inclusive
	PolicyVersion int           `json:"policy_version"` // of the policy of care
	Festivals     []FestivalDay `json:"festivals"`      // by date; they are everybody's
	Moments       []CareMoment  `json:"moments"`        // by occasion, as the policy lists them, and then by date
	NextCursor    string        `json:"next_cursor,omitempty"`
	Stamp
}

// FestivalDay is a festival.
type FestivalDay struct {
	Occasion string      `json:"occasion"`
	Year     int         `json:"year"` // of its calendar: what record-care-action calls it
	Date     domain.Date `json:"date"`
	Members  int64       `json:"members"` // of the loyalty programme, now: whose moment it is
}

// CareMoment is a moment of one customer.
type CareMoment struct {
	CustomerID uuid.UUID   `json:"customer_id"`
	Occasion   string      `json:"occasion"`
	Year       int         `json:"year"`
	Date       domain.Date `json:"date"`
	Years      int         `json:"years"` // how many have passed
	// Done is what was done about it; null: nothing yet.
	Done *customer.CareAction `json:"done" jsonschema:"nullable"`
	// At is when Contacts would be made: at noon of the date, where the customer lives.
	At       time.Time         `json:"at"`
	Contacts []PossibleContact `json:"contacts"` // by the channels of the occasion
}

// Limits of the dates that are looked at.
const (
	careDays    = 30 // if nothing is said
	maxCareDays = 366
)

// careQuery is what is asked of the moments to come. A page that follows goes by
// what the first one found, whatever the calendar and the policy are by then.
type careQuery struct {
	From    domain.Date `json:"f"`
	To      domain.Date `json:"t"`
	Version int         `json:"v"` // of the policy of care
	Place   place       `json:"p"`
}

// personalMoment is a customer's moment in the making.
type personalMoment struct {
	profile profile.Document
	account loyalty.Document
	*CareMoment
}

func (a *API) upcomingCare(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	from, to, days := p.date("from"), p.date("to"), p.number("days", careDays, 0, maxCareDays)
	if to != nil && p.q.Get("days") != "" {
		p.bad("days", "cannot be given beside to")
	}
	occasion, limit, least := p.text("occasion"), p.limit(), p.minPosition()
	var q careQuery
	goesOn := p.cursor(a.cursors(), &q)
	if err := p.err(); err != nil {
		return err
	}
	ctx := r.Context()
	look, err := a.careLook(ctx, least)
	if err != nil {
		return err
	}
	now, zone, err := a.businessNow(ctx, look.world)
	if err != nil {
		return err
	}
	today := domain.DateOf(now, zone)
	if !goesOn {
		if q.From = today; from != nil {
			q.From = *from
		}
		if q.To = q.From + domain.Date(days); to != nil {
			q.To = *to
		}
		if q.To < q.From || q.To > q.From+maxCareDays {
			p.bad("to", "must be within %d days from %s", maxCareDays, q.From)
			return p.err()
		}
	}
	rules, err := careRules(look.world, today, q.Version)
	if err != nil {
		return err
	}
	q.Version = rules.Version
	occasions := rules.Care.Occasions
	if occasion != "" {
		if one, ok := rules.Care.Occasion(occasion); ok {
			occasions = []care.Occasion{one}
		} else {
			p.bad("occasion", "version %d of the policy of care has no occasion %q", rules.Version, occasion)
			return p.err()
		}
	}
	look.zone, look.from, look.to = zone, q.From, q.To
	totals, _, err := a.Documents.Metrics(ctx, look.accounts, look.partitions)
	if err != nil {
		return err
	}
	answer := UpcomingCare{
		From: q.From, To: q.To, PolicyVersion: rules.Version,
		Festivals: look.festivals(occasions, totals[loyalty.MetricMembers]), Moments: []CareMoment{}, Stamp: look.stamp(),
	}
	fetch := func(cs []*candidate) error { return a.fetchMoments(ctx, look, cs) }
	found, next, err := a.walk(ctx, look.partitions, look.stretches(occasions), q.Place, limit, fetch, func(*candidate) bool { return true })
	if err != nil {
		return err
	}
	for _, c := range found {
		m := c.item.(*personalMoment)
		one, _ := rules.Care.Occasion(m.Occasion)
		if err := look.contacts(m, one); err != nil {
			return err
		}
		answer.Moments = append(answer.Moments, *m.CareMoment)
	}
	if next != nil {
		q.Place = *next
		answer.NextCursor = p.next(a.cursors(), q)
	}
	return writeJSON(w, answer.Stamp, answer)
}

// careRules returns the version of the policy of care that is asked for; 0: that in
// force on a date.
func careRules(w *projections.World, on domain.Date, version int) (policy.Published, error) {
	rules, ok := w.Policy(policy.KindCare, on)
	if version != 0 {
		rules, ok = w.PolicyVersion(policy.KindCare, version)
	}
	if !ok || rules.Care == nil {
		return rules, customer.ErrNoCarePolicy.With("No policy of care is in force on %s.", on)
	}
	return rules, nil
}

// careLook is where and when moments are looked for.
type careLook struct {
	across   // the profiles
	accounts projections.Generation
	zone     *time.Location
	from, to domain.Date
}

// careLook waits for the read models that know of moments.
func (a *API) careLook(ctx context.Context, least uint64) (l careLook, err error) {
	accounts, err := a.across(ctx, loyalty.Name, least)
	if err != nil {
		return l, err
	}
	if l.across, err = a.across(ctx, profile.Name, least); err != nil {
		return l, err
	}
	l.accounts, l.position = accounts.generation, min(l.position, accounts.position)
	return l, nil
}

// festivals returns the festivals among occasions, by date.
func (l careLook) festivals(occasions []care.Occasion, members int64) []FestivalDay {
	days := []FestivalDay{}
	for _, o := range occasions {
		if o.Kind != care.Festival {
			continue
		}
		for year := l.from.Year() - 1; year <= l.to.Year(); year++ { // another calendar's year ends later
			if on, ok := o.On(year, 0); ok && on >= l.from && on <= l.to {
				days = append(days, FestivalDay{Occasion: o.ID, Year: year, Date: on, Members: members})
			}
		}
	}
	slices.SortStableFunc(days, func(a, b FestivalDay) int { return int(a.Date - b.Date) })
	return days
}

// stretches says which indexes to walk for the moments that customers have of their
// own: those of an occasion year by year.
func (l careLook) stretches(occasions []care.Occasion) (all []stretch) {
	for _, o := range occasions {
		generation, index := l.generation, profile.IndexBirthday
		switch o.Kind {
		case care.Festival:
			continue
		case care.Anniversary:
			generation, index = l.accounts, loyalty.IndexJoined
		}
		for year := l.from.Year(); year <= l.to.Year(); year++ {
			first, last := max(l.from, domain.NewDate(year, 1, 1)), min(l.to, domain.NewDate(year, 12, 31))
			end := profile.DayKey(last)
			if end == "02-28" && profile.DayKey(last+1) == "03-01" {
				end = "02-29" // comes on the day before, this year
			}
			all = append(all, stretch{
				generation: generation, index: index, from: profile.DayKey(first),
				past: func(key string) bool { return key > end },
				only: func(c *candidate) bool { return l.has(c, o, year) },
			})
		}
	}
	return all
}

// has says whether a candidate has an occasion in a year, and notes when.
func (l careLook) has(c *candidate, o care.Occasion, year int) bool {
	m, ok := c.item.(*personalMoment)
	if !ok || m.profile.Rights.Erased {
		return false
	}
	since, ok := m.profile.BirthDate()
	if o.Kind == care.Anniversary {
		since, ok = domain.DateOf(m.account.JoinedAt, l.zone), m.account.Joined
	}
	if !ok {
		return false
	}
	on, ok := o.On(year, since)
	if !ok || on < l.from || on > l.to {
		return false
	}
	m.CareMoment = &CareMoment{CustomerID: c.id, Occasion: o.ID, Year: year, Date: on, Years: year - since.Year(), Contacts: []PossibleContact{}}
	return true
}

// contacts says what was done about a moment, and which contacts may be made.
func (l careLook) contacts(m *personalMoment, o care.Occasion) error {
	rules, ok := l.world.Policy(policy.KindContact, m.Date)
	if !ok || rules.Contact == nil {
		return customer.ErrNoContactPolicy.With("No policy of contacts is in force on %s.", m.Date)
	}
	d := &m.profile
	if done, ok := d.Care.Of(o.ID, m.Year); ok {
		m.Done = &done
	}
	zone := zoneOfCustomer(d, l.zone)
	y, month, day := m.Date.Start(zone).Date()
	m.At = time.Date(y, month, day, 12, 0, 0, 0, zone).UTC()
	for _, channel := range o.Channels {
		m.Contacts = append(m.Contacts, possibleContact(d, rules, o.Purpose, channel, m.At, zone))
	}
	return nil
}

// fetchMoments reads the documents of candidates.
func (a *API) fetchMoments(ctx context.Context, l careLook, cs []*candidate) error {
	docs, err := a.both(ctx, [2]projections.Generation{l.generation, l.accounts}, l.partitions, cs)
	if err != nil {
		return err
	}
	for i, c := range cs {
		m := new(personalMoment)
		for n, into := range []any{&m.profile, &m.account} {
			if stored := docs[n][i]; stored != nil {
				if err := json.Unmarshal(stored, into); err != nil {
					return fmt.Errorf("documents of %v: %w", c.id, err)
				}
			}
		}
		c.item = m
	}
	return nil
}

func (a *API) careRoutes() []web.Route {
	return []web.Route{{
		Method: "GET", Path: "/v1/care/upcoming", Tag: "care",
		Summary: "List who has which moment when",
		Detail: "Birthdays, anniversaries of memberships and festivals, by the policy of care in force today. Of each customer's own moments: what was done about it, " +
			"and whether they may be contacted at noon of that day by the channels that the policy has for it, with every reason.",
		Params: slices.Concat([]web.Param{
			query("from", "string", "date", "The first date; business today if absent."),
			query("to", "string", "date", "The last date, at most 366 days later."),
			query("days", "integer", "", "Instead of it, how many days after the first; 30 if absent."),
			query("occasion", "string", "", "Only this occasion of the policy."),
		}, pageParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "A page of moments, and the festivals.", Body: UpcomingCare{}, Headers: stampHeaders}},
		Refuses: []string{customer.ErrNoCarePolicy.Code, customer.ErrNoContactPolicy.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.upcomingCare,
	}}
}
