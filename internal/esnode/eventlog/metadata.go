package eventlog

import (
	"encoding/json"
	"math"
	"strings"
	"time"
)

// Names of streams and events with a meaning of their own.
const (
	metastreamPrefix  = "$$"
	typeMetadata      = "$metadata"
	typeStreamDeleted = "$streamDeleted"
)

// truncatedAll is the $tb of a soft-deleted stream.
const truncatedAll = math.MaxInt64

// StreamMetadata is what a stream's metadata says about truncation.
type StreamMetadata struct {
	MaxCount       int64         // 0: no limit
	MaxAge         time.Duration // 0: no limit
	TruncateBefore int64         // 0: nothing
}

// IsMetastream reports whether a name is of a stream of metadata.
func IsMetastream(stream string) bool { return strings.HasPrefix(stream, metastreamPrefix) }

// metastreamOf names the stream that holds a stream's metadata.
func metastreamOf(stream string) string { return metastreamPrefix + stream }

// originalOf names the stream whose metadata a metastream holds.
func originalOf(metastream string) string { return metastream[len(metastreamPrefix):] }

// parseMetadata reads a metadata event. What is not positive is ignored, and
// what cannot be read is no metadata at all.
func parseMetadata(data []byte) StreamMetadata {
	var raw struct {
		MaxCount       *number `json:"$maxCount"`
		MaxAge         *number `json:"$maxAge"`
		TruncateBefore *number `json:"$tb"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return StreamMetadata{}
	}
	age := raw.MaxAge.positive()
	if age > math.MaxInt64/int64(time.Second) {
		age = 0 // longer than time: no limit
	}
	return StreamMetadata{
		MaxCount:       raw.MaxCount.positive(),
		MaxAge:         time.Duration(age) * time.Second,
		TruncateBefore: raw.TruncateBefore.positive(),
	}
}

// number is a JSON integer. Numbers that other clients have rounded to a float
// beyond the largest integer count as the largest.
type number int64

// UnmarshalJSON reads an integer, or a whole float.
func (n *number) UnmarshalJSON(b []byte) error {
	var exact int64
	if json.Unmarshal(b, &exact) == nil {
		*n = number(exact)
		return nil
	}
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	switch {
	case f >= math.MaxInt64:
		*n = math.MaxInt64
	case f <= math.MinInt64:
		*n = math.MinInt64
	default:
		*n = number(f)
	}
	return nil
}

func (n *number) positive() int64 {
	if n == nil || *n < 0 {
		return 0
	}
	return int64(*n)
}

// withTruncateBefore returns metadata with another $tb and all else kept.
func withTruncateBefore(data []byte, revision int64) []byte {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		members = map[string]json.RawMessage{}
	}
	tb, _ := json.Marshal(revision)
	members["$tb"] = tb
	out, _ := json.Marshal(members)
	return out
}
