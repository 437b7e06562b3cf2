package readapi

import (
	"context"
	"strconv"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
)

// Moment is a past that was asked for, as the answer repeats it: what was true
// at a time, as far as it was known at another, up to a revision.
type Moment struct {
	AsOf     *time.Time   `json:"as_of,omitempty"`
	KnownAt  *time.Time   `json:"known_at,omitempty"`
	KnownOn  *domain.Date `json:"known_on,omitempty"` // by business date of recording
	Revision *uint64      `json:"revision,omitempty"`
}

// moment is a Moment that can tell which events are of it.
type moment struct {
	asOf     *time.Time
	known    recorded
	revision *uint64
	nothing  bool // before the first event
}

// present is the moment that has everything.
func (m moment) present() bool {
	return m.asOf == nil && m.known.at == nil && m.known.on == nil && m.revision == nil && !m.nothing
}

func (m moment) shown() *Moment {
	return &Moment{AsOf: m.asOf, KnownAt: m.known.at, KnownOn: m.known.on, Revision: m.revision}
}

// has says whether an event is of the moment: it had happened, and was known.
func (m moment) has(raw eventschema.Raw, meta eventschema.Meta) bool {
	return !m.nothing && (m.revision == nil || raw.Revision <= *m.revision) &&
		(m.asOf == nil || !meta.OccurredAt.After(*m.asOf)) &&
		m.known.has(raw.Position, meta.RecordedAt, meta.BusinessDate)
}

// before says whether the moment has nothing from an event on, whatever follows.
func (m moment) before(raw eventschema.Raw) bool {
	return m.nothing || m.revision != nil && raw.Revision > *m.revision
}

// over says whether a business day was over.
func (m moment) over(d domain.Date, zone *time.Location) bool {
	return !m.nothing && (m.asOf == nil || !d.End(zone).After(*m.asOf))
}

// recorded is a bound on when events were recorded: an instant, or a business
// date under a manual calendar. The zero value is none.
type recorded struct {
	at     *time.Time
	on     *domain.Date
	opened uint64 // where the calendar began; what was recorded before it is older than any business date
}

// has says whether something was recorded at or before the bound.
func (r recorded) has(position uint64, at time.Time, on domain.Date) bool {
	return (r.at == nil || !at.After(*r.at)) && (r.on == nil || on <= *r.on || position <= r.opened)
}

// since says whether something was recorded at or after the bound.
func (r recorded) since(position uint64, at time.Time, on domain.Date) bool {
	return (r.at == nil || !at.Before(*r.at)) && (r.on == nil || on >= *r.on && position > r.opened)
}

// recorded reads a bound on when events were recorded: an RFC 3339 time, or a
// date, which under a manual calendar is the business date of recording and else
// its first or last instant.
func (p *params) recorded(name string, t *timeline, last bool) recorded {
	if d, err := domain.ParseDate(p.text(name)); err == nil && t.manual() {
		return recorded{on: &d, opened: t.opened()}
	}
	return recorded{at: p.instant(name, &projections.World{Zone: t.created.Zone}, last)}
}

// moment reads as_of, known_at and revision.
func (p *params) moment(ctx context.Context, a *API) (moment, *timeline, error) {
	if p.text("as_of") == "" && p.text("known_at") == "" && p.text("revision") == "" {
		return moment{}, nil, nil
	}
	t, err := a.timeline(ctx)
	if err != nil {
		return moment{}, nil, err
	}
	m := moment{asOf: p.instant("as_of", &projections.World{Zone: t.created.Zone}, true), known: p.recorded("known_at", t, true)}
	m.revision = p.revision("revision")
	return m, t, nil
}

// revision returns a revision of a customer, nil if it is absent.
func (p *params) revision(name string) *uint64 {
	s := p.text(name)
	if s == "" {
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		p.bad(name, "%q is not a revision", s)
		return nil
	}
	return &n
}

// point reads one side of a comparison: a revision, a date or a time, with a
// bound on what was known then. Absent it is everything, or nothing.
func (p *params) point(name, known string, t *timeline, absent bool) moment {
	m := moment{known: p.recorded(known, t, true)}
	switch s := p.text(name); {
	case s == "":
		m.nothing = absent
	case len(s) < len("2006-01-02") && s[0] >= '0' && s[0] <= '9':
		m.revision = p.revision(name)
	default:
		if m.asOf = p.instant(name, &projections.World{Zone: t.created.Zone}, true); m.asOf == nil {
			p.problems[len(p.problems)-1].Detail += ", nor a revision"
		}
	}
	return m
}
