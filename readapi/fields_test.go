package readapi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFieldChanges(t *testing.T) {
	type change struct{ field, was, became string }
	for name, test := range map[string]struct {
		before, after string
		want          []change
	}{
		"nothing":      {`{"a":1}`, `{"a":1}`, nil},
		"a new one":    {``, `{"revision":0,"a":1,"b":{"c":"x"}}`, []change{{"a", "null", "1"}, {"b.c", "null", `"x"`}}},
		"gone":         {`{"a":1,"b":{"c":"x"}}`, ``, []change{{"a", "1", "null"}, {"b.c", `"x"`, "null"}}},
		"a value":      {`{"a":1,"b":{"c":"x","d":1}}`, `{"a":1,"b":{"c":"y","d":1}}`, []change{{"b.c", `"x"`, `"y"`}}},
		"explanations": {`{"revision":1,"a":{"event_id":"1","lookup":"x"}}`, `{"revision":2,"a":{"event_id":"2","lookup":"y"}}`, nil},
		"by id": {
			`{"list":[{"id":"a","v":1},{"id":"b","v":2}]}`, `{"list":[{"id":"b","v":3},{"id":"c","v":4}]}`,
			[]change{{"list[b].v", "2", "3"}, {"list[c].id", "null", `"c"`}, {"list[c].v", "null", "4"}, {"list[a].id", `"a"`, "null"}, {"list[a].v", "1", "null"}},
		},
		"by system and id":      {`{"list":[{"system":"s","id":"1"}]}`, `{"list":[{"system":"s","id":"1","x":true}]}`, []change{{"list[s:1].x", "null", "true"}}},
		"by purpose, channel":   {`{"list":[{"purpose":"p","channel":"e","x":1},{"purpose":"p","channel":"f","x":1}]}`, `{"list":[{"purpose":"p","channel":"e","x":1},{"purpose":"p","channel":"f","x":2}]}`, []change{{"list[p:f].x", "1", "2"}}},
		"by occasion and year":  {`{"list":[{"occasion":"o","year":1,"event_id":"x"}]}`, `{"list":[{"occasion":"o","year":1,"event_id":"x"},{"occasion":"o","year":2,"event_id":"y"}]}`, []change{{"list[o:2].occasion", "null", `"o"`}, {"list[o:2].year", "null", "2"}}},
		"by place":              {`{"list":[{"x":1},{"x":1}]}`, `{"list":[{"x":1},{"x":2}]}`, []change{{"list[1].x", "1", "2"}}},
		"plain values":          {`{"tags":["a","b"]}`, `{"tags":["b","c"]}`, []change{{"tags[c]", "null", `"c"`}, {"tags[a]", `"a"`, "null"}}},
		"the order of them":     {`{"tags":["a","b"]}`, `{"tags":["b","a"]}`, []change{{"tags", `["a","b"]`, `["b","a"]`}}},
		"the first of them":     {`{}`, `{"tags":["b","a"]}`, []change{{"tags[b]", "null", `"b"`}, {"tags[a]", "null", `"a"`}}},
		"equal ones":            {`{"n":[1,1]}`, `{"n":[1,1,1]}`, []change{{"n[1#2]", "null", "1"}}},
		"of another kind":       {`{"a":1}`, `{"a":{"b":1}}`, []change{{"a", "1", `{"b":1}`}}},
		"lists within lists":    {`{"a":[[1]]}`, `{"a":[[2]]}`, []change{{"a", "[[1]]", "[[2]]"}}},
		"a name with an escape": {`{"a\"b":1}`, `{"a\"b":2}`, []change{{`a"b`, "1", "2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			doc := func(s string) []byte {
				if s == "" {
					return nil
				}
				return []byte(s)
			}
			var got []change
			for _, c := range fieldChanges(doc(test.before), doc(test.after)) {
				got = append(got, change{c.Field, string(c.Was), string(c.Became)})
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(change{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
