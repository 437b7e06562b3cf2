// Package projections folds the log into the documents that queries read.
//
// A [View] is pure: a document per customer and what follows from it. A
// [Partition] applies the events of some of the customers to all views, in the
// order of the log, and writes what became of them together with its checkpoint.
// A [Feed] hands each partition its part of the log as a Watermill subscriber; a
// [Group] runs them all behind a Watermill router. The [Manager] decides which
// generations of which views exist, rebuilds them beside the serving ones, and
// compares them with the log.
package projections
