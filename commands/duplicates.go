package commands

import (
	"context"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/duplicate"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
)

// Duplicates is the group of commands about pairs of customers.
var Duplicates = Group{Path: "/v1/duplicates", Tag: "duplicates", Apart: true}

// aboutPair makes a command that is about two customers be an event of the first,
// with their key, and tells it what the streams of both say at the moment.
func aboutPair(d Definition) Definition {
	d.run = func(ctx context.Context, a *API, r Request, _ uuid.UUID, body []byte) (Result, error) {
		var c duplicate.Reject
		if err := web.Decode(body, &c); err != nil {
			return Result{}, err
		}
		pair := c.Pair()
		c.SetSubject(a.subject(r, pair.A))
		if pair.A != uuid.Nil && pair.A != pair.B {
			first, err := a.Writer.party(ctx, pair.A)
			if err != nil {
				return Result{}, err
			}
			second, err := a.Writer.party(ctx, pair.B)
			if err != nil {
				return Result{}, err
			}
			c.SetParties(first, second)
		}
		return Execute(ctx, a.Writer, r, domain.Command[duplicate.State, duplicate.Event](c))
	}
	return d
}

// party reads what a command about a pair needs to know of a customer. It takes
// part in the cache of the write side, and leaves the stream before the command
// enters the one of the pair: nobody waits for a stream while holding another.
func (w *Writer) party(ctx context.Context, of uuid.UUID) (p duplicate.Party, err error) {
	stream := customer.Stream(of)
	leave, err := w.gates.enter(ctx, stream)
	if err != nil {
		return p, unavailable("wait for", stream, err)
	}
	defer leave()
	m, _ := recall[customer.State](w, stream)
	x := execution[customer.State, customer.Event]{w: w, stream: stream, memory: m, subject: domain.Subject{Customer: of}}
	if err := x.readOn(ctx); err != nil {
		return p, err
	}
	p = duplicate.Party{Registered: m.state.Registered, Rights: m.state.Rights}
	p.Rights.Erased = p.Rights.Erased || m.key == eventschema.Erased
	if m.revision != NewStream {
		w.cache.put(stream, m, w.cacheBytes())
	}
	return p, nil
}
