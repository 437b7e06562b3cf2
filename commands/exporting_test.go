package commands_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

// Nothing is recorded of a customer who came to be after it was found that there
// was nothing to hand out.
func TestNoExportIsRecordedOfNothing(t *testing.T) {
	log := new(memlog.Log)
	w := writer(log, new(clock))
	api := &commands.API{Writer: w, Export: func(_ context.Context, of uuid.UUID) (customer.Export, error) {
		mustRegister(t, w, of)
		return customer.Export{}, customer.ErrNotFound
	}}
	client := webtest.NewClient(t, web.Router(api.Routes(), web.Config{Title: "Rapport"}))
	id := uuid.New()
	if a := client.Post("/v1/customers/"+id.String()+"/request-export", `{}`); a.Status != 404 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if n := count(t, log, customer.Stream(id)); n != 1 {
		t.Errorf("%d events", n)
	}
}
