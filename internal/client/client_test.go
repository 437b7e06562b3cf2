package client_test

import (
	"testing"

	"github.com/rapport-crm/rapport/internal/client"
)

// A problem is said once: what the detail tells of a field is not told again.
func TestProblem(t *testing.T) {
	for _, c := range []struct {
		problem      client.Problem
		error, words string
	}{
		{client.Problem{Code: "not_found"}, "not_found", "not_found"},
		{client.Problem{Code: "email_taken", Detail: "it is taken"}, "email_taken: it is taken", "it is taken"},
		{
			client.Problem{Code: "parameter_invalid", Detail: "as_of is no date", Errors: []client.Field{{Pointer: "/as_of", Detail: "is no date"}}},
			"parameter_invalid: as_of is no date", "as_of is no date",
		},
		{
			client.Problem{Code: "validation_failed", Detail: "/a: is required (and 1 more)", Errors: []client.Field{{Pointer: "/a", Detail: "is required"}, {Pointer: "/b", Detail: "is required"}}},
			"validation_failed: /a: is required (and 1 more)\n  /b: is required", "/a: is required (and 1 more)\n  /b: is required",
		},
		{
			client.Problem{Code: "internal", Detail: "something failed", Status: 500, TraceID: "abc"},
			"internal: something failed (trace abc)", "something failed",
		},
	} {
		if got := c.problem.Error(); got != c.error {
			t.Errorf("%q", got)
		}
		if got := c.problem.Reason(); got != c.words {
			t.Errorf("%q", got)
		}
	}
}
