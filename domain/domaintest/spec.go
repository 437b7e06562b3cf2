// Package domaintest reads like a specification: given what happened, when a
// command is decided, then these events, this refusal, or nothing.
package domaintest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
)

// Spec is one scenario of an aggregate with state S and events E. Then and
// Error both empty means that the command stays quiet.
type Spec[S domain.State[S, E], E any] struct {
	Name  string
	Given []E
	When  domain.Command[S, E]
	Then  []E
	Error error
	// Fields are the pointers of the fields that the refusal must name, in order.
	Fields []string
}

// Run runs each scenario as a subtest. Events are compared exactly and in order.
func Run[S domain.State[S, E], E any](t *testing.T, specs []Spec[S, E]) {
	t.Helper()
	for _, spec := range specs {
		t.Run(spec.Name, func(t *testing.T) {
			t.Helper()
			var state S
			for _, e := range spec.Given {
				state = state.Evolve(e)
			}
			got, err := domain.Decide(state, spec.When)
			if !errors.Is(err, spec.Error) {
				t.Fatalf("error = %v, want %v", err, spec.Error)
			}
			if err != nil && len(got) > 0 {
				t.Errorf("a refusal with %d events", len(got))
			}
			if diff := cmp.Diff(spec.Then, got); diff != "" && len(spec.Then)+len(got) > 0 {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if spec.Fields != nil {
				if diff := cmp.Diff(spec.Fields, pointers(err)); diff != "" {
					t.Errorf("fields (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func pointers(err error) (list []string) {
	var refusal *domain.Error
	if errors.As(err, &refusal) {
		for _, f := range refusal.Fields {
			list = append(list, f.Pointer)
		}
	}
	return list
}
