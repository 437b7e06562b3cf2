package commands

import (
	"sync"
	"time"

	"github.com/rapport-crm/rapport/domain/customer"
)

// locating tells a contact where the customer's clocks hang.
func locating(_ *API, _ *Request, c *customer.RecordContact) { c.Locate = Locate }

// locatingCare tells an action at a moment of the customer likewise.
func locatingCare(_ *API, _ *Request, c *customer.RecordCareAction) { c.Locate = Locate }

var located sync.Map // *time.Location by its name

// Locate returns a time zone by its name, nil if this machine knows none. Who sends
// customer.RecordContact or RecordCareAction past the API sets its Locate to it.
func Locate(name string) *time.Location {
	if zone, ok := located.Load(name); ok {
		return zone.(*time.Location)
	}
	if !knowsZone(name) {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	located.Store(name, zone)
	return zone
}
