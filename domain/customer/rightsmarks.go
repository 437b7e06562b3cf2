package customer

// What is due is settled whatever becomes of the personal data: an order of an
// erased or restricted customer is still paid, cancelled and refunded, as long
// as nothing is said about it in words.

// AfterErasure implements domain.AfterErasure.
func (PayOrder) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted.
func (PayOrder) WhileRestricted() {}

// AfterErasure implements domain.AfterErasure.
func (CancelOrder) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted.
func (CancelOrder) WhileRestricted() {}

// SaysPersonal implements domain.Personal.
func (c CancelOrder) SaysPersonal() bool { return c.Reason != "" }

// AfterErasure implements domain.AfterErasure.
func (RecordRefund) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted.
func (RecordRefund) WhileRestricted() {}

// SaysPersonal implements domain.Personal.
func (c RecordRefund) SaysPersonal() bool { return c.Reason != "" }

// AfterErasure implements domain.AfterErasure: a name that the customer had is
// theirs until the eraser gives it back, and with it an objection to contact.
func (AbandonClaim) AfterErasure() {}
