package esnode

import (
	"bytes"
	"regexp"
	"strings"

	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// filter chooses events of $all by stream name or event type.
type filter struct {
	byType   bool
	regex    *regexp.Regexp // nil: prefixes
	prefixes [][]byte

	// interval is after how many events considered a checkpoint is sent.
	interval uint64
}

// countWindow is the window of a filter that names none.
const countWindow = 32

// newFilter reads the filter of a request; nil without one.
func newFilter(o *api.ReadReq_Options) (*filter, error) {
	f := o.GetFilter()
	if f == nil {
		return nil, nil
	}
	out := &filter{}
	var expression *api.ReadReq_Options_FilterOptions_Expression
	switch by := f.Filter.(type) {
	case *api.ReadReq_Options_FilterOptions_StreamIdentifier:
		expression = by.StreamIdentifier
	case *api.ReadReq_Options_FilterOptions_EventType:
		expression, out.byType = by.EventType, true
	}
	if expression == nil {
		return nil, status.Error(codes.InvalidArgument, "the filter says neither stream name nor event type")
	}
	if expression.Regex != "" {
		re, err := regexp.Compile(expression.Regex)
		if err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "the filter's expression: %v", err)
		}
		out.regex = re
	} else if len(expression.Prefix) == 0 {
		return nil, status.Error(codes.InvalidArgument, "the filter has neither an expression nor prefixes")
	}
	for _, p := range expression.Prefix {
		out.prefixes = append(out.prefixes, []byte(p))
	}
	window := uint64(countWindow)
	if w, ok := f.Window.(*api.ReadReq_Options_FilterOptions_Max); ok {
		window = uint64(w.Max)
	}
	out.interval = window * uint64(f.CheckpointIntervalMultiplier)
	return out, nil
}

// match reports whether an event is chosen. A link is judged as itself.
func (f *filter) match(r *eventlog.Record) bool {
	subject := r.Stream
	if f.byType {
		subject = r.Type
	}
	if f.regex != nil {
		return f.regex.Match(subject)
	}
	for _, p := range f.prefixes {
		if bytes.HasPrefix(subject, p) {
			return true
		}
	}
	return false
}

// hidden reports whether an event is never shown in $all: what a server keeps
// there for itself.
func hidden(stream []byte) bool {
	if len(stream) == 0 || stream[0] != '$' {
		return false
	}
	s := string(stream)
	return s == "$epoch-information" || strings.HasPrefix(s, "$persistentsubscription-$all::") &&
		(strings.HasSuffix(s, "-checkpoint") || strings.HasSuffix(s, "-parked"))
}
