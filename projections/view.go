// Package projections folds the log into the documents that queries read.
package projections

import "github.com/google/uuid"

// Event is an event of the log as a view sees it.
//
// View, World, Partition, Feed and Group are explained in their own files.

// PartitionOf returns the partition of a customer: FNV-1a over the lower-case
// text of the id, modulo the number of partitions. It never changes.
func PartitionOf(customer uuid.UUID, partitions int) int {
	const offset, prime = 2166136261, 16777619
	h := uint32(offset)
	var text [36]byte
	encodeUUID(&text, customer)
	for _, c := range text {
		h = (h ^ uint32(c)) * prime
	}
	return int(h % uint32(partitions))
}

func encodeUUID(dst *[36]byte, id uuid.UUID) {
	b, _ := id.MarshalText()
	copy(dst[:], b)
}
