package staff_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/staff"
)

var (
	run     = domaintest.Run[State, Event]
	herself = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-000000000001")
	ann     = EmployeeEnrolled{EmployeeID: "ann", Name: "Ann Lee", Roles: []string{"sales", "service"}, Capacity: 200, CustomerID: herself}
	gone    = EmployeeDeactivated{EmployeeID: "ann"}
	back    = EmployeeReactivated{EmployeeID: "ann"}
)

type spec = domaintest.Spec[State, Event]

func ptr[T any](v T) *T { return &v }

func TestEnrolEmployee(t *testing.T) {
	cmd := EnrolEmployee{EmployeeID: "ann", Name: "Ann Lee", Roles: []string{"service", "sales", "sales"}, Capacity: 200, CustomerID: herself}
	run(t, []spec{
		{Name: "somebody works for us", When: cmd, Then: []Event{ann}},
		{Name: "without roles, without a limit", When: EnrolEmployee{EmployeeID: "bob", Name: "Bob"}, Then: []Event{EmployeeEnrolled{EmployeeID: "bob", Name: "Bob"}}},
		{Name: "just so already", Given: []Event{ann}, When: cmd},
		{Name: "otherwise already", Given: []Event{ann}, When: EnrolEmployee{EmployeeID: "ann", Name: "Ann Lee"}, Error: ErrExists},
		{Name: "and gone", Given: []Event{ann, gone}, When: cmd, Error: ErrExists},
		{
			Name:  "everything is wrong",
			When:  EnrolEmployee{EmployeeID: "ann lee", Roles: []string{"sales", "a/b"}, Capacity: -1},
			Error: domain.ErrValidation, Fields: []string{"/employee_id", "/name", "/roles/1", "/capacity"},
		},
		{Name: "nobody", When: EnrolEmployee{Name: "Ann"}, Error: domain.ErrValidation, Fields: []string{"/employee_id"}},
		{
			Name: "too much", When: EnrolEmployee{EmployeeID: strings.Repeat("a", 101), Name: strings.Repeat("a", 201), Roles: make([]string, 21), Capacity: 100_001},
			Error: domain.ErrValidation, Fields: []string{"/employee_id", "/name", "/roles", "/capacity"},
		},
	})
}

func TestChangeEmployee(t *testing.T) {
	run(t, []spec{
		{
			Name: "what is given changes", Given: []Event{ann},
			When: ChangeEmployee{EmployeeID: "ann", Name: ptr("Ann Berg"), Capacity: ptr(200), Roles: ptr([]string{"dpo"})},
			Then: []Event{EmployeeChanged{EmployeeID: "ann", Name: ptr("Ann Berg"), Roles: ptr([]string{"dpo"})}},
		},
		{
			Name: "no roles, no limit, no record of her own", Given: []Event{ann},
			When: ChangeEmployee{EmployeeID: "ann", Roles: ptr([]string{}), Capacity: ptr(0), CustomerID: ptr(uuid.Nil)},
			Then: []Event{EmployeeChanged{EmployeeID: "ann", Roles: ptr([]string{}), Capacity: ptr(0), CustomerID: ptr(uuid.Nil)}},
		},
		{Name: "what is so already stays", Given: []Event{ann}, When: ChangeEmployee{EmployeeID: "ann", Name: ptr("Ann Lee"), Roles: ptr([]string{"service", "sales"}), CustomerID: &herself}},
		{Name: "nothing", Given: []Event{ann}, When: ChangeEmployee{EmployeeID: "ann"}},
		{Name: "nobody", When: ChangeEmployee{EmployeeID: "ann"}, Error: ErrUnknown},
		{
			Name: "everything is wrong", Given: []Event{ann},
			When:  ChangeEmployee{EmployeeID: "", Name: ptr(""), Roles: ptr([]string{""}), Capacity: ptr(-1)},
			Error: domain.ErrValidation, Fields: []string{"/employee_id", "/name", "/roles/0", "/capacity"},
		},
	})
}

func TestDeactivateAndReactivate(t *testing.T) {
	run(t, []spec{
		{Name: "she leaves", Given: []Event{ann}, When: DeactivateEmployee{EmployeeID: "ann"}, Then: []Event{gone}},
		{Name: "she has left", Given: []Event{ann, gone}, When: DeactivateEmployee{EmployeeID: "ann"}},
		{Name: "nobody leaves", When: DeactivateEmployee{EmployeeID: "ann"}, Error: ErrUnknown},
		{Name: "no name", When: DeactivateEmployee{}, Error: domain.ErrValidation, Fields: []string{"/employee_id"}},
		{Name: "she comes back", Given: []Event{ann, gone}, When: ReactivateEmployee{EmployeeID: "ann"}, Then: []Event{back}},
		{Name: "she is here", Given: []Event{ann}, When: ReactivateEmployee{EmployeeID: "ann"}},
		{Name: "nobody comes back", When: ReactivateEmployee{EmployeeID: "ann"}, Error: ErrUnknown},
		{Name: "no name comes back", When: ReactivateEmployee{}, Error: domain.ErrValidation, Fields: []string{"/employee_id"}},
	})
}

func TestState(t *testing.T) {
	var none State
	one := none.Evolve(ann)
	left := one.Evolve(gone)
	changed := one.Evolve(EmployeeChanged{EmployeeID: "ann", Capacity: ptr(3), Roles: ptr([]string{"dpo"})})
	for name, c := range map[string]struct {
		s           State
		active, has bool
		capacity    int
	}{
		"nobody": {none, false, false, 0}, "active": {one, true, true, 200}, "left": {left, false, false, 200},
		"back": {left.Evolve(back), true, true, 200}, "changed": {changed, true, false, 3},
	} {
		if c.s.Active("ann") != c.active || c.s.Has("ann", "sales") != c.has || c.s.Capacity("ann") != c.capacity || c.s.Active("bob") {
			t.Errorf("%s: %v %v %d", name, c.s.Active("ann"), c.s.Has("ann", "sales"), c.s.Capacity("ann"))
		}
	}
	all := slices.Collect(one.Evolve(EmployeeEnrolled{EmployeeID: "abe", Name: "Abe"}).All())
	if len(all) != 2 || all[0].ID != "abe" || all[1].ID != "ann" || all[1].Name != "Ann Lee" {
		t.Errorf("%+v", all)
	}
	if _, err := left.Working("ann"); err == nil || !strings.Contains(err.Error(), "employee_inactive") {
		t.Error(err)
	}
	if _, err := one.InRole("ann", "dpo"); err == nil || !strings.Contains(err.Error(), "employee_without_role") {
		t.Error(err)
	}
}
