package commands

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
)

// ruled tells a definition of a segment what its rule can ask for.
func ruled[C interface {
	SetSegments(*segment.Set, attribute.Schema)
	SetKnows(event, cluster func(string) bool)
	SetFields(of func(event string) map[string]string)
}](a *API, _ *Request, c C) {
	known := a.Writer.World.Facts().World
	c.SetSegments(known.Segments, known.Attributes)
	event := func(name string) bool {
		return slices.ContainsFunc(eventschema.Events.Types(), func(t *eventschema.Type) bool {
			return t.Name == name && strings.HasPrefix(name, "customer.")
		})
	}
	c.SetKnows(event, func(id string) bool { return slices.Contains(known.Clusters, id) })
	c.SetFields(a.EventFields)
}

// amongSegments tells a command what the other segments are.
func amongSegments(a *API, _ *Request, c *segment.Archive) {
	c.SetSegments(a.Writer.World.Facts().Segments)
}

// freezing makes freeze-audience record who belongs to the segment. An audience
// without an id is called by one that follows from the command, so that sending the
// command again names the same.
func freezing(d Definition) Definition {
	d.run = func(ctx context.Context, a *API, r Request, _ uuid.UUID, body []byte) (Result, error) {
		var c segment.Freeze
		if err := web.Decode(body, &c); err != nil {
			return Result{}, err
		}
		if a.Audience == nil {
			return Result{}, ErrUnavailable.With("this process does not read the read models")
		}
		c.SetSubject(a.subject(r, uuid.Nil))
		if c.AudienceID == uuid.Nil {
			c.AudienceID = uuid.NewSHA1(r.Command, []byte("audience"))
		}
		if segment.IsID(c.SegmentID) {
			audience, err := a.Audience(ctx, c.SegmentID)
			if refusal := (*domain.Error)(nil); err != nil && !errors.As(err, &refusal) {
				return Result{}, unavailable("audience", c.Stream(), err)
			}
			c.Audience, c.Refusal = audience, err
		}
		return Execute(ctx, a.Writer, r, domain.Command[segment.State, segment.Event](c))
	}
	return d
}
