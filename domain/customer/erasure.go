package customer

import (
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// RequestErasure asks for the customer's personal data to be erased. Somebody
// else has to approve it, or to refuse it on a ground.
type RequestErasure struct {
	domain.Subject `json:"-"`

	Scope        string     `json:"scope,omitempty" jsonschema:"enum=all,default=all"`
	Requester    string     `json:"requester" jsonschema:"enum=customer,enum=representative,enum=authority,enum=controller"` // who asks for it
	Evidence     string     `json:"evidence,omitempty" jsonschema:"maxLength=2000"`                                          // how they asked, and how we know that it is them
	RequestedAt  *time.Time `json:"requested_at,omitempty"`                                                                  // when they asked; now if absent
	DeadlineDays *int       `json:"deadline_days,omitempty" jsonschema:"default=30,minimum=1,maximum=90"`
}

// Stream implements domain.Command.
func (c RequestErasure) Stream() string { return Stream(c.Customer) }

// AfterErasure implements domain.AfterErasure: to ask again changes nothing.
func (RequestErasure) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted.
func (RequestErasure) WhileRestricted() {}

// Refuses lists the refusals that are the command's own.
func (RequestErasure) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command. A customer whose erasure is under way, or
// done, has nothing left to ask for: the first certificate stands.
func (c RequestErasure) Decide(s State) ([]Event, error) {
	if c.Scope == "" {
		c.Scope = ScopeAll
	}
	days := defaultDeadline
	if c.DeadlineDays != nil {
		days = *c.DeadlineDays
	}
	var p domain.Problems
	p.OneOf("/scope", c.Scope, ScopeAll)
	p.Required("/requester", c.Requester, maxShort)
	p.OneOf("/requester", c.Requester, RequesterCustomer, RequesterRepresentative, RequesterAuthority, RequesterController)
	p.Text("/evidence", c.Evidence, maxText)
	if days < 1 || days > maxDeadline {
		p.Add("/deadline_days", "must be between 1 and %d", maxDeadline)
	}
	at := c.At(&p, "/requested_at", c.RequestedAt, s.Since, "the customer")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if s.erasing() == ErasureStateRequested || s.Erasing() {
		return nil, nil
	}
	return []Event{ErasureRequested{
		Scope: c.Scope, Requester: c.Requester, Evidence: c.Evidence, RequestedBy: c.Actor,
		RequestedAt: at, Deadline: c.DateOf(at) + domain.Date(days),
	}}, nil
}

// ApproveErasure agrees to a requested erasure. Who requested it cannot approve
// it. From here on it cannot be stopped.
type ApproveErasure struct {
	domain.Subject `json:"-"`

	Note string `json:"note,omitempty" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c ApproveErasure) Stream() string { return Stream(c.Customer) }

// AfterErasure implements domain.AfterErasure: to approve again changes nothing.
func (ApproveErasure) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted.
func (ApproveErasure) WhileRestricted() {}

// Refuses lists the refusals that are the command's own.
func (ApproveErasure) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrErasureNotRequested, ErrLegalHold, ErrFourEyes}
}

// Decide implements domain.Command.
func (c ApproveErasure) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Text("/note", c.Note, maxText)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	switch {
	case s.Erasing():
		return nil, nil
	case s.erasing() != ErasureStateRequested:
		return nil, ErrErasureNotRequested.With("no erasure of the customer is waiting for an answer; request-erasure comes first")
	case len(s.LegalHolds) > 0:
		return nil, ErrLegalHold.With("the legal hold %s stands since %s; lift-legal-hold ends it", s.LegalHolds[0].HoldID, s.LegalHolds[0].Since.Format(time.DateOnly))
	case c.Actor.SamePerson(s.Erasure.RequestedBy):
		return nil, ErrFourEyes.With("%s requested the erasure; somebody else has to approve it", c.Actor)
	}
	at := c.At(&p, "", nil, s.Erasure.RequestedAt, "")
	return []Event{ErasureApproved{ApprovedBy: c.Actor, Note: c.Note, ApprovedAt: at}}, nil
}

// RefuseErasure turns a requested erasure down.
type RefuseErasure struct {
	domain.Subject `json:"-"`

	Ground string `json:"ground" jsonschema:"maxLength=64"` // a code, such as legal_obligation or identity_not_proven
	Note   string `json:"note,omitempty" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c RefuseErasure) Stream() string { return Stream(c.Customer) }

// WhileRestricted implements domain.WhileRestricted.
func (RefuseErasure) WhileRestricted() {}

// Refuses lists the refusals that are the command's own.
func (RefuseErasure) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrErasureNotRequested}
}

