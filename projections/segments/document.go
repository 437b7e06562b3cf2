package segments

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/projections"
)

// Document is what rules can ask of a customer, and how the customer stands to the
// segments.
type Document struct {
	// There says that the customer was registered.
	There       bool                 `json:"there,omitempty"`
	Profile     customer.Profile     `json:"profile,omitzero"`
	Contacts    customer.Contacts    `json:"contacts,omitzero"`
	Permissions customer.Permissions `json:"permissions,omitzero"`
	Standing    customer.Standing    `json:"lifecycle,omitzero"`
	Ownership   customer.Ownership   `json:"ownership,omitzero"`
	Rights      customer.Rights      `json:"rights,omitzero"`
	Loyalty     customer.Account     `json:"loyalty,omitzero"`
	Lists       customer.Lists       `json:"lists,omitzero"`
	Books       customer.Books       `json:"books,omitzero"`
	// Particulars is what rules ask of orders beside what Books have, by order id.
	Particulars map[string]Particulars `json:"particulars,omitempty"`
	Facts       []Fact                 `json:"facts,omitempty"` // every event but of orders recorded, as they came

	// Segments is how the customer stands to each segment, by its id. Whom a segment
	// never concerned is not in it.
	Segments map[string]*Standing `json:"segments,omitempty"`
	// At is the position of the last event of the customer.
	At uint64 `json:"at,omitempty"`

	// What totals and calibrations compare, as of the last evaluation.
	Stood        Stood `json:"stood,omitzero"`
	Counted      int64 `json:"counted,omitempty"` // orders
	RevenueMinor int64 `json:"revenue_minor,omitempty"`
	Unvalued     bool  `json:"unvalued,omitempty"`
	Points       int64 `json:"points,omitempty"`
}

// Particulars is what of an order stands in no sum.
type Particulars struct {
	EventID    uuid.UUID `json:"event_id,omitzero"`
	Position   uint64    `json:"position,omitempty"`
	Channel    string    `json:"channel,omitempty"`
	Store      string    `json:"store,omitempty"`
	SKUs       []string  `json:"skus,omitempty"`
	Categories []string  `json:"categories,omitempty"`
	Quantity   int64     `json:"quantity,omitempty"`
}

// Standing is how a customer stands to a segment.
type Standing struct {
	Stays []Stay `json:"stays,omitempty"` // as they came; the last may be open
	// Due is the first day to come whose end may change the membership by itself.
	Due *domain.Date `json:"due,omitempty"`
	// Failed says why the rule could not be evaluated; the membership stays as it was.
	Failed *Failure `json:"failed,omitempty"`
}

// Stay is a time in a segment.
type Stay struct {
	From    Mark  `json:"from"`
	To      *Mark `json:"to,omitempty"`      // absent: it goes on
	Version int   `json:"version,omitempty"` // of the segment, by which it began
}

// Mark is what began or ended a stay.
type Mark struct {
	Position   uint64       `json:"position"`
	Kind       string       `json:"kind"` // ByEvent or one of the others
	Event      uuid.UUID    `json:"event,omitzero"`
	Type       string       `json:"type,omitempty"` // of the event, if it is one of the customer
	RecordedAt time.Time    `json:"recorded_at,omitzero"`
	On         *domain.Date `json:"on,omitempty"` // the evaluation day, absent before the first
}

// Failure says why a rule could not be evaluated, and at what.
type Failure struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Mark   Mark   `json:"mark"`
}

// Stood is what of a customer follows from calibrations.
type Stood struct {
	Scores    rfm.Scores `json:"scores,omitzero"`
	Label     string     `json:"label,omitempty"`
	Frequency int64      `json:"frequency,omitempty"`
	Monetary  int64      `json:"monetary,omitempty"`
	Band      string     `json:"band,omitempty"`
	// Contribution is nil where it is not known.
	Contribution *int64 `json:"contribution,omitempty"`
	// Reached says which percentiles that rules ask for are reached, a letter each.
	Reached  string         `json:"reached,omitempty"`
	Clusters map[string]int `json:"clusters,omitempty"`
}

func (s *Standing) in() bool {
	n := len(s.Stays)
	return n > 0 && s.Stays[n-1].To == nil
}

