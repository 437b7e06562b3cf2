package eventlog

import (
	"errors"
	"fmt"
)

// What a Log answers, to be tested for with errors.Is or errors.As.
var (
	// ErrLocked says that another process, or another Log of this one, has the
	// data folder open.
	ErrLocked = errors.New("the data folder is in use")
	// ErrNoRoom says that the disk is full: nothing was stored.
	ErrNoRoom = errors.New("the disk is full: writing is refused until there is room, reading goes on")
	// ErrOutcomeUnknown says that the disk filled up, or writing was ended,
	// after the events were sequenced: they may or may not be stored later.
	ErrOutcomeUnknown = errors.New("the disk ran full, or failed, during the write: its outcome is unknown")
	// ErrFailed says that the disk failed: nothing can be stored until a restart.
	ErrFailed = errors.New("the disk has failed: writing is refused until a restart, reading goes on")
	// ErrClosed says that the Log is closed or closing.
	ErrClosed = errors.New("the log is closed")
	// ErrInvalid says that a request makes no sense.
	ErrInvalid = errors.New("invalid request")
)

// Expected is the revision a stream has to be at for a write: a revision, or
// one of the values below.
type Expected int64

// Expectations that are not a revision.
const (
	NoStream     Expected = -1
	Any          Expected = -2
	StreamExists Expected = -4
)

// WrongVersionError says that a stream is not where the writer expected it.
// Nothing was stored.
type WrongVersionError struct {
	Stream   string
	Expected Expected
	Current  int64 // the last revision; -1: no events
}

func (e *WrongVersionError) Error() string {
	return fmt.Sprintf("wrong expected version of stream %q: expected %d, it is %d", e.Stream, e.Expected, e.Current)
}

// StreamDeletedError says that a stream was tombstoned, or that StreamExists
// was expected of a soft-deleted one.
type StreamDeletedError struct{ Stream string }

func (e *StreamDeletedError) Error() string { return fmt.Sprintf("stream %q is deleted", e.Stream) }

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
