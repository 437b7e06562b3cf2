package readapi

import (
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
)

// LotStory is a lot of points, and what became of it. Points is what is left of it,
// what is held and everything that went, together.
type LotStory struct {
	customer.Lot
	State     string        `json:"state"`                       // one of the states of lots
	EventID   uuid.UUID     `json:"event_id,omitzero"`           // that credited it
	Remaining int64         `json:"remaining"`                   // without what is held
	Held      int64         `json:"held"`                        // and not spent yet
	Spent     int64         `json:"spent"`                       // and not come back
	Lapsed    int64         `json:"lapsed"`                      // unspent
	TakenBack int64         `json:"taken_back"`                  // because money went back
	Forfeited int64         `json:"forfeited"`                   // when the customer left or was erased
	Sent      int64         `json:"transferred"`                 // to another customer
	Adjusted  int64         `json:"adjusted"`                    // taken by hand
	Paid      int64         `json:"deficit_paid"`                // what was owed
	Value     *domain.Money `json:"value" jsonschema:"nullable"` // of what is left and held, by the programme in force
	Because   string        `json:"because"`                     // why there are so many, and why they lapse when
	Movements []LotMovement `json:"movements"`                   // as they were booked
	gone      string        // the state by what went last
}

// LotMovement is what a movement did to a lot.
type LotMovement struct {
	EventID uuid.UUID `json:"event_id,omitzero"` // absent where nothing says so yet
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Points  int64     `json:"points"`         // by how much what is left and not held grew
	Held    int64     `json:"held,omitempty"` // by how much what is held grew
}

// States of lots.
const (
	lotOpen        = "open"    // it can be spent
	lotPending     = "pending" // not yet
	lotHeld        = "held"    // what is left of it
	lotSpent       = "spent"
	lotLapsed      = "lapsed"
	lotTakenBack   = "taken_back"
	lotForfeited   = "forfeited"
	lotTransferred = "transferred"
	lotAdjusted    = "adjusted"
	lotPaid        = "deficit_paid"
)

var lotStates = []string{lotOpen, lotPending, lotHeld, lotSpent, lotLapsed, lotTakenBack, lotForfeited, lotTransferred, lotAdjusted, lotPaid}

// CustomerLots is a page of the lots of a customer.
type CustomerLots struct {
	CustomerID uuid.UUID  `json:"customer_id"`
	At         *time.Time `json:"at" jsonschema:"nullable"` // the time at which they are so; null: there is nothing yet
	Lots       []LotStory `json:"lots"`                     // as they were credited
	NextCursor string     `json:"next_cursor,omitempty"`
	Then       *Moment    `json:"then,omitempty"`
	Stamp
}

// credits returns the lots that an event credits, with the points of each.
func credits(fact any) (lots []customer.Lot, of map[string]int64) {
	of = map[string]int64{}
	add := func(l customer.Lot, points int64) {
		lots = append(lots, l)
		of[l.LotID] += points
	}
	switch e := fact.(type) {
	case customer.PointsEarned:
		add(e.Lot, e.Lot.Points)
	case customer.PointsGranted:
		add(e.Lot, e.Lot.Points)
	case customer.PointsAdjusted:
		if e.Lot != nil {
			add(*e.Lot, e.Points)
		}
	case customer.PointsTransferredIn:
		for _, l := range e.Lots {
			add(l, l.Points)
		}
	case customer.RedemptionReversed:
		for _, x := range e.Restored {
			add(x.Lot, x.Points)
		}
	}
	return lots, of
}

// tell adds a movement to the stories of its lots, which were so before it and are so
// after it.
func (b *bookkeeper) tell(x *LedgerEntry, fact any, before, after []lotNow) {
	lots, credited := credits(fact)
	for _, l := range lots {
		if b.lots[l.LotID] == nil {
			story := &LotStory{Lot: l, EventID: x.EventID, Because: x.Because, Movements: []LotMovement{}}
			if x.Kind == movedRestored { // a lot of its own, because the other has lapsed
				story.Points = 0
			}
			b.lots[l.LotID], b.inOrder = story, append(b.inOrder, story)
		}
	}
	lapsed := map[string]int64{}
	if e, ok := fact.(customer.HoldReleased); ok {
		for _, p := range e.Lapsed {
			lapsed[p.LotID] += p.Points
		}
	}
	for i, change := range x.Lots {
		story := b.lots[change.LotID]
		if story == nil { // a past that does not know of the lot
			continue
		}
		if is := before[i]; is.there {
			story.ExpiresAt = is.ends
		}
		if is := after[i]; is.there {
			story.ExpiresAt = is.ends
		}
		story.Movements = append(story.Movements, LotMovement{x.EventID, x.At, x.Kind, change.Points, change.Held})
		story.count(x.Kind, -change.Points-change.Held, credited[change.LotID], lapsed[change.LotID])
	}
}

