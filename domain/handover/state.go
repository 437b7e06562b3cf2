package handover

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// What a handover can be.
const (
	StateRequested  = "requested"  // the customers are being kept for it
	StateOpen       = "open"       // the successor decides
	StateFailed     = "failed"     // a customer could not be kept
	StateAccepted   = "accepted"   // items may be left to acknowledge
	StateRejected   = "rejected"   // by the successor
	StateCompleting = "completing" // the customers become the successor's
	StateCompleted  = "completed"
)

// States is every state, in the order of a life.
var States = []string{StateRequested, StateOpen, StateFailed, StateAccepted, StateRejected, StateCompleting, StateCompleted}

// Summary is what a list says of a handover.
type Summary struct {
	HandoverID  uuid.UUID `json:"handover_id"`
	From        string    `json:"from"`
	To          string    `json:"to"`
	Reason      string    `json:"reason"`
	State       string    `json:"state"`
	Customers   int       `json:"customers"`  // how many
	Items       int       `json:"items"`      // how many are in the dossier
	OpenItems   int       `json:"open_items"` // how many of them were neither acknowledged nor resolved
	RequestedAt time.Time `json:"requested_at"`
	AcceptedAt  time.Time `json:"accepted_at,omitzero"`
	RejectedAt  time.Time `json:"rejected_at,omitzero"`
	CompletedAt time.Time `json:"completed_at,omitzero"`
	Rejection   string    `json:"rejection,omitempty"` // why the successor rejected it
	Failure     *Failed   `json:"failure,omitempty"`
	Settled     bool      `json:"settled"` // nothing is left to do
}

// With returns the summary after an event.
func (s Summary) With(e Event) Summary {
	switch e := e.(type) {
	case Requested:
		s = Summary{
			HandoverID: e.HandoverID, From: e.From, To: e.To, Reason: e.Reason, State: StateRequested,
			Customers: len(e.Customers), RequestedAt: e.RequestedAt,
		}
		for _, d := range e.Customers {
			s.Items += len(d.Items)
		}
		s.OpenItems = s.Items
	case Opened:
		s.State = StateOpen
	case Failed:
		s.State, s.Failure = StateFailed, &e
	case ItemsAcknowledged:
		s.OpenItems -= len(e.Items)
	case Accepted:
		s.State, s.AcceptedAt = StateAccepted, e.AcceptedAt
		s.OpenItems -= len(e.AcknowledgedItems)
	case Rejected:
		s.State, s.RejectedAt, s.Rejection = StateRejected, e.RejectedAt, e.Reason
	case CompletionStarted:
		s.State = StateCompleting
		s.OpenItems -= len(e.Resolved)
	case Completed:
		s.State, s.CompletedAt, s.Settled = StateCompleted, e.CompletedAt, true
	case Closed:
		s.Settled = true
	}
	return s
}

// State is a handover as its decisions need it. The zero value is none.
type State struct {
	Summary
	Requested Requested
	Left      []uuid.UUID          // customers who were erased before they were handed over
	Done      map[uuid.UUID]string // items by what became of them: ItemAcknowledged or ItemResolved
	items     map[uuid.UUID]bool   // of the dossier
}

// What becomes of an item.
const (
	ItemOpen         = "open"
	ItemAcknowledged = "acknowledged"
	ItemResolved     = "resolved"
)

// Evolve returns the state after e. It reuses the receiver's maps.
func (s State) Evolve(e Event) State {
	s.Summary = s.With(e)
	switch e := e.(type) {
	case Requested:
		s.Requested, s.Done, s.items = e, map[uuid.UUID]string{}, map[uuid.UUID]bool{}
		for _, d := range e.Customers {
			for _, item := range d.Items {
				s.items[item.ID] = true
			}
		}
	case ItemsAcknowledged:
		s.mark(e.Items, ItemAcknowledged)
	case Accepted:
		s.mark(e.AcknowledgedItems, ItemAcknowledged)
	case CompletionStarted:
		s.mark(e.Resolved, ItemResolved)
	case Completed:
		s.Left = e.Left
	}
	return s
}

func (s State) mark(items []uuid.UUID, as string) {
	for _, id := range items {
		s.Done[id] = as
	}
}

// Item says what became of an item of the dossier.
func (s State) Item(id uuid.UUID) string {
	if became := s.Done[id]; became != "" {
		return became
	}
	return ItemOpen
}

// Waiting returns the customers of whom items are open, with those items.
func (s State) Waiting() (waiting []Dossier) {
	for _, d := range s.Requested.Customers {
		open := Dossier{CustomerID: d.CustomerID}
		for _, item := range d.Items {
			if s.Done[item.ID] == "" {
				open.Items = append(open.Items, item)
			}
		}
		if len(open.Items) > 0 {
			waiting = append(waiting, open)
		}
	}
	return waiting
}

// Step is what is to be done in the streams of the customers.
type Step int

// The steps.
const (
	Rest   Step = iota // nothing: somebody must decide
	Keep               // every customer is kept for the handover
	LetGo              // every customer is let go again
	Assign             // every customer becomes the successor's
)

// Next says what the saga is to do.
func (s Summary) Next() Step {
	switch {
	case s.State == StateRequested:
		return Keep
	case (s.State == StateRejected || s.State == StateFailed) && !s.Settled:
		return LetGo
	case s.State == StateCompleting:
		return Assign
	}
	return Rest
}

// Why a handover refuses a command.
var (
	ErrNotFound     = &domain.Error{Kind: domain.NotFound, Code: "handover_not_found"}
	ErrExists       = &domain.Error{Kind: domain.Conflict, Code: "handover_exists"}
	ErrNoCustomers  = &domain.Error{Kind: domain.Conflict, Code: "handover_without_customers"}
	ErrNotSuccessor = &domain.Error{Kind: domain.Forbidden, Code: "not_the_successor"}
	ErrNotOpen      = &domain.Error{Kind: domain.Conflict, Code: "handover_not_open"}
	ErrDecided      = &domain.Error{Kind: domain.Conflict, Code: "handover_decided"}
	ErrNotAccepted  = &domain.Error{Kind: domain.Conflict, Code: "handover_not_accepted"}
	ErrItemsOpen    = &domain.Error{Kind: domain.Conflict, Code: "handover_items_open"}
)

// exists refuses a command about a handover that there is not.
func (s State) exists(id uuid.UUID) error {
	if s.State == "" {
		return ErrNotFound.With("there is no handover %s", id)
	}
	return nil
}

// undecided refuses unless it is the successor's turn.
func (s State) undecided() error {
	switch s.State {
	case StateOpen:
		return nil
	case StateRequested:
		return ErrNotOpen.With("its customers are not kept for it yet; try again in a moment")
	}
	return ErrDecided.With("it is %s already, and what was decided stands", s.State)
}
