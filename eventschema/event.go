package eventschema

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Raw is an event as the log stores it: bytes that the chain covers.
type Raw struct {
	ID       uuid.UUID
	Stream   string
	Revision uint64 // in its stream, dense from 0
	Position uint64 // in the whole log, strictly increasing; 0 before it is appended
	Type     string // wire name and version, such as "customer.order_recorded.v1"
	Data     []byte
	Metadata []byte
}

// Event is an event as the program understands it.
type Event struct {
	ID       uuid.UUID
	Stream   string
	Revision uint64
	Position uint64
	Type     string // stable wire name without the version
	Meta     Meta
	Data     any // one of the structs of the domain packages, by value
	// Erased says that the event had personal data and its key is destroyed:
	// the personal fields are zero.
	Erased bool
}

// Meta is the envelope: what is known of every event beside its data. It is
// stored as JSON in the event's metadata; customer_id is its first member (when
// there is one) and chain its last.
type Meta struct {
	Customer     uuid.UUID // the partition key; zero for streams of no customer
	Command      uuid.UUID
	Digest       []byte // keyed digest of the command's body
	Correlation  uuid.UUID
	Causation    uuid.UUID // the event or command that led to this; zero for an outside request
	Actor        Actor
	Reason       string // personal: stored encrypted in the event's block
	Channel      string
	OccurredAt   time.Time   // business time
	RecordedAt   time.Time   // wall time; never decreases in a stream
	BusinessDate domain.Date // the business date when it was recorded
	Policies     []PolicyRef // the policy versions the decision used
	Key          string      // id of the data key of the personal block; empty without one
	Chain        Chain
}

// Actor is who is responsible for an event.
type Actor = domain.Actor

// PolicyRef names a version of a policy.
type PolicyRef = domain.PolicyRef

// Chain is the value of a stream's hash chain after an event: SHA-256 over the
// value before it and the event's stored bytes. The zero value starts a stream.
type Chain [32]byte
