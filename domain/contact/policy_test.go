package contact_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
)

func TestAPolicyOfContactsIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*contact.Policy)
		want   []string // the fields that are wrong
	}{
		"the default":           {func(*contact.Policy) {}, nil},
		"without hours and cap": {func(p *contact.Policy) { p.Quiet, p.Cap = nil, nil }, nil},
		"texts and shared":      {func(p *contact.Policy) { p.Purposes[0].Texts, p.Shared = []string{"v1", "v2"}, []string{"phone"} }, nil},
		"nothing at all":        {func(p *contact.Policy) { *p = contact.Policy{} }, []string{"/policy/name", "/policy/channels", "/policy/purposes"}},
		"names": {
			func(p *contact.Policy) {
				p.Channels = []string{"email", "*", "email", "", strings.Repeat("x", 65)}
				p.Purposes[1].Name = "Marketing!"
			},
			[]string{"/policy/channels/1", "/policy/channels/2", "/policy/channels/3", "/policy/channels/4", "/policy/purposes/1"},
		},
		"bases": {
			func(p *contact.Policy) { p.Purposes[0].Basis, p.Purposes[1].Basis = "", "greed" },
			[]string{"/policy/purposes/0/basis", "/policy/purposes/1/basis"},
		},
		"texts":  {func(p *contact.Policy) { p.Purposes[0].Texts = []string{""} }, []string{"/policy/purposes/0/texts/0"}},
		"hours":  {func(p *contact.Policy) { p.Quiet = &contact.Hours{From: "24:00", To: "8"} }, []string{"/policy/quiet_hours/from", "/policy/quiet_hours/to"}},
		"no day": {func(p *contact.Policy) { p.Quiet = &contact.Hours{From: "08:00", To: "08:00"} }, []string{"/policy/quiet_hours/to"}},
		"cap":    {func(p *contact.Policy) { p.Cap = &contact.Cap{Contacts: 1001, Days: 367} }, []string{"/policy/frequency_cap/contacts", "/policy/frequency_cap/days"}},
		"shared": {func(p *contact.Policy) { p.Shared = []string{"fax", ""} }, []string{"/policy/shared/0", "/policy/shared/1"}},
	} {
		p := contact.Default()
		c.change(&p)
		err := p.Validate()
		var got []string
		var refusal *domain.Error
		if errors.As(err, &refusal) {
			for _, f := range refusal.Fields {
				got = append(got, f.Pointer)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWhatEndsALegalBasis(t *testing.T) {
	for _, c := range []struct {
		basis      string
		objectable bool // it ends with the customer's no
		forbidden  bool // it ends when the law forbids contacts
	}{
		{contact.Consent, true, true}, {contact.LegitimateInterest, true, true}, {contact.PublicTask, true, true},
		{contact.Contract, false, true}, {contact.LegalObligation, false, false}, {contact.VitalInterest, false, false},
	} {
		if contact.Objectable(c.basis) != c.objectable || contact.Forbidden(c.basis) != c.forbidden {
			t.Errorf("%s: %v, %v", c.basis, contact.Objectable(c.basis), contact.Forbidden(c.basis))
		}
	}
}
