package readapi

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
)

// historyFilter says which entries a history shows.
type historyFilter struct {
	types, modules       []string
	actor, kind, channel string
	from, to             *time.Time
	since, until         recorded
	correlation, command uuid.UUID
	field                string
}

func (f *historyFilter) wants(raw eventschema.Raw, e eventschema.Event) bool {
	m := &e.Meta
	return (f.types == nil || slices.Contains(f.types, e.Type)) &&
		(f.modules == nil || slices.Contains(f.modules, moduleOf(e.Type))) &&
		(f.from == nil || !m.OccurredAt.Before(*f.from)) &&
		(f.to == nil || !m.OccurredAt.After(*f.to)) &&
		f.since.since(raw.Position, m.RecordedAt, m.BusinessDate) &&
		f.until.has(raw.Position, m.RecordedAt, m.BusinessDate) &&
		(f.actor == "" || f.actor == m.Actor.ID || f.actor == m.Actor.Kind || f.actor == m.Actor.Kind+":"+m.Actor.ID) &&
		(f.kind == "" || f.kind == m.Actor.Kind) &&
		(f.channel == "" || f.channel == m.Channel) &&
		(f.correlation == uuid.Nil || f.correlation == m.Correlation) &&
		(f.command == uuid.Nil || f.command == m.Command)
}

// touches says whether changes are of the field that is asked for.
func (f *historyFilter) touches(changes []FieldChange) bool {
	return f.field == "" || slices.ContainsFunc(changes, func(c FieldChange) bool { return partOf(c.Field, f.field) })
}

// partOf says whether a field is another one or a part of it: name.given is of
// name, contact_points[ID].value of contact_points.
func partOf(field, of string) bool {
	rest, ok := strings.CutPrefix(field, of)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

var historyParams = []web.Param{
	query("type", "string", "", "Only events of these types, separated by commas."),
	query("module", "string", "", "Only events of these modules, separated by commas: "+strings.Join(modules, ", ")+"."),
	query("actor", "string", "", "Only what this actor did: an id, a kind, or kind:id."),
	query("actor_kind", "string", "", "Only what actors of this kind did: "+strings.Join(domain.ActorKinds, ", ")+"."),
	query("channel", "string", "", "Only what came in by this channel."),
	query("from", "string", "", "Only what occurred at or after this date or time."),
	query("to", "string", "", "Only what occurred at or before this date or time."),
	query("recorded_from", "string", "", "Only what was recorded at or after this time, or on or after this date: under a manual calendar the business date of recording."),
	query("recorded_to", "string", "", "Only what was recorded at or before this time, or on or before this date."),
	query("correlation_id", "string", "uuid", "Only events of this correlation."),
	query("command_id", "string", "uuid", "Only events of this command."),
	query("field", "string", "", "Only events that changed this field or a part of it, such as name or name.given."),
}

func (p *params) historyFilter(ctx context.Context, a *API, w *projections.World) (*historyFilter, error) {
	f := &historyFilter{
		actor: p.text("actor"), kind: p.oneOf("actor_kind", append([]string{""}, domain.ActorKinds...)...), channel: p.text("channel"), field: p.text("field"),
		types: p.list("type"), modules: p.modules(),
		from: p.instant("from", w, false), to: p.instant("to", w, true),
		correlation: p.id("correlation_id"), command: p.id("command_id"),
	}
	for _, t := range f.types {
		if !slices.ContainsFunc(eventschema.Events.Types(), func(known *eventschema.Type) bool { return known.Name == t }) {
			p.bad("type", "%q is not a type of event", t)
		}
	}
	if p.text("recorded_from") == "" && p.text("recorded_to") == "" {
		return f, nil
	}
	t, err := a.timeline(ctx)
	if err != nil {
		return nil, err
	}
	f.since, f.until = p.recorded("recorded_from", t, false), p.recorded("recorded_to", t, true)
	return f, nil
}

// list returns a parameter that is a list with commas, nil if it is absent.
func (p *params) list(name string) []string {
	if s := p.text(name); s != "" {
		return strings.Split(s, ",")
	}
	return nil
}

func (p *params) modules() []string {
	list := p.list("module")
	for _, m := range list {
		if !slices.Contains(modules, m) {
			p.bad("module", "%q is not one of %s", m, strings.Join(modules, ", "))
		}
	}
	return list
}

// id returns a parameter that is a UUID, zero if it is absent.
func (p *params) id(name string) uuid.UUID {
	s := p.text(name)
	if s == "" {
		return uuid.Nil
	}
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		p.bad(name, "%q is not a UUID", s)
		return uuid.Nil
	}
	return id
}
