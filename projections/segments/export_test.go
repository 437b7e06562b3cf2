package segments

import "github.com/rapport-crm/rapport/domain/customer"

// Afresh computes what follows from calibrations.
var Afresh = (*Document).stand

// PartsOf lists the parts of a customer that an event can change; nil is all.
func PartsOf(e customer.Event) []string { return partsOf(e) }
