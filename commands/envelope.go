package commands

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
)

// ErrHeader refuses a request whose headers cannot be understood.
var ErrHeader = &domain.Error{Kind: domain.Malformed, Code: "invalid_header"}

const (
	maxKey     = 200
	maxActor   = 200
	maxChannel = 100
	maxReason  = 2000
)

// envelope is what is said of a command beside its body, as it came.
type envelope struct {
	key, actor, channel, reason string
	match                       []int64
	correlation                 uuid.UUID
	slug                        string // of the subject that the route names, if that has no UUID
}

// readEnvelope reads the headers of a request.
func readEnvelope(r *http.Request) (e envelope, err error) {
	h := r.Header
	e = envelope{key: h.Get("Idempotency-Key"), actor: h.Get("Rapport-Actor"), channel: h.Get("Rapport-Channel"), reason: h.Get("Rapport-Reason")}
	for _, f := range []struct {
		name, value string
		most        int
	}{
		{"Idempotency-Key", e.key, maxKey}, {"Rapport-Actor", e.actor, maxActor},
		{"Rapport-Channel", e.channel, maxChannel}, {"Rapport-Reason", e.reason, maxReason},
	} {
		if !utf8.ValidString(f.value) {
			return e, ErrHeader.With("%s is not UTF-8", f.name)
		}
		if utf8.RuneCountInString(f.value) > f.most {
			return e, ErrHeader.With("%s must have at most %d characters", f.name, f.most)
		}
	}
	if match := h.Get("If-Match"); match != "" && match != "*" {
		if e.match, err = revisions(match); err != nil {
			return e, err
		}
	}
	if trace, ok := web.TraceParent(r); ok {
		e.correlation = uuid.UUID(trace)
	}
	return e, nil
}

// revisions reads an If-Match header: entity tags, each a revision.
func revisions(match string) (list []int64, err error) {
	for tag := range strings.SplitSeq(match, ",") {
		tag = strings.TrimSpace(tag)
		n, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
		if err != nil || n < 0 || len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
			return nil, ErrHeader.With(`If-Match must be a revision in quotes, such as "7"`)
		}
		list = append(list, n)
	}
	return list, nil
}

// request makes of an envelope what Execute takes.
func (e envelope) request(name string) Request {
	r := Request{
		Name: name, Actor: asserted(e.actor), Reason: e.reason, Channel: e.channel,
		Correlation: e.correlation, Match: e.match, Slug: e.slug,
	}
	if e.key == "" {
		r.Command = uuid.Must(uuid.NewV7())
	} else {
		r.Command = uuid.NewSHA1(commandSpace, e.scopedKey(r.Actor))
	}
	return r
}

// scopedKey is the idempotency key within its principal.
func (e envelope) scopedKey(a eventschema.Actor) []byte {
	return []byte(a.Kind + "\x00" + a.ID + "\x00" + e.key)
}

// customer returns the id of a customer that the caller did not choose. Who
// sends the same key again gets the same one.
func (e envelope) customer(a eventschema.Actor) uuid.UUID {
	if e.key == "" {
		return uuid.Must(uuid.NewV7())
	}
	return uuid.NewSHA1(customerSpace, e.scopedKey(a))
}

// asserted reads an actor that nobody has checked: a kind, a colon and an id,
// or the id of a user alone.
func asserted(s string) eventschema.Actor {
	if s == "" {
		return eventschema.Actor{Kind: "api", ID: "anonymous", Asserted: true}
	}
	if kind, id, ok := strings.Cut(s, ":"); ok && slices.Contains(domain.ActorKinds, kind) {
		return eventschema.Actor{Kind: kind, ID: id, Asserted: true}
	}
	return eventschema.Actor{Kind: "user", ID: s, Asserted: true}
}
