package eventschema

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
)

const customerMember = `{"customer_id":"`

// errCustomerFirst refuses metadata in which CustomerOf would not see the customer.
var errCustomerFirst = errors.New("customer_id is not the first member")

// CustomerOf returns the customer of an event, false if it has none. It looks
// at the first bytes of the metadata only.
func CustomerOf(raw Raw) (uuid.UUID, bool) {
	const n = len(customerMember)
	if b := raw.Metadata; len(b) > n+36 && b[n+36] == '"' && string(b[:n]) == customerMember {
		return parseUUID(b[n : n+36])
	}
	return uuid.UUID{}, false
}

// CustomerOf is the function of the same name, for who is handed a Registry.
func (r *Registry) CustomerOf(raw Raw) (uuid.UUID, bool) { return CustomerOf(raw) }

// appendMeta appends the metadata up to the chain. Members that say nothing are
// left out; Reason is not among them, it stands in the encrypted block.
func appendMeta(dst []byte, m *Meta) ([]byte, error) {
	w := metaWriter{b: append(dst, '{')}
	w.id("customer_id", m.Customer)
	w.id("command_id", m.Command)
	if len(m.Digest) > 0 {
		w.name("digest")
		w.b = append(hex.AppendEncode(append(w.b, '"'), m.Digest), '"')
	}
	w.id("correlation_id", m.Correlation)
	w.id("causation_id", m.Causation)
	if m.Actor != (Actor{}) {
		w.name("actor")
		w.b = append(w.b, `{"kind":`...)
		w.text(m.Actor.Kind)
		w.optional("id", m.Actor.ID)
		w.optional("on_behalf_of", m.Actor.OnBehalfOf)
		w.optional("version", m.Actor.Version)
		if m.Actor.Asserted {
			w.name("asserted")
			w.b = append(w.b, "true"...)
		}
		w.b = append(w.b, '}')
	}
	w.optional("channel", m.Channel)
	w.time("occurred_at", m.OccurredAt)
	w.time("recorded_at", m.RecordedAt)
	w.name("business_date")
	w.check(appendDate(w.b, m.BusinessDate))
	if len(m.Policies) > 0 {
		w.name("policies")
		for i, p := range m.Policies {
			w.b = append(w.b, "[,"[min(i, 1)])
			w.b = append(w.b, `{"kind":`...)
			w.text(p.Kind)
			w.b = strconv.AppendInt(append(w.b, `,"version":`...), int64(p.Version), 10)
			w.b = append(w.b, '}')
		}
		w.b = append(w.b, ']')
	}
	w.optional("key", m.Key)
	return w.b, w.err
}

// metaWriter appends members of an object; the first error sticks.
type metaWriter struct {
	b   []byte
	err error
}

func (w *metaWriter) check(b []byte, err error) {
	if w.b = b; w.err == nil {
		w.err = err
	}
}

func (w *metaWriter) name(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *metaWriter) text(s string) { w.check(appendString(w.b, s)) }

func (w *metaWriter) optional(name, s string) {
	if s != "" {
		w.name(name)
		w.text(s)
	}
}

func (w *metaWriter) id(name string, id uuid.UUID) {
	if id != (uuid.UUID{}) {
		w.name(name)
		w.b = append(appendUUID(append(w.b, '"'), id), '"')
	}
}

func (w *metaWriter) time(name string, t time.Time) {
	if !t.IsZero() {
		w.name(name)
		w.check(appendTime(w.b, t))
	}
}

// decodeMeta reads metadata. Members may stand in any order, but for the
// customer's, which must be the first; unknown ones are passed over. The chain
// is read where it stands; only VerifyChain insists that it is the last.
func decodeMeta(metadata []byte) (m Meta, err error) {
	r := reader{b: metadata}
	var seen uint32
	for more := r.open('{'); more; more = r.more('{') {
		bit := m.member(&r, r.key())
		if seen&bit != 0 {
			r.fail(errDuplicate)
		}
		seen |= bit
	}
	if err := r.end(); err != nil {
		return Meta{}, fmt.Errorf("metadata: %w", err)
	}
	if m.Customer != (uuid.UUID{}) {
		if first, ok := CustomerOf(Raw{Metadata: metadata}); !ok || first != m.Customer {
			return Meta{}, fmt.Errorf("metadata: %w", errCustomerFirst)
		}
	}
	return m, nil
}