// Decide implements domain.Command.
func (c RefuseErasure) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if err := s.grounded(c.Subject, &p, c.Ground, c.Note); err != nil {
		return nil, err
	}
	switch {
	case s.erasing() == ErasureStateRefused && s.Erasure.Ground == c.Ground:
		return nil, nil
	case s.erasing() != ErasureStateRequested:
		return nil, ErrErasureNotRequested.With("no erasure of the customer is waiting for an answer; request-erasure comes first")
	}
	at := c.At(&p, "", nil, s.Erasure.RequestedAt, "")
	return []Event{ErasureRefused{Ground: c.Ground, Note: c.Note, RefusedBy: c.Actor, RefusedAt: at}}, nil
}

// Erase certifies that the customer's data key was destroyed. It is the program's
// own command: its eraser gives it after an approval.
type Erase struct {
	domain.Subject `json:"-"`

	EventCount int64
	ChainHead  string
	KeyIDs     []string
	ReadModels []string
}

// Stream implements domain.Command.
func (c Erase) Stream() string { return Stream(c.Customer) }

// AfterErasure implements domain.AfterErasure: the key is gone already.
func (Erase) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted.
func (Erase) WhileRestricted() {}

// Decide implements domain.Command.
func (c Erase) Decide(s State) ([]Event, error) {
	switch {
	case s.Erased:
		return nil, nil
	case s.erasing() != ErasureStateApproved:
		return nil, ErrErasureNotApproved.With("the erasure of the customer was not approved")
	}
	var p domain.Problems
	d := s.Erasure
	// Points are a liability that ends with the person; what was earned stays told.
	points := newBooker(c.Subject, world.Known{}, s, time.Time{})
	points.erase()
	return slices.Concat(points.due, points.taken(), []Event{PersonalDataErased{
		Requester: d.Requester, RequestedAt: d.RequestedAt, RequestedBy: d.RequestedBy,
		ApprovedAt: d.ApprovedAt, ApprovedBy: d.ApprovedBy,
		EventCount: c.EventCount, ChainHead: c.ChainHead, KeyIDs: c.KeyIDs, ReadModels: c.ReadModels,
		ErasedAt: c.At(&p, "", nil, d.ApprovedAt, ""),
	}}), nil
}

// CompleteErasure certifies that the destroyed key has left the files. It is the
// program's own command.
type CompleteErasure struct {
	domain.Subject `json:"-"`

	Store      string
	ReadModels string
}

// Stream implements domain.Command.
func (c CompleteErasure) Stream() string { return Stream(c.Customer) }

// AfterErasure implements domain.AfterErasure.
func (CompleteErasure) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted.
func (CompleteErasure) WhileRestricted() {}

// Decide implements domain.Command.
func (c CompleteErasure) Decide(s State) ([]Event, error) {
	switch {
	case s.erasing() == ErasureStateCompleted:
		return nil, nil
	case !s.Erased:
		return nil, ErrErasureNotApproved.With("the personal data of the customer was not erased")
	}
	var p domain.Problems
	at := c.At(&p, "", nil, s.ErasedAt, "")
	return []Event{ErasureCompleted{Store: c.Store, ReadModels: c.ReadModels, CompletedAt: at}}, nil
}
