package commands

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
)

// Definition is one command of the catalogue: what it is called, where it is
// served, what its body is, what it refuses, and how it is executed.
type Definition struct {
	Name    string // kebab-case, such as record-order
	Group   Group
	Summary string
	Creates bool // a change answers 201
	Body    any  // zero value of the body's Go type
	Refuses []string

	// keyed reads the customer that the command's own body names, zero if none;
	// nil: the customer is named beside the body.
	keyed func(body []byte) uuid.UUID
	path  string // where it is served, if not with the others of its group
	run   func(ctx context.Context, a *API, r Request, of uuid.UUID, body []byte) (Result, error)
}

// Group is a kind of subject: where its commands are served.
type Group struct {
	Path     string // of the commands, without the command's name
	Tag      string
	Customer bool // the subject is a customer
	Handover bool // the subject is a handover
	Transfer bool // the subject is a transfer of points
	Apart    bool // no command is decided by what these did: there is no world to wait for
	// Slug is the part of the path that names the subject, if that has no UUID.
	Slug string
}

// The groups of commands.
var (
	Customers  = Group{Path: "/v1/customers/{customer_id}", Tag: "customers", Customer: true}
	Calendar   = Group{Path: "/v1/calendar", Tag: "calendar"}
	Operations = Group{Path: "/v1/operations", Tag: "operations"}
	Schema     = Group{Path: "/v1/schema", Tag: "schema"}
	Staff      = Group{Path: "/v1/staff", Tag: "staff"}
	Segments   = Group{Path: "/v1/segments", Tag: "segments"}
)

// Policies is the group of a kind of policy.
func Policies(kind string) Group { return Group{Path: "/v1/policies/" + kind, Tag: "policies"} }

// Path is where the command is served.
func (d Definition) Path() string {
	if d.path != "" {
		return d.path
	}
	if d.keyed != nil {
		return "/v1/customers"
	}
	return d.Group.Path + "/" + d.Name
}

// body is a pointer to a command that learns what is known beside its body.
type body[C any] interface {
	*C
	SetSubject(domain.Subject)
	Refuses() []*domain.Error
}

// define makes the definition of a command from its type. complete, if there is
// one, fills in what the command knows beside body and subject.
func define[S domain.State[S, E], E any, C domain.Command[S, E], P body[C]](
	group Group, name, summary string, complete ...func(*API, *Request, P),
) Definition {
	var zero C
	d := Definition{Name: name, Group: group, Summary: summary, Body: zero}
	for _, refusal := range P(&zero).Refuses() {
		d.Refuses = append(d.Refuses, refusal.Code)
	}
	d.run = func(ctx context.Context, a *API, r Request, of uuid.UUID, body []byte) (Result, error) {
		var c C
		if err := web.Decode(body, &c); err != nil {
			return Result{}, err
		}
		P(&c).SetSubject(a.subject(r, of))
		a.Writer.World.Tell(&c)
		for _, f := range complete {
			f(a, &r, &c)
		}
		result, err := Execute(ctx, a.Writer, r, domain.Command[S, E](c))
		if errors.Is(err, ErrTooLarge) && group.Customer && a.settled(ctx, r, of) {
			return Execute(ctx, a.Writer, r, domain.Command[S, E](c))
		}
		return result, err
	}
	return d
}

// settled books what has fallen due of a customer's points, in as many appends as it
// takes, and says whether there was anything: so much that a command and it did not
// fit one append. A past that is told as it was lived is not brought up to date.
func (a *API) settled(ctx context.Context, r Request, of uuid.UUID) bool {
	s := a.subject(r, of)
	if s.Latest.IsZero() {
		return false
	}
	cmd := customer.SettleLoyalty{Subject: s}
	a.Writer.World.Tell(&cmd)
	for n := 0; ; n++ {
		result, err := Execute(ctx, a.Writer, Request{
			Command: uuid.NewSHA1(r.Command, fmt.Appendf(nil, "settle %d", n)), Name: "settle-loyalty",
			Actor: eventschema.Actor{Kind: "system", ID: "settlement"}, Channel: "system", Correlation: r.Command, Causation: r.Command,
		}, domain.Command[customer.State, customer.Event](cmd))
		switch {
		case err != nil:
			a.log().Warn("what has fallen due could not be booked before a command", "customer", of, "error", err)
			return n > 0
		case !result.Changed:
			return n > 0
		}
	}
}

// subject is what the world tells a command. An import brings the facts of a
// past that a manual calendar has yet to live through: to it nothing is future.
func (a *API) subject(r Request, of uuid.UUID) domain.Subject {
	s := a.Writer.World.Subject(of)
	s.Actor = r.Actor
	if r.Actor.Kind == actorImport && !s.Wall {
		s.Latest = time.Time{}
	}
	return s
}

const actorImport = "import"

// creates marks a command whose change makes something new.
func (d Definition) creates() Definition {
	d.Creates = true
	return d
}

// status is the status of an answer to the command.
func (d Definition) status(r Result) int {
	if d.Creates && r.Changed {
		return http.StatusCreated
	}
	return http.StatusOK
}

// common are the refusals that every command may meet.
var common = []string{
	ErrKeyReused.Code, ErrRevision.Code, ErrTooLarge.Code, ErrContended.Code, ErrUnavailable.Code, ErrHeader.Code,
}

// refuses returns every refusal of the command, its own first.
func (d Definition) refuses() []string {
	codes := append(append([]string(nil), d.Refuses...), common...)
	if d.Group.Customer {
		codes = append(codes, customer.ErrErased.Code, customer.ErrRestricted.Code)
	}
	return codes
}