// In says whether the customer belongs to a segment.
func (d *Document) In(id string) bool {
	s := d.Segments[id]
	return s != nil && s.in()
}

// Out says that the customer belongs to nothing, whatever rules say: the personal
// data was erased, or must not be used.
func (d *Document) Out() bool { return !d.There || d.Rights.Erased || d.Rights.Restricted }

// fold brings the document up to date with an event of its customer.
func (d *Document) fold(e projections.Event, w *projections.World, evaluations func(string)) bool {
	changed, fact := d.take(e)
	if !fact {
		return false
	}
	if d.At = e.Position; !d.There {
		return true
	}
	m := Mark{Position: e.Position, Kind: ByEvent, Event: e.ID, Type: e.Type, RecordedAt: e.Meta.RecordedAt, On: w.Closed}
	d.stand(w)
	evaluations(ByEvent)
	d.evaluate(func(string) Mark { return m }, w, func(p *segment.Planned) bool { return changed.concerns(p, e.Type) })
	return true
}

// Take folds an event without evaluating anything: for a look into the past.
func (d *Document) Take(e projections.Event) { d.take(e) }

// take folds an event and says what of the document it may have changed.
func (d *Document) take(e projections.Event) (changed parts, ok bool) {
	r, ok := projections.RecordOf(e)
	if !ok {
		return nil, false
	}
	if _, abandoned := r.Event.(customer.ClaimAbandoned); abandoned && !d.There {
		return nil, false // nobody is there yet
	}
	d.Profile.Fold(r)
	d.Contacts.Fold(r)
	d.Permissions.Fold(r)
	d.Standing.Fold(r)
	d.Ownership.Fold(r)
	d.Rights.Fold(r)
	d.Loyalty.Fold(r)
	d.Lists.Fold(r)
	d.Books.Fold(r)
	switch f := r.Event.(type) {
	case customer.Registered:
		d.There = true
	case customer.OrderRecorded:
		d.ordered(e, f)
	case customer.PersonalDataErased:
		d.forget()
	}
	if _, order := r.Event.(customer.OrderRecorded); !order {
		d.note(e)
	}
	return partsOf(r.Event), true
}

// forget leaves what tells nobody who the customer was. To which segments they
// belonged goes too: it says how they lived, and after a rebuild nobody could tell.
func (d *Document) forget() {
	d.Facts, d.Segments = nil, nil
	for id, p := range d.Particulars {
		d.Particulars[id] = Particulars{EventID: p.EventID, Position: p.Position}
	}
}

// change applies a broadcast event.
func (d *Document) change(c projections.Cause, w *projections.World, evaluations func(string)) bool {
	if !d.There {
		return false
	}
	m := markOf(c)
	mark := func(string) Mark { return m }
	concerned := func(p *segment.Planned) bool { return p.ID == c.Subject }
	stood := false
	switch {
	case c.Kind == ByDay && c.Due != "":
		concerned = func(p *segment.Planned) bool {
			s := d.Segments[p.ID]
			return s != nil && s.Due != nil && *s.Due <= *c.On
		}
	case c.Kind == ByCalibration, c.Kind == ByDay: // a day by which customers are valued in another way
		if stood = d.stand(w); !stood {
			return false
		}
		concerned = calibrated
	case c.Kind == ByDefinition:
		stood = d.stand(w) // a rule may ask for a percentile that nobody asked for before
		if is := w.Plan().Planned(c.Subject); is != nil {
			// Those that ask for it could not be decided as long as it asked for them.
			concerned = func(p *segment.Planned) bool { return p.ID == c.Subject || is.After[p.ID] }
		}
	case c.Kind == ByNew:
		stood = d.stand(w)
		marks := map[string]Mark{c.Subject: m}
		for _, other := range c.Joined {
			marks[other.Subject] = markOf(other)
		}
		mark = func(id string) Mark { return marks[id] }
		concerned = func(p *segment.Planned) bool { _, ok := marks[p.ID]; return ok }
	}
	evaluations(c.Kind)
	return d.evaluate(mark, w, concerned) || stood
}

func markOf(c projections.Cause) Mark {
	return Mark{Position: c.Position, Kind: c.Kind, Event: c.Event, RecordedAt: c.RecordedAt, On: c.On}
}
