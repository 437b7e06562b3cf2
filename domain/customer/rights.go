package customer

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Rights is what the law, or the customer, asked to be done with what is known
// of them. Nothing in it is personal: it outlives an erasure.
type Rights struct {
	Restricted  bool         `json:"restricted,omitempty"` // the data may be kept, not used
	Restriction *Restriction `json:"restriction,omitempty"`
	LegalHolds  []LegalHold  `json:"legal_holds,omitempty"` // in the order they were placed
	Erasure     *Erasure     `json:"erasure,omitempty"`     // the last one asked for
	Erased      bool         `json:"erased,omitempty"`
	ErasedAt    time.Time    `json:"erased_at,omitzero"`
	Exports     int64        `json:"exports,omitempty"` // how often the data was handed out
	ExportedAt  time.Time    `json:"exported_at,omitzero"`
}

// Restriction is why the customer's data may not be used.
type Restriction struct {
	Since  time.Time `json:"since"`
	Ground string    `json:"ground"`
	Event  uuid.UUID `json:"event,omitzero"`
}

// LegalHold is a reason to keep the customer's data that is stronger than a
// request to erase it.
type LegalHold struct {
	HoldID string    `json:"hold_id"`
	Ground string    `json:"ground"`
	Since  time.Time `json:"since"`
	Event  uuid.UUID `json:"event,omitzero"`
}

// Erasure is how far an erasure has come.
type Erasure struct {
	State       string       `json:"state"` // ErasureStateRequested or one of the others
	Scope       string       `json:"scope"`
	Requester   string       `json:"requester"`
	RequestedAt time.Time    `json:"requested_at"`
	RequestedBy domain.Actor `json:"requested_by"`
	Deadline    domain.Date  `json:"deadline"` // the last day to answer
	Request     uuid.UUID    `json:"request,omitzero"`

	ApprovedAt time.Time    `json:"approved_at,omitzero"`
	ApprovedBy domain.Actor `json:"approved_by,omitzero"`
	Approval   uuid.UUID    `json:"approval,omitzero"`

	RefusedAt time.Time    `json:"refused_at,omitzero"`
	RefusedBy domain.Actor `json:"refused_by,omitzero"`
	Ground    string       `json:"ground,omitempty"` // of the refusal
	Refusal   uuid.UUID    `json:"refusal,omitzero"`

	Certificate *Certificate `json:"certificate,omitempty"`
}

// Certificate is what can be said and checked of an erasure that was done.
type Certificate struct {
	EventCount       int64     `json:"event_count"` // of the history before the erasure
	ChainHead        string    `json:"chain_head"`  // after those events
	KeyIDs           []string  `json:"key_ids"`     // the data keys destroyed
	PurgedReadModels []string  `json:"purged_read_models"`
	ErasedAt         time.Time `json:"erased_at"`
	Backups          string    `json:"backups"` // BackupsHoldKey: what no program can see to
	Event            uuid.UUID `json:"event,omitzero"`
	// Store and ReadModels say how the key left the files, CompletedAt when; they
	// are missing while it has not.
	Store       string    `json:"store,omitempty"`
	ReadModels  string    `json:"read_models,omitempty"`
	CompletedAt time.Time `json:"completed_at,omitzero"`
	Completion  uuid.UUID `json:"completion,omitzero"`
}

// BackupsHoldKey says that copies of the log from before the erasure hold the
// wrapped key until they are deleted.
const BackupsHoldKey = "hold_the_key_until_deleted"

// States of an erasure.
const (
	ErasureStateRequested = "requested"
	ErasureStateRefused   = "refused"
	ErasureStateApproved  = "approved"  // decided, and being done
	ErasureStateErased    = "erased"    // the key is destroyed
	ErasureStateCompleted = "completed" // and has left the files
)

// Fold brings the rights up to date with an event.
func (x *Rights) Fold(r Record) {
	switch e := r.Event.(type) {
	case ErasureRequested:
		x.Erasure = &Erasure{
			State: ErasureStateRequested, Scope: e.Scope, Requester: e.Requester,
			RequestedAt: e.RequestedAt, RequestedBy: e.RequestedBy, Deadline: e.Deadline, Request: r.ID,
		}
	case ErasureApproved:
		x.erasure(func(d *Erasure) {
			d.State, d.ApprovedAt, d.ApprovedBy, d.Approval = ErasureStateApproved, e.ApprovedAt, e.ApprovedBy, r.ID
		})
	case ErasureRefused:
		x.erasure(func(d *Erasure) {
			d.State, d.RefusedAt, d.RefusedBy, d.Ground, d.Refusal = ErasureStateRefused, e.RefusedAt, e.RefusedBy, e.Ground, r.ID
		})
	case PersonalDataErased:
		x.Erased, x.ErasedAt = true, e.ErasedAt
		x.Restricted, x.Restriction = false, nil // there is nothing left that could be used
		x.erasure(func(d *Erasure) {
			d.State = ErasureStateErased
			d.Certificate = &Certificate{
				EventCount: e.EventCount, ChainHead: e.ChainHead, ErasedAt: e.ErasedAt, Event: r.ID,
				KeyIDs: slices.Clone(e.KeyIDs), PurgedReadModels: slices.Clone(e.ReadModels), Backups: BackupsHoldKey,
			}
		})
	case ErasureCompleted:
		x.erasure(func(d *Erasure) {
			d.State = ErasureStateCompleted
			c := Certificate{}
			if d.Certificate != nil {
				c = *d.Certificate
			}
			c.Store, c.ReadModels, c.CompletedAt, c.Completion = e.Store, e.ReadModels, e.CompletedAt, r.ID
			d.Certificate = &c
		})
	case LegalHoldPlaced:
		if x.hold(e.HoldID) < 0 {
			x.LegalHolds = append(slices.Clone(x.LegalHolds), LegalHold{e.HoldID, e.Ground, e.PlacedAt, r.ID})
		}
	case LegalHoldLifted:
		if i := x.hold(e.HoldID); i >= 0 {
			x.LegalHolds = slices.Delete(slices.Clone(x.LegalHolds), i, i+1)
		}
		if len(x.LegalHolds) == 0 {
			x.LegalHolds = nil
		}
	case ProcessingRestricted:
		x.Restricted, x.Restriction = true, &Restriction{e.RestrictedAt, e.Ground, r.ID}
	case RestrictionLifted:
		x.Restricted, x.Restriction = false, nil
	case PersonalDataExported:
		x.Exports++
		x.ExportedAt = e.ExportedAt
	}
}

