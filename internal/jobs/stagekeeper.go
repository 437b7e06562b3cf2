package jobs

import (
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/projections/lifecycle"
)

// Stages is the duty of the stage keeper: it moves customers from stage to stage
// when they were idle for long enough.
func Stages() Duty {
	return Duty{
		Name: "stage keeper", Actor: "stage-keeper",
		View: lifecycle.Name, Index: lifecycle.IndexDue,
		Kinds: []string{policy.KindLifecycle},
		Space: uuid.NewSHA1(uuid.NameSpaceURL, []byte("rapport:stage-keeper")),
		Wire:  "assess-stage",
		Command: func(s domain.Subject, w *world.World) domain.Command[customer.State, customer.Event] {
			return customer.AssessStage{Subject: s, Known: world.Known{World: w}}
		},
		Done:   "customers were idle and have moved to other stages",
		Failed: "customers could not be moved to their stages",
	}
}
