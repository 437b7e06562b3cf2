package projections_test

import (
	"hash/fnv"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/projections"
)

// The partition of a customer is part of the stored form: it never changes.
func TestPartitionOf(t *testing.T) {
	for range 1000 {
		id := uuid.New()
		h := fnv.New32a()
		h.Write([]byte(id.String()))
		if got, want := projections.PartitionOf(id, 64), int(h.Sum32()%64); got != want {
			t.Fatalf("%s: partition %d, want %d", id, got, want)
		}
	}
	if got := projections.PartitionOf(uuid.MustParse("0191d9e0-0000-7000-8000-000000000001"), 64); got != 62 {
		t.Errorf("a fixed id moved to partition %d", got)
	}
}