// count adds up where points went: so many left the lot by a movement that credited
// some, and by which some lapsed.
func (s *LotStory) count(kind string, gone, credited, lapsed int64) {
	add := func(sum *int64, n int64, state string) {
		if *sum += n; n > 0 {
			s.gone = state
		}
	}
	switch kind {
	case movedRedeemed, movedCaptured:
		add(&s.Spent, gone, lotSpent)
	case movedExpired:
		add(&s.Lapsed, gone, lotLapsed)
	case movedReleased:
		add(&s.Paid, gone-lapsed, lotPaid)
		add(&s.Lapsed, lapsed, lotLapsed)
	case movedTakenBack:
		add(&s.TakenBack, gone, lotTakenBack)
	case movedForfeited:
		add(&s.Forfeited, gone, lotForfeited)
	case movedTransferOut:
		add(&s.Sent, gone, lotTransferred)
	case movedRestored:
		if s.Points == 0 || s.grace() {
			s.Points += credited
		} else {
			s.Spent -= credited
		}
		add(&s.Paid, credited+gone, lotPaid)
	case movedAdjusted:
		if credited == 0 {
			add(&s.Adjusted, gone, lotAdjusted)
			return
		}
		add(&s.Paid, credited+gone, lotPaid)
	case movedEarned, movedGranted, movedTransferIn, movedActivated:
		add(&s.Paid, credited+gone, lotPaid)
	}
}

// grace says whether points came back to a lot of their own.
func (s *LotStory) grace() bool {
	return len(s.Movements) > 0 && s.Movements[0].Kind == movedRestored
}

// stories returns the lots as they are.
func (b *bookkeeper) stories(l *pointsLook) []LotStory {
	list, open := make([]LotStory, 0, len(b.inOrder)), make(map[string]*customer.OpenLot, len(b.doc.Lots))
	for i := range b.doc.Lots {
		open[b.doc.Lots[i].LotID] = &b.doc.Lots[i]
	}
	held := map[string]customer.HeldLot{}
	for _, h := range b.doc.Holds {
		for _, part := range h.From {
			part.Points += held[part.Lot.LotID].Points
			held[part.Lot.LotID] = part
		}
	}
	for _, story := range b.inOrder {
		s := *story
		if part, ok := held[s.LotID]; ok {
			s.Held, s.ExpiresAt = part.Points, part.Lot.ExpiresAt
		}
		is := open[s.LotID]
		if is != nil {
			s.Remaining, s.ExpiresAt = is.Remaining, is.ExpiresAt
		}
		switch {
		case is != nil && is.Pending:
			s.State = lotPending
		case is != nil:
			s.State = lotOpen
		case s.Held > 0:
			s.State = lotHeld
		default:
			s.State = s.gone
		}
		s.Value = l.worth(s.Remaining + s.Held).Value
		list = append(list, s)
	}
	return list
}

// numberCursor is where a list goes on whose entries are counted.
type numberCursor struct {
	Next int `json:"n"`
}

func (a *API) customerLots(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	p := paramsOf(r)
	p.minPosition() // the log itself is read: it reflects every position there is
	state, limit := p.oneOf("state", slices.Concat([]string{""}, lotStates)...), p.limit()
	var from numberCursor
	p.cursor(a.cursors(), &from)
	m, t, err := p.moment(r.Context(), a)
	if err != nil {
		return err
	}
	if err := p.err(); err != nil {
		return err
	}
	b, l, err := a.books(r.Context(), id, m, t)
	if err != nil {
		return err
	}
	answer := CustomerLots{CustomerID: id, At: l.time(), Lots: []LotStory{}, Then: l.then, Stamp: l.stamp()}
	for n, s := range b.stories(l) {
		if n < from.Next || state != "" && s.State != state {
			continue
		}
		if len(answer.Lots) == limit {
			answer.NextCursor = p.next(a.cursors(), numberCursor{n})
			break
		}
		answer.Lots = append(answer.Lots, s)
	}
	return writeJSON(w, answer.Stamp, answer)
}

// time returns the time of the look, nil where there is none.
func (l *pointsLook) time() *time.Time {
	if l.at.IsZero() {
		return nil
	}
	return &l.at
}

func (a *API) lotsRoute() web.Route {
	return web.Route{
		Method: "GET", Path: "/v1/customers/{customer_id}/lots", Tag: "customers",
		Summary: "List the lots of points of a customer",
		Detail: "Every lot that was ever credited: for what, what is left of it, and where the rest went. What fell due counts as done, whether or not that is recorded: " +
			"the states are those of business now, or of the time that `as_of` names.",
		Params: slices.Concat([]web.Param{customerParam,
			{Name: "state", In: "query", Type: "string", Enum: lotStates, Detail: "Only lots in this state. A lot of which nothing is left is in that by which the last of it went."},
		}, momentParams, pageParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "A page of lots.", Body: CustomerLots{}, Headers: stampHeaders}},
		Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.customerLots,
	}
}
