package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const customersMap = "customer=id,given=first,family=last,email=mail,phone=tel,birth_date=dob,country=land,tags=labels,attribute.points=points,registered_at=since"

// customersFile writes a file of customers.
func customersFile(t testing.TB, rows ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "customers.csv")
	content := "id,first,last,mail,tel,dob,land,labels,points,since\n" + strings.Join(rows, "\n") + "\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rejected returns row, column and code of a file of rejects, by row, and their details.
func rejected(t testing.TB, path string) (list []string, details map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	details = map[string]string{}
	for _, row := range rows[1:] {
		found[row[0]], details[row[0]] = row[0]+" "+row[1]+" "+row[2], row[3]
	}
	for n := range 100 {
		if line, ok := found[fmt.Sprint(n)]; ok {
			list = append(list, line)
		}
	}
	return list, details
}

// Customers come from a file, once however often it is imported; a dry run says
// before what would become of each row.
func TestImportCustomers(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual")
	s.call("POST", "/v1/schema/define-attribute", `{"key":"points","type":"integer"}`)
	// Somebody who came another way has an address, and an id of the source.
	elsewhere := s.call("POST", "/v1/customers", `{"name":{"given":"Eve"},"source":{"channel":"web"},
		"external_ids":[{"system":"crm","id":"12"}],"contact_points":[{"type":"email","value":"eve@example.com"}]}`)
	holder := elsewhere.field("customer_id")
	if holder == "" {
		t.Fatalf("%s", elsewhere.body)
	}
	position := elsewhere.header.Get("Rapport-Position")
	eventually(t, func() string {
		if a := s.call("GET", "/v1/customers?email=eve@example.com&min_position="+position, ""); a.status != 200 {
			return string(a.body)
		}
		return ""
	})

	file := customersFile(t,
		"1,Ada,Berg,ada@example.com,+49 30 901820,1990-12-10,DE,vip;tea,3,2026-01-05", // line 2
		"2,Zoë,Quinn,zoe@example.com,030 901821,1985-02-28,de,,,2026-01-06",
		"3,Ann,Tan,ADA@example.com,,,,,,", // has the address of line 2
		"4,Bad,Mail,nobody,,,,,,",
		"5,Bad,Date,,,31.12.1990,,,,",
		"6,short",
		"7,Bad,Tag,,,,,wh*t,,",
		"8,Bad,Points,,,,,,x,",
		"9,Twin,Tel,,+49 30 901821,,,,,", // has the number of line 3
		"10,Late,Eve,eve@example.com,,,,,,",
		"11,Bo,Kim,bo@example.com,,,,,,", // line 12
		"12,Eva,,eve@example.com,,,,,,",  // known under an id of its own
		"1,Ada,Tal,,,,,,,",               // line 2 again, renamed
	)
	bad := []string{
		"4 mail email_taken", "5 mail email_invalid", "6 dob date_invalid", "7  row_malformed",
		"8 labels validation_failed", "9 points attribute_invalid", "10 tel phone_taken", "11 mail email_taken",
	}
	rejects := filepath.Join(t.TempDir(), "rejects.csv")
	imported := func(want string, args ...string) {
		t.Helper()
		out := s.must(append([]string{"import", "customers", file, "--source", "crm", "--map", customersMap, "--rejects", rejects}, args...)...)
		if strings.TrimSpace(out) != want {
			t.Errorf("%v: %q, want %q", args, strings.TrimSpace(out), want)
		}
		got, details := rejected(t, rejects)
		if diff := cmp.Diff(bad, got); diff != "" {
			t.Errorf("%v: %s", args, diff)
		}
		if !strings.Contains(details["11"], holder) {
			t.Errorf("%v: the holder %s is not named: %s", args, holder, details["11"])
		}
	}
	caughtUp := func() {
		t.Helper()
		eventually(t, func() string {
			if id := s.call("GET", "/v1/customers?external_id=crm:11", "").field("customers"); id == "[]" {
				return "the read models are behind"
			}
			return ""
		})
	}
	imported("read 13, would be created 3, updated 0, unchanged 2, rejected 8", "--dry-run")
	if n := s.call("GET", "/v1/customers?external_id=crm:1", "").field("customers"); n != "[]" {
		t.Errorf("a dry run wrote: %s", n)
	}
	imported("read 13, created 3, updated 0, unchanged 2, rejected 8")
	imported("read 13, created 0, updated 0, unchanged 5, rejected 8")
	caughtUp()
	imported("read 13, would be created 0, updated 2, unchanged 3, rejected 8", "--dry-run", "--mode", "upsert")
	imported("read 13, created 0, updated 2, unchanged 3, rejected 8", "--mode", "upsert")
	imported("read 13, created 0, updated 0, unchanged 5, rejected 8", "--mode", "upsert")

	one := s.must("state", "crm:1")
	for _, want := range []string{`"family": "Tal"`, `"birth_date": "1990-12-10"`, `"vip"`, `"points": 3`, `"normalized": "+4930901820"`, `"country": "DE"`, `"registered_at": "2026-01-05T00:00:00Z"`} {
		if !strings.Contains(one, want) {
			t.Errorf("%s is not in %s", want, one)
		}
	}
	if eva := s.call("GET", "/v1/customers/"+holder, ""); eva.field("name", "given") != "Eva" {
		t.Errorf("who is known under another id was not brought up to date: %s", eva.body)
	}
}

