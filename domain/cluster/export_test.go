package cluster

// Transformed returns the value that is standardised.
func Transformed(s Scale, value int64) float64 { return transform(s.Transform, s.Unit, value) }
