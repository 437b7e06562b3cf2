package domain

import (
	"testing"
	"time"
)

// The quick ways to write and read a date agree with the time package.
func TestDateText(t *testing.T) {
	for d := NewDate(-2, 1, 1); d < NewDate(10010, 1, 1); d += 13 {
		want := time.Unix(int64(d)*86400, 0).UTC().Format(dateLayout)
		text, err := d.MarshalText()
		if err != nil || string(text) != want {
			t.Fatalf("%d is %q, %v, not %q", d, text, err, want)
		}
		if d < NewDate(0, 1, 1) || d > NewDate(9999, 12, 31) {
			continue
		}
		var back Date
		if err := back.UnmarshalText(text); err != nil || back != d {
			t.Fatalf("%q is read as %d, %v", text, back, err)
		}
	}
	for _, text := range []string{"", "2024-02-30", "2023-02-29", "2024-13-01", "2024-00-10", "2024-01-00", "2024-1-01", "20240101", "+024-01-01", "2024-01-0a", "2024/01/01"} {
		var d Date
		if d.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is read as %v", text, d)
		}
	}
}
