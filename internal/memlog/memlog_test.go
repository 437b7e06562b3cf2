package memlog_test

import (
	"testing"

	"github.com/rapport-crm/rapport/internal/logtest"
	"github.com/rapport-crm/rapport/internal/memlog"
)

func TestConformance(t *testing.T) {
	logtest.Run(t, func(*testing.T) logtest.Subject {
		log := new(memlog.Log)
		return logtest.Subject{Log: log, Destroy: log.Destroy}
	})
}
