// Package projections folds the log into the documents that queries read.
//
// A [View] is pure: a document per customer and what follows from it. A
// [Partition] applies the events of some of the customers to all views, in the
// order of the log, and writes what became of them together with its checkpoint.
// A [Feed] hands each partition its part of the log as a Watermill subscriber; a
// [Group] runs them all behind a Watermill router. The [Manager] decides which
// generations of which views exist, rebuilds them beside the serving ones, and
// compares them with the log.
//
// # Memory
//
// What a process holds is bounded: the log on its way to the partitions by
// Settings.FeedBytes (64 MiB, and one page) for each group, documents by
// Manager.LiveBytes (256 MiB) and, while there is a rebuild, Manager.RebuildBytes
// (384 MiB), as estimated from the bytes of the events and the stored documents.
//
// # Watermill
//
// The router gives recovery, retries and a drain. It starts a goroutine for each
// message and keeps no order: the feed does, by sending a lane's next message
// when the last one is acked. Messages carry a context of the group's own,
// because the router cancels its own before it waits at the end. PoisonQueue is
// not used: it would drop a whole message for the sake of one event.
package projections
