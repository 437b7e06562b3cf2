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
	var seen uint64
	next := 0
	for more := r.open('{'); more; more = r.more('{') {
		i, _ := metaMembers.take(&r, next)
		if i < 0 {
			r.skip()
			continue
		}
		r.once(&seen, i)
		next = i + 1
		m.member(&r, i)
	}
	if err := r.end(); err != nil {
		return Meta{}, fmt.Errorf("metadata: %w", err)
	}
	return m, nil
}

var (
	metaMembers = membersOf("customer_id", "command_id", "digest", "correlation_id", "causation_id", "actor",
		"channel", "occurred_at", "recorded_at", "business_date", "policies", "key", "chain")
	actorMembers  = membersOf("kind", "id", "on_behalf_of", "version", "asserted")
	policyMembers = membersOf("kind", "version")
)

// member reads the value of one of metaMembers.
func (m *Meta) member(r *reader, i int) {
	switch i {
	case 0:
		m.Customer = r.id()
		if r.i != len(customerMember)+36+1 { // where CustomerOf looks
			r.fail(errCustomerFirst)
		}
	case 1:
		m.Command = r.id()
	case 2:
		m.Digest = r.hex()
	case 3:
		m.Correlation = r.id()
	case 4:
		m.Causation = r.id()
	case 5:
		m.Actor = readActor(r)
	case 6:
		m.Channel = r.shared()
	case 7:
		m.OccurredAt = r.time()
	case 8:
		m.RecordedAt = r.time()
	case 9:
		d, ok := parseDate(r.str())
		if !ok {
			r.fail(errValue)
		}
		m.BusinessDate = d
	case 10:
		for more := r.open('['); more; more = r.more('[') {
			m.Policies = append(m.Policies, readPolicyRef(r))
		}
	case 11:
		m.Key = string(r.str())
	case 12:
		if !m.Chain.parse(r.str()) {
			r.fail(errValue)
		}
	}
}

func readActor(r *reader) (a Actor) {
	var seen uint64
	next := 0
	for more := r.open('{'); more; more = r.more('{') {
		i, _ := actorMembers.take(r, next)
		if i < 0 {
			r.skip()
			continue
		}
		r.once(&seen, i)
		switch next = i + 1; i {
		case 0:
			a.Kind = r.shared()
		case 1:
			a.ID = string(r.str())
		case 2:
			a.OnBehalfOf = string(r.str())
		case 3:
			a.Version = string(r.str())
		case 4:
			a.Asserted = r.bool()
		}
	}
	return a
}

func readPolicyRef(r *reader) (p PolicyRef) {
	var seen uint64
	next := 0
	for more := r.open('{'); more; more = r.more('{') {
		i, _ := policyMembers.take(r, next)
		if i < 0 {
			r.skip()
			continue
		}
		r.once(&seen, i)
		switch next = i + 1; i {
		case 0:
			p.Kind = r.shared()
		case 1:
			p.Version = int(r.int(strconv.IntSize))
		}
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

// hex takes a string of hexadecimal digits.
func (r *reader) hex() []byte {
	text := r.str()
	b := make([]byte, len(text)/2)
	if bad := unhexAll(b, text); bad {
		r.fail(errValue)
	}
	return b
}

// unhexAll fills dst from twice as many digits and says whether they are none.
func unhexAll(dst, digits []byte) (bad bool) {
	if len(digits) != 2*len(dst) {
		return true
	}
	var or byte
	for i := range dst {
		hi, lo := unhex[digits[2*i]], unhex[digits[2*i+1]]
		or |= hi | lo
		dst[i] = hi<<4 | lo&15
	}
	return or > 15
}

// shared takes a string that is likely one of a few, of which one copy serves
// all envelopes.
func (r *reader) shared() string {
	b := r.str()
	switch string(b) {
	case "user":
		return "user"
	case "api":
		return "api"
	case "import":
		return "import"
	case "system":
		return "system"
	case "rule":
		return "rule"
	case "ai":
		return "ai"
	case "rpa":
		return "rpa"
	case "rfm":
		return "rfm"
	case "online":
		return "online"
	case "store":
		return "store"
	case "web":
		return "web"
	}
	return string(b)
}
