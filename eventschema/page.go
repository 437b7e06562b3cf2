package eventschema

// Page is a run of events of the log, in order.
type Page struct {
	Events []Raw
	End    uint64 // the log was considered up to and including this position
	Live   bool   // nothing more was there when the page was cut
}
