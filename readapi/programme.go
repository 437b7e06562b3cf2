package readapi

import "github.com/rapport-crm/rapport/internal/web"

// programmeRoutes are the queries about the accounts of all members together.
func (a *API) programmeRoutes() []web.Route {
	return []web.Route{
		a.loyaltyExportRoute(),
		a.liabilityRoute(),
	}
}
