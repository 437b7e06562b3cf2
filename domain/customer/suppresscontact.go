package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/staff"
)

// SuppressContact says that the customer must not be contacted: at all, on a channel
// or for a purpose, until the suppression is lifted. It stops what rests on a consent
// or can be objected to; one that the law demands stops contracts as well.
type SuppressContact struct {
	domain.Subject `json:"-"`

	ID         string `json:"id,omitempty"` // chosen by the caller; else it follows from what is suppressed
	Scope      string `json:"scope" jsonschema:"enum=all,enum=channel,enum=purpose"`
	Purpose    string `json:"purpose,omitempty"` // of the scope purpose
	Channel    string `json:"channel,omitempty"` // of the scope channel
	ReasonCode string `json:"reason_code,omitempty" jsonschema:"enum=objection,enum=complaint,enum=law,enum=undeliverable,enum=deceased,enum=internal,default=objection"`
	Reason     string `json:"reason,omitempty"`
	// Legal says that the law demands it: only an employee in the role can lift it.
	Legal        bool       `json:"legal,omitempty"`
	Role         string     `json:"role,omitempty" jsonschema:"default=legal"` // of a legal suppression
	SuppressedAt *time.Time `json:"suppressed_at,omitempty"`                   // now if absent
}

// Why a command about suppressions is refused.
var (
	ErrSuppressionExists   = &domain.Error{Kind: domain.Conflict, Code: "suppression_exists"}
	ErrSuppressionNotFound = &domain.Error{Kind: domain.NotFound, Code: "suppression_not_found"}
	ErrSuppressionLegal    = &domain.Error{Kind: domain.Forbidden, Code: "suppression_legal"}
	ErrTooManySuppressions = &domain.Error{Kind: domain.Conflict, Code: "too_many_suppressions"}
)

// WhileRestricted implements domain.WhileRestricted.
func (SuppressContact) WhileRestricted() {}

// Stream implements domain.Command.
func (c SuppressContact) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (SuppressContact) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrSuppressionExists, ErrTooManySuppressions}
}

// Decide implements domain.Command.
func (c SuppressContact) Decide(s State) ([]Event, error) {
	var p domain.Problems
	e := c.check(&p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if old := s.suppression(e.SuppressionID); old != nil && old.LiftedAt == nil {
		if old.Scope != e.Scope || old.Purpose != e.Purpose || old.Channel != e.Channel ||
			old.ReasonCode != e.ReasonCode || old.Legal != e.Legal || old.Role != e.Role {
			return nil, ErrSuppressionExists.With("the suppression %q stands with other content; choose another id, or lift that one first", e.SuppressionID)
		}
		return nil, nil
	}
	standing := 0
	for _, o := range s.Suppressions {
		if o.LiftedAt == nil {
			standing++
		}
	}
	if standing >= maxSuppressions {
		return nil, ErrTooManySuppressions.With("%d suppressions stand; lift-suppression makes room", standing)
	}
	return []Event{e}, nil
}

// check notes what is wrong with the fields and returns what is stored of them.
func (c SuppressContact) check(p *domain.Problems) ContactSuppressed {
	e := ContactSuppressed{
		SuppressionID: c.ID, Scope: c.Scope, Purpose: c.Purpose, Channel: c.Channel,
		ReasonCode: c.ReasonCode, Reason: c.Reason, Legal: c.Legal, Role: c.Role,
		SuppressedAt: c.At(p, "/suppressed_at", c.SuppressedAt, time.Time{}, ""),
	}
	p.Required("/scope", c.Scope, maxShort)
	p.OneOf("/scope", c.Scope, SuppressScopes...)
	checkScoped(p, "/purpose", c.Purpose, c.Scope, SuppressPurpose)
	checkScoped(p, "/channel", c.Channel, c.Scope, SuppressChannel)
	p.OneOf("/reason_code", c.ReasonCode, SuppressionReasons...)
	p.Text("/reason", c.Reason, maxText)
	checkWord(p, "/id", c.ID)
	switch {
	case e.ReasonCode != "":
	case c.Legal:
		e.ReasonCode = SuppressedLaw
	default:
		e.ReasonCode = SuppressedObjection
	}
	switch {
	case !c.Legal && c.Role != "":
		p.Add("/role", "is for a legal suppression only")
	case c.Legal && c.Role == "":
		e.Role = RoleLegal
	case c.Legal:
		staff.CheckRole(p, "/role", c.Role)
	}
	if e.SuppressionID == "" {
		e.SuppressionID = e.Scope
		if what := e.Purpose + e.Channel; what != "" {
			e.SuppressionID += ":" + what
		}
		if e.Legal {
			e.SuppressionID = e.Role + ":" + e.SuppressionID
		}
	}
	return e
}

// checkScoped notes that what a scope needs is missing, or is there without it. A
// purpose or channel that no policy knows can be suppressed all the same.
func checkScoped(p *domain.Problems, pointer, name, scope, needs string) {
	switch {
	case scope == needs && name == "":
		p.Add(pointer, "is required: the scope is %s", scope)
	case scope == needs && name == Every:
		p.Add(pointer, "must be one %s; the scope %s is every one", needs, SuppressAll)
	case scope == needs:
		checkWord(p, pointer, name)
	case name != "":
		p.Add(pointer, "is for the scope %s only", needs)
	}
}
