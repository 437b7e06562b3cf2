package segments

import (
	"fmt"
	"iter"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/projections"
)

// NoteName names the contributions to the calibration of the customers' worth that
// the event at a position asks for. Those to a clustering are named by cluster.NoteName.
func NoteName(trigger uint64) string { return fmt.Sprintf("value:%d", trigger) }

func contribution() *projections.Contribution[Document] {
	return &projections.Contribution[Document]{Asked: Asked, Collect: collect, Settled: Settled}
}

// Asked names the contributions that an event asks for. The world is that after
// the event.
func Asked(e projections.Event, w *projections.World) (name string, ok bool) {
	if _, ok := e.Data.(cluster.Requested); ok {
		return cluster.NoteName(e.Position), true
	}
	for _, asked := range w.ValueAsked {
		if asked.Position == e.Position && asked.Event == e.ID {
			return NoteName(e.Position), true
		}
	}
	return "", false
}

// Settled names the contributions that an event makes superfluous.
func Settled(e projections.Event) (name string, ok bool) {
	switch d := e.Data.(type) {
	case value.Calibrated:
		return NoteName(d.TriggerPosition), true
	case value.CalibrationFailed:
		return NoteName(d.TriggerPosition), true
	case cluster.Fitted:
		return cluster.NoteName(d.TriggerPosition), true
	case cluster.FitFailed:
		return cluster.NoteName(d.TriggerPosition), true
	}
	return "", false
}

func collect(e projections.Event, w *projections.World, documents iter.Seq2[uuid.UUID, *Document]) ([]byte, error) {
	if r, ok := e.Data.(cluster.Requested); ok {
		return collectVectors(r, e.Position, w, documents)
	}
	return collectMeasures(e, w, documents)
}
