package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/eventschema"
)

// Schema reads stored events; *eventschema.Registry is one.
type Schema interface {
	Open(raw eventschema.Raw, key *eventschema.DataKey) (eventschema.Event, error)
	Broadcast(wireType string) bool
	Known(wireType string) bool
	Types() []*eventschema.Type
	Meta(raw eventschema.Raw) (eventschema.Meta, error)
}

// Keys unwraps data keys; *eventschema.Keyring does.
type Keys interface {
	Unwrap(keyID string, wrapped []byte) (*eventschema.DataKey, error)
}

// KeySource finds a customer's data key in the log. Erased is true only if the
// stream of the key was destroyed; a customer who never had a key has nothing
// wrapped. Errors are those of the log, and pass.
type KeySource interface {
	Key(ctx context.Context, customer uuid.UUID) (keyID string, wrapped []byte, erased bool, err error)
}

// Rules is what all partitions need to understand events, and how much they may
// hold in memory. It is shared by value and its members are safe for concurrent use.
type Rules struct {
	Schema    Schema
	Keys      Keys
	KeySource KeySource
	// KeyDocuments is the serving generation of the keys view, asked before the
	// KeySource by partitions that do not fold the keys themselves. Optional.
	KeyDocuments Generation
	// Parked says that an operator wants an event passed over. Optional.
	Parked func(event uuid.UUID) bool
	// Settled says that a contribution to a view's note need not be made, because
	// a later event of the log settles it. Optional.
	Settled func(view, note string) bool

	DirtyBytes int // a partition that is behind commits when it holds about this much; 0: 2 MiB
	CacheBytes int // a partition forgets documents beyond this much; 0: 4 MiB
	Slice      int // documents rescored by one commit; 0: 2,000
	Sweep      int // documents that a sweep changes before events may come between; 0: 200
	// AtOnce lets no event come between: a batch that is live ends without sweeps.
	AtOnce bool
}

func (r Rules) withDefaults() Rules {
	if r.DirtyBytes == 0 {
		r.DirtyBytes = 2 << 20
	}
	if r.CacheBytes == 0 {
		r.CacheBytes = 4 << 20
	}
	if r.Slice == 0 {
		r.Slice = 2000
	}
	if r.Sweep == 0 {
		r.Sweep = 200
	}
	return r
}

// route says which of some partitions an event concerns: that of its customer, or
// all of them. An event that holds for all customers and that this program does
// not know concerns all of them too: they must stop at it.
func (r Rules) route(raw *eventschema.Raw, partitions int) (partition int, all, some bool) {
	if c, ok := eventschema.CustomerOf(*raw); ok {
		return PartitionOf(c, partitions), false, true
	}
	all = r.forAll(raw.Type)
	return 0, all, all
}

// forAll says whether every partition has to know a type of event.
func (r Rules) forAll(wireType string) bool {
	if r.Schema.Broadcast(wireType) {
		return true
	}
	if r.Schema.Known(wireType) {
		return false
	}
	subject, _, _ := strings.Cut(wireType, ".")
	return slices.ContainsFunc(r.Schema.Types(), func(t *eventschema.Type) bool {
		s, _, _ := strings.Cut(t.Name, ".")
		return t.Broadcast && s == subject
	})
}

// Poison is an event that cannot be applied. It stops its partition until the
// program understands it or an operator parks it; nothing is skipped silently.
type Poison struct {
	EventID  uuid.UUID
	Position uint64
	Stream   string
	Type     string
	Reason   error
}

func (p *Poison) Error() string {
	return fmt.Sprintf("event %s (%s at position %d in %s) cannot be applied: %v", p.EventID, p.Type, p.Position, p.Stream, p.Reason)
}

func (p *Poison) Unwrap() error { return p.Reason }

var (
	errUnknownType = errors.New("the type is unknown to this program")
	errNoKey       = errors.New("the customer's data key is missing and was not destroyed")
)

func poison(raw eventschema.Raw, reason error) *Poison {
	return &Poison{raw.ID, raw.Position, raw.Stream, raw.Type, reason}
}

// KeyDocument is the document of the keys view: a customer's data key, wrapped.
type KeyDocument struct {
	KeyID   string `json:"key_id,omitempty"`
	Wrapped []byte `json:"wrapped,omitempty"`
}

// KeysView is the name of the view that holds the customers' wrapped data keys.
const KeysView = "keys"

// NewKeys returns the view of the customers' wrapped data keys. Whatever
// partition folds it opens personal data without asking the log. An erasure
// takes the key away.
func NewKeys() *View[KeyDocument] {
	return &View[KeyDocument]{
		Name: KeysView,
		Fold: func(d *KeyDocument, e Event) bool {
			switch k := e.Data.(type) {
			case datakey.Created:
				*d = KeyDocument{k.KeyID, k.Wrapped}
				return true
			case customer.PersonalDataErased:
				if d.KeyID != "" {
					*d = KeyDocument{}
					return true
				}
			}
			return false
		},
	}
}

// keyCache remembers unwrapped keys of one partition.
type keyCache struct {
	keys map[uuid.UUID]*eventschema.DataKey
}

// keysCached bounds a keyCache; a data key takes about a kilobyte.
const keysCached = 128

func (c *keyCache) get(customer uuid.UUID) *eventschema.DataKey { return c.keys[customer] }

// drop forgets the key of a customer who was erased.
func (c *keyCache) drop(e Event) {
	if _, erased := e.Data.(customer.PersonalDataErased); erased {
		delete(c.keys, e.Meta.Customer)
	}
}

func (c *keyCache) put(customer uuid.UUID, key *eventschema.DataKey) {
	if c.keys == nil {
		c.keys = make(map[uuid.UUID]*eventschema.DataKey)
	}
	if len(c.keys) >= keysCached {
		for id := range c.keys { // any one will do
			delete(c.keys, id)
			break
		}
	}
	c.keys[customer] = key
}
