package handover

import (
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/domain/world"
)

// Named is what the commands about a handover have in common: which it is.
type Named struct {
	domain.Subject `json:"-"`

	HandoverID uuid.UUID `json:"handover_id,omitzero"` // the one of the route, if absent
}

// Stream implements domain.Command.
func (c Named) Stream() string { return Stream(c.HandoverID) }

// SetHandover says which handover a command is about.
func (c *Named) SetHandover(id uuid.UUID) { c.HandoverID = id }

// Handover returns which handover a command is about.
func (c Named) Handover() uuid.UUID { return c.HandoverID }

// bySuccessor refuses everybody else.
func (c Named) bySuccessor(s State) error {
	if err := s.exists(c.HandoverID); err != nil {
		return err
	}
	if customer.Employee(c.Actor) != s.To {
		return ErrNotSuccessor.With("only %s can do that", s.To)
	}
	return nil
}

// AcknowledgeItems says what of the dossier the successor has seen.
type AcknowledgeItems struct {
	Named
	Items []uuid.UUID `json:"items"`
}

// Refuses lists the refusals that are the command's own.
func (AcknowledgeItems) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotSuccessor, ErrNotOpen, ErrDecided}
}

// Decide implements domain.Command. Items acknowledged before are nothing to do.
func (c AcknowledgeItems) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if len(c.Items) == 0 {
		p.Add("/items", "is required")
		return nil, p.Err()
	}
	if err := c.bySuccessor(s); err != nil {
		return nil, err
	}
	ids := s.fresh(&p, "/items", c.Items)
	if err := p.Err(); err != nil || len(ids) == 0 {
		return nil, err
	}
	if s.State != StateAccepted {
		if err := s.undecided(); err != nil {
			return nil, err
		}
	}
	return []Event{ItemsAcknowledged{c.HandoverID, ids}}, nil
}

// Accept says that the successor takes the customers.
type Accept struct {
	Named
	AcknowledgedItems []uuid.UUID `json:"acknowledged_items,omitempty"` // what of the dossier they have seen
}

// Refuses lists the refusals that are the command's own.
func (Accept) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotSuccessor, ErrNotOpen, ErrDecided}
}

// Decide implements domain.Command. What was accepted, with those items, is nothing to do.
func (c Accept) Decide(s State) ([]Event, error) {
	if err := c.bySuccessor(s); err != nil {
		return nil, err
	}
	var p domain.Problems
	ids := s.fresh(&p, "/acknowledged_items", c.AcknowledgedItems)
	if err := p.Err(); err != nil {
		return nil, err
	}
	switch {
	case s.State == StateAccepted && len(ids) > 0:
		return []Event{ItemsAcknowledged{c.HandoverID, ids}}, nil
	case s.State == StateAccepted || (s.State == StateCompleting || s.State == StateCompleted) && len(ids) == 0:
		return nil, nil
	}
	if err := s.undecided(); err != nil {
		return nil, err
	}
	return []Event{Accepted{c.HandoverID, ids, c.Now.UTC()}}, nil
}

// Reject says that the successor does not take the customers.
type Reject struct {
	Named
	Reason string `json:"reason" jsonschema:"enum=workload,enum=not_suitable,enum=dossier_incomplete,enum=other"`
}

// Refuses lists the refusals that are the command's own.
func (Reject) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotSuccessor, ErrNotOpen, ErrDecided}
}

// Decide implements domain.Command. What was rejected is nothing to do.
func (c Reject) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if c.Reason == "" {
		p.Add("/reason", "is required")
	}
	p.OneOf("/reason", c.Reason, Rejections...)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := c.bySuccessor(s); err != nil {
		return nil, err
	}
	if s.State == StateRejected {
		return nil, nil
	}
	if err := s.undecided(); err != nil {
		return nil, err
	}
	return []Event{Rejected{c.HandoverID, c.Reason, c.Now.UTC()}}, nil
}

// Complete makes the successor the owner of every customer.
type Complete struct {
	Named
	world.Known `json:"-"`

	// Resolved are the items that are open no more, as the write side found.
	Resolved []uuid.UUID `json:"-"`
}

// Refuses lists the refusals that are the command's own.
func (Complete) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotAccepted, ErrItemsOpen, staff.ErrInactive}
}

// Decide implements domain.Command. What was completed is nothing to do.
func (c Complete) Decide(s State) ([]Event, error) {
	if err := s.exists(c.HandoverID); err != nil {
		return nil, err
	}
	switch s.State {
	case StateCompleting, StateCompleted:
		return nil, nil
	case StateAccepted:
	default:
		return nil, ErrNotAccepted.With("it is %s; %s must accept it first", s.State, s.To)
	}
	if c.World != nil {
		if _, err := c.World.Staff.Working(s.To); err != nil {
			return nil, err
		}
	}
	var resolved, open []uuid.UUID
	for _, d := range s.Waiting() {
		for _, item := range d.Items {
			if slices.Contains(c.Resolved, item.ID) {
				resolved = append(resolved, item.ID)
			} else {
				open = append(open, item.ID)
			}
		}
	}
	if len(open) > 0 {
		return nil, ErrItemsOpen.With("%s must acknowledge %s: acknowledge-items does that", s.To, texts(open))
	}
	return []Event{CompletionStarted{c.HandoverID, resolved}}, nil
}

// Advance records how far the saga has come. It is the saga's own command, and
// quiet where somebody else came further.
type Advance struct {
	domain.Subject `json:"-"`
	Event          Event // Opened, Failed, Completed or Closed
	Of             uuid.UUID
}

// Stream implements domain.Command.
func (c Advance) Stream() string { return Stream(c.Of) }

// Decide implements domain.Command.
func (c Advance) Decide(s State) ([]Event, error) {
	due := Rest
	switch c.Event.(type) {
	case Opened, Failed:
		due = Keep
	case Closed:
		due = LetGo
	case Completed:
		due = Assign
	}
	if due == Rest || s.Next() != due {
		return nil, nil
	}
	return []Event{c.Event}, nil
}
