package esdb

import (
	"errors"
	"fmt"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/rapport-crm/rapport/commands"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What a Store answers beside the errors of commands.Log.
var (
	// ErrUnavailable says that the store could not be reached and that nothing was stored.
	ErrUnavailable = commands.ErrUnavailable
	// ErrTooLarge says that the events of one append are more than a store takes.
	ErrTooLarge = commands.ErrTooLarge
)

// is reports whether err has a code of the library. Its own FromError does not
// look through wrapped errors.
func is(err error, code esdb.ErrorCode) bool {
	var e *esdb.Error
	return errors.As(err, &e) && e.IsErrorCode(code)
}

// grpcCode returns the gRPC code inside of err, and Unknown if there is none.
func grpcCode(err error) codes.Code { return status.Code(err) }

// lost reports whether err says that the node went away or the client is dead.
func lost(err error) bool {
	return grpcCode(err) == codes.Unavailable || is(err, esdb.ErrorUnavailable) || is(err, esdb.ErrorCodeConnectionClosed)
}

// again reports whether a call that failed with err may go well later on.
func again(err error) bool {
	switch {
	case lost(err), is(err, esdb.ErrorCodeNotLeader), is(err, esdb.ErrorAborted), errors.Is(err, errSessionEnded):
		return true
	}
	// The library closes its connection under other calls when it moves to another leader.
	return grpcCode(err) == codes.Canceled && status.Convert(err).Message() == status.Convert(grpc.ErrClientConnClosing).Message()
}

// notFound reports whether a stream was said not to exist. A gRPC status
// NotFound is no such answer: whatever stands between us and the store can give it.
func notFound(err error) bool {
	var e *esdb.Error
	if !errors.As(err, &e) || !e.IsErrorCode(esdb.ErrorCodeResourceNotFound) {
		return false
	}
	_, fromRPC := status.FromError(e.Err())
	return !fromRPC
}

// An outcome is what is known of the events of an append that failed.
type outcome int

const (
	unknown   outcome = iota // they may have been stored
	notStored                // they were not, and will not be
)

// outcomeOf judges the error of an append. What it does not know for certain
// is unknown.
func outcomeOf(err error) outcome {
	var e *esdb.Error
	if !errors.As(err, &e) {
		return unknown
	}
	switch e.Code() {
	case esdb.ErrorCodeConnectionClosed, // no connection was had
		esdb.ErrorCodeNotLeader, esdb.ErrorCodeWrongExpectedVersion, esdb.ErrorCodeStreamDeleted,
		esdb.ErrorCodeAccessDenied, esdb.ErrorCodeUnauthenticated, esdb.ErrorCodeUnsupportedFeature,
		esdb.ErrorCodeResourceNotFound, esdb.ErrorCodeResourceAlreadyExists:
		return notStored
	}
	switch grpcCode(e.Err()) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange, codes.ResourceExhausted:
		return notStored
	}
	// The store begins to write when it has the end of the request. The library
	// sends that after these: no node was found, the call could not begin, an
	// event could not be sent.
	for _, text := range []string{"maximum discovery attempt count reached", "could not construct append operation", "could not send append request"} {
		if strings.Contains(err.Error(), text) {
			return notStored
		}
	}
	return unknown
}

// cutOff reports whether a store ended an append before it had all of it. Why, the
// library does not tell: a broken connection and a refusal look the same.
func cutOff(err error) bool { return strings.Contains(err.Error(), "could not send append request") }

// tooLarge reports whether a store refused an append for its size.
func tooLarge(err error) bool {
	return grpcCode(err) == codes.ResourceExhausted && strings.Contains(err.Error(), "larger than max") ||
		grpcCode(err) == codes.InvalidArgument && strings.Contains(err.Error(), "Maximum Append Size")
}

// unavailable wraps ErrUnavailable and what the matter is around each other.
func unavailable(cause error) error { return fmt.Errorf("%w (%w)", ErrUnavailable, cause) }
