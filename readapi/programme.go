package readapi

import (
	"slices"

	"github.com/rapport-crm/rapport/internal/web"
)

// programmeRoutes are the queries about the accounts of all members together.
func (a *API) programmeRoutes() []web.Route {
	return slices.Concat(
		[]web.Route{a.liabilityRoute()},
		a.loyaltyListRoutes(),
		[]web.Route{a.loyaltyExportRoute()},
		a.tierRoutes(),
	)
}
