package esnode

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// streams is the Streams service.
type streams struct {
	api.UnimplementedStreamsServer
	node *Node
}

// Append stores the events of a request stream: options first, then one
// message per event.
func (s *streams) Append(stream api.Streams_AppendServer) error {
	var p proposal
	var m appendMessage
	for {
		err := stream.RecvMsg(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		// After an error the rest is read all the same: a client that is
		// cut off while it sends never sees why.
		if p.err == nil {
			p.err = p.add(&m, stream.SetTrailer)
		}
	}
	if p.err == nil && p.stream == "" {
		p.err = status.Error(codes.InvalidArgument, "the request has no options or no stream")
	}
	if p.err != nil {
		return p.err
	}
	result, err := s.node.log.Append(stream.Context(), p.stream, p.expected, p.events)
	var wrong *eventlog.WrongVersionError
	if errors.As(err, &wrong) {
		return stream.SendAndClose(wrongVersion(wrong))
	}
	if err != nil {
		return answer(err, stream.SetTrailer)
	}
	return stream.SendAndClose(appended(result))
}

// proposal is an append as far as it has been received.
type proposal struct {
	stream   string
	expected eventlog.Expected
	events   []eventlog.Proposed
	size     int
	err      error
}

// add takes in one message.
func (p *proposal) add(m *appendMessage, setTrailer func(metadata.MD)) error {
	switch e := m.event; {
	case m.err != nil:
		return m.err
	case m.options != nil && p.stream != "":
		return status.Error(codes.InvalidArgument, "the request has options twice")
	case m.options != nil && !m.options.valid:
		return errExpectation
	case m.options != nil:
		p.stream, p.expected = m.options.stream, m.options.expected
	case e == nil:
		return status.Error(codes.InvalidArgument, "a message of the request is empty")
	case p.stream == "":
		return status.Error(codes.InvalidArgument, "the request does not begin with options that name a stream")
	case !e.hasType:
		return errMissingMetadata("type", setTrailer)
	case !e.hasContentType:
		return errMissingMetadata("content-type", setTrailer)
	default:
		if p.size += len(e.Data) + len(e.Metadata) + 2*len(e.Type); p.size > eventlog.MaxAppendSize {
			p.events = nil
			return errTooLarge(setTrailer)
		}
		p.events = append(p.events, e.Proposed)
	}
	return nil
}

var errExpectation = status.Error(codes.InvalidArgument, "the request has no expected revision, or an impossible one")

// expectation reads the expected revision of a deletion.
func expectation(v any) (eventlog.Expected, error) {
	revision := uint64(math.MaxUint64)
	switch e := v.(type) {
	case *api.DeleteReq_Options_Any, *api.TombstoneReq_Options_Any:
		return eventlog.Any, nil
	case *api.DeleteReq_Options_NoStream, *api.TombstoneReq_Options_NoStream:
		return eventlog.NoStream, nil
	case *api.DeleteReq_Options_StreamExists, *api.TombstoneReq_Options_StreamExists:
		return eventlog.StreamExists, nil
	case *api.DeleteReq_Options_Revision:
		revision = e.Revision
	case *api.TombstoneReq_Options_Revision:
		revision = e.Revision
	}
	if revision > math.MaxInt64 {
		return 0, errExpectation
	}
	return eventlog.Expected(revision), nil
}

func appended(r eventlog.Result) *api.AppendResp {
	success := &api.AppendResp_Success{
		CurrentRevisionOption: &api.AppendResp_Success_CurrentRevision{CurrentRevision: uint64(r.Revision)},
		PositionOption: &api.AppendResp_Success_Position{
			Position: &api.AppendResp_Position{CommitPosition: r.Position, PreparePosition: r.Position}},
	}
	if r.Revision < 0 {
		success.CurrentRevisionOption = &api.AppendResp_Success_NoStream{NoStream: &shared.Empty{}}
	}
	if r.Position == 0 {
		success.PositionOption = &api.AppendResp_Success_NoPosition{NoPosition: &shared.Empty{}}
	}
	return &api.AppendResp{Result: &api.AppendResp_Success_{Success: success}}
}

// wrongVersion is the answer to an append at the wrong revision, in the fields
// of old and new clients alike.
func wrongVersion(e *eventlog.WrongVersionError) *api.AppendResp {
	w := &api.AppendResp_WrongExpectedVersion{
		CurrentRevisionOption_20_6_0: &api.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{CurrentRevision_20_6_0: uint64(e.Current)},
		CurrentRevisionOption:        &api.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: uint64(e.Current)},
	}
	if e.Current < 0 {
		w.CurrentRevisionOption_20_6_0 = &api.AppendResp_WrongExpectedVersion_NoStream_20_6_0{NoStream_20_6_0: &shared.Empty{}}
		w.CurrentRevisionOption = &api.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
	}
	switch e.Expected {
	case eventlog.Any:
		w.ExpectedRevisionOption_20_6_0 = &api.AppendResp_WrongExpectedVersion_Any_20_6_0{Any_20_6_0: &shared.Empty{}}
		w.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
	case eventlog.StreamExists:
		w.ExpectedRevisionOption_20_6_0 = &api.AppendResp_WrongExpectedVersion_StreamExists_20_6_0{StreamExists_20_6_0: &shared.Empty{}}
		w.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}}
	case eventlog.NoStream:
		// The old field knows no name for this; its value is -1.
		w.ExpectedRevisionOption_20_6_0 = &api.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: math.MaxUint64}
		w.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
	default:
		w.ExpectedRevisionOption_20_6_0 = &api.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: uint64(e.Expected)}
		w.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: uint64(e.Expected)}
	}
	return &api.AppendResp{Result: &api.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: w}}
}

// Delete deletes a stream softly.
func (s *streams) Delete(ctx context.Context, req *api.DeleteReq) (*api.DeleteResp, error) {
	expected, err := expectation(req.GetOptions().GetExpectedStreamRevision())
	if err != nil {
		return nil, err
	}
	position, err := s.node.log.Delete(ctx, string(req.GetOptions().GetStreamIdentifier().GetStreamName()), expected)
	if err != nil {
		return nil, answer(err, trailerOf(ctx))
	}
	return &api.DeleteResp{PositionOption: &api.DeleteResp_Position_{
		Position: &api.DeleteResp_Position{CommitPosition: position, PreparePosition: position}}}, nil
}

// Tombstone deletes a stream for good.
func (s *streams) Tombstone(ctx context.Context, req *api.TombstoneReq) (*api.TombstoneResp, error) {
	expected, err := expectation(req.GetOptions().GetExpectedStreamRevision())
	if err != nil {
		return nil, err
	}
	position, err := s.node.log.Tombstone(ctx, string(req.GetOptions().GetStreamIdentifier().GetStreamName()), expected)
	if err != nil {
		return nil, answer(err, trailerOf(ctx))
	}
	return &api.TombstoneResp{PositionOption: &api.TombstoneResp_Position_{
		Position: &api.TombstoneResp_Position{CommitPosition: position, PreparePosition: position}}}, nil
}

// trailerOf sets trailers of a unary call. It can only fail outside of one.
func trailerOf(ctx context.Context) func(metadata.MD) {
	return func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) }
}
