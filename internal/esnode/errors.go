package esnode

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// ErrLocked says that another process, or another node of this one, has the
// data folder open.
var ErrLocked = eventlog.ErrLocked

// exceptions are told in trailers, which clients turn into errors of their own.
const (
	trailerException = "exception"
	trailerStream    = "stream-name"
)

// answer turns an error of the log into a status, and sets the trailers that
// clients expect with it.
func answer(err error, setTrailer func(metadata.MD)) error {
	var (
		deleted *eventlog.StreamDeletedError
		wrong   *eventlog.WrongVersionError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &deleted):
		// Without the name the Go client panics.
		setTrailer(metadata.Pairs(trailerException, "stream-deleted", trailerStream, printable(deleted.Stream)))
		return status.Error(codes.FailedPrecondition, deleted.Error())
	case errors.As(err, &wrong):
		setTrailer(metadata.Pairs(trailerException, "wrong-expected-version", trailerStream, printable(wrong.Stream),
			"expected-version", strconv.FormatInt(int64(wrong.Expected), 10),
			"actual-version", strconv.FormatInt(wrong.Current, 10)))
		return status.Error(codes.FailedPrecondition, wrong.Error())
	case errors.Is(err, eventlog.ErrInvalid):
		return status.Error(codes.InvalidArgument, err.Error())
	case errors.Is(err, eventlog.ErrNoRoom):
		return status.Error(codes.ResourceExhausted, err.Error())
	case errors.Is(err, eventlog.ErrOutcomeUnknown):
		// The code by which clients know that a write may have happened.
		return status.Error(codes.DeadlineExceeded, err.Error())
	case errors.Is(err, eventlog.ErrClosed):
		return errShutdown
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.Internal, err.Error())
}

var errShutdown = status.Error(codes.Unavailable, "the node is shutting down")

func errTooLarge(setTrailer func(metadata.MD)) error {
	limit := strconv.Itoa(eventlog.MaxAppendSize)
	setTrailer(metadata.Pairs(trailerException, "maximum-append-size-exceeded", "maximum-append-size", limit))
	return status.Errorf(codes.InvalidArgument, "the append is larger than %s bytes", limit)
}

func errMissingMetadata(name string, setTrailer func(metadata.MD)) error {
	setTrailer(metadata.Pairs(trailerException, "missing-required-metadata-property", "required-metadata-properties", name))
	return status.Errorf(codes.InvalidArgument, "an event has no metadata %q", name)
}

// printable makes a stream's name fit for a trailer: others than printable
// ASCII characters are percent-encoded.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return url.PathEscape(name)
	}
	return name
}
