package cluster

import "math/bits"

// random is SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom
// number generators"): what follows from a seed is fixed by the algorithm, here
// and in every later version of the program.
type random struct{ state uint64 }

// newRandom returns the numbers of a seed for a purpose: others for each.
func newRandom(seed uint64, purpose ...uint64) *random {
	r := &random{seed}
	for _, p := range purpose {
		r.state = r.next() ^ p
	}
	return r
}

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1, each as likely as the others.
func (r *random) below(n int) int {
	for most := -uint64(n) % uint64(n); ; {
		if high, low := bits.Mul64(r.next(), uint64(n)); low >= most {
			return int(high)
		}
	}
}

// unit returns a number from 0 to less than 1.
func (r *random) unit() float64 { return float64(r.next()>>11) * 0x1p-53 }

// sample returns most of the numbers from 0 to n-1, all if they are no more,
// ascending; every choice is as likely as the others (Knuth, The Art of Computer
// Programming 2, 3.4.2, algorithm S).
func (r *random) sample(n, most int) []int {
	chosen := make([]int, 0, min(n, most))
	for i := 0; i < n && len(chosen) < most; i++ {
		if r.below(n-i) < most-len(chosen) {
			chosen = append(chosen, i)
		}
	}
	return chosen
}