// erasure changes a copy of the erasure: the old one may be shown still.
func (x *Rights) erasure(change func(*Erasure)) {
	d := Erasure{}
	if x.Erasure != nil {
		d = *x.Erasure
	}
	change(&d)
	x.Erasure = &d
}

// hold returns the index of a legal hold, -1 if there is none of that id.
func (x Rights) hold(id string) int {
	return slices.IndexFunc(x.LegalHolds, func(h LegalHold) bool { return h.HoldID == id })
}

// erasing returns the state of the erasure, "" if none was ever asked for.
func (x Rights) erasing() string {
	if x.Erasure == nil {
		return ""
	}
	return x.Erasure.State
}

// Erasing says whether an erasure was approved: from then on nothing personal is
// taken any more, because its key is about to be destroyed or is gone.
func (x Rights) Erasing() bool {
	switch x.erasing() {
	case ErasureStateApproved, ErasureStateErased, ErasureStateCompleted:
		return true
	}
	return x.Erased
}

// erasedBy returns the event that says that the personal data was erased, or is
// about to be; nil if it is not known.
func (x Rights) erasedBy() *uuid.UUID {
	switch d := x.Erasure; {
	case d == nil:
		return nil
	case d.Certificate != nil:
		return &d.Certificate.Event
	default:
		return &d.Approval
	}
}

// Admit implements domain.Guard.
func (x Rights) Admit(cmd any) error {
	_, after := cmd.(domain.AfterErasure)
	_, restricted := cmd.(domain.WhileRestricted)
	switch {
	case x.Erased && !after:
		return ErrErased.With("the personal data of the customer was erased")
	case x.Erasing() && !after:
		return ErrErased.With("the erasure of the customer's personal data was approved")
	case x.Erasing() && domain.SaysPersonal(cmd):
		return ErrErased.With("the personal data of the customer was erased, and what the command says in words would be personal data: leave it out")
	case x.Restricted && !restricted:
		return ErrRestricted.With("the processing of the customer's data is restricted; lift-restriction ends that")
	}
	return nil
}

// Why the rights of a customer refuse a command.
var (
	ErrLegalHold           = &domain.Error{Kind: domain.Conflict, Code: "legal_hold"}
	ErrFourEyes            = &domain.Error{Kind: domain.Forbidden, Code: "four_eyes"}
	ErrErasureNotRequested = &domain.Error{Kind: domain.Conflict, Code: "erasure_not_requested"}
	ErrErasureNotApproved  = &domain.Error{Kind: domain.Conflict, Code: "erasure_not_approved"}
	ErrHoldNotFound        = &domain.Error{Kind: domain.NotFound, Code: "legal_hold_not_found"}
	ErrHoldExists          = &domain.Error{Kind: domain.Conflict, Code: "legal_hold_exists"}
	ErrTooManyHolds        = &domain.Error{Kind: domain.Conflict, Code: "too_many_legal_holds"}
	ErrNotRestricted       = &domain.Error{Kind: domain.Conflict, Code: "not_restricted"}
)

// Limits of the rights.
const (
	maxHolds        = 20
	maxGround       = 64
	defaultDeadline = 30 // days
	maxDeadline     = 90
)

// checkGround notes what is wrong with a ground: it is a code, because it is kept
// after an erasure.
func checkGround(p *domain.Problems, ground string) { checkCode(p, "/ground", ground, maxGround) }

// grounded refuses a command on a ground whose fields are wrong, or that is about
// nobody. What else is wrong was noted before.
func (s State) grounded(of domain.Subject, p *domain.Problems, ground, note string) error {
	checkGround(p, ground)
	p.Text("/note", note, maxText)
	if err := p.Err(); err != nil {
		return err
	}
	return s.exists(of)
}

// checkCode notes what is wrong with a code that must be there.
func checkCode(p *domain.Problems, pointer, code string, most int) {
	switch {
	case code == "":
		p.Add(pointer, "is required")
	case len(code) > most || !isCode(code):
		p.Add(pointer, "must have 1 to %d letters, digits, dots, dashes, slashes or underscores: it is kept after an erasure", most)
	}
}

func isCode(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_', c == '/':
		default:
			return false
		}
	}
	return true
}
