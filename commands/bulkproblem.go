package commands

import (
	"encoding/json"

	"github.com/rapport-crm/rapport/internal/web"
)

// appendProblem writes a problem as the answer to a line.
func appendProblem(b []byte, number int, p web.Problem) []byte {
	body, err := json.Marshal(LineAnswer{
		Line: number, Status: p.Status, Type: p.Type, Title: p.Title, Detail: p.Detail,
		Code: p.Code, Errors: p.Errors, Holder: p.Holder, TraceID: p.TraceID,
	})
	if err != nil {
		panic(err) // strings and integers only
	}
	return append(append(b, body...), '\n')
}
