package readapi

import (
	"encoding/json"

	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// ProfileDocument is a document of the profile view as it is stored; null where
// there is none.
type ProfileDocument json.RawMessage

// RFMDocument is a document of the rfm view as it is stored; null where there is none.
type RFMDocument json.RawMessage

// LoyaltyDocument is a document of the loyalty view as it is stored; null where
// there is none.
type LoyaltyDocument json.RawMessage

// MarshalJSON implements json.Marshaler.
func (d ProfileDocument) MarshalJSON() ([]byte, error) { return json.RawMessage(d).MarshalJSON() }

// MarshalJSON implements json.Marshaler.
func (d RFMDocument) MarshalJSON() ([]byte, error) { return json.RawMessage(d).MarshalJSON() }

// MarshalJSON implements json.Marshaler.
func (d LoyaltyDocument) MarshalJSON() ([]byte, error) { return json.RawMessage(d).MarshalJSON() }

// JSONSchemaAlias says what the published document shows.
func (ProfileDocument) JSONSchemaAlias() any { return (*profile.Document)(nil) }

// JSONSchemaAlias says what the published document shows.
func (RFMDocument) JSONSchemaAlias() any { return (*rfm.Document)(nil) }

// JSONSchemaAlias says what the published document shows.
func (LoyaltyDocument) JSONSchemaAlias() any { return (*loyalty.Document)(nil) }
