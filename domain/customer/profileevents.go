package customer

import "time"

// ProfileUpdated says which profile fields changed, and from what to what.
type ProfileUpdated struct {
	Fields  []string `json:"fields"` // names, in the order of Changes
	Changes []Change `json:"changes,omitempty" personal:"true"`
}

// Change is one field before and after; an empty string is "not set". A field is
// named by its path in the profile.
type Change struct {
	Field  string `json:"field"`
	Was    string `json:"was"`
	Became string `json:"became"`
}

// DemographicsUpdated says which demographic facts changed, and from what to what.
type DemographicsUpdated struct {
	Fields  []string  `json:"fields"` // names, in the order of Changes
	Changes []Change  `json:"changes,omitempty" personal:"true"`
	At      time.Time `json:"at"`
}

// PsychographicsUpdated says what changed of how the customer lives and thinks.
type PsychographicsUpdated struct {
	Fields      []string     `json:"fields"` // names, those of Lists first
	Lists       []ListChange `json:"lists,omitempty" personal:"true"`
	Preferences []Change     `json:"preferences,omitempty" personal:"true"` // by the name of the preference
	At          time.Time    `json:"at"`
}

// ListChange is one list before and after.
type ListChange struct {
	Field  string   `json:"field"`
	Was    []string `json:"was,omitempty"`
	Became []string `json:"became,omitempty"`
}

// MarketAttitudeRecorded says how the customer stood to the brand and to the
// market when that was found out.
type MarketAttitudeRecorded struct {
	Scores       MarketScores `json:"scores,omitzero" personal:"true"`
	Method       string       `json:"method"`                  // one of Methods
	ModelVersion string       `json:"model_version,omitempty"` // of the model, if one found it out
	ObservedAt   time.Time    `json:"observed_at"`
}

// MarketScores are from 0 to 100; absent: not found out.
type MarketScores struct {
	OwnBrandAttention   *int `json:"own_brand_attention,omitempty" jsonschema:"minimum=0,maximum=100"`
	CompetitorAttention *int `json:"competitor_attention,omitempty" jsonschema:"minimum=0,maximum=100"`
	PriceSensitivity    *int `json:"price_sensitivity,omitempty" jsonschema:"minimum=0,maximum=100"`
	QualityTolerance    *int `json:"quality_tolerance,omitempty" jsonschema:"minimum=0,maximum=100"`
	NeedSatisfaction    *int `json:"need_satisfaction,omitempty" jsonschema:"minimum=0,maximum=100"`
	Dependency          *int `json:"dependency,omitempty" jsonschema:"minimum=0,maximum=100"`
}

// TagAdded says that the customer carries a tag.
type TagAdded struct {
	Tag string    `json:"tag,omitempty" personal:"true"`
	At  time.Time `json:"at"`
}

// TagRemoved says that the customer carries a tag no longer.
type TagRemoved struct {
	Tag string    `json:"tag,omitempty" personal:"true"`
	At  time.Time `json:"at"`
}

// AttributeSet says what value an attribute of the schema has. The value of a
// personal attribute stands in PersonalValue, that of another one in Value.
type AttributeSet struct {
	Key           string    `json:"key"`
	Type          string    `json:"type"`
	Value         string    `json:"value,omitempty"`
	PersonalValue string    `json:"personal_value,omitempty" personal:"true"`
	At            time.Time `json:"at"`
}

// AttributeCleared says that an attribute of the schema has no value any more.
type AttributeCleared struct {
	Key string    `json:"key"`
	At  time.Time `json:"at"`
}

// Classified says what type of customer this is, and why somebody thinks so.
type Classified struct {
	Type  string    `json:"type"` // one of CustomerTypes
	Basis string    `json:"basis,omitempty" personal:"true"`
	At    time.Time `json:"at"`
}

func (ProfileUpdated) customerEvent()         {}
func (DemographicsUpdated) customerEvent()    {}
func (PsychographicsUpdated) customerEvent()  {}
func (MarketAttitudeRecorded) customerEvent() {}
func (TagAdded) customerEvent()               {}
func (TagRemoved) customerEvent()             {}
func (AttributeSet) customerEvent()           {}
func (AttributeCleared) customerEvent()       {}
func (Classified) customerEvent()             {}

// Occurred implements domain.Dated.
func (e DemographicsUpdated) Occurred() time.Time    { return e.At }
func (e PsychographicsUpdated) Occurred() time.Time  { return e.At }
func (e MarketAttitudeRecorded) Occurred() time.Time { return e.ObservedAt }
func (e TagAdded) Occurred() time.Time               { return e.At }
func (e TagRemoved) Occurred() time.Time             { return e.At }
func (e AttributeSet) Occurred() time.Time           { return e.At }
func (e AttributeCleared) Occurred() time.Time       { return e.At }
func (e Classified) Occurred() time.Time             { return e.At }
