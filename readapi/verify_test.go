package readapi_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/readapi"
)

// small is a shop with a customer of four events and another one beside.
func small(t testing.TB) *shop {
	s := newShop(t)
	s.policy()
	s.register(someone(1), customer.Name{Given: "Zoë", Family: "O'Brien"}, "web")
	s.register(someone(2), customer.Name{Given: "Bo"}, "shop")
	s.order(someone(1), "A-1", "2026-02-20", 1299)
	s.customer(someone(1), customer.ProfileUpdated{Fields: []string{"name.given"}, Changes: []customer.Change{{Field: "name.given", Was: "Zoë", Became: "Zoe"}}},
		func(m *eventschema.Meta) { m.Reason = "she <asked> for it" })
	s.order(someone(1), "A-2", "2026-02-25", 500)
	s.project()
	return s
}

func TestAnExportOfAHistoryVerifiesOffline(t *testing.T) {
	s := small(t)
	file := s.get("/v1/customers/"+someone(1).String()+"/history", "Accept", "application/x-ndjson").status(200).Body
	v, err := readapi.VerifyExport(file)
	if err != nil || !v.OK || v.Events != 4 || v.Streams != 1 || v.Chain != s.streams[customer.Stream(someone(1))].chain.String() {
		t.Fatalf("%+v %v", v, err)
	}
}

// Whatever byte of the file is flipped: it is noticed, and the event is named.
func TestOneFlippedByteInAnExportNamesTheEvent(t *testing.T) {
	s := small(t)
	file := s.get("/v1/customers/"+someone(1).String()+"/history", "Accept", "application/x-ndjson").status(200).Body.Bytes()
	lines := bytes.SplitAfter(file, []byte("\n"))
	at := 0
	for n, line := range lines[:len(lines)-1] {
		for i := range line {
			flip := byte(1) << (i % 8)
			changed := bytes.Clone(file)
			changed[at+i] ^= flip
			v, err := readapi.VerifyExport(bytes.NewReader(changed))
			if err != nil {
				t.Fatal(err)
			}
			if at+i == len(file)-1 && v.OK {
				continue // the newline after everything says nothing
			}
			if v.OK || v.FirstBad == nil {
				t.Fatalf("line %d, byte %d flipped by %#x: not noticed", n+1, i, flip)
			}
			bad := v.FirstBad
			if bad.Line != n+1 {
				t.Fatalf("line %d, byte %d flipped by %#x: line %d is named: %v", n+1, i, flip, bad.Line, bad)
			}
			if event := n - 1; event >= 0 && event < 4 && (bad.Stream != customer.Stream(someone(1)) || bad.Revision != uint64(event)) {
				t.Fatalf("line %d, byte %d flipped by %#x: %v is named", n+1, i, flip, bad)
			}
		}
		at += len(line)
	}
}

func TestAnExportThatLacksALineIsNoticed(t *testing.T) {
	s := small(t)
	file := s.get("/v1/customers/"+someone(1).String()+"/history", "Accept", "application/x-ndjson").status(200).Body.String()
	lines := strings.SplitAfter(file, "\n")
	for n := range lines[:len(lines)-1] {
		without := strings.Join(append(append([]string{}, lines[:n]...), lines[n+1:]...), "")
		v, err := readapi.VerifyExport(strings.NewReader(without))
		if err != nil || v.OK {
			t.Fatalf("without line %d: %+v %v", n+1, v, err)
		}
	}
	for cut := range len(file) - 1 {
		if v, err := readapi.VerifyExport(strings.NewReader(file[:cut])); err != nil || v.OK {
			t.Fatalf("cut at %d: %+v %v", cut, v, err)
		}
	}
}

func TestAnExportOfTheLogVerifiesOffline(t *testing.T) {
	s := small(t)
	file := s.get("/v1/log").status(200).Body.String()
	v, err := readapi.VerifyExport(strings.NewReader(file))
	if err != nil || !v.OK || v.Events != len(s.events) || v.Streams != 6 || v.Unanchored != 0 {
		t.Fatalf("%+v %v", v, err)
	}
	if strings.Contains(file, "Brien") {
		t.Fatal("the log is not encrypted")
	}
	// A second file goes on where the first ended, and both are one.
	half := s.events[4].Position
	s.register(someone(3), customer.Name{}, "web")
	rest := s.get("/v1/log?after=" + itoa(half)).status(200).Body.String()
	v, err = readapi.VerifyExport(strings.NewReader(rest))
	if err != nil || !v.OK || v.Events != len(s.events)-5 || v.Unanchored == 0 {
		t.Fatalf("%+v %v", v, err)
	}
	next := s.get("/v1/log?after=" + itoa(s.events[len(s.events)-3].Position)).status(200).Body.String()
	v, err = readapi.VerifyExport(strings.NewReader(file + next))
	if err != nil || !v.OK || v.Events != len(s.events) || v.Unanchored != 0 {
		t.Fatalf("%+v %v", v, err)
	}
}

// An export from the head of the log is empty, and ends.
func TestAnExportOfNothingEnds(t *testing.T) {
	s := small(t)
	file := s.get("/v1/log?after=" + itoa(s.position)).status(200).Body
	if v, err := readapi.VerifyExport(file); err != nil || !v.OK || v.Events != 0 {
		t.Fatalf("%+v %v", v, err)
	}
}

func TestWhatIsNoExportIsSaidToBeNone(t *testing.T) {
	for _, file := range []string{"", "\n", "{}\n", "null\n", strings.Repeat("x", 1000)} {
		if v, err := readapi.VerifyExport(strings.NewReader(file)); err != nil || v.OK || v.FirstBad == nil {
			t.Errorf("%.10q: %+v %v", file, v, err)
		}
	}
}

func FuzzVerifyExport(f *testing.F) {
	s := small(f)
	f.Add(s.get("/v1/log").Body.Bytes())
	f.Add(s.get("/v1/customers/"+someone(1).String()+"/history", "Accept", "application/x-ndjson").Body.Bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := readapi.VerifyExport(bytes.NewReader(file)); err != nil {
			t.Fatal(err)
		}
	})
}