// What cannot succeed as written is said before anything is sent.
func TestImportCustomersUsage(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--in-process-redis")
	file := customersFile(t, "1,Ada,,,,,,,,")
	for mapping, want := range map[string]string{
		"customer=id,email=post":         `there is no column "post" for email; the columns are id, first, last, mail, tel, dob, land, labels, points, since`,
		"customer=id,surname=last":       `there is no field "surname"`,
		"email=mail":                     "customer is not mapped",
		"customer=id,attribute.x=points": `attribute "x" is not in the schema; there are none`,
	} {
		out, err, code := s.rapport("import", "customers", file, "--source", "crm", "--map", mapping)
		if code != exitUsage || !strings.Contains(err, want) || out != "" {
			t.Errorf("%s: exit code %d, %s%s", mapping, code, out, err)
		}
	}
	if out, err, code := s.rapport("import", "customers", file, "--source", "crm", "--map", "customer=id", "--mode", "replace"); code != exitUsage {
		t.Errorf("exit code %d: %s%s", code, out, err)
	}
	// Without a server the file can be checked, and nothing else.
	s.stop()
	out, err, code := s.rapport("import", "customers", file, "--source", "crm", "--map", "customer=id,given=first", "--dry-run")
	if code != exitDone || strings.TrimSpace(out) != "read 1, would be created 1, updated 0, unchanged 0, rejected 0" || !strings.Contains(err, "the file alone was checked") {
		t.Errorf("exit code %d: %s%s", code, out, err)
	}
	if _, err, code := s.rapport("import", "customers", file, "--source", "crm", "--map", "customer=id"); code != exitFailed || !strings.Contains(err, "no server answers") {
		t.Errorf("exit code %d: %s", code, err)
	}
}

// Pairs come from the log through the view to the list, and go for ever when
// somebody says that they are two.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual")
	file := customersFile(t, "1,Ada,Berg,ada+shop@gmail.com,,1990-12-10,,,,", "2,Ada,Berg,a.d.a@googlemail.com,,1990-12-10,,,,", "3,Bo,Kim,,,,,,,")
	s.must("import", "customers", file, "--source", "crm", "--map", "customer=id,given=first,family=last,email=mail,birth_date=dob")
	var found answer
	eventually(t, func() string {
		if found = s.call("GET", "/v1/duplicates", ""); !strings.Contains(string(found.body), `"score":100`) {
			return string(found.body)
		}
		return ""
	})
	for _, want := range []string{`"name_birth_date"`, `"email_folded"`, `"ada@gmail.com"`} {
		if !strings.Contains(string(found.body), want) {
			t.Errorf("%s is not in %s", want, found.body)
		}
	}
	ids := strings.Split(string(found.body), `"customer_id":"`)
	a, b := ids[1][:36], ids[2][:36]
	said := s.call("POST", "/v1/duplicates/reject-duplicate", `{"a":"`+b+`","b":"`+a+`","reason":"household"}`, "Rapport-Actor", "ann")
	if said.status != 200 || said.field("changed") != "true" {
		t.Fatalf("%d %s", said.status, said.body)
	}
	after := "?min_position=" + said.header.Get("Rapport-Position")
	for path, want := range map[string]bool{
		"/v1/duplicates" + after:                                         false,
		"/v1/duplicates" + after + "&state=rejected":                     true,
		"/v1/customers/" + a + "/duplicates" + after:                     false,
		"/v1/customers/" + b + "/duplicates" + after + "&state=rejected": true,
	} {
		if got := s.call("GET", path, ""); strings.Contains(string(got.body), `"score":100`) != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	s.must("rebuild", "duplicates")
	if got := s.call("GET", "/v1/duplicates", ""); strings.Contains(string(got.body), `"score"`) {
		t.Errorf("a rejected pair comes back: %s", got.body)
	}
	s.must("verify", "read-models")
	// The reason is personal data of the one whose history it is in.
	if log := s.must("export"); strings.Contains(log, "mother") || !strings.Contains(log, "duplicate.rejected.v1") {
		t.Error("the reason stands in the log in clear, or nothing was said")
	}
}
