// Package datakey is the stream of a customer's data key. Erasure destroys the
// stream, and with it every personal field ever written about the customer.
package datakey

import "github.com/google/uuid"

// Event is one of the facts of a data key.
//
//sumtype:decl
type Event interface{ datakeyEvent() }

// Created says that a customer has a data key. Wrapped is the key, encrypted
// with the master key.
type Created struct {
	KeyID     string `json:"key_id"`
	MasterKey string `json:"master_key"` // fingerprint of the master key that wraps it
	Wrapped   []byte `json:"wrapped"`
}

func (Created) datakeyEvent() {}

// Stream names the stream of a customer's data key.
func Stream(customer uuid.UUID) string { return "datakey-" + customer.String() }
