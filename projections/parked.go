package projections

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/operations"
)

// parkedSet is the events that an operator wants passed over, as the operations
// stream says.
type parkedSet struct {
	mu     sync.RWMutex
	events map[uuid.UUID]operations.EventParked
	next   uint64
	read   bool
}

func (p *parkedSet) has(event uuid.UUID) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	_, ok := p.events[event]
	return ok
}

func (p *parkedSet) list() []operations.EventParked {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var all []operations.EventParked
	for _, e := range p.events {
		all = append(all, e)
	}
	return all
}

func (p *parkedSet) refreshOnce(ctx context.Context, streams Streams, schema Schema) error {
	p.mu.RLock()
	read := p.read
	p.mu.RUnlock()
	if read {
		return nil
	}
	return p.refresh(ctx, streams, schema)
}

// refresh reads on in the operations stream.
func (p *parkedSet) refresh(ctx context.Context, streams Streams, schema Schema) error {
	p.mu.RLock()
	next := p.next
	p.mu.RUnlock()
	for raw, err := range streams.Read(ctx, operations.Stream, next) {
		if err != nil {
			return fmt.Errorf("read %s: %w", operations.Stream, err)
		}
		e, err := schema.Open(raw, nil)
		if err != nil {
			return fmt.Errorf("read %s: %w", operations.Stream, err)
		}
		p.mu.Lock()
		if parked, ok := e.Data.(operations.EventParked); ok {
			if p.events == nil {
				p.events = map[uuid.UUID]operations.EventParked{}
			}
			p.events[parked.EventID] = parked
		}
		p.next = raw.Revision + 1
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read = true
	return nil
}
