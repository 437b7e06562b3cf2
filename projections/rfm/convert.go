package rfm

import "github.com/rapport-crm/rapport/domain"

// convert returns an amount in another currency at a decimal rate per major unit.
func convert(m domain.Money, rate, into string) (domain.Money, bool) { return m.Convert(rate, into) }

// share returns whole × part / of; all of it where there is nothing to share by.
func share(whole, part, of int64) int64 { return domain.ShareMinor(whole, part, of) }

// add returns a sum of amounts that stops at the greatest there is.
func add(a, b int64) int64 { return domain.AddMinor(a, b) }

func clamp(v int64) int64 { return domain.ClampMinor(v) }
