package projections_test

import (
	"testing"

	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/internal/partitiontest"
)

// However the log is cut into batches, whatever is lost or delivered again, and
// whoever else writes, the store is the fold of the log.
func TestAnyHistory(t *testing.T) {
	partitiontest.Run(t, memstore.New(), 100)
}