// member reads the value of one member and returns a bit that stands for it.
func (m *Meta) member(r *reader, key []byte) uint32 {
	switch string(key) {
	case "customer_id":
		m.Customer = r.id()
		return 1 << 0
	case "command_id":
		m.Command = r.id()
		return 1 << 1
	case "digest":
		digits := r.str()
		m.Digest = make([]byte, hex.DecodedLen(len(digits)))
		if _, err := hex.Decode(m.Digest, digits); err != nil {
			r.fail(errValue)
		}
		return 1 << 2
	case "correlation_id":
		m.Correlation = r.id()
		return 1 << 3
	case "causation_id":
		m.Causation = r.id()
		return 1 << 4
	case "actor":
		m.Actor.read(r)
		return 1 << 5
	case "channel":
		m.Channel = r.shared()
		return 1 << 6
	case "occurred_at":
		m.OccurredAt = r.time()
		return 1 << 7
	case "recorded_at":
		m.RecordedAt = r.time()
		return 1 << 8
	case "business_date":
		d, ok := parseDate(r.str())
		if !ok {
			r.fail(errValue)
		}
		m.BusinessDate = d
		return 1 << 9
	case "policies":
		for more := r.open('['); more; more = r.more('[') {
			m.Policies = append(m.Policies, readPolicyRef(r))
		}
		return 1 << 10
	case "key":
		m.Key = string(r.str())
		return 1 << 11
	case "chain":
		if !m.Chain.parse(r.str()) {
			r.fail(errValue)
		}
		return 1 << 12
	}
	r.skip()
	return 0
}

func (a *Actor) read(r *reader) {
	seen := uint32(0)
	for more := r.open('{'); more; more = r.more('{') {
		bit := uint32(0)
		switch string(r.key()) {
		case "kind":
			a.Kind, bit = r.shared(), 1
		case "id":
			a.ID, bit = string(r.str()), 2
		case "on_behalf_of":
			a.OnBehalfOf, bit = string(r.str()), 4
		case "version":
			a.Version, bit = r.shared(), 8
		case "asserted":
			a.Asserted, bit = r.bool(), 16
		default:
			r.skip()
		}
		if seen&bit != 0 {
			r.fail(errDuplicate)
		}
		seen |= bit
	}
}

func readPolicyRef(r *reader) (p PolicyRef) {
	seen := uint32(0)
	for more := r.open('{'); more; more = r.more('{') {
		bit := uint32(0)
		switch string(r.key()) {
		case "kind":
			p.Kind, bit = r.shared(), 1
		case "version":
			p.Version, bit = int(r.int(strconv.IntSize)), 2
		default:
			r.skip()
		}
		if seen&bit != 0 {
			r.fail(errDuplicate)
		}
		seen |= bit
	}
	return p
}

func (r *reader) id() uuid.UUID {
	id, ok := parseUUID(r.str())
	if !ok {
		r.fail(errValue)
	}
	return id
}

func (r *reader) time() time.Time {
	t, ok := parseTime(r.str())
	if !ok {
		r.fail(errValue)
	}
	return t
}

// shared takes a string that is likely one of a few.
func (r *reader) shared() string {
	b := r.str()
	if s, ok := common[string(b)]; ok {
		return s
	}
	return string(b)
}

// common are strings that stand in very many envelopes: one copy serves all.
var common = func() map[string]string {
	m := map[string]string{}
	for _, s := range []string{"user", "api", "rule", "ai", "rpa", "import", "system", "rfm", "web", "store", "online", "app", "phone", "email"} {
		m[s] = s
	}
	return m
}()
