package esnode

import (
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// Read serves reads of a stream or of the whole log, and subscriptions to them.
func (s *streams) Read(req *api.ReadReq, stream api.Streams_ReadServer) error {
	r, err := newReader(s.node, req.GetOptions(), stream)
	if err != nil {
		return err
	}
	switch {
	case r.subscription && r.stream != "":
		err = r.subscribeToStream()
	case r.subscription:
		err = r.subscribeToAll()
	case r.stream != "":
		err = r.readStream()
	default:
		err = r.readAll()
	}
	return answer(err, stream.SetTrailer)
}

// reader serves one Read call.
type reader struct {
	log    *eventlog.Log
	down   <-chan struct{} // closed when the node shuts down
	client api.Streams_ReadServer

	stream       string // empty: $all
	from         bound
	backwards    bool
	subscription bool
	left         uint64 // events still to be delivered
	filter       *filter
	resolveLinks bool
	page         page
}

// bound is where a read begins: at the start, at the end, or at a revision or
// position.
type bound struct {
	start, end bool
	at         uint64
}

func newReader(n *Node, o *api.ReadReq_Options, client api.Streams_ReadServer) (*reader, error) {
	r := &reader{log: n.log, down: n.down, client: client,
		backwards: o.GetReadDirection() == api.ReadReq_Options_Backwards, resolveLinks: o.GetResolveLinks()}
	_, r.page.idAsString = o.GetUuidOption().GetContent().(*api.ReadReq_Options_UUIDOption_String_)
	var err error
	if r.filter, err = newFilter(o); err != nil {
		return nil, err
	}
	switch which := o.GetStreamOption().(type) {
	case *api.ReadReq_Options_Stream:
		r.stream = string(which.Stream.GetStreamIdentifier().GetStreamName())
		switch from := which.Stream.GetRevisionOption().(type) {
		case *api.ReadReq_Options_StreamOptions_Revision:
			r.from.at = from.Revision
		case *api.ReadReq_Options_StreamOptions_End:
			r.from.end = true
		default:
			r.from.start = true
		}
		if r.stream == "" || r.filter != nil {
			return nil, status.Error(codes.InvalidArgument, "the stream has no name, or a filter, which only $all can have")
		}
	case *api.ReadReq_Options_All:
		switch from := which.All.GetAllOption().(type) {
		case *api.ReadReq_Options_AllOptions_Position:
			r.from.at = from.Position.GetCommitPosition()
		case *api.ReadReq_Options_AllOptions_End:
			r.from.end = true
		default:
			r.from.start = true
		}
	default:
		return nil, status.Error(codes.InvalidArgument, "the request says neither a stream nor $all")
	}
	switch many := o.GetCountOption().(type) {
	case *api.ReadReq_Options_Count:
		if r.left = many.Count; r.left == 0 {
			return nil, status.Error(codes.InvalidArgument, "the count must be positive")
		}
	case *api.ReadReq_Options_Subscription:
		r.subscription, r.left = true, math.MaxUint64
		if r.backwards {
			return nil, status.Error(codes.InvalidArgument, "a subscription cannot go backwards")
		}
		if r.filter != nil && r.filter.interval == 0 {
			return nil, status.Error(codes.InvalidArgument, "the filter's window and checkpoint interval must be positive")
		}
	default:
		return nil, status.Error(codes.InvalidArgument, "the request says neither a count nor a subscription")
	}
	return r, nil
}

// readStream serves a read of a stream.
func (r *reader) readStream() error {
	s, err := r.log.Stream(r.stream)
	switch {
	case err != nil:
		return err
	case s.Tombstoned:
		return &eventlog.StreamDeletedError{Stream: r.stream}
	case !s.Exists():
		return r.client.Send(&api.ReadResp{Content: &api.ReadResp_StreamNotFound_{
			StreamNotFound: &api.ReadResp_StreamNotFound{
				StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(r.stream)}}}})
	}
	if r.backwards {
		return r.readStreamBack(s)
	}
	if r.from.end || r.from.at > uint64(s.Last) {
		return nil
	}
	for next := int64(r.from.at); next <= s.Last && r.left > 0; {
		at := s.Last + 1
		err := r.log.ScanStream(s, next, s.Last, func(rec *eventlog.Record) bool {
			at = rec.Revision + 1
			return r.take(rec)
		})
		if err == nil {
			err = r.flush()
		}
		if err != nil {
			return err
		}
		next = at
	}
	return nil
}

func (r *reader) readStreamBack(s eventlog.Stream) error {
	next := s.Last
	if r.from.start {
		next = 0
	} else if !r.from.end && r.from.at < uint64(s.Last) {
		next = int64(r.from.at)
	}
	for next >= 0 && r.left > 0 {
		at := int64(-1)
		err := r.log.ScanStreamBack(s, next, func(rec *eventlog.Record) bool {
			at = rec.Revision - 1
			return r.take(rec)
		})
		if err == nil {
			err = r.flush()
		}
		if err != nil {
			return err
		}
		if !r.page.wasFull {
			return nil
		}
		next = at
	}
	return nil
}

// readAll serves a read of the whole log, as it was when the read began.
func (r *reader) readAll() error {
	if r.backwards {
		return r.readAllBack()
	}
	end := r.log.Durable()
	if r.from.end {
		return nil
	}
	for next := r.from.at; next <= end && r.left > 0; {
		considered := 0
		to, err := r.log.ScanAll(next, func(rec *eventlog.Record) bool {
			if rec.Position > end {
				return false
			}
			considered++
			return r.takeFiltered(rec) && considered < maxConsidered
		})
		if err == nil {
			err = r.flush()
		}
		if err != nil {
			return err
		}
		next = to + 1
	}
	return nil
}

func (r *reader) readAllBack() error {
	before := uint64(math.MaxUint64)
	if r.from.start {
		return nil
	} else if !r.from.end {
		before = r.from.at
	}
	for more := true; more && r.left > 0; {
		more = false
		considered := 0
		err := r.log.ScanAllBack(before, func(rec *eventlog.Record) bool {
			before = rec.Position
			considered++
			if r.takeFiltered(rec) && considered < maxConsidered {
				return true
			}
			more = true
			return false
		})
		if err == nil {
			err = r.flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// maxConsidered bounds how long one scan looks for events that a filter lets
// through, so that the storage engine's files are not held for long.
const maxConsidered = 1 << 14

// takeFiltered puts an event of $all into the page if it is to be shown.
func (r *reader) takeFiltered(rec *eventlog.Record) (more bool) {
	if hidden(rec.Stream) || r.filter != nil && !r.filter.match(rec) {
		return true
	}
	return r.take(rec)
}

// take puts an event into the page. It reports whether another fits.
func (r *reader) take(rec *eventlog.Record) (more bool) {
	r.left--
	if r.resolveLinks && string(rec.Type) == linkType {
		r.takeLink(rec)
	} else {
		r.page.event(rec, nil)
	}
	return r.left > 0 && !r.page.full()
}

// flush sends the page.
func (r *reader) flush() error { return r.page.send(r.client) }
