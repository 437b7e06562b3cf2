package commands

import (
	"net/http"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/internal/web"
)

// StaffList is the people who work for us.
type StaffList struct {
	Employees []staff.Employee `json:"employees"` // by id
	Position  uint64           `json:"position"`
}

var staffParams = append([]web.Param{
	{Name: "active", In: "query", Type: "boolean", Detail: "only those who are active, or only those who are not"},
	{Name: "role", In: "query", Detail: "only those who have the role"},
}, minPosition...)

func (a *API) staffRoute() web.Route {
	return web.Route{
		Method: http.MethodGet, Path: "/v1/staff", Summary: "The people who work for us", Tag: "staff", Params: staffParams,
		Answers: []web.Answer{{Status: http.StatusOK, Body: StaffList{}}}, Refuses: []string{ErrBehind.Code},
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			active, role := r.URL.Query().Get("active"), r.URL.Query().Get("role")
			var p domain.Problems
			if p.OneOf("/active", active, "true", "false"); p.Err() != nil {
				return p.Err()
			}
			facts, err := a.facts(r)
			if err != nil {
				return err
			}
			list := StaffList{Employees: []staff.Employee{}, Position: facts.Position}
			for e := range facts.Staff.All() {
				if active != "" && e.Active != (active == "true") || role != "" && !e.In(role) {
					continue
				}
				if e.Roles == nil {
					e.Roles = []string{}
				}
				list.Employees = append(list.Employees, e)
			}
			return web.WriteJSON(w, http.StatusOK, list)
		},
	}
}
