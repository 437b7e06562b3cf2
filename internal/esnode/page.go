package esnode

import (
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// pageSize is how many encoded bytes are gathered before they are sent. It
// bounds the memory of a reader whose client stands still, and how long a scan
// holds the storage engine's files.
const pageSize = 128 << 10

// page gathers encoded messages, so that nothing of the storage engine is held
// while a client takes its time.
type page struct {
	idAsString bool
	wasFull    bool // the page sent last

	bytes []byte
	ends  []int // where in bytes each message ends
	msg   frame
}

// event adds an event, or a link with its target, or a link without one.
func (p *page) event(event, link *eventlog.Record) {
	p.grow()
	p.bytes = appendEvent(p.bytes, event, link, p.idAsString)
	p.ends = append(p.ends, len(p.bytes))
}

// checkpoint adds a checkpoint.
func (p *page) checkpoint(position uint64) {
	p.grow()
	p.bytes = appendCheckpoint(p.bytes, position)
	p.ends = append(p.ends, len(p.bytes))
}

// caughtUp adds the word that the subscription is live.
func (p *page) caughtUp() {
	p.grow()
	p.bytes = appendCaughtUp(p.bytes)
	p.ends = append(p.ends, len(p.bytes))
}

// grow makes room for a page at once when many are to be expected.
func (p *page) grow() {
	if p.bytes == nil && p.wasFull {
		p.bytes = make([]byte, 0, pageSize+pageSize/8)
	}
}

func (p *page) full() bool { return len(p.bytes) >= pageSize }

// send sends the messages and empties the page. The bytes are the transport's
// from then on; the next page has others.
func (p *page) send(client api.Streams_ReadServer) error {
	p.wasFull = p.full()
	start := 0
	for _, end := range p.ends {
		p.msg.bytes = p.bytes[start:end:end]
		if err := client.SendMsg(&p.msg); err != nil {
			return err
		}
		start = end
	}
	p.bytes, p.ends = nil, p.ends[:0]
	return nil
}
