package eventschema

import (
	"testing"

	"github.com/rapport-crm/rapport/domain/customer"
)

func BenchmarkSeal(b *testing.B) {
	data, m, stream := any(order()), envelope(), customer.Stream(alice)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Events.Seal(Chain{}, stream, 7, m, data, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	raw, _, err := Events.Seal(Chain{}, customer.Stream(alice), 7, envelope(), order(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(raw.Data)), "data-bytes")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Events.Open(raw, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealPersonal(b *testing.B) {
	data, m, stream, key := any(registered()), envelope(), customer.Stream(alice), dataKey()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Events.Seal(Chain{}, stream, 7, m, data, key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenPersonal(b *testing.B) {
	key := dataKey()
	raw, _, err := Events.Seal(Chain{}, customer.Stream(alice), 7, envelope(), registered(), key)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Events.Open(raw, key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMeta(b *testing.B) {
	raw, _, _ := Events.Seal(Chain{}, customer.Stream(alice), 7, envelope(), order(), nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Events.Meta(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCustomerOf(b *testing.B) {
	raw, _, _ := Events.Seal(Chain{}, customer.Stream(alice), 7, envelope(), order(), nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := CustomerOf(raw); !ok {
			b.Fatal("no customer")
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	raw, _, _ := Events.Seal(Chain{}, customer.Stream(alice), 0, envelope(), order(), nil)
	b.ReportAllocs()
	for b.Loop() {
		var v Verifier
		if err := v.Add(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFrames(b *testing.B) {
	raw, _, _ := Events.Seal(Chain{}, customer.Stream(alice), 7, envelope(), order(), nil)
	var payload []byte
	b.ReportAllocs()
	for b.Loop() {
		payload = AppendFrame(payload[:0], raw)
		for _, err := range Frames(payload) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
