package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// ErasureRequested says that somebody asked for the customer's personal data to
// be erased, and until when they must have their answer.
type ErasureRequested struct {
	Scope       string       `json:"scope"`     // ScopeAll
	Requester   string       `json:"requester"` // RequesterCustomer or one of the others
	Evidence    string       `json:"evidence,omitempty" personal:"true"`
	RequestedBy domain.Actor `json:"requested_by"` // who gave the command
	RequestedAt time.Time    `json:"requested_at"`
	Deadline    domain.Date  `json:"deadline"`
}

// ErasureApproved says that a second person agreed to a requested erasure. From
// here on it cannot be stopped.
type ErasureApproved struct {
	ApprovedBy domain.Actor `json:"approved_by"`
	Note       string       `json:"note,omitempty" personal:"true"`
	ApprovedAt time.Time    `json:"approved_at"`
}

// ErasureRefused says why a requested erasure is not done.
type ErasureRefused struct {
	Ground    string       `json:"ground"`
	Note      string       `json:"note,omitempty" personal:"true"`
	RefusedBy domain.Actor `json:"refused_by"`
	RefusedAt time.Time    `json:"refused_at"`
}

// PersonalDataErased certifies that the key of the customer's personal data was
// destroyed: whatever of it still stands somewhere can be read by nobody. Every fold
// forgets the customer's personal data when it sees it.
type PersonalDataErased struct {
	Requester   string       `json:"requester"`
	RequestedAt time.Time    `json:"requested_at"`
	RequestedBy domain.Actor `json:"requested_by"`
	ApprovedAt  time.Time    `json:"approved_at"`
	ApprovedBy  domain.Actor `json:"approved_by"`
	// EventCount and ChainHead are those of the customer's stream before this
	// event: what a verification of the history must come to.
	EventCount int64     `json:"event_count"`
	ChainHead  string    `json:"chain_head"` // 64 hexadecimal digits
	KeyIDs     []string  `json:"key_ids"`    // the data keys destroyed
	ReadModels []string  `json:"purged_read_models"`
	ErasedAt   time.Time `json:"erased_at"`
}

// ErasureCompleted says that the destroyed key has left the files of the stores
// as well, as far as the program has them in its hands.
type ErasureCompleted struct {
	Store       string    `json:"store"`       // StoreCompacted or StoreScavenge
	ReadModels  string    `json:"read_models"` // RedisRewritten or one of the others
	CompletedAt time.Time `json:"completed_at"`
}

// LegalHoldPlaced says that the customer's data must be kept, whoever asks for
// its erasure.
type LegalHoldPlaced struct {
	HoldID   string       `json:"hold_id"`
	Ground   string       `json:"ground"`
	Note     string       `json:"note,omitempty" personal:"true"`
	PlacedBy domain.Actor `json:"placed_by"`
	PlacedAt time.Time    `json:"placed_at"`
}

// LegalHoldLifted says that a legal hold ended.
type LegalHoldLifted struct {
	HoldID   string       `json:"hold_id"`
	Ground   string       `json:"ground"`
	Note     string       `json:"note,omitempty" personal:"true"`
	LiftedBy domain.Actor `json:"lifted_by"`
	LiftedAt time.Time    `json:"lifted_at"`
}

// ProcessingRestricted says that the customer's data may be kept, not used.
type ProcessingRestricted struct {
	Ground       string    `json:"ground"`
	Note         string    `json:"note,omitempty" personal:"true"`
	RestrictedAt time.Time `json:"restricted_at"`
}

// RestrictionLifted says that the customer's data may be used again.
type RestrictionLifted struct {
	Ground   string    `json:"ground"`
	Note     string    `json:"note,omitempty" personal:"true"`
	LiftedAt time.Time `json:"lifted_at"`
}

// PersonalDataExported says that somebody was handed all data of the customer up
// to a revision of their stream.
type PersonalDataExported struct {
	Format     string    `json:"format"`   // FormatJSON
	Revision   int64     `json:"revision"` // of the last event in it
	Digest     string    `json:"digest"`   // SHA-256 of what was handed out, in hexadecimal digits
	ExportedAt time.Time `json:"exported_at"`
}

func (ErasureRequested) customerEvent()     {}
func (ErasureApproved) customerEvent()      {}
func (ErasureRefused) customerEvent()       {}
func (PersonalDataErased) customerEvent()   {}
func (ErasureCompleted) customerEvent()     {}
func (LegalHoldPlaced) customerEvent()      {}
func (LegalHoldLifted) customerEvent()      {}
func (ProcessingRestricted) customerEvent() {}
func (RestrictionLifted) customerEvent()    {}
func (PersonalDataExported) customerEvent() {}

// Occurred implements domain.Dated.
func (e ErasureRequested) Occurred() time.Time     { return e.RequestedAt }
func (e ErasureApproved) Occurred() time.Time      { return e.ApprovedAt }
func (e ErasureRefused) Occurred() time.Time       { return e.RefusedAt }
func (e PersonalDataErased) Occurred() time.Time   { return e.ErasedAt }
func (e ErasureCompleted) Occurred() time.Time     { return e.CompletedAt }
func (e LegalHoldPlaced) Occurred() time.Time      { return e.PlacedAt }
func (e LegalHoldLifted) Occurred() time.Time      { return e.LiftedAt }
func (e ProcessingRestricted) Occurred() time.Time { return e.RestrictedAt }
func (e RestrictionLifted) Occurred() time.Time    { return e.LiftedAt }
func (e PersonalDataExported) Occurred() time.Time { return e.ExportedAt }

// What an erasure takes in.
const ScopeAll = "all" // all personal data: it has one key

// Who asks for an erasure.
const (
	RequesterCustomer       = "customer"
	RequesterRepresentative = "representative" // a parent, a lawyer
	RequesterAuthority      = "authority"
	RequesterController     = "controller" // we ourselves: the data is no longer needed
)

// How the destroyed key left the files of the event store.
const (
	StoreCompacted = "compacted"     // the embedded node has written its files anew
	StoreScavenge  = "next_scavenge" // an EventStoreDB takes it out of its files when it is scavenged
)

// How what was purged left the files of the read models.
const (
	RedisRewritten = "append_only_file_rewritten"
	RedisInMemory  = "in_memory" // there are no files
	// RedisNextRewrite: a Redis that somebody else looks after does it when it next
	// writes its files anew.
	RedisNextRewrite = "next_rewrite"
)

// FormatJSON is the format of a personal data export.
const FormatJSON = "application/json"
