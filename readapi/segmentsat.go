package readapi

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/eventschema"
)

// atTheEnd is a position of the log beyond all others.
const atTheEnd = math.MaxUint64

// logPosition reads a place in the log: a position; a date, which is where that business
// day was closed, or else the end of what was recorded on it; or a time, by when events
// were recorded. It is up to where the log was then; nil if the parameter is absent.
func (p *params) logPosition(ctx context.Context, a *API, name string) (*uint64, error) {
	s := p.text(name)
	if s == "" {
		return nil, nil
	}
	if strings.Trim(s, "0123456789") == "" {
		return new(p.position(name)), nil
	}
	t, err := a.timeline(ctx)
	if err != nil {
		return nil, err
	}
	if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return a.recordedBy(ctx, t, func(when time.Time) bool { return !when.After(at) })
	}
	d, err := domain.ParseDate(s)
	if err != nil {
		p.bad(name, "%q is neither a position of the log nor a date nor an RFC 3339 time", s)
		return nil, nil
	}
	w := t.world(moment{})
	if today, zone, err := a.businessNow(ctx, w); err != nil {
		return nil, err
	} else if today := domain.DateOf(today, zone); d > today && (w.Closed != nil || !t.manual()) {
		p.bad(name, "%s lies in the future: it is %s", d, today)
		return nil, nil
	}
	return a.endOf(ctx, t, d)
}

// endOf returns up to which position a business day goes.
func (a *API) endOf(ctx context.Context, t *timeline, d domain.Date) (*uint64, error) {
	for _, c := range t.closed {
		switch {
		case c.date == d:
			return &c.position, nil
		case c.date > d && t.manual(): // the day was passed over, or came before all others
			return new(c.position - 1), nil
		}
	}
	if t.manual() {
		return new(uint64(atTheEnd)), nil
	}
	return a.recordedBy(ctx, t, func(when time.Time) bool { return when.Before(d.End(t.zone)) })
}

// recordedBy returns the position before the first event that was recorded too late. It
// reads the log of one day.
func (a *API) recordedBy(ctx context.Context, t *timeline, inTime func(time.Time) bool) (*uint64, error) {
	after := uint64(0)
	for _, c := range t.closed {
		if inTime(c.recordedAt) {
			after = c.position
		}
	}
	at := uint64(atTheEnd)
	_, err := a.follow(ctx, after, nil, func(raw eventschema.Raw) error {
		if foreign(raw) {
			return nil
		}
		m, err := eventschema.Events.Meta(raw)
		if err == nil && !inTime(m.RecordedAt) {
			at, err = raw.Position-1, errHead
		}
		return err
	})
	return &at, err
}

// logSince reads the first position that a list in log order may have: a position; or
// the first of what was recorded on a date or later, or at a time or later. 0: any.
func (p *params) logSince(ctx context.Context, a *API, name string) (uint64, error) {
	s := p.text(name)
	if strings.Trim(s, "0123456789") == "" {
		return p.parsePosition(name, s), nil
	}
	t, err := a.timeline(ctx)
	if err != nil {
		return 0, err
	}
	var before *uint64
	if at, timed := time.Parse(time.RFC3339Nano, s); timed == nil {
		before, err = a.recordedBy(ctx, t, func(when time.Time) bool { return when.Before(at) })
	} else if d, dated := domain.ParseDate(s); dated == nil {
		before, err = a.endOf(ctx, t, d-1)
	} else {
		p.bad(name, "%q is neither a position of the log nor a date nor an RFC 3339 time", s)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if *before == atTheEnd {
		return atTheEnd, nil
	}
	return *before + 1, nil
}
